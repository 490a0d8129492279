"""A transcript as it stands in an editor, read again: where each turn is, and what is written at the end.

The store holds the conversation; what is read here is only what the person sees. Nothing that they delete or paste
makes this fail: what has no mark of this transcript is text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmt_lsp.core.chatfile.markdown import YOU
from cmt_lsp.core.chatfile.marks import Mark, mark_in, session_in, session_tag
from cmt_lsp.core.context.fences import lines_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD_LINES = 20
"""How far down the head mark may be moved by what somebody writes above it."""


@dataclass(frozen=True, slots=True)
class Span:
    """Lines from `first` up to but not with `end`, from 0."""

    first: int
    end: int

    def __contains__(self, line: int) -> bool:
        return self.first <= line < self.end


@dataclass(frozen=True, slots=True)
class PageTurn:
    """One turn on the page."""

    turn_id: str
    question: Span
    """From the heading of the question, where it still has one."""
    heading: int
    """The line of the answer's heading."""
    answer: Span
    """The text of the answer and the blank lines around it."""
    trailer: Span
    """Thinking, notices and the line of figures; empty where somebody deleted its end."""

    @property
    def span(self) -> Span:
        """All of it."""
        return Span(self.question.first, self.trailer.end)


@dataclass(frozen=True, slots=True)
class Page:
    """A transcript as it stands; lines are without their ends."""

    session_id: str
    lines: tuple[str, ...]
    turns: tuple[PageTurn, ...]
    rest: Span
    """All behind the last turn."""
    ends_open: bool
    """Whether the last line has no end."""

    def text(self, span: Span) -> str:
        """The lines of a span, joined."""
        return "\n".join(self.lines[span.first : span.end])

    @property
    def prompt_lines(self) -> Span:
        """Where the text of the next question stands, without blank lines around it; empty where there is none."""
        first, end = self.rest.first, self.rest.end
        while first < end and self._is_empty(first):
            first += 1
        while end > first and self._is_empty(end - 1):
            end -= 1
        return Span(first, end)

    @property
    def prompt(self) -> str:
        """What somebody wrote for the next question."""
        return self.text(self.prompt_lines).strip()

    def answer_text(self, turn: PageTurn) -> str:
        """The answer as it stands."""
        return self.text(turn.answer).removeprefix("\n").removesuffix("\n")

    def turn_at(self, line: int) -> PageTurn | None:
        """The turn that a line belongs to."""
        return next((turn for turn in self.turns if line in turn.span), None)

    def _is_empty(self, line: int) -> bool:
        return not self.lines[line].strip() or is_question_heading(self.lines[line])


def is_question_heading(line: str) -> bool:
    """Whether a question begins here."""
    return line.rstrip() == YOU or line.startswith(f"{YOU} · ")


def read_page(text: str) -> Page | None:
    """The transcript that a text is; None for any other text."""
    ended = lines_of(text)
    lines = tuple(line.rstrip("\r\n") for line in ended)
    head = next(
        ((n, found) for n, line in enumerate(lines[:_HEAD_LINES]) if (found := session_in(line))), None
    )
    if head is None:
        return None
    number, session_id = head
    tag = session_tag(session_id)
    marks = [
        (n, one)
        for n, line in enumerate(lines)
        if n > number and (one := mark_in(line)) and one.session == tag
    ]
    turns = _turns(lines, marks, number + 1)
    rest = Span(turns[-1].trailer.end if turns else number + 1, len(lines))
    return Page(session_id, lines, turns, rest, not ended[-1].endswith(("\r", "\n")))


def _turns(lines: Sequence[str], marks: Sequence[tuple[int, Mark]], first: int) -> tuple[PageTurn, ...]:
    """The turns in order; between two marks of one turn everything is its text, and a turn stands here once."""
    turns: list[PageTurn] = []
    seen: set[str] = set()
    for index, (line, found) in enumerate(marks):
        if line < first or found.kind != "answer" or found.turn_id in seen:
            continue
        seen.add(found.turn_id)
        later = [(n, one.kind) for n, one in marks[index + 1 :] if one.key == found.key]
        end = next((n for n, kind in later if kind == "end"), None)
        if end is None:
            end = after = _cut_end(lines, line, _next_answer(marks[index + 1 :], seen, len(lines)))
        else:
            after = next((n for n, kind in later if kind == "after" and n < end), end)
            end += 1
        question = Span(_first_filled(lines, first, line), line)
        turns.append(PageTurn(found.turn_id, question, line, Span(line + 1, after), Span(after, end)))
        first = end
    return tuple(turns)


def _next_answer(marks: Sequence[tuple[int, Mark]], seen: set[str], last: int) -> int:
    return next((n for n, one in marks if one.kind == "answer" and one.turn_id not in seen), last)


def _cut_end(lines: Sequence[str], line: int, limit: int) -> int:
    """Where a turn ends whose end mark was deleted: before the last heading of a question, else at the next answer."""
    return next((n for n in range(limit - 1, line, -1) if is_question_heading(lines[n])), limit)


def _first_filled(lines: Sequence[str], first: int, end: int) -> int:
    return next((n for n in range(first, end) if lines[n].strip()), end)
