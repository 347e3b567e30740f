"""A text tower that learned other languages from an encoder's own text tower, and both of them as one encoder.

Reimers and Gurevych, "Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation", EMNLP 2020
(arXiv 2004.09813): the student's vector of a sentence and of its translations is drawn to the teacher's vector of the sentence
(section 2, with the cosine for the squared distance: the vectors here are unit vectors). Photos need not be seen.

`JoinedTowers` lets whoever understands a text read it: what the base encoder can read keeps its vector to the last bit, so
English answers stay as they were; a text with words that it cannot read goes to the other tower, and a mixed one that neither
reads alone is read by both.

Shapes: B batch, L text length, E embedding width.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from modiste.data.batches import TaughtTextBatch
from modiste.data.text import canonical_json
from modiste.models.clip import DualEncoderConfig, TextTower
from modiste.models.inference import ImageTextEncoder, Towers, token_tensors
from modiste.models.reading import reading_of
from modiste.types import EncoderId, Reading

ARCHITECTURE = "multilingual_text"


@dataclass(frozen=True)
class StudentConfig:
    """Sizes of a `StudentTower`."""

    vocab_size: int = 2048
    context_length: int = 40
    text_dim: int = 128
    text_depth: int = 1  # Chinese is read character by character, so their order matters; 0: a bag of them
    num_heads: int = 4
    embed_dim: int = 192  # the teacher's
    dropout: float = 0.05


SIZES: dict[str, StudentConfig] = {
    "debug": StudentConfig(vocab_size=512, text_dim=32, num_heads=2, dropout=0.0),
    "small": StudentConfig(),
}


class StudentTower(nn.Module):
    """Texts of several languages -> the embeddings that a teacher gives to their English."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        shared = {name: value for name, value in asdict(config).items() if name != "embed_dim"}
        self.text_tower = TextTower(DualEncoderConfig(embed_dim=config.embed_dim, **shared))

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def encode_text(self, token_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and mask (B, L) -> unit embeddings (B, E)."""
        return F.normalize(self.text_tower(token_ids, attention_mask).float(), dim=1)

    def losses(self, batch: TaughtTextBatch) -> dict[str, Tensor]:
        """`teacher_loss`: 1 - the mean cosine with the teacher's vectors."""
        made = self.encode_text(batch.token_ids, batch.attention_mask)
        return {"teacher_loss": 1 - (made * batch.vectors).sum(dim=1).mean()}


class TextReader(Protocol):
    """A text tower by itself: unit rows (B, E), and which words it can read."""

    name: str
    sha256: str
    embed_dim: int
    languages: tuple[str, ...]

    def embed_texts(self, texts: Sequence[str]) -> Tensor: ...

    def reading(self, text: str) -> Reading: ...


class Student:
    """A trained `StudentTower` with its tokenizer, as `TextReader`; `teacher` is whose vectors it gives."""

    def __init__(
        self, model: StudentTower, tokenizer: Tokenizer, *, name: str, languages: Sequence[str], teacher: EncoderId,
        device: str | torch.device = "cpu",
    ) -> None:  # fmt: skip
        self.model = model.eval().to(device)
        self.tokenizer = tokenizer
        self.name, self.languages, self.teacher = name, tuple(languages), teacher
        self.embed_dim = model.config.embed_dim
        self.sha256 = fingerprint(model, tokenizer)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        ids, mask = token_tensors(self.tokenizer, texts, self.model.config.context_length, self.model.device)
        return self.model.encode_text(ids, mask)

    def reading(self, text: str) -> Reading:
        return reading_of(text, self.tokenizer, trust=self.model.text_tower.trust.weights, languages=self.languages)


class JoinedTowers:
    """The photos of one encoder and the texts of two readers, as `modiste.models.inference.Towers`.

    Raises `ValueError` for a reader whose vectors are not of the encoder's space.
    """

    def __init__(self, base: ImageTextEncoder, reader: TextReader) -> None:
        if type(base) is not ImageTextEncoder:
            raise ValueError(f"{base.id.name} reads photos and words together, so its words cannot be read by another")
        if reader.embed_dim != base.tower_id.dim:
            raise ValueError(
                f"{reader.name} gives {reader.embed_dim}-d vectors, and {base.id.name} {base.tower_id.dim}-d"
            )
        teacher = getattr(reader, "teacher", None)
        if teacher is not None and teacher.sha256 != base.id.sha256:
            raise ValueError(f"{reader.name} learned the vectors of {teacher}, not of {base.id}")
        self.base, self.reader = base, reader
        self.towers: Towers = base.towers
        self.embed_dim = base.tower_id.dim
        self.draft_size = base.towers.draft_size

    def prepare_image(self, pixels: np.ndarray) -> Any:
        return self.towers.prepare_image(pixels)

    def embed_images(self, prepared: Sequence[Any]) -> Tensor:
        return self.towers.embed_images(prepared)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """(B, E): by the base where it can read the text, else by the reader; by both where neither can alone."""
        shares = [self._share(text) for text in texts]
        rows = torch.zeros(len(texts), self.embed_dim)
        for of_base, tower in ((True, self.towers), (False, self.reader)):
            heard = [n for n, share in enumerate(shares) if (share if of_base else 1 - share) > 0]
            if heard:
                made = tower.embed_texts([self._part(texts[n], shares[n], of_base) for n in heard]).float().cpu()
                weights = torch.tensor([[shares[n] if of_base else 1 - shares[n]] for n in heard])
                rows[heard] += weights * made
        mixed = [n for n, share in enumerate(shares) if 0 < share < 1]
        rows[mixed] = F.normalize(rows[mixed], dim=1)  # the others are unit rows, to the last bit those of their tower
        return rows

    def reading(self, text: str, languages: Sequence[str]) -> Reading:
        by_base = self.base.reading(text)
        if not by_base.unread:
            return by_base
        by_reader = self.reader.reading(text)
        known = {*by_base.read, *by_base.doubtful}
        unread = tuple(word for word in by_reader.unread if word not in known)
        read = tuple(word for word in (*by_base.read, *by_reader.read) if word not in unread)
        doubtful = tuple(word for word in by_reader.doubtful if word not in known)
        return Reading(tuple(dict.fromkeys(read)), doubtful, unread)

    def _share(self, text: str) -> float:
        """How much of a text's vector is the base's: 1, 0, or its share of the words where neither reads all of them."""
        by_base = self.base.reading(text)
        if not by_base.unread:
            return 1.0
        known = len(by_base.read) + len(by_base.doubtful)
        if not known or not self.reader.reading(text).unread:
            return 0.0
        return known / (known + len(by_base.unread))

    def _part(self, text: str, share: float, of_base: bool) -> str:
        if share in (0.0, 1.0):
            return text
        by_base = self.base.reading(text)
        return " ".join((*by_base.read, *by_base.doubtful) if of_base else by_base.unread)


def joined(base: ImageTextEncoder, reader: TextReader, *, name: str = "") -> ImageTextEncoder:
    """One encoder of the two. Its name and sha256 are those of both, as its vectors are. Raises as `JoinedTowers`."""
    both = hashlib.sha256(f"{base.id.sha256} {reader.sha256}".encode()).hexdigest()
    languages = dict.fromkeys((*base.languages, *reader.languages))
    return ImageTextEncoder(
        JoinedTowers(base, reader), name=name or f"{base.id.name}+{reader.name}", sha256=both, fusion=base.fusion,
        bank=base.bank, languages=tuple(languages),
    )  # fmt: skip


def fingerprint(model: StudentTower, tokenizer: Tokenizer) -> str:
    """sha256 of all that a student says."""
    from modiste.models.pretrained import add_weights

    digest = hashlib.sha256(json.dumps(asdict(model.config), sort_keys=True).encode())
    digest.update(canonical_json(tokenizer).encode())
    add_weights(digest, model.state_dict())
    return digest.hexdigest()


def save_student(
    folder: str | Path, model: StudentTower, tokenizer: Tokenizer, *, name: str, languages: Sequence[str],
    teacher: EncoderId, card: str = "",
) -> Path:  # fmt: skip
    """Write a student's folder atomically, matrices in fp16."""
    from modiste import __version__
    from modiste.models.pretrained import to_stored, write_folder

    config = {
        "architecture": ARCHITECTURE,
        "name": name,
        "modiste_version": __version__,
        "languages": list(languages),
        "teacher": asdict(teacher),
        "model": asdict(model.config),
    }
    return write_folder(folder, to_stored(model.state_dict()), config, card, tokenizer)


def load_student(folder: Path, *, device: str = "cpu") -> Student:
    """A student from a folder that `save_student` wrote. Raises `PretrainedError` naming what is missing or damaged."""
    from modiste.models.pretrained import (
        CONFIG,
        TOKENIZER,
        PretrainedError,
        build,
        read_config,
        read_tokenizer,
        read_weights,
        require_room,
    )

    config = read_config(folder)
    model = build(folder, config, lambda values: StudentTower(StudentConfig(**values)), f"a {ARCHITECTURE}")
    try:
        teacher = EncoderId(**config["teacher"])
        languages = [str(one) for one in config["languages"]]
    except (KeyError, TypeError, ValueError) as error:
        raise PretrainedError(f"{folder / CONFIG} does not describe a {ARCHITECTURE}: {error}") from error
    read_weights(folder, model)
    tokenizer = read_tokenizer(folder / TOKENIZER)
    require_room(folder / TOKENIZER, tokenizer, model.config.vocab_size)
    name = str(config.get("name") or folder.name)
    return Student(model, tokenizer, name=name, languages=languages, teacher=teacher, device=device)
