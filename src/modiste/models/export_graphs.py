"""What an export writes: the arithmetic of an encoder as graphs of arrays, photo and text apart, views and norms inside.

A graph begins where Python ends: at prepared photos (B, 3, H, W) and at token ids (B, L); batch and length are free. What is
done before that is `export_readers.py`, and what an encoder does with the unit rows that come out (fusion, query bank) needs
no model. Word trust is in the graph of the texts: it is a table beside the embeddings.

Shapes: B batch, L text length, E embedding width, F numbers that describe a photo (GRNet).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modiste.models.clip import DualEncoderTowers
from modiste.models.fame_vil_inference import FameVilTowers
from modiste.models.grnet_inference import GrnetScorer
from modiste.models.hf_clip import PublishedTowers, unit_features
from modiste.models.inference import ImageTextEncoder
from modiste.models.mvlt_inference import MvltTowers

PIXELS, TOKEN_IDS, MASK = "pixels", "token_ids", "attention_mask"
_WORDS = {TOKEN_IDS: {0: "batch", 1: "length"}, MASK: {0: "batch", 1: "length"}}
_PHOTOS = {PIXELS: {0: "batch"}}
_ROWS, _LENGTH = 3, 7  # of the examples that a graph is recorded with; the check then takes others


@dataclass(frozen=True)
class Graph:
    """One graph: its module, its inputs by name with an example of each, and which of their dimensions are free."""

    module: nn.Module
    inputs: dict[str, Tensor]
    free: dict[str, dict[int, str]]
    symbolic: bool = False  # torch's own attention layers take sizes for constants when they are recorded


class _Call(nn.Module):
    """A function of a model's as a module of its own."""

    def __init__(self, model: nn.Module, call: Callable[..., Tensor]) -> None:
        super().__init__()
        self.model = model
        self._call = call

    def forward(self, *inputs: Tensor) -> Tensor:
        return self._call(*inputs)


class AveragedViews(nn.Module):
    """`inference.average_over_views` as a graph: all views in one pass, B x views rows, of uint8 pixels (B, 3, H, W)."""

    def __init__(
        self,
        model: nn.Module,
        encode: Callable[..., Tensor],
        views: Sequence[float],
        image_size: tuple[int, int],
    ) -> None:
        super().__init__()
        self.model = model
        self._encode, self.views = encode, tuple(views)
        width, height = image_size
        for number, view in enumerate(self.views):
            scale = torch.tensor([[[1 / abs(view), 0.0, 0.0], [0.0, 1 / abs(view), 0.0]]])
            self.register_buffer(f"grid{number}", F.affine_grid(scale, [1, 3, height, width], align_corners=False))

    def forward(self, pixels: Tensor, *more: Tensor) -> Tensor:
        pixels = pixels.float() / 255
        shown = []
        for number, view in enumerate(self.views):
            x = pixels.flip(3) if view < 0 else pixels
            if abs(view) != 1:
                grid = getattr(self, f"grid{number}").expand(pixels.shape[0], -1, -1, -1)
                x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
            shown.append(x)
        if len(shown) == 1:
            return F.normalize(self._encode(shown[0], *more), dim=1)
        repeated = [torch.cat([one] * len(shown)) for one in more]
        found = self._encode(torch.cat(shown), *repeated)
        total = found.reshape(len(shown), pixels.shape[0], found.shape[1]).sum(dim=0)
        return F.normalize(total, dim=1)


def graphs_of(encoder: ImageTextEncoder | GrnetScorer) -> dict[str, Graph]:
    """File stem -> graph. `image` and `text` are an encoder's towers; FAME-ViL has more, one for each use of its adapters.

    Raises `ValueError` for an encoder that is none of ours and none of transformers'.
    """
    if isinstance(encoder, GrnetScorer):
        return {"describe": _describing(encoder)}
    towers: Any = encoder.towers
    if isinstance(towers, DualEncoderTowers):
        model = towers.model
        found = _two(model, model.encode_image, model.encode_text)
        return found | {"text": replace(found["text"], symbolic=model.config.text_depth > 0)}
    if isinstance(towers, MvltTowers):
        mvlt = towers.model
        return _two(
            mvlt,
            lambda pixels: mvlt.embed_photos(mvlt.begin(pixels)),
            lambda ids, mask: mvlt.embed_texts(mvlt.begin(None, ids, mask)),
        )
    if isinstance(towers, FameVilTowers):
        return _of_fame_vil(towers)
    if isinstance(towers, PublishedTowers):
        return _published(towers)
    raise ValueError(f"{encoder.id} cannot be exported: {type(towers).__name__} has no graph")


def _two(model: Any, image: Callable[[Tensor], Tensor], text: Callable[[Tensor, Tensor], Tensor]) -> dict[str, Graph]:
    return {"image": _photos(model, image), "text": _words(model, text)}


def _photos(model: Any, encode: Callable[[Tensor], Tensor]) -> Graph:
    config = model.config
    views = AveragedViews(model, encode, config.views, config.image_size)
    return Graph(views, {PIXELS: _noise(config.image_size)}, _PHOTOS)


def _words(model: Any, encode: Callable[[Tensor, Tensor], Tensor]) -> Graph:
    return Graph(_Call(model, encode), _tokens(model.config.vocab_size), _WORDS)


def _of_fame_vil(towers: FameVilTowers) -> dict[str, Graph]:
    """Both towers with the adapters of XMR; with those of TGIR, too, and both towers in step, where it is learned."""
    model = towers.model
    found: dict[str, Graph] = {}
    for task in ("xmr", "tgir"):
        if task not in model.config.tasks and task != "xmr":
            continue
        ending = "" if task == "xmr" else f"_{task}"

        def image(pixels: Tensor, task: str = task) -> Tensor:
            return F.normalize(model.encode_image(pixels, task).float(), dim=1)

        def text(ids: Tensor, mask: Tensor, task: str = task) -> Tensor:
            return F.normalize(model.encode_text(ids, mask, task).float(), dim=1)

        found |= {f"image{ending}": _photos(model, image), f"text{ending}": _words(model, text)}
    if "tgir" in model.config.tasks:

        def fuse(pixels: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
            return F.normalize(model.fuse(pixels, ids, mask, "tgir").float(), dim=1)

        module = AveragedViews(model, fuse, model.config.views, model.config.image_size)
        inputs = {PIXELS: _noise(model.config.image_size), **_tokens(model.config.vocab_size)}
        found["fused_tgir"] = Graph(module, inputs, _PHOTOS | _WORDS)
    return found


def _published(towers: PublishedTowers) -> dict[str, Graph]:
    model, vision = towers.model, towers.model.config.vision_config
    pixels = torch.rand(_ROWS, 3, vision.image_size, vision.image_size)
    image = _Call(model, lambda pixels: unit_features(model.get_image_features(pixel_values=pixels)))
    if towers.masks_padding:
        eos = model.config.text_config.eos_token_id

        def text(ids: Tensor, mask: Tensor) -> Tensor:
            return unit_features(model.get_text_features(input_ids=ids, attention_mask=mask))

        tokens = _tokens(towers.vocab_size, mask_dtype=torch.int64)
        if eos is not None and eos != 2:  # 2: old checkpoints, whose end is the largest id
            tokens[TOKEN_IDS][:, -1] = eos
        words = Graph(_Call(model, text), tokens, _WORDS)
    else:  # SigLIP's texts all have the trained length
        length = model.config.text_config.max_position_embeddings
        ids = torch.randint(3, towers.vocab_size, (_ROWS, length))

        def fixed(ids: Tensor) -> Tensor:
            return unit_features(model.get_text_features(input_ids=ids))

        words = Graph(_Call(model, fixed), {TOKEN_IDS: ids}, {TOKEN_IDS: {0: "batch"}})
    return {"image": Graph(image, {PIXELS: pixels}, _PHOTOS), "text": words}


def _describing(scorer: GrnetScorer) -> Graph:
    """Pixels -> (B, F): windows, flat, and embedding, as `GrnetScorer.features` stores them."""
    model = scorer.model

    def describe(pixels: Tensor) -> Tensor:
        found = model.describe(pixels)
        return torch.cat([found.windows.flatten(1), found.embedding], dim=1)

    return Graph(_Call(model, describe), {PIXELS: _noise(model.config.image_size)}, _PHOTOS)


def _noise(image_size: tuple[int, int]) -> Tensor:
    width, height = image_size
    return torch.randint(0, 256, (_ROWS, 3, height, width), dtype=torch.uint8)


def _tokens(vocab_size: int, mask_dtype: torch.dtype = torch.bool) -> dict[str, Tensor]:
    """Example texts, one of them shorter."""
    ids = torch.randint(5, vocab_size, (_ROWS, _LENGTH))
    mask = torch.ones_like(ids, dtype=mask_dtype)
    ids[1, _LENGTH - 3 :], mask[1, _LENGTH - 3 :] = 0, 0
    return {TOKEN_IDS: ids, MASK: mask}
