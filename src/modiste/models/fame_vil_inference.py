"""FAME-ViL in use: item and query vectors for the index, and captions of photos.

An item vector is three embeddings, [photo by XMR ; words by XMR ; photo by TGIR], each a third of its square. Words or a photo
ask for the first two, as `inference.Fusion` weighs them; a photo with words ("like this, but red") is fused by both towers
and asks for the last alone. So one index answers searches by words, by photo, and by both.

Shapes: N items, E embedding width, B batch, Q queries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from modiste.data.images import ImageError, decode
from modiste.data.text import sentence_ids
from modiste.models.fame_vil import FameVil
from modiste.models.fame_vil_caption import write_captions
from modiste.models.inference import (
    ImageTextEncoder,
    Towers,
    average_over_views,
    cut_to_longest,
    named_after_item,
    photo_tensor,
    unit_rows,
)
from modiste.models.reading import reading_of
from modiste.types import Caption, Embeddings, EncoderId, FloatArray, ImageLike, Item, Reading


class FameVilTowers:
    """The contrastive mode with the adapters of XMR, as `modiste.models.inference.Towers`: photo and words on their own."""

    def __init__(self, model: FameVil, tokenizer: Tokenizer, *, device: str | torch.device = "cpu") -> None:
        self.model = model.eval().to(device)
        self.tokenizer = tokenizer
        self.device = torch.device(device)
        self.embed_dim = model.config.embed_dim
        self.tasks = model.config.tasks
        width, height = model.config.image_size
        factor = model.config.draft_factor
        self.draft_size: tuple[int, int] | None = (factor * width, factor * height)

    def prepare_image(self, pixels: NDArray[np.uint8]) -> Tensor:
        return photo_tensor(pixels, self.model.config.image_size, self.model.config.image_fit)

    def embed_images(self, prepared: Sequence[Tensor]) -> Tensor:
        return self.embed_for(torch.stack(list(prepared)), "xmr")

    def embed_for(self, images: Tensor, task: str) -> Tensor:
        """Unit embeddings (B, E) of prepared photos (B, 3, H, W) by a task's adapters, averaged over the model's views."""

        def encode(pixels: Tensor) -> Tensor:
            return F.normalize(self.model.encode_image(pixels, task).float(), dim=1)

        return average_over_views(encode, images.to(self.device), self.model.config.views)

    def reading(self, text: str, languages: Sequence[str]) -> Reading:
        return reading_of(text, self.tokenizer, languages=languages)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return self.embed_words(texts, "xmr")

    def embed_words(self, texts: Sequence[str], task: str) -> Tensor:
        """Unit embeddings (B, E) of texts by a task's adapters."""
        return F.normalize(self.model.encode_text(*words(self, texts), task).float(), dim=1)

    def embed_fused(self, images: Tensor, texts: Sequence[str], task: str) -> Tensor:
        """Unit embeddings (B, E) of prepared photos (B, 3, H, W), each with its words."""
        ids, mask = words(self, texts)

        def fuse(shown: Tensor) -> Tensor:
            return F.normalize(self.model.fuse(shown, ids, mask, task).float(), dim=1)

        return average_over_views(fuse, images.to(self.device), self.model.config.views)


class TaskTowers(Towers, Protocol):
    """Towers with adapters for several tasks: `FameVilTowers`, or an export of them."""

    @property
    def tasks(self) -> Sequence[str]: ...

    def embed_for(self, images: Tensor, task: str) -> Tensor: ...

    def embed_words(self, texts: Sequence[str], task: str) -> Tensor: ...

    def embed_fused(self, images: Tensor, texts: Sequence[str], task: str) -> Tensor: ...


class FameVilEncoder(ImageTextEncoder):
    """Items and queries as vectors of one space, text-guided queries by fusion; raises `ValueError` without TGIR."""

    towers: TaskTowers

    def __init__(self, towers: TaskTowers, *, name: str, sha256: str, **more: Any) -> None:
        if "tgir" not in towers.tasks:
            raise ValueError("this FAME-ViL has not learned text-guided retrieval (tgir), so it fuses no queries")
        super().__init__(towers, name=name, sha256=sha256, **more)
        if self.bank:
            raise ValueError("a FAME-ViL's vectors have no room for a query bank")
        self.id = EncoderId(name=name, sha256=sha256, dim=3 * towers.embed_dim)

    def encode(self, items: Sequence[Item]) -> Embeddings:
        """Items -> (N, 3E). What is missing is filled with what is there: words by TGIR's adapters stand for a photo.

        Raises as `ImageTextEncoder.encode` does.
        """
        for item in items:
            if item.image is None and not item.text:
                raise ValueError(f"item {item.id!r} has neither a photo nor a text, so there is nothing to encode")
        pictured, described = (
            [n for n, item in enumerate(items) if item.image is not None], [n for n, item in enumerate(items) if item.text]
        )  # fmt: skip
        dim = self.tower_id.dim
        parts = np.zeros((3, len(items), dim), np.float32)
        try:
            for_xmr, for_tgir = self._photos([items[n].image for n in pictured])  # type: ignore[misc]
        except ImageError as error:
            raise named_after_item(error, [items[n] for n in pictured]) from error
        parts[0, pictured], parts[2, pictured] = for_xmr, for_tgir
        if described:
            parts[1, described] = self.encode_texts([items[n].text for n in described]).vectors
        wordless = [n for n in pictured if not items[n].text]
        parts[1, wordless] = parts[0, wordless]
        if unseen := [n for n in described if items[n].image is None]:
            parts[0, unseen] = parts[1, unseen]
            parts[2, unseen] = self._words([items[n].text for n in unseen], "tgir")
        return Embeddings((np.concatenate(parts, axis=1) / np.sqrt(3)).astype(np.float32), self.id)

    def encode_queries(self, queries: Sequence[tuple[str, ImageLike | None]]) -> Embeddings:
        """Q pairs of words and photo -> (Q, 3E); see `ImageTextEncoder.encode_queries`."""
        both = [n for n, (text, image) in enumerate(queries) if text.strip() and image is not None]
        alone = [n for n in range(len(queries)) if n not in set(both)]
        dim = self.tower_id.dim
        rows = np.zeros((len(queries), 3 * dim), np.float32)
        if alone:
            rows[alone, : 2 * dim] = self._query_rows([queries[n] for n in alone])
        if both:
            fused = self._fused([queries[n][0] for n in both], [queries[n][1] for n in both])  # type: ignore[misc]
            rows[both, 2 * dim :] = fused
        return Embeddings(rows, self.id)

    def _photos(self, images: Sequence[ImageLike]) -> tuple[FloatArray, FloatArray]:
        found: tuple[list[FloatArray], list[FloatArray]] = ([], [])
        for prepared in self._prepared(images):
            with self._computing(len(prepared)):
                pixels = torch.stack(prepared)
                for task, rows in zip(("xmr", "tgir"), found, strict=True):
                    rows.append(unit_rows(self.towers.embed_for(pixels, task)))
        return self._stack(found[0]), self._stack(found[1])

    def _words(self, texts: Sequence[str], task: str) -> FloatArray:
        return self._by_length(texts, lambda some: self.towers.embed_words(some, task))

    def _fused(self, texts: Sequence[str], images: Sequence[ImageLike]) -> FloatArray:
        done, start = [], 0
        for prepared in self._prepared(images):
            some = texts[start : start + len(prepared)]
            start += len(prepared)
            with self._computing(len(prepared)):
                done.append(unit_rows(self.towers.embed_fused(torch.stack(prepared), some, "tgir")))
        return self._stack(done)


def fame_vil_encoder(towers: TaskTowers, **more: Any) -> ImageTextEncoder:
    """The encoder of a FAME-ViL: with text-guided queries where it has learned them, else by its two towers alone."""
    return FameVilEncoder(towers, **more) if "tgir" in towers.tasks else ImageTextEncoder(towers, **more)


class FameVilRecogniser:
    """SCR: what category photo and words together are of. Raises `ValueError` for a model that has not learned it."""

    def __init__(
        self,
        model: FameVil,
        tokenizer: Tokenizer,
        *,
        name: str = "",
        sha256: str = "",
        device: str | torch.device = "cpu",
    ) -> None:
        if model.classify is None:
            raise ValueError("this FAME-ViL has not learned categories (scr)")
        self.towers = FameVilTowers(model, tokenizer, device=device)
        self.name, self.sha256 = name, sha256

    def recognise(
        self, items: Sequence[Item], *, batch_size: int = 64
    ) -> dict[str, tuple[tuple[str, ...], FloatArray]]:
        """`article_type` -> its classes and their probabilities (N, classes), of items with a photo; words may be missing.

        Raises `ValueError` naming an item without a photo, or whose photo cannot be decoded.
        """
        model, found = self.towers.model, [np.zeros((0, len(self.towers.model.config.classes)), np.float32)]
        for start in range(0, len(items), batch_size):
            some = items[start : start + batch_size]
            pixels = torch.stack([_item_photo(self.towers, item) for item in some]).to(self.towers.device)
            ids, mask = words(self.towers, [item.text for item in some])
            with torch.inference_mode():
                assert model.classify is not None
                logits = model.classify(model.fuse(pixels, ids, mask, "scr")).float()
                mirrored = model.classify(model.fuse(pixels.flip(3), ids, mask, "scr")).float()
            found.append(((logits + mirrored) / 2).softmax(dim=1).cpu().numpy())
        return {"article_type": (model.config.classes, np.concatenate(found))}


def _item_photo(towers: FameVilTowers, item: Item) -> Tensor:
    if item.image is None:
        raise ValueError(f"item {item.id!r} has no photo")
    try:
        return towers.prepare_image(decode(item.image, draft_to=towers.draft_size))
    except ImageError as error:
        raise ImageError(f"item {item.id!r}: {error}") from error


class FameVilCaptioner:
    """The generative mode: photos described in the words of the training titles. Satisfies `modiste.types.Captioner`.

    Raises `ValueError` for a model that has not learned captions.
    """

    def __init__(
        self,
        model: FameVil,
        tokenizer: Tokenizer,
        *,
        name: str = "",
        sha256: str = "",
        device: str | torch.device = "cpu",
    ) -> None:
        if "fic" not in model.config.tasks:
            raise ValueError("this FAME-ViL has not learned captions (fic)")
        self.towers = FameVilTowers(model, tokenizer, device=device)
        self.name, self.sha256 = name, sha256

    def caption(
        self,
        images: Sequence[ImageLike],
        *,
        beams: int = 1,
        max_words: int | None = None,
        batch_size: int = 64,
        progress: Callable[[int], None] | None = None,
    ) -> list[Caption]:
        """One caption per photo, in order; `max_words` counts word pieces.

        Raises `ImageError` naming the position of a photo that cannot be decoded.
        """
        towers, captions = self.towers, []
        for start in range(0, len(images), batch_size):
            prepared = []
            for position, image in enumerate(images[start : start + batch_size], start):
                try:
                    prepared.append(towers.prepare_image(decode(image, draft_to=towers.draft_size)))
                except ImageError as error:
                    raise ImageError(f"photo {position}: {error}") from error
            pixels = torch.stack(prepared).to(towers.device)
            written, scores = write_captions(towers.model, pixels, beams=beams, max_words=max_words)
            for ids, score in zip(written, scores.tolist(), strict=True):
                captions.append(Caption(tidied(towers.tokenizer.decode(ids)), score))
            if progress:
                progress(len(prepared))
        return captions


def tidied(text: str) -> str:
    """A decoded text with its punctuation where a reader expects it: "men's t-shirt (pack of 2)", not "men ' s t - shirt"."""
    text = re.sub(r"\s*(['’/&-])\s*", r"\1", " ".join(text.split())).replace("&", " & ")
    return re.sub(r"\s+([),.:;%!])", r"\1", re.sub(r"([(])\s+", r"\1", text)).strip()


def words(towers: FameVilTowers, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Token ids and mask (B, L), start and end of each text included, L the longest of them."""
    config = towers.model.config
    ids, mask = sentence_ids(
        towers.tokenizer, texts, bos_id=config.bos_id, eot_id=config.eot_id, context_length=config.context_length
    )
    return cut_to_longest(ids, mask, towers.device)
