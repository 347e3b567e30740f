"""The pictures of docs/page.md, taken on the way through the page by `python scripts/page_pictures.py`.

Left out otherwise: test_page.py takes a screenshot of every room.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.skipif(
    "MODISTE_PAGE_PICTURES" not in os.environ, reason="pictures are taken by scripts/page_pictures.py"
)
Settled = Callable[[Page], Page]
PHONE = {"width": 390, "height": 844}
COLOURS = 256  # of a picture's palette
WIDTH = 1120


@pytest.fixture
def take(artefacts: Path) -> Callable[[str, Page], None]:
    """Take a picture once the last note is gone."""

    def picture(name: str, page: Page) -> None:
        page.evaluate("document.getElementById('note').classList.remove('shown')")
        page.mouse.move(5, 500)
        page.screenshot(path=artefacts / f"{name}.png")

    return picture


def test_search(visit: Any, settled: Settled, take: Any) -> None:
    page = settled(visit())
    page.get_by_role("searchbox").fill("navy striped t-shirt")
    expect(page.locator(".found")).to_contain_text("Best matches first")
    take("page_search", settled(page))


def test_detail(visit: Any, settled: Settled, take: Any) -> None:
    page = settled(visit())
    page.get_by_role("searchbox").fill("red dress with polka dots")
    expect(page.locator(".found")).to_contain_text("Best matches first")
    settled(page).locator(".results .card-main").first.click()
    expect(page.get_by_role("heading", name="Similar items")).to_be_visible()
    take("page_detail", settled(page))


def test_plan(visit: Any, settled: Settled, take: Any) -> None:
    page = settled(visit())
    page.get_by_role("searchbox").fill("blue striped shirt dress")
    expect(page.locator(".found")).to_contain_text("Best matches first")
    settled(page).locator(".results .card-main").first.click()
    page.get_by_label("More like this, but").fill("in red or pink, with short sleeves, no stripes")
    page.keyboard.press("Enter")
    expect(page.locator(".plan .chip.without")).to_have_text("without: stripes")
    take("page_plan", settled(page))


def complete(page: Page, settled: Settled) -> None:
    page.get_by_label("Wish for the top, in words").fill("navy striped t-shirt")
    page.get_by_label("Wish for the shoes, in words").fill("white sneakers")
    page.get_by_role("button", name="Complete the look").click()
    expect(page.locator(".slot:not(.filled)")).to_have_count(0)
    settled(page)
    page.locator(".slot").first.hover()
    page.get_by_role("button", name="Lock the top").click()


def test_board(visit: Any, settled: Settled, take: Any) -> None:
    page = settled(visit(viewport={"width": 1440, "height": 1180}))
    complete(page, settled)
    page.get_by_role("searchbox").fill("white trousers")
    expect(page.locator(".found")).to_contain_text("Best matches first")
    page.evaluate("document.querySelector('.board-body').scrollTo(0, 0)")
    take("page_board", settled(page))


def test_looks(visit: Any, settled: Settled, take: Any) -> None:
    page = settled(visit("#view=looks", color_scheme="dark", viewport={"width": 1440, "height": 1000}))
    page.get_by_label("Describe a look in a sentence").fill("navy and white office look")
    page.keyboard.press("Enter")
    expect(page.locator(".room-looks .look").first).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Take to the board").nth(0).click()
    page.evaluate("scrollTo(0, 0)")
    take("page_looks", settled(page))


def test_phone(visit: Any, settled: Settled, take: Any, artefacts: Path) -> None:
    page = settled(visit(viewport=PHONE, has_touch=True, device_scale_factor=2))
    page.get_by_role("searchbox").fill("linen dress")
    expect(page.locator(".found")).to_contain_text("Best matches first")
    take("phone_search", settled(page))
    page.get_by_role("button", name="Board", exact=True).tap()
    complete(page, settled)
    page.evaluate("scrollTo(0, 0)")
    take("phone_board", settled(page))
    page.get_by_role("button", name="Looks", exact=True).tap()
    page.get_by_label("Describe a look in a sentence").fill("summer wedding, pastel")
    page.keyboard.press("Enter")
    expect(page.locator(".room-looks .look").first).to_be_visible()
    page.evaluate("scrollTo(0, 0)")
    take("phone_looks", settled(page))
    parts = [Image.open(artefacts / f"phone_{name}.png").convert("RGB") for name in ("search", "looks", "board")]
    side, gap = parts[0].size, 48
    joined = Image.new("RGB", (len(parts) * (side[0] + gap) - gap, side[1]), "white")
    for at, part in enumerate(parts):
        joined.paste(part, (at * (side[0] + gap), 0))
    joined.save(artefacts / "page_phone.png")


def test_renew(artefacts: Path) -> None:
    """After all others: small copies with a palette go where the documentation shows them."""
    for name in ("search", "plan", "detail", "board", "looks", "phone"):
        with Image.open(artefacts / f"page_{name}.png") as image:
            small = image.convert("RGB").resize(
                (WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS
            )
        palette = small.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
        palette.save(Path(os.environ["MODISTE_PAGE_PICTURES"]) / f"page_{name}.png", optimize=True)
