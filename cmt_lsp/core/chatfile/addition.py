"""Where an answer goes in a transcript that somebody has open, and what is put there; nothing is ever taken away.

Half of the editors apply an edit to a text that has changed meanwhile. An edit that only adds may then stand in the
wrong place, but destroys nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmt_lsp.core.chatfile.markdown import YOU, answer_part, whole_turn
from cmt_lsp.core.chatfile.page import is_question_heading
from cmt_lsp.core.chatfile.plain import open_fence

if TYPE_CHECKING:
    from cmt_lsp.core.chatfile.answer import ChatTurn
    from cmt_lsp.core.chatfile.page import Page


@dataclass(frozen=True, slots=True)
class Addition:
    """Text to put behind the last character of a line."""

    line: int
    text: str


def addition(page: Page, turn: ChatTurn, *, typed_here: bool) -> Addition:
    """The answer below the question that was typed here, else the whole turn below the last one.

    What was typed since the question was sent stays below the new turn.
    """
    if typed_here and (last := _last_line_of(page, turn.question)) is not None:
        fence = open_fence(turn.question)
        closing = f"\n{fence}" if fence else ""
        more = "\n" if last + 1 == page.rest.end and page.ends_open else ""
        text = f"{closing}\n\n{answer_part(page.session_id, turn)}\n\n{YOU}\n{more}"
        return Addition(last, text)
    place = "" if _has_prompt_place(page) else f"\n\n{YOU}\n"
    return Addition(page.rest.first - 1, f"\n\n{whole_turn(page.session_id, turn)}{place}")


def _last_line_of(page: Page, question: str) -> int | None:
    """The last line of a question that stands at the end of the page, whole and first; None where it was changed."""
    first = page.prompt_lines.first
    asked = question.strip().split("\n")
    stands = page.lines[first : first + len(asked)]
    same = [line.strip() for line in stands] == [line.strip() for line in asked]
    return first + len(asked) - 1 if same else None


def _has_prompt_place(page: Page) -> bool:
    span = page.rest
    return any(line.strip() for line in page.lines[span.first : span.end]) and any(
        is_question_heading(line) for line in page.lines[span.first : span.end]
    )
