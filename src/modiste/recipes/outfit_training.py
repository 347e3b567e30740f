"""What the recipes for outfits run on: item vectors made once, batches with a curriculum, and numbers to watch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from modiste.data.batches import OutfitBatch
from modiste.data.outfit_batches import OutfitExamples
from modiste.data.outfit_features import ItemFeatures
from modiste.data.outfits import OutfitData
from modiste.evaluation.outfit_files import QuestionFile
from modiste.evaluation.outfit_questions import QuestionDraw
from modiste.evaluation.outfits import evaluate_outfits
from modiste.files import write_atomically
from modiste.models.inference import ImageTextEncoder
from modiste.models.outfit_inference import PairPool, TransformerPool, encoded_items
from modiste.models.outfit_pretrained import OutfitModel
from modiste.models.outfit_transformer import OutfitTransformer
from modiste.training.run import Eval
from modiste.training.sampling import rank_share, shuffled_batches
from modiste.types import FloatArray, Item, OutfitPool, OutfitScorer

Curriculum = Literal["switch", "ramp", "fine"]


@dataclass(frozen=True)
class OutfitLoader:
    """A `Loader` of looks whose negatives become finer as the run goes on (specification of OutfitTransformer, 5.3)."""

    examples: OutfitExamples
    batch_size: int
    epochs: int  # of the whole run: the curriculum is a share of its steps
    curriculum: Curriculum = "switch"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= len(self.examples):
            raise ValueError(
                f"{len(self.examples)} looks do not fill one batch of {self.batch_size}; choose a smaller batch_size"
            )

    @property
    def steps_per_epoch(self) -> int:
        return len(self.examples) // self.batch_size

    def fine_share(self, step: int) -> float:
        """Share of fine negatives at a step of the run, from 0."""
        progress = step / (self.epochs * self.steps_per_epoch)
        if self.curriculum == "switch":
            return float(progress >= 0.5)
        return progress if self.curriculum == "ramp" else 1.0

    def batches(self, epoch: int, start: int, rank: int, world_size: int) -> Iterator[OutfitBatch]:
        chosen = shuffled_batches(len(self.examples), self.batch_size, self.seed, epoch)
        for step in range(start, len(chosen)):
            share = self.fine_share(epoch * self.steps_per_epoch + step)
            yield self.examples.collate(rank_share(chosen[step], rank, world_size), epoch, share)


def item_vectors(items: Sequence[Item], encoder: ImageTextEncoder, cache: Path | None) -> FloatArray:
    """(N, 2E) of a frozen encoder, zeros for an item with neither photo nor words; kept in the folder `cache`.

    The file's name says which encoder and which items (their photos and words) it is of; a damaged one is made anew.
    """
    file = None
    if cache is not None:
        digest = hashlib.sha256()
        for item in items:
            photo = item.image if isinstance(item.image, bytes) else b"" if item.image is None else item.image.tobytes()
            for part in (item.id.encode(), item.text.encode(), photo):
                digest.update(len(part).to_bytes(8, "big") + part)
        file = cache / f"outfit-vectors-{encoder.id.sha256[:12]}-{digest.hexdigest()[:16]}.safetensors"
        if file.exists():
            try:
                kept: FloatArray = load_file(file)["vectors"]
                if kept.shape == (len(items), encoder.id.dim):
                    return kept
            except (SafetensorError, KeyError, OSError):
                pass
    vectors = encoded_items(items, encoder)
    if file is not None:
        write_atomically(file, save({"vectors": vectors}))
    return vectors


def kind_texts(items: Sequence[Item], encoder: ImageTextEncoder) -> FloatArray:
    """(N, E): the vector of the name of each item's category: what a slot that asks for it alone would say."""
    names = sorted({item.category for item in items})
    place = {name: row for row, name in enumerate(names)}
    vectors = encoder.encode_texts(names).vectors
    chosen: FloatArray = vectors[[place[item.category] for item in items]]
    return chosen


def validation(
    every_epochs: int, data: OutfitData, features: ItemFeatures, encoder: ImageTextEncoder
) -> dict[str, Eval]:
    """FITB and CP AUC on the validation split, when it has questions to ask; named `outfits/valid`.

    The first of the questions that `modiste evaluate outfits --split valid` asks, by its protocols: see `numbers`.
    """
    questions = validation_questions(data) if every_epochs else None
    if questions is None:
        return {}

    def evaluate(model: OutfitModel) -> dict[str, float]:
        return numbers(data, InTraining(model, data, features, encoder), questions)

    return {"outfits/valid": Eval(evaluate, every_epochs=every_epochs)}


def validation_questions(data: OutfitData) -> QuestionFile | None:
    """Fill in the blank among items of one kind and year, and looks against ones of which every item is exchanged for such;
    None where no blank can be asked. Raises `ValueError` as `QuestionDraw` does."""
    if not data.looks.get("valid"):
        return None
    draw = QuestionDraw(data, "valid")
    blanks = draw.blanks("same_family")
    if not blanks.questions:
        return None
    return QuestionFile(cp={"": draw.compatibility("same_family")}, fitb={"": blanks}, cir={})


def numbers(data: OutfitData, scorer: OutfitScorer, questions: QuestionFile) -> dict[str, float]:
    """To watch a training by: `fitb` by S, `fitb_cir` by the query where the model has one, `cp_auc`; all in percent."""
    bare = OutfitData(data.name, data.bare, {})  # no photo is looked at again
    by_s = evaluate_outfits(bare, scorer, split="valid", questions=questions, controls=False, resamples=0).metrics
    found = {"fitb": by_s["fitb_accuracy"].mean}
    if isinstance(scorer, InTraining) and isinstance(scorer.model, OutfitTransformer):
        blanks = QuestionFile(cp={}, fitb=questions.fitb, cir={})
        by_cir = evaluate_outfits(bare, scorer, split="valid", by="cir", questions=blanks, controls=False, resamples=0)
        found["fitb_cir"] = by_cir.metrics["fitb_accuracy"].mean
    if "cp_auc" in by_s:
        found["cp_auc"] = 100 * by_s["cp_auc"].mean
    return found


class InTraining(OutfitScorer):
    """A model as the protocols take it, which knows the items of `data` by the `features` it is trained on."""

    def __init__(self, model: OutfitModel, data: OutfitData, features: ItemFeatures, encoder: ImageTextEncoder) -> None:
        self.model = model
        self._features, self._encoder = features, encoder
        self._place = {one: row for row, one in enumerate(data.items)}

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None) -> OutfitPool:
        """Raises `KeyError` for an item that is not of the data."""
        known = self._features[[self._place[item.id] for item in items]]
        if isinstance(self.model, OutfitTransformer):
            return TransformerPool(self.model, known, self._encoder)
        return PairPool(self.model, known)
