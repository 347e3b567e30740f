"""What the recipes for outfits run on: item vectors made once, batches with a curriculum, and numbers to watch."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from modiste.data.batches import OutfitBatch
from modiste.data.outfit_batches import OutfitExamples, kind
from modiste.data.outfit_features import ItemFeatures
from modiste.data.outfits import OutfitData
from modiste.evaluation.metrics import recall_at_k
from modiste.files import write_atomically
from modiste.models.inference import ImageTextEncoder
from modiste.models.outfit_inference import PairPool, TransformerPool, encoded_items
from modiste.models.outfit_pretrained import OutfitModel
from modiste.models.outfit_transformer import OutfitTransformer
from modiste.training.run import Eval
from modiste.training.sampling import rank_share, shuffled_batches
from modiste.types import ComplementPool, FloatArray, Item, Slot, as_sets

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
    """FITB and CP AUC on the validation split, when it has questions to ask; named `outfits/valid`."""
    if not every_epochs or not data.looks.get("valid"):
        return {}
    questions = Questions.of(data, "valid")
    if not len(questions.candidates):
        return {}

    def evaluate(model: OutfitModel) -> dict[str, float]:
        is_transformer = isinstance(model, OutfitTransformer)
        pool = TransformerPool(model, features, encoder) if is_transformer else PairPool(model, features)  # type: ignore[arg-type]
        return questions.scores(pool, list(data.items.values()))

    return {"outfits/valid": Eval(evaluate, every_epochs=every_epochs)}


@dataclass(frozen=True, eq=False)
class Questions:
    """To watch a training by: fill in the blank among items of one kind and year, and looks against broken ones.

    Shapes: Q questions, O places, 4 candidates of which the first is right; L looks.
    """

    partial: NDArray[np.int64]  # (Q, O)
    candidates: NDArray[np.int64]  # (Q, 4)
    looks: NDArray[np.int64]  # (L, O)
    broken: NDArray[np.int64]  # (L, O): each item exchanged for one of its kind

    @classmethod
    def of(cls, data: OutfitData, split: str, *, seed: int = 0) -> Questions:
        """One question per look that has at least two items, and enough others of one item's kind."""
        place = {one: row for row, one in enumerate(data.items)}
        kinds = [kind(item) for item in data.items.values()]
        members: dict[str, list[int]] = defaultdict(list)
        for row, name in enumerate(kinds):
            members[name].append(row)
        partial, candidates, looks, broken = [], [], [], []
        for number, look in enumerate(data.looks.get(split, ())):
            random = np.random.default_rng([seed, number])
            rows = random.permutation(np.unique([place[one] for one in look.item_ids]))
            if len(rows) < 2 or (look.label is not None and look.label <= 0.5):
                continue
            others = [np.setdiff1d(members[kinds[row]], rows) for row in rows]
            at = next((n for n, pool in enumerate(others) if len(pool) >= 3), None)
            if at is not None:
                partial.append(np.delete(rows, at))
                candidates.append([rows[at], *random.choice(others[at], 3, replace=False)])
            if all(map(len, others)):
                looks.append(rows)
                broken.append(np.array([random.choice(pool) for pool in others]))
        return cls(as_sets(partial), np.array(candidates, np.int64).reshape(-1, 4), as_sets(looks), as_sets(broken))

    def scores(self, pool: TransformerPool | PairPool, items: Sequence[Item]) -> dict[str, float]:
        """`fitb` by S, `fitb_cir` by the query where the pool has one (the category alone is said), `cp_auc`; in percent."""
        from sklearn.metrics import roc_auc_score

        found = {}
        if len(self.candidates):
            sets = np.concatenate(
                [np.repeat(self.partial[:, None], 4, axis=1), self.candidates[:, :, None]], axis=2
            )  # (Q, 4, O + 1)
            found["fitb"] = _accuracy(pool.score(sets.reshape(-1, sets.shape[2])).reshape(-1, 4))
            if isinstance(pool, ComplementPool):
                slots = [Slot(frozenset({items[row].category} - {""})) for row in self.candidates[:, 0]]
                queries = pool.queries(self.partial, slots)
                found["fitb_cir"] = _accuracy(np.einsum("qce,qe->qc", pool.candidates[self.candidates], queries))
        if len(self.looks):
            real, broken = pool.score(self.looks), pool.score(self.broken)
            labels = np.repeat([1, 0], [len(real), len(broken)])
            found["cp_auc"] = 100 * float(roc_auc_score(labels, np.concatenate([real, broken])))
        return found


def _accuracy(scores: FloatArray) -> float:
    right = np.zeros(scores.shape, dtype=bool)
    right[:, 0] = True
    return 100 * float(recall_at_k(scores, right, 1).mean())
