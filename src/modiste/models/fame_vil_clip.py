"""Any Hugging Face CLIP, by name or folder, as the backbone of a FAME-ViL: every key accounted for.

`hf_clip.py` finds, checks and reads the checkpoint (safetensors only, transformers' or open_clip's names); here its tensors
get our names. Keys and values are one matrix here, so two of theirs make one of ours. What the adapters add is 0 before
training, so the result is that CLIP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from modiste.models.fame_vil import FameVil, FameVilConfig
from modiste.models.pretrained import PretrainedError

DROPPED = {"logit_scale": "FAME-ViL learns a scale of its own from 4 on; the released code leaves CLIP's unused"}
_WHOLE = {
    "vision_model.embeddings.class_embedding": "vision.class_token",
    "vision_model.embeddings.patch_embedding.weight": "vision.patches.weight",
    "vision_model.embeddings.position_embedding.weight": "vision.positions",
    "vision_model.pre_layrnorm.weight": "vision.norm_before.weight",  # sic
    "vision_model.pre_layrnorm.bias": "vision.norm_before.bias",
    "vision_model.post_layernorm.weight": "vision.norm_after.weight",
    "vision_model.post_layernorm.bias": "vision.norm_after.bias",
    "visual_projection.weight": "vision.project.weight",
    "text_model.embeddings.token_embedding.weight": "text.words.weight",
    "text_model.embeddings.position_embedding.weight": "text.positions",
    "text_model.final_layer_norm.weight": "text.norm_after.weight",
    "text_model.final_layer_norm.bias": "text.norm_after.bias",
    "text_projection.weight": "text.project.weight",
}
_LAYER = {
    "layer_norm1": "norm1", "layer_norm2": "norm2", "mlp.fc1": "expand", "mlp.fc2": "contract",
    "self_attn.q_proj": "attention.query", "self_attn.out_proj": "attention.out",
}  # fmt: skip


@dataclass(frozen=True)
class KeyReport:
    """What became of a checkpoint: their names by ours, what was left out and why, and ours that start fresh."""

    renamed: Mapping[str, tuple[str, ...]]
    dropped: Mapping[str, str]
    fresh: tuple[str, ...]


def copy_clip(model: FameVil, state: Mapping[str, Tensor]) -> KeyReport:
    """Copy the state of a transformers CLIP into a model's towers.

    Raises `ValueError` naming a key that fits nowhere, a shape that differs, or a tower that stays without weights.
    """
    left = dict(state)
    renamed: dict[str, tuple[str, ...]] = {}
    own = model.state_dict()
    problems: list[str] = []

    def fill(name: str, *theirs: str) -> None:
        if any(key not in left for key in theirs):
            problems.append(f"nothing for {name}: {', '.join(key for key in theirs if key not in left)} is missing")
            return
        value = torch.cat([left.pop(key) for key in theirs]) if len(theirs) > 1 else left.pop(theirs[0])
        if name not in own or own[name].shape != value.shape:
            shape = tuple(own[name].shape) if name in own else "nothing"
            problems.append(f"{' and '.join(theirs)} {tuple(value.shape)} does not fit {name} ({shape})")
            return
        own[name].copy_(value)
        renamed[name] = theirs

    for theirs, ours in _WHOLE.items():
        fill(ours, theirs)
    for tower in ("vision", "text"):
        for layer in range(model.config.depth):
            here, there = f"{tower}.blocks.{layer}.", f"{tower}_model.encoder.layers.{layer}."
            for kind in ("weight", "bias"):
                for part, name in _LAYER.items():
                    fill(f"{here}{name}.{kind}", f"{there}{part}.{kind}")
                keys = tuple(f"{there}self_attn.{one}_proj.{kind}" for one in "kv")
                fill(f"{here}attention.key_value.{kind}", *keys)
    dropped = {key: DROPPED[key] for key in left if key in DROPPED}
    problems += [f"{key} is not understood" for key in left if key not in DROPPED]
    towers = [
        name for name in own if name.startswith(("vision.", "text.")) and ".tsa." not in name and ".xaa." not in name
    ]
    problems += [f"nothing for {name}" for name in towers if name not in renamed]
    if problems:
        raise ValueError(f"not the CLIP of this FAME-ViL: {'; '.join(problems[:4])}")
    return KeyReport(renamed, dropped, tuple(name for name in own if name not in renamed))


def clip_config(published: Any, processor: Any, base: FameVilConfig) -> FameVilConfig:
    """`base` with the sizes and the preprocessing of a transformers CLIP; raises `ValueError` for one it cannot be."""
    vision, text = published.vision_config, published.text_config
    if vision.num_hidden_layers != text.num_hidden_layers:
        raise ValueError(
            f"towers of {vision.num_hidden_layers} and {text.num_hidden_layers} layers: adapters join layer with layer"
        )
    ratios = {vision.intermediate_size / vision.hidden_size, text.intermediate_size / text.hidden_size}
    if len(ratios) != 1 or not (ratio := ratios.pop()).is_integer() or vision.hidden_act != text.hidden_act:
        raise ValueError("towers whose feed-forward layers differ in ratio or activation")
    if vision.hidden_act not in ("quick_gelu", "gelu") or {vision.layer_norm_eps, text.layer_norm_eps} != {1e-5}:
        raise ValueError(f"activation {vision.hidden_act!r} with epsilon {vision.layer_norm_eps}")
    return replace(
        base, stem=(), image_fit="crop", image_size=(vision.image_size, vision.image_size), patch_size=vision.patch_size,
        image_mean=tuple(processor.image_mean), image_std=tuple(processor.image_std), vision_dim=vision.hidden_size,
        vision_heads=vision.num_attention_heads, depth=vision.num_hidden_layers, mlp_ratio=int(ratio),
        activation=vision.hidden_act, text_dim=text.hidden_size, text_heads=text.num_attention_heads,
        vocab_size=text.vocab_size, context_length=text.max_position_embeddings, embed_dim=published.projection_dim,
        banned_ids=(),
    )  # fmt: skip


def from_clip(
    source: str, base: FameVilConfig | None = None, *, revision: str | None = None
) -> tuple[FameVil, Tokenizer]:
    """A FAME-ViL on a published CLIP's backbone, and the CLIP's tokenizer; tasks and adapters are `base`'s.

    Raises
    ------
    PretrainedError
        If the checkpoint cannot be read, or is no CLIP that a FAME-ViL can stand on.
    """
    from modiste.models.hf_clip import PublishedTowers, load_published  # transformers takes seconds to import

    towers = load_published(source, name=source, revision=revision).towers
    assert isinstance(towers, PublishedTowers)
    if towers.model.config.model_type != "clip":
        raise PretrainedError(f"{source} is a {towers.model.config.model_type}; FAME-ViL stands on a CLIP")
    tokenizer = towers.tokenizer
    tokenizer.no_padding()
    tokenizer.no_truncation()
    ends = tokenizer.encode("").ids
    if len(ends) != 2:
        raise PretrainedError(f"{source}: an empty text has {len(ends)} tokens, not a start and an end")
    try:
        config = clip_config(towers.model.config, towers.processor, base or FameVilConfig())
        config = replace(config, bos_id=ends[0], eot_id=ends[1])
        model = FameVil(config)
        copy_clip(model, towers.model.state_dict())
    except ValueError as error:
        raise PretrainedError(f"{source}: {error}") from error
    return model, tokenizer
