"""UsageReport: what was used and what it cost, by scope, days and group, summed over the ledger's rows."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.api.models import Cost, price_in_force
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.attempt import Sums
from cmt_lsp.core.money.prediction import calibration
from cmt_lsp.core.money.schema import ATTEMPT_AS_SUM, FINAL, TOKENS
from cmt_lsp.core.money.sums import ADDED, sums_of
from cmt_lsp.core.storage.salvage import one_moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cmt_lsp.core.money.prediction import Calibration
    from cmt_lsp.core.storage.store import Connection

Scope: TypeAlias = Literal["turn", "session", "window", "workspace", "all"]
Grouping: TypeAlias = Literal["day", "model", "workspace", "session"]
InnerGrouping: TypeAlias = Literal["day", "model", "workspace"]
"""Not sessions: a hundred thousand of them inside every day would be no report."""

KEPT = 1000
"""Sessions or workspaces that a report names where no limit is given; there may be a hundred thousand of them."""
MOST = 10_000
"""The highest limit: an answer of that size still fits a frame."""

_COLUMNS: dict[str, str] = {
    "turn": "turn_id",
    "session": "session_id",
    "window": "window_id",
    "workspace": "workspace",
    "day": "day",
    "model": "model",
}
_TOKENS = " + ".join(name for name in TOKENS if name != "thinking_tokens")
_WRITTEN = "sum(cache_creation_5m_input_tokens), sum(cache_creation_1h_input_tokens)"
_ATTEMPTS = f"(SELECT turn_id, session_id, window_id, workspace, day, model, {ATTEMPT_AS_SUM} FROM attempts WHERE {FINAL})"  # noqa: S608
_DAY_SUMS = frozenset({"day", "model", "workspace", "all", None})
"""The scopes and groupings that the sums by day tell apart."""


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """Which attempts to sum and how to divide them; see `checked_query`."""

    scope: Scope
    key: str
    """The id of the turn, session, window or workspace; '' for all, and for work outside of any workspace."""
    first_day: str | None = None
    last_day: str | None = None
    """Both inclusive, as YYYY-MM-DD in the ledger's own days."""
    group_by: Grouping | None = None
    then_by: InnerGrouping | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The sum over some attempts; `key` is '' for the whole and for the rest."""

    key: str
    sums: Sums
    sessions: int
    """Distinct ones. A session with attempts in two parts counts in both."""
    write_premium_nano: int
    """What writing the cache cost more than plain input, at list prices; the saving has it taken off already."""
    parts: tuple[Part, ...] | None = None

    @property
    def hit_ratio(self) -> float:
        """Share of all prompts that was read from the cache, 0 to 1."""
        return self.sums.usage.hit_ratio

    @property
    def saved_nano(self) -> int:
        """Against no caching at all, over the priced attempts; negative where writes cost more than reads saved."""
        return self.sums.cost.saved_nano_usd or 0


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The sums asked for. The parts of `groups` and `rest` add up to `total`, but for sessions in several of them."""

    total: Part
    groups: tuple[Part, ...] | None
    """Days in their order, only those with attempts; others by cost, the dearest first. None without a grouping."""
    rest: Part | None
    """What a limit left out."""
    calibration: Calibration
    """Of the newest predictions in the same scope and days."""


def checked_query(
    scope: Scope,
    key: str,
    *,
    first_day: str | None = None,
    last_day: str | None = None,
    group_by: Grouping | None = None,
    then_by: InnerGrouping | None = None,
    limit: int | None = None,
) -> UsageQuery:
    """A query that makes sense; BadParamsError names what does not."""
    first, last = _day("from", first_day), _day("to", last_day)
    if first and last and first > last:
        raise BadParamsError(f"$.from ({first}) is after $.to ({last}); swap them.")
    if then_by is not None and (group_by is None or group_by == then_by):
        raise BadParamsError("$.thenBy divides the groups of $.groupBy again; name two different groupings.")
    if limit is not None and not 1 <= limit <= MOST:
        raise BadParamsError(f"$.limit must be 1 to {MOST}.")
    if limit is None and group_by in ("session", "workspace"):
        limit = KEPT
    return UsageQuery(scope, key, first, last, group_by, then_by, limit)


def usage_report(connection: Connection, query: UsageQuery) -> UsageReport:
    """Sum the attempts in a final state, all as of one moment; those that still run are not spent yet."""
    chosen = _selection(query)
    with one_moment(connection):
        quality = calibration(connection, query.scope, query.key, query.first_day, query.last_day)
        total = _parts(connection, chosen).get((), _NOTHING)
        if query.group_by is None:
            return UsageReport(total, None, None, quality)
        rest = None
        if query.limit is not None:
            dearest = _dearest(connection, chosen, query.group_by, query.limit)
            rest = _parts(connection, chosen.of(query.group_by, dearest, wanted=False)).get(())
            chosen = chosen.of(query.group_by, dearest, wanted=True)
        groups = list(_parts(connection, chosen, query.group_by).values())
        if query.then_by is not None:
            inner = _parts(connection, chosen, query.group_by, query.then_by)
            groups = _divided(groups, inner, query.then_by)
    return UsageReport(total, _in_order(groups, query.group_by), rest, quality)


def last_turn(connection: Connection, session_id: str) -> str | None:
    """The turn of a session that was begun last, which may still run; None before the first one."""
    row = connection.execute(
        "SELECT turn_id FROM attempts WHERE session_id = ? ORDER BY seq DESC LIMIT 1", (session_id,)
    ).fetchone()
    return None if row is None else str(row[0])


@dataclass(frozen=True, slots=True)
class _Selection:
    """Which rows are read: the tables, and the WHERE of a statement with its values."""

    sums: str
    sessions: str
    """Where sessions are told apart."""
    where: str
    values: tuple[str, ...]

    def of(self, group: Grouping, keys: Sequence[str], *, wanted: bool) -> _Selection:
        """Only these groups, or all but these. One value holds the keys: SQLite may take no more than 999 values."""
        among = "IN" if wanted else "NOT IN"
        term = f"{_COLUMNS[group]} {among} (SELECT value FROM json_each(?))"  # noqa: S608  names of this file
        return replace(self, where=f"{self.where} AND {term}", values=(*self.values, json.dumps(keys)))


def _selection(query: UsageQuery) -> _Selection:
    """What a query asks for. A sum that nothing is left of, after a deletion, is no session with spending."""
    sums, sessions = "session_sums", "session_sums"
    if query.scope == "turn":
        sums = sessions = _ATTEMPTS
    elif {query.scope, query.group_by, query.then_by} <= _DAY_SUMS:
        sums = "day_sums"
    terms = [] if query.scope == "all" else [(f"{_COLUMNS[query.scope]} = ?", query.key)]
    days = ((">=", query.first_day), ("<=", query.last_day))
    terms += [(f"day {sign} ?", day) for sign, day in days if day is not None]
    where = " AND ".join(("requests > 0", *(term for term, _ in terms)))
    return _Selection(sums, sessions, where, tuple(value for _, value in terms))


def _dearest(connection: Connection, chosen: _Selection, group: Grouping, limit: int) -> list[str]:
    """The keys of the groups that a limit keeps; the order is that of `_by_cost`."""
    column = _COLUMNS[group]
    rows = connection.execute(
        f"SELECT {column} FROM {chosen.sums} WHERE {chosen.where} GROUP BY {column} "  # noqa: S608  names of this file
        f"ORDER BY sum(nano_usd) DESC, sum({_TOKENS}) DESC, {column} LIMIT {limit}",
        chosen.values,
    )
    return [row[0] for row in rows]


def _parts(connection: Connection, chosen: _Selection, *by: Grouping) -> dict[tuple[str, ...], Part]:
    """The sums for each combination of these groupings that has attempts."""
    columns = [_COLUMNS[name] for name in by]

    def rows(picked: str, table: str, *more: str) -> Iterable[tuple[Any, ...]]:
        keys = [*columns, *more]
        grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
        statement = f"SELECT {', '.join([*keys, picked])} FROM {table} WHERE {chosen.where}{grouped}"  # noqa: S608  the same
        return connection.execute(statement, chosen.values)

    depth = len(by)
    sessions = {row[:depth]: row[depth] for row in rows("count(DISTINCT session_id)", chosen.sessions)}
    premiums = _premiums(rows(_WRITTEN, chosen.sums, "day", "model"), depth)
    found = {}
    for row in rows(ADDED, chosen.sums):
        key, added = row[:depth], sums_of(row[depth:])
        if added.requests:
            found[key] = Part(key[-1] if key else "", added, sessions[key], premiums[key])
    return found


def _premiums(rows: Iterable[tuple[Any, ...]], depth: int) -> Mapping[tuple[str, ...], int]:
    """What the written tokens cost beyond plain input, by key; models without a price add nothing."""
    rate = cache(_write_premium)
    found: defaultdict[tuple[str, ...], int] = defaultdict(int)
    for row in rows:
        day, model, written_5m, written_1h = row[-4:]
        if written_5m or written_1h:
            premium_5m, premium_1h = rate(model, day)
            found[row[:depth]] += written_5m * premium_5m + written_1h * premium_1h
    return found


def _write_premium(model: str, day: str) -> tuple[int, int]:
    """Nano-dollars per token written for 5 minutes and for an hour, more than plain input, on a list of that day."""
    price = price_in_force(model, datetime.combine(date.fromisoformat(day), time(12), UTC), 0)
    return (0, 0) if price is None else (price.write_5m - price.input, price.write_1h - price.input)


def _divided(groups: list[Part], inner: Mapping[tuple[str, ...], Part], by: Grouping) -> list[Part]:
    """Each group with its own groups."""
    parts: defaultdict[str, list[Part]] = defaultdict(list)
    for (outer, _), part in inner.items():
        parts[outer].append(part)
    return [replace(group, parts=_in_order(parts[group.key], by)) for group in groups]


def _in_order(groups: list[Part], by: Grouping) -> tuple[Part, ...]:
    return tuple(sorted(groups, key=_by_day if by == "day" else _by_cost))


def _by_day(part: Part) -> str:
    return part.key


def _by_cost(part: Part) -> tuple[int, int, str]:
    """The dearest first; among those without a price the one with most tokens."""
    return -(part.sums.cost.nano_usd or 0), -part.sums.usage.total_tokens, part.key


def _day(name: str, text: str | None) -> str | None:
    """A day as it was given; nothing but YYYY-MM-DD is one."""
    if text is None:
        return None
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    raise BadParamsError(f"$.{name} must be a day as YYYY-MM-DD, such as 2026-11-22.")


_NOTHING = Part("", Sums(0, Usage(), Cost(0, 0, None, estimated=False), 0), 0, 0)
