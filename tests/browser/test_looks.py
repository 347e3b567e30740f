"""Looks from a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

PHONE = {"width": 360, "height": 740}
Settled = Callable[[Page], Page]


def test_three_looks_side_by_side_and_the_slider_is_heard(visit: Any, settled: Settled) -> None:
    page = settled(visit("#view=looks"))
    slider = page.locator("#looks-alpha")
    sent = []
    for alpha in (0.1, 0.9):
        slider.fill(str(alpha))
        expect(slider).to_have_attribute(
            "aria-valuetext", f"{100 - 100 * alpha:.0f} % matches the words, {100 * alpha:.0f} % goes together"
        )
        page.get_by_label("Describe a look in a sentence").fill("navy and white office look")
        with page.expect_request("**/v1/generate") as asked:
            page.keyboard.press("Enter")
        sent.append(asked.value.post_data_json)
        expect(page.locator(".room-looks .look")).to_have_count(3)
        settled(page)
    assert [one["alpha"] for one in sent] == [0.1, 0.9]  # type: ignore[index]
    looks = page.locator(".room-looks .look")
    for look in looks.all():
        expect(look.locator(".look-head .score")).to_have_text(re.compile(r"^[01]\.\d\d$"))
        expect(look).to_contain_text(re.compile(r"Exact: nothing better|[Ww]ithin|Best found"))
        expect(look.locator(".tile")).to_have_count(look.locator(".look-items li").count())
    boxes = [look.bounding_box() for look in looks.all()]
    assert len({round(box["y"]) for box in boxes if box}) == 1  # side by side


def test_a_locked_item_stays_in_looks_made_anew_and_a_look_goes_to_the_board(visit: Any, settled: Settled) -> None:
    page = settled(visit("#view=looks"))
    page.get_by_role("button", name="summer wedding, pastel").click()
    expect(page.locator(".room-looks .look")).to_have_count(3)
    settled(page)
    line = page.locator(".look-items li").first
    lock = line.get_by_role("button")
    name = (lock.get_attribute("aria-label") or "").removeprefix("Keep ")
    lock.click()
    expect(page.locator(".kept")).to_contain_text(f"These stay: {name}")
    page.get_by_role("button", name="Make three looks anew").click()
    settled(page)
    for look in page.locator(".room-looks .look").all():
        expect(look.locator(".look-items")).to_contain_text(name)
    second = page.locator(".room-looks .look").nth(1)
    items = second.locator(".look-items li").count()
    second.get_by_role("button", name="Take to the board").click()
    expect(page.locator(".slot.filled")).to_have_count(items)
    expect(page.locator(".slot.locked .slot-title")).to_have_text(name)
    expect(page.get_by_label("What the look is for, in words")).to_have_value("summer wedding, pastel")
    settled(page)
    page.keyboard.press("Control+z")
    expect(page.locator(".slot.filled")).to_have_count(0)


def test_nothing_described_asks_for_words_and_a_bad_wish_says_why(visit: Any, settled: Settled) -> None:
    page = settled(visit("#view=looks"))
    page.get_by_role("button", name="Make three looks").click()
    expect(page.get_by_role("alert")).to_contain_text("Describe the look first")
    expect(page.get_by_label("Describe a look in a sentence")).to_be_focused()


def test_a_look_that_cannot_be_made_says_why(visit: Any, settled: Settled) -> None:
    page = settled(visit("#view=looks&f=price%3E%3D100000", expected=(422,)))
    page.get_by_label("Only what passes the filters chosen in Find").check()
    page.get_by_label("Describe a look in a sentence").fill("office")
    page.keyboard.press("Enter")
    expect(page.locator(".room-looks .state")).to_contain_text("That did not work")
    assert len(page.locator(".room-looks .state p").inner_text()) > 20


def test_a_liked_look_is_remembered_and_brings_stylists_looks_in_that_manner(visit: Any, settled: Settled) -> None:
    page = settled(visit("#view=looks", expected=(404,)))
    page.get_by_label("Describe a look in a sentence").fill("black weekend look")
    page.keyboard.press("Enter")
    settled(page)
    like = page.locator(".room-looks .look").first.get_by_role("button", name="Like")
    like.click()
    expect(like).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("JSON.parse(localStorage.getItem('modiste-likes-atelier')).length") == 1
    page.get_by_role("button", name="Saved", exact=True).click()
    for_you = page.get_by_role("region", name="For you")
    expect(for_you.locator(".look").first).to_be_visible()
    expect(for_you).to_contain_text(re.compile(r"Similarity [01]\.\d\d"))
    settled(page)
    count = for_you.locator(".look").first.locator(".look-items li").count()
    for_you.get_by_role("button", name="Take to the board").first.click()
    expect(page.locator(".slot.filled")).to_have_count(count)
    page.evaluate("localStorage.setItem('modiste-likes-atelier', JSON.stringify([['gone']]))")
    page.get_by_role("button", name="Find", exact=True).click()
    page.get_by_role("button", name="Saved", exact=True).click()
    page.get_by_role("button", name="Forget what I liked").click()
    expect(for_you).to_contain_text("Like a look or two")


def test_looks_are_made_for_who_liked_some_and_say_why(visit: Any, settled: Settled) -> None:
    page = settled(visit("#view=looks", viewport=PHONE))
    page.get_by_label("Describe a look in a sentence").fill("black weekend look")
    page.keyboard.press("Enter")
    settled(page)
    page.locator(".room-looks .look").first.get_by_role("button", name="Like").press("Enter")
    page.get_by_role("button", name="Saved", exact=True).click()
    settled(page)
    for_you = page.get_by_role("region", name="For you")
    expect(for_you).to_contain_text("From 1 look that you liked, kept in this browser only")
    expect(for_you.get_by_role("list", name="Stylists’ looks for you").locator(".look").first).to_contain_text(
        "Because you liked"
    )
    slider = for_you.get_by_label("How much your taste counts")
    expect(slider).to_have_attribute("aria-valuetext", "your taste counts 30 %")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "your taste counts 80 %")
    for_you.get_by_label("What your looks are for, in words").fill("office")
    with page.expect_request("**/v1/recommend") as asked:
        page.keyboard.press("Enter")
    sent = asked.value.post_data_json
    assert sent is not None
    assert (sent["generate"], sent["beta"], sent["text"], len(sent["likes"])) == (True, 0.8, "office", 1)
    settled(page)
    made = for_you.get_by_role("list", name="Looks made for you").locator(".look")
    expect(made).to_have_count(3)
    for look in made.all():
        expect(look).to_contain_text(re.compile(r"To your taste [01]\.\d\d"))
        expect(look).to_contain_text("Because you liked")
        box = look.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    made.first.get_by_role("button", name="Take to the board").click()
    expect(page.get_by_label("What the look is for, in words")).to_have_value("office")
    page.get_by_role("button", name="Saved", exact=True).click()
    settled(page)
    for_you.get_by_role("button", name="Forget what I liked").click()
    expect(for_you).to_contain_text("Like a look or two")
    expect(for_you.get_by_role("button", name="Make looks for me")).to_be_hidden()
