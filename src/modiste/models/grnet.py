"""GRNet: is this shop photo of the very item on a customer's photo?

Kuang, Gao, Li, Luo, Chen, Lin, Zhang: "Fashion Retrieval via Graph Reasoning Networks on a Similarity Pyramid", ICCV 2019
(arXiv 1908.11754). Windows of both photos are compared at several scales; the comparisons are the nodes of a graph that reasons
about them, and a global node says how alike the photos are. Equations as in specification 3.2: s = `Grnet.nodes`, w and h =
`ReasoningStep`, the score = `Grnet.logits`.

What the paper leaves open and was chosen here: the window pyramid, the number of steps, the backbone's map, the pooling; all
fields of `GrnetConfig`. What we add, each off in `SIZES["paper"]`: windows of length 1; a constant beside P (`node_bias`);
beside the graph's read-out the cosine of the global embeddings (`cosine_term`) and of every window with its best partner
(`window_term`), so that the graph starts from what the embedding and the windows know. The latter is learned by a contrastive
loss over the whole batch, as in late interaction (Khattab and Zaharia 2020, arXiv 2004.12832): a few pairs a step are too few
to learn windows from. Windows may count by how much they tell (`window_weights`).

Shapes: B photos or pairs, L scales of R_l x R_l windows, W = sum of R_l^2 windows of a photo, C their width, N = sum of R_l^4
similarity nodes, D their width, E the global embedding's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modiste.data.shop_batches import ShopBatch
from modiste.losses import ranking_loss, view_loss
from modiste.models.grnet_backbone import Backbone, build_backbone
from modiste.models.mvlt import MvltConfig

EPS = 1e-6  # added to the length of a node: two equal windows have the node 0, not nan
BYTES = 4  # of a number while scoring


@dataclass(frozen=True)
class GrnetConfig:
    """Sizes and behaviour of a `Grnet`; saved beside its weights."""

    image_size: tuple[int, int] = (60, 80)  # (width, height)
    backbone: Literal["residual", "googlenet", "mvlt"] = "residual"
    backbone_sizes: Mapping[str, Any] = field(
        default_factory=lambda: {"channels": (32, 64, 128, 256), "depths": (1, 1, 1, 2)}
    )
    pyramid: tuple[int, ...] = (1, 2, 4)  # windows along each side, a scale each
    window_pooling: Literal["max", "mean"] = "max"
    global_pooling: Literal["max", "mean"] = "mean"  # A: over all windows of all scales
    window_dim: int = 96  # C
    unit_windows: bool = True  # windows of length 1
    node_dim: int = 32  # D
    # A node has length 1, so without a constant it says in which way two windows differ and not how much.
    node_bias: bool = False
    steps: int = 2  # T, with weights of their own; 0: the global node is read as it begins
    cross_scale: bool = True  # False: edges within a scale, and into the global node
    global_node: Literal["vector", "cosine"] = (
        "vector"  # as the other nodes, or the cosine of both A times a learned vector
    )
    cosine_term: bool = True  # the embeddings' cosine, scaled, is added to the read-out
    window_term: bool = True  # so is the mean cosine of all windows with the best of the other photo's
    window_partners: Literal["scale", "any"] = "scale"  # where a window looks for its partner: in its scale, or in all
    window_weights: bool = False  # windows count in that mean by a learned softmax over all; False: alike in each scale
    cosine_share: float = 1.0  # of the cosine term beside the graph's read-out
    window_share: float = 1.0  # of the window term
    embed_dim: int = 128  # E: of the first search and the baseline
    initial_temperature: float = 0.07
    max_logit_scale: float = 50.0
    draft_factor: int = 4  # JPEGs are decoded at no more than this many times the size

    def __post_init__(self) -> None:
        if not self.pyramid or min(self.pyramid) < 1 or len(set(self.pyramid)) < len(self.pyramid):
            raise ValueError(f"pyramid must list different numbers of windows, 1 or more each, not {self.pyramid}")
        if self.steps < 0:
            raise ValueError(f"steps must not be negative, not {self.steps}")

    @property
    def num_windows(self) -> int:
        """W."""
        return sum(side**2 for side in self.pyramid)

    @property
    def num_nodes(self) -> int:
        """N, without the global node."""
        return sum(side**4 for side in self.pyramid)

    @property
    def pair_bytes(self) -> int:
        """What scoring one pair takes at most while it lasts: differences, nodes, their products, edges where they are kept."""
        differences = 2 * max(self.pyramid) ** 4 * self.window_dim
        nodes = self.num_nodes + 1
        edges = 2 * nodes**2 if self.steps > 1 and not self.cross_scale else 0
        windows = 4 * self.num_windows * (self.window_dim + self.num_windows)
        return BYTES * (differences + 8 * nodes * self.node_dim + edges + windows)


# Chosen on validation photos of fashion_products_224 (docs/results/grnet.md). Of a 60x80 photo's map of 8x10 places 4x4 windows
# are too small to tell much.
_SMALL = GrnetConfig(
    pyramid=(1, 2, 3), node_bias=True, window_weights=True, window_partners="any", cosine_share=0.5, window_share=2.0
)
SIZES: dict[str, GrnetConfig] = {
    "debug": GrnetConfig(
        image_size=(30, 40), backbone_sizes={"channels": (8, 16, 16), "depths": (1, 1, 1)}, pyramid=(1, 2), window_dim=16,
        node_dim=8, embed_dim=16,
    ),
    "small": _SMALL,  # photos of 60x80 pixels, on two cores
    "small_square": replace(_SMALL, image_size=(80, 80)),
    "small_224": replace(
        _SMALL, image_size=(224, 224), backbone_sizes={"channels": (32, 64, 128, 256, 256), "depths": (1, 1, 1, 2, 1)},
        pyramid=(1, 2, 4),
    ),
    # Photos of 224 pixels and GoogLeNet are the paper's; the rest of this row is not printed there.
    "paper": GrnetConfig(
        image_size=(224, 224), backbone="googlenet", backbone_sizes={"last": "4e", "published_kernels": True},
        window_dim=512, unit_windows=False, node_dim=128, cosine_term=False, window_term=False, embed_dim=512,
    ),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Described:
    """What photos are compared by; everything else about them may be forgotten."""

    windows: Tensor  # (B, W, C), scale by scale, rows of windows from the top, each from the left
    embedding: Tensor  # (B, E), length 1

    def __getitem__(self, rows: Any) -> Described:
        return Described(self.windows[rows], self.embedding[rows])

    def __len__(self) -> int:
        return len(self.windows)


class ReasoningStep(nn.Module):
    """One step: w = softmax over sources of (T_out s)^T (T_in s'), s^ = sum of w s', h = ReLU(W s^)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.receive = nn.Linear(dim, dim, bias=False)  # T_out, of the node that receives
        self.send = nn.Linear(dim, dim, bias=False)  # T_in, of the nodes that it hears
        self.update = nn.Linear(dim, dim, bias=False)  # W

    def forward(self, nodes: Tensor, allowed: Tensor | None, *, receivers: slice = slice(None)) -> Tensor:
        """All nodes (B, N, D) -> h of the receivers (B, R, D); `allowed` (N, N): True where the column may send to the row."""
        heard = self.heard(nodes, allowed, receivers)
        return F.relu(self.update(heard))

    def heard(self, nodes: Tensor, allowed: Tensor | None, receivers: slice = slice(None)) -> Tensor:
        """s^ of the receivers (B, R, D)."""
        if torch.is_grad_enabled() or allowed is not None:
            # Spelled out: on a processor the fused kernel's backward pass is slow at these widths.
            return self.edges(nodes, allowed, receivers) @ nodes
        asking, sending = self.receive(nodes[:, receivers]), self.send(nodes)
        fused = F.scaled_dot_product_attention(asking[:, None], sending[:, None], nodes[:, None], scale=1.0)
        return fused[:, 0]

    def edges(self, nodes: Tensor, allowed: Tensor | None, receivers: slice = slice(None)) -> Tensor:
        """w (B, R, N): each row, a receiving node, sums to 1 over its sources."""
        edges = self.receive(nodes[:, receivers]) @ self.send(nodes).transpose(1, 2)
        return (edges if allowed is None else edges.masked_fill_(~allowed[receivers], -math.inf)).softmax(dim=-1)


class Grnet(nn.Module):
    """Backbone, windows, similarity graph; and the global embedding, which alone is the baseline (`GrnetObjective`)."""

    def __init__(self, config: GrnetConfig, objective: GrnetObjective | None = None) -> None:
        super().__init__()
        self.config = config
        self.objective = objective or GrnetObjective()
        self.backbone: Backbone = build_backbone(config.backbone, config.backbone_sizes)
        channels = self.backbone.channels
        self.window = nn.Linear(channels, config.window_dim)  # the 1x1 convolution to C
        self.embed = nn.Linear(2 * channels, config.embed_dim)
        self.log_logit_scale = nn.Parameter(torch.tensor(math.log(1 / config.initial_temperature)))
        self.compare = _projection(config)  # P
        if config.global_node == "vector":
            self.compare_global = _projection(config)  # P_g
        else:
            self.global_direction = nn.Parameter(torch.randn(config.node_dim) / math.sqrt(config.node_dim))
        self.steps = nn.ModuleList(ReasoningStep(config.node_dim) for _ in range(config.steps))
        self.read = nn.Linear(config.node_dim, 1)
        if config.window_weights:
            self.telling = nn.Linear(config.window_dim, len(config.pyramid))  # of each scale
            nn.init.zeros_(self.telling.weight)  # all windows of a scale count alike, and all scales
            nn.init.zeros_(self.telling.bias)
        counts = torch.tensor([side**2 for side in config.pyramid])
        scale = torch.arange(len(counts)).repeat_interleave(counts, output_size=config.num_windows)
        self.scale: Tensor  # (W,) of each window
        self.register_buffer("scale", scale, persistent=False)
        self.even: Tensor  # (W,) what each window counts where all scales count alike, and all windows of a scale
        self.register_buffer("even", 1 / (len(counts) * counts[scale]), persistent=False)
        self.allowed: Tensor | None
        self.register_buffer(
            "allowed", _edges_within_scales(config) if not config.cross_scale else None, persistent=False
        )

    @property
    def device(self) -> torch.device:
        return self.log_logit_scale.device

    @property
    def logit_scale(self) -> Tensor:
        return self.log_logit_scale.exp().clamp(max=self.config.max_logit_scale)

    # ---- A photo ------------------------------------------------------------------------------------------------------

    def describe(self, images: Tensor) -> Described:
        """Pixels (B, 3, H, W), uint8 or float in [0, 1] -> windows and embedding, float32."""
        pixels = images.float() / 255 if images.dtype == torch.uint8 else images
        x = self.backbone(pixels)  # (B, channels, h, w)
        pool = F.adaptive_max_pool2d if self.config.window_pooling == "max" else F.adaptive_avg_pool2d
        pooled = torch.cat([pool(x, side).flatten(2) for side in self.config.pyramid], dim=2)  # (B, channels, W)
        windows = self.window(pooled.transpose(1, 2)).float()  # (B, W, C)
        if self.config.unit_windows:
            windows = F.normalize(windows, dim=2)
        whole = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
        return Described(windows, F.normalize(self.embed(whole).float(), dim=1))

    # ---- Two photos ---------------------------------------------------------------------------------------------------

    def nodes(self, x: Tensor, y: Tensor) -> Tensor:
        """Windows of both photos (B, W, C) -> the graph's nodes (B, N + 1, D), the global one last.

        Node (i, j) of a scale stands at i R^2 + j: window i of the first photo with window j of the second.
        """
        found, start = [], 0
        for side in self.config.pyramid:
            end = start + side**2
            difference = x[:, start:end, None] - y[:, None, start:end]  # (B, R^2, R^2, C)
            found.append(self._similarity(self.compare, difference).flatten(1, 2))
            start = end
        found.append(self._global(x, y)[:, None])
        return torch.cat(found, dim=1)

    def _similarity(self, projection: nn.Linear, difference: Tensor) -> Tensor:
        """s = P |x - y|^2 / ||P |x - y|^2||."""
        squared = difference.square() if torch.is_grad_enabled() else difference.square_()
        projected = projection(squared).float()
        return projected / (projected.square().sum(dim=-1, keepdim=True) + EPS**2).sqrt()

    def _global(self, x: Tensor, y: Tensor) -> Tensor:
        """The global node as it begins: of the average, or the greatest, of all windows of each photo."""
        whole = (lambda z: z.mean(dim=1)) if self.config.global_pooling == "mean" else (lambda z: z.amax(dim=1))
        if self.config.global_node == "vector":
            return self._similarity(self.compare_global, whole(x) - whole(y))
        return F.cosine_similarity(whole(x), whole(y), dim=1, eps=EPS)[:, None] * self.global_direction

    def reasoned(self, nodes: Tensor) -> Tensor:
        """(B, N + 1, D) -> the global node after all steps (B, D). Of the last step only what is read is computed."""
        for number, step in enumerate(self.steps, 1):
            nodes = step(nodes, self.allowed, receivers=slice(-1, None) if number == len(self.steps) else slice(None))
        return nodes[:, -1]

    def logits(self, x: Described, y: Described) -> Tensor:
        """(B,) log-odds that both photos show the same item. All at once: `score` bounds the memory."""
        return self._summed(*self.terms(x, y))

    def _summed(self, cosine: Tensor, windows: Tensor, graph: Tensor) -> Tensor:
        return self.config.cosine_share * cosine + self.config.window_share * windows + graph

    def terms(self, x: Described, y: Described) -> tuple[Tensor, Tensor, Tensor]:
        """What the score is a sum of, (B,) each: the embeddings' cosine and the windows' (0 where off), and the read-out."""
        graph = self.read(self.reasoned(self.nodes(x.windows, y.windows))).squeeze(1).float()
        cosine = windows = torch.zeros_like(graph)
        if self.config.cosine_term:
            cosine = self.logit_scale * ((x.embedding * y.embedding).sum(dim=1) - 1)
        if self.config.window_term:
            alike = self._unit_windows(x) @ self._unit_windows(y).transpose(1, 2)  # (B, W, W)
            windows = self.logit_scale * (self._best_partners(alike, self._weights(x), self._weights(y)) - 1)
        return cosine, windows, graph

    def window_similarity(self, x: Described, y: Described) -> Tensor:
        """Photos Q and G -> (Q, G) in [-1, 1]: each window's cosine with its best partner, as a mean over windows of both."""
        alike = torch.einsum("qic,gjc->qgij", self._unit_windows(x), self._unit_windows(y))
        return self._best_partners(alike, self._weights(x)[:, None], self._weights(y)[None])

    def _unit_windows(self, photos: Described) -> Tensor:
        """(B, W, C) of length 1."""
        return photos.windows if self.config.unit_windows else F.normalize(photos.windows, dim=2)

    def _weights(self, photos: Described) -> Tensor:
        """How much each window counts in the window term (B, W); 1 in all."""
        if not self.config.window_weights:
            return self.even.expand(len(photos), -1)
        told = torch.einsum("bwc,wc->bw", self._unit_windows(photos), self.telling.weight[self.scale])
        return (told + self.telling.bias[self.scale] + self.even.log()).softmax(dim=1)

    def _best_partners(self, alike: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Cosines (..., W, W) of windows -> (...): the best of each row and column, by the windows' weights (..., W)."""
        alike = self._possible(alike)
        return ((alike.amax(dim=-1) * rows).sum(dim=-1) + (alike.amax(dim=-2) * columns).sum(dim=-1)) / 2

    def _possible(self, alike: Tensor) -> Tensor:
        """Cosines (..., W, W) of windows, -inf where they cannot be partners."""
        if self.config.window_partners == "any":
            return alike
        return alike.masked_fill(~self._same_scale, -math.inf)

    @property
    def _same_scale(self) -> Tensor:
        """(W, W) bool: which windows of two photos are of one scale, as a node's are."""
        return self.scale[:, None] == self.scale[None]

    def score(self, x: Described, y: Described, *, max_bytes: int = 64_000_000) -> Tensor:
        """`logits` without gradients; x may be one photo for all of y. At most `max_bytes` are in use beside the arguments.

        Raises `ValueError` when not even one pair fits.
        """
        return self._summed(*self.score_terms(x, y, max_bytes=max_bytes).unbind(dim=1))

    @torch.no_grad()
    def score_terms(self, x: Described, y: Described, *, max_bytes: int = 64_000_000) -> Tensor:
        """(B, 3): `terms` side by side, as `score` computes them."""
        if len(x) not in (1, len(y)):
            raise ValueError(f"{len(x)} photos cannot be compared with {len(y)}, only one with many or as many")
        most = max_bytes // self.config.pair_bytes
        if most < 1:
            raise ValueError(f"max_bytes={max_bytes:,} is too little: one pair needs {self.config.pair_bytes:,}")
        parts = []
        for start in range(0, len(y), most):
            rows = slice(start, start + most)
            parts.append(torch.stack(self.terms(x[rows] if len(x) > 1 else x, y[rows]), dim=1))
        return torch.cat(parts) if parts else y.embedding.new_zeros((0, 3))

    @torch.no_grad()
    def relevance(self, x: Described, y: Described) -> tuple[Tensor, Tensor]:
        """What each pair of windows (B, W, W), and the global node (B,), add to the score.

        The sum of both is the score but for what is the same for all pairs (the read-out's bias, and the window term's least)
        and for the cosine of the embeddings.
        """
        nodes = self._read_shares(x, y)
        found = nodes.new_zeros(len(nodes), self.config.num_windows, self.config.num_windows)
        found[:, self._same_scale] = nodes[:, :-1]
        if self.config.window_term:
            found += self.config.window_share * self.logit_scale * self._window_shares(x, y)
        return found, nodes[:, -1]

    def _read_shares(self, x: Described, y: Described) -> Tensor:
        """The last step's sum taken apart (B, N + 1), then followed back along the edges.

        The global node's h is linear in what it heard where ReLU lets it through, so its share of every source is exact;
        earlier steps pass a node's share on to its own sources by their weights.
        """
        steps = [step for step in self.steps if isinstance(step, ReasoningStep)]
        every = [self.nodes(x.windows, y.windows)]
        if not steps:
            found = torch.zeros(every[0].shape[:2], device=self.device)
            found[:, -1] = (self.read(every[0][:, -1]) - self.read.bias).squeeze(1)
            return found
        for step in steps[:-1]:
            every.append(step(every[-1], self.allowed))
        last = steps[-1]
        edges = last.edges(every[-1], self.allowed, slice(-1, None))[:, 0]  # (B, N + 1)
        heard = torch.einsum("bn,bnd->bd", edges, every[-1])
        through = (last.update(heard) > 0) * self.read.weight[0]  # (B, D)
        found = edges * torch.einsum("bnd,bd->bn", every[-1], through @ last.update.weight)
        for step, nodes in zip(steps[-2::-1], every[-2::-1], strict=True):
            found = torch.einsum("br,brn->bn", found, step.edges(nodes, self.allowed))
        return found

    def _window_shares(self, x: Described, y: Described) -> Tensor:
        """Each cosine of windows (B, W, W), weighted as `_best_partners` does: 0 where neither is the other's best."""
        alike = self._unit_windows(x) @ self._unit_windows(y).transpose(1, 2)
        possible = self._possible(alike)
        of_rows = F.one_hot(possible.argmax(dim=2), alike.shape[2]) * self._weights(x)[:, :, None]
        of_columns = F.one_hot(possible.argmax(dim=1), alike.shape[1]).transpose(1, 2) * self._weights(y)[:, None]
        return alike * (of_rows + of_columns) / 2

    # ---- Training -----------------------------------------------------------------------------------------------------

    def losses(self, batch: ShopBatch) -> dict[str, Tensor]:
        """`embedding_loss` of the global embedding; with the graph `pair_loss` (same item or not), `rank_loss`, `window_loss`.

        A customer's photo is paired with the shop photo of its product and with those `num_negatives` shop photos of other
        products in the batch, its look-alikes among them, that the embedding takes for most alike.
        """
        found = self.describe(batch.photos)
        products, shops, customers = batch.photo_products, batch.shop_rows, batch.customer_rows
        losses = {"embedding_loss": view_loss(found.embedding, self.logit_scale, product_ids=products)}
        losses["logit_scale"] = self.logit_scale.detach()
        if not self.objective.graph:
            return losses
        negatives = self._hard_negatives(found.embedding, products, shops, customers)  # (Q, M) rows of photos
        own = shops[: len(batch)].repeat_interleave(batch.images.shape[1] - 1)  # (Q,)
        candidates = torch.cat([own[:, None], negatives], dim=1)  # (Q, 1 + M)
        asked = customers[:, None].expand_as(candidates).reshape(-1)
        logits = self.logits(found[asked], found[candidates.reshape(-1)]).view_as(candidates)
        # Binary cross-entropy in which a right pair counts as much as all the wrong ones of its photo.
        right, wrong = logits[:, 0], logits[:, 1:]
        losses["pair_loss"] = (F.softplus(-right).mean() + F.softplus(wrong).mean()) / 2
        losses["rank_loss"] = ranking_loss(logits[:, :1], wrong)
        losses["pair_accuracy"] = (right > wrong.amax(dim=1)).float().mean().detach()
        if self.config.window_term:
            alike = self.logit_scale * self.window_similarity(found[customers], found[shops])  # (Q, P + P * J)
            losses["window_loss"] = _contrast(alike, products[customers], products[shops])
        return losses

    def _hard_negatives(self, embedding: Tensor, products: Tensor, shops: Tensor, customers: Tensor) -> Tensor:
        """Rows (Q, M) of the shop photos of other products nearest to each customer's photo.

        Raises `ValueError` for a batch in which a photo has no shop photo of another product.
        """
        with torch.no_grad():
            similarity = embedding[customers] @ embedding[shops].T  # (Q, P + P * J)
            same = products[customers][:, None] == products[shops][None]
            count = min(self.objective.num_negatives, int((~same).sum(dim=1).min()))
            if count < 1:
                raise ValueError("a batch needs shop photos of two products or more")
            return shops[similarity.masked_fill(same, -math.inf).topk(count, dim=1).indices]


def _contrast(logits: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Cross-entropy of (Q, G) logits over the columns for each row, and over the rows for each column that has a right one.

    `rows` (Q,) and `columns` (G,) say which product each shows: the same one is right, all of them where there are several.
    """
    with torch.autocast(logits.device.type, enabled=False):
        same = rows[:, None] == columns[None]
        found = []
        for wide, right in ((logits.float(), same), (logits.float().T, same.T)):
            asked = right.any(dim=1)
            chosen = wide[asked].log_softmax(dim=1).masked_fill(~right[asked], 0.0)
            found.append(-(chosen.sum(dim=1) / right[asked].sum(dim=1)).mean())
        return (found[0] + found[1]) / 2


def _projection(config: GrnetConfig) -> nn.Linear:
    """C -> D. With a constant, differences of unit windows, 2 / C for each element on average, begin as large as it is."""
    made = nn.Linear(config.window_dim, config.node_dim, bias=config.node_bias)
    if config.node_bias and config.unit_windows:
        with torch.no_grad():
            made.weight.mul_(config.window_dim / 2)
    return made


@dataclass(frozen=True)
class GrnetObjective:
    """What `Grnet.losses` asks for."""

    graph: bool = True
    """False: the global embedding alone, the baseline."""
    num_negatives: int = 7
    """Wrong shop photos judged for each customer's photo."""


def _edges_within_scales(config: GrnetConfig) -> Tensor:
    """(N + 1, N + 1) bool: True where the column's node may send to the row's when scales keep to themselves.

    The global node hears all and is heard by none but itself, or it would carry news from scale to scale.
    """
    scale = torch.cat([torch.full((side**4,), number) for number, side in enumerate(config.pyramid)])
    allowed = torch.zeros(len(scale) + 1, len(scale) + 1, dtype=torch.bool)
    allowed[:-1, :-1] = scale[:, None] == scale[None]
    allowed[-1] = True
    return allowed


def on_mvlt(config: MvltConfig, **changes: Any) -> GrnetConfig:
    """The sizes of a GRNet on the pyramid of an MVLT of these sizes."""
    sizes = {"image_size": config.image_size, "backbone": "mvlt", "backbone_sizes": asdict(config), **changes}
    return replace(SIZES["small"], **sizes)
