"""What the scripts that make pages, tables and figures share: pages made anew, written, or with --check told to be stale."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path


def keep(made: Mapping[Path, str]) -> int:
    """Write each text whose file differs, or with --check in the command leave them; the exit code."""
    check = "--check" in sys.argv
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if not check:
            path.write_text(made[path], encoding="utf-8")
    if stale:
        print(f"{'stale' if check else 'rewritten'}: " + ", ".join(path.name for path in stale))
    return 1 if stale and check else 0


def render(text: str, blocks: Mapping[str, str]) -> str:
    """A page with what stands between its `<!-- name:begin -->` and `<!-- name:end -->` made anew."""
    for name, block in blocks.items():
        pattern = rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)"
        text = re.sub(pattern, lambda match, block=block: f"{match[1]}{block}\n{match[2]}", text, flags=re.S)
    return text
