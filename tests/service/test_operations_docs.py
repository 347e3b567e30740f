"""docs/operations.md: metrics and alerts name what the service counts, units and servers what it takes."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def exposed() -> set[str]:
    """Names as Prometheus gets them, with the labels that each has."""
    from prometheus_client import REGISTRY

    from modiste.service import metrics

    assert metrics.exposition()[0]
    return {
        name
        for family in REGISTRY.collect()
        if family.name.startswith("modiste_")
        for name in (f"{family.name}_total" if family.type == "counter" else family.name,)
    }


def test_the_table_has_every_metric_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `(modiste_\w+)` \|.*\| (.*) \|$", PAGE, flags=re.M))
    assert set(rows) == exposed()


def test_the_labels_are_those_the_service_counts_by() -> None:
    from modiste.service import metrics

    rows = dict(re.findall(r"^\| `(modiste_\w+)` \|.*\| (.*) \|$", PAGE, flags=re.M))
    for one in vars(metrics).values():
        if hasattr(one, "_labelnames"):
            name = one._name + ("_total" if one._type == "counter" else "")
            assert set(re.findall(r"`(\w+)`", rows[name])) == set(one._labelnames), name


def test_alerts_are_rules_about_metrics_that_there_are() -> None:
    rules = yaml.safe_load(re.search(r"```yaml\n(groups:.*?)```", PAGE, flags=re.S)[1])["groups"][0]["rules"]  # type: ignore[index]
    assert len(rules) >= 5
    known = exposed()
    for rule in rules:
        for name in re.findall(r"modiste_\w+", rule["expr"]):
            assert re.sub(r"_(bucket|sum|count)$", "", name) in known, f"{rule['alert']}: {name}"


def test_settings_of_the_service_unit_leave_time_to_stop() -> None:
    from modiste.service import limits

    seconds = re.search(r"TimeoutStopSec=(\d+)", PAGE)
    assert seconds is not None
    assert int(seconds[1]) > limits.DRAIN_SECONDS
    largest = re.search(r"client_max_body_size (\d+)m", PAGE)
    assert largest is not None
    assert int(largest[1]) * 2**20 >= limits.MAX_OUTFIT_BYTES
