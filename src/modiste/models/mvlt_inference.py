"""MVLT in use: item vectors for the index, pairs scored for re-ranking, labels told, hidden pixels filled in.

Shapes: N items, E embedding width, Q queries, C candidates of a query, H and W of a prepared photo.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.special import softmax
from tokenizers import Tokenizer
from torch import Tensor

from modiste.data.images import ImageError, decode
from modiste.data.masking import MaskStyle, hide_pixels, pixel_mask
from modiste.models.inference import average_over_views, photo_tensor, seen, token_tensors
from modiste.models.label_lines import LabelLines
from modiste.models.mvlt import Mvlt, MvltConfig, Pyramid
from modiste.models.query_bank import QueryBank
from modiste.models.reading import reading_of
from modiste.types import FloatArray, Item, Reading


class MvltTowers:
    """MVLT's contrastive head as `modiste.models.inference.Towers`: photo and words each on their own.

    Raises `ValueError` for a model without that head.
    """

    def __init__(self, model: Mvlt, tokenizer: Tokenizer, *, device: str | torch.device = "cpu") -> None:
        if not model.config.embed_dim:
            raise ValueError("this MVLT has no contrastive head (embed_dim=0), so it gives no item vectors")
        self.model = model.eval().to(device)
        self.tokenizer = tokenizer
        self.device = torch.device(device)
        self.embed_dim = model.config.embed_dim
        self.draft_size: tuple[int, int] | None = draft_size(model.config)

    def prepare_image(self, pixels: NDArray[np.uint8]) -> Tensor:
        return photo_tensor(pixels, self.model.config.image_size)

    def embed_images(self, prepared: Sequence[Tensor]) -> Tensor:
        """The mean over the model's views of a photo: (B, E)."""

        def encode(pixels: Tensor) -> Tensor:
            return self.model.embed_photos(self.model.begin(pixels))

        return average_over_views(encode, torch.stack(list(prepared)).to(self.device), self.model.config.views)

    @property
    def trust(self) -> Tensor:
        """(V,) how far each piece is believed; 0 for those that training never saw."""
        return self.model.word_trust.weights

    def reading(self, text: str, languages: Sequence[str]) -> Reading:
        return reading_of(text, self.tokenizer, trust=self.trust, languages=languages)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        token_ids, mask = token_tensors(self.tokenizer, texts, self.model.config.context_length, self.device)
        return self.model.embed_texts(self.model.begin(None, token_ids, mask))


def draft_size(config: MvltConfig) -> tuple[int, int]:
    """(width, height) that a JPEG may be decoded down to."""
    width, height = config.image_size
    return config.draft_factor * width, config.draft_factor * height


@dataclass(frozen=True)
class BegunImages:
    """Photos as far as they go alone: the maps before the joint stages (N, D, h, w), and unit vectors (N, E) if needed.

    With a query bank, also how readily any text finds each of them, as log-odds (N,).
    """

    maps: Tensor
    vectors: Tensor | None
    bias: Tensor | None = None


@dataclass(frozen=True)
class BegunTexts:
    """Texts as far as they go alone, padded to the longest: (N, L, D), mask (N, L), and unit vectors (N, E) if needed.

    With a query bank, also how readily any photo finds each of them, as log-odds (N,).
    """

    words: Tensor
    mask: Tensor | None
    vectors: Tensor | None
    bias: Tensor | None = None


class PairModel:
    """Photos and texts as far as they go alone (`Mvlt.begin`), and any pair of them scored by the ITM head.

    With `joint_from` = 3 a photo is encoded once, however many pairs it is in; with the paper's 1 nothing but the word
    embeddings can be kept. The answer for a pair does not depend on the pairs beside it. With a query `bank`, what finds
    everything readily counts less (models/query_bank.py), by `bank_share` of what the bank says; the matching head must then
    read the embeddings' product.
    """

    def __init__(
        self,
        model: Mvlt,
        tokenizer: Tokenizer,
        *,
        device: str | torch.device = "cpu",
        batch_size: int = 256,
        bank: QueryBank | None = None,
        bank_share: float = 1.0,
    ) -> None:
        if bank is not None and not model.config.match_product:
            raise ValueError("a query bank needs a matching head that reads the embeddings' product")
        self.model = model.eval().to(device)
        self.bank = bank
        self.bank_share = bank_share
        self.tokenizer = tokenizer
        self.device = torch.device(device)
        self.batch_size = batch_size

    @torch.inference_mode()
    def begin_images(self, prepared: Tensor) -> BegunImages:
        """Prepared photos (N, 3, H, W) uint8, begun and kept on the device."""
        maps, vectors = [], []
        for part in prepared.split(self.batch_size):
            begun = self.model.begin(part.to(self.device))
            maps.append(begun.image[-1])
            if self.model.config.match_product:
                vectors.append(self._embedded(begun))
        if not vectors:
            return BegunImages(torch.cat(maps), None)
        return BegunImages(torch.cat(maps), torch.cat(vectors), self._bias("image", torch.cat(vectors)))

    def _embedded(self, begun: Pyramid) -> Tensor:
        """Unit vectors (B, E) of the views that the matching head reads; `begun` is the photos as they are: view 1."""
        found = [
            self.model.embed_photos(begun if view == 1 else self.model.begin(seen(begun.image[0], view)))
            for view in self.model.config.match_views
        ]
        return F.normalize(torch.stack(found).sum(dim=0), dim=1) if len(found) > 1 else found[0]

    def _bias(self, kind: Literal["image", "text"], vectors: Tensor) -> Tensor | None:
        """(N,) log-odds by which these vectors are found too readily; None without a bank."""
        if self.bank is None:
            return None
        cosines = getattr(self.bank, f"{kind}_bias")(vectors.float().cpu().numpy())
        return torch.from_numpy(cosines).to(self.device) * self.model.logit_scale

    @torch.inference_mode()
    def begin_texts(self, texts: Sequence[str]) -> BegunTexts:
        """Texts, begun and kept on the device."""
        token_ids, mask = token_tensors(self.tokenizer, texts, self.model.config.context_length, self.device)
        words, masks, vectors = [], [], []
        for ids, attend in zip(token_ids.split(self.batch_size), mask.split(self.batch_size), strict=True):
            begun = self.model.begin(None, ids, attend)
            words.append(begun.text[-1])
            masks += [begun.attention_mask] if begun.attention_mask is not None else []
            if self.model.config.match_product:
                vectors.append(self.model.embed_texts(begun))
        attended = torch.cat(masks) if masks else None
        if not vectors:
            return BegunTexts(torch.cat(words), attended, None)
        return BegunTexts(torch.cat(words), attended, torch.cat(vectors), self._bias("text", torch.cat(vectors)))

    @torch.inference_mode()
    def score(self, images: BegunImages, texts: BegunTexts, image_rows: Tensor, text_rows: Tensor) -> Tensor:
        """Log-odds of a match (P,) of the pairs (image_rows[p], text_rows[p]), each (P,) rows of what was begun."""
        if not len(image_rows):
            return torch.zeros(0)
        found = []
        for image_row, text_row in zip(
            image_rows.split(self.batch_size), text_rows.split(self.batch_size), strict=True
        ):
            words = texts.words[text_row]
            mask = texts.mask[text_row] if texts.mask is not None else None
            if mask is not None:  # texts of this batch may all be shorter than the longest of all
                longest = int(mask.sum(dim=1).max())
                words, mask = words[:, :longest], mask[:, :longest]
            product = None
            if images.vectors is not None and texts.vectors is not None:
                product = images.vectors[image_row] * texts.vectors[text_row]
            pairs = Pyramid([images.maps[image_row]], [words], mask, product=product)
            scores = self.model.match_score(self.model.finish(pairs))
            if images.bias is not None and texts.bias is not None:
                scores = scores - self.bank_share * (images.bias[image_row] + texts.bias[text_row])
            found.append(scores)
        return torch.cat(found)


class Reranker:
    """MVLT's ITM head as `modiste.types.PairScorer`: the second look at what the index returned.

    A query's words are matched with an item's photo, a query's photo with an item's words; what both have is averaged. An
    item that lacks the counterpart is scored `-inf`: it keeps its place behind the others.
    """

    def __init__(
        self,
        model: Mvlt,
        tokenizer: Tokenizer,
        *,
        name: str = "",
        sha256: str = "",
        device: str | torch.device = "cpu",
        bank: QueryBank | None = None,
        first_scale: float | None = None,
    ) -> None:
        # Where another model's vectors choose what is judged, the bank is the judge's own say of what all are found by.
        self.pairs = PairModel(
            model, tokenizer, device=device, bank=None if first_scale is None else bank,
            bank_share=model.config.judge_bank_share,
        )  # fmt: skip
        self.name, self.sha256 = name, sha256
        self.bank = bank
        self._first_scale = first_scale
        self._photos = _BegunPhotos(self.pairs)

    @property
    def share(self) -> float:
        """This judge's say beside the first search's, as chosen on validation data."""
        return self.pairs.model.config.itm_share

    @property
    def logit_scale(self) -> float:
        """Log-odds that a unit of cosine of the first search is worth: of the model that searched, or of this one's vectors.

        0 where this model has no contrastive head.
        """
        if self._first_scale is not None:
            return self._first_scale
        model = self.pairs.model
        return float(model.logit_scale.detach()) if model.config.embed_dim else 0.0

    def score(self, query: Item, items: Sequence[Item]) -> FloatArray:
        """(N,) log-odds of a match. Raises `ValueError` for a query with neither words nor photo."""
        if query.image is None and not query.text:
            raise ValueError("a query to re-rank with needs words, a photo, or both")
        totals, counts = np.zeros((2, len(items)), np.float32)
        if query.text:
            rows = [n for n, item in enumerate(items) if item.image is not None]
            totals[rows] += self._scores([items[n] for n in rows], [query] * len(rows))
            counts[rows] += 1
        if query.image is not None:
            rows = [n for n, item in enumerate(items) if item.text]
            totals[rows] += self._scores([query] * len(rows), [items[n] for n in rows])
            counts[rows] += 1
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(counts > 0, totals / counts, -np.inf).astype(np.float32)

    def _scores(self, photos: Sequence[Item], texts: Sequence[Item]) -> FloatArray:
        """Log-odds (P,) of photo p with text p; an item that comes more than once is encoded once."""
        if not photos:
            return np.zeros(0, np.float32)
        photo_rows, unique_photos = _unique(photos)
        text_rows, unique_texts = _unique(texts)
        scores = self.pairs.score(
            self._photos.begin(unique_photos), self.pairs.begin_texts([item.text for item in unique_texts]),
            photo_rows.to(self.pairs.device), text_rows.to(self.pairs.device),
        )  # fmt: skip
        return scores.float().cpu().numpy()


_Kept = tuple[Tensor, Tensor | None, Tensor | None]  # a photo's map, vector and bias


class _BegunPhotos:
    """Photos as far as they go alone, the last used ones kept: the same items come back in search after search.

    An item is known by its id and the digest of its photo, so a new photo under an old id is begun anew. At most
    `KEPT_PHOTOS` are kept, of at most `KEPT_BYTES` together. Threads may share it.
    """

    KEPT_PHOTOS = 2_000
    KEPT_BYTES = 256_000_000

    def __init__(self, pairs: PairModel) -> None:
        self._pairs = pairs
        self._kept: OrderedDict[tuple[str, bytes], _Kept] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, items: Sequence[Item]) -> BegunImages:
        """The photos of N items; raises `ImageError` naming an item whose photo cannot be decoded."""
        keys = [(item.id, _photo_digest(item)) for item in items]
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
            for key in found:
                self._kept.move_to_end(key)
        missing = [n for n, key in enumerate(keys) if key not in found]
        if missing:
            prepared = prepared_photos([items[n] for n in missing], self._pairs.model.config)
            begun = self._pairs.begin_images(prepared)
            for at, n in enumerate(missing):  # copies: a view would keep the whole batch alive
                vector = begun.vectors[at].clone() if begun.vectors is not None else None
                bias = begun.bias[at].clone() if begun.bias is not None else None
                found[keys[n]] = begun.maps[at].clone(), vector, bias
            self._keep({keys[n]: found[keys[n]] for n in missing})
        maps, *parts = zip(*(found[key] for key in keys), strict=True)
        vectors, biases = (None if part[0] is None else torch.stack(part) for part in parts)
        return BegunImages(torch.stack(maps), vectors, biases)

    def _keep(self, new: Mapping[tuple[str, bytes], _Kept]) -> None:
        with self._lock:
            for key, one in new.items():
                if key not in self._kept:
                    self._kept[key] = one
                    self._bytes += _num_bytes(one)
            while len(self._kept) > self.KEPT_PHOTOS or self._bytes > self.KEPT_BYTES:
                self._bytes -= _num_bytes(self._kept.popitem(last=False)[1])


def _num_bytes(begun: _Kept) -> int:
    return sum(one.nbytes for one in begun if one is not None)


def _photo_digest(item: Item) -> bytes:
    """What tells one photo from another: of the file, or of pixels and their shape."""
    if isinstance(item.image, np.ndarray):
        digest = hashlib.blake2b(repr(item.image.shape).encode(), digest_size=16)
        digest.update(item.image.tobytes())
        return digest.digest()
    return hashlib.blake2b(item.image or b"", digest_size=16).digest()


def _unique(items: Sequence[Item]) -> tuple[Tensor, list[Item]]:
    numbers: dict[int, int] = {}
    rows = [numbers.setdefault(id(item), len(numbers)) for item in items]
    return torch.tensor(rows), list({id(item): item for item in items}.values())


def prepared_photos(items: Sequence[Item], config: MvltConfig) -> Tensor:
    """Photos decoded and fitted, (N, 3, H, W) uint8; raises `ImageError` naming the item."""
    found = []
    for item in items:
        if item.image is None:
            raise ImageError(f"item {item.id!r} has no photo")
        try:
            found.append(photo_tensor(decode(item.image, draft_to=draft_size(config)), config.image_size))
        except ImageError as error:
            raise ImageError(f"item {item.id!r}: {error}") from error
    return torch.stack(found)


class Recogniser:
    """The label heads, and with `lines` the words' own say: what an item is, from its photo, its words, or both.

    Raises `ValueError` for a model without label heads.
    """

    def __init__(
        self,
        model: Mvlt,
        tokenizer: Tokenizer,
        *,
        name: str = "",
        sha256: str = "",
        device: str | torch.device = "cpu",
        lines: LabelLines | None = None,
    ) -> None:
        if not model.labels:
            raise ValueError("this MVLT has no label heads; train one with the tag objective")
        self.model = model.eval().to(device)
        self.tokenizer = tokenizer
        self.name, self.sha256 = name, sha256
        self.device = torch.device(device)
        self.lines = lines

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """Label -> its classes."""
        return self.model.labels

    def recognise(
        self, items: Sequence[Item], *, batch_size: int = 64, progress: Callable[[int], None] | None = None
    ) -> dict[str, tuple[tuple[str, ...], FloatArray]]:
        """Label -> its classes and their probabilities (N, classes).

        Items without a photo are told by their words, and the other way round; raises `ValueError` naming an item that has
        neither, or whose photo cannot be decoded.
        """
        rows: dict[str, list[FloatArray]] = {name: [] for name in self.model.labels}
        for start in range(0, len(items), batch_size):
            part = items[start : start + batch_size]
            for name, probabilities in self._batch(part).items():
                rows[name].append(probabilities)
            if progress:
                progress(len(part))
        empty = {name: np.zeros((0, len(of)), np.float32) for name, of in self.model.labels.items()}
        return {
            name: (self.model.labels[name], np.concatenate(parts) if parts else empty[name])
            for name, parts in rows.items()
        }

    @torch.inference_mode()
    def _batch(self, items: Sequence[Item]) -> dict[str, FloatArray]:
        for item in items:
            if item.image is None and not item.text:
                raise ValueError(f"item {item.id!r} has neither a photo nor a text, so there is nothing to recognise")
        found = {name: np.zeros((len(items), len(of)), np.float32) for name, of in self.model.labels.items()}
        for with_photo in (True, False):
            rows = [n for n, item in enumerate(items) if (item.image is not None) == with_photo]
            if not rows:
                continue
            chosen = [items[n] for n in rows]
            ids, mask = token_tensors(
                self.tokenizer, [item.text for item in chosen], self.model.config.context_length, self.device
            )
            images = prepared_photos(chosen, self.model.config).to(self.device) if with_photo else None
            logits = self.model.label_logits(self.model.encode(images, ids, mask))
            if images is not None:  # a garment is the same seen in a mirror
                mirrored = self.model.label_logits(self.model.encode(images.flip(3), ids, mask))
                logits = {name: (one + mirrored[name]) / 2 for name, one in logits.items()}
            deep = {name: one.float().cpu().numpy() for name, one in logits.items()}
            told = [n for n, item in enumerate(chosen) if item.text]
            if self.lines and told:
                of_told = self.lines.logits(ids.cpu().numpy()[told], {name: one[told] for name, one in deep.items()})
                for name, one in of_told.items():
                    deep[name][told] = one
            for name, one in deep.items():
                found[name][rows] = softmax(one, axis=1)
        return found


class Inpainter:
    """The image decoder: what was hidden, from the rest of the photo and the words."""

    def __init__(
        self, model: Mvlt, tokenizer: Tokenizer, *, name: str = "", sha256: str = "", device: str | torch.device = "cpu"
    ) -> None:
        self.model = model.eval().to(device)
        self.tokenizer = tokenizer
        self.name, self.sha256 = name, sha256
        self.device = torch.device(device)

    @torch.inference_mode()
    def reconstruct(
        self,
        items: Sequence[Item],
        mask_ratio: float = 0.5,
        *,
        style: MaskStyle = "random_grid",
        unit: int = 16,
        seed: int = 0,
    ) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
        """(original, masked, reconstruction), each (B, H, W, 3) in [0, 1], and the mask (B, H, W), True = hidden.

        The text is given to the model as it is. An item's mask is a function of the seed and its id, whatever the items
        beside it. Raises `ImageError` naming an item without a readable photo.
        """
        config = self.model.config
        if not items:
            nothing = np.zeros((0, *config.image_size[::-1], 3), np.float32)
            return nothing, nothing, nothing, np.zeros(nothing.shape[:3], np.bool_)
        images = prepared_photos(items, config).to(self.device).float() / 255
        masks = []
        with torch.random.fork_rng(devices=[]):
            for item in items:
                digest = hashlib.sha256(f"{seed} {item.id}".encode()).digest()
                torch.manual_seed(int.from_bytes(digest[:7], "big"))
                masks.append(pixel_mask(1, *images.shape[-2:], style=style, ratio=mask_ratio, unit=unit))
        hidden = torch.cat(masks).to(self.device)
        shown = hide_pixels(images, hidden)
        ids, mask = token_tensors(self.tokenizer, [item.text for item in items], config.context_length, self.device)
        filled = self.model.reconstruct(self.model.encode(shown, ids, mask, hidden=True)).clamp(0, 1)
        original, masked, made = (one.permute(0, 2, 3, 1).float().cpu().numpy() for one in (images, shown, filled))
        return original, masked, made, hidden.cpu().numpy()
