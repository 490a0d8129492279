"""A session as one document: Markdown to read, JSON to take elsewhere whole."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

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
    parts = [f"# {_line(session.name)}", f"{session.model}, started {_moment(session.created_at)}"]
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


def _turn(number: int, turn: TurnRecord) -> list[str]:
    attached = [line for block in turn.prompt if (line := _attachment(block, turn)) is not None]
    notices = [f"> {_line(notice)}" for notice in turn.notices]
    return [
        f"## {number}. You, {_moment(turn.started_at)}",
        *attached,
        *([turn.prompt_text] if turn.prompt_text.strip() else []),
        f"## {number}. {turn.model}",
        turn.text or "*no text*",
        *notices,
        _figures(turn),
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


def _figures(turn: TurnRecord) -> str:
    usage = turn.usage
    about = "about " if usage.estimated else ""
    ended = "" if turn.stop_reason == "end_turn" else f", {turn.stop_reason}"
    return (
        f"*{about}{usage.total_input_tokens} tokens in ({usage.cache_read_input_tokens} cached), "
        f"{usage.output_tokens} out, {turn.cost.display}{ended}*"
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _line(text: str) -> str:
    return " ".join(text.split())
