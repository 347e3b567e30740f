"""The page of pictures: escaped, self-contained, and honest about what has no photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.cli.contact_sheet import Row, write_contact_sheet
from modiste.types import Item

PHOTO = np.full((40, 30, 3), 200, np.uint8)
PROBES = [
    '<img src=x onerror="alert(1)">',
    "</style><script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "javascript:alert(1)",
    "&lt;",
]


def test_every_text_is_escaped(tmp_path: Path) -> None:
    hits = [(Item(f"i{n}", probe, PHOTO if n % 2 else None, category=probe), 0.5) for n, probe in enumerate(PROBES)]
    page = write_contact_sheet(
        tmp_path / "p.html", PROBES[0], [Row(PROBES[1], PHOTO, hits, PROBES[2]), Row("", None, [])]
    )
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert 'onerror="' not in text
    assert "49" not in text.split("<body>")[1].split("base64")[0]
    assert text.count("no photo") == 3
    assert "Nothing matches" in text


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60))
def test_any_title_makes_a_page(title: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        page = write_contact_sheet(Path(folder) / "p.html", title, [Row(title, None, [(Item("a", title, PHOTO), 1.0)])])
        body = page.read_bytes().decode("utf-8")
    assert body.count("<section>") == 1
    assert body.count('<li class="card">') == 1
