"""A conversation as Markdown: a heading for each question and each answer, and at the end the place to write."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from cmt_lsp.api.surrogates import mend
from cmt_lsp.core.chatfile.figures import figures_line
from cmt_lsp.core.chatfile.marks import head_mark, mark, salt_for, without_marks
from cmt_lsp.core.chatfile.plain import one_line, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cmt_lsp.core.chatfile.answer import ChatTurn, Link

YOU = "## You"
CLAUDE = "## Claude"
PROMPT = f"{YOU}\n\n"
"""The end of every transcript: the place for the next question."""
_IN_URIS = "/:%#?&=@+,;~$!*'[]"
"""What stays as it is in the target of a link; parentheses and blanks would end it."""


def document(session_id: str, name: str, turns: Iterable[ChatTurn]) -> str:
    """A whole transcript."""
    parts = [
        f"# {one_line(name)}\n\n{head_mark(session_id)}",
        *(whole_turn(session_id, turn) for turn in turns),
    ]
    return "\n\n".join([*parts, PROMPT])


def whole_turn(session_id: str, turn: ChatTurn) -> str:
    """Question and answer, without line ends around them."""
    return f"{question_part(turn)}\n\n{answer_part(session_id, turn)}"


def question_part(turn: ChatTurn) -> str:
    """Heading, what was attached, and the question."""
    title = f" · {one_line(turn.title)}" if turn.title else ""
    links = [", ".join(_link(link) for link in turn.attached)] if turn.attached else []
    return "\n\n".join([f"{YOU}{title}", *links, *question_lines(turn)])


def answer_part(session_id: str, turn: ChatTurn) -> str:
    """Heading, answer, thinking, notices and figures; the marks stand on lines that are there anyway."""
    text = shown(turn.text)
    salt = salt_for(session_id, turn.id, f"{text}\n{turn.thinking}")
    trailer = trailer_lines(turn)
    if len(trailer) > 1:
        first, *rest = trailer[0].split("\n")
        trailer[0] = "\n".join([f"{first} {mark('after', session_id, turn.id, salt)}", *rest])
    trailer[-1] += f" {mark('end', session_id, turn.id, salt)}"
    heading = f"{CLAUDE} · {one_line(turn.figures.model)} {mark('answer', session_id, turn.id, salt)}"
    return "\n\n".join([heading, text, *trailer])


def question_lines(turn: ChatTurn) -> list[str]:
    """The question, where one was asked."""
    return [without_marks(shown(turn.question))] if turn.question.strip() else []


def trailer_lines(turn: ChatTurn) -> list[str]:
    """Thinking, a quoted line for each notice, and the figures.

    The thinking is folded where Markdown is shown, and stands behind the answer, since in a plain editor nothing hides it.
    """
    thinking = turn.thinking.strip()
    folded = [f"<details><summary>Thinking</summary>\n\n{shown(thinking)}\n\n</details>"] if thinking else []
    return [
        *folded,
        *(f"> {one_line(notice)}" for notice in turn.notices),
        f"*{figures_line(turn.figures)}*",
    ]


def _link(link: Link) -> str:
    title = one_line(link.title)
    for char in "\\[]`*_<":
        title = title.replace(char, f"\\{char}")
    if link.uri is None:
        return title
    return f"[{title}]({quote(mend(link.uri), safe=_IN_URIS)})"
