"""Outfit models on looks: OutfitTransformer, and the models of pairs in the same harness (models/outfit_transformer.py,
csa_net.py, type_aware.py). Items are vectors of a frozen encoder, made once and kept.

modiste train outfit_transformer_small                         # mango_outfits, photo and words
modiste train outfit_transformer_small image=false tags=none   # what each modality gives
modiste train outfit_transformer_small data=atelier:20000
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from modiste.data.outfit_features import Tags
    from modiste.models.outfit_pretrained import OutfitModel
    from modiste.training.run import Run


@dataclass(frozen=True)
class OutfitRecipe:
    """Fields of the recipes for outfits; `modiste train outfit_transformer_small field=value`."""

    data: str = "mango_outfits"
    """Looks: mango_outfits, atelier:SIZE, or any other source of outfits."""
    model: Literal["outfit_transformer", "csa_net", "type_aware"] = "outfit_transformer"
    """Which architecture; the last two score pairs."""
    size: str = "small"
    """Row of the model's table of sizes; an unknown one lists them."""
    encoder: str = ""
    """Whose vectors describe the items: a name or folder; empty: the shipped default."""
    image: bool = True
    """Whether the model sees the photos."""
    text: bool = True
    """Whether the model reads the words."""
    tags: tuple[str, ...] = ()
    """Kinds of tags with learned embeddings: category, product, id, id:N (first characters of it), or any attribute. With id
    or product the model also learns what was seen together in training; unknown items are judged by the rest."""
    cache: str = "runs/cache"
    """Folder where the items' vectors are kept; empty to make them anew each time."""
    objectives: tuple[str, ...] = ("cp", "rank", "cir", "look")
    """Of OutfitTransformer: cp, rank, cir, look (see its OutfitObjective)."""
    cp_weight: float = 1.0
    """Of the focal loss on whole outfits."""
    rank_weight: float = 1.0
    """Of ranking the look before the same look with another item."""
    cir_weight: float = 1.0
    """Of the set-wise ranking of candidates."""
    look_weight: float = 0.1
    """Of the contrastive loss that makes vectors of outfits comparable."""
    margin: float = 0.3
    """Of the set-wise ranking: 0.2 to 0.5 between unit vectors, the paper's 2 with size=paper."""
    curriculum: Literal["switch", "ramp", "fine"] = "fine"
    """Negatives: coarse kinds in the first half of the steps then fine ones; ever finer; or fine from the start."""
    num_negatives: int = 10
    """Items that might stand in for the one taken out."""
    num_broken: int = 1
    """Copies of each look with several items exchanged."""
    coarse_broken: float = 0.0
    """Share of those copies in which every item is exchanged for any top, any shoes and so on: what tells a look from clothes
    taken blindly, where kinds say something too."""
    popular_share: float = 0.0
    """Negatives drawn as often as looks have them, so that popularity alone does not tell; the rest uniformly."""
    wish_share: float = 0.3
    """Looks whose wanted item is described by its own words, as a shopper's wish would."""
    max_items: int = 8
    """Larger looks lose random items, anew in each epoch."""
    dropout: float = -1.0
    """Of the model; -1: the size's own."""
    tag_dropout: float = 0.5
    """Tags hidden in training."""
    modality_dropout: float = 0.1
    """Items that lose photo or words in training."""
    epochs: int = 20
    """Passes over the looks."""
    batch_size: int = 128
    """Looks of one step."""
    learning_rate: float = 3e-3
    """Peak, after the warm-up; falls to 0 along a cosine."""
    weight_decay: float = 0.05
    """Not on biases, norms and embeddings."""
    warmup_steps: int = 100
    """Steps of linear warm-up."""
    ema_decay: float = 0.0
    """Average of the weights that is evaluated and saved; 0 for none."""
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    """bf16 (faster on a processor that has it), fp32 (what the results were measured in), or auto."""
    init_from: str = ""
    """An outfit model's folder to start from; with objectives=cir its heads are replaced (CP -> CIR)."""
    eval_every: int = 5
    """Epochs between evaluations on the validation split; 0: never."""
    seed: int = 0
    """Of weights, order and negatives."""

    def __post_init__(self) -> None:
        if not (self.image or self.text or self.tags):
            raise ValueError("image=false and text=false leave nothing to know items by: give tags")


def build(config: OutfitRecipe) -> Run:
    """The complete run: vectors made or read, examples, evaluators named."""
    from dataclasses import replace

    import torch

    from modiste.data.outfit_batches import OutfitExamples
    from modiste.data.outfit_features import features_of, known_tags
    from modiste.data.outfit_sources import load_outfits
    from modiste.models import pretrained
    from modiste.models.outfit_pretrained import save_outfit_model
    from modiste.recipes.outfit_training import OutfitLoader, item_vectors, kind_texts, validation
    from modiste.training.run import Run

    encoder = pretrained.load(config.encoder or None)
    data = load_outfits(config.data)
    items = list(data.items.values())
    vectors = item_vectors(items, encoder, Path(config.cache) if config.cache else None)
    kinds = config.tags if config.model == "outfit_transformer" else ("category",)
    tags = known_tags([item for item in items if item.id in data.seen], kinds)
    features = features_of(items, vectors, tags, encoder.tower_id.dim)
    examples = OutfitExamples(
        data, features, kind_texts(items, encoder), num_negatives=config.num_negatives, num_broken=config.num_broken,
        coarse_broken=config.coarse_broken, max_items=config.max_items, popular_share=config.popular_share,
        wish_share=config.wish_share, seed=config.seed,
        category_tag=kinds.index("category") if "category" in kinds else None,
    )  # fmt: skip
    make = outfit_model(config, encoder.tower_id.dim, tags)
    make()  # what the fields ask for is possible, or it is said now

    def publish(trained: torch.nn.Module, folder: Path) -> None:
        name = f"{config.model}_{config.size}.{folder.parent.name}"
        needed = replace(encoder.id, name=config.encoder or encoder.id.name)  # where it was found it will be looked for
        save_outfit_model(folder, trained, name=name, encoder=needed)  # type: ignore[arg-type]

    evals = validation(config.eval_every, data, features, encoder)
    weights = {f"{one}_loss": getattr(config, f"{one}_weight") for one in config.objectives}
    return Run(
        name=config.model,
        model=make,
        loader=OutfitLoader(examples, config.batch_size, config.epochs, config.curriculum, config.seed),
        loss_weights=weights if config.model == "outfit_transformer" else {},
        evals=evals,
        select="outfits/valid/fitb" if evals else None,  # the best weights are kept in best/
        publish=publish,
        find_unused_parameters=True,
        **{
            name: getattr(config, name)
            for name in (
                "epochs", "learning_rate", "weight_decay", "warmup_steps", "ema_decay", "precision", "seed",
            )
        },
    )  # fmt: skip


def outfit_model(config: OutfitRecipe, tower_dim: int, tags: Tags) -> Any:
    """A builder of the model that the fields describe. Raises `ValueError` listing the sizes for an unknown one."""
    from dataclasses import replace

    from modiste.models import csa_net, outfit_transformer, type_aware
    from modiste.models.outfit_pretrained import load_outfit_model
    from modiste.models.outfit_transformer import OutfitObjective, OutfitTransformer, from_compatibility

    sizes: Any = {"outfit_transformer": outfit_transformer, "csa_net": csa_net, "type_aware": type_aware}[
        config.model
    ].SIZES
    if config.size not in sizes:
        raise ValueError(f"there is no size {config.size!r}; choose one of {', '.join(sizes)}")
    changes: dict[str, Any] = {
        "image_dim": tower_dim if config.image else 0, "text_dim": tower_dim if config.text else 0,
        "tags": {kind: tuple(values) for kind, values in tags.items()},
    }  # fmt: skip
    if config.dropout >= 0:
        changes["dropout"] = config.dropout
    if config.model != "outfit_transformer":
        shape = replace(sizes[config.size], margin=config.margin, **changes)
        kind = csa_net.CsaNet if config.model == "csa_net" else type_aware.TypeAware
        if config.init_from:
            raise ValueError("init_from starts an OutfitTransformer; the models of pairs start from scratch")
        return lambda: kind(shape)
    shape = replace(
        sizes[config.size], tag_dropout=config.tag_dropout, modality_dropout=config.modality_dropout, **changes
    )
    objective = OutfitObjective(losses=config.objectives, margin=config.margin)
    start = load_outfit_model(config.init_from).model if config.init_from else None
    if start is not None and not isinstance(start, OutfitTransformer):
        raise ValueError(f"init_from={config.init_from}: {type(start).__name__} is no OutfitTransformer")

    def make() -> OutfitModel:
        made = OutfitTransformer(shape, objective)
        if isinstance(start, OutfitTransformer):
            from_compatibility(made, start, keep_heads=config.objectives != ("cir",))
        return made

    return make
