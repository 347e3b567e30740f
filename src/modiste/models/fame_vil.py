"""FAME-ViL: one CLIP, four tasks, and adapters instead of four models.

Han, Zhu, Yu, Zhang, Song, Xiang, "FAME-ViL: Multi-Tasking Vision-Language Model for Heterogeneous Fashion Tasks", CVPR 2023
(arXiv 2303.02483). Figure 3 = `Block` (task-specific and cross-attention adapters), section 3.2 = `encode_image`, `fuse`,
`memories` and `decode` (contrastive, fusion and generative mode), section 3.3 = `losses`. The backbone is CLIP's (Radford et
al. 2021, arXiv 2103.00020); `fame_vil_clip.py` fills it from any Hugging Face checkpoint. Captions are `fame_vil_caption.py`.

    z' = MHSA(LN(z)) + z;   z <- MLP(LN(z')) + z' + TSA_task(z') + e XAA(z', y)

y is the other tower's z' of the same layer, or the photo's finished layer when a caption is written. Everything an adapter
adds is 0 before training: up-projections start at zero, so a fresh FAME-ViL is its CLIP.

What is ours, off in the published size: a convolutional stem, and a captioning head tied to the words' embeddings.

Shapes: B batch, L text length, N photo tokens (class token first), D width of a tower, E embedding width, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from modiste.models.attention import attend
from modiste.models.fame_vil_losses import Objective, Taught

Task = Literal["xmr", "tgir", "scr", "fic"]
TASKS: tuple[Task, ...] = ("xmr", "tgir", "scr", "fic")
FUSED = ("tgir", "scr")  # tasks whose forward pass has both towers look at each other


@dataclass(frozen=True)
class FameVilConfig:
    """Sizes and behaviour of a `FameVil`; saved beside its weights. Defaults are CLIP ViT-B/16's and the paper's."""

    tasks: tuple[str, ...] = TASKS
    tsa: bool = True  # an adapter per task and layer, in both towers
    xaa: bool = True  # cross-attention adapters, shared by the tasks; captions need them
    bottleneck: int = 64  # of the task-specific adapters; Table 4 also has 128, 256, 512
    xaa_bottleneck: int = 64  # fixed in the released code
    classes: tuple[str, ...] = ()  # of SCR, in the order of their numbers
    vocab_size: int = 49_408
    context_length: int = 77
    bos_id: int = 49_406
    eot_id: int = 49_407
    banned_ids: tuple[int, ...] = ()  # never part of a caption, beside bos_id: padding, unknown
    image_size: tuple[int, int] = (224, 224)  # (width, height)
    image_fit: Literal["crop", "pad"] = "crop"  # how a photo of another shape becomes that: CLIP cuts, ours are padded
    image_mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    image_std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)
    stem: tuple[int, ...] = ()  # channels of 3x3 convolutions with stride 2 before the patches; none in CLIP
    patch_size: int = 16  # in pixels, or in cells of what the stem leaves
    depth: int = 12  # of both towers: adapters join layer with layer
    vision_dim: int = 768
    vision_heads: int = 12
    text_dim: int = 512
    text_heads: int = 8
    mlp_ratio: int = 4
    embed_dim: int = 512
    activation: Literal["quick_gelu", "gelu"] = "quick_gelu"
    initial_scale: float = 4.0  # sigma; logits are sigma^2 cos, so the temperature is 1 / sigma^2
    tie_words: bool = False  # the captioning head shares the words' embeddings
    views: tuple[float, ...] = (1.0,)  # inference: zooms whose embeddings are averaged, mirrored where negative
    draft_factor: int = 4  # JPEGs are decoded at no more than this many times the size, where their blocks allow

    def __post_init__(self) -> None:
        if unknown := set(self.tasks) - set(TASKS):
            raise ValueError(f"unknown task {', '.join(sorted(unknown))}; there are {', '.join(TASKS)}")
        if "fic" in self.tasks and not self.xaa:
            raise ValueError("captions (fic) are written through cross-attention adapters: set xaa")
        if self.image_fit not in ("crop", "pad"):
            raise ValueError(f"image_fit must be crop or pad, not {self.image_fit!r}")
        for dim, heads in ((self.vision_dim, self.vision_heads), (self.text_dim, self.text_heads)):
            if dim % heads:
                raise ValueError(f"a tower of width {dim} cannot have {heads} heads")
        if min(self.bottleneck, self.xaa_bottleneck, self.depth) < 1:
            raise ValueError("bottleneck, xaa_bottleneck and depth must be at least 1")

    @property
    def joint(self) -> bool:
        """Whether there are cross-attention adapters: retrieval alone never uses any."""
        return self.xaa and any(task != "xmr" for task in self.tasks)

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the patches; what a stem leaves over is padded, CLIP's patches must fit."""
        width, height = self.image_size
        for _ in self.stem:
            width, height = math.ceil(width / 2), math.ceil(height / 2)
        return math.ceil(height / self.patch_size), math.ceil(width / self.patch_size)


SIZES: dict[str, FameVilConfig] = {
    "debug": FameVilConfig(
        vocab_size=512, context_length=16, bos_id=2, eot_id=3, banned_ids=(0, 1, 4), image_size=(24, 32), image_fit="pad",
        image_mean=(0.5,) * 3, image_std=(0.25,) * 3, stem=(8,), patch_size=4, depth=2, vision_dim=32, vision_heads=2,
        text_dim=24, text_heads=2, mlp_ratio=2, embed_dim=16, activation="gelu", bottleneck=4, xaa_bottleneck=4,
        tie_words=True,
    ),
    "small": FameVilConfig(
        vocab_size=4096, context_length=36, bos_id=2, eot_id=3, banned_ids=(0, 1, 4), image_size=(60, 80), image_fit="pad",
        image_mean=(0.5,) * 3, image_std=(0.25,) * 3, stem=(32, 64), patch_size=3, depth=6, vision_dim=128,
        vision_heads=4, text_dim=128, text_heads=4, embed_dim=128, activation="gelu", bottleneck=16, xaa_bottleneck=16,
        tie_words=True, views=(1.0, -1.0),
    ),
    "b16": FameVilConfig(),  # the paper's
}  # fmt: skip


class Attention(nn.Module):
    """Multi-head attention of x (B, n, D) over itself or over y (B, m, D'); `mask` broadcasts to (B, heads, n, m).

    Over another stream it has no output projection, as in the released code: an adapter follows.
    """

    def __init__(self, dim: int, num_heads: int, context_dim: int | None = None) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(context_dim or dim, 2 * dim)
        self.out = nn.Linear(dim, dim) if context_dim is None else nn.Identity()

    def forward(self, x: Tensor, key_value: Tensor, mask: Tensor | None = None) -> Tensor:
        """`key_value` (2, B, heads, m, d), as `read` makes it."""
        query = rearrange(self.query(x), "b n (h d) -> b h n d", h=self.num_heads)
        return self.out(rearrange(attend(query, key_value[0], key_value[1], mask), "b h n d -> b n (h d)"))

    def read(self, y: Tensor) -> Tensor:
        """(B, m, D') -> keys and values (2, B, heads, m, d)."""
        return rearrange(self.key_value(y), "b m (two h d) -> two b h m d", two=2, h=self.num_heads)


class Adapter(nn.Module):
    """s · up(relu(down(LN(x)))): (B, n, D) -> (B, n, D), all zeros before training."""

    def __init__(self, dim: int, bottleneck: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.down = nn.Linear(dim, bottleneck)
        self.up = nn.Linear(bottleneck, dim)
        self.scale = nn.Parameter(torch.ones(()))
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.up(F.relu(self.down(self.norm(x))))


class CrossAdapter(nn.Module):
    """XAA: an adapter on what attention to the other stream finds; norms of its own on both sides."""

    def __init__(self, dim: int, num_heads: int, context_dim: int, bottleneck: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.context_norm = nn.LayerNorm(context_dim)
        self.attention = Attention(dim, num_heads, context_dim)
        self.adapter = Adapter(dim, bottleneck)

    def read(self, y: Tensor) -> Tensor:
        """The other stream (B, m, D') -> keys and values (2, B, heads, m, d)."""
        return self.attention.read(self.context_norm(y))

    def forward(self, x: Tensor, key_value: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.adapter(self.attention(self.norm(x), key_value, mask))


class Block(nn.Module):
    """A layer of CLIP in two halves, `attend` and `finish`, with its adapters beside the second."""

    def __init__(self, dim: int, num_heads: int, context_dim: int, config: FameVilConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, config.mlp_ratio * dim)
        self.contract = nn.Linear(config.mlp_ratio * dim, dim)
        self.quick = config.activation == "quick_gelu"
        tasks = config.tasks if config.tsa else ()
        self.tsa = nn.ModuleDict({task: Adapter(dim, config.bottleneck) for task in tasks})
        self.xaa = CrossAdapter(dim, num_heads, context_dim, config.xaa_bottleneck) if config.joint else None

    def attend(self, z: Tensor, mask: Tensor | None = None, cache: list[Tensor] | None = None) -> Tensor:
        """z' (B, n, D). `cache` holds the keys and values of earlier positions, and gets these."""
        normed = self.norm1(z)
        key_value = self.attention.read(normed)
        if cache is not None:
            key_value = torch.cat([*cache, key_value], dim=3)
            cache[:] = [key_value]
        return z + self.attention(normed, key_value, mask)

    def finish(
        self, z: Tensor, task: str | None, key_value: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """The layer's output of z' (B, n, D); with the task's adapter, and with XAA where `key_value` is given."""
        hidden = self.expand(self.norm2(z))
        hidden = hidden * torch.sigmoid(1.702 * hidden) if self.quick else F.gelu(hidden)
        out = z + self.contract(hidden)
        if task is not None and task in self.tsa:
            out = out + self.tsa[task](z)
        if key_value is not None:
            assert self.xaa is not None
            out = out + self.xaa(z, key_value, mask)
        return out


class VisionTower(nn.Module):
    """CLIP's vision transformer: pixels (B, 3, H, W), normalised -> tokens (B, 1 + h w, D), then layers."""

    def __init__(self, config: FameVilConfig) -> None:
        super().__init__()
        dim, channels, layers = config.vision_dim, 3, []
        for width in config.stem:
            layers += [nn.Conv2d(channels, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.GELU()]
            channels = width
        self.stem = nn.Sequential(*layers)
        self.patches = nn.Conv2d(channels, dim, config.patch_size, config.patch_size, bias=False)
        self.class_token = nn.Parameter(torch.randn(dim) * dim**-0.5)
        self.grid = config.grid
        self.positions = nn.Parameter(torch.randn(1 + self.grid[0] * self.grid[1], dim) * 0.02)
        self.norm_before = nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(
            Block(dim, config.vision_heads, config.text_dim, config) for _ in range(config.depth)
        )
        self.norm_after = nn.LayerNorm(dim)
        self.project = nn.Linear(dim, config.embed_dim, bias=False)

    def begin(self, pixels: Tensor) -> Tensor:
        x = pixels
        if len(self.stem):
            x = self.stem(x.contiguous(memory_format=torch.channels_last))
            (rows, columns), patch = self.grid, self.patches.kernel_size[0]
            x = F.pad(x, (0, columns * patch - x.shape[3], 0, rows * patch - x.shape[2]))
        x = self.patches(x).flatten(2).transpose(1, 2)  # (B, h w, D)
        x = torch.cat([self.class_token.to(x.dtype).expand(x.shape[0], 1, -1), x], dim=1)
        return self.norm_before(x + self.positions)

    @property
    def layers(self) -> list[Block]:
        return cast(list[Block], list(self.blocks))

    def pool(self, z: Tensor) -> Tensor:
        return self.project(self.norm_after(z[:, 0]))


class TextTower(nn.Module):
    """CLIP's causal text transformer: token ids (B, L) -> (B, L, D), then layers."""

    def __init__(self, config: FameVilConfig) -> None:
        super().__init__()
        dim = config.text_dim
        self.words = nn.Embedding(config.vocab_size, dim)
        nn.init.normal_(self.words.weight, std=0.02)
        self.positions = nn.Parameter(torch.randn(config.context_length, dim) * 0.01)
        self.blocks = nn.ModuleList(
            Block(dim, config.text_heads, config.vision_dim, config) for _ in range(config.depth)
        )
        self.norm_after = nn.LayerNorm(dim)
        self.project = nn.Linear(dim, config.embed_dim, bias=False)

    def begin(self, token_ids: Tensor, start: int = 0) -> Tensor:
        if start + token_ids.shape[1] > len(self.positions):
            raise ValueError(
                f"a text of {start + token_ids.shape[1]} tokens, but there are {len(self.positions)} places"
            )
        return self.words(token_ids) + self.positions[start : start + token_ids.shape[1]]

    @property
    def layers(self) -> list[Block]:
        return cast(list[Block], list(self.blocks))

    def pool(self, z: Tensor, attention_mask: Tensor) -> Tensor:
        """At the end-of-text token, the last one that is attended to."""
        last = attention_mask.sum(dim=1) - 1
        return self.project(self.norm_after(z[torch.arange(z.shape[0], device=z.device), last]))


class CaptionHead(nn.Module):
    """Hidden states (B, L, D) -> logits (B, L, V): the paper's linear layer, or one tied to the words' embeddings.

    Shared embeddings are small (a deviation of 0.02 at first): times the root of D, or logits stay flat for hundreds of steps.
    """

    def __init__(self, config: FameVilConfig) -> None:
        super().__init__()
        self.tied = config.tie_words
        self.linear = nn.Linear(config.text_dim, config.text_dim if config.tie_words else config.vocab_size)
        if self.tied:
            self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, hidden: Tensor, words: Tensor) -> Tensor:
        made = self.linear(hidden)
        return F.linear(made * words.shape[1] ** 0.5, words, self.bias) if self.tied else made


class FameVil(nn.Module):
    """The model: two towers, adapters, and a head for each task that needs one."""

    def __init__(self, config: FameVilConfig, objective: Objective | None = None) -> None:
        super().__init__()
        self.config = config
        self.objective = objective or Objective()
        self.vision, self.text = VisionTower(config), TextTower(config)
        self.scale = nn.Parameter(torch.tensor(float(config.initial_scale)))  # sigma
        self.classify = nn.Linear(config.embed_dim, len(config.classes)) if config.classes else None
        self.caption = CaptionHead(config) if "fic" in config.tasks else None
        mean, std = (torch.tensor(of).view(1, 3, 1, 1) for of in (config.image_mean, config.image_std))
        self.register_buffer("image_mean", mean, persistent=False)
        self.register_buffer("image_std", std, persistent=False)
        _initialise(self)

    image_mean: Tensor
    image_std: Tensor

    @property
    def device(self) -> torch.device:
        return self.scale.device

    @property
    def logit_scale(self) -> Tensor:
        """1 / tau = sigma^2; kept at CLIP's 100 at most."""
        return self.scale.square().clamp(max=100.0)

    def _pixels(self, images: Tensor) -> Tensor:
        if images.dtype == torch.uint8:
            images = images.float() / 255
        return (images - self.image_mean) / self.image_std

    # --- contrastive mode: each tower on its own, TSA on, XAA off

    def encode_image(self, images: Tensor, task: str | None = "xmr") -> Tensor:
        """Pixels (B, 3, H, W), uint8 or float in [0, 1] -> f^c(I) (B, E), not normalised."""
        return self.vision.pool(self.memories(images, task)[-1])

    def encode_text(self, token_ids: Tensor, attention_mask: Tensor, task: str | None = "xmr") -> Tensor:
        """Token ids (B, L) and mask (B, L; True = attend; padding at the end) -> f^c(T) (B, E), not normalised."""
        z, causal = self.text.begin(token_ids), causal_mask(token_ids)
        for block in self.text.layers:
            z = block.finish(block.attend(z, causal), task)
        return self.text.pool(z, attention_mask)

    # --- fusion mode: both towers in step, XAA on in both

    def fuse(self, images: Tensor, token_ids: Tensor, attention_mask: Tensor, task: str | None) -> Tensor:
        """f^f(I) + f^f(T) (B, E), not normalised. Without cross-attention adapters the sum of both f^c."""
        v, t = self.vision.begin(self._pixels(images)), self.text.begin(token_ids)
        causal, keys = causal_mask(token_ids), attention_mask[:, None, None]  # (B, 1, 1, L)
        for vision, text in zip(self.vision.layers, self.text.layers, strict=True):
            v, t = vision.attend(v), text.attend(t, causal)
            if vision.xaa is None or text.xaa is None:
                v, t = vision.finish(v, task), text.finish(t, task)
            else:  # both read the other's state after its self-attention
                of_text, of_vision = vision.xaa.read(t), text.xaa.read(v)
                v, t = vision.finish(v, task, of_text, keys), text.finish(t, task, of_vision)
        return self.vision.pool(v) + self.text.pool(t, attention_mask)

    # --- generative mode: the photo's layers as memories of a causal decoder, XAA from photo to words alone

    def memories(self, images: Tensor, task: str | None = "fic") -> list[Tensor]:
        """The photo tower's finished layers, (B, N, D) each; XAA off."""
        z, layers = self.vision.begin(self._pixels(images)), []
        for block in self.vision.layers:
            z = block.finish(block.attend(z), task)
            layers.append(z)
        return layers

    def read_memories(self, memories: Sequence[Tensor]) -> list[Tensor]:
        """What each layer's cross-attention looks up, (2, B, heads, N, d): made once for a caption of any length."""
        self._require_captions()
        readers = [block.xaa for block in self.text.layers if block.xaa is not None]
        return [reader.read(layer) for reader, layer in zip(readers, memories, strict=True)]

    def decode(
        self,
        token_ids: Tensor,
        photo: Sequence[Tensor],
        caches: Sequence[list[Tensor]] | None = None,
        start: int = 0,
        task: str = "fic",
    ) -> Tensor:
        """Words so far (B, L) over `read_memories` -> logits of each next word (B, L, V).

        With `caches` (a list per layer, empty at first) only the new words are given, the first of them at `start`.
        """
        head = self._require_captions()
        z = self.text.begin(token_ids, start)
        causal = causal_mask(token_ids, start)
        for number, (block, key_value) in enumerate(zip(self.text.layers, photo, strict=True)):
            z = block.attend(z, causal, caches[number] if caches is not None else None)
            z = block.finish(z, task, key_value)
        return head(self.text.norm_after(z), self.text.words.weight)

    def _require_captions(self) -> CaptionHead:
        if self.caption is None:
            raise ValueError("this FAME-ViL was not made for captions: fic is not among its tasks")
        return self.caption

    # --- objective

    def losses(self, batch: Taught) -> dict[str, Tensor]:
        """One task's losses by name; which task, the batch's type says (fame_vil_losses.py)."""
        return self.objective.losses(self, batch)


def causal_mask(token_ids: Tensor, start: int = 0) -> Tensor:
    """(L, start + L) bool, True = attend. Padding comes last, so no word sees it and it needs no mask of its own."""
    length = token_ids.shape[1]
    return torch.ones(length, start + length, dtype=torch.bool, device=token_ids.device).tril(start)


def _initialise(model: FameVil) -> None:
    """CLIP's deviations for a training from scratch; adapters keep their own."""
    for tower in (model.vision, model.text):
        for block in tower.layers:
            assert isinstance(block.attention.out, nn.Linear)
            dim, depth = block.norm1.normalized_shape[0], len(tower.layers)
            nn.init.normal_(block.attention.query.weight, std=dim**-0.5)
            nn.init.normal_(block.attention.key_value.weight, std=dim**-0.5)
            nn.init.normal_(block.attention.out.weight, std=dim**-0.5 * (2 * depth) ** -0.5)
            nn.init.normal_(block.expand.weight, std=(2 * dim) ** -0.5)
            nn.init.normal_(block.contract.weight, std=dim**-0.5 * (2 * depth) ** -0.5)
            for linear in (
                block.attention.query,
                block.attention.key_value,
                block.attention.out,
                block.expand,
                block.contract,
            ):
                nn.init.zeros_(linear.bias)
        nn.init.normal_(tower.project.weight, std=tower.project.in_features**-0.5)


def single_task(config: FameVilConfig, task: str) -> FameVilConfig:
    """The same model for one task alone: a teacher, or a row of the comparison without multi-task learning."""
    return replace(config, tasks=(task,), classes=config.classes if task == "scr" else ())


def parameter_counts(config: FameVilConfig) -> dict[str, int]:
    """Trainable parameters by part, and of as many single-task models as there are tasks: exact, nothing is allocated."""
    with torch.device("meta"):
        model = FameVil(config)
        singles = [FameVil(single_task(config, task)) for task in config.tasks]
    parts = dict.fromkeys(("vision", "text", "tsa", "xaa", "heads"), 0)
    for name, parameter in model.named_parameters():
        tower = name.split(".", 1)[0]
        part = "tsa" if ".tsa." in name else "xaa" if ".xaa." in name else tower if tower in parts else "heads"
        parts[part] += parameter.numel()
    return parts | {
        "total": sum(parts.values()),
        "clip": parts["vision"] + parts["text"] + 1,  # the learned scale
        "single_task_models": sum(p.numel() for one in singles for p in one.parameters()),
    }
