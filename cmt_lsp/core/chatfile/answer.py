"""What a transcript shows of one turn, whether it just ended or was read from the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from cmt_lsp.api.cache_manager import CacheVerdict
    from cmt_lsp.api.models import Cost
    from cmt_lsp.api.usage import Usage
    from cmt_lsp.core.records import TurnRecord
    from cmt_lsp.core.turn import TurnResult

    Put: TypeAlias = Callable[[str], Awaitable[str | None]]
    """Takes code; None once it is in its place, else why it is not, as a sentence's second half."""


@dataclass(frozen=True, slots=True)
class CodeOrigin:
    """The code that a question was asked about, in the editor's own positions: from 0, in its units."""

    uri: str
    start_line: int
    end_line: int
    end_character: int
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Something that was attached: its title, and where it is; None for what is nowhere in particular."""

    title: str
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class TurnFigures:
    """What a turn used and cost, and how it ended."""

    model: str
    stop_reason: str
    usage: Usage
    cost: Cost
    cache: CacheVerdict
    total_ms: int


@dataclass(frozen=True, slots=True)
class ChatTurn:
    """One question and its answer as they are shown."""

    id: str
    question: str
    text: str
    figures: TurnFigures
    thinking: str = ""
    notices: tuple[str, ...] = ()
    title: str = ""
    attached: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """A turn that ended, with all that whoever asked knows of it."""

    result: TurnResult
    session_name: str
    question: str
    """As the person put it; the text that an action adds around it is not shown."""
    title: str = ""
    """Of the action that asked, such as `Explain`; not shown where the question was typed in a transcript."""
    origin: CodeOrigin | None = None
    thinking: str = ""
    refused: str | None = None
    """Why the editor's text was not changed, as a sentence; None where nothing was to be changed."""
    sent_from: str | None = None
    """The URI of the transcript that the question was typed in."""
    put: Put | None = None
    """Puts some code in the place that was asked about; None where there is no such place."""

    def turn(self, place: str | None = None) -> ChatTurn:
        """What of it is shown; `place` names the file of its origin."""
        result = self.result
        return ChatTurn(
            id=result.turn_id,
            question=self.question,
            text=result.text,
            figures=figures_of(result),
            thinking=self.thinking,
            notices=(*result.notices, *([self.refused] if self.refused else [])),
            title="" if self.sent_from and self.question else self.title,
            attached=() if self.origin is None else (origin_link(self.origin, place or self.origin.uri),),
        )


def figures_of(turn: TurnResult | TurnRecord) -> TurnFigures:
    """The figures of a turn, whether it just ended or was kept."""
    return TurnFigures(turn.model, turn.stop_reason, turn.usage, turn.cost, turn.cache, turn.timing.total_ms)


def origin_link(origin: CodeOrigin, place: str) -> Link:
    """The lines that a question was asked about; the last one counts only where something of it was selected."""
    first, last = origin.start_line + 1, origin.end_line + 1
    if origin.end_character == 0 and last > first:
        last -= 1
    lines = f"line {first}" if first == last else f"lines {first} to {last}"
    fragment = f"L{first}" if first == last else f"L{first}-L{last}"
    return Link(f"{place}, {lines}", f"{origin.uri}#{fragment}")


def turn_of(record: TurnRecord) -> ChatTurn:
    """A turn of the store."""
    return ChatTurn(
        id=record.id,
        question=record.prompt_text,
        text=record.text,
        figures=figures_of(record),
        thinking=thinking_of(record.answer),
        notices=record.notices,
        attached=tuple(Link(title) for title in attached_titles(record)),
    )


def attached_titles(record: TurnRecord) -> list[str]:
    """One line for each block besides the question itself: the context's title, or the image's type."""
    lines = []
    for block in record.prompt:
        if block["type"] == "image":
            lines.append(block["source"].get("media_type", "image"))
        elif block.get("text") != record.prompt_text:
            lines.append(str(block.get("text", "")).split("\n", 1)[0])
    return lines


def thinking_of(answer: Iterable[Mapping[str, Any]]) -> str:
    """The summarised thinking among an answer's blocks."""
    return "".join(str(block.get("thinking", "")) for block in answer if block.get("type") == "thinking")
