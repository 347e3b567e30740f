"""Photos and texts made ready for an exported graph, as the model's own towers make them, without the model.

What a reader needs is in the export's folder: `config.json` says how, `tokenizer.json` is the model's. That a reader does what
the towers did is checked with every export (`export_check.py`), from encoded files and raw strings on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from modiste.data.images import Mode
from modiste.data.text import sentence_ids, tokenize
from modiste.models.export_graphs import MASK, TOKEN_IDS
from modiste.models.grnet_inference import GrnetScorer
from modiste.models.hf_clip import CLEANINGS, PublishedTowers, image_processors, prepared_pixels, token_rows
from modiste.models.inference import photo_tensor
from modiste.models.reading import reading_of
from modiste.types import Reading


class Reader(Protocol):
    """What stands between a catalogue and a graph."""

    draft_size: tuple[int, int] | None

    def prepare_image(self, pixels: NDArray[np.uint8]) -> Tensor:
        """(H, W, 3) uint8 of any size -> what the graphs of photos take, without the batch."""
        ...

    def tokens(self, texts: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Token ids (B, L), and a mask where the graph has one, by the names of the graph's inputs."""
        ...

    def reading(self, text: str, languages: Sequence[str]) -> Reading:
        """Which words of a text the model can read, as its own towers say it."""
        ...

    def describe(self) -> dict[str, Any]:
        """JSON values that `reader_of` makes the same reader from, with the tokenizer."""
        ...


@dataclass(frozen=True)
class OwnInputs:
    """How our own models are fed."""

    image_size: tuple[int, int]  # (width, height)
    image_fit: Mode
    draft_factor: int
    context_length: int = 0  # 0: no words
    bos_id: int = -1  # of a causal model, which reads start and end of a text; -1: none
    eot_id: int = -1
    unseen: tuple[int, ...] = ()  # ids of pieces that were in no text of the training


class OwnReader:
    """Whole photos on white (or cut), WordPieces cut to the context: dual encoder, MVLT, FAME-ViL, GRNet."""

    def __init__(self, inputs: OwnInputs, tokenizer: Tokenizer | None) -> None:
        self.inputs, self.tokenizer = inputs, tokenizer
        width, height = inputs.image_size
        self.draft_size: tuple[int, int] | None = (inputs.draft_factor * width, inputs.draft_factor * height)
        self._trust: Tensor | None = None
        if inputs.unseen and tokenizer is not None:
            self._trust = torch.ones(1 + max(tokenizer.get_vocab().values()))
            if not 0 <= min(inputs.unseen) <= max(inputs.unseen) < len(self._trust):
                raise ValueError("pieces that were never seen are none of the tokenizer's")
            self._trust[list(inputs.unseen)] = 0

    def prepare_image(self, pixels: NDArray[np.uint8]) -> Tensor:
        return photo_tensor(pixels, self.inputs.image_size, self.inputs.image_fit)

    def tokens(self, texts: Sequence[str]) -> dict[str, NDArray[Any]]:
        if self.tokenizer is None:
            raise ValueError("this model reads no words")
        inputs, length = self.inputs, self.inputs.context_length
        if inputs.bos_id >= 0:
            ids, mask = sentence_ids(
                self.tokenizer, texts, bos_id=inputs.bos_id, eot_id=inputs.eot_id, context_length=length
            )
        else:
            ids, mask = tokenize(self.tokenizer, texts, length)
        longest = int(mask.sum(axis=1).max())
        return {TOKEN_IDS: ids[:, :longest], MASK: mask[:, :longest]}

    def reading(self, text: str, languages: Sequence[str]) -> Reading:
        if self.tokenizer is None:
            return Reading()
        return reading_of(text, self.tokenizer, trust=self._trust, languages=languages)

    def describe(self) -> dict[str, Any]:
        return {"kind": "own", **asdict(self.inputs)}


class PublishedReader:
    """A published CLIP's or SigLIP's own image transform, text cleaning and tokenizer."""

    draft_size: tuple[int, int] | None = None

    def __init__(
        self, processor: Any, tokenizer: Tokenizer, cleaning: str, masks_padding: bool, vocab_size: int
    ) -> None:
        self.processor, self.tokenizer, self.cleaning = processor, tokenizer, cleaning
        self.clean: Callable[[str], str] = CLEANINGS[cleaning]
        self.masks_padding, self.vocab_size = masks_padding, vocab_size

    def prepare_image(self, pixels: NDArray[np.uint8]) -> Tensor:
        return prepared_pixels(self.processor, pixels)

    def tokens(self, texts: Sequence[str]) -> dict[str, NDArray[Any]]:
        rows = token_rows(self, texts)
        found: dict[str, NDArray[Any]] = {TOKEN_IDS: rows["input_ids"].numpy()}
        if self.masks_padding:
            found[MASK] = rows["attention_mask"].numpy()
        return found

    def reading(self, text: str, languages: Sequence[str]) -> Reading:
        return reading_of(text, self.tokenizer, languages=languages, clean=self.clean)

    def describe(self) -> dict[str, Any]:
        settings = self.processor.to_dict()
        kept = {key: value for key, value in settings.items() if not key.endswith("_type") and _is_plain(value)}
        return {
            "kind": "published", "image_processor": type(self.processor).__name__, "image": kept,
            "cleaning": self.cleaning, "masks_padding": self.masks_padding, "vocab_size": self.vocab_size,
        }  # fmt: skip


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(one) for one in value.values())
    return isinstance(value, (bool, int, float, str, list, tuple))


def reader_for(encoder: Any) -> Reader:
    """The reader that does what an encoder's towers do, or a GRNet."""
    if isinstance(encoder, GrnetScorer):
        shown = encoder.model.config
        return OwnReader(OwnInputs(shown.image_size, "pad", shown.draft_factor), None)
    towers = encoder.towers
    if isinstance(towers, PublishedTowers):
        cleaning = next(name for name, clean in CLEANINGS.items() if clean is towers.clean)
        return PublishedReader(
            towers.processor, towers.tokenizer, cleaning, towers.masks_padding, int(towers.vocab_size)
        )
    config = towers.model.config
    inputs = OwnInputs(
        tuple(config.image_size), getattr(config, "image_fit", "pad"), config.draft_factor, config.context_length,
        getattr(config, "bos_id", -1), getattr(config, "eot_id", -1), _unseen(towers),
    )  # fmt: skip
    return OwnReader(inputs, towers.tokenizer)


def _unseen(towers: Any) -> tuple[int, ...]:
    """Ids of the pieces that a model does not trust at all; none of a model that trusts all alike."""
    trust: Tensor | None = getattr(towers, "trust", None)
    if trust is None:
        return ()
    known = set(towers.tokenizer.get_vocab().values())  # a model may have room for more
    return tuple(one for one in (trust == 0).nonzero()[:, 0].tolist() if one in known)


def reader_of(values: Mapping[str, Any], tokenizer: Tokenizer | None) -> Reader:
    """The reader that `describe` described. Raises `KeyError`, `TypeError`, `ValueError` where it does not fit."""
    values = dict(values)
    kind = values.pop("kind")
    if kind == "own":
        sequences = {"image_size": tuple(values["image_size"]), "unseen": tuple(values.get("unseen", ()))}
        return OwnReader(OwnInputs(**{**values, **sequences}), tokenizer)
    if kind != "published" or tokenizer is None:
        raise ValueError(f"unknown reader {kind!r}, or one without a tokenizer")
    processor = image_processors()[values["image_processor"]](**values["image"])
    if values["cleaning"] not in CLEANINGS:
        raise ValueError(f"unknown text cleaning {values['cleaning']!r}")
    return PublishedReader(
        processor, tokenizer, values["cleaning"], bool(values["masks_padding"]), int(values["vocab_size"])
    )
