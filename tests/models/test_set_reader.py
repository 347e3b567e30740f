"""Sets read with less work say what the set encoder itself says."""

import pytest
import torch

from modiste.models.outfit_transformer import SIZES, OutfitTransformer
from modiste.models.set_reader import read_sets


@pytest.fixture(params=["debug", "small", "paper"])
def model(request: pytest.FixtureRequest) -> OutfitTransformer:
    torch.manual_seed(3)
    made = OutfitTransformer(SIZES[request.param]).eval()
    for parameter in made.parameters():  # biases and norms start at 0 and 1, which would hide a mistake
        parameter.data += 0.05 * torch.randn_like(parameter)
    return made


def stored(model: OutfitTransformer, number: int = 40) -> torch.Tensor:
    return torch.randn(number, model.config.dim, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("places", [1, 2, 5, 8])
def test_it_reads_what_the_set_encoder_reads(model: OutfitTransformer, places: int) -> None:
    items = stored(model)
    rows = torch.randint(0, len(items), (64, places), generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        found = read_sets(model.sets, model.outfit_token, items, rows)
        torch.testing.assert_close(found, model.read(items[rows], rows >= 0), atol=2e-5, rtol=1e-4)


def test_places_without_an_item_are_not_read(model: OutfitTransformer) -> None:
    items = stored(model)
    rows = torch.tensor([[3, 9, 5], [9, -1, 3], [-1, -1, 7], [5, 3, 9]])
    with torch.inference_mode():
        found = read_sets(model.sets, model.outfit_token, items, rows)
        torch.testing.assert_close(found, model.read(items[rows.clamp(min=0)], rows >= 0), atol=2e-5, rtol=1e-4)
        alone = read_sets(model.sets, model.outfit_token, items, torch.tensor([[7]]))
    torch.testing.assert_close(found[2:3], alone, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(found[0], found[3], atol=2e-5, rtol=1e-4)  # a set has no order


def test_no_sets(model: OutfitTransformer) -> None:
    assert read_sets(model.sets, model.outfit_token, stored(model), torch.zeros(0, 3, dtype=torch.int64)).shape == (
        0,
        model.config.dim,
    )
