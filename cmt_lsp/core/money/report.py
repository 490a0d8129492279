"""UsageReport: what was used and what it cost, by scope, days and group, summed over the ledger's rows."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.api.models import Cost, price_in_force
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.attempt import Sums
from cmt_lsp.core.money.schema import ATTEMPT_AS_SUM, FINAL
from cmt_lsp.core.money.sums import ADDED, sums_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cmt_lsp.core.store import Connection

Scope: TypeAlias = Literal["turn", "session", "window", "workspace", "all"]
Grouping: TypeAlias = Literal["day", "model", "workspace", "session"]

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
_WRITES = "cache_creation_5m_input_tokens + cache_creation_1h_input_tokens"
_WRITTEN = "day, model, sum(cache_creation_5m_input_tokens), sum(cache_creation_1h_input_tokens)"
_ATTEMPTS = f"(SELECT turn_id, session_id, window_id, workspace, day, model, {ATTEMPT_AS_SUM} FROM attempts WHERE {FINAL})"  # noqa: S608
_DAY_SUMS = frozenset({"day", "model", "workspace", "all"})
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
    then_by: Grouping | None = None
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


def checked_query(
    scope: Scope,
    key: str,
    *,
    first_day: str | None = None,
    last_day: str | None = None,
    group_by: Grouping | None = None,
    then_by: Grouping | None = None,
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
    with _one_moment(connection):
        total = _parts(connection, query).get((), _NOTHING)
        if query.group_by is None:
            return UsageReport(total, None, None)
        groups = _parts(connection, query, query.group_by)
        inner = _parts(connection, query, query.group_by, query.then_by) if query.then_by else None
    kept, left_out = _limited(list(groups.values()), query)
    if inner is not None:
        kept = _divided(kept, inner, by_day=query.then_by == "day")
    return UsageReport(total, tuple(kept), _added_up(left_out) if left_out else None)


@contextmanager
def _one_moment(connection: Connection) -> Iterator[None]:
    """One view of the file for several statements, whatever other windows book meanwhile."""
    connection.execute("BEGIN").close()
    try:
        yield
    finally:
        connection.execute("ROLLBACK").close()


def _parts(connection: Connection, query: UsageQuery, *by: Grouping) -> dict[tuple[str, ...], Part]:
    """The sums for each combination of these groupings that has attempts."""
    where, values = _condition(query)
    columns = [_COLUMNS[name] for name in by]
    keys = "".join(f"{column}, " for column in columns)
    grouped = f" GROUP BY {', '.join(columns)}" if columns else ""
    sums, single = _tables(query, by)

    def rows(picked: str, table: str, more: str = "") -> Iterable[tuple[Any, ...]]:
        return connection.execute(f"SELECT {keys}{picked} FROM {table} WHERE {where}{more}", values)  # noqa: S608  names of this file

    depth = len(by)
    sessions = {row[:depth]: row[depth] for row in rows("count(DISTINCT session_id)", single, grouped)}
    premiums = _premiums(rows(_WRITTEN, sums, f" AND {_WRITES} > 0 GROUP BY {keys}day, model"), depth)
    found = {}
    for row in rows(ADDED, sums, grouped):
        key, added = row[:depth], sums_of(row[depth:])
        if added.requests:
            found[key] = Part(key[-1] if key else "", added, sessions[key], premiums.get(key, 0))
    return found


def _condition(query: UsageQuery) -> tuple[str, list[str]]:
    """The WHERE of a query, and its values."""
    terms = [("1 = 1", None) if query.scope == "all" else (f"{_COLUMNS[query.scope]} = ?", query.key)]
    terms += [
        (f"day {sign} ?", day) for sign, day in ((">=", query.first_day), ("<=", query.last_day)) if day
    ]
    return " AND ".join(term for term, _ in terms), [value for _, value in terms if value is not None]


def _tables(query: UsageQuery, by: Sequence[Grouping]) -> tuple[str, str]:
    """Where the sums are read, and where sessions are told apart."""
    if query.scope == "turn":
        return _ATTEMPTS, _ATTEMPTS
    return "day_sums" if {query.scope, *by} <= _DAY_SUMS else "session_sums", "session_sums"


def _premiums(rows: Iterable[tuple[Any, ...]], depth: int) -> Mapping[tuple[str, ...], int]:
    """What the written tokens cost beyond plain input, by key; models without a price add nothing."""
    rate = cache(_write_premium)
    found: defaultdict[tuple[str, ...], int] = defaultdict(int)
    for row in rows:
        day, model, written_5m, written_1h = row[depth:]
        premium_5m, premium_1h = rate(model, day)
        found[row[:depth]] += written_5m * premium_5m + written_1h * premium_1h
    return found


def _write_premium(model: str, day: str) -> tuple[int, int]:
    """Nano-dollars per token written for 5 minutes and for an hour, more than plain input, on a list of that day."""
    price = price_in_force(model, datetime.combine(date.fromisoformat(day), time(12), UTC), 0)
    return (0, 0) if price is None else (price.write_5m - price.input, price.write_1h - price.input)


def _limited(groups: list[Part], query: UsageQuery) -> tuple[list[Part], list[Part]]:
    """The groups to name, in their order, and those that a limit leaves out."""
    dearest_first = sorted(groups, key=_by_cost)
    kept = dearest_first[: query.limit]
    left_out = dearest_first[len(kept) :]
    return sorted(kept, key=_by_key) if query.group_by == "day" else kept, left_out


def _divided(groups: list[Part], inner: Mapping[tuple[str, ...], Part], *, by_day: bool) -> list[Part]:
    """Each group with its own groups, in the same order as those."""
    parts: defaultdict[str, list[Part]] = defaultdict(list)
    for (outer_key, _), part in inner.items():
        parts[outer_key].append(part)
    order = _by_key if by_day else _by_cost
    return [replace(group, parts=tuple(sorted(parts[group.key], key=order))) for group in groups]


def _by_key(part: Part) -> str:
    return part.key


def _by_cost(part: Part) -> tuple[int, int, str]:
    """The dearest first; among those without a price the one with most tokens."""
    return -(part.sums.cost.nano_usd or 0), -part.sums.usage.total_tokens, part.key


def _added_up(parts: Sequence[Part]) -> Part:
    usage = Usage()
    for part in parts:
        usage += part.sums.usage
    sums = Sums(
        sum(part.sums.requests for part in parts),
        usage,
        Cost.sum(part.sums.cost for part in parts),
        sum(part.sums.estimated for part in parts),
    )
    return Part(
        "", sums, sum(part.sessions for part in parts), sum(part.write_premium_nano for part in parts)
    )


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
