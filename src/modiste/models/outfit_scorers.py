"""Scorers of outfits by name, as `--scorer` and `modiste evaluate outfits --model` give it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from modiste.data.outfits import OutfitData
    from modiste.models.inference import ImageTextEncoder
    from modiste.models.outfit_statistics import Statistic
    from modiste.types import OutfitScorer

Kind = Literal["rules", "statistic", "trained"]
RULES = "rules"
# Statistics that count nothing, so that no looks are needed.
_WITHOUT_LOOKS = ("mean-cosine", "constant")
_KINDS: dict[Kind, str] = {
    "rules": "documented style rules, nothing learned",
    "statistic": "counted, not trained",
    "trained": "a trained model",
}


@dataclass(frozen=True, slots=True)
class NamedScorer:
    """A scorer, what it is called, and what it is."""

    scorer: OutfitScorer
    name: str
    kind: Kind
    sha256: str = ""  # of a trained model's folder or a statistic's counts; empty for rules

    @property
    def id(self) -> str:
        """What a calibration is kept for."""
        return f"{self.name} ({self.sha256[:12]})" if self.sha256 else self.name

    def __str__(self) -> str:
        return f"{self.name} ({_KINDS[self.kind]})"

    def as_dict(self) -> dict[str, str]:
        return {"name": self.name, "kind": self.kind, "sha256": self.sha256}


def named_scorer(
    name: str,
    looks: Callable[[], OutfitData] | None = None,
    *,
    encoder: ImageTextEncoder | None = None,
    device: str = "cpu",
) -> NamedScorer:
    """The rules; a statistic by its name, counted on the training looks, or from the file it was written to; or a trained
    model by name or folder.

    `looks` reads the data to count, when that is needed. `encoder`: the one whose vectors a trained model will be given; by
    default the model's own is loaded. Raises `ValueError` for an unknown name, a trained model that reads vectors of another
    encoder, and a statistic that needs looks when there are none.
    """
    from modiste.models.outfit_statistics import STATISTICS, fit_statistic, load_statistic

    if name == RULES:
        from modiste.models.stylist import Stylist

        return NamedScorer(Stylist(), RULES, "rules")
    if name in _WITHOUT_LOOKS:
        from modiste.data.outfits import OutfitData

        return _statistic(fit_statistic(name, OutfitData("", {}, {})), name)
    if name in STATISTICS:
        if looks is None:
            raise ValueError(f"--scorer {name} counts training looks: say of which data with --data, or give its file")
        return _statistic(fit_statistic(name, looks()), name)
    if Path(name).is_file():
        return _statistic(load_statistic(name), Path(name).stem)
    if not name:
        raise ValueError(f"no scorer is named: {RULES}, {', '.join(STATISTICS)}, or a trained outfit model")
    from modiste.models.outfit_pretrained import load_outfit_scorer
    from modiste.types import EncoderMismatch

    try:
        trained = load_outfit_scorer(name, encoder=encoder, device=device)
    except EncoderMismatch as error:
        raise ValueError(
            f"{error}: index the catalogue with that encoder (--model), or choose another scorer"
        ) from error
    except ValueError as error:
        raise ValueError(f"{error} (or name a statistic: {', '.join(STATISTICS)}; or {RULES})") from error
    return NamedScorer(trained, trained.name or str(name), "trained", trained.sha256)


def _statistic(statistic: Statistic, name: str) -> NamedScorer:
    written = json.dumps(statistic.to_json(), sort_keys=True, separators=(",", ":"))
    return NamedScorer(statistic, name, "statistic", hashlib.sha256(written.encode()).hexdigest())
