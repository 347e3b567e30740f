"""MVLT's equations once more, slow and obvious: what `modiste.models.mvlt` must equal.

Written from the paper (Ji et al. 2023, arXiv 2210.15110) with nothing but matrix products, exponentials and sums: a loop
over stages, blocks and heads, an explicit softmax, query, key and value matrices apart, patches cut out and flattened, the
spatial reduction and the concatenation [image ; text] spelled out. Of our module it knows only the names of its weights.
3x3 convolutions are the one operation it borrows.

`MvltOracle(config, state)` evaluates; with `training=True` batch norms use the batch and residual branches are dropped,
so that `loss` is also the naive implementation which bench/mvlt_step.py compares with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from modiste.models.mvlt import MvltConfig

EPS = 1e-6


@dataclass
class Encoded:
    """V^0...V^4 as maps (B, D, h, w) and T^0...T^4 as (B, L, D); empty where there is no photo or no text."""

    image: list[Tensor] = field(default_factory=list)
    text: list[Tensor] = field(default_factory=list)


class MvltOracle:
    """The model with these weights (`Mvlt.state_dict()` or `dict(named_parameters())`)."""

    def __init__(self, config: MvltConfig, state: Mapping[str, Tensor], *, training: bool = False) -> None:
        self.config, self.state, self.training = config, state, training

    # ---- The pyramid --------------------------------------------------------------------------------------------------

    def encode(
        self,
        images: Tensor | None = None,
        token_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        hidden: bool = False,
    ) -> Encoded:
        config = self.config
        found = Encoded()
        if images is not None:
            found.image.append(images)
        words_attended: Tensor | None = None
        if token_ids is not None:
            if config.pad_mask:
                words_attended = attention_mask
            else:  # all L positions, and all of them attended to
                padding = token_ids.new_zeros(len(token_ids), config.context_length - token_ids.shape[1])
                token_ids = torch.cat([token_ids, padding], dim=1)
            found.text.append(self._embed(token_ids))
        for k in range(1, len(config.dims) + 1):
            image = found.image[-1] if images is not None else None
            text = found.text[-1] if token_ids is not None else None
            if k <= config.conv_stages:
                new_image = self._conv_stage(k, image, hidden) if image is not None else None
                new_text = self._words(k, text) if text is not None else None
            elif k < config.joint_from:
                new_image = self._stage(k, image, None, None)[0] if image is not None else None
                new_text = self._stage(k, None, text, words_attended)[1] if text is not None else None
            else:
                new_image, new_text = self._stage(k, image, text, words_attended)
            if new_image is not None:
                found.image.append(new_image)
            if new_text is not None:
                found.text.append(new_text)
        return found

    def _embed(self, token_ids: Tensor) -> Tensor:
        """BERT's embedding module: word + position + segment, then layer norm."""
        words = self.state["words.weight"][token_ids]
        positions = self.state["word_positions"][0, : token_ids.shape[1]]
        return self._layer_norm(words + positions + self.state["word_segment"][0], "words_norm", 1e-12)

    def _words(self, k: int, text: Tensor) -> Tensor:
        return self._layer_norm(self._linear(text, f"stages.{k - 1}.words"), f"stages.{k - 1}.words_norm")

    def _stage(
        self, k: int, image: Tensor | None, text: Tensor | None, words_attended: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Equations 1 and 2, then M_k blocks over z = [n ; m]."""
        config, name = self.config, f"stages.{k - 1}"
        parts = []
        height = width = 0
        if image is not None:
            n = self._patches(image, config.strides[k - 1], f"{name}.patches")  # (B, h, w, D)
            height, width = n.shape[1:3]
            n = self._layer_norm(n, f"{name}.patches_norm") + self._positions(k, height, width)
            parts.append(n.reshape(len(n), height * width, -1))
        if text is not None:
            parts.append(self._words(k, text) + self.state[f"{name}.text_positions"][0, : text.shape[1]])
        z = torch.cat(parts, dim=1)
        for block in range(config.depths[k - 1]):
            before = f"{name}.blocks.{block}"
            normed = self._layer_norm(z, f"{before}.norm1")
            z = z + self._drop_path(self._attention(normed, k, before, height, width, words_attended), k, block)
            normed = self._layer_norm(z, f"{before}.norm2")
            expanded = gelu(self._linear(normed, f"{before}.feed_forward.expand"))
            z = z + self._drop_path(self._linear(expanded, f"{before}.feed_forward.contract"), k, block)
        new_image = None
        if image is not None:
            new_image = z[:, : height * width].reshape(len(z), height, width, -1).permute(0, 3, 1, 2)
        return new_image, z[:, height * width :] if text is not None else None

    def _attention(
        self, z: Tensor, k: int, before: str, height: int, width: int, words_attended: Tensor | None
    ) -> Tensor:
        """SRA: all tokens ask; the image answers from a grid coarser by the reduction, the text as it is."""
        num_image, num_heads, reduction = height * width, self.config.num_heads[k - 1], self.config.sr_ratios[k - 1]
        answers_image, answers_text = z[:, :num_image], z[:, num_image:]
        if reduction > 1 and num_image:
            grid = answers_image.reshape(len(z), height, width, -1).permute(0, 3, 1, 2)
            coarse = self._patches(grid, reduction, f"{before}.attention.reduce")
            coarse = self._layer_norm(coarse, f"{before}.attention.reduce_norm")
            answers_image = coarse.reshape(len(z), -1, coarse.shape[-1])
        answering = torch.cat([answers_image, answers_text], dim=1)
        dim = z.shape[-1]
        weight, bias = (
            self.state[f"{before}.attention.key_value.weight"],
            self.state[f"{before}.attention.key_value.bias"],
        )
        key_weight, value_weight, key_bias, value_bias = weight[:dim], weight[dim:], bias[:dim], bias[dim:]
        query_weight = self.state[f"{before}.attention.query.weight"]
        query_bias = self.state[f"{before}.attention.query.bias"]
        per_head = dim // num_heads
        heads = []
        for head in range(num_heads):
            mine = slice(head * per_head, (head + 1) * per_head)
            query = z @ query_weight[mine].T + query_bias[mine]
            key = answering @ key_weight[mine].T + key_bias[mine]
            value = answering @ value_weight[mine].T + value_bias[mine]
            scores = query @ key.transpose(1, 2) / math.sqrt(per_head)  # (B, asking, answering)
            if words_attended is not None:
                always = torch.ones(len(z), answers_image.shape[1], dtype=torch.bool, device=z.device)
                allowed = torch.cat([always, words_attended], dim=1)
                scores = torch.where(allowed[:, None, :], scores, -math.inf)
            shares = torch.exp(scores - scores.max(dim=2, keepdim=True).values)
            shares = shares / shares.sum(dim=2, keepdim=True)
            heads.append(shares @ value)
        return self._linear(torch.cat(heads, dim=2), f"{before}.attention.project")

    def _patches(self, image: Tensor, side: int, name: str) -> Tensor:
        """A convolution whose kernel is its stride, as a linear map of each patch: (B, C, H, W) -> (B, h, w, D).

        What does not divide is filled with zeros at the right and lower border.
        """
        batch, channels, height, width = image.shape
        down, across = math.ceil(height / side), math.ceil(width / side)
        filled = image.new_zeros(batch, channels, down * side, across * side)
        filled[:, :, :height, :width] = image
        patches = filled.reshape(batch, channels, down, side, across, side).permute(0, 2, 4, 1, 3, 5)
        weight = self.state[f"{name}.weight"]  # (D, C, side, side)
        flat = patches.reshape(batch, down, across, -1) @ weight.reshape(len(weight), -1).T
        return flat + self.state[f"{name}.bias"]

    def _positions(self, k: int, height: int, width: int) -> Tensor:
        """P_v^k at the grid of this photo: (h, w, D)."""
        own_height, own_width = self.config.grid(k - 1)
        table = self.state[f"stages.{k - 1}.image_positions"].reshape(1, own_height, own_width, -1)
        return bilinear(table.permute(0, 3, 1, 2), height, width)[0].permute(1, 2, 0)

    def _conv_stage(self, k: int, x: Tensor, hidden: bool) -> Tensor:
        """Our convolutional start: strided convolutions, then residual blocks with squeeze-and-excitation."""
        name, which = f"stages.{k - 1}.image", "hidden" if hidden else "whole"
        stride = self.config.strides[k - 1]
        if k == 1:  # the stem: halvings of the photo, shifted to be about 0
            x, stride = (x - 0.5) / 0.25, 1
            for number in range(sum(key.startswith(f"{name}.stem.convs.") for key in self.state)):
                x = F.conv2d(x, self.state[f"{name}.stem.convs.{number}.weight"], stride=2, padding=1)
                x = relu(self._batch_norm(x, f"{name}.stem.norms.{number}.{which}"))
        for block in range(self.config.depths[k - 1]):
            before, step = f"{name}.blocks.{block}", stride if block == 0 else 1
            y = F.conv2d(x, self.state[f"{before}.conv1.weight"], stride=step, padding=1)
            y = relu(self._batch_norm(y, f"{before}.norm1.{which}"))
            y = F.conv2d(y, self.state[f"{before}.conv2.weight"], padding=1)
            y = self._batch_norm(y, f"{before}.norm2.{which}")
            squeezed = relu(self._linear(y.mean(dim=(2, 3)), f"{before}.squeeze"))
            gate = 1 / (1 + torch.exp(-self._linear(squeezed, f"{before}.excite")))
            if f"{before}.shortcut.weight" in self.state:
                if step > 1:  # a mean over what there is: cells at the right and lower edge may be cut
                    ones = F.avg_pool2d(F.pad(torch.ones_like(x), (0, x.shape[3] % 2, 0, x.shape[2] % 2)), 2)
                    x = F.avg_pool2d(F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2)), 2) / ones
                x = F.conv2d(x, self.state[f"{before}.shortcut.weight"])
                x = self._batch_norm(x, f"{before}.shortcut_norm.{which}")
            x = relu(x + y * gate[:, :, None, None])
        return x

    # ---- Heads --------------------------------------------------------------------------------------------------------

    def match_logits(self, encoded: Encoded) -> Tensor:
        return self._linear(self._project(encoded.text[-1][:, 0], "itm_project"), "itm_classify")

    def word_logits(self, encoded: Encoded) -> Tensor:
        """At every position: (B, L, V)."""
        x = gelu(self._linear(self._project(encoded.text[-1], "mlm_project"), "mlm_dense"))
        return self._layer_norm(x, "mlm_norm", 1e-12) @ self.state["words.weight"].T + self.state["mlm_bias"]

    def reconstruct(self, encoded: Encoded) -> Tensor:
        height, width = encoded.image[0].shape[-2:]
        maps = encoded.image[1:]
        x = self._unet4(maps) if self.config.decoder == "unet4" else self._cpd3(maps)
        return bilinear(x, height, width)

    def _unet4(self, maps: list[Tensor]) -> Tensor:
        """RGB at the grid of stage 1. A 1x1 convolution and interpolation may change places: both are linear."""
        x = maps[-1]
        for level, beside in enumerate(maps[-2::-1]):
            x = torch.cat([bilinear(x, *beside.shape[-2:]), beside], dim=1)
            x = relu(self._conv_norm(x, f"decoder.levels.{level}.0"))
            x = relu(self._conv_norm(x, f"decoder.levels.{level}.2"))
        return self._to_rgb(x)

    def _cpd3(self, maps: list[Tensor]) -> Tensor:
        """The cascaded partial decoder of stages 2 to 4, at the grid of stage 2."""
        x2, x3, x4 = (self._conv_norm(maps[k], f"decoder.reduce.{k - 1}") for k in (1, 2, 3))
        size2, size3 = x2.shape[-2:], x3.shape[-2:]
        up4 = bilinear(x4, *size3)
        x3_gated = x3 * self._conv_norm(up4, "decoder.gate_middle")
        x2_gated = x2 * self._conv_norm(bilinear(x4, *size2), "decoder.gate_fine_by_deep")
        x2_gated = x2_gated * self._conv_norm(bilinear(x3, *size2), "decoder.gate_fine_by_middle")
        two = torch.cat([x3_gated, self._conv_norm(up4, "decoder.raise_deep")], dim=1)  # 128 channels
        two = self._conv_norm(two, "decoder.join_middle")
        three = torch.cat([x2_gated, self._conv_norm(bilinear(two, *size2), "decoder.raise_both")], dim=1)  # 192
        return self._to_rgb(self._conv_norm(self._conv_norm(three, "decoder.join_fine"), "decoder.refine"))

    def _to_rgb(self, x: Tensor) -> Tensor:
        weight, bias = self.state["decoder.to_rgb.weight"][:, :, 0, 0], self.state["decoder.to_rgb.bias"]
        return torch.einsum("bchw,rc->brhw", x, weight) + bias[:, None, None]

    # ---- Objective ------------------------------------------------------------------------------------------------------

    def loss(
        self, shown: Tensor, images: Tensor, token_ids: Tensor, attention_mask: Tensor, labels: Tensor, matches: Tensor
    ) -> Tensor:
        """10 MIR + ITM + MLM on one pass. `labels` (B, L) with -100 where no word is asked for, `matches` (B,) bool."""
        encoded = self.encode(shown, token_ids, attention_mask)
        difference = (self.reconstruct(encoded) - images).abs()
        mir = torch.where(difference < 1, 0.5 * difference**2, difference - 0.5).mean()
        log_match = log_softmax(self.match_logits(encoded))
        itm = -torch.where(matches, log_match[:, 1], log_match[:, 0]).mean()
        log_words = log_softmax(self.word_logits(encoded))
        asked = labels != -100
        picked = log_words.gather(2, labels.clamp(min=0)[:, :, None])[:, :, 0]
        mlm = -(picked * asked).sum() / asked.sum().clamp(min=1)
        return 10 * mir + itm + mlm

    # ---- Parts --------------------------------------------------------------------------------------------------------

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return x @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    def _layer_norm(self, x: Tensor, name: str, eps: float = EPS) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        scaled = centred / torch.sqrt((centred**2).mean(dim=-1, keepdim=True) + eps)
        return scaled * self.state[f"{name}.weight"] + self.state[f"{name}.bias"]

    def _batch_norm(self, x: Tensor, name: str) -> Tensor:
        if self.training:
            mean = x.mean(dim=(0, 2, 3))
            variance = ((x - mean[:, None, None]) ** 2).mean(dim=(0, 2, 3))
        else:
            mean, variance = self.state[f"{name}.running_mean"], self.state[f"{name}.running_var"]
        scaled = (x - mean[:, None, None]) / torch.sqrt(variance + 1e-5)[:, None, None]
        return scaled * self.state[f"{name}.weight"][:, None, None] + self.state[f"{name}.bias"][:, None, None]

    def _conv_norm(self, x: Tensor, name: str) -> Tensor:
        return self._batch_norm(F.conv2d(x, self.state[f"{name}.0.weight"], padding=1), f"{name}.1")

    def _project(self, x: Tensor, name: str) -> Tensor:
        return self._layer_norm(self._linear(x, f"{name}.linear"), f"{name}.norm")

    def _drop_path(self, branch: Tensor, k: int, block: int) -> Tensor:
        """Stochastic depth, linear over all blocks of the model."""
        number, last = sum(self.config.depths[: k - 1]) + block, sum(self.config.depths) - 1
        rate = self.config.drop_path * number / max(last, 1)
        if not self.training or rate == 0:
            return branch
        kept = torch.rand(len(branch), 1, 1, device=branch.device) >= rate
        return branch * kept / (1 - rate)


def relu(x: Tensor) -> Tensor:
    return x.clamp(min=0)


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def log_softmax(x: Tensor) -> Tensor:
    largest = x.max(dim=-1, keepdim=True).values
    return x - largest - torch.log(torch.exp(x - largest).sum(dim=-1, keepdim=True))


def bilinear(x: Tensor, height: int, width: int) -> Tensor:
    """(B, C, H, W) -> (B, C, height, width): pixel centres at half steps, nothing beyond the border."""
    down, across = _weights(x.shape[2], height, x), _weights(x.shape[3], width, x)
    return down @ x @ across.T


def _weights(length: int, new_length: int, like: Tensor) -> Tensor:
    weights = torch.zeros(new_length, length, dtype=like.dtype, device=like.device)
    for at in range(new_length):
        place = min(max((at + 0.5) * length / new_length - 0.5, 0.0), length - 1.0)
        low = min(int(place), length - 1)
        high = min(low + 1, length - 1)
        weights[at, low] += 1 - (place - low)
        weights[at, high] += place - low
    return weights
