"""A real browser before a real server: Debian's Chromium, headless, and `modiste serve` over a drawn catalogue.

Each worker starts one server and one browser; the catalogue is made once for all of them. Every page is watched: a console
error, an exception, a dialog, or a request to anybody but the server fails the test that caused it.

`MODISTE_CHROMIUM` names another browser. Where there is none the tests fail, unless `MODISTE_NO_BROWSER=1` says to skip them.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "service"))
from serving import start_service

ROOT = Path(__file__).parents[2]
PROBES = tuple((Path(__file__).parent / "probes.txt").read_text(encoding="utf-8").splitlines())
ITEMS = 140  # of the drawn catalogue, besides one item for each probe
WAIT = 60_000  # ms; tests do not depend on the machine's speed
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 740}

PHOTOS_ARE_THERE = """[...document.images].every((image) => {
  const box = image.getBoundingClientRect();
  const beside = !box.width || box.top > innerHeight || box.bottom < 0 || box.left > innerWidth || box.right < 0;
  return image.complete || !image.src || beside;
})"""

expect.set_options(timeout=WAIT)


@pytest.fixture(scope="session")
def probes() -> tuple[str, ...]:
    """Texts that become scripts wherever text is taken for markup."""
    return PROBES


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program."""
    names = [os.environ.get("MODISTE_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("MODISTE_NO_BROWSER") == "1":
            pytest.skip("no browser here, and MODISTE_NO_BROWSER=1 allows that")
        pytest.fail(
            "no Chromium: run `sh scripts/debian-packages.sh chromium`, name one by MODISTE_CHROMIUM, "
            "or skip these tests by MODISTE_NO_BROWSER=1"
        )
    return found


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue's folder: drawn items, and as many as there are probes whose id, title and brand are probes.

    `MODISTE_PAGE_CATALOGUE` serves another.
    """
    if given := os.environ.get("MODISTE_PAGE_CATALOGUE"):
        return Path(given)
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # of all workers of this run
    folder = shared / "page-catalogue" / "atelier"
    with FileLock(shared / "page-catalogue.lock"):
        if not (folder.parent / "done").exists():
            _make_catalogue(folder)
            (folder.parent / "done").touch()
    return folder


def _make_catalogue(folder: Path) -> None:
    from modiste.cli import run
    from modiste.data.atelier import Atelier, write_catalogue

    table = write_catalogue(Atelier(seed=11, image_size=(120, 160)), ITEMS, folder.parent / "drawn")
    with table.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    hostile = [
        # Escaped, since ingest takes tags out of texts: what it then reads and keeps is the probe itself.
        rows[at]
        | {
            "id": f"{at} {probe}",
            "title": escape(probe),
            "brand": PROBES[-at],
            "description": escape(probe),
            "group": "",
        }
        for at, probe in enumerate(PROBES)
    ]
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows([*rows, *hostile])
    assert run(["index", str(table), "--into", str(folder)]) == 0
    kinds = (("t-shirt", "shirt", "blouse"), ("jeans", "trousers", "skirt"), ("sneakers", "pumps"))
    ids = ([row["id"] for row in rows if row["category"] in names] for names in kinds)
    looks = [
        {"outfit_id": f"look-{at}", "items": [{"item_id": one} for one in some]}
        for at, some in enumerate(zip(*ids, strict=False))  # as many as the scarcest kind allows
    ]
    (folder / "looks.jsonl").write_text("\n".join(map(json.dumps, looks)), encoding="utf-8")


@contextmanager
def serving(catalogue: Path, keys: Path) -> Iterator[str]:
    """Run `modiste serve` on a free port; its address."""
    found = start_service(catalogue, "--keys", str(keys), log=keys.parent / "log.txt")
    try:
        yield found.address
    finally:
        found.end()


@pytest.fixture(scope="session")
def server(catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that asks for no key."""
    with serving(catalogue, tmp_path_factory.mktemp("server") / "keys.json") as address:
        yield address


@pytest.fixture
def keyed(catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[str, str]]:
    """The address of a server that asks for a key, and the key."""
    from modiste.cli import run

    keys = tmp_path / "keys.json"
    assert run(["keys", "add", str(catalogue), "stylist", "--keys", str(keys)]) == 0
    key = capsys.readouterr().out.split()[-1]
    with serving(catalogue, keys) as address:
        yield address, key


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox; the tests open nothing but their own server.
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, server: str) -> Iterator[Visit]:
    """Open the page: `visit("#view=looks", viewport=PHONE, color_scheme="dark")`; what goes wrong in it fails the test.

    `at` is another
    server's address. `expected`: what the test itself provokes and the browser then writes to its console, as a status
    or its own word.
    """
    contexts: list[BrowserContext] = []
    addresses: list[str] = []
    wrong: list[str] = []
    allowed: set[str] = set()

    def open_page(
        hash_: str = "", *, at: str = server, expected: tuple[int | str, ...] = (), **options: object
    ) -> Page:
        allowed.update(f"status of {one}" if isinstance(one, int) else one for one in expected)
        addresses.append(f"{at}/")
        settings = {"viewport": DESKTOP, "reduced_motion": "reduce", "accept_downloads": True, **options}
        context = browser.new_context(base_url=at, **settings)  # type: ignore[arg-type]
        context.set_default_timeout(WAIT)
        contexts.append(context)
        page = context.new_page()

        def heard(message: ConsoleMessage) -> None:
            text = message.text
            if message.type in ("error", "warning") and not any(one in text for one in allowed):
                wrong.append(f"console {message.type}: {text}")

        page.on("console", heard)
        page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda one: None if local(one.url) else wrong.append(f"request to {one.url}"))
        page.goto(f"/{hash_}")
        return page

    def local(url: str) -> bool:
        return url.startswith((*addresses, "data:", "blob:"))

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def settled() -> Callable[[Page], Page]:
    """Wait until nothing on a page is in progress."""

    def wait(page: Page) -> Page:
        expect(page.locator("[aria-busy=true], .busy")).to_have_count(0)
        page.wait_for_load_state("networkidle")
        for _ in range(WAIT // 50):  # photos in sight; those below are loaded when one comes near
            if page.evaluate(PHOTOS_ARE_THERE):
                break
            page.wait_for_timeout(50)
        return page

    return wait


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where screenshots are kept; git ignores it."""
    folder = Path(os.environ.get("MODISTE_ARTEFACTS", ROOT / "artefacts")) / "page"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
