"""The ledger's file: attempts, the sums that its own triggers keep over them, limits and warnings.

Numbers only. The tables of sums are indexes in all but name: SQLite's triggers change them in the transaction that
changes an attempt, nothing else writes them, and they can be rebuilt from the attempts at any time. They are why a
budget check and a status line cost the same with a thousand attempts and with a million.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.core.storage.store import Migration, Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE_NAME = "ledger.sqlite3"

TOKENS = (
    "input_tokens",
    "cache_creation_5m_input_tokens",
    "cache_creation_1h_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "thinking_tokens",
)
"""The columns of a usage, in the order of `Usage`'s fields; the same in `attempts` and in the sums."""
SUMS = ("requests", *TOKENS, "nano_usd", "saved_nano_usd", "unpriced", "estimated")
"""The columns of a sum."""
_SUM_TABLES = {
    "day_sums": ("day", "workspace", "model"),
    "session_sums": ("session_id", "window_id", "day", "workspace", "model"),
    "workspace_sums": ("workspace",),
}
"""Each table of sums with the columns that its rows stand for."""
_FIRST_SUM_TABLES = ("day_sums", "session_sums")
FINAL = "state NOT IN ('reserved', 'streaming')"


def _terms(row: str) -> tuple[str, ...]:
    """What one attempt adds to each column of a sum; `row` is NEW, OLD or the table's name.

    A reservation that was given back unsent is no request.
    """
    return (
        f"({row}.state <> 'cancelled' OR {' + '.join(f'coalesce({row}.{name}, 0)' for name in TOKENS)} > 0)",
        *(f"coalesce({row}.{name}, 0)" for name in TOKENS),
        f"coalesce({row}.nano_usd, 0)",
        f"coalesce({row}.saved_nano_usd, 0)",
        f"({row}.nano_usd IS NULL)",
        f"({row}.usage_estimated OR {row}.cost_estimated)",
    )


ATTEMPT_AS_SUM = ", ".join(f"{term} AS {name}" for term, name in zip(_terms("attempts"), SUMS, strict=True))
"""The columns of a sum over one attempt, for what the tables of sums do not tell apart."""


def _added(table: str, row: str, sign: str) -> str:
    """The statement of a trigger that adds an attempt to its sum, or takes it out again."""
    key = _SUM_TABLES[table]
    keys = ", ".join(f"{row}.{name}" for name in key)
    changes = ", ".join(f"{name} = {name} {sign} excluded.{name}" for name in SUMS)
    values = f"SELECT {keys}, {', '.join(_terms(row))} WHERE {row}.{FINAL}"
    return (
        f"INSERT INTO {table} ({', '.join((*key, *SUMS))}) {values} "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes};"
    )


def _sum_table(table: str) -> str:
    key = _SUM_TABLES[table]
    keys = ", ".join(f"{name} TEXT NOT NULL" for name in key)
    counts = ", ".join(f"{name} INTEGER NOT NULL" for name in SUMS)
    return f"CREATE TABLE {table} ({keys}, {counts}, PRIMARY KEY ({', '.join(key)})) WITHOUT ROWID"


def _triggers(tables: Sequence[str]) -> tuple[str, ...]:
    """What keeps these tables of sums: each change of an attempt takes it out as it was and adds it as it is."""
    added, removed = ("NEW", "+"), ("OLD", "-")
    return (
        _trigger("attempt_added", "INSERT", tables, added),
        _trigger("attempt_changed", "UPDATE", tables, removed, added),
        _trigger("attempt_removed", "DELETE", tables, removed),
    )


def _trigger(name: str, event: str, tables: Sequence[str], *rows: tuple[str, str]) -> str:
    statements = " ".join(_added(table, row, sign) for row, sign in rows for table in tables)
    return f"CREATE TRIGGER {name} AFTER {event} ON attempts BEGIN {statements} END"


def _counted(key: tuple[str, ...]) -> str:
    """What a table of sums holds when it is right, but for rows of nothing but zeros: all was given back unsent."""
    keys = ", ".join(key)
    added = [f"sum({term})" for term in _terms("attempts")]
    some = " OR ".join(f"{term} <> 0" for term in added)
    return f"SELECT {keys}, {', '.join(added)} FROM attempts WHERE {FINAL} GROUP BY {keys} HAVING {some}"  # noqa: S608


def _wrong(table: str, key: tuple[str, ...]) -> str:
    """How many rows of a table of sums are not what the attempts add up to; one of nothing but zeros is as none."""
    keys = ", ".join(key)
    kept = (
        f"SELECT {keys}, {', '.join(SUMS)} FROM {table} WHERE {' OR '.join(f'{name} <> 0' for name in SUMS)}"  # noqa: S608
    )
    counted = _counted(key)
    either = (
        f"SELECT {keys} FROM ({kept} EXCEPT {counted}) UNION SELECT {keys} FROM ({counted} EXCEPT {kept})"  # noqa: S608
    )
    return f"SELECT count(*) FROM ({either})"  # noqa: S608


REBUILD_SUMS = tuple(
    statement
    for table, key in _SUM_TABLES.items()
    for statement in (f"DELETE FROM {table}", f"INSERT INTO {table} {_counted(key)}")  # noqa: S608
)
"""Makes the sums anew from the attempts."""
WRONG_SUMS = tuple(_wrong(table, key) for table, key in _SUM_TABLES.items())
"""Queries that give 0 where the sums are right."""

_MOST_TOKENS = 10**12
_MOST_NANO = 10**17
"""A hundred million dollars for one attempt: only a damaged file says so, and a few such rows would break every sum."""


def _outside(name: str, low: int, high: int) -> str:
    return f"{name} IS NOT NULL AND (typeof({name}) <> 'integer' OR {name} NOT BETWEEN {low} AND {high})"


_IMPOSSIBLE = {
    **{f"{name} = 0, usage_estimated = 1": _outside(name, 0, _MOST_TOKENS) for name in TOKENS},
    "nano_usd = NULL, cost_estimated = 1": _outside("nano_usd", 0, _MOST_NANO),
    "saved_nano_usd = NULL, cost_estimated = 1": _outside("saved_nano_usd", -_MOST_NANO, _MOST_NANO),
    "hold_nano = 0": _outside("hold_nano", 0, 10 * _MOST_NANO),
    "usage_estimated = 1": _outside("usage_estimated", 0, 1),
    "cost_estimated = 1": _outside("cost_estimated", 0, 1),
}
"""What no attempt can hold, and what a salvaged row holds instead."""
IMPOSSIBLE_ROWS = (
    f"SELECT count(*) FROM attempts WHERE {' OR '.join(f'({where})' for where in _IMPOSSIBLE.values())}"  # noqa: S608
)
"""A query that gives 0 where every row is one that an attempt can leave."""
MEND_ROWS = tuple(f"UPDATE attempts SET {change} WHERE {where}" for change, where in _IMPOSSIBLE.items())  # noqa: S608

SCHEMA = Schema(
    migrations=(
        Migration(
            "attempts and their sums",
            (
                """CREATE TABLE attempts (
                    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
                    session_id TEXT NOT NULL, turn_id TEXT NOT NULL, window_id TEXT NOT NULL,
                    workspace TEXT NOT NULL, model TEXT NOT NULL, number INTEGER NOT NULL,
                    started_at REAL NOT NULL, utc_offset INTEGER NOT NULL, day TEXT NOT NULL, ended_at REAL,
                    state TEXT NOT NULL,
                    input_tokens INTEGER NOT NULL, cache_creation_5m_input_tokens INTEGER NOT NULL,
                    cache_creation_1h_input_tokens INTEGER NOT NULL, cache_read_input_tokens INTEGER NOT NULL,
                    output_tokens INTEGER NOT NULL, thinking_tokens INTEGER, usage_estimated INTEGER NOT NULL,
                    nano_usd INTEGER, saved_nano_usd INTEGER, price_row TEXT, cost_estimated INTEGER NOT NULL,
                    hold_nano INTEGER NOT NULL, override TEXT,
                    machine TEXT NOT NULL, pid INTEGER NOT NULL, pid_started REAL NOT NULL, lease_until REAL NOT NULL,
                    max_tokens INTEGER, raw_input_tokens INTEGER, expected_input INTEGER, expected_exact INTEGER,
                    expected_p50 INTEGER, expected_p90 INTEGER, expected_nano INTEGER, answer_bytes INTEGER)""",
                "CREATE INDEX attempts_live ON attempts (state) WHERE state IN ('reserved', 'streaming')",
                "CREATE INDEX attempts_by_turn ON attempts (turn_id)",
                "CREATE INDEX attempts_by_session ON attempts (session_id, seq)",
                "CREATE INDEX attempts_by_model ON attempts (model, seq)",
                "CREATE INDEX attempts_by_day ON attempts (day, seq)",
                "CREATE INDEX attempts_by_window ON attempts (window_id, day, seq)",
                "CREATE INDEX attempts_by_workspace ON attempts (workspace, day, seq)",
                _sum_table("day_sums"),
                "CREATE INDEX day_sums_by_workspace ON day_sums (workspace, day)",
                _sum_table("session_sums"),
                "CREATE INDEX session_sums_by_window ON session_sums (window_id)",
                "CREATE INDEX session_sums_by_day ON session_sums (day)",
                *_triggers(_FIRST_SUM_TABLES),
                """CREATE TABLE limits (
                    seq INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, limit_nano INTEGER,
                    warn_at TEXT NOT NULL, set_at REAL NOT NULL, window_id TEXT NOT NULL)""",
                """CREATE TABLE warnings (
                    scope TEXT NOT NULL, key TEXT NOT NULL, limit_nano INTEGER NOT NULL, percent INTEGER NOT NULL,
                    told_at REAL NOT NULL, PRIMARY KEY (scope, key, limit_nano, percent)) WITHOUT ROWID""",
            ),
        ),
        Migration("bytes of thinking", ("ALTER TABLE attempts ADD COLUMN thinking_bytes INTEGER",)),
        Migration(
            "sums of a workspace over all days",
            (
                _sum_table("workspace_sums"),
                f"INSERT INTO workspace_sums {_counted(_SUM_TABLES['workspace_sums'])}",
                "DROP TRIGGER attempt_added",
                "DROP TRIGGER attempt_changed",
                "DROP TRIGGER attempt_removed",
                *_triggers(tuple(_SUM_TABLES)),
            ),
        ),
    ),
    tables=("attempts", "limits", "warnings"),
    repair=(*MEND_ROWS, *REBUILD_SUMS),
    audit=(IMPOSSIBLE_ROWS, *WRONG_SUMS),
)
"""`limits` is a journal: the newest row of a scope is in force, and a NULL limit is none."""
