"""What is installed: licences signed off, versions beyond known holes, bounds told as they are."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]

# Package -> the version in which known holes were mended, and which these were (the worst or latest).
FLOORS = {
    "pillow": ("12.3", "writes outside buffers in several decoders"),
    "python-multipart": ("0.0.27", "CVE-2024-53981, CVE-2026-42561: time spent on boundaries"),
    "starlette": ("0.49.1", "CVE-2025-54121, CVE-2025-62727: blocking uploads, ranges"),
    "torch": ("2.10", "CVE-2025-32434, CVE-2026-24747: code from pickles although weights_only"),
    "jinja2": ("3.1.6", "CVE-2025-27516: out of the sandbox"),
    "urllib3": ("2.6.3", "CVE-2025-66418, CVE-2026-21441: bombs in answers"),
    "h11": ("0.16.0", "CVE-2025-43859: smuggled requests"),
    "requests": ("2.32.4", "CVE-2024-47081: credentials sent elsewhere"),
    "pyarrow": ("14.0.1", "CVE-2023-47248: code from a file"),
    "protobuf": ("6.31.1", "CVE-2025-4565: recursion"),
    "werkzeug": ("3.1.5", "CVE-2025-66221: device names of Windows"),
    "idna": ("3.7", "CVE-2024-3651: quadratic time"),
    "certifi": ("2024.7.4", "a root that is no longer trusted"),
    "filelock": ("3.20.1", "CVE-2025-68146: links in place of locks"),
    "transformers": ("4.53.0", "CVE-2025-5197 and others: patterns that take forever"),
}


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    return module("licences")


def locked() -> dict[str, Version]:
    lines = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), flags=re.M)
    return {str(canonicalize_name(name)): Version(version) for name, version in lines}


@pytest.mark.parametrize("package", FLOORS)
def test_locked_versions_are_beyond_known_holes(package: str) -> None:
    floor, hole = FLOORS[package]
    assert locked()[package] >= Version(floor), hole


def test_every_licence_of_the_base_install_is_signed_off(licences: ModuleType) -> None:
    packages = licences.base_packages()
    assert {"torch", "lancedb", "fastapi", "starlette", "numpy"} <= packages  # what is needed in turn, too
    assert not {"pytest", "hypothesis", "mypy"} & packages
    rows = licences.installed(packages)
    assert {row["name"] for row in rows} == packages
    assert licences.unsigned(rows) == []


def test_what_a_licence_of_several_parts_asks_for(licences: ModuleType) -> None:
    assert licences.decision("a", "MIT") == "allowed"
    assert licences.decision("a", "Apache-2.0 OR GPL-3.0") == "allowed"
    assert licences.decision("a", "(GPL-3.0 OR MIT) AND BSD-3-Clause") == "allowed"
    assert licences.decision("a", "MPL-2.0 AND (Apache-2.0 OR MIT)").startswith("allowed: copyleft by file")
    for none in ("GPL-3.0", "MIT AND AGPL-3.0", "UNKNOWN", "", "Mozilla Public License 2.0 (MPL 2.0); GPL"):
        assert licences.decision("a", none) == "", none
    assert licences.unsigned([{"name": "a", "licence": "GPL-3.0"}, {"name": "b", "licence": "ISC License (ISCL)"}]) == [
        "a: GPL-3.0"
    ]


def test_the_page_lists_what_pyproject_names(licences: ModuleType) -> None:
    import tomllib

    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = page.split("## Extras")[0]
    for one in project["dependencies"]:
        name = canonicalize_name(re.split(r"[^A-Za-z0-9._-]", one)[0])
        assert f"| {name} |" in base, name
    assert "not signed off**" not in base


def test_the_limits_in_the_docs_are_those_of_the_service() -> None:
    from modiste.service import limits

    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    told = {
        name: float(value.replace(",", ""))
        for name, value in re.findall(r"^\| `([A-Z_]+)` \| ([\d,.]+) \|", page, flags=re.M)
    }
    assert told == {name: value for name, value in vars(limits).items() if name.isupper()}
