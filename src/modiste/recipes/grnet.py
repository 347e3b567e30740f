"""GRNet on shop photos and customers' photos of the same products (models/grnet.py), and its baseline, the embedding alone.

modiste train grnet_small                                # atelier:3000, from the shipped model's convolutions
modiste train grnet_global_small                         # metric learning: same backbone, same photos, same steps
modiste train grnet_small data=fashion_products          # real products, photographed again
modiste train grnet_small steps=1 pyramid=4 cross_scale=false

Lab notes: docs/results/grnet.md; `python bench/grnet_ablation.py` trains and measures every cell of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

    from modiste.data.consumer_to_shop import ShopPhotos
    from modiste.data.shop_batches import ShopData
    from modiste.models.grnet import Grnet, GrnetConfig
    from modiste.training.run import Eval, Run
    from modiste.types import FloatArray


@dataclass(frozen=True)
class GrnetRecipe:
    """Fields of the recipes for exact search; `modiste train grnet_small field=value`."""

    data: str = "atelier:3000:7"  # not seed 1, of which the shipped model has seen items and customers' photos
    """Shop and customers' photos: atelier:SIZE[:SEED], fashion_products, fashion_products_224, or a DeepFashion folder."""
    graph: bool = True
    """False: the global embedding alone, the baseline."""
    size: str = "small"
    """Row of the model's table of sizes, an unknown one lists them; mvlt: the pyramid of `start`."""
    start: str | None = "mvlt_small.products_v1"
    """Whose convolutions the backbone starts from: an MVLT's or dual encoder's name or folder; none: from scratch."""
    googlenet: Path | None = None
    """GoogLeNet's weights as torchvision names them, a safetensors file, for size=paper."""
    init_from: str = ""
    """A GRNet's folder to start from, with its sizes."""
    pyramid: tuple[int, ...] = ()
    """Windows along each side, a scale each; empty: the size's own."""
    steps: int = -1
    """Steps of reasoning; -1: the size's own, 0: none."""
    cross_scale: bool = True
    """Edges between scales."""
    cosine_term: Literal["", "yes", "no"] = ""
    """Whether the embeddings' cosine is added to the read-out; empty: as the size says."""
    window_term: Literal["", "yes", "no"] = ""
    """Whether the windows' cosines with their best partners are; empty: as the size says."""
    window_weights: Literal["", "yes", "no"] = ""
    """Whether windows count there by how much they tell; empty: as the size says."""
    window_partners: Literal["", "scale", "any"] = ""
    """Where a window looks for its partner there: in its scale or in all; empty: as the size says."""
    node_bias: Literal["", "yes", "no"] = ""
    """Whether a node also says how much two windows differ; empty: as the size says."""
    frozen: int = 2
    """Parts of the backbone that do not learn, from the photo on."""
    photos_per_product: int = 4
    """Customers' photos drawn of each product."""
    max_products: int = 0
    """Products to train on, chosen by hash; 0: all."""
    num_negatives: int = 7
    """Wrong shop photos judged for each customer's photo: the batch's most alike."""
    num_look_alikes: int = 1
    """Shop photos of other products that join a batch for each of its own, mined from an index."""
    neighbours: int = 10
    """Nearest shop photos that look-alikes are drawn from."""
    miner: str = ""
    """Whose vectors are indexed for mining: a name or folder; empty: the shipped default."""
    cache: str = "runs/cache"
    """Folder where drawn photos and mined neighbours are kept; empty to make them anew each time."""
    pair_weight: float = 1.0
    """Of the binary cross-entropy on pairs."""
    rank_weight: float = 1.0
    """Of ranking the right shop photo before the wrong ones."""
    window_weight: float = 1.0
    """Of the contrastive loss of windows and their best partners."""
    embedding_weight: float = 1.0
    """Of the contrastive loss of the global embedding."""
    share_products: int = 300
    """Products of the validation split on which it is fitted what cosine, windows and graph count for; 0: as they learned."""
    epochs: int = 16
    """Passes over the products: as long as the drawn world's models in the lab notes; those of real products, half of it."""
    batch_size: int = 24
    """Products of one step, P."""
    num_photos: int = 2
    """Photos of each product, K: the shop's and K - 1 customers'."""
    learning_rate: float = 1.5e-3
    """Peak, after the warm-up; falls to 0 along a cosine."""
    backbone_rate: float = 0.3
    """Factor on it for a backbone that has learned before."""
    weight_decay: float = 0.05
    """Not on biases, norms and embeddings."""
    warmup_steps: int = 50
    """Steps of linear warm-up."""
    augmentation: float = 0.5
    """Strength of mirror, shift, zoom, turn and relighting of all photos; 0 for none."""
    customer_augmentation: float = 0.3
    """How often a customer's photo is cropped, covered and relit further."""
    ema_decay: float = 0.0
    """Average of the weights that is evaluated and saved; 0 for none."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """bf16, fp32, or auto: bf16 where the hardware computes in it."""
    eval_every: int = 0
    """Epochs between evaluations on the validation split; 0: never."""
    seed: int = 0
    """Of weights, order, drawn photos and augmentation."""


def build(config: GrnetRecipe) -> Run:
    """The complete run: photos drawn and decoded, hard negatives mined, evaluators named."""
    from modiste.models.grnet import Grnet
    from modiste.models.grnet_pretrained import save_grnet
    from modiste.training.run import Run
    from modiste.training.sampling import IndexLoader

    sizes = model_config(config)
    data = training_photos(config, sizes)
    held_out = held_out_photos(config, sizes) if config.graph and config.share_products else None
    make = model_builder(config, sizes)
    kind = "grnet" if config.graph else "grnet_global"

    def publish(trained: torch.nn.Module, folder: Path) -> None:
        assert isinstance(trained, Grnet)
        if held_out is not None:
            trained = settled(trained, held_out)
        save_grnet(folder, trained, name=f"{kind}_{config.size}.{folder.parent.name}")

    weights = {"embedding_loss": config.embedding_weight}
    if config.graph:
        weights |= {"pair_loss": config.pair_weight, "rank_loss": config.rank_weight}
        if sizes.window_term:
            weights |= {"window_loss": config.window_weight}
    starts_trained = bool(config.start or config.init_from or config.googlenet)
    return Run(
        name=kind,
        model=make,
        loader=IndexLoader(data.collate, len(data), config.batch_size, seed=config.seed, num_workers=1),
        augment=data.augment,
        loss_weights=weights,
        learning_rate_scales={"backbone.": config.backbone_rate} if starts_trained else {},
        find_unused_parameters=True,
        evals=_validation(config),
        publish=publish,
        **{
            name: getattr(config, name)
            for name in ("epochs", "learning_rate", "weight_decay", "warmup_steps", "ema_decay", "precision", "seed")
        },
    )  # fmt: skip


def model_config(config: GrnetRecipe) -> GrnetConfig:
    """The size's row with the recipe's changes. Raises `ValueError` listing the sizes for an unknown one."""
    from dataclasses import replace

    from modiste.models.grnet import SIZES, on_mvlt
    from modiste.models.grnet_pretrained import load_grnet
    from modiste.models.mvlt import Mvlt

    if config.init_from:
        return load_grnet(config.init_from).model.config
    if config.size == "mvlt":
        start = started_from(config)
        if not isinstance(start, Mvlt):
            raise ValueError(f"size=mvlt: start={config.start} is no MVLT")
        return on_mvlt(start.config, **_changes(config))
    if config.size not in SIZES:
        raise ValueError(f"there is no size {config.size!r}; choose one of {', '.join(SIZES)}, mvlt")
    return replace(SIZES[config.size], **_changes(config))


def _changes(config: GrnetRecipe) -> dict[str, Any]:
    changes: dict[str, Any] = {"cross_scale": config.cross_scale}
    if config.pyramid:
        changes["pyramid"] = config.pyramid
    if config.steps >= 0:
        changes["steps"] = config.steps
    for term in ("cosine_term", "window_term", "window_weights", "node_bias"):
        if said := getattr(config, term):
            changes[term] = said == "yes"
    if config.window_partners:
        changes["window_partners"] = config.window_partners
    return changes


def started_from(config: GrnetRecipe) -> Any:
    """The model whose convolutions or pyramid `start` names; None for none. Raises `PretrainedError`."""
    from modiste.models import pretrained
    from modiste.registry import PRETRAINED

    if not config.start:
        return None
    known = PRETRAINED.get(config.start)
    return pretrained.load_model(pretrained.WEIGHTS / config.start if known and known.ships else config.start).model


def model_builder(config: GrnetRecipe, sizes: GrnetConfig) -> Any:
    """A builder of the model with what it starts from. Raises `ValueError` where that does not fit."""
    from modiste.models.grnet import Grnet, GrnetObjective
    from modiste.models.grnet_backbone import MvltPyramid, Residual
    from modiste.models.grnet_pretrained import load_grnet, load_torchvision_googlenet

    objective = GrnetObjective(config.graph, config.num_negatives)
    before = load_grnet(config.init_from).model if config.init_from else None
    start = started_from(config) if before is None and sizes.backbone != "googlenet" else None

    def make() -> Grnet:
        made = Grnet(sizes, objective)
        if before is not None:
            made.load_state_dict(before.state_dict())
        elif config.googlenet is not None:
            load_torchvision_googlenet(made, config.googlenet)
        elif start is not None and isinstance(made.backbone, Residual):
            made.backbone.copy_tower(start)
        elif start is not None and isinstance(made.backbone, MvltPyramid):
            made.backbone.copy_stages(start)
        made.backbone.freeze(config.frozen)
        return made

    make()  # what the fields ask for is possible, or it is said now
    return make


def training_photos(config: GrnetRecipe, sizes: GrnetConfig) -> ShopData:
    """The training split as tensors, with what an index finds near each product; kept in the folder `cache`."""
    from dataclasses import replace

    from modiste.data.shop_batches import mined, shop_data

    drawn, vectors = _drawn(config, sizes, "train")
    data = shop_data(
        drawn.gallery, drawn.gallery_names, drawn.customer, drawn.customer_names, num_photos=config.num_photos,
        num_look_alikes=config.num_look_alikes, augmentation=config.augmentation,
        customer_augmentation=config.customer_augmentation,
    )  # fmt: skip
    if not config.num_look_alikes:
        return data
    assert vectors is not None
    return replace(data, neighbours=mined(near(vectors, data.shop_of, config.neighbours), data, config.neighbours))


def near(vectors: FloatArray, rows: Any, count: int) -> Any:
    """The index's nearest gallery rows of these rows, nearest first, with room for photos of the product itself: (N, M)."""
    from modiste.engine.index import build_index

    wanted = min(len(vectors), 4 * count + 8)
    return build_index(vectors).search(vectors[rows], wanted, None)[0]


def settled(model: Grnet, photos: DrawnPhotos) -> Grnet:
    """A copy of the model whose shares put these photos in the best order (models/grnet_shares.py).

    The model itself, with a warning in the log, where its embedding finds no photo's own product.
    """
    import logging

    import numpy as np
    import torch

    from modiste.models.grnet import Described
    from modiste.models.grnet_shares import NothingToFit, fitted_shares, terms_of_shortlists, with_shares

    training = model.training

    @torch.inference_mode()
    def described(pixels: torch.Tensor) -> Described:
        parts = [model.describe(some.to(model.device)) for some in pixels.split(64)]
        return Described(torch.cat([one.windows for one in parts]), torch.cat([one.embedding for one in parts]))

    model.eval()
    try:
        gallery, customer = described(photos.gallery), described(photos.customer)
        same = np.array(photos.customer_names)[:, None] == np.array(photos.gallery_names)[None]
        before = (model.config.cosine_share, model.config.window_share, 1.0)
        return with_shares(model, fitted_shares(*terms_of_shortlists(model, customer, gallery, same), before))
    except NothingToFit as error:
        logging.getLogger(__name__).warning("the shares of the score stay as they were trained: %s", error)
        return model
    finally:
        model.train(training)


@dataclass(frozen=True, eq=False)
class DrawnPhotos:
    """Photos of a split as the model's pixels, and the product that each shows."""

    gallery: torch.Tensor  # (G, 3, H, W) uint8
    gallery_names: list[str]
    customer: torch.Tensor  # (V, 3, H, W) uint8
    customer_names: list[str]


def held_out_photos(config: GrnetRecipe, sizes: GrnetConfig) -> DrawnPhotos:
    """Photos of `share_products` products of the validation split, among all its shop photos.

    Raises `ValueError` saying what to do where the data have no such split.
    """
    try:
        return _drawn(config, sizes, "valid")[0]
    except ValueError as error:
        raise ValueError(f"{error} (share_products=0 trains without a validation split)") from error


def _drawn(
    config: GrnetRecipe, sizes: GrnetConfig, split: Literal["train", "valid"]
) -> tuple[DrawnPhotos, FloatArray | None]:
    """A split's photos, and of the training split the miner's vectors of its gallery; kept in the folder `cache`."""
    import hashlib
    import json
    from functools import partial

    import torch
    from safetensors import safe_open
    from safetensors.torch import save

    from modiste.data.atelier.catalogue import DRAWING_VERSION
    from modiste.data.consumer_to_shop import shop_photos
    from modiste.data.shop_batches import decoded_photos
    from modiste.files import write_atomically
    from modiste.models.inference import photo_tensor
    from modiste.models.pretrained import load

    miner, products = (config.miner, config.max_products) if split == "train" else (None, config.share_products)
    says = [config.data, split, config.photos_per_product, products, sizes.image_size, miner, DRAWING_VERSION]
    name = hashlib.sha256(json.dumps(says).encode()).hexdigest()[:16]
    file = Path(config.cache) / f"shop-photos-{name}.safetensors" if config.cache else None
    if file is None or not file.exists():
        every = shop_photos(config.data, split, seed=1, photos_per_product=config.photos_per_product)
        photos = chosen_products(every, products)
        transform = partial(photo_tensor, image_size=sizes.image_size)
        tensors = {
            "gallery": decoded_photos(photos.shop, transform), "customer": decoded_photos(photos.customer, transform),
        }  # fmt: skip
        if miner is not None:
            vectors = load(miner or None).encode_images([item.image for item in photos.shop]).vectors  # type: ignore[misc]
            tensors["vectors"] = torch.from_numpy(vectors)
        names = {"gallery": [item.group for item in photos.shop], "customer": [item.group for item in photos.customer]}
        if file is not None:
            write_atomically(file, save(tensors, {"names": json.dumps(names)}))
    else:
        with safe_open(file, "pt") as stored:
            names = json.loads(stored.metadata()["names"])
            tensors = {one: stored.get_tensor(one) for one in stored.keys()}  # noqa: SIM118
    drawn = DrawnPhotos(tensors["gallery"], names["gallery"], tensors["customer"], names["customer"])
    return drawn, tensors["vectors"].numpy() if "vectors" in tensors else None


def chosen_products(photos: ShopPhotos, count: int) -> ShopPhotos:
    """The photos of `count` asked-for products, chosen by hash, and the gallery as it is; all of them for 0 or enough."""
    import hashlib

    from modiste.data.consumer_to_shop import ShopPhotos

    products = sorted({item.group for item in photos.customer}, key=lambda one: hashlib.sha256(one.encode()).digest())
    if not count or len(products) <= count:
        return photos
    kept = set(products[:count])
    rows = [row for row, item in enumerate(photos.customer) if item.group in kept]
    slices = {name: tuple(values[row] for row in rows) for name, values in photos.slices.items()}
    return ShopPhotos(photos.shop, tuple(photos.customer[row] for row in rows), slices)


def _validation(config: GrnetRecipe) -> dict[str, Eval]:
    """Top-1 on the validation split by the embedding, and with its first 100 judged by the graph."""
    from modiste.training.run import Eval

    if not config.eval_every:
        return {}
    from modiste.data.consumer_to_shop import shop_photos

    photos = chosen_products(shop_photos(config.data, "valid"), 500)

    def evaluate(model: Grnet) -> dict[str, float]:
        from modiste.evaluation.consumer_to_shop import evaluate_consumer_to_shop
        from modiste.models.grnet_inference import GrnetScorer

        scorer = GrnetScorer(model, device=model.device)
        judge = scorer if config.graph else None
        if judge:
            judge.prepare(photos.shop)
        report = evaluate_consumer_to_shop(photos, scorer.encoder, judge, resamples=0)
        wanted = ("top-1", "top-20", "MRR", "first/top-1")
        return {key.replace("/", "_"): report.metrics[key].mean for key in wanted if key in report.metrics}

    return {"consumer-to-shop/valid": Eval(evaluate, every_epochs=config.eval_every)}
