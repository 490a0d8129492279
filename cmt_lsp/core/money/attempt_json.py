"""One attempt as an entry of the JSON file of usage, and back: every column of its row, none twice.

In an entry the prompt is the whole one; in a row, plain input is what was neither read from the cache nor written to it.
"""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage_entry import cost_entry, count, field, moment, money, optional, request_of, text
from cmt_lsp.core.money.attempt import FinalState, Kind, LiveState
from cmt_lsp.core.money.entry import moment_of
from cmt_lsp.core.money.holder import AT_THE_ENDPOINT
from cmt_lsp.core.money.schema import TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from cmt_lsp.api.token_usage import TokenUsage

Row: TypeAlias = dict[str, Any]
"""Columns of `attempts` by name, all but `seq`."""

_LARGEST_OFFSET = 24 * 60


def entry_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """An entry as the format has it: here the prompt is the whole one, and what is not known is left out."""
    written = (row["cache_creation_5m_input_tokens"], row["cache_creation_1h_input_tokens"])
    entry: dict[str, Any] = {
        "id": row["id"],
        "session": row["session_id"],
        "turn": row["turn_id"],
        "window": row["window_id"],
        "workspace": row["workspace"],
        "model": row["model"],
        "timestamp": row["started_at"],
        "input_tokens": row["input_tokens"] + sum(written) + row["cache_read_input_tokens"],
        "output_tokens": row["output_tokens"],
        "cached_tokens": row["cache_read_input_tokens"],
        "cache_write_5m_tokens": written[0],
        "cache_write_1h_tokens": written[1],
        "thinking_tokens": row["thinking_tokens"],
        "estimated": bool(row["usage_estimated"]),
        "cost": cost_entry(_cost_of(row)),
    }
    entry |= {column: row[column] for column in (*_NEEDED, *_FURTHER)}
    return {name: value for name, value in entry.items() if value is not None}


def _cost_of(row: Mapping[str, Any]) -> Cost:
    return Cost(
        nano_usd=row["nano_usd"],
        saved_nano_usd=row["saved_nano_usd"],
        price_row=row["price_row"],
        estimated=bool(row["cost_estimated"]),
        unpriced=int(row["nano_usd"] is None),
    )


def row_of(entry: Mapping[str, Any], zone: tzinfo | None) -> Row:
    """The row of an entry, in the order of the columns; UsageFileError names the field that is wrong."""
    session_id, request = request_of(entry)
    usage, cost = request.usage, request.cost()
    known: Row = {
        "id": request.id or "",
        "session_id": session_id,
        "turn_id": request.turn or "",
        "window_id": request.window or "",
        "workspace": request.workspace or "",
        "model": request.model or "",
        "started_at": request.timestamp,
        "input_tokens": usage.input_tokens,
        "cache_creation_5m_input_tokens": usage.cache_creation_5m_input_tokens,
        "cache_creation_1h_input_tokens": usage.cache_creation_1h_input_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "output_tokens": usage.output_tokens,
        "thinking_tokens": usage.thinking_tokens,
        "usage_estimated": int(usage.estimated),
        "nano_usd": cost.nano_usd,
        "saved_nano_usd": cost.saved_nano_usd,
        "price_row": cost.price_row,
        "cost_estimated": int(cost.estimated),
    }
    return known | (_told(entry) if "state" in entry else _neutral(request, zone))


def _told(entry: Mapping[str, Any]) -> Row:
    """The columns that only a ledger has, as one wrote them."""
    needed = {column: field(entry, column, check) for column, check in _NEEDED.items()}
    return needed | {column: optional(entry, column, check) for column, check in _FURTHER.items()}


def _neutral(request: TokenUsage, zone: tzinfo | None) -> Row:
    """The same columns for what a tracker wrote: done, in no time, held by nobody."""
    local = moment_of(request.timestamp, zone)
    return dict.fromkeys(_FURTHER) | {
        "kind": "import",
        "number": 1,
        "utc_offset": local.utc_offset,
        "day": local.day,
        "ended_at": request.timestamp,
        "state": "done",
        "hold_nano": 0,
        "machine": "",
        "pid": AT_THE_ENDPOINT,
        "pid_started": 0.0,
        "lease_until": 0.0,
    }


def _one_of(words: tuple[str, ...]) -> Callable[[object], str]:
    def check(value: object) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return str(value)

    return check


def _minutes(value: object) -> int:
    if type(value) is not int or abs(value) > _LARGEST_OFFSET:
        raise ValueError("must be minutes that local time is ahead of UTC")
    return value


def _day(value: object) -> str:
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise ValueError("must be a day like 2026-11-22") from error


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("must be a number")
    return float(value)


_NEEDED: dict[str, Callable[[object], Any]] = {
    "kind": _one_of(get_args(Kind)),
    "number": count,
    "utc_offset": _minutes,
    "day": _day,
    "state": _one_of((*get_args(LiveState), *get_args(FinalState))),
    "hold_nano": money,
    "machine": text,
    "pid": count,
    "pid_started": _real,
    "lease_until": _real,
}
"""The columns that only a ledger has, with what each takes; an entry calls them the same."""
_FURTHER: dict[str, Callable[[object], Any]] = {
    "ended_at": moment,
    "override": text,
    "max_tokens": count,
    "raw_input_tokens": count,
    "expected_input": count,
    "expected_exact": count,
    "expected_p50": count,
    "expected_p90": count,
    "expected_nano": money,
    "answer_bytes": count,
    "thinking_bytes": count,
}
"""Those of them that may be missing."""
_TOLD = (
    "id", "session_id", "turn_id", "window_id", "workspace", "model", "started_at",
    *TOKENS, "usage_estimated", "nano_usd", "saved_nano_usd", "price_row", "cost_estimated",
)  # fmt: skip
COLUMNS = (*_TOLD, *_NEEDED, *_FURTHER)
