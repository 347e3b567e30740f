"""Russian and Chinese for an encoder that knows English: a small text tower learns its vectors (models/multilingual.py).

Lab notes (docs/languages.md has the scores)
---------
    modiste train multilingual_text_small
    modiste index shop.csv --into shop --model mvlt_small.products_v1+runs/multilingual_text_small

The sentences are the atelier's own (data/atelier/parallel.py), so the tower knows the words of its tables and no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from modiste.training.run import Run


@dataclass(frozen=True)
class MultilingualRecipe:
    """Fields of the recipe; `modiste train multilingual_text_small field=value`."""

    data: str = "atelier"
    """Where the sentences come from: the atelier's tables of words are the only ones there are."""
    teacher: str = "mvlt_small.products_v1"
    """Whose text vectors are learned: an encoder's name or folder."""
    languages: tuple[str, ...] = ("en", "ru", "zh")
    """Of en, ru, zh: those that are learned."""
    sentences: int = 20_000
    """Wishes, each in every language."""
    size: str = "small"
    """Row of the model's table of sizes; an unknown one lists them."""
    vocab_size: int = 2048
    """WordPieces learned from the sentences."""
    epochs: int = 4
    """Passes over the sentences."""
    batch_size: int = 256
    """Sentences of one step."""
    learning_rate: float = 3e-3
    """Peak, after the warm-up; falls to 0 along a cosine."""
    warmup_steps: int = 100
    """Steps of linear warm-up."""
    drop_token_rate: float = 0.05
    """Words hidden in training."""
    ema_decay: float = 0.99
    """Average of the weights that is saved; 0 for none."""
    seed: int = 0
    """Of sentences, weights and the order of batches."""

    def __post_init__(self) -> None:
        from modiste.data.atelier.translations import LANGUAGES

        if not self.languages or set(self.languages) - set(LANGUAGES):
            raise ValueError(f"languages are of {', '.join(LANGUAGES)}, not {', '.join(self.languages) or 'none'}")
        if self.data != "atelier":
            raise ValueError(f"data must be atelier, not {self.data!r}: sentences in several languages are its own")


def build(config: MultilingualRecipe) -> Run:
    """The complete run: sentences drawn, the teacher asked, the tokenizer learned."""
    from dataclasses import replace

    import numpy as np
    import torch

    from modiste.data.atelier.parallel import training_sentences
    from modiste.data.batches import TaughtTextBatch
    from modiste.data.text import tokenize, train_wordpiece
    from modiste.models.multilingual import SIZES, StudentTower, save_student
    from modiste.models.pretrained import load
    from modiste.training.run import Run
    from modiste.training.sampling import IndexLoader

    if config.size not in SIZES:
        raise ValueError(f"there is no size {config.size!r}; choose one of {', '.join(SIZES)}")
    teacher = load(config.teacher)
    said = list(training_sentences(config.sentences, config.seed))
    taught = teacher.encode_texts([one.english for one in said]).vectors  # (N, E)
    pairs = [
        (text, row)
        for row, one in enumerate(said)
        for language, text in one.texts.items()
        if language in config.languages
    ]
    texts = [text for text, _ in pairs]
    vectors = torch.from_numpy(taught[[row for _, row in pairs]])
    tokenizer = train_wordpiece(texts, vocab_size=config.vocab_size)
    sizes = replace(SIZES[config.size], vocab_size=tokenizer.get_vocab_size(), embed_dim=teacher.tower_id.dim)
    token_ids, mask = (torch.from_numpy(one) for one in tokenize(tokenizer, texts, sizes.context_length))

    def collate(indices: np.ndarray, random: np.random.Generator) -> TaughtTextBatch:
        ids, kept = token_ids[indices], mask[indices].clone()
        hidden = torch.from_numpy(random.random(tuple(kept.shape)) < config.drop_token_rate)
        hidden[:, 0] = False
        longest = int(kept.sum(dim=1).max())
        return TaughtTextBatch(ids[:, :longest], (kept & ~hidden)[:, :longest], vectors[indices])

    def publish(trained: torch.nn.Module, folder: Path) -> None:
        assert isinstance(trained, StudentTower)
        name = f"multilingual_text_{config.size}.{folder.parent.name}"
        card = _card(name, config, len(texts))
        save_student(folder, trained, tokenizer, name=name, languages=config.languages, teacher=teacher.id, card=card)

    return Run(
        name="multilingual_text",
        model=lambda: StudentTower(sizes),
        loader=IndexLoader(collate, num_items=len(texts), batch_size=config.batch_size, seed=config.seed),
        epochs=config.epochs,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        ema_decay=config.ema_decay,
        seed=config.seed,
        publish=publish,
    )


def _card(name: str, config: MultilingualRecipe, sentences: int) -> str:
    return (
        f"---\nlicense: apache-2.0\nlibrary_name: modiste\npipeline_tag: feature-extraction\n"
        f"language: [{', '.join(config.languages)}]\ntags: [fashion, multilingual, text-tower]\n---\n# {name}\n\n"
        f"A text tower that gives the vectors of {config.teacher} to {sentences:,} generated sentences in "
        f"{', '.join(config.languages)} (seed {config.seed}). It knows the words of Modiste's own tables "
        "(modiste.data.atelier.translations) and no others. Use: `--model "
        f"{config.teacher}+FOLDER`. How it was measured: docs/languages.md.\n"
    )
