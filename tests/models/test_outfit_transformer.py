"""OutfitTransformer against the slow obvious version, and what must hold whatever its weights are."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from modiste.data.batches import OutfitBatch
from modiste.data.outfit_features import known_tags
from modiste.models.outfit_transformer import (
    LOSSES,
    SIZES,
    OutfitObjective,
    OutfitTransformer,
    OutfitTransformerConfig,
    from_compatibility,
    gather_sets,
)

sys.path.insert(0, str(Path(__file__).parent))
from outfit_toys import DIM, batch, data, examples, random_items

DEBUG = replace(SIZES["debug"], image_dim=DIM, text_dim=DIM)


def built(config: OutfitTransformerConfig = DEBUG, **objective: object) -> OutfitTransformer:
    torch.manual_seed(0)
    model = OutfitTransformer(config, OutfitObjective(**objective))  # type: ignore[arg-type]
    for parameter in model.parameters():  # norms and marks that start at 0 or 1 would hide mistakes
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


def embedded(model: OutfitTransformer, of: OutfitBatch) -> Tensor:
    found: Tensor = model.items(of.images, of.has_image, of.texts, of.has_text, of.tags)
    return found


class Slow:
    """The paper's equations item by item, from the weights alone."""

    def __init__(self, model: OutfitTransformer) -> None:
        self.weights = {name: value.double() for name, value in model.state_dict().items()}
        self.config = model.config

    def linear(self, x: Tensor, name: str) -> Tensor:
        return torch.einsum("oi,i->o", self.weights[f"{name}.weight"], x) + self.weights[f"{name}.bias"]

    def norm(self, x: Tensor, name: str) -> Tensor:
        centred = x - x.mean()
        scaled = centred / torch.sqrt((centred * centred).mean() + 1e-5)
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def item(self, image: Tensor | None, text: Tensor | None, tags: list[int]) -> Tensor:
        parts = [
            self.weights[f"items.null_{name}"]
            if vector is None
            else self.linear(vector.double() * math.sqrt(len(vector)), f"items.{name}")
            for name, vector in (("image", image), ("text", text))
        ]
        x = torch.cat(parts)
        for number, tag in enumerate(tags):
            x = x + self.weights[f"items.tags.{number}.weight"][tag]
        return x

    def token(self, first: Tensor, items: list[Tensor]) -> Tensor:
        tokens = [first, *items]
        heads, width = self.config.num_heads, self.config.dim // self.config.num_heads
        for depth in range(self.config.depth):
            name = f"sets.blocks.{depth}"
            projected = [
                self.linear(self.norm(x, f"{name}.norm1"), f"{name}.query_key_value").view(3, heads, width)
                for x in tokens
            ]
            mixed = []
            for own in projected:
                parts = []
                for head in range(heads):
                    logits = torch.stack([own[0, head] @ other[1, head] / math.sqrt(width) for other in projected])
                    shares = torch.exp(logits - logits.max())
                    shares = shares / shares.sum()
                    parts.append(sum(share * other[2, head] for share, other in zip(shares, projected, strict=True)))
                mixed.append(self.linear(torch.cat(parts), f"{name}.project"))  # type: ignore[arg-type]
            tokens = [x + y for x, y in zip(tokens, mixed, strict=True)]
            for at, x in enumerate(tokens):
                hidden = self.linear(self.norm(x, f"{name}.norm2"), f"{name}.expand")
                hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
                tokens[at] = x + self.linear(hidden, f"{name}.contract")
        return self.norm(tokens[0], "sets.norm")

    def mlp(self, x: Tensor, name: str) -> Tensor:
        hidden = self.linear(x, f"{name}.0")
        return self.linear(hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2))), f"{name}.3")

    def compatibility(self, items: list[Tensor]) -> float:
        logit = float(self.mlp(self.token(self.weights["outfit_token"], items), "compatibility_head"))
        vectors = [self.linear(one, "pair_head") for one in items]
        products = [float(a @ b) for a, b in combinations(vectors, 2)]
        alone = [float(self.linear(one, "item_head")) for one in items]
        return logit + sum(products) / max(1, len(products)) + sum(alone) / len(alone)

    def look(self, items: list[Tensor]) -> Tensor:
        vector = self.linear(self.token(self.weights["outfit_token"], items), "look_head")
        return vector / vector.norm()

    def query(self, target: Tensor, items: list[Tensor]) -> Tensor:
        vector = self.mlp(self.token(target + self.weights["target_mark"], items), "query_head")
        return vector / vector.norm() if self.config.unit_vectors else vector

    def candidate(self, item: Tensor) -> Tensor:
        vector = self.linear(item, "candidate_head")
        return vector / vector.norm() if self.config.unit_vectors else vector


def slow_items(slow: Slow, of: OutfitBatch, row: int) -> list[Tensor]:
    return [
        slow.item(
            of.images[row, at] if of.has_image[row, at] else None,
            of.texts[row, at] if of.has_text[row, at] else None,
            of.tags[row, at].tolist(),
        )
        for at in range(of.has_image.shape[1])
    ]


@pytest.mark.parametrize("unit_vectors", [True, False])
def test_losses_equal_the_slow_version(unit_vectors: bool) -> None:
    tags = ("category",)
    of = batch(5, tags, num_broken=2, category_tag=0)
    config = replace(
        DEBUG, depth=2, unit_vectors=unit_vectors, tags={"category": ("bag", "shirt", "shoes", "trousers")}
    )
    model = built(config)
    slow = Slow(model)
    positive, negative, rank, wins, cir = [], [], [], [], []
    whole, part = [], []
    for row in range(5):
        items = slow_items(slow, of, row)
        rest = [items[at] for at in of.partial[row].tolist() if at >= 0]
        candidates = [at for at in of.candidates[row].tolist() if at >= 0]
        logits = [slow.compatibility([items[at], *rest]) for at in candidates]
        broken = [[at for at in one if at >= 0] for one in of.sets[row].tolist()]
        positive.append(logits[0])
        negative += logits[1:] + [slow.compatibility([items[at] for at in one]) for one in broken if one]
        rank.append(math.log(sum(math.exp(x) for x in logits)) - logits[0])
        wins.append(all(logits[0] > x for x in logits[1:]))
        wish = of.wanted_text[row] if of.has_wanted_text[row] else None
        query = slow.query(slow.item(None, wish, of.wanted_tags[row].tolist()), rest)
        near, *far = [float((query - slow.candidate(items[at])).norm()) for at in candidates]
        cir.append(sum(max(0, near - d + 0.3) for d in far) / len(far) + max(0, near - min(far) + 0.3))
        whole.append(slow.look([items[candidates[0]], *rest]))
        part.append(slow.look(rest))

    def focal(logit: float, label: bool) -> float:
        p = 1 / (1 + math.exp(-logit if label else logit))
        return -0.5 * (1 - p) ** 2 * math.log(p)

    found = model.losses(of)
    expected = (
        sum(focal(x, True) for x in positive) / len(positive) + sum(focal(x, False) for x in negative) / len(negative)
    ) / 2
    assert found["cp_loss"].item() == pytest.approx(expected, rel=1e-4)
    assert found["rank_loss"].item() == pytest.approx(sum(rank) / 5, rel=1e-4)
    assert found["rank_accuracy"].item() == pytest.approx(sum(wins) / 5)
    assert found["cir_loss"].item() == pytest.approx(sum(cir) / 5, rel=1e-4)
    scale = min(100.0, math.exp(float(slow.weights["log_logit_scale"])))
    look = torch.stack(whole) @ torch.stack(part).T * scale
    entropy = torch.nn.functional.cross_entropy
    expected_look = (entropy(look, torch.arange(5)) + entropy(look.T, torch.arange(5))) / 2
    assert found["look_loss"].item() == pytest.approx(expected_look.item(), rel=1e-4)


@pytest.mark.parametrize("losses", [("cp",), ("rank",), ("cir",), ("look",), LOSSES])
def test_losses_are_those_asked_for(losses: tuple[str, ...]) -> None:
    found = built(losses=losses).losses(batch())
    assert {name for name in found if name.endswith("_loss")} == {f"{one}_loss" for one in losses}


def test_order_padding_and_company_change_nothing() -> None:
    model = built(replace(DEBUG, depth=2))
    items = random_items(4, 5, DEBUG.dim)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False], [True] * 3 + [False] * 2, [True] + [False] * 4])
    plain = model.compatibility(items, mask)
    looks = model.looks(items, mask)
    order = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(model.compatibility(items[:, order], mask[:, order]), plain, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model.looks(items[:, order], mask[:, order]), looks, atol=1e-5, rtol=1e-5)
    rubbish = torch.where(mask[..., None], items, torch.full_like(items, 1e4))  # padding is not looked at
    torch.testing.assert_close(model.compatibility(rubbish, mask), plain, atol=1e-5, rtol=1e-5)
    wider = torch.cat([rubbish, torch.full((4, 3, DEBUG.dim), -7.0)], dim=1)
    more = torch.cat([mask, torch.zeros(4, 3, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(model.compatibility(wider, more), plain, atol=1e-5, rtol=1e-5)
    for row in range(4):  # nor are the other outfits of the call
        alone = model.compatibility(items[row : row + 1, mask[row]], mask[row : row + 1, mask[row]])
        torch.testing.assert_close(alone, plain[row : row + 1], atol=1e-5, rtol=1e-5)
    norms = looks.norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))


def test_the_place_of_the_right_candidate_tells_nothing() -> None:
    """No positional leak: what the model says of a candidate does not depend on where it stands."""
    model = built()
    of = batch()
    items = embedded(model, of)
    logits = model.compatibility(*gather_sets(items, of.completions)).view(of.candidates.shape)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = replace(of, candidates=of.candidates[:, order])
    moved = model.compatibility(*gather_sets(items, shuffled.completions)).view(of.candidates.shape)
    torch.testing.assert_close(moved, logits[:, order])
    places = torch.stack(
        [torch.randperm(items.shape[1]) for _ in range(len(of))]
    )  # where items lie tells nothing either
    back = places.argsort(dim=1)
    permuted = items.gather(1, places[..., None].expand(-1, -1, items.shape[2]))
    sets = torch.where(of.partial >= 0, back.gather(1, of.partial.clamp(min=0)), -1)
    partial = model.compatibility(*gather_sets(items, of.partial[:, None]))
    torch.testing.assert_close(model.compatibility(*gather_sets(permuted, sets[:, None])), partial)


def test_candidates_depend_on_their_item_alone() -> None:
    model = built()
    items = random_items(3, 4, DEBUG.dim)
    together = model.candidates(items)
    for row in range(3):
        for at in range(4):
            torch.testing.assert_close(model.candidates(items[row, at]), together[row, at])


def test_what_is_missing_is_learned_and_otherwise_ignored() -> None:
    model = built()
    of = batch(12)
    assert not of.has_image.all()
    assert not of.has_text.all()
    noisy = replace(
        of,
        images=torch.where(of.has_image[..., None], of.images, 99.0),
        texts=torch.where(of.has_text[..., None], of.texts, -99.0),
    )
    torch.testing.assert_close(embedded(model, noisy), embedded(model, of))
    sum(value for name, value in model.losses(of).items() if name.endswith("_loss")).backward()  # type: ignore[union-attr]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
        assert parameter.grad.isfinite().all(), name


def test_gradients_of_the_losses_are_those_of_finite_differences() -> None:
    of = batch(4)
    model = built()
    losses = [name for name in model.losses(of) if name.endswith("_loss")]
    for loss in losses:
        for name in ("items.null_image", "sets.blocks.0.project.bias"):
            parameter = model.get_parameter(name)
            model.zero_grad()
            model.losses(of)[loss].backward()
            assert parameter.grad is not None
            direction = torch.sign(parameter.grad)
            expected = float((parameter.grad * direction).sum())
            values = []
            for step in (2e-3, -2e-3):
                with torch.no_grad():
                    parameter += step * direction
                    values.append(model.losses(of)[loss].item())
                    parameter -= step * direction
            assert (values[0] - values[1]) / 4e-3 == pytest.approx(expected, rel=0.05, abs=2e-3), (loss, name)


def test_modalities_can_be_left_out() -> None:
    of = batch(6, ("id",))
    for image, text in ((DIM, 0), (0, DIM), (0, 0)):
        config = replace(DEBUG, image_dim=image, text_dim=text, tags={"id": tuple(f"shirt{n}" for n in range(30))})
        model = built(config)
        found = model.losses(of)
        assert all(value.isfinite() for value in found.values())
        changed = replace(of, images=-of.images, texts=-of.texts)
        same = torch.equal(embedded(model, changed), embedded(model, of))
        assert same == (not image and not text)
    with pytest.raises(ValueError, match="cannot be told apart"):
        replace(DEBUG, image_dim=0, text_dim=0)


def test_towers_are_tuned_with_it() -> None:
    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(3, DIM, 2)

        def forward(self, pixels: Tensor) -> Tensor:
            assert pixels.shape[1:] == (3, 4, 3)
            return self.convolution(pixels).mean(dim=(2, 3))

    of = batch(4)
    pixels = torch.rand(*of.has_image.shape, 3, 4, 3, generator=torch.Generator().manual_seed(0))
    tower, words = Tower(), nn.Linear(DIM, DIM)
    model = OutfitTransformer(DEBUG, image_tower=tower, text_tower=words)
    losses = model.losses(replace(of, images=pixels))
    sum(losses[name] for name in losses if name.endswith("_loss")).backward()  # type: ignore[union-attr]
    for module in (tower.convolution, words):
        assert module.weight.grad is not None
        assert module.weight.grad.abs().sum() > 0
    frozen = OutfitTransformer(DEBUG)
    frozen.load_state_dict({k: v for k, v in model.state_dict().items() if "_tower." not in k})
    vectors = tower(pixels.flatten(0, 1)).view(*of.has_image.shape, DIM)
    given = replace(
        of, images=vectors.detach(), texts=words(of.texts).detach(), wanted_text=words(of.wanted_text).detach()
    )
    torch.testing.assert_close(frozen.eval().losses(given), model.eval().losses(replace(of, images=pixels)))


def test_cir_starts_from_compatibility_and_every_key_is_accounted_for() -> None:
    start, model = built(losses=("cp",)), built(losses=("cir",))
    with torch.no_grad():
        for parameter in start.parameters():
            parameter += 1
    before = {name: value.clone() for name, value in model.state_dict().items()}
    report = from_compatibility(model, start)
    assert {*report.copied, *report.fresh} == set(before)
    assert not {*report.copied} & {*report.fresh}
    assert "query_head.0.weight" in report.fresh
    assert report.dropped["compatibility_head.0.weight"]
    for name, value in model.state_dict().items():
        expected = start.state_dict()[name] if name in report.copied else before[name]
        torch.testing.assert_close(value, expected)
    assert not from_compatibility(model, start, keep_heads=True).fresh
    other = OutfitTransformer(replace(DEBUG, image_dim=DIM + 1))
    with pytest.raises(ValueError, match=r"items\.image\.weight"):
        from_compatibility(other, start)
    tagged = OutfitTransformer(replace(DEBUG, tags={"id": ("a",)}))
    assert "items.tags.0.weight" in from_compatibility(tagged, start).fresh
    assert "items.tags.0.weight" in from_compatibility(model, tagged).dropped


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_heads": 3}, "heads"),
        ({"dim": 15, "num_heads": 3}, "even"),
    ],
)
def test_sizes_that_cannot_be_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(DEBUG, **change)  # type: ignore[arg-type]


def test_a_margin_that_cannot_be_met_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.2 to 0\.5"):
        OutfitTransformer(DEBUG, OutfitObjective(margin=2.0))
    OutfitTransformer(replace(DEBUG, unit_vectors=False), OutfitObjective(margin=2.0))
    with pytest.raises(ValueError, match="losses are"):
        OutfitObjective(losses=("cpp",))
    with pytest.raises(ValueError, match="margin"):
        OutfitObjective(margin=0)


def test_it_learns_what_goes_together() -> None:
    """A world whose rule is known: items of one number go together. Photo and words say nothing of it, the ids do."""

    world = data(60)
    made = examples(world, ("id",), silent_share=0.0)
    torch.manual_seed(0)
    tags = known_tags(list(world.items.values()), ("id",))
    model = OutfitTransformer(replace(DEBUG, tags=tags, tag_dropout=0.0, modality_dropout=0.0), OutfitObjective())
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(60):
        losses = model.losses(made.collate(torch.arange(len(made)).numpy(), epoch))
        optimiser.zero_grad()
        sum(losses[name] for name in losses if name.endswith("_loss")).backward()  # type: ignore[union-attr]
        optimiser.step()
    assert losses["rank_accuracy"].item() > 0.95
    assert losses["cir_loss"].item() < 0.1
