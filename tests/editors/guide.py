"""What a guide tells its reader to paste: the tests take their configuration from there and from nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

GUIDES = Path(__file__).parents[2] / "docs" / "editors"


def configuration(editor: str, name: str = "") -> str:
    """The block under `<!-- configuration: NAME -->` in an editor's guide; NAME is the editor's unless given."""
    text = (GUIDES / f"{editor}.md").read_text(encoding="utf-8")
    mark = re.escape(f"<!-- configuration: {name or editor} -->")
    (block,) = re.findall(rf"{mark}\n+```\w*\n(.*?)```", text, re.DOTALL)
    found: str = block
    return found


def lines_of(*blocks: str) -> int:
    """How many lines a reader has to paste."""
    return sum(bool(line.strip()) for block in blocks for line in block.splitlines())
