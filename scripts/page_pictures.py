"""Renew the pictures of docs/page.md: draw a catalogue of 2,000 items, serve it, and let the browser tests take them.

    python scripts/page_pictures.py            # needs Chromium; Inter and P052 (fonts-inter, fonts-urw-base35) look best

The drawn and indexed catalogue is kept in runs/page_pictures and made once.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ITEMS, SEED = 2000, 0


def main() -> int:
    from modiste.cli import run
    from modiste.data.atelier import Atelier, write_catalogue

    folder = ROOT / "runs" / "page_pictures"
    table = write_catalogue(Atelier(seed=SEED), ITEMS, folder / "drawn")
    if run(["index", str(table), "--into", str(folder / "atelier")]):
        return 1
    environment = os.environ | {
        "MODISTE_PAGE_CATALOGUE": str(folder / "atelier"),
        "MODISTE_PAGE_PICTURES": str(ROOT / "docs" / "images"),
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/browser/test_pictures.py"], cwd=ROOT, env=environment, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
