"""What `modiste evaluate` runs, one small function per kind of protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, cast

from modiste.cli.console import errors
from modiste.evaluation.protocols import Kind

if TYPE_CHECKING:
    from modiste.data.interactions import Interactions
    from modiste.data.outfits import OutfitData
    from modiste.evaluation.captioning import Told
    from modiste.evaluation.outfits import By, Reference, Task, VectorsOf, Wish
    from modiste.evaluation.recognition import Inputs
    from modiste.types import Item, ItemEncoder, OutfitRecommender, OutfitScorer, PairScorer


class Report(Protocol):
    """What every protocol's report offers."""

    def as_dict(self) -> dict[str, Any]: ...

    def table(self) -> list[list[str]]: ...


@dataclass(frozen=True, slots=True)
class Request:
    """The options of the command, as given; empty strings and zeros mean "not said"."""

    protocol: str
    model: str
    data: str
    split: str | None
    num_queries: int
    seed: int
    control: bool
    device: str
    inputs: str
    mask_ratio: float
    by: str
    wish: str = "none"
    per_look: int = 1
    questions: Path | None = None
    tasks: tuple[str, ...] = ("cp", "fitb", "cir")
    rerank: str = ""
    shortlist: int = 100
    distractors: int = 0
    words: bool = False
    gallery: str = "original"
    images: Path | None = None
    beams: int = 1
    reference: str = "title"


@dataclass(frozen=True, slots=True)
class Measured:
    """A report, of which model, and what a table says above it."""

    report: Report
    model: str
    sha256: str
    caption: str  # how many of what, in which unit
    more: Mapping[str, str] = field(default_factory=dict)  # what else the JSON says of the models


def run_retrieval(request: Request) -> Measured:
    """A dual encoder, beside the metadata-only control."""
    from modiste.data.sources import load_items
    from modiste.evaluation.controls import add_metadata_control
    from modiste.evaluation.retrieval import evaluate_encoder
    from modiste.models.pretrained import load

    with errors.status(f"reading {request.data}"):
        items = load_items(request.data, request.split)
    if request.by != "vectors":
        return _pairwise_retrieval(request, items)
    encoder = load(request.model or None, device=request.device)
    with errors.status(f"encoding {len(items):,} items with {encoder.id.name}"):
        report = evaluate_encoder(
            request.protocol, items, encoder, seed=request.seed, num_queries=request.num_queries or None
        )
    if request.control:
        with errors.status("metadata-only control"):
            report = add_metadata_control(report, items)
    return Measured(report, encoder.id.name, encoder.id.sha256, f"{report.num_queries:,} queries (percent)")


def _pairwise_retrieval(request: Request, items: Sequence[Item]) -> Measured:
    """The same protocol with a matching head: all candidates judged, or the best by vectors judged again."""
    from modiste.evaluation.controls import add_metadata_control
    from modiste.evaluation.retrieval import evaluate_scorers, with_image_and_text
    from modiste.models.mvlt_pairs import mvlt_scorers
    from modiste.models.pretrained import judge_of, load_reranker

    reranker = load_reranker(request.model or None, device=request.device)
    judge = judge_of(reranker, device=request.device) if request.by == "rerank" else None
    usable = with_image_and_text(items)
    with errors.status(f"encoding {len(usable):,} items with {reranker.name}"):
        ways = mvlt_scorers(
            reranker.pairs.model,
            reranker.pairs.tokenizer,
            usable,
            device=request.device,
            bank=reranker.bank,
            judge=judge,
        )
    if request.by not in ways:
        raise ValueError(
            f"--by {request.by!r}: {reranker.name} offers vectors, {', '.join(way for way in ways if way != 'itc')}"
        )
    judging = judge.name if judge else reranker.name
    with errors.status(f"judging pairs with {judging}"):
        report = evaluate_scorers(
            request.protocol, usable, ways[request.by], seed=request.seed, num_queries=request.num_queries or None
        )  # fmt: skip
    report = replace(report, left_out=len(items) - len(usable))
    if request.control:
        with errors.status("metadata-only control"):
            report = add_metadata_control(report, items)
    by = f"{request.by} with {judge.name}" if judge else request.by
    caption = f"by {by}, {report.num_queries:,} queries (percent)"
    return Measured(report, reranker.name, reranker.sha256, caption)


def run_recognition(request: Request) -> Measured:
    """A recogniser, beside the text-only control where there is a training split for that to learn from."""
    from modiste.data.sources import load_items
    from modiste.evaluation.controls import add_text_control
    from modiste.evaluation.recognition import evaluate_recognition
    from modiste.models.pretrained import load_any_recogniser

    recogniser = load_any_recogniser(request.model or None, device=request.device)
    name, sha256 = recogniser.name, recogniser.sha256
    with errors.status(f"reading {request.data}"):
        items = _drawn(load_items(request.data, request.split), request)
    with errors.status(f"recognising {len(items):,} items with {name}"):
        report = evaluate_recognition(items, recogniser, inputs=cast("Inputs", request.inputs), seed=request.seed)
    if request.control and _has_training_split(request):
        with errors.status("text-only control"):
            report = add_text_control(report, items, load_items(request.data, "train"))
    elif request.control:
        errors.print("no control: it would learn from what is measured; give data with splits, or --split test")
    caption = f"{report.num_items:,} items, inputs {report.inputs} (accuracy in percent, macro-F1 from 0 to 1)"
    return Measured(report, name, sha256, caption)


def run_generation(request: Request) -> Measured:
    """A model that paints hidden parts of photos; its controls are part of the protocol."""
    from modiste.data.sources import load_items
    from modiste.evaluation.generation import evaluate_generation
    from modiste.models.pretrained import load_inpainter

    inpainter = load_inpainter(request.model or None, device=request.device)
    name, sha256 = inpainter.name, inpainter.sha256
    with errors.status(f"reading {request.data}"):
        items = _drawn(load_items(request.data, request.split), request)

    def reconstruct(batch: list[Item]) -> Any:
        return inpainter.reconstruct(batch, mask_ratio=request.mask_ratio, seed=request.seed)

    with errors.status(f"painting {len(items):,} photos with {name}"):
        report = evaluate_generation(items, reconstruct, seed=request.seed)
    caption = f"{report.num_items:,} photos, {100 * report.masked_share:.0f} % of the pixels hidden"
    return Measured(report, name, sha256, caption)


def run_outfits(request: Request) -> Measured:
    """A scorer of outfits, beside what counting the training looks gets; in the generated world also beside the best there can
    be, and with that world's own questions."""
    from modiste.data.outfit_sources import load_outfits
    from modiste.evaluation.outfit_files import read_questions
    from modiste.evaluation.outfits import evaluate_outfits

    with errors.status(f"reading {request.data}"):
        data = load_outfits(request.data)
    questions = read_questions(request.questions, data) if request.questions else None
    reference = None
    if request.data.startswith("atelier:") and questions is None:
        with errors.status("drawing questions"):
            data, reference = _generated(data, request)
    named = _outfit_scorer(request, data)
    with errors.status(f"asking {named.name}"):
        report = evaluate_outfits(
            data,
            named.scorer,
            split=request.split or "test",
            by=cast("By", request.by),
            wish=cast("Wish", request.wish),
            tasks=cast("Sequence[Task]", request.tasks),
            seed=request.seed,
            per_look=request.per_look,
            num_looks=request.num_queries,
            questions=questions,
            vectors=named.vectors,
            controls=request.control,
            reference=reference,
        )
    if request.control and not report.controls:
        errors.print("no controls: they count training looks, and there are none")
    told = ", wish given" if report.wish != "none" else ""
    caption = f"by {report.by}{told}, {len(report.metrics)} numbers (AUC from 0 to 1, else percent)"
    return Measured(report, named.name, named.sha256, caption)


def _generated(data: OutfitData, request: Request) -> tuple[OutfitData, Reference]:
    """The generated world with its own questions, and the best scorers there can be of each protocol."""
    from modiste.data.atelier.looks import AtelierOutfits
    from modiste.data.atelier.questions import with_questions
    from modiste.evaluation.outfit_bayes import bayes_reference

    world = cast("AtelierOutfits", data)
    split = request.split or "test"
    world = with_questions(world, split, num_looks=request.num_queries, seed=request.seed)
    return world, bayes_reference(world, split, wish=cast("Wish", request.wish))


@dataclass(frozen=True, slots=True)
class _Named:
    """A scorer of outfits, and the vectors that it needs from elsewhere."""

    scorer: OutfitScorer
    name: str
    sha256: str = ""  # empty for what is counted anew or written down
    vectors: VectorsOf | None = None


def _outfit_scorer(request: Request, data: OutfitData) -> _Named:
    """A statistic by its name, the rules, or a trained model by name or folder."""
    from modiste.models.outfit_scorers import named_scorer

    name, _, encoder_name = request.model.partition(":")
    if name == "mean-cosine":
        from modiste.models.pretrained import load

        encoder = load(encoder_name or None, device=request.device)
        return _Named(
            named_scorer(name).scorer,
            f"mean-cosine of {encoder.id.name}",
            encoder.id.sha256,
            lambda items: encoder.encode(items).vectors,
        )
    if not request.model:
        from modiste.models.outfit_statistics import STATISTICS

        raise ValueError(f"--model: a trained outfit model by name or folder, {', '.join(STATISTICS)}, or rules")
    found = named_scorer(request.model, lambda: data, device=request.device)
    return _Named(found.scorer, found.name, found.sha256 if found.kind == "trained" else "")


def run_consumer_to_shop(request: Request) -> Measured:
    """Customers' photos find their item: an encoder's vectors, and a second look if a re-ranker is named."""
    from modiste.data.consumer_to_shop import other_shop_photos, shop_photos
    from modiste.evaluation.consumer_to_shop import evaluate_consumer_to_shop

    split = request.split or "test"
    encoder, judge = _photo_encoder(request), _second_look(request)
    with errors.status(f"reading {request.data}"):
        photos = shop_photos(request.data, split, request.seed)
        others = (
            other_shop_photos(request.data, split, request.distractors, request.seed) if request.distractors else ()
        )
    with errors.status(f"looking for {len(photos.customer):,} photos among {len(photos.shop) + len(others):,}"):
        report = evaluate_consumer_to_shop(
            photos,
            encoder,
            judge.scorer if judge else None,
            shortlist=request.shortlist,
            distractors=others,
            words=request.words,
            num_queries=request.num_queries or None,
            seed=request.seed,
        )
    caption = f"{report.num_queries:,} photos of {report.num_products:,} products among {report.gallery:,} (percent)"
    return Measured(report, encoder.id.name, encoder.id.sha256, caption, judge.told if judge else {})


def run_photo_classes(request: Request) -> Measured:
    """People's own photos find the right kind of garment in a catalogue."""
    from modiste.data.clothing_photos import ARTICLE_TYPES, read_clothing_photos
    from modiste.data.sources import load_items
    from modiste.evaluation.consumer_to_shop import evaluate_photo_classes

    encoder, judge = _photo_encoder(request), _second_look(request)
    with errors.status(f"reading {request.data}"):
        catalogue = load_items(request.data, None if request.split == "all" else request.split)
        try:
            queries = _drawn(read_clothing_photos("valid"), request)
        except FileNotFoundError as error:
            raise ValueError(str(error)) from error
    with errors.status(f"looking for {len(queries):,} photos among {len(catalogue):,}"):
        report = evaluate_photo_classes(
            queries,
            catalogue,
            ARTICLE_TYPES,
            encoder,
            judge.scorer if judge else None,
            shortlist=request.shortlist,
            words=request.words,
            seed=request.seed,
        )
    caption = f"{report.num_queries:,} photos of {len(report.metrics) - 2} classes among {report.gallery:,} (percent)"
    return Measured(report, encoder.id.name, encoder.id.sha256, caption, judge.told if judge else {})


@dataclass(frozen=True, slots=True)
class _Judge:
    """A re-ranker, and what the JSON says of it."""

    scorer: PairScorer
    told: Mapping[str, str]


def _photo_encoder(request: Request) -> ItemEncoder:
    """The encoder that was asked for; of a GRNet its global embedding."""
    from modiste.models.grnet_pretrained import is_grnet, load_grnet
    from modiste.models.pretrained import load

    if is_grnet(request.model):
        return load_grnet(request.model, device=request.device).encoder
    return load(request.model or None, device=request.device)


def _second_look(request: Request) -> _Judge | None:
    """The re-ranker that was asked for: a GRNet, or an MVLT's matching head, which reads the shop's words."""
    from modiste.models.grnet_pretrained import is_grnet, load_grnet
    from modiste.models.pretrained import load_reranker

    if not request.rerank:
        return None
    if is_grnet(request.rerank):
        graph = load_grnet(request.rerank, device=request.device)
        return _Judge(graph, {"rerank": graph.name, "rerank_sha256": graph.sha256})
    if not request.words:
        raise ValueError(f"--rerank {request.rerank}: it judges a photo against words; give --words too, or a GRNet")
    head = load_reranker(request.rerank, device=request.device)
    return _Judge(head, {"rerank": head.name, "rerank_sha256": head.sha256})


def run_recommendation(request: Request) -> Measured:
    """A recommender, beside those that count; in the generated world also beside the best there can be."""
    from modiste.data.feed import FeedReport
    from modiste.data.interaction_tables import with_test_clicks
    from modiste.data.interactions import load_interactions
    from modiste.evaluation.recommendation import evaluate_recommender
    from modiste.models.recommenders import COUNTED

    reference: OutfitRecommender | None = None
    with errors.status(f"reading {request.data}"):
        if request.data.startswith("atelier"):
            from modiste.data.atelier.clicks import BestRecommender, atelier_interactions, atelier_source

            world, users = atelier_source(request.data)
            data, reference = atelier_interactions(world, users), BestRecommender(users)
        else:
            data = load_interactions(request.data)  # drawn by seed 0, as in training: --seed must not move a click
        if request.questions is not None:
            report = FeedReport()
            data = with_test_clicks(data, request.questions, report=report)
            if report.rejected or report.warnings:
                errors.print(f"{request.questions}: {report}")
    shown = data.only("train")  # all that a recommender is told
    with errors.status(f"counting clicks of {data.num_users:,} users"):
        recommender, name, sha256 = _recommender(request, shown)
        controls = {one: fit(shown) for one, fit in COUNTED.items() if one != name} if request.control else {}
    with errors.status(f"ranking {data.num_outfits:,} outfits by {name}"):
        found = evaluate_recommender(
            data,
            recommender,
            request.split or "test",
            num_users=request.num_queries,
            seed=request.seed,
            controls=controls,
            reference=reference,
        )
    caption = f"{found.num_users:,} users, {found.num_positives:,} clicks to be found (0 to 1)"
    return Measured(found, name, sha256, caption)


def _recommender(request: Request, shown: Interactions) -> tuple[OutfitRecommender, str, str]:
    """One that counts by its name, or a trained one by its folder; its name and the sha256 of its vectors."""
    from modiste.models.recommenders import COUNTED

    if request.model in COUNTED:
        return COUNTED[request.model](shown), request.model, ""
    folder = Path(request.model)
    if not request.model or not folder.is_dir():
        said = f"{request.model!r} is neither: " if request.model else ""
        raise ValueError(f"--model: {said}{' or '.join(COUNTED)}, or the folder of a trained recommender")
    from modiste.engine.tastes import ARRAYS, TasteRecommender, load_tastes, tastes_folder
    from modiste.files import sha256_of

    tastes = load_tastes(folder)
    sha256 = sha256_of(tastes_folder(folder) / ARRAYS)
    return TasteRecommender(tastes, shown.user_ids, shown.outfit_ids), tastes.name or folder.name, sha256


def run_composed(request: Request) -> Measured:
    """Photo and words together, beside either half alone."""
    from modiste.data.composed import load_composed
    from modiste.evaluation.composed import evaluate_composed
    from modiste.models.pretrained import load

    with errors.status(f"reading {request.data}"):
        data = load_composed(request.data, request.split, request.seed, gallery=request.gallery, images=request.images)
    names = _per_gallery(request.model, tuple(data.galleries))
    loaded = {name: load(name or None, device=request.device) for name in dict.fromkeys(names.values())}
    encoders = {part: loaded[name] for part, name in names.items()}
    said = " + ".join(one.id.name for one in loaded.values())
    with errors.status(f"asking {said}"):
        report = evaluate_composed(
            data,
            encoders,
            seed=request.seed,
            num_queries=request.num_queries or None,
            controls=request.control,
        )
    if report.without_photo or report.missing_photos:
        errors.print(
            f"{report.without_photo:,} questions left out for want of a photo; {report.missing_photos:,} photos missing"
        )
    caption = f"{report.num_queries:,} questions of {sum(report.galleries.values()):,} photos (percent)"
    if report.gallery:
        many = "one model for all categories" if report.models == 1 else f"{report.models} models"
        caption = f"gallery {report.gallery}, {many}, {caption}"
    return Measured(report, said, "+".join(one.id.sha256 for one in loaded.values()), caption)


def _per_gallery(model: str, parts: tuple[str, ...]) -> dict[str, str]:
    """One model for every gallery, or "dress=A,shirt=B,toptee=C"; raises `ValueError` for a gallery that is not there."""
    if "=" not in model or parts == ("",):
        return dict.fromkeys(parts, model)
    said = (one.partition("=") for one in model.split(","))
    given = {part.strip(): name.strip() for part, _, name in said}
    if set(given) != set(parts) or not all(given.values()):
        raise ValueError(f"--model {model!r}: name one model, or one for each of {', '.join(parts)}: dress=NAME,...")
    return given


def run_captioning(request: Request) -> Measured:
    """A model that writes titles, beside a sentence of labels and the most typical title."""
    from modiste.data.sources import load_items
    from modiste.evaluation.captioning import evaluate_captioning
    from modiste.models.pretrained import load_captioner

    captioner = load_captioner(request.model or None, device=request.device)
    with errors.status(f"reading {request.data}"):
        items = load_items(request.data, request.split)
    with errors.status(f"describing {len(items):,} photos with {captioner.name}"):
        report = evaluate_captioning(
            items,
            captioner,
            beams=request.beams,
            reference=cast("Told", request.reference),
            seed=request.seed,
            num_queries=request.num_queries or None,
            controls=request.control,
        )
    if report.left_out:
        errors.print(f"{', '.join(report.left_out)} left out: it needs Java, and there is none here")
    caption = f"{report.num_items:,} photos, {report.num_references:,} references (times 100; a perfect CIDEr is 1000)"
    return Measured(report, captioner.name, captioner.sha256, caption)


RUNNERS: Mapping[Kind, Callable[[Request], Measured]] = MappingProxyType(
    {
        "retrieval": run_retrieval,
        "recognition": run_recognition,
        "generation": run_generation,
        "composed": run_composed,
        "captioning": run_captioning,
        "consumer_to_shop": run_consumer_to_shop,
        "photo_classes": run_photo_classes,
        "outfits": run_outfits,
        "recommendation": run_recommendation,
    }
)


def _drawn(items: Sequence[Item], request: Request) -> list[Item]:
    """`num_queries` of the items, drawn by the seed from the order of ids; all when it is 0."""
    import numpy as np

    if not request.num_queries:
        return list(items)
    if not 1 <= request.num_queries <= len(items):
        raise ValueError(f"--num-queries must lie between 1 and the {len(items)} items, not {request.num_queries}")
    order = sorted(items, key=lambda item: item.id)
    chosen = np.random.default_rng(request.seed).choice(len(order), request.num_queries, replace=False)
    return [order[number] for number in sorted(chosen)]


def _has_training_split(request: Request) -> bool:
    """Whether what is measured is one split and there is another to learn from."""
    from modiste.data.sources import has_split

    generated = request.data.startswith("atelier")  # has no files, but is split by product like any table
    return request.split in ("valid", "test") and (generated or has_split(request.data, "train"))
