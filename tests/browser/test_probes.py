"""Forty texts that would run as scripts, through everything that shows text: none of them runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Page, expect

from modiste.data.atelier import Atelier

Settled = Callable[[Page], Page]


def unharmed(page: Page) -> None:
    """Nothing ran; and the page is all there (the watch in conftest.py hears dialogs, policy violations and strangers)."""
    assert page.evaluate("window.pwned") is None
    assert page.evaluate("document.querySelectorAll('main, #board, .masthead').length") == 3
    assert page.evaluate("document.querySelectorAll('script').length") == 2
    assert (
        page.evaluate("document.querySelectorAll('iframe, object, embed, base, style, meta[http-equiv]').length") == 0
    )


def test_titles_brands_and_ids_of_the_catalogue(visit: Any, settled: Settled, probes: tuple[str, ...]) -> None:
    page = settled(visit())
    page.locator("summary", has_text=re.compile("^Brand")).click()
    brands = page.locator(".menu[open] label")  # the most frequent ones; each probe is the brand of one item
    hostile = [one for one in brands.all() if one.locator("span").first.inner_text() in probes]
    for one in hostile[:5]:
        one.locator("input").check()
    page.keyboard.press("Escape")
    expect(page.locator(".chip")).to_have_count(5)
    settled(page)
    unharmed(page)
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator(".chip")).to_have_count(0)
    cards = page.locator(".results .card-main")
    for _ in range(60):
        if page.locator(".foot button").count() == 0 and cards.count() > 100:
            break
        page.mouse.wheel(0, 20_000)
        page.wait_for_timeout(50)
    shown = {text.strip() for text in page.locator(".results .card-title").all_text_contents()}
    assert len(shown & {probe.strip() for probe in probes}) >= 35  # word for word; ingest tidies a few
    unharmed(page)
    for at in range(3):
        page.locator(".results .card-main").nth(-1 - at).click()
        expect(page.get_by_role("heading", name="Similar items")).to_be_visible()
        settled(page)
        unharmed(page)
        page.get_by_role("dialog").get_by_role("button", name="Add to the board").click()
        page.keyboard.press("Escape")
    settled(page)
    unharmed(page)


def test_words_that_one_types(visit: Any, settled: Settled, probes: tuple[str, ...]) -> None:
    page = settled(visit())
    for probe in probes:
        page.get_by_role("searchbox").fill(probe)
        page.get_by_label("Wish for the shoes, in words").fill(probe)
        page.get_by_label("What the look is for, in words").fill(probe)
    for probe in probes[:4]:
        page.get_by_role("searchbox").fill(probe)
        expect(page.locator(".found")).to_contain_text("Best matches first")
        settled(page)
    page.get_by_role("button", name="Complete the look").click()
    expect(page.locator(".slot:not(.filled)")).to_have_count(0)
    settled(page)
    unharmed(page)
    page.get_by_role("button", name="Save this look").click()
    page.get_by_role("button", name="Saved", exact=True).click()
    expect(page.locator(".room-saved h3")).to_have_text(probes[-1])
    page.get_by_role("button", name="Looks", exact=True).click()
    page.get_by_label("Describe a look in a sentence").fill(probes[3])
    page.keyboard.press("Enter")
    expect(page.locator(".room-looks .look").first).to_be_visible()
    settled(page)
    unharmed(page)


def test_names_of_photo_files(visit: Any, settled: Settled, probes: tuple[str, ...]) -> None:
    page = settled(visit())
    photo = Atelier(seed=11, image_size=(60, 80)).customer_photo(0)
    picker = page.get_by_label("Photo file for top")
    for probe in probes[::8]:
        picker.set_input_files({"name": f"{probe}.jpg", "mimeType": "image/jpeg", "buffer": photo})
        expect(page.locator(".slot.filled .slot-title")).to_have_text(re.compile(re.escape(probe[-20:].strip())))
        unharmed(page)


def test_addresses(visit: Any, settled: Settled, probes: tuple[str, ...]) -> None:
    """Every part of a link: room, query, filters, slots with ids and wishes, occasion, alpha."""
    page = settled(visit(expected=(404, 422)))
    for probe in probes:
        text = quote(probe, safe="")
        page.evaluate(
            "(hash) => { location.hash = hash; }",
            f"view={text}&q={text}&f={text}&f=colour%3D%22{text}%22&t={text}&a={text}&s={text}*1**{text}",
        )
    settled(page)
    unharmed(page)
    for probe in probes[:3]:
        text = quote(probe, safe="")
        page.evaluate("(hash) => { location.hash = hash; }", f"s=shoes*1*{text}*{text}")
        expect(page.locator("#note")).to_contain_text("Not in this catalogue any more")
    unharmed(page)


def test_what_the_browser_kept_may_have_been_changed(visit: Any, settled: Settled, probes: tuple[str, ...]) -> None:
    page = settled(visit())
    look = {
        "name": probes[3], "at": probes[0], "hash": f"view=board&t={quote(probes[7])}", "score": 0.5,
        "items": [{"id": probes[5], "title": probes[7], "slot": probes[8], "attributes": {}, "image": "javascript:pwned=1"}],
    }  # fmt: skip
    page.evaluate(
        "(looks) => localStorage.setItem('modiste-looks-atelier', JSON.stringify(looks))",
        [look, None, "x", {"hash": 1}],
    )
    page.evaluate("localStorage.setItem('modiste-likes-atelier', '{not json')")
    page.get_by_role("button", name="Saved", exact=True).click()
    expect(page.locator(".room-saved .look")).to_have_count(1)
    page.get_by_role("button", name="Open on the board").click()
    settled(page)
    unharmed(page)
