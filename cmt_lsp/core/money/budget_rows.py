"""Limits, what was spent and held, and the warnings already told: the ledger's rows as budgets, inside a transaction.

Every function takes the connection of a job on the ledger's thread and leaves the transaction to its caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.core.money.budget import DEFAULT_WARN_AT, SCOPES, BudgetState, Limit, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cmt_lsp.core.money.attempt import Origin
    from cmt_lsp.core.money.budget import BudgetScope
    from cmt_lsp.core.storage.store import Connection

_SPENT = "SELECT coalesce(sum(nano_usd), 0), coalesce(sum(unpriced), 0) FROM"
_SPENT_BY: dict[BudgetScope, str] = {
    "turn": (
        "SELECT coalesce(sum(nano_usd), 0), coalesce(sum(nano_usd IS NULL), 0) FROM attempts"
        " WHERE turn_id = ? AND state NOT IN ('reserved', 'streaming')"
    ),
    "session": f"{_SPENT} session_sums WHERE session_id = ?",
    "window": f"{_SPENT} session_sums WHERE window_id = ?",
    "workspace": f"{_SPENT} workspace_sums WHERE workspace = ?",
    "day": f"{_SPENT} day_sums WHERE day = ?",
    "month": f"{_SPENT} day_sums WHERE day BETWEEN ?1 || '-00' AND ?1 || '-99'",
}
_HELD = "SELECT coalesce(sum(hold_nano), 0) FROM attempts WHERE state IN ('reserved', 'streaming')"
# The sign keeps SQLite to the index of the few live rows: by that of a workspace it read all that was ever asked there.
_HELD_BY: dict[BudgetScope, str] = {
    "turn": f"{_HELD} AND +turn_id = ?",
    "session": f"{_HELD} AND +session_id = ?",
    "window": f"{_HELD} AND +window_id = ?",
    "workspace": f"{_HELD} AND +workspace = ?",
    # A turn is charged to the day it began in; until it has ended it is held in every period.
    "day": f"{_HELD} AND ? <> ''",
    "month": f"{_HELD} AND ? <> ''",
}


def read_limits(connection: Connection) -> tuple[Limit, ...]:
    """The limits set by command that are in force: the newest row of each scope, unless it removed the limit.

    A limit that damage made nothing of is the lowest there is.
    """
    rows = connection.execute(
        "SELECT scope, limit_nano, warn_at FROM limits WHERE seq IN (SELECT max(seq) FROM limits GROUP BY scope)"
    )
    found = {scope: (nano, warn_at) for scope, nano, warn_at in rows if nano is not None}
    return tuple(
        Limit(scope, max(1, int(found[scope][0])), _percentages(found[scope][1]), "user")
        for scope in SCOPES
        if scope in found
    )


def append_limit(
    connection: Connection,
    scope: BudgetScope,
    limit_nano: int | None,
    warn_at: Iterable[int] | None,
    *,
    at: float,
    window_id: str,
) -> None:
    """Add a change to the journal of limits; None removes the limit."""
    percentages = ",".join(str(percent) for percent in (DEFAULT_WARN_AT if warn_at is None else warn_at))
    connection.execute(
        "INSERT INTO limits (scope, limit_nano, warn_at, set_at, window_id) VALUES (?, ?, ?, ?, ?)",
        (scope, limit_nano, percentages, at, window_id),
    )


def budget_states(
    connection: Connection, limits: Iterable[Limit], origin: Origin, window_id: str, day: str
) -> tuple[BudgetState, ...]:
    """The budgets that apply to an attempt of this origin, each with what is spent and held; `limits` are in force."""
    keys = keys_of(origin, window_id, day)
    return tuple(_state(connection, limit, keys[limit.scope]) for limit in limits)


def due_warnings(connection: Connection, budgets: Sequence[BudgetState], *, at: float) -> tuple[str, ...]:
    """The sentences that are due now, each percentage of each limit once; they count as told from here on.

    Where several percentages were crossed at once, one sentence tells the figure; the percentages are all told.
    """
    return tuple(budget.warning for budget in budgets if _tell(connection, budget, at))


def _state(connection: Connection, limit: Limit, key: str) -> BudgetState:
    spent = unpriced = held = 0
    if key or limit.scope == "workspace":
        spent, unpriced = connection.execute(_SPENT_BY[limit.scope], (key,)).fetchone()
        (held,) = connection.execute(_HELD_BY[limit.scope], (key,)).fetchone()
    return BudgetState(limit.scope, key, limit.limit_nano, spent, held, limit.warn_at, limit.source, unpriced)


def _tell(connection: Connection, budget: BudgetState, at: float) -> bool:
    """Note the crossed percentages as told; True where the highest of them is news."""
    place = (budget.scope, budget.key, budget.limit_nano)
    (told,) = connection.execute(
        "SELECT coalesce(max(percent), 0) FROM warnings WHERE scope = ? AND key = ? AND limit_nano = ?", place
    ).fetchone()
    connection.executemany(
        "INSERT OR IGNORE INTO warnings (scope, key, limit_nano, percent, told_at) VALUES (?, ?, ?, ?, ?)",
        [(*place, percent, at) for percent in budget.crossed],
    )
    return max(budget.crossed, default=0) > int(told)


def _percentages(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part.isdecimal())
