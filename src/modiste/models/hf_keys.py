"""open_clip weights as `transformers` models: names, fused projections, sizes and activations.

open_clip (github.com/mlfoundations/open_clip) publishes CLIP and SigLIP with its own tensor names; SigLIP's image tower is
timm's ViT with a latent query as pooling. The architectures are the same, so a rename (plus splitting fused q, k, v) is an
exact conversion. What cannot be read off the tensors comes from `open_clip_config.json`: heads, activation, norm epsilon.
Everything in either that is not understood is an error: a half-converted model answers happily and wrongly.

The activation follows the training code, not the family. open_clip trains timm's `vit_base_patch16_siglip_224`, and so
Marqo-FashionSigLIP, with the exact GELU, while Google's own SigLIP in `transformers` has the tanh approximation; for CLIP
`quick_gelu` holds only where the configuration says so (open_clip issue 771).

Shapes: D width of a tower, E embedding width, P patches, L text length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

Layout = Literal["transformers", "open_clip_clip", "open_clip_siglip"]
State = dict[str, Tensor]

EXACT, TANH = "gelu", "gelu_pytorch_tanh"

# timm's image towers with attention pooling, as its model registry defines them: (attention heads, activation).
TIMM_TOWERS: dict[str, tuple[int, str]] = {
    "vit_base_patch16_siglip_224": (12, EXACT),
    "vit_base_patch16_siglip_256": (12, EXACT),
    "vit_base_patch16_siglip_384": (12, EXACT),
    "vit_base_patch16_siglip_512": (12, EXACT),
    "vit_base_patch32_siglip_256": (12, TANH),
    "vit_large_patch16_siglip_256": (16, EXACT),
    "vit_large_patch16_siglip_384": (16, EXACT),
    "vit_large_patch16_siglip_512": (16, TANH),
    "vit_so400m_patch14_siglip_224": (16, EXACT),
    "vit_so400m_patch14_siglip_378": (16, EXACT),
    "vit_so400m_patch14_siglip_384": (16, EXACT),
    "vit_so400m_patch16_siglip_256": (16, TANH),
    "vit_so400m_patch16_siglip_384": (16, TANH),
    "vit_so400m_patch16_siglip_512": (16, TANH),
    "vit_giantopt_patch16_siglip_256": (16, TANH),
    "vit_giantopt_patch16_siglip_384": (16, TANH),
}

# Tensors that are left out on purpose, and why.
DROPPED: dict[str, str] = {
    "attn_mask": "a buffer of old versions: the causal mask, which the model builds itself",
    "text.attn_mask": "the same, of a separate text tower",
}

# Settings without effect on inference, or checked against the tensors.
_INERT_MODEL = {"embed_dim", "custom_text", "init_logit_scale", "init_logit_bias", "cast_dtype"}
_INERT_VISION = {
    "image_size", "layers", "width", "patch_size", "mlp_ratio", "patch_dropout",
    "timm_model_pretrained", "timm_drop", "timm_drop_path",
}  # fmt: skip
_INERT_TEXT = {
    "context_length", "vocab_size", "width", "layers", "mlp_ratio", "proj_bias",
    "hf_tokenizer_name", "hf_tokenizer_revision", "tokenizer_kwargs",
}  # fmt: skip


class KeyMapError(ValueError):
    """The tensors or their configuration are not those of a CLIP or SigLIP that we can convert exactly."""


def layout_of(keys: Iterable[str]) -> Layout:
    """Whose names the tensors carry; told from the names alone, because a configuration may promise anything."""
    names = set(strip_prefix(dict.fromkeys(keys)))
    if any(name.startswith("vision_model.") for name in names):
        return "transformers"
    if any(name.startswith("visual.trunk.") for name in names):
        return "open_clip_siglip"
    if "visual.conv1.weight" in names:
        return "open_clip_clip"
    raise KeyMapError(
        "the tensors are named neither as in transformers (vision_model...) nor as in open_clip "
        f"(visual.trunk..., visual.conv1...); the first are {', '.join(sorted(names)[:3]) or 'none at all'}"
    )


def strip_prefix(state: Mapping[str, Any], prefix: str = "model.") -> dict[str, Any]:
    """Without the prefix that a wrapper class added to every name."""
    if state and all(key.startswith(prefix) for key in state):
        return {key.removeprefix(prefix): value for key, value in state.items()}
    return dict(state)


def convert_siglip(state: Mapping[str, Tensor], model_cfg: Mapping[str, Any]) -> tuple[dict[str, Any], State]:
    """open_clip SigLIP (timm image tower, open_clip text tower) -> arguments of `SiglipConfig`, state of `SiglipModel`.

    Raises
    ------
    KeyMapError
        Naming the tensor or the setting that is missing, left over, or not understood.
    """
    vision, text = _sections(model_cfg)
    _only(model_cfg, "model_cfg", _INERT_MODEL | {"vision_cfg", "text_cfg"})
    _only(
        vision,
        "vision_cfg",
        _INERT_VISION | {"timm_model_name"},
        {"timm_pool": ("map",), "timm_proj": ("none", "", None)},
    )
    _only(
        text,
        "text_cfg",
        _INERT_TEXT | {"heads", "norm_kwargs", "act_kwargs"},
        {"no_causal_mask": (True,), "pool_type": ("last",)},
    )
    for key, value in (("no_causal_mask", True), ("pool_type", "last")):
        if text.get(key) != value:
            raise KeyMapError(f"text_cfg.{key} must be {value!r} for a SigLIP, not {text.get(key)!r}")
    name = vision.get("timm_model_name")
    if name not in TIMM_TOWERS:
        raise KeyMapError(f"unknown image tower {name!r}; known are {', '.join(TIMM_TOWERS)}")
    heads, activation = TIMM_TOWERS[name]

    source, target = _Source(state), State()
    trunk, to = "visual.trunk.", "vision_model."
    source.copy(target, trunk + "patch_embed.proj", to + "embeddings.patch_embedding")
    target[to + "embeddings.position_embedding.weight"] = source.take(trunk + "pos_embed").squeeze(0)  # (1, P, D)
    depth = source.depth(trunk + "blocks.")
    for layer in range(depth):
        block, out = f"{trunk}blocks.{layer}.", f"{to}encoder.layers.{layer}."
        source.copy(target, block + "norm1", out + "layer_norm1")
        for kind in ("weight", "bias"):
            _split(source.take(f"{block}attn.qkv.{kind}"), target, out, kind)
        source.copy(target, block + "attn.proj", out + "self_attn.out_proj")
        source.copy(target, block + "norm2", out + "layer_norm2")
        source.copy(target, block + "mlp.fc1", out + "mlp.fc1")
        source.copy(target, block + "mlp.fc2", out + "mlp.fc2")
    source.copy(target, trunk + "norm", to + "post_layernorm")
    pool, head = trunk + "attn_pool.", to + "head."
    target[head + "probe"] = source.take(pool + "latent")  # (1, 1, D)
    for kind in ("weight", "bias"):
        q, kv = source.take(f"{pool}q.{kind}"), source.take(f"{pool}kv.{kind}")
        target[f"{head}attention.in_proj_{kind}"] = torch.cat([q, kv])
    source.copy(target, pool + "proj", head + "attention.out_proj")
    source.copy(target, pool + "norm", head + "layernorm")
    source.copy(target, pool + "mlp.fc1", head + "mlp.fc1")
    source.copy(target, pool + "mlp.fc2", head + "mlp.fc2")

    text_sizes = _convert_text(source, target, "text.")
    if "text.text_projection" in source.left:  # (D, E), without bias
        weight = source.take("text.text_projection").T.contiguous()
        target["text_model.head.weight"], target["text_model.head.bias"] = weight, torch.zeros(len(weight))
    else:
        source.copy(target, "text.text_projection", "text_model.head")
    for scalar in ("logit_scale", "logit_bias"):
        target[scalar] = source.take(scalar).reshape(1)
    source.finish()

    patches = target[to + "embeddings.patch_embedding.weight"]  # (D, 3, p, p)
    config = {
        "text_config": text_sizes
        | {
            "num_attention_heads": _heads(text, text_sizes["hidden_size"]),
            "hidden_act": TANH if _tanh(text) else EXACT,
            "layer_norm_eps": _epsilon(text, default=1e-5),
            "projection_size": len(target["text_model.head.weight"]),
            "bos_token_id": None,
            "eos_token_id": None,
            "pad_token_id": None,
        },
        "vision_config": {
            "hidden_size": patches.shape[0],
            "intermediate_size": target[f"{to}encoder.layers.0.mlp.fc1.weight"].shape[0],
            "num_hidden_layers": depth,
            "num_attention_heads": heads,
            "image_size": _image_size(vision, patches, len(target[to + "embeddings.position_embedding.weight"])),
            "patch_size": patches.shape[-1],
            "hidden_act": activation,
            "layer_norm_eps": 1e-6,  # timm's ViT
        },
    }
    return config, target


def convert_clip(state: Mapping[str, Tensor], model_cfg: Mapping[str, Any]) -> tuple[dict[str, Any], State]:
    """open_clip CLIP with a ViT image tower -> arguments of `CLIPConfig`, state of `CLIPModel`.

    Raises
    ------
    KeyMapError
        Naming the tensor or the setting that is missing, left over, or not understood.
    """
    vision, text = _sections(model_cfg)
    _only(model_cfg, "model_cfg", _INERT_MODEL | {"vision_cfg", "text_cfg", "quick_gelu"})
    known = {"norm_kwargs", "act_kwargs"}
    _only(vision, "vision_cfg", _INERT_VISION | known | {"head_width"}, {"pool_type": ("tok",)})
    _only(text, "text_cfg", _INERT_TEXT | known | {"heads"}, {"pool_type": ("argmax",)})

    source, target = _Source(state), State()
    to = "vision_model."
    target[to + "embeddings.class_embedding"] = source.take("visual.class_embedding")
    target[to + "embeddings.patch_embedding.weight"] = source.take("visual.conv1.weight")
    target[to + "embeddings.position_embedding.weight"] = source.take("visual.positional_embedding")  # (1 + P, D)
    source.copy(target, "visual.ln_pre", to + "pre_layrnorm")  # sic
    depth = _convert_blocks(source, target, "visual.transformer.resblocks.", to)
    source.copy(target, "visual.ln_post", to + "post_layernorm")
    target["visual_projection.weight"] = source.take("visual.proj").T.contiguous()

    prefix = "text." if "text.token_embedding.weight" in source.left else ""
    text_sizes = _convert_text(source, target, prefix)
    target["text_projection.weight"] = source.take(prefix + "text_projection").T.contiguous()
    target["logit_scale"] = source.take("logit_scale").reshape(())
    source.finish()

    patches = target[to + "embeddings.patch_embedding.weight"]
    width, quick = patches.shape[0], "quick_gelu" if model_cfg.get("quick_gelu") else ""
    head_width = vision.get("head_width", 64)
    if width % head_width:
        raise KeyMapError(f"vision_cfg.head_width {head_width} does not divide the tower's width {width}")
    config = {
        "projection_dim": len(target["visual_projection.weight"]),
        "text_config": text_sizes
        | {
            "num_attention_heads": _heads(text, text_sizes["hidden_size"]),
            "hidden_act": quick or (TANH if _tanh(text) else EXACT),
            "layer_norm_eps": _epsilon(text, default=1e-5),
            # open_clip reads the embedding at the highest id of a text, and its tokenizer's last word ends the text
            "eos_token_id": text_sizes["vocab_size"] - 1,
            "bos_token_id": text_sizes["vocab_size"] - 2,
            "pad_token_id": None,
        },
        "vision_config": {
            "hidden_size": width,
            "intermediate_size": target[f"{to}encoder.layers.0.mlp.fc1.weight"].shape[0],
            "num_hidden_layers": depth,
            "num_attention_heads": width // head_width,
            "image_size": _image_size(vision, patches, len(target[to + "embeddings.position_embedding.weight"]) - 1),
            "patch_size": patches.shape[-1],
            "hidden_act": quick or (TANH if _tanh(vision) else EXACT),
            "layer_norm_eps": _epsilon(vision, default=1e-5),
        },
    }
    return config, target


class _Source:
    """The tensors that nobody has asked for yet."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.left = {key: value for key, value in strip_prefix(state).items() if key not in DROPPED}

    def take(self, key: str) -> Tensor:
        try:
            return self.left.pop(key)
        except KeyError:
            raise KeyMapError(f"tensor {key} is missing") from None

    def copy(self, target: State, old: str, new: str) -> None:
        for kind in ("weight", "bias"):
            target[f"{new}.{kind}"] = self.take(f"{old}.{kind}")

    def depth(self, prefix: str) -> int:
        found = {int(match[1]) for key in self.left if (match := re.match(re.escape(prefix) + r"(\d+)\.", key))}
        if not found or found != set(range(len(found))):
            raise KeyMapError(f"layers {prefix}* are not numbered 0, 1, 2...: {sorted(found)}")
        return len(found)

    def finish(self) -> None:
        if self.left:
            raise KeyMapError(f"{len(self.left)} tensors are not understood: {', '.join(sorted(self.left)[:5])}")


def _convert_text(source: _Source, target: State, prefix: str) -> dict[str, Any]:
    to = "text_model."
    tokens = target[to + "embeddings.token_embedding.weight"] = source.take(prefix + "token_embedding.weight")
    positions = target[to + "embeddings.position_embedding.weight"] = source.take(prefix + "positional_embedding")
    depth = _convert_blocks(source, target, prefix + "transformer.resblocks.", to)
    source.copy(target, prefix + "ln_final", to + "final_layer_norm")
    return {
        "vocab_size": tokens.shape[0],
        "hidden_size": tokens.shape[1],
        "max_position_embeddings": positions.shape[0],
        "num_hidden_layers": depth,
        "intermediate_size": target[to + "encoder.layers.0.mlp.fc1.weight"].shape[0],
    }


def _convert_blocks(source: _Source, target: State, prefix: str, to: str) -> int:
    depth = source.depth(prefix)
    for layer in range(depth):
        block, out = f"{prefix}{layer}.", f"{to}encoder.layers.{layer}."
        source.copy(target, block + "ln_1", out + "layer_norm1")
        for kind in ("weight", "bias"):
            _split(source.take(f"{block}attn.in_proj_{kind}"), target, out, kind)
        source.copy(target, block + "attn.out_proj", out + "self_attn.out_proj")
        source.copy(target, block + "ln_2", out + "layer_norm2")
        source.copy(target, block + "mlp.c_fc", out + "mlp.fc1")
        source.copy(target, block + "mlp.c_proj", out + "mlp.fc2")
    return depth


def _split(fused: Tensor, target: State, out: str, kind: str) -> None:
    """Rows of q, then k, then v: (3D, D) or (3D,)."""
    if len(fused) % 3:
        raise KeyMapError(f"{out}self_attn: {len(fused)} rows do not split into q, k and v")
    for name, part in zip("qkv", fused.chunk(3), strict=True):
        target[f"{out}self_attn.{name}_proj.{kind}"] = part.contiguous()


def _sections(model_cfg: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    vision, text = (model_cfg.get(section) for section in ("vision_cfg", "text_cfg"))
    if not isinstance(vision, Mapping) or not isinstance(text, Mapping):
        raise KeyMapError("model_cfg has no vision_cfg or no text_cfg")
    return vision, text


def _only(
    section: Mapping[str, Any], name: str, known: set[str], fixed: Mapping[str, tuple[Any, ...]] | None = None
) -> None:
    """A setting that we do not know and that is switched on may change the arithmetic, so it is refused."""
    fixed = fixed or {}
    for key, value in section.items():
        if key in fixed:
            if value not in fixed[key]:
                raise KeyMapError(f"{name}.{key} {value!r} is not supported, only {fixed[key][0]!r}")
        elif key not in known and value not in (None, False, 0, "", {}):
            raise KeyMapError(f"{name}.{key} {value!r} is not understood, so the conversion would not be exact")


def _heads(text: Mapping[str, Any], width: int) -> int:
    heads = text.get("heads", 8)  # open_clip's default
    if not isinstance(heads, int) or heads < 1 or width % heads:
        raise KeyMapError(f"text_cfg.heads {heads!r} does not divide the tower's width {width}")
    return heads


def _tanh(section: Mapping[str, Any]) -> bool:
    kwargs = section.get("act_kwargs") or {}
    if kwargs not in ({}, {"approximate": "tanh"}, {"approximate": "none"}):
        raise KeyMapError(f"act_kwargs {kwargs!r} is not understood")
    return kwargs.get("approximate") == "tanh"


def _epsilon(section: Mapping[str, Any], *, default: float) -> float:
    kwargs = section.get("norm_kwargs") or {}
    if set(kwargs) - {"eps"}:
        raise KeyMapError(f"norm_kwargs {kwargs!r} is not understood")
    return float(kwargs.get("eps", default))


def _image_size(vision: Mapping[str, Any], patches: Tensor, count: int) -> int:
    size, patch = vision.get("image_size", 224), patches.shape[-1]
    if not isinstance(size, int) or (size // patch) ** 2 != count:
        raise KeyMapError(
            f"vision_cfg.image_size {size!r} with patches of {patch} pixels does not make {count} positions"
        )
    return size
