"""`modiste search`: find items by words, by photo or another item, or by these and words that say what shall be different."""

from __future__ import annotations

from pathlib import Path

import typer

EXACT_SHORTLIST = 100
EXPLAINED = 5  # hits whose matched regions are drawn


def search(
    catalogue: Path = typer.Argument(..., help="The catalogue's folder, as `modiste index` made it."),
    words: str = typer.Argument("", help='What to look for: "red dress with polka dots".'),
    image: Path = typer.Option(None, "--image", "-i", help="A photo to search with."),
    like: str = typer.Option("", "--like", metavar="ID", help="An item of the catalogue to start from."),
    filters: list[str] = typer.Option(
        [], "--filter", "-f", help="FIELD OP VALUE: colour=Red|Blue, price<50, title~linen. Several are joined by and."
    ),
    k: int = typer.Option(10, "-k", "--top", min=1, max=1000, help="How many to show."),
    per_product: bool = typer.Option(False, "--per-product", help="Show one item of each product (group)."),
    html: Path = typer.Option(None, "--html", help="Also write a page with pictures."),
    rerank: int = typer.Option(
        None,
        min=1,
        max=1000,
        help="Judge the first N hits again, pair by pair.  [default: 25 with an MVLT's catalogue, else none]",
    ),
    no_plan: bool = typer.Option(
        False,
        "--no-plan",
        help="Leave photo and words to the encoder: no plan of what changes, is left out and is kept.",
    ),
    no_rerank: bool = typer.Option(False, "--no-rerank", help="Keep the order of the first search."),
    exact: bool = typer.Option(
        False,
        "--exact",
        help="Find the very item on the photo: its regions are compared with those of the first 100 hits.",
    ),
    model: str = typer.Option("", help="Where the catalogue's encoder is, if it has moved since."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Search a catalogue by words, by photo, or by both ("like this, but red").

    Words beside a photo or an item become a plan, which is shown: what changes, what is left out ("without stripes"), what is
    kept. Words alone have one where they deny something or bound the price.

    In a catalogue of an MVLT model the first 25 hits get a second look: its matching head judges query and item together.

    ```console
    modiste search shop "black leather ankle boots"
    modiste search shop --image photo.jpg --html found.html
    modiste search shop "the same, but red" --image photo.jpg --filter "price<80" --filter "category=Dress"
    modiste search shop "like this, but cheaper and without stripes" --like A-4
    modiste search shop "boots, not leather, under 120"
    modiste search shop "beige linen blazer" --rerank 100
    modiste search shop --image photo.jpg --exact --html matched.html
    ```
    """
    from modiste.cli.console import print_json, results, say
    from modiste.cli.contact_sheet import Row, write_contact_sheet
    from modiste.engine.catalogue import Catalogue
    from modiste.models.pretrained import load
    from modiste.service.composing import heard

    if not words.strip() and image is None and not like:
        raise ValueError('nothing to search for: give words, such as "red dress", or a photo with --image FILE')
    if image is not None and like:
        raise ValueError("--image and --like both say what to start from; give one of them")
    if rerank is not None and no_rerank:
        raise ValueError("--rerank and --no-rerank are opposites; give one of them")
    if exact and (image is None or words.strip() or no_rerank):
        raise ValueError("--exact looks for the very item on a photo: give --image FILE, no words, and not --no-rerank")
    photo = image.read_bytes() if image is not None else None
    store = Catalogue.open(catalogue)
    start = store.get(like, image=True) if like else None
    encoder = load(model or store.model or store.encoder_id.name)
    judge = _judge(store, encoder, words, rerank, exact=exact, no_rerank=no_rerank)
    plan = None if no_plan or exact else _plan(store, encoder, words, photo, start)
    if plan is not None and rerank is not None:
        raise ValueError("--rerank: the order is the plan's here; add --no-plan to have pairs judged")
    asked, plan = heard(encoder, words, plan, alone=photo is None and start is None)
    found, seen = find(
        store, encoder, asked.words, photo, k=k, judge=judge, shortlist=rerank or (EXACT_SHORTLIST if exact else None),
        filters=filters, collapse="group" if per_product else None, images=html is not None, like=start, plan=plan,
    )  # fmt: skip
    shown = seen.hits[:k]
    if html is not None:
        hits = [(hit.item, hit.score) for hit in shown]
        shown_photo = photo if start is None else start.image
        rows = [Row(words, shown_photo, hits, _told(plan))]
        if exact:
            rows.append(matched_row(shown_photo, hits[:EXPLAINED], judge))
        write_contact_sheet(html, f"{len(hits)} of {found.total_candidates:,} items", rows)
    if json:
        print_json(
            {
                "query": {
                    "text": words,
                    "image": str(image) if image else None,
                    "like": like or None,
                    "filters": filters,
                },
                "plan": plan.as_dict() if plan is not None else None,
                "warnings": list(asked.warnings),
                "encoder": {"name": store.encoder_id.name, "sha256": store.encoder_id.sha256},
                "candidates": found.total_candidates,
                "seconds": round(found.seconds, 6),
                "reranker": judge.name if seen.log_odds else None,
                "exact": exact,
                "reranked": len(seen.log_odds),
                "rerank_seconds": round(seen.seconds, 6),
                "hits": [_hit_values(hit, seen.log_odds) for hit in shown],
            }
        )
        return
    for warning in asked.warnings:
        say(f"note: {warning}")
    if plan is not None:
        say(_told(plan))
    results.print(hits_table([(hit.item, hit.score) for hit in shown], seen.log_odds))
    if seen.log_odds:
        say(f"the first {len(seen.log_odds)} were judged again in {seen.seconds:.2f} s (match: log-odds)")
    if html is not None:
        say(f"pictures: {html}")


def _hit_values(hit, log_odds):  # type: ignore[no-untyped-def]
    match = log_odds.get(hit.item.id)
    return {
        "id": hit.item.id,
        "score": round(hit.score, 6),
        "match": None if match is None else round(match, 4),
        "title": hit.item.title,
        "category": hit.item.category,
        "group": hit.item.group,
        "attributes": dict(hit.item.attributes),
    }


def _judge(store, encoder, words, rerank, *, exact, no_rerank):  # type: ignore[no-untyped-def]
    """Who takes a second look at the first hits, or None; raises `ValueError` where one is asked for and there is none."""
    from modiste.models.pretrained import reranker_of
    from modiste.service.exact import open_judge

    if exact:
        return open_judge(store)
    if no_rerank or (rerank is None and not words.strip()):
        return None  # a photo is compared with photos
    judge = reranker_of(encoder)
    if judge is None and rerank is not None:
        raise ValueError(f"--rerank: {encoder.id.name} has no matching head; index with an MVLT model to have one")
    if rerank is None and judge is not None and not judge.share:
        return None  # a judge without a say needs no hearing: only if asked for
    return judge


def _plan(store, encoder, words, photo, like):  # type: ignore[no-untyped-def]
    """The plan of the words beside what the search starts from, or None; a photo's values are told by the model."""
    from modiste.models.pretrained import load_recogniser, recogniser_of
    from modiste.service.composing import plan_of, tags_of

    tags = None
    if photo is not None and words.strip():
        tags = tags_of(recogniser_of(encoder) or load_recogniser(), photo)
    return plan_of(store.snapshot(), words, like=like, tags=tags)


def _told(plan):  # type: ignore[no-untyped-def]
    """The plan in words, with what could not be done; empty without one."""
    return ". ".join((str(plan), *plan.notes)) if plan is not None else ""


def find(  # type: ignore[no-untyped-def]
    store, encoder, words="", photo=None, *, k, judge=None, shortlist=None, images=False, like=None, plan=None, **where
):
    """Search, and let `judge` (a Reranker, or None) re-order the first `shortlist` hits: what was found, and the second look.

    `like`: an item of the catalogue to start from, which is no answer itself; `plan`: searches by it, without a second look.
    `where`: filters and collapse, as `Catalogue.search` takes them. The second look may hold more than `k` hits.
    """
    from modiste.engine.composed import composed_search
    from modiste.engine.photo_features import ExactJudge
    from modiste.engine.rerank import SHORTLIST, SecondLook, look_again
    from modiste.service.composing import encoded_query, hearing, query_words
    from modiste.types import Item

    if like is not None:
        photo, where = like.image, {**where, "exclude": [like.id]}
    if plan is not None:
        query = encoded_query(encoder, query_words(plan.words, like, photo), photo)
        found = composed_search(store, query, plan, hearing(encoder), k=k, images=images, **where)
        return found, SecondLook(found.hits, {}, 0.0)
    words = query_words(words, like, photo)
    shortlist = (shortlist or SHORTLIST) if judge is not None else 0
    found = store.search(
        encoder.encode_query(words, photo), k=max(k, shortlist),
        images=images or not (judge is None or isinstance(judge, ExactJudge)), **where,
    )  # fmt: skip
    if judge is None:
        return found, SecondLook(found.hits, {}, 0.0)
    asked = Item("query", words, photo)
    return found, look_again(asked, found.hits, judge, shortlist=shortlist, share=judge.share, scale=judge.logit_scale)


def matched_row(photo, hits, judge):  # type: ignore[no-untyped-def]
    """The photo beside each hit, with the regions that matched drawn on both, as a row of a contact sheet."""
    from modiste.cli.contact_sheet import Row
    from modiste.cli.matched_regions import matched_pair
    from modiste.types import Item

    scorer = judge.comparer
    known, features = judge.features.find(judge.catalogue.snapshot(), [item.id for item, _ in hits])
    asked = scorer.features([photo])[0]
    described = [hit for hit, is_known in zip(hits, known, strict=True) if is_known]
    drawn = []
    for (item, score), row in zip(described, features, strict=True):
        if item.image is None:
            continue
        pair = matched_pair(
            photo, item.image, scorer.model.config.image_size, scorer.heat(asked, row), scorer.regions(asked, row)
        )
        drawn.append((Item(item.id, item.title, pair, item.category), score))
    note = "Left the photo, right the item. Bright: spoke for a match; same number: same pair."
    return Row("what matched", None, drawn, note, wide=True)


def hits_table(hits, log_odds=None):  # type: ignore[no-untyped-def]
    """The hits as a rich table: rank, score, match where it was judged, title, category, colour, price, id."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("", justify="right", style="dim")
    table.add_column("score", justify="right")
    if log_odds:
        table.add_column("match", justify="right")
    table.add_column("title", overflow="fold")
    for column in ("category", "colour", "price", "id"):
        table.add_column(column)
    for rank, (item, score) in enumerate(hits, 1):
        cells = (
            item.title,
            item.category,
            item.attributes.get("colour", ""),
            item.attributes.get("price", ""),
            item.id,
        )
        match = [f"{log_odds[item.id]:+.2f}" if item.id in log_odds else ""] if log_odds else []
        table.add_row(str(rank), f"{score:.3f}", *match, *(escape(str(cell)) for cell in cells))
    return table
