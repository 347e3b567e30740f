"""Items in, NumPy out: decoding, evaluation transform, batching, device and no-grad, in one place.

An `ImageTextEncoder` wraps two towers with one embedding space (our own `DualEncoder`, or a published CLIP or SigLIP) and
offers what the rest of Modiste knows models by: `modiste.types.ItemEncoder`.

An item vector is the pair of its embeddings, [image ; text], so one inner product can weigh both: a query vector holds the
query's embedding twice, times a weight for each half. Words lean on both halves, a photo on the image half. With a query bank
(`query_bank.py`) two more numbers follow: the photo's bias, which words ask for and photos do not, and what makes all item
vectors equally long. Both kinds of vectors are then divided by their length.

Shapes: N items, E embedding width of a tower, D item vector: 2E, or 2E + 2 with a bank.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from modiste.data.images import ImageError, Mode, decode, fit
from modiste.data.text import tokenize
from modiste.models.one_thread import threads_for, weight_of
from modiste.models.query_bank import QueryBank, comparable
from modiste.types import Embeddings, EncoderId, FloatArray, ImageLike, Item, Reading


class Towers(Protocol):
    """What an architecture offers to be used for inference; both `embed` methods return (B, E) unit rows."""

    embed_dim: int
    draft_size: tuple[int, int] | None
    """(width, height) that a JPEG may be decoded down to (DCT scaling) before `prepare_image`; None: full size."""

    def prepare_image(self, pixels: np.ndarray) -> Any:
        """Evaluation transform of one photo, (H, W, 3) uint8: anything `embed_images` can batch. Runs in a thread."""
        ...

    def embed_images(self, prepared: Sequence[Any]) -> torch.Tensor: ...

    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor: ...


# Length that bias and filler have together in an item vector; biases have a deviation of about 0.03.
_BIAS_ROOM = 0.3


@dataclass(frozen=True)
class Fusion:
    """How a query weighs the two halves of an item vector; chosen on validation data, saved with the model."""

    words_on_image: float = 0.6  # words against the photo; the rest against the item's own words
    photo_on_image: float = 0.9
    words_in_mixed: float = 0.5  # photo + words: the share of the words in the mixed embedding

    def __post_init__(self) -> None:
        for name in ("words_on_image", "photo_on_image", "words_in_mixed"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}")


class ImageTextEncoder:
    """A named, hashed encoder of photos, texts, items and queries. Results do not depend on batching or order."""

    def __init__(
        self,
        towers: Towers,
        *,
        name: str,
        sha256: str,
        fusion: Fusion | None = None,
        bank: QueryBank | None = None,
        languages: Sequence[str] = (),
        batch_size: int = 64,
        num_threads: int = 2,
    ) -> None:
        self.towers = towers
        self.languages = tuple(languages)  # codes of those that its texts were in; empty: it does not say
        self.fusion = fusion or Fusion()
        self.bank = bank
        self.batch_size = batch_size
        self.id = EncoderId(name=name, sha256=sha256, dim=2 * towers.embed_dim + (2 if bank else 0))
        self.tower_id = EncoderId(name=name, sha256=sha256, dim=towers.embed_dim)
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="decode")
        self._weight = weight_of(getattr(towers, "model", None))

    @contextlib.contextmanager
    def _computing(self, rows: int) -> Iterator[None]:
        """Inside, so many rows go through the model: without gradients, and on one thread if they are few for it."""
        with torch.inference_mode(), threads_for(rows, self._weight):
            yield

    def reading(self, text: str) -> Reading:
        """Which words of a text the text tower can read (`modiste.types.WordReader`); all, for towers that cannot tell."""
        tell = getattr(self.towers, "reading", None)
        found: Reading = tell(text, self.languages) if tell else Reading()
        return found

    def encode_images(
        self, images: Sequence[ImageLike], *, progress: Callable[[int], None] | None = None
    ) -> Embeddings:
        """Photos, encoded files or (H, W, 3) uint8 arrays -> (N, E).

        Raises
        ------
        ImageError
            Naming the position of a photo that cannot be decoded.
        """
        done = []
        for prepared in self._prepared(images):
            with self._computing(len(prepared)):
                done.append(unit_rows(self.towers.embed_images(prepared)))
            if progress:
                progress(len(prepared))
        return Embeddings(self._stack(done), self.tower_id)

    def encode_texts(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> Embeddings:
        """Texts -> (N, E); an empty text has an embedding too, that of saying nothing."""
        return Embeddings(self._by_length(texts, self.towers.embed_texts, progress), self.tower_id)

    def _by_length(
        self,
        texts: Sequence[str],
        embed: Callable[[Sequence[str]], torch.Tensor],
        progress: Callable[[int], None] | None = None,
    ) -> FloatArray:
        """(N, E) in the order of the texts, computed in batches of texts of about one length.

        A batch is padded to its longest text, so the long ones had better be together. Letters stand for tokens: they tell
        nearly as much and cost nothing.
        """
        found = np.zeros((len(texts), self.tower_id.dim), np.float32)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        for start in range(0, len(texts), self.batch_size):
            rows = order[start : start + self.batch_size]
            with self._computing(len(rows)):
                found[rows] = unit_rows(embed([texts[row] for row in rows]))
            if progress:
                progress(len(rows))
        return found

    def encode_pairs(self, items: Sequence[Item]) -> tuple[FloatArray, FloatArray]:
        """Items that all have photo and text -> photo and text vectors whose inner products rank, in both directions.

        Raises as `encode_images` does.
        """
        images = self.encode_images([item.image for item in items])  # type: ignore[misc]
        texts = self.encode_texts([item.text for item in items])
        return comparable(images.vectors, texts.vectors, self.bank)

    def encode(self, items: Sequence[Item]) -> Embeddings:
        """Items -> (N, D). A missing half is filled with the other one, so photo-only items are found by words too.

        Raises
        ------
        ValueError
            Naming an item that has neither photo nor text, or whose photo cannot be decoded.
        """
        for item in items:
            if item.image is None and not item.text:
                raise ValueError(f"item {item.id!r} has neither a photo nor a text, so there is nothing to encode")
        with_photo = [n for n, item in enumerate(items) if item.image is not None]
        with_text = [n for n, item in enumerate(items) if item.text]
        image, text = (np.zeros((len(items), self.tower_id.dim), np.float32) for _ in range(2))
        if with_photo:
            try:
                image[with_photo] = self.encode_images([items[n].image for n in with_photo]).vectors  # type: ignore[misc]
            except ImageError as error:
                raise named_after_item(error, [items[n] for n in with_photo]) from error
        if with_text:
            text[with_text] = self.encode_texts([items[n].text for n in with_text]).vectors
        has_photo, has_text = np.zeros((2, len(items), 1), bool)
        has_photo[with_photo], has_text[with_text] = True, True
        parts = [np.where(has_photo, image, text), np.where(has_text, text, image)]
        if self.bank:
            bias = np.zeros((len(items), 1), np.float32)
            bias[with_photo, 0] = self.bank.image_bias(image[with_photo]).clip(-_BIAS_ROOM, _BIAS_ROOM)
            parts += [-bias, np.sqrt(_BIAS_ROOM**2 - bias**2)]
        length = np.sqrt(2 + _BIAS_ROOM**2 if self.bank else 2)
        return Embeddings((np.concatenate(parts, axis=1) / length).astype(np.float32), self.id)

    def encode_query(self, text: str = "", image: ImageLike | None = None) -> Embeddings:
        """Words, a photo, or both ("like this, but red") -> (1, D); inner products with `encode` rank the items.

        Raises
        ------
        ValueError
            If there is neither, or the photo cannot be decoded.
        """
        return self.encode_queries([(text, image)])

    def encode_queries(self, queries: Sequence[tuple[str, ImageLike | None]]) -> Embeddings:
        """`encode_query` for each of Q pairs of words and photo, the towers run once for all of them -> (Q, D).

        Raises `ValueError` if one has neither words nor photo, `ImageError` naming the position among the photos of one that
        cannot be decoded.
        """
        rows = self._query_rows(queries)
        return Embeddings(np.stack(rows) if rows else np.zeros((0, self.id.dim), np.float32), self.id)

    def _query_rows(self, queries: Sequence[tuple[str, ImageLike | None]]) -> list[FloatArray]:
        """Each query's unit vector over the two embeddings of an item, and its bias where there is a bank."""
        with_words = [n for n, (text, _) in enumerate(queries) if text.strip()]
        with_photo = [n for n, (_, image) in enumerate(queries) if image is not None]
        if len({*with_words, *with_photo}) < len(queries):
            raise ValueError("an empty query: give words, a photo, or both")
        words = dict(zip(with_words, self.encode_texts([queries[n][0] for n in with_words]).vectors, strict=True))
        photos = dict(zip(with_photo, self.encode_images([queries[n][1] for n in with_photo]).vectors, strict=True))  # type: ignore[misc]
        return [self._query(words.get(n), photos.get(n)) for n in range(len(queries))]

    def _query(self, words: FloatArray | None, photo: FloatArray | None) -> FloatArray:
        """The query vector (D,) of the embeddings (E,) of words, photo, or both."""
        fusion = self.fusion
        if photo is None or words is None:
            weight = fusion.words_on_image if photo is None else fusion.photo_on_image
            embedding = words if photo is None else photo
            asked = weight if photo is None else 0.0
        else:
            embedding = fusion.words_in_mixed * words + (1 - fusion.words_in_mixed) * photo
            asked = fusion.words_in_mixed * fusion.words_on_image
            weight = fusion.words_in_mixed * fusion.words_on_image + (1 - fusion.words_in_mixed) * fusion.photo_on_image
        parts = [weight * embedding, (1 - weight) * embedding]  # type: ignore[operator]
        if self.bank:  # words ask for the bias of a photo as far as they are compared with it
            parts.append(np.array([asked, 0.0], np.float32))
        query = np.concatenate(parts)
        query /= np.linalg.norm(query)
        return query.astype(np.float32)

    def _prepared(self, images: Sequence[ImageLike]) -> Iterator[list[Any]]:
        """Batches of prepared photos; the next batch is decoded in threads while the caller computes on this one."""

        def submit(start: int) -> list[Any]:
            return [
                self._pool.submit(self._prepare, start + offset, image)
                for offset, image in enumerate(images[start : start + self.batch_size])
            ]

        pending = submit(0)
        for start in range(0, len(images), self.batch_size):
            ahead = submit(start + self.batch_size)
            yield [future.result() for future in pending]
            pending = ahead

    def _prepare(self, position: int, image: ImageLike) -> Any:
        with photo_at(position):
            return self.towers.prepare_image(decode(image, draft_to=self.towers.draft_size))

    def _stack(self, batches: list[FloatArray]) -> FloatArray:
        return np.concatenate(batches) if batches else np.zeros((0, self.tower_id.dim), np.float32)


def photo_tensor(pixels: np.ndarray, image_size: tuple[int, int], mode: Mode = "pad") -> torch.Tensor:
    """One photo (H, W, 3) uint8 -> (3, height, width) uint8: whole, padded with white to `image_size` = (width, height).

    Our own models' transform, in training and in inference; a backbone that learned on cut photos has `mode="crop"`.
    """
    return torch.from_numpy(fit(pixels, image_size, mode=mode)).permute(2, 0, 1)


def token_tensors(
    tokenizer: Tokenizer, texts: Sequence[str], context_length: int, device: torch.device | str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask (B, L), L the longest of these texts: padding columns cost time and change nothing."""
    return cut_to_longest(*tokenize(tokenizer, texts, context_length), device)


def cut_to_longest(
    token_ids: np.ndarray, mask: np.ndarray, device: torch.device | str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask (B, C), padded at the end -> (B, L) on the device, L the longest of these texts."""
    longest = int(mask.sum(axis=1).max())
    return torch.from_numpy(token_ids[:, :longest]).to(device), torch.from_numpy(mask[:, :longest]).to(device)


def average_over_views(
    encode: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor, views: Sequence[float]
) -> torch.Tensor:
    """Unit embeddings (B, E): the mean of those of slightly zoomed and mirrored views, which forgives framing.

    `images` (B, 3, H, W) uint8; `encode` takes float pixels in [0, 1]. Each view is a zoom factor, mirrored where negative;
    a zoom out repeats the photo's border. Time grows with the number of views.
    """
    pixels = images.float() / 255
    total = torch.zeros((), device=pixels.device)
    for view in views:
        total = total + encode(seen(pixels, view))
    return F.normalize(total, dim=1)


def seen(pixels: torch.Tensor, view: float) -> torch.Tensor:
    """A view of photos (B, 3, H, W): zoomed by its size, mirrored where it is negative; a zoom out repeats the border."""
    shown = pixels.flip(3) if view < 0 else pixels
    if abs(view) == 1:
        return shown
    scale = torch.tensor([[1 / abs(view), 0.0, 0.0], [0.0, 1 / abs(view), 0.0]], device=pixels.device)
    grid = F.affine_grid(scale.expand(len(pixels), 2, 3), list(pixels.shape), align_corners=False)
    return F.grid_sample(shown, grid, padding_mode="border", align_corners=False)


class _PositionedImageError(ImageError):
    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"photo {position}: {reason}")
        self.position, self.reason = position, reason


@contextlib.contextmanager
def photo_at(position: int) -> Iterator[None]:
    """Inside, one photo of several is read: an `ImageError` names its position, for `named_after_item` too."""
    try:
        yield
    except ImageError as error:
        raise _PositionedImageError(position, str(error)) from error


def named_after_item(error: ImageError, items: Sequence[Item]) -> ImageError:
    """The error of the photo at a position, with the id of the item that it belongs to."""
    if isinstance(error, _PositionedImageError):
        return ImageError(f"item {items[error.position].id!r}: {error.reason}")
    return error


def unit_rows(embeddings: torch.Tensor) -> FloatArray:
    """Normalised float32 rows on the CPU; a vector that is not finite must never reach a store."""
    array: FloatArray = torch.nn.functional.normalize(embeddings.float(), dim=1).cpu().numpy()
    if not np.isfinite(array).all():
        raise ValueError("the encoder produced a vector that is not finite; its weights or preprocessing are broken")
    return array
