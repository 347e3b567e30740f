"""Words trusted by how often training saw them: the weights, where they count, and that they travel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent))
from by_hand import by_hand

from modiste.data.text import train_wordpiece
from modiste.models.clip import SIZES, DualEncoder
from modiste.models.mvlt import SIZES as MVLT_SIZES
from modiste.models.mvlt import Mvlt, MvltObjective
from modiste.models.pretrained import load_model, save_pretrained
from modiste.models.word_trust import WordTrust

TEXTS = torch.tensor([[5, 6, 6, 0], [5, 7, 0, 0], [5, 0, 0, 0]])


def test_a_piece_counts_by_the_texts_that_have_it() -> None:
    trust = WordTrust(9)
    assert (trust.weights == 1).all(), "nothing counted yet: all are believed"
    trust.count(TEXTS, prior=2.0)
    assert trust.weights.tolist() == pytest.approx([0, 0, 0, 0, 0, 3 / 5, 1 / 3, 1 / 3, 0])
    assert trust(TEXTS)[0].tolist() == pytest.approx([3 / 5, 1 / 3, 1 / 3, 0])
    trust.count(TEXTS[:, None], prior=0.0)  # captions of items, (N, C, L)
    assert trust.weights.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 0]
    with pytest.raises(ValueError, match="must not be negative"):
        trust.count(TEXTS, prior=-1)


@pytest.mark.parametrize("kind", ["dual encoder", "mvlt"])
def test_encoding_believes_it_and_training_does_not(kind: str) -> None:
    torch.manual_seed(0)
    ids, mask = TEXTS, TEXTS != 0
    if kind == "mvlt":
        model = Mvlt(MVLT_SIZES["debug"])
        trust = model.word_trust

        def bag() -> torch.Tensor:
            found = model.begin(None, ids, mask).bag
            assert found is not None
            return found

        def naive(row: int) -> torch.Tensor:
            vectors = [model.words.weight[piece] * trust.weights[piece] for piece in ids[row][mask[row]]]
            return torch.stack(vectors).sum(dim=0) / mask[row].sum().sqrt()
    else:
        dual = DualEncoder(SIZES["debug"])
        trust = dual.text_tower.trust
        model = dual  # type: ignore[assignment]
        seen: list[torch.Tensor] = []
        dual.text_tower.bag_norm.register_forward_hook(lambda module, given, result: seen.append(given[0]))

        def bag() -> torch.Tensor:
            dual.encode_text(ids, mask)
            return seen[-1]

        def naive(row: int) -> torch.Tensor:
            vectors = [dual.text_tower.tokens.weight[piece] * trust.weights[piece] for piece in ids[row][mask[row]]]
            return torch.stack(vectors).sum(dim=0) / mask[row].sum().sqrt()

    model.eval()
    before = bag()
    trust.count(ids, prior=2.0)
    after = bag()
    for row in range(3):
        torch.testing.assert_close(after[row], naive(row))
    assert not torch.allclose(before, after)
    model.train()
    torch.testing.assert_close(bag(), before)


def test_frozen_words_are_read_in_training_as_later_in_use() -> None:
    torch.manual_seed(0)
    objective = MvltObjective(losses=("itm",), one_pass=False, frozen_towers=True, num_negatives=1)
    model = Mvlt(MVLT_SIZES["debug"], objective).eval()
    model.word_trust.count(TEXTS, prior=2.0)
    used = model.begin(None, TEXTS, TEXTS != 0).bag
    assert used is not None
    learning = model.train().begin(None, TEXTS, TEXTS != 0).bag
    assert learning is not None
    torch.testing.assert_close(used, learning)


def test_it_travels_and_models_from_before_believe_all(tmp_path: Path) -> None:
    tokenizer = train_wordpiece(["red dress", "blue jeans"] * 3, vocab_size=100)
    model = DualEncoder(SIZES["debug"])
    model.text_tower.trust.count(TEXTS)
    folder = save_pretrained(tmp_path / "model", model, tokenizer, name="n")
    torch.testing.assert_close(load_model(folder).model.text_tower.trust.weights, model.text_tower.trust.weights)
    state = load_file(folder / "model.safetensors")
    del state["text_tower.trust.weights"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    by_hand(folder)
    assert (load_model(folder).model.text_tower.trust.weights == 1).all()
