"""What must be in the wheel and the sdist, and what must not.

python scripts/wheel_contents.py dist              # says what they hold; exit 1 for what is missing or does not belong
python scripts/wheel_contents.py --same dist also  # ... and whether two wheels hold the same files
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from pathlib import Path

NEEDED = (
    "modiste/py.typed",
    "modiste/weights/mvlt_small.products_v1/model.safetensors",
    "modiste/weights/mvlt_judge.products_v1/model.safetensors",
    "modiste/weights/fame_vil_small.products_v1/model.safetensors",
    "modiste/service/page/index.html",
    "modiste/cli/templates/",
)
# pickles under any of their names, compiled files, tests, and what lies about in a working tree
FORBIDDEN = re.compile(
    r"\.(pkl|pickle|pt|pth|bin|ckpt|joblib|npy|pyc)$|(^|/)(tests?|runs|demo|artefacts|__pycache__)/|(^|/)\."
)


def names(archive: Path) -> dict[str, int]:
    """Path in the archive -> size; of an sdist below its folder, from src/ on."""
    if archive.suffix == ".whl":
        return {one.filename: one.file_size for one in zipfile.ZipFile(archive).infolist()}
    with tarfile.open(archive) as file:
        found = {one.name.partition("/")[2]: one.size for one in file.getmembers() if one.isfile()}
    return {name.removeprefix("src/"): size for name, size in found.items()}


def problems(held: dict[str, int]) -> list[str]:
    """What is wrong with the files of an archive; empty when nothing is."""
    missing = [one for one in NEEDED if not any(name.startswith(one) for name in held)]
    wrong = [name for name in held if FORBIDDEN.search(name) and name != ".gitignore"]
    return [f"lacks {one}" for one in missing] + [f"holds {one}" for one in wrong]


def main(arguments: list[str]) -> int:
    same = "--same" in arguments
    folders = [Path(one) for one in arguments if one != "--same"]
    archives = [one for folder in folders for one in sorted(folder.iterdir()) if one.name.endswith((".whl", ".tar.gz"))]
    found = [f"{archive.name} {problem}" for archive in archives for problem in problems(names(archive))]
    if not any(one.suffix == ".whl" for one in archives):
        found.append("no wheel")
    for archive in archives:
        held = names(archive)
        print(f"{archive.name}: {len(held)} files, {archive.stat().st_size / 1e6:.1f} MB")
    if same:
        first, second = (names(next(folder.glob("*.whl"))) for folder in folders)
        found += [
            f"only one wheel holds {name}" for name in sorted(set(first) ^ set(second)) if "dist-info" not in name
        ]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
