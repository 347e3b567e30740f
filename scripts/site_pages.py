"""A hook of mkdocs: README, CONTRIBUTING and CHANGELOG become pages, and links lead somewhere both here and on a code host.

On a code host `../src/modiste/losses.py` in a page of docs/ leads to that file. The site has no such folder, so what pages link
to outside docs/ is copied to `source/`, as plain text. A link to what does not exist is an error of the build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")
_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", flags=re.M | re.S)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside docs/, and the files that pages link to there."""
    from mkdocs.structure.files import File

    for source, target in PAGES.items():
        files.append(File.generated(config, target, content=(ROOT / source).read_text(encoding="utf-8")))
    wanted = set()
    for page in files.documentation_pages():
        outside = {path for path in map(_lies(page.src_uri), _targets(page.content_string)) if path not in PAGES}
        wanted |= {path for path in outside if not path.startswith("docs/")}
    for path in sorted(wanted):
        if (ROOT / path).is_file() and (ROOT / path).resolve().is_relative_to(ROOT):
            files.append(File.generated(config, _copy(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links that hold in the repository, as links that hold in the site."""
    here = posixpath.dirname(page.file.src_uri)
    lies = _lies(page.file.src_uri)

    def moved(match: re.Match[str]) -> str:
        if "://" in match[2] or match[2].startswith("mailto:"):
            return match[0]
        path = lies(match[2])
        if (ROOT / path / "README.md").is_file():  # a code host shows a folder by its README
            path = f"{path}/README.md"
        target = PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else _copy(path))
        return f"{match[1]}{posixpath.relpath(target, here or '.')}{match[3]}"

    return _outside_fences(markdown, lambda text: _LINK.sub(moved, text))


def _lies(src_uri: str):  # type: ignore[no-untyped-def]
    """A page of the site -> what a link in it names, as a path from the repository's root."""
    origin = {target: source for source, target in PAGES.items()}.get(src_uri, f"docs/{src_uri}")
    return lambda target: posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))


def _targets(markdown: str) -> list[str]:
    found: list[str] = []
    _outside_fences(markdown, lambda text: found.extend(match[2] for match in _LINK.finditer(text)) or text)
    return [target for target in found if "://" not in target and not target.startswith("mailto:")]


def _outside_fences(markdown: str, change) -> str:  # type: ignore[no-untyped-def]
    pieces, end = [], 0
    for fence in _FENCE.finditer(markdown):
        pieces += [change(markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*pieces, change(markdown[end:])])


def _copy(path: str) -> str:
    """Where the site has a copy of a file of the repository, as text that every browser shows."""
    return f"source/{path}.txt"
