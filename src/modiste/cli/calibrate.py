"""`modiste calibrate`: from scores to probabilities, fitted on looks that were held out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from modiste.cli import outfit_options as common

if TYPE_CHECKING:
    from modiste.engine.calibration import Calibrator, Method, Reliability
    from modiste.engine.catalogue import Catalogue
    from modiste.evaluation.calibration_data import Scored, VectorsOf
    from modiste.evaluation.outfit_questions import Negatives
    from modiste.models.inference import ImageTextEncoder

_NEGATIVES = ("same_family", "popularity", "random")


def calibrate(
    catalogue: Path = common.CATALOGUE,
    data: str = typer.Option(
        "",
        "--data",
        "-d",
        help="Looks: a source as of `modiste evaluate outfits`: atelier:2000. Without looks only words are calibrated.",
    ),
    scorer: str = common.SCORER,
    out: Path = typer.Option(
        None, "--out", "-o", help="Where it is written.  [default: calibration.json of the catalogue]"
    ),
    split: str = typer.Option("valid", help="The looks that the curve is fitted on."),
    check: str = typer.Option("", help="The looks that it is checked on.  [default: test, else a half of the others]"),
    negatives: str = typer.Option(
        "same_family", help="What looks are told from: same_family, popularity, or random (easy)."
    ),
    method: str = typer.Option(
        "",
        help="log-odds (Platt, over the log-odds of S), logistic (over S itself), or isotonic.  [default: log-odds for a "
        "scorer whose S lies in [0, 1], else logistic]",
    ),
    num_looks: int = typer.Option(2000, min=0, help="At most so many looks of each; 0 for all."),
    words: bool = typer.Option(
        True, help="Also calibrate how well items match words, on the catalogue's own attributes."
    ),
    threshold: float = typer.Option(0.5, min=0, max=1, help="The match under which a wish is 'not in this catalogue'."),
    seed: int = typer.Option(0, help="Of looks, negatives and wishes."),
    html: Path = typer.Option(None, "--html", help="Also write a page with the reliability curves."),
    model: str = common.MODEL,
    device: str = common.DEVICE,
    json: bool = common.JSON,
) -> None:
    """Fit what turns a scorer's S, and the likeness of items and words, into probabilities, and check it on other looks.

    The probability is that of being a stylist's look rather than the same look with every item exchanged (by --negatives), one
    of each. Scores of `score`, `complete` and `generate` are then probabilities, and say how many stylists' looks they beat.
    Without --data only the match of words is calibrated, on the catalogue's own colours and categories, for any scorer.

    ```console
    modiste calibrate shop --data mango_outfits
    modiste calibrate shop --scorer runs/outfits --data mango_outfits --method isotonic --html reliability.html
    modiste calibrate shop
    modiste calibrate shop --data atelier:2000 --out rules.json --json
    ```
    """
    from dataclasses import replace
    from typing import cast

    from modiste.cli.console import errors, print_json, results, say
    from modiste.cli.contact_sheet import write_page
    from modiste.data.outfit_sources import load_outfits
    from modiste.engine.calibration import FILE_NAME, METHODS, Calibration, reference_quantiles
    from modiste.engine.catalogue import Catalogue
    from modiste.evaluation.calibration_data import judged_looks, judged_wishes
    from modiste.service.workbench import load_encoder

    if negatives not in _NEGATIVES:
        raise ValueError(f"--negatives must be one of {', '.join(_NEGATIVES)}, not {negatives!r}")
    if not data and not words:
        raise ValueError("nothing to calibrate: give looks with --data, or leave out --no-words")
    if method and method not in METHODS:
        raise ValueError(f"--method must be one of {', '.join(METHODS)}, not {method!r}")
    choices = common.Choices(catalogue, scorer, data, model=model, device=device)
    store = Catalogue.open(catalogue)
    encoder, named = common.open_scorer(store, choices)
    if words or (data and named.name == "mean-cosine"):
        encoder = encoder or load_encoder(store, choices)
    curve, right, measured = None, None, {}
    if data:
        with errors.status(f"reading {data}"):
            looks = load_outfits(data)

        def judged(part: str) -> Scored:
            asked = sum(
                look.label is None or look.label >= 0.5
                for look in looks.looks.get(part, ())
                if len(set(look.item_ids)) > 1
            )
            return judged_looks(
                looks, part, named.scorer, negatives=cast("Negatives", negatives), seed=seed,
                num_looks=num_looks if num_looks < asked else 0,
                vectors=_vectors(store, encoder) if named.name == "mean-cosine" or named.kind == "trained" else None,
            )  # fmt: skip

        with errors.status(f"asking {named.name}"):
            fitted_on = judged(split)
            check = check or ("test" if looks.looks.get("test") and split != "test" else "")
            if check:
                checked_on = judged(check)
            else:
                fitted_on, checked_on = fitted_on.halves()
        inside = fitted_on.scores.min() >= 0 and fitted_on.scores.max() <= 1
        chosen = method or ("log-odds" if inside else "logistic")
        curve, of_looks = _fit(
            "compatibility", fitted_on, checked_on, fitted_on.scores, checked_on.scores, chosen, seed
        )
        right, measured["compatibility"] = fitted_on.scores[fitted_on.labels == 1], of_looks
    match, nearness = None, None
    if words:
        assert encoder is not None
        snapshot = store.snapshot()
        with errors.status("asking for colours and kinds"):
            wishes = judged_wishes(
                [snapshot.item(row) for row in range(len(snapshot))], snapshot.vectors,
                lambda wish: encoder.encode_query(wish).vectors[0], seed=seed,
            )  # fmt: skip
        if len(wishes):
            one, other = wishes.halves()
            match, measured["match"] = _fit(
                "match", one, other, (1 + one.scores) / 2, (1 + other.scores) / 2, "logistic", seed
            )
            near, far = replace(one, scores=one.below_best), replace(other, scores=other.below_best)
            nearness, measured["nearness"] = _fit(
                "nearness", near, far, 1 + near.scores / 2, 1 + far.scores / 2, "logistic", seed
            )
        else:
            errors.print(f"{catalogue} names no two colours: how well words match stays uncalibrated")
    if not measured:
        raise ValueError(f"nothing to calibrate: {catalogue} names no two colours, and no looks are given with --data")
    made = Calibration(
        curve, match, reference_quantiles(right) if right is not None else (), threshold, named.id if data else "",
        str(store.encoder_id), nearness,
    )  # fmt: skip
    target = made.save(out or store.folder / FILE_NAME)
    if html is not None:
        values = [_chart(name, one) for name, one in measured.items()]
        write_page(
            html, "calibration.html", title="Calibration", note=f"{named}, {data}" if data else "words", curves=values
        )
    if json:
        print_json(
            {
                "catalogue": str(catalogue), "scorer": named.as_dict() if data else None, "data": data, "split": split,
                "check": check or split,
                "negatives": negatives, "seed": seed, "out": str(target),
                **{name: one.as_dict() for name, one in measured.items()},
            }
        )  # fmt: skip
        return
    for name, one in measured.items():
        say(f"[bold]{_TITLES[name]}[/]: {one.fitted:,} questions fitted, {one.checked:,} others checked", markup=True)
        low, high = one.intervals["after"]
        say(
            f"expected calibration error {one.before.ece:.3f} before, {one.after.ece:.3f} after "
            f"(95 % interval {low:.3f} to {high:.3f})"
        )
        results.print(_table(one.after))
    say(f"{named if data else 'words, for any scorer'}; written: {target}")
    if html is not None:
        say(f"pictures: {html}")


_TITLES = {"compatibility": "Go together", "match": "Match words", "nearness": "Match words as well as the nearest"}


class _Measured:
    """How far probabilities were from what happened, before and after."""

    def __init__(
        self, curve: Calibrator, fitted: int, checked: int, before: Reliability, after: Reliability,
        intervals: dict[str, tuple[float, float]],
    ) -> None:  # fmt: skip
        self.curve, self.fitted, self.checked, self.before, self.after = curve, fitted, checked, before, after
        self.intervals = intervals  # of the two errors

    def as_dict(self) -> dict[str, Any]:
        ends = {
            f"ece_{name}_{side}": value
            for name, interval in self.intervals.items()
            for side, value in zip(("low", "high"), interval, strict=True)
        }
        return {
            "fitted": self.fitted, "checked": self.checked, "ece_before": self.before.ece, "ece_after": self.after.ece, **ends,
            "before": self.before.as_dict(), "after": self.after.as_dict(), "curve": self.curve.as_dict(),
        }  # fmt: skip


def _fit(name: str, fitted: Scored, checked: Scored, raw_fitted, raw_checked, method: Method, seed: int):  # type: ignore[no-untyped-def]
    """A curve and its check; `raw_...` are the scores read as probabilities. Raises `ValueError` saying what to do."""
    import numpy as np

    from modiste.engine.calibration import Calibrator, ece_interval, reliability

    for part, one in (("fit", fitted), ("check", checked)):
        if not 0 < one.labels.sum() < len(one):
            raise ValueError(f"{_TITLES[name].lower()}: too few questions to {part} on ({len(one)}); give more data")
    try:
        curve = Calibrator.fit(fitted.scores, fitted.labels, method)
    except ValueError as error:
        raise ValueError(f"{_TITLES[name].lower()}: {error}; is this the right scorer for these looks?") from error
    said = {"before": np.clip(raw_checked, 0, 1), "after": np.clip(curve(checked.scores), 0, 1)}
    found = {name: reliability(one, checked.labels) for name, one in said.items()}
    ends = {name: ece_interval(one, checked.labels, checked.groups, seed=seed) for name, one in said.items()}
    return curve, _Measured(curve, len(fitted), len(checked), found["before"], found["after"], ends)


def _vectors(store: Catalogue, encoder: ImageTextEncoder | None) -> VectorsOf:
    assert encoder is not None
    return lambda items: store.vectors_of(items, encoder)


def _table(found: Reliability):  # type: ignore[no-untyped-def]
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("says", "happens", "questions"):
        table.add_column(column, justify="right")
    for one in found.bins:
        table.add_row(f"{100 * one.predicted:.0f} %", f"{100 * one.observed:.0f} %", f"{one.count:,}")
    return table


def _chart(name: str, found: _Measured) -> dict[str, Any]:
    """A reliability curve for the page: points in a square of 100 by 100, the origin below left."""

    def points(one: Reliability) -> list[dict[str, float]]:
        most = max(part.count for part in one.bins)
        return [
            {
                "x": 100 * part.predicted, "y": 100 - 100 * part.observed, "r": 1 + 2.2 * (part.count / most) ** 0.5,
                "predicted": part.predicted, "observed": part.observed, "count": part.count,
            }
            for part in one.bins
        ]  # fmt: skip

    return {
        "title": _TITLES[name], "fitted": found.fitted, "checked": found.checked,
        "before": points(found.before), "after": points(found.after),
        "ece_before": found.before.ece, "ece_after": found.after.ece,
    }  # fmt: skip
