"""Finding items: by words, by a photo, by both, within filters, with the keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from modiste.data.atelier import Atelier

Settled = Callable[[Page], Page]
WORLD = Atelier(seed=11, image_size=(120, 160))  # as conftest.py draws it


def titles(page: Page) -> list[str]:
    return page.locator(".results .card-title").all_inner_texts()


def test_results_come_while_one_types_and_an_overtaken_search_is_forgotten(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    expect(page.locator(".found")).to_contain_text("items")
    before = titles(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/search" in request.url else None)
    page.get_by_role("searchbox").press_sequentially("black leather boots", delay=5)
    expect(page.locator(".found")).to_contain_text("Best matches first")
    settled(page)
    assert titles(page) != before
    assert any("boots" in title.lower() for title in titles(page)[:4])
    assert len(asked) < len("black leather boots") / 2  # letters in a row are one search
    page.get_by_role("searchbox").press("Escape")
    expect(page.locator(".found")).not_to_contain_text("Best matches first")
    assert titles(settled(page))[: len(before)] == before


def test_a_search_is_in_the_address_and_survives_a_reload(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    page.get_by_role("searchbox").fill("red dress")
    expect(page.locator(".found")).to_contain_text("Best matches first")
    found = titles(settled(page))
    expect(page).to_have_url(re.compile("q=red\\+dress"))
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("red dress")
    expect(page.locator(".found")).to_contain_text("Best matches first")
    assert titles(settled(page)) == found


def test_words_that_the_encoder_cannot_read_are_named_and_alone_they_are_refused(visit: Any, settled: Settled) -> None:
    page = settled(visit(expected=(422,)))
    page.get_by_role("searchbox").fill("платье dress")
    warned = page.locator('[data-part="warnings"]')
    expect(warned).to_contain_text("cannot read 'платье'")
    assert titles(settled(page))
    page.get_by_role("searchbox").fill("dress")
    expect(warned).to_be_hidden()
    page.get_by_role("searchbox").fill("红色连衣裙")
    expect(page.locator(".foot")).to_contain_text("cannot read '红色连衣裙'")
    assert not titles(page)


@pytest.mark.parametrize("way", ["pick", "drop", "paste"])
def test_search_by_a_photo_and_by_photo_and_words(visit: Any, settled: Settled, way: str) -> None:
    """A customer's photo finds its item; the words then count too."""
    page = settled(visit())
    photo = WORLD.customer_photo(3)
    if way == "pick":
        page.locator("#search-photo").set_input_files({"name": "me.jpg", "mimeType": "image/jpeg", "buffer": photo})
    else:
        page.evaluate(
            """([bytes, way]) => {
              const transfer = new DataTransfer();
              transfer.items.add(new File([new Uint8Array(bytes)], "me.jpg", { type: "image/jpeg" }));
              const goal = document.querySelector(way === "drop" ? ".room-find" : "#q");
              const more = { bubbles: true, cancelable: true };
              goal.dispatchEvent(way === "drop" ? new DragEvent("drop", { dataTransfer: transfer, ...more })
                                                : new ClipboardEvent("paste", { clipboardData: transfer, ...more }));
            }""",
            [list(photo), way],
        )
    expect(page.locator(".given")).to_contain_text("Like this photo")
    expect(page.locator(".found")).to_contain_text("Best matches first")
    found = titles(settled(page))
    assert WORLD.item(3, image=False).title in found[:12]
    page.get_by_role("searchbox").fill("a leather handbag")
    expect(page.locator(".results .card-title").first).not_to_have_text(found[0])
    settled(page)
    page.get_by_role("button", name="Search without the photo").click()
    expect(page.locator(".given")).to_be_hidden()


def test_a_file_that_is_no_photo_is_refused_in_words(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    for name, kind, content in (
        ("notes.jpg", "image/jpeg", b"not a picture"),
        ("drawing.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' onload='window.pwned=1'/>"),
    ):
        page.locator("#search-photo").set_input_files({"name": name, "mimeType": kind, "buffer": content})
        expect(page.locator("#note")).to_contain_text("Choose a JPEG, PNG or WebP")
        page.evaluate("document.getElementById('note').textContent = ''")
    expect(page.locator(".given")).to_be_hidden()


def test_filters_become_chips_and_only_what_passes_them_is_shown(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    page.locator("summary", has_text=re.compile("^Colour")).click()
    page.get_by_role("checkbox", name="navy").check()
    page.get_by_role("checkbox", name="black").check()
    page.keyboard.press("Escape")
    page.locator("summary", has_text=re.compile("^Price")).click()
    page.get_by_label("To", exact=True).fill("60")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_count(3)
    settled(page)
    colours = {WORLD.item(at, image=False).id: WORLD.item(at, image=False).attributes for at in range(140)}
    shown = [one.get_attribute("data-id") or "" for one in page.locator(".results .card-main").all()]
    known = [colours[one] for one in shown if one in colours]
    assert known
    assert all(one["colour"] in ("navy", "black") and float(one["price"]) <= 60 for one in known)  # type: ignore[arg-type]
    page.get_by_role("button", name="Without navy").click()
    expect(page.locator(".chip")).to_have_count(2)
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator(".chip")).to_have_count(0)


def test_nothing_found_says_what_to_do(visit: Any, settled: Settled) -> None:
    page = settled(visit("#f=price%3E%3D100000"))
    expect(page.locator(".foot")).to_contain_text("Nothing found")
    page.get_by_role("button", name="Without filters").click()
    expect(page.locator(".results .card").first).to_be_visible()


def test_further_pages_come_when_one_scrolls_each_item_once(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    total = int(page.locator(".found").inner_text().split()[0])
    cards = page.locator(".results .card-main")
    for _ in range(40):
        if cards.count() >= total:
            break
        page.mouse.wheel(0, 20_000)
        page.wait_for_timeout(100)
    ids = [one.get_attribute("data-id") for one in cards.all()]
    assert len(ids) == len(set(ids)) == total
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)


def test_the_keyboard_alone_searches_walks_opens_and_adds(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    page.keyboard.press("/")
    page.keyboard.type("white sneakers")
    expect(page.locator(".found")).to_contain_text("Best matches first")
    settled(page)
    page.keyboard.press("ArrowDown")
    cards = page.locator(".results .card-main")
    expect(cards.nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(cards.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    below = page.evaluate("document.activeElement.getBoundingClientRect().top")
    page.keyboard.press("ArrowUp")
    expect(cards.nth(1)).to_be_focused()
    assert below > page.evaluate("document.activeElement.getBoundingClientRect().top")
    title = cards.nth(1).locator(".card-title").inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name=title)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(cards.nth(1)).to_be_focused()  # back where one was
    page.keyboard.press("a")
    expect(page.locator(".slot.filled")).to_have_count(1)
    page.keyboard.press("Control+z")
    expect(page.locator(".slot.filled")).to_have_count(0)


def test_an_item_in_full_and_more_like_it_but_different(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    page.get_by_role("searchbox").fill("striped t-shirt")
    expect(page.locator(".found")).to_contain_text("Best matches first")
    settled(page)
    card = page.locator(".results .card-main").first
    title = card.locator(".card-title").inner_text()
    card.click()
    sheet = page.get_by_role("dialog", name=title)
    expect(sheet.get_by_role("heading", name="Recognised")).to_be_visible()
    expect(sheet.get_by_role("heading", name="Similar items")).to_be_visible()
    expect(sheet.locator(".attributes").first).to_contain_text("Colour")
    assert sheet.locator(".strip .card").count() >= 5
    sheet.get_by_label("More like this, but").fill("in red")
    sheet.get_by_role("button", name="Find", exact=True).click()
    expect(page.locator(".given")).to_contain_text(title)
    expect(page.get_by_role("searchbox")).to_have_value("in red")
    settled(page)
    assert title not in titles(page)  # what it shall be like is no answer
