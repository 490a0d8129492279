"""Orphans: attempts whose process died. Each is charged what it most likely cost: never nothing, never over its hold."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from cmt_lsp.api.models import Cost, cost_of
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.holder import Holder, is_gone

if TYPE_CHECKING:
    from cmt_lsp.core.money.attempt import Kind, LiveState
    from cmt_lsp.core.storage.store import Connection


@dataclass(frozen=True, slots=True)
class LiveRow:
    """What is known of an attempt that has not ended; the fields are columns of `attempts`."""

    seq: int
    machine: str
    pid: int
    pid_started: float
    lease_until: float
    state: LiveState
    kind: Kind
    model: str
    started_at: float
    hold_nano: int
    max_tokens: int | None
    expected_input: int | None
    expected_p50: int | None
    expected_nano: int | None
    nano_usd: int | None
    """What the prompt cost by the endpoint's first word, its multipliers included."""
    input_tokens: int
    cache_creation_5m_input_tokens: int
    cache_creation_1h_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int

    @property
    def heard(self) -> Usage:
        """What the endpoint told."""
        return Usage(
            _believable(self.input_tokens),
            _believable(self.cache_creation_5m_input_tokens),
            _believable(self.cache_creation_1h_input_tokens),
            _believable(self.cache_read_input_tokens),
            _believable(self.output_tokens),
            estimated=True,
        )


_AFFINITY = {"int": "INTEGER", "int | None": "INTEGER", "float": "REAL"}
# Damage that fits its page can leave anything anywhere, and a sweep that fails on one row would free no other.
_COLUMNS = ", ".join(
    f"CAST({field.name} AS {_AFFINITY.get(str(field.type), 'TEXT')})" for field in fields(LiveRow)
)
_MOST_TOKENS = 10**9
_LATEST = 4.0e9
_READ = f"SELECT {_COLUMNS} FROM attempts WHERE state IN ('reserved', 'streaming')"  # noqa: S608  names of ours
_CLOSE = """UPDATE attempts SET state = 'orphan', ended_at = max(started_at, min(lease_until, ?)),
    input_tokens = ?, cache_creation_5m_input_tokens = ?, cache_creation_1h_input_tokens = ?,
    cache_read_input_tokens = ?, output_tokens = ?, thinking_tokens = ?, usage_estimated = ?,
    nano_usd = ?, saved_nano_usd = ?, price_row = ?, cost_estimated = ? WHERE seq = ?"""


def close_orphans(connection: Connection, now: float) -> int:
    """Close every attempt that nobody answers for any more; how many there were. Part of the caller's transaction."""
    gone = cache(lambda holder, lease_until: is_gone(holder, lease_until, now))
    rows = [LiveRow(*row) for row in connection.execute(_READ)]
    orphans = [row for row in rows if gone(Holder(row.machine, row.pid, row.pid_started), row.lease_until)]
    for row in orphans:
        usage, cost = charge_of(row)
        values = (*astuple(usage), cost.nano_usd, cost.saved_nano_usd, cost.price_row, cost.estimated)
        connection.execute(_CLOSE, (now, *values, row.seq)).close()
    return len(orphans)


def charge_of(row: LiveRow) -> tuple[Usage, Cost]:
    """The best estimate: the prompt as told, else as expected, and the median answer, marked as estimates."""
    answer = _believable(row.expected_p50)
    if row.max_tokens is not None:
        answer = min(answer, _believable(row.max_tokens))
    if row.state == "streaming":
        usage = replace(row.heard, output_tokens=max(row.heard.output_tokens, answer))
    else:
        usage = Usage(input_tokens=_believable(row.expected_input), output_tokens=answer, estimated=True)
    return usage, _within(_as_expected(row, _price(row, usage)), row.hold_nano)


def _as_expected(row: LiveRow, cost: Cost) -> Cost:
    """Before a word was heard, the price is that of the classes which the prompt was expected to fall into."""
    if row.state == "streaming" or row.expected_nano is None or cost.nano_usd is None:
        return cost
    expected = max(0, row.expected_nano)
    return replace(cost, nano_usd=expected, saved_nano_usd=cost.nano_usd - expected)


def _price(row: LiveRow, usage: Usage) -> Cost:
    """By the list, times whatever the endpoint's own multipliers made of the prompt's price."""
    at = datetime.fromtimestamp(min(max(0.0, row.started_at), _LATEST), UTC)
    cost = cost_of(row.model, usage, at, batch=row.kind == "batch")
    if row.state != "streaming" or row.nano_usd is None or cost.nano_usd is None:
        return cost
    listed = cost_of(row.model, row.heard, at, batch=row.kind == "batch").nano_usd
    if not listed:
        return cost
    heard = min(max(0, row.nano_usd), 4 * listed)
    saved = (cost.saved_nano_usd or 0) * heard // listed
    return replace(cost, nano_usd=cost.nano_usd * heard // listed, saved_nano_usd=saved)


def _within(cost: Cost, hold_nano: int) -> Cost:
    """The hold is the most that the attempt can have cost; it also stands in for a price that is gone since."""
    if hold_nano <= 0:
        return replace(cost, estimated=True)
    if cost.nano_usd is None:
        return Cost(hold_nano, 0, None, estimated=True)
    return replace(cost, nano_usd=min(cost.nano_usd, hold_nano), estimated=True)


def _believable(tokens: int | None) -> int:
    return min(max(0, tokens or 0), _MOST_TOKENS)
