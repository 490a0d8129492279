"""What the menu of code actions offers in a transcript; plain functions over a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmt_lsp.core.chatfile.blocks import code_blocks
from cmt_lsp.server.actions import CLAUDE, REWRITE
from cmt_lsp.server.actions.offers import Offer

if TYPE_CHECKING:
    from collections.abc import Container

    from cmt_lsp.core.chatfile.blocks import CodeBlock
    from cmt_lsp.core.chatfile.page import Page, PageTurn

_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Pointed:
    """The block of code that a line lies in, and the turn it belongs to."""

    turn: PageTurn
    block: CodeBlock


def offers_in(page: Page, uri: str, line: int, placed: Container[str]) -> list[Offer]:
    """What can be done at a line; `placed` are the turns whose code has a place to go to."""
    found = []
    pointed = block_at(page, line)
    if pointed is not None and pointed.turn.turn_id in placed:
        place = {"line": line, "character": 0}
        argument = {"uri": uri, "range": {"start": place, "end": place}}
        found.append(Offer("Claude: put this code in its place", REWRITE, "cmt.apply", argument))
    if page.prompt:
        title = f'Claude: send "{_short(page.prompt)}"'
        found.append(Offer(title, CLAUDE, "cmt.send", {"uri": uri}))
    if page.turns and line >= page.turns[-1].span.first:
        found.append(Offer("Claude: ask the last question again", CLAUDE, "cmt.again", {"uri": uri}))
    turn = page.turn_at(line)
    if turn is not None:
        argument = {"uri": uri, "id": turn.turn_id}
        found.append(Offer("Claude: go on from this answer in a new session", CLAUDE, "cmt.fork", argument))
    return found


def block_at(page: Page, line: int) -> Pointed | None:
    """The block that a line lies in, fences included; of an answer with one block the whole answer points to it."""
    turn = page.turn_at(line)
    if turn is None:
        return None
    blocks = code_blocks(page, turn.answer)
    inside = [block for block in blocks if line in block.span]
    chosen = inside or (blocks if len(blocks) == 1 else [])
    return Pointed(turn, chosen[0]) if chosen else None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN].rstrip()}..."
