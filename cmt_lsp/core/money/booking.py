"""Booking: reserving, hearing of, closing and keeping attempts, as SQL inside a transaction of the caller's.

A claim is checked against every budget and booked in the transaction that reads the budgets, so that no two windows
can spend the same dollar.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from functools import cache, partial
from operator import attrgetter
from typing import TYPE_CHECKING

from cmt_lsp.core.money.attempt import Granted, Origin
from cmt_lsp.core.money.budget import Refusal, fit
from cmt_lsp.core.money.budget_rows import budget_states, due_warnings
from cmt_lsp.core.money.entry import Closing, Hearing, Opening, lost_opening, opening_of
from cmt_lsp.core.money.past import past_of
from cmt_lsp.core.money.schema import TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cmt_lsp.api.models import Cost
    from cmt_lsp.api.usage import Usage
    from cmt_lsp.core.money.attempt import Claim, Expected
    from cmt_lsp.core.money.budget import Fit, Limit
    from cmt_lsp.core.money.entry import Entry, Moment
    from cmt_lsp.core.money.holder import Holder
    from cmt_lsp.core.money.past import Past
    from cmt_lsp.core.storage.store import Connection

_LIVE = "state IN ('reserved', 'streaming')"
_OPENING = tuple(field.name for field in fields(Opening))
_USAGE = (*TOKENS, "usage_estimated", "nano_usd", "saved_nano_usd", "price_row", "cost_estimated")
_COLUMNS = (*_OPENING, "state", *_USAGE)
_opening_values = attrgetter(*_OPENING)
"""A sixth of the time of `astuple`, which copies every value: a batch has up to 100,000 openings."""
# Looked up first: a conflict would use up a number, and the numbers tell how many rows a damaged file has lost.
_INSERT = (
    f"INSERT INTO attempts ({', '.join(_COLUMNS)}) SELECT {', '.join('?' * len(_COLUMNS))}"  # noqa: S608  names of ours
    " WHERE NOT EXISTS (SELECT 1 FROM attempts WHERE id = ?)"
)
_HEAR = f"UPDATE attempts SET state = 'streaming', {', '.join(f'{name} = ?' for name in _USAGE)} WHERE id = ? AND {_LIVE}"  # noqa: S608
_CLOSE = (
    f"UPDATE attempts SET state = ?, ended_at = max(started_at, ?), answer_bytes = ?, thinking_bytes = ?,"  # noqa: S608
    f" {', '.join(f'{name} = ?' for name in _USAGE)} WHERE id = ? AND ({_LIVE} OR state = 'orphan')"
)
_RENEW = f"UPDATE attempts SET lease_until = ? WHERE {_LIVE} AND machine = ? AND pid = ? AND pid_started = ?"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Place:
    """Who books, where and when."""

    window_id: str
    holder: Holder
    moment: Moment


@dataclass(frozen=True, slots=True)
class Booking:
    """Claims that were granted, and the rows that say so."""

    granted: tuple[Granted, ...]
    openings: tuple[Opening, ...]


def reserve(
    connection: Connection, claims: Sequence[Claim], limits: Sequence[Limit], place: Place
) -> Booking | Refusal:
    """Book all claims under the limits in force, or none."""
    fitted = _fit(connection, claims, limits, place)
    if isinstance(fitted, Refusal):
        return fitted
    notices = (fitted.notice,) if fitted.notice else ()
    past = cache(partial(past_of, connection))  # a batch has thousands of claims with one past
    granted = tuple(
        Granted(claim.attempt_id, most, hold, _expected(past, claim, most), notices)
        for claim, most, hold in zip(claims, fitted.max_tokens, fitted.hold_nano, strict=True)
    )
    openings = tuple(
        opening_of(claim, grant, place.moment, place.window_id, place.holder)
        for claim, grant in zip(claims, granted, strict=True)
    )
    apply(connection, openings, place.moment)
    return Booking(granted, openings)


def apply(connection: Connection, entries: Iterable[Entry], moment: Moment) -> None:
    """Take in entries in any order; one that came before changes nothing, and an end is not undone."""
    for entry in entries:
        match entry:
            case Opening():
                _insert(connection, entry)
            case Hearing():
                if entry.opening is not None:
                    _insert(connection, entry.opening)
                connection.execute(_HEAR, (*_values(entry.usage, entry.cost), entry.id)).close()
            case Closing():
                _close(connection, entry, moment)


def apply_each(connection: Connection, entries: Iterable[Entry], moment: Moment) -> int:
    """Take in entries, but leave out those with figures beyond what the file can hold; how many there were."""
    refused = 0
    for entry in entries:
        try:
            apply(connection, (entry,), moment)
        except (OverflowError, TypeError, ValueError):
            refused += 1
    return refused


def warnings_after(
    connection: Connection, attempt_ids: Iterable[str], limits: Sequence[Limit], moment: Moment
) -> tuple[str, ...]:
    """What is due to be said of the budgets that these attempts are charged to."""
    told: dict[str, None] = {}
    if limits:
        charged = (_charged_to(connection, attempt_id) for attempt_id in attempt_ids)
        # Each only once: the attempts of a batch are thousands, and charged to the same budgets.
        for origin, window_id, day in dict.fromkeys(charged):
            budgets = budget_states(connection, limits, origin, window_id, day)
            told.update(dict.fromkeys(due_warnings(connection, budgets, at=moment.at)))
    return tuple(told)


def renew(connection: Connection, holder: Holder, lease_until: float) -> None:
    """Say that the holder is still there."""
    connection.execute(_RENEW, (lease_until, holder.machine, holder.pid, holder.started)).close()


def _fit(
    connection: Connection, claims: Sequence[Claim], limits: Sequence[Limit], place: Place
) -> Fit | Refusal:
    day = place.moment.day
    by_origin = {
        origin: budget_states(connection, limits, origin, place.window_id, day)
        for origin in {claim.origin for claim in claims}
    }
    return fit(claims, {claim.attempt_id: by_origin[claim.origin] for claim in claims})


def _expected(past: Callable[[str, str], Past], claim: Claim, max_tokens: int) -> Expected:
    known = past(claim.origin.session_id, claim.model)
    return known.expect(claim.raw_input_tokens, claim.counted_input_tokens, max_tokens)


def _charged_to(connection: Connection, attempt_id: str) -> tuple[Origin, str, str]:
    """For whom, in which window and on which day an attempt was made."""
    row = connection.execute(
        "SELECT kind, session_id, turn_id, workspace, window_id, day FROM attempts WHERE id = ?",
        (attempt_id,),
    ).fetchone()
    return Origin(*row[:4]), row[4], row[5]


def _insert(connection: Connection, opening: Opening) -> None:
    values = (*_opening_values(opening), "reserved", *(0,) * 5, None, 0, None, None, None, 0)
    connection.execute(_INSERT, (*values, opening.id)).close()


def _close(connection: Connection, closing: Closing, moment: Moment) -> None:
    """Close the row, or write it whole where it is missing."""
    opening = closing.opening or lost_opening(closing, moment)
    _insert(connection, opening)
    values = _values(closing.usage, closing.cost)
    heard = (closing.answer_bytes, closing.thinking_bytes)
    connection.execute(_CLOSE, (closing.state, closing.ended_at, *heard, *values, closing.id)).close()


def _values(usage: Usage, cost: Cost) -> tuple[object, ...]:
    return (*astuple(usage), cost.nano_usd, cost.saved_nano_usd, cost.price_row, cost.estimated)
