"""The outfit board: put in, lock, wish, complete, swap, undo, take along."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, expect

from modiste.data.atelier import Atelier

Settled = Callable[[Page], Page]
WORLD = Atelier(seed=11, image_size=(120, 160))
PHOTO = {"name": "my <b>own</b> shoes.jpg", "mimeType": "image/jpeg", "buffer": WORLD.customer_photo(1)}


def search(page: Page, settled: Settled, words: str) -> None:
    page.get_by_role("searchbox").fill(words)
    expect(page.locator(".found")).to_contain_text("Best matches first")
    settled(page)


def add_first(page: Page, settled: Settled, words: str) -> str:
    """Search, and put the first hit on the board; its title."""
    search(page, settled, words)
    card = page.locator(".results .card").first
    card.hover()
    card.locator(".card-add").click()
    return card.locator(".card-title").inner_text()


def worn(page: Page) -> list[str]:
    return page.locator(".slot.filled .slot-title").all_inner_texts()


def slot(page: Page, kind: str) -> Any:
    return page.locator(".slot", has=page.locator(".kind", has_text=re.compile(f"^{kind}$", re.I)))


def test_add_wish_complete_another_way_undo_redo(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    top = add_first(page, settled, "striped t-shirt")
    assert worn(page) == [top]
    page.get_by_label("Wish for the shoes, in words").fill("white sneakers")
    page.get_by_role("button", name="Complete the look").click()
    expect(page.locator(".slot:not(.filled)")).to_have_count(0)
    expect(page.locator(".total .score")).to_have_text(re.compile(r"^[01]\.\d\d$"))
    settled(page)
    first = worn(page)
    assert first[0] == top
    expect(slot(page, "shoes").locator(".match")).to_have_text(re.compile(r"^match \d"))
    expect(page.locator(".ways")).to_contain_text(re.compile(r"Exact: nothing better|[Ww]ithin|Best found"))
    expect(page.locator(".told")).to_contain_text("rules")  # who judged
    expect(page.locator(".told")).to_contain_text("no probabilities")  # not calibrated, and says so
    page.get_by_role("button", name="Next", exact=True).click()
    settled(page)
    assert worn(page) != first
    page.get_by_role("button", name="Undo", exact=True).first.click()
    page.keyboard.press("Control+z")
    expect(page.locator(".slot.filled")).to_have_count(1)
    page.keyboard.press("Control+Shift+z")
    settled(page)
    assert worn(page) == first


def test_what_is_locked_stays_when_the_rest_is_found_anew(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    add_first(page, settled, "jeans")
    page.get_by_role("button", name="Complete the look").click()
    expect(page.locator(".slot:not(.filled)")).to_have_count(0)
    before = worn(settled(page))
    slot(page, "bottom").hover()
    page.get_by_role("button", name="Lock the bottom").click()
    expect(page.get_by_role("button", name="Unlock the bottom")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Find the rest anew").click()
    expect(page.locator(".ways")).to_contain_text("outfits looked at")
    after = worn(settled(page))
    assert after[1] == before[1]
    stayed = [one for at, (one, other) in enumerate(zip(before, after, strict=True)) if at != 1 and one == other]
    assert len(stayed) < len(before) - 1
    for title in stayed:  # the catalogue is small, and says so
        expect(page.locator(".ways")).to_contain_text(
            re.compile(f"nothing else fits in the place of .*{re.escape(title)}")
        )


def test_swap_one_by_a_wish_and_take_the_best_exchange(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    add_first(page, settled, "black evening gown")
    add_first(page, settled, "yellow sneakers")
    shoes = worn(page)[-1]
    settled(page)
    score = float(page.locator(".total .score").inner_text())
    page.get_by_label("Wish for the shoes, in words").fill("black heels")
    slot(page, "shoes").hover()
    page.get_by_role("button", name="Swap the shoes").click()
    offers = page.get_by_role("dialog", name=f"Instead of {shoes}").locator(".card-main")
    expect(offers.first).to_be_focused()
    expect(offers.first).to_contain_text(re.compile(r"look \d\.\d\d, match \d\.\d\d"))
    offers.first.click()
    settled(page)
    assert worn(page)[-1] != shoes
    page.keyboard.press("Control+z")
    settled(page)
    assert worn(page)[-1] == shoes
    better = page.locator(".better")
    promised = float(better.locator("p").last.inner_text().split("→")[1])
    better.get_by_role("button").click()
    expect(page.locator(".total .score")).to_have_text(f"{promised:.2f}")
    assert promised > score


def test_the_explanation_adds_up_and_names_items_and_reasons(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    with page.expect_response("**/v1/explain") as told:
        add_first(page, settled, "jeans")
        add_first(page, settled, "white t-shirt")
    settled(page)
    found = told.value.json()
    assert abs(found["base"] + sum(one["contribution"] for one in found["items"]) - found["score"]) < 1e-5
    expect(page.locator(".terms li")).to_have_count(2)
    for title in worn(page):
        expect(page.locator(".terms")).to_contain_text(title)
        expect(page.locator(".pairs")).to_contain_text(title)
    expect(page.locator(".pairs .reason")).not_to_be_empty()


def test_items_and_photos_are_dragged_in(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    search(page, settled, "leather handbag")
    card = page.locator(".results .card").first
    title = card.locator(".card-title").inner_text()
    card.drag_to(slot(page, "bag"))
    expect(slot(page, "bag").locator(".slot-title")).to_have_text(title)
    page.evaluate(
        """([bytes, name]) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
          const slots = [...document.querySelectorAll(".slot")];
          const shoes = slots.find((one) => one.querySelector(".kind").textContent === "Shoes");
          shoes.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        [list(PHOTO["buffer"]), PHOTO["name"]],  # type: ignore[call-overload]
    )
    expect(slot(page, "shoes").locator(".slot-title")).to_have_text("my <b>own</b> shoes")
    expect(page.locator("#note")).to_contain_text("kept nowhere")
    with page.expect_request("**/v1/complete") as asked:
        page.get_by_role("button", name="Complete the look").click()
    sent = asked.value.post_data_json
    assert sent["have"][0].keys() == {"image", "kind", "title"}  # type: ignore[index]
    expect(page.locator(".slot:not(.filled)")).to_have_count(0)
    settled(page)
    expect(slot(page, "shoes").locator(".slot-title")).to_have_text("my <b>own</b> shoes")  # it stays
    assert sent["have"][0]["image"][:40] not in page.url  # type: ignore[index]


def test_slots_are_added_removed_and_walked_with_the_keyboard(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    count = page.locator(".slot").count()
    page.get_by_label("Add a slot").select_option("hat")
    expect(page.locator(".slot")).to_have_count(count + 1)
    page.get_by_role("button", name="Remove the slot for hat").click()
    expect(page.locator(".slot")).to_have_count(count)
    add_first(page, settled, "white t-shirt")
    add_first(page, settled, "jeans")
    page.locator(".slot-main").first.focus()
    page.keyboard.press("l")
    expect(page.locator(".slot.locked")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".slot-main").nth(1)).to_be_focused()
    page.keyboard.press("Delete")
    expect(page.locator(".slot.filled")).to_have_count(1)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("s")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator(".slot-main").nth(1).click()  # an empty slot leads to what fits it
    expect(page.locator(".chips")).to_contain_text("jeans")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_a_shared_link_opens_the_same_board_elsewhere(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    add_first(page, settled, "red skirt")
    slot(page, "bottom").hover()
    page.get_by_role("button", name="Lock the bottom").click()
    page.get_by_label("Wish for the shoes, in words").fill("white & wide * 100 %")
    page.get_by_label("What the look is for, in words").fill("garden party")
    page.get_by_role("button", name="Share or export").click()
    link = page.get_by_label("Link to this look").input_value()
    other = settled(visit(link.split("/", 3)[3]))
    assert worn(other) == worn(page)
    expect(other.locator(".slot.locked .kind")).to_have_text("Bottom")
    expect(other.get_by_label("Wish for the shoes, in words")).to_have_value("white & wide * 100 %")
    expect(other.get_by_label("What the look is for, in words")).to_have_value("garden party")


def test_a_link_to_what_is_gone_says_so(visit: Any, settled: Settled) -> None:
    page = visit("#s=shoes*0*no-such-item*white&s=top*0**", expected=(404,))
    expect(page.locator("#note")).to_contain_text("Not in this catalogue any more: no-such-item")
    settled(page)
    expect(page.get_by_label("Wish for the shoes, in words")).to_have_value("white")


def test_a_board_is_saved_opened_again_and_forgotten(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    add_first(page, settled, "blue dress")
    look = worn(page)
    page.get_by_role("button", name="Save this look").click()
    expect(page.locator("#note")).to_contain_text("Saved in this browser")
    page.get_by_role("button", name="Clear the board").click()
    assert worn(page) == []
    page.get_by_role("button", name="Saved", exact=True).click()
    page.get_by_role("button", name="Open on the board").click()
    expect(page.locator(".slot.filled")).to_have_count(1)
    assert worn(page) == look
    page.get_by_role("button", name="Saved", exact=True).click()
    page.get_by_role("button", name=re.compile("^Forget ")).click()
    expect(page.get_by_text("Nothing saved yet")).to_be_visible()


def test_the_look_is_exported_as_a_picture_and_as_json(visit: Any, settled: Settled) -> None:
    page = settled(visit())
    page.get_by_label("What the look is for, in words").fill("Garden party!")
    titles = [add_first(page, settled, "white t-shirt"), add_first(page, settled, "jeans")]
    assert worn(page) == titles
    page.get_by_role("button", name="Share or export").click()
    with page.expect_download() as picture:
        page.get_by_role("button", name="Picture (PNG)").click()
    assert picture.value.suggested_filename == "garden-party.png"
    with Image.open(picture.value.path()) as image:
        assert image.format == "PNG"
        assert image.width > 900
        colours = image.convert("RGB").resize((64, 64)).getcolors(4096) or []
        assert len(colours) > 100  # photos are on it
    with page.expect_download() as data:
        page.get_by_role("button", name="Data (JSON)").click()
    told = json.loads(Path(data.value.path()).read_text(encoding="utf-8"))
    assert [one["item"]["title"] for one in told["slots"] if one["item"]] == titles
    assert told["text"] == "Garden party!"
    assert 0 <= told["verdict"]["score"] <= 1
    assert told["scorer"]["calibrated"] is False
    assert told["url"].startswith("http://127.0.0.1")
