"""The visible plan of a search by an item or a photo and words: its chips, what they do, by mouse, keyboard and on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from modiste.data.atelier import Atelier

Settled = Callable[[Page], Page]
WORLD = Atelier(seed=11, image_size=(120, 160))  # as conftest.py draws it
STRIPED = next(item for at in range(140) if (item := WORLD.item(at, image=False)).attributes["pattern"] == "stripes")
PHONE = {"width": 390, "height": 844}


def patterns(page: Page) -> list[str]:
    shown = [one.get_attribute("data-id") or "" for one in page.locator(".results .card-main").all()]
    known = {f"atelier-{at:06d}": at for at in range(140)}
    return [str(WORLD.design(known[one]).get("pattern")) for one in shown if one in known]


def found(page: Page) -> int:
    """Among how many items."""
    return int(page.locator(".found").inner_text().split(" of ")[1].split()[0].replace(",", ""))


def ask_for_more_like(page: Page, settled: Settled, words: str) -> None:
    page.get_by_role("searchbox").fill(STRIPED.title)
    expect(page.locator(".found")).to_contain_text("Best matches first")
    settled(page).locator(f'.results .card-main[data-id="{STRIPED.id}"]').click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("More like this, but").fill(words)
    sheet.get_by_label("More like this, but").press("Enter")
    expect(page.locator(".plan")).to_be_visible()
    settled(page)


def test_more_like_this_but_shows_its_plan_and_parts_can_be_taken_away(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    expect(page.locator(".plan")).to_be_hidden()
    ask_for_more_like(page, settled, "in red, without stripes")
    plan = page.get_by_role("region", name="What the words mean")
    expect(plan.locator(".chip.change")).to_have_text(f"colour: red ← {STRIPED.attributes['colour']}")
    expect(plan.locator(".chip.without")).to_have_text("without: stripes")
    expect(plan.locator(".chip.kept").first).to_contain_text("kept category")
    assert {"stripes", "pinstripes"}.isdisjoint(patterns(page))
    few = found(page)
    plan.get_by_role("button", name="Not this: without: stripes").click()
    expect(plan.locator(".chip.without")).to_have_count(0)
    expect(plan.locator(".chip.kept", has_text="pattern")).to_have_text("kept pattern: stripes")
    settled(page)
    assert found(page) > few
    plan.get_by_role("button", name="All of it again").click()
    expect(plan.locator(".chip.without")).to_have_count(1)
    settled(page)
    assert "stripes" not in patterns(page)


def test_another_question_has_its_whole_plan(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    ask_for_more_like(page, settled, "without stripes")
    page.get_by_role("button", name="Not this: without: stripes").click()
    expect(page.locator(".plan .chip.without")).to_have_count(0)
    page.get_by_role("searchbox").fill("without stripes, cheaper")
    expect(page.locator(".plan .chip.without")).to_have_text("without: stripes")
    expect(page.locator(".plan .chip.change")).to_contain_text("price: below")
    page.get_by_role("button", name="Search without the photo").click()
    page.get_by_role("searchbox").fill("boots")
    expect(page.locator(".plan")).to_be_hidden()


def test_the_keyboard_takes_parts_away_and_keeps_its_place(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    ask_for_more_like(page, settled, "in red, without stripes")
    buttons = page.locator(".plan .icon-button")
    buttons.first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".plan .chip.change")).to_have_count(0)
    expect(buttons.first).to_be_focused()  # of what came into its place
    expect(buttons.first).to_have_attribute("aria-label", "Not this: without: stripes")
    page.keyboard.press("Space")
    expect(page.locator(".plan .chip.without")).to_have_count(0)
    expect(buttons.first).to_be_focused()


def test_a_photo_with_words_says_what_is_not_known(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    photo = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": WORLD.customer_photo(3)}
    page.locator("#search-photo").set_input_files(photo)
    expect(page.locator(".given")).to_contain_text("Like this photo")
    page.get_by_role("searchbox").fill("with long sleeves, shorter")
    expect(page.locator(".plan .chip.change").first).to_contain_text("sleeves: long (the reference's is not known")
    expect(page.locator(".plan")).to_contain_text("so it is not asked for")


def test_words_alone_that_deny(visit: Any, settled: Settled) -> None:
    page = settled(visit(f"#q={quote('dress without polka dots')}"))
    expect(page.locator(".plan .chip.without")).to_have_text("without: polka dots")
    settled(page)
    assert "polka dots" not in patterns(page)


def test_words_in_a_plan_stay_words(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    page.get_by_role("searchbox").fill("boots without <img src=x onerror=alert(1)>")
    expect(page.locator(".plan .chip.without")).to_contain_text(re.compile("without: .*img src"))
    expect(page.locator(".plan img")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_the_plan_in_one_line(visit: Any, settled: Settled, artefacts: Path, scheme: str) -> None:
    page = settled(visit(viewport=PHONE, color_scheme=scheme))
    ask_for_more_like(page, settled, "in red, without stripes")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator(".plan .chips").bounding_box()
    assert box is not None
    assert box["height"] < 60
    page.screenshot(path=artefacts / f"plan-phone-{scheme}.png")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.screenshot(path=artefacts / f"plan-{scheme}.png")
