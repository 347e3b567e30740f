"""The reference's own examples, asked of the service as they stand."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"^curl .*$", PAGE.partition("<!-- curl:begin -->")[2].partition("<!-- curl:end -->")[0], flags=re.M
)


@pytest.mark.parametrize("line", EXAMPLES, ids=lambda line: urlsplit(shlex.split(line)[1]).path)
def test_an_example_is_answered(client: Any, photo: bytes, line: str) -> None:
    _, address, *options = shlex.split(line)
    url = urlsplit(address)
    path = url.path + (f"?{url.query}" if url.query else "")
    given = [value.partition("=") for flag, value in pairwise(options) if flag == "-F"]
    fields = [(name, value) for name, _, value in given]
    if "--json" in options:
        answer = client.post(path, json=json.loads(options[options.index("--json") + 1]))
    elif fields:
        files = {name: (value, photo) for name, value in fields if value.startswith("@")}
        data = {name: value for name, value in fields if not value.startswith("@")}
        answer = client.post(path, files=files, data=data)
    else:
        answer = client.get(path)
    assert answer.status_code == 200, answer.text


def test_every_route_is_in_the_reference(client: Any) -> None:
    assert len(EXAMPLES) >= 14
    for template in client.get("/openapi.json").json()["paths"]:
        path = template.replace("{item_id}", "{id}").replace("{job_id}", "{id}")
        last = path.rsplit("/", 1)[-1]
        assert path in PAGE or (last in ("image", "similar", "rejected") and f".../{last}" in PAGE), path


def test_every_route_field_and_status_is_in_the_reference(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    document = client.get("/openapi.json").json()
    fields = (ROOT / "docs" / "http-fields.md").read_text(encoding="utf-8")
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            section = fields.partition(f"## `{method.upper()} {path}`\n")[2].partition("\n## ")[0]
            assert route["summary"] in section, (method, path)
            for one in route.get("parameters", []):
                assert f"`{one['name']}`" in section, (path, one["name"])
            for status in route["responses"]:
                assert status in section, (path, status)
                assert status[0] == "2" or status == "304" or re.search(rf"^\|.*\b{status}\b", PAGE, flags=re.M), status
    for name, schema in document["components"]["schemas"].items():
        for field in schema.get("properties", {}):
            assert f"`{field}`" in fields, (name, field)
    monkeypatch.syspath_prepend(ROOT / "scripts")
    written = runpy.run_path(str(ROOT / "scripts" / "http_fields.py"))["page"](document)
    assert written == fields, "run python scripts/http_fields.py"


def test_the_problems_of_the_reference_are_those_there_are() -> None:
    from modiste.service.problems import _TITLES

    for kind in _TITLES:
        assert f"`{kind}`" in PAGE, kind
