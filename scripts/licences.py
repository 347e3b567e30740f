"""Write docs/licences.md: what an installation brings along, under which licence, and what we decided about it.

python scripts/licences.py           # rewrite the page from what is installed here
python scripts/licences.py --check   # exit 1 when a package of the base install has a licence that nobody signed off

Licences are told by pip-licenses from the packages' own metadata. The base install is what pyproject.toml names, and what that
needs in turn; everything else that is installed here is a tool of developers, which nobody receives from us.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"

# Signed off: they allow use, change and sale; what they ask for (keep the notice) is done by the packages' own files.
ALLOWED = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-CMU"}
    | {"PSF-2.0", "Unlicense", "Zlib"}
)
# Signed off with a condition, said on the page.
WITH_NOTE: Mapping[str, str] = {
    "MPL-2.0": "copyleft by file: who changes a file of the package publishes that file; we change none",
}
# Names that metadata uses for licences that have an identifier.
_SPDX: Mapping[str, str] = {
    "apache software license": "Apache-2.0", "apache license, version 2.0": "Apache-2.0", "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0", "bsd license": "BSD-3-Clause", "bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause", "freebsd": "BSD-2-Clause", "mit license": "MIT", "isc license (iscl)": "ISC",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0", "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense", "apache-2.0 with llvm-exception": "Apache-2.0", "mit-0": "MIT",
    "dfsg approved": "",
}  # fmt: skip
# Packages whose metadata names no licence; read from the licence file that they bring.
_BY_FILE: Mapping[str, str] = {
    "resvg-py": "MIT", "axe-playwright-python": "MIT", "atheris": "Apache-2.0", "pycocoevalcap": "BSD-2-Clause",
}  # fmt: skip


def base_packages() -> set[str]:
    """The packages of the base install on this platform, by normal name: what pyproject.toml names, and what that needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    todo = [Requirement(one) for one in project["dependencies"]]
    extras: dict[str, set[str]] = {}
    while todo:
        one = todo.pop()
        if one.marker is not None and not one.marker.evaluate({"extra": ""}) and not one.extras:
            continue
        name = canonicalize_name(one.name)
        if name in extras and one.extras <= extras[name]:
            continue
        extras.setdefault(name, set()).update(one.extras)
        for needed in map(Requirement, metadata.requires(name) or ()):
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *one.extras)):
                needed.marker = None  # it holds
                todo.append(needed)
    return set(extras)


def installed(names: Iterable[str] = ()) -> list[dict[str, str]]:
    """Name, version and licence as pip-licenses tells them, of these packages or of all, by name."""
    command = [sys.executable, "-m", "piplicenses", "--format=json", "--from=mixed", "--with-system"]
    if names := sorted(names):
        command += ["--packages", *names]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    rows = [
        {"name": canonicalize_name(one["Name"]), "version": one["Version"], "licence": one["License"]} for one in told
    ]
    return sorted(rows, key=lambda row: row["name"])


def identifiers(name: str, licence: str) -> list[set[str]]:
    """A licence as terms that all hold, each a set of which one may be chosen: "A AND (B OR C)" -> [{A}, {B, C}]."""
    licence = _BY_FILE.get(name, licence)
    terms = []
    for part in re.split(r"\bAND\b|;", licence):
        choices = {_bare(one) for one in re.split(r"\bOR\b", part)}
        known = {_SPDX.get(one.lower(), one) for one in choices}
        if known != {""}:
            terms.append(known)
    return terms


def _bare(text: str) -> str:
    """Without brackets that do not close, as in pieces of an expression: "(MIT" -> "MIT", "ISC License (ISCL)" as it is."""
    text = text.strip()
    while text.count("(") > text.count(")"):
        text = text[1:]
    while text.count(")") > text.count("("):
        text = text[:-1]
    return text.strip()


def decision(name: str, licence: str) -> str:
    """ "allowed", "allowed: ..." with its condition, or "" when nobody signed it off."""
    terms = identifiers(name, licence)
    notes = []
    for choices in terms:
        if choices & ALLOWED:
            continue
        noted = sorted(choices & WITH_NOTE.keys())
        if not noted:
            return ""
        notes.append(WITH_NOTE[noted[0]])
    return ("allowed: " + "; ".join(dict.fromkeys(notes)) if notes else "allowed") if terms else ""


def unsigned(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """Packages whose licence nobody signed off."""
    return [f"{row['name']}: {row['licence']}" for row in rows if not decision(row["name"], row["licence"])]


def page() -> str:
    base = base_packages()
    rows = [row for row in installed() if row["name"] != "modiste"]
    lines = [
        "# Licences",
        "",
        "Modiste is under the Apache License 2.0. This page is written by `scripts/licences.py` from the metadata of installed",
        "packages; `make test` fails when a package of the base install has a licence that is not signed off here.",
        "",
        f"Signed off: {', '.join(sorted(ALLOWED))}; with a condition, "
        + "; ".join(f"{name} ({note})" for name, note in WITH_NOTE.items())
        + ".",
        "",
        "Two things that metadata does not say. The builds of torch for NVIDIA cards bring NVIDIA's libraries, which are under",
        "NVIDIA's own terms (free of charge, not open source); the builds for processors, on torch's own index, bring none.",
        "And weights are not code: `modiste models` names the licence of every model that ships or can be fetched.",
        "",
        "## The base install",
        "",
        *_table(row for row in rows if row["name"] in base),
        "",
        "## Extras and tools of developers",
        "",
        "Installed here for tests and benchmarks; `pip install modiste` brings none of them.",
        "",
        *_table(row for row in rows if row["name"] not in base),
    ]
    return "\n".join(lines) + "\n"


def _table(rows: Iterable[Mapping[str, str]]) -> list[str]:
    lines = ["| package | version | licence | decision |", "|---|---|---|---|"]
    for row in rows:
        name, licence = row["name"], row["licence"]
        told = f"{_BY_FILE[name]} (by its licence file)" if name in _BY_FILE else licence
        lines.append(f"| {name} | {row['version']} | {told} | {decision(name, licence) or '**not signed off**'} |")
    return lines


def main() -> int:
    if "--check" in sys.argv:
        found = unsigned(installed(base_packages()))
        print("\n".join(found) or "every licence of the base install is signed off")
        return int(bool(found))
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
