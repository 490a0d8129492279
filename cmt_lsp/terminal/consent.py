"""A question of the server, asked at the keyboard."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from cmt_lsp.terminal.keyboard import typed_lines
from cmt_lsp.terminal.render import one_line


def can_ask() -> bool:
    """Whether somebody sits there to read a question and to answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


async def choose(params: Mapping[str, Any], tell: Callable[[str], None]) -> dict[str, str] | None:
    """The action that the person chose by its number; None for anything else that is typed."""
    titles = [one_line(str(action.get("title", ""))) for action in params.get("actions") or []]
    tell(one_line(str(params.get("message", ""))))
    for number, title in enumerate(titles, 1):
        sys.stderr.write(f"  {number}  {title}\n")
    sys.stderr.write(f"Which? [1-{len(titles)}] ")
    sys.stderr.flush()
    answer = (await anext(typed_lines(), "")).strip()
    chosen = int(answer) if answer.isdecimal() else 0
    return {"title": titles[chosen - 1]} if 1 <= chosen <= len(titles) else None
