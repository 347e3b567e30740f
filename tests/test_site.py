"""The documentation's site: every page is there, no link broken, nothing loaded from elsewhere, figures are the script's."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SYSTEMS = ("mvlt", "outfit-transformer", "fame-vil", "hfgn", "grnet")


def nav(entry: object) -> list[str]:
    """The pages that the navigation names, in order."""
    if isinstance(entry, str):
        return [entry]
    return [page for one in (entry.values() if isinstance(entry, dict) else entry) for page in nav(one)]  # type: ignore[attr-defined]


class Loader(yaml.SafeLoader):
    """mkdocs.yml without its one Python name."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
CONFIG = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning of mkdocs, such as a link that leads nowhere, is an error."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_in_the_navigation_once() -> None:
    pages = nav(CONFIG["nav"])
    assert len(pages) == len(set(pages))
    there = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert there | {"index.md", "contributing.md", "changelog.md"} == set(pages)


def test_warnings_are_not_hidden_where_the_site_is_built() -> None:
    """With --quiet mkdocs counts no warnings, and --strict means nothing."""
    builds = [line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if "mkdocs build" in line]
    assert len(builds) == 2  # make test, make docs
    assert all("--strict" in line and "quiet" not in line and " -q" not in line for line in builds)


class Addresses(HTMLParser):
    """What a page loads, as against what it only links to."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids.add(given.get("id", ""))
        if tag == "a":
            self.links.append(given.get("href", ""))
        elif tag != "link" or given.get("rel") not in ("next", "prev", "canonical"):
            self.loaded += [given[name] for name in ("src", "href", "poster", "data") if given.get(name)]


def read(page: Path) -> Addresses:
    found = Addresses()
    found.feed(page.read_text(encoding="utf-8"))
    return found


def test_no_link_of_the_site_is_broken_and_nothing_comes_from_elsewhere(site: Path) -> None:
    pages = {page: read(page) for page in site.rglob("*.html")}
    assert len(pages) > 25
    for page, found in pages.items():
        for address in found.loaded:
            assert not re.match(r"(\w+:)?//", address), f"{page.name} loads {address}"
        if page.name == "404.html":  # its links are from the root, for it is shown at any address
            continue
        for address in found.links:
            target, _, anchor = address.partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            path = (page.parent / target).resolve() if target else page
            assert path.exists(), f"{page.name} links to {address}"
            if anchor and path in pages:
                assert anchor in pages[path].ids, f"{page.name} links to {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(https?:)?//", style.read_text(encoding="utf-8")), style


def test_readme_is_the_first_page_and_its_links_lead_into_the_site(site: Path) -> None:
    found = read(site / "index.html")
    assert {"outfits.html", "http.html", "contributing.html", "source/LICENSE.txt"} <= set(found.links)
    assert (site / "source" / "LICENSE.txt").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_systems_page_has_its_figure_equations_recipe_and_results(site: Path, system: str) -> None:
    page = (ROOT / "docs" / f"{system}.md").read_text(encoding="utf-8")
    figure = re.search(r"!\[(.{40,})\]\(images/(\w+\.svg)\)", page)
    assert figure is not None
    assert (site / "images" / figure[2]).exists()
    assert "arXiv" in page
    assert "Σ" in page or "←" in page
    assert "](results/" in page
    recipe = re.search(r'--8<-- "(src/modiste/recipes/\w+\.py)"', page)
    assert recipe is not None
    built = re.sub(r"<[^>]+>", "", (site / f"{system}.html").read_text(encoding="utf-8"))
    last = (ROOT / recipe[1]).read_text(encoding="utf-8").strip().splitlines()[-1].strip()
    assert last.replace("<", "&lt;").replace(">", "&gt;") in built  # the file itself, to its last line


def test_figures_are_what_the_script_draws() -> None:
    done = subprocess.run([sys.executable, "scripts/figures.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
