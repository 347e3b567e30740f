"""The page as a whole: for everybody, at every width, in light and dark; with a key; when things go wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

Settled = Callable[[Page], Page]
PHONE = {"width": 360, "height": 740}


def dressed(page: Page, settled: Settled) -> Page:
    """With a completed look on the board."""
    settled(page)
    page.locator(".slot:not(.filled)").first.wait_for(state="attached")
    page.get_by_label("Wish for the top, in words").fill("striped t-shirt")
    page.get_by_role("button", name="Complete the look").click()
    expect(page.locator(".slot:not(.filled)")).to_have_count(0)
    return settled(page)


def serious(page: Page) -> list[str]:
    """What axe finds that is serious or critical, with where."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node.get('failureSummary', '')}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


# Colours are the same at every width, and the layout in both schemes: two of the four show all.
@pytest.mark.parametrize(
    ("scheme", "viewport"), [("light", None), ("dark", PHONE)], ids=["light-desktop", "dark-phone"]
)
def test_axe_finds_nothing_serious_in_any_room(
    visit: Any, settled: Settled, scheme: str, viewport: dict[str, int] | None, artefacts: Path
) -> None:
    options = {"color_scheme": scheme} | ({"viewport": viewport} if viewport else {})
    page = dressed(visit("#view=board" if viewport else "", **options), settled)
    name = f"{'phone' if viewport else 'desktop'}-{scheme}"
    findings = {}

    def look(room: str) -> None:
        settled(page)
        page.screenshot(path=artefacts / f"{name}-{room}.png")
        findings[room] = serious(page)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{room} is {wide} px wider than the window"

    look("board")
    page.get_by_role("button", name="Find", exact=True).click()
    page.locator("summary", has_text=re.compile("^Colour")).click()
    look("find")
    page.keyboard.press("Escape")
    page.locator(".results .card-main").first.click()
    expect(page.get_by_role("heading", name="Similar items")).to_be_visible()
    look("detail")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Looks", exact=True).click()
    page.get_by_label("Describe a look in a sentence").fill("navy office")
    page.keyboard.press("Enter")
    expect(page.locator(".room-looks .look").first).to_be_visible()
    look("looks")
    page.get_by_role("button", name="Saved", exact=True).click()
    look("saved")
    assert findings == {room: [] for room in findings}


def test_dark_is_dark_and_the_choice_is_remembered(visit: Any, settled: Settled) -> None:
    def ground(page: Page) -> int:
        return page.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((a, b) => +a + +b, 0)"
        )  # type: ignore[no-any-return]

    assert ground(visit(color_scheme="dark")) < 150
    page = settled(visit(color_scheme="light"))
    assert ground(page) > 600
    page.get_by_role("button", name="Light or dark").click()
    assert ground(page) < 150
    page.reload()
    assert ground(settled(page)) < 150
    page.get_by_role("button", name="Light or dark").click()
    assert ground(page) > 600


def test_on_a_phone_the_board_is_a_room_of_its_own(visit: Any, settled: Settled) -> None:
    page = settled(visit(viewport=PHONE, has_touch=True))
    expect(page.locator("#board")).to_be_hidden()
    page.locator(".card-add").first.tap()  # in sight without a pointer over it
    page.get_by_role("button", name="Board", exact=True).tap()
    expect(page.locator(".slot.filled")).to_have_count(1)
    expect(page.locator("main")).to_be_hidden()
    buttons = page.locator("button:visible")
    small = [
        (one.get_attribute("aria-label") or one.inner_text(), box)
        for one in buttons.all()
        if (box := one.bounding_box()) and min(box["width"], box["height"]) < 24
    ]
    assert small == []  # each can be hit by a finger (WCAG 2.5.8)


def test_tab_leads_through_the_page_and_shows_where_one_is(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    seen = []
    for _ in range(14):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                """() => {
                  const one = document.activeElement, style = getComputedStyle(one);
                  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
                  const group = one.closest(".search");
                  const shown = ring || (group && getComputedStyle(group).boxShadow !== "none") || one.matches(".skip");
                  return [one.getAttribute("aria-label") || one.textContent.trim(), shown];
                }"""
            )
        )
    assert seen[0][0] == "Skip to the catalogue"
    assert all(shown for _, shown in seen), seen
    assert "Search the catalogue by words" in [name for name, _ in seen]
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator(".skip").nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#board")).to_be_focused()


def test_nothing_comes_from_elsewhere_and_the_policy_forbids_it(visit: Any, settled: Settled, server: str) -> None:
    page = visit()
    policy = page.request.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    settled(page)
    names = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    assert names
    assert all(name.startswith((server, "data:", "blob:")) for name in names)
    inline = (
        "[...document.querySelectorAll('*')].filter((one) => [...one.attributes].some((a) => a.name.startsWith('on')))"
    )
    assert page.evaluate(f"{inline}.length") == 0
    assert page.evaluate("document.querySelectorAll('script:not([src]), style').length") == 0


def test_a_server_that_does_not_answer_is_told_of_and_tried_again(visit: Any, settled: Settled) -> None:
    page = settled(visit(expected=("ERR_INTERNET_DISCONNECTED",)))
    page.context.set_offline(True)
    page.get_by_role("searchbox").fill("dress")
    expect(page.locator(".foot")).to_contain_text("The server does not answer")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".found")).to_contain_text("Best matches first")


def test_a_server_with_keys_asks_for_one_and_shows_photos_with_it(keyed: tuple[str, str], visit: Any) -> None:
    address, key = keyed
    page = visit(at=address, expected=(401, 429))
    ask = page.get_by_role("dialog", name="A key is needed")
    ask.get_by_label("API key").press("Escape")
    expect(page.locator("main")).to_contain_text("Without a key this server does not answer")
    page.get_by_role("button", name="Try again").click()
    ask.get_by_label("API key").fill("not-a-key")
    page.keyboard.press("Enter")
    expect(ask.get_by_label("API key")).to_be_empty()  # asked again
    ask.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    expect(page.locator(".results .card").first).to_be_visible()
    expect(page.locator(".results img").first).to_have_js_property("naturalWidth", 120)
    assert key not in page.url
    assert key not in page.evaluate("Object.values({...localStorage}).join()")
    page.reload()
    expect(page.locator(".results .card").first).to_be_visible()  # the key is kept while the tab is open
