from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
import fame_vil_oracle as oracle

from modiste.models.fame_vil import SIZES, TASKS, FameVil, FameVilConfig, parameter_counts, single_task
from modiste.models.fame_vil_caption import write_captions

TOY = replace(
    SIZES["debug"],
    classes=("bag", "dress", "shoe"),
    vocab_size=40,
    image_size=(16, 16),
    tie_words=False,
    context_length=10,
)


def shaken(config: FameVilConfig, seed: int = 0) -> FameVil:
    """A model whose adapters say something, as after training."""
    torch.manual_seed(seed)
    model = FameVil(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(torch.randn_like(parameter) * (0.3 if ".tsa." in name or ".xaa." in name else 0.05))
    return model.eval()


def pairs(count: int = 3, seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Photos, token ids and mask: texts of different lengths, what stands in the padding is arbitrary."""
    torch.manual_seed(seed)
    images = torch.rand(count, 3, 16, 16)
    ids = torch.randint(5, 40, (count, 7))
    lengths = torch.tensor([7, 4, 2, 5])[:count]
    mask = torch.arange(7)[None] < lengths[:, None]
    ids[:, 0] = 2
    ids[torch.arange(count), lengths - 1] = 3
    return images, ids, mask


def test_adapters_change_nothing_before_training() -> None:
    torch.manual_seed(0)
    model = FameVil(TOY).eval()
    bare = FameVil(replace(TOY, tsa=False, xaa=False, tasks=("xmr", "tgir", "scr"))).eval()
    bare.load_state_dict({name: value for name, value in model.state_dict().items() if name in bare.state_dict()})
    images, ids, mask = pairs()
    for task in TASKS:
        assert torch.equal(model.encode_image(images, task), bare.encode_image(images, None))
        assert torch.equal(model.encode_text(ids, mask, task), bare.encode_text(ids, mask, None))
        alone = bare.encode_image(images, None) + bare.encode_text(ids, mask, None)
        assert torch.allclose(model.fuse(images, ids, mask, task), alone, atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"tsa": False},
        {"xaa": False, "tasks": ("xmr", "tgir", "scr")},
        {"stem": (), "patch_size": 8},
        {"tie_words": True},
    ],
)
def test_every_mode_against_its_equations(change: dict) -> None:
    model = shaken(replace(TOY, **change))
    images, ids, mask = pairs()
    with torch.no_grad():
        for task in ("xmr", "tgir"):
            image, text = model.encode_image(images, task), model.encode_text(ids, mask, task)
            fused = model.fuse(images, ids, mask, task)
            for n in range(len(images)):
                words = ids[n][mask[n]]
                assert torch.allclose(image[n], oracle.encode_image(model, images[n], task)[0], atol=1e-4)
                assert torch.allclose(text[n], oracle.encode_text(model, words, task), atol=1e-4)
                assert torch.allclose(fused[n], oracle.fuse(model, images[n], words, task), atol=1e-4)
        if "fic" in model.config.tasks:
            logits = model.decode(ids, model.read_memories(model.memories(images)))
            for n in range(len(images)):
                words = ids[n][mask[n]]
                assert torch.allclose(logits[n, : len(words)], oracle.next_words(model, images[n], words), atol=1e-4)


def test_gates_and_adapters_of_each_mode() -> None:
    """The contrastive mode is deaf to cross-attention, the generative one to the photo tower's; tasks to each other's TSA."""
    images, ids, mask = pairs()

    def outputs(model: FameVil) -> dict[str, Tensor]:
        with torch.no_grad():
            return {
                "image": model.encode_image(images, "tgir"), "text": model.encode_text(ids, mask, "tgir"),
                "fused": model.fuse(images, ids, mask, "tgir"),
                "fic": model.decode(ids, model.read_memories(model.memories(images))),
            }  # fmt: skip

    def changed_by(pattern: tuple[str, ...]) -> set[str]:
        model = shaken(TOY)
        before = outputs(model)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if all(part in name for part in pattern):
                    parameter.mul_(-1.5)
        after = outputs(model)
        return {name for name in before if not torch.allclose(before[name], after[name], atol=1e-6)}

    assert changed_by(("vision.", ".xaa.")) == {"fused"}
    assert changed_by(("text.", ".xaa.")) == {"fused", "fic"}
    assert changed_by((".tsa.tgir.",)) == {"image", "text", "fused"}
    assert changed_by(("vision.", ".tsa.fic.")) == {"fic"}
    assert changed_by((".tsa.scr.",)) == set()


def test_padding_says_nothing_in_any_mode() -> None:
    model = shaken(TOY)
    images, ids, mask = pairs()
    other = torch.where(mask, ids, 39)
    with torch.no_grad():
        assert torch.allclose(model.encode_text(ids, mask), model.encode_text(other, mask), atol=1e-6)
        assert torch.allclose(model.fuse(images, ids, mask, "scr"), model.fuse(images, other, mask, "scr"), atol=1e-6)


def test_cached_decoding_is_decoding() -> None:
    model = shaken(TOY)
    images, ids, _ = pairs()
    with torch.no_grad():
        photo = model.read_memories(model.memories(images))
        whole = model.decode(ids, photo)
        caches: list[list[Tensor]] = [[] for _ in range(TOY.depth)]
        steps = [model.decode(ids[:, at : at + 1], photo, caches, start=at) for at in range(ids.shape[1])]
        assert torch.allclose(torch.cat(steps, dim=1), whole, atol=1e-5)
        caches = [[] for _ in range(TOY.depth)]
        parts = [model.decode(ids[:, :3], photo, caches), model.decode(ids[:, 3:], photo, caches, start=3)]
        assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-5)
    with pytest.raises(ValueError, match="10 places"):
        model.decode(ids.repeat(1, 2), photo)


TINY = replace(TOY, vocab_size=8, context_length=6, banned_ids=(0, 1, 4))  # words 5, 6, 7 and the end, 3


def log_prob(model: FameVil, image: Tensor, words: list[int]) -> float:
    """Of a whole caption, the end included; banned words have no share."""
    logits = oracle.next_words(model, image, torch.tensor([2, *words]))
    logits[:, [0, 1, 2, 4]] = -torch.inf
    steps = logits.log_softmax(dim=1)
    return float(sum(steps[at, word] for at, word in enumerate([*words, 3])))


def test_beam_search_against_every_caption_there_is() -> None:
    model = shaken(TINY, seed=3)
    with torch.no_grad():
        model.caption.linear.weight.mul_(6)  # opinions, so that greedy goes wrong somewhere
    images = pairs(4)[0]
    every = [list(words) for length in range(4) for words in itertools.product((5, 6, 7), repeat=length)]
    with torch.no_grad():
        scores = torch.tensor([[log_prob(model, image, words) for words in every] for image in images])
    assert torch.allclose(scores.exp().sum(dim=1)[:1] <= 1.0001, torch.tensor([True]))
    written, found = write_captions(model, images, beams=len(every), max_words=3)
    assert written == [every[best] for best in scores.argmax(dim=1).tolist()]
    assert torch.allclose(found, scores.max(dim=1).values, atol=1e-4)
    greedy, of_greedy = write_captions(model, images, max_words=3)
    assert (of_greedy <= found + 1e-5).all()
    for image, words, value in zip(images, greedy, of_greedy, strict=True):
        with torch.no_grad():
            assert float(value) == pytest.approx(log_prob(model, image, words), abs=1e-4)
            steps: list[int] = []
            while len(steps) < 3:
                logits = oracle.next_words(model, image, torch.tensor([2, *steps]))[-1]
                logits[[0, 1, 2, 4]] = -torch.inf
                if (word := int(logits.argmax())) == 3:
                    break
                steps.append(word)
        assert words == steps
    normed, _ = write_captions(model, images, beams=len(every), max_words=3, length_penalty=1.0)
    lengths = torch.tensor([len(words) + 1 for words in every])
    assert normed == [every[best] for best in (scores / lengths).argmax(dim=1).tolist()]


def test_a_photo_is_captioned_alike_whatever_stands_beside_it() -> None:
    model = shaken(TINY, seed=5)
    images = pairs(4)[0]
    together, scores = write_captions(model, images, beams=3)
    for n, image in enumerate(images):
        alone, score = write_captions(model, image[None], beams=3)
        assert alone[0] == together[n]
        assert torch.allclose(score[0], scores[n], atol=1e-4)
    with pytest.raises(ValueError, match="beams"):
        write_captions(model, images, beams=0)
    with pytest.raises(ValueError, match="fic"):
        write_captions(shaken(single_task(TINY, "xmr")), images)


def test_parameters_are_counted_exactly() -> None:
    counts = parameter_counts(SIZES["b16"])
    model = FameVil(TOY)
    own = parameter_counts(TOY)
    assert own["total"] == sum(p.numel() for p in model.parameters())
    assert sum(own[part] for part in ("vision", "text", "tsa", "xaa", "heads")) == own["total"]
    assert own["single_task_models"] == sum(
        p.numel() for task in TASKS for p in FameVil(single_task(TOY, task)).parameters()
    )
    # the published sizes: CLIP ViT-B/16 has 149,620,737 parameters with its scale
    assert counts["clip"] == 149_620_737
    per_task = sum(2 * 64 * d + 64 + d + 2 * d + 1 for d in (768, 512)) * 12
    assert counts["tsa"] == 4 * per_task
    # cross-attention without an output projection, as released: 17.8 M beside the photo tower, 13.4 M beside the text tower
    of_vision = 12 * (768 * 769 + 2 * 768 * 513 + 2 * 768 + 2 * 512 + 2 * 768 + 2 * 64 * 768 + 64 + 768 + 1)
    of_text = 12 * (512 * 513 + 2 * 512 * 769 + 2 * 512 + 2 * 768 + 2 * 512 + 2 * 64 * 512 + 64 + 512 + 1)
    assert counts["xaa"] == of_vision + of_text
    assert (round(of_vision / 1e6, 1), round(of_text / 1e6, 1)) == (17.8, 13.4)
    assert per_task / counts["clip"] == pytest.approx(0.0135, abs=2e-4)  # the paper's +1.35 %


def test_what_a_config_must_not_say() -> None:
    with pytest.raises(ValueError, match="unknown task"):
        replace(TOY, tasks=("xmr", "poetry"))
    with pytest.raises(ValueError, match="set xaa"):
        replace(TOY, xaa=False)
    with pytest.raises(ValueError, match="heads"):
        replace(TOY, text_heads=5)
    assert not single_task(TOY, "xmr").joint
    assert single_task(TOY, "tgir").joint
