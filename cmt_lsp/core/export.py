"""A session as one document: Markdown to read, JSON to take elsewhere whole."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cmt_lsp.core.chatfile.answer import turn_of
from cmt_lsp.core.chatfile.markdown import question_lines, trailer_lines
from cmt_lsp.core.chatfile.plain import one_line, shown
from cmt_lsp.core.context.blocks import block_of
from cmt_lsp.core.context.pins import FileReference, pin_to_json, title_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmt_lsp.core.context.pins import Pin
    from cmt_lsp.core.records import SessionRecord, TurnRecord

FORMAT = "cmt-lsp session"
VERSION = 1


def export_json(session: SessionRecord, turns: Sequence[TurnRecord]) -> str:
    """Everything the record holds, content blocks verbatim; times are seconds since 1970 UTC, money nano-dollars."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "session": _with_pins(session),
        "turns": [_without_digests(turn) for turn in turns],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _with_pins(session: SessionRecord) -> dict[str, Any]:
    """The record with its pins as JSON, and without what is remembered of them."""
    fields = asdict(replace(session, pins=(), pins_sent=()))
    del fields["pins_sent"]
    return fields | {"pins": [pin_to_json(pin) for pin in session.pins]}


def _without_digests(turn: TurnRecord) -> dict[str, Any]:
    """All of a turn but what only this program can read."""
    fields = asdict(turn)
    del fields["sent"]
    return fields


def export_markdown(session: SessionRecord, turns: Sequence[TurnRecord]) -> str:
    """The conversation with a heading for each turn and a line of what it cost."""
    parts = [f"# {one_line(session.name)}", f"{session.model}, started {_moment(session.created_at)}"]
    if session.system_prompt:
        parts += ["## System prompt", session.system_prompt]
    if session.pins:
        parts += ["## Pinned", *(_pin(pin) for pin in session.pins)]
    for number, turn in enumerate(turns, start=1):
        parts += _turn(number, turn)
    return "\n\n".join(parts) + "\n"


def suggested_name(session: SessionRecord, suffix: str) -> str:
    """A file name from the session's name, safe on every system."""
    stem = re.sub(r"[^\w-]+", "-", session.name).strip("-_")[:60]
    return f"{stem or 'session'}.{suffix}"


def _pin(pin: Pin) -> str:
    """A pinned file by name, anything else as it is sent."""
    return f"- {title_of(pin)}" if isinstance(pin, FileReference) else _fenced(block_of(pin).text)


def _turn(number: int, record: TurnRecord) -> list[str]:
    """As a transcript shows it, but with what was attached in full and nothing that only a transcript needs."""
    turn = turn_of(record)
    attached = [line for block in record.prompt if (line := _attachment(block, record)) is not None]
    return [
        f"## {number}. You, {_moment(record.started_at)}",
        *attached,
        *question_lines(turn),
        f"## {number}. {one_line(record.model)}",
        shown(turn.text) or "*no text*",
        *trailer_lines(turn),
    ]


def _attachment(block: Mapping[str, Any], turn: TurnRecord) -> str | None:
    if block.get("type") == "image":
        return "*image attached*"
    text = str(block.get("text", ""))
    return None if text == turn.prompt_text else _fenced(text)


def _fenced(text: str) -> str:
    """A fence longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
