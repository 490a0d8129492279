"""Limits, spending, holds and warnings as the ledger's own rows tell them."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from attempt_rows import book, ledger_file

from cmt_lsp.core.money.attempt import Origin
from cmt_lsp.core.money.budget import DEFAULT_WARN_AT, SCOPES, BudgetScope, BudgetState, Limit
from cmt_lsp.core.money.budget_rows import append_limit, budget_states, due_warnings, read_limits

USD = 1_000_000_000
HERE = Origin("turn", "s", "t", "/home/me/a")
TODAY = "2026-11-22"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An empty ledger."""
    with ledger_file(tmp_path) as connection:
        yield connection


def set_limit(
    ledger: sqlite3.Connection,
    scope: BudgetScope,
    limit: int | None,
    warn_at: tuple[int, ...] | None = None,
) -> None:
    append_limit(ledger, scope, limit, warn_at, at=1.0, window_id="w")


def state_of(
    ledger: sqlite3.Connection, scope: BudgetScope, origin: Origin = HERE, day: str = TODAY, window: str = "w"
) -> BudgetState:
    (found,) = budget_states(ledger, [Limit(scope, 5 * USD)], origin, window, day)
    return found


# The journal of limits


def test_before_anybody_sets_a_limit_there_is_none(ledger: sqlite3.Connection) -> None:
    assert read_limits(ledger) == ()


def test_the_newest_row_of_each_budget_is_in_force(ledger: sqlite3.Connection) -> None:
    set_limit(ledger, "month", 50 * USD)
    set_limit(ledger, "day", 5 * USD, (10, 20))
    set_limit(ledger, "day", 3 * USD, ())
    set_limit(ledger, "turn", USD)
    set_limit(ledger, "turn", None)
    set_limit(ledger, "session", None)
    set_limit(ledger, "session", 2 * USD, (80,))

    assert read_limits(ledger) == (
        Limit("session", 2 * USD, (80,), "user"),
        Limit("day", 3 * USD, (), "user"),
        Limit("month", 50 * USD, DEFAULT_WARN_AT, "user"),
    )


def test_each_change_of_a_limit_stays_in_the_journal(ledger: sqlite3.Connection) -> None:
    set_limit(ledger, "day", 5 * USD, (50,))
    set_limit(ledger, "day", None)

    rows = ledger.execute("SELECT scope, limit_nano, warn_at, set_at, window_id FROM limits ORDER BY seq")
    assert rows.fetchall() == [("day", 5 * USD, "50", 1.0, "w"), ("day", None, "50,75,90,95", 1.0, "w")]


def test_a_damaged_journal_never_opens_the_purse(ledger: sqlite3.Connection) -> None:
    ledger.execute("INSERT INTO limits VALUES (1, 'day', 0, '50,\ufffd,x,90', 1.0, 'w')")
    ledger.execute("INSERT INTO limits VALUES (2, 'year', 5, '', 1.0, 'w')")

    assert read_limits(ledger) == (Limit("day", 1, (50, 90), "user"),)


# Spent and held


@pytest.mark.parametrize(
    ("scope", "elsewhere"),
    [
        ("turn", {"turn_id": "t2"}),
        ("session", {"session_id": "s2"}),
        ("window", {"window_id": "w2"}),
        ("workspace", {"workspace": "/home/me/b"}),
        ("day", {"day": "2026-11-21"}),
        ("month", {"day": "2026-10-31"}),
    ],
)
def test_each_budget_counts_its_own_attempts_alone(
    ledger: sqlite3.Connection, scope: BudgetScope, elsewhere: dict[str, str]
) -> None:
    here = {"workspace": HERE.workspace}
    for state, nano in (
        ("done", 1),
        ("cancelled", 20),
        ("failed", 300),
        ("orphan", 4_000),
        ("truncated", 50_000),
    ):
        book(ledger, state=state, nano_usd=nano, hold_nano=7, **here)
        book(ledger, state=state, nano_usd=nano * 10**6, hold_nano=7, **{**here, **elsewhere})
    book(ledger, state="done", nano_usd=None, **here)
    book(ledger, state="reserved", nano_usd=None, hold_nano=600_000, **here)
    book(ledger, state="streaming", nano_usd=9, hold_nano=7_000_000, **here)

    found = state_of(ledger, scope)

    assert (found.spent_nano, found.held_nano, found.unpriced) == (54_321, 7_600_000, 1)
    assert found.key == {
        "turn": "t", "session": "s", "window": "w", "workspace": "/home/me/a", "day": TODAY, "month": "2026-11",
    }[scope]  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "elsewhere"),
    [("turn", {"turn_id": "t2"}), ("session", {"session_id": "s2"}), ("window", {"window_id": "w2"}),
     ("workspace", {"workspace": "/home/me/b"})],
)  # fmt: skip
def test_holds_of_others_are_not_held_here(
    ledger: sqlite3.Connection, scope: BudgetScope, elsewhere: dict[str, str]
) -> None:
    book(ledger, state="reserved", hold_nano=600, **{"workspace": HERE.workspace, **elsewhere})
    assert state_of(ledger, scope).held_nano == 0


@pytest.mark.parametrize("state", ["reserved", "streaming"])
def test_a_turn_across_midnight_is_held_in_both_days_and_charged_to_the_first(
    ledger: sqlite3.Connection, state: str
) -> None:
    book(ledger, id="late", day="2026-10-31", state=state, hold_nano=600)
    days: list[tuple[BudgetScope, str]] = [
        ("day", "2026-10-31"), ("day", "2026-11-01"), ("month", "2026-10-31"), ("month", "2026-11-01")
    ]  # fmt: skip
    assert [state_of(ledger, scope, day=day).held_nano for scope, day in days] == [600] * 4

    ledger.execute("UPDATE attempts SET state = 'done', nano_usd = 500 WHERE id = 'late'")
    found = [state_of(ledger, scope, day=day) for scope, day in days]
    assert [(each.spent_nano, each.held_nano) for each in found] == [(500, 0), (0, 0), (500, 0), (0, 0)]


def test_a_month_has_all_its_days_and_no_others(ledger: sqlite3.Connection) -> None:
    for number, day in enumerate(("2026-10-31", "2026-11-01", "2026-11-30", "2026-12-01", "2025-11-15")):
        book(ledger, day=day, nano_usd=10**number)
    assert state_of(ledger, "month", day="2026-11-07").spent_nano == 10 + 100


def test_work_outside_of_any_workspace_has_a_budget_of_its_own(ledger: sqlite3.Connection) -> None:
    book(ledger, workspace="", nano_usd=5)
    book(ledger, workspace="/home/me/a", nano_usd=70)
    nowhere = Origin("turn", "s", "t", "")
    assert state_of(ledger, "workspace", nowhere).spent_nano == 5


def test_before_there_is_a_turn_or_a_session_nothing_is_spent_in_it(ledger: sqlite3.Connection) -> None:
    book(ledger, turn_id="", session_id="", nano_usd=5)
    book(ledger, turn_id="", session_id="", state="reserved", hold_nano=5)
    none_yet = Origin("turn", "", "", "")
    for scope in ("turn", "session"):
        found = state_of(ledger, scope, none_yet)
        assert (found.spent_nano, found.held_nano) == (0, 0)


def test_every_limit_gives_a_state_in_their_order(ledger: sqlite3.Connection) -> None:
    limits = [Limit(scope, n + 1, (n + 1,), "settings") for n, scope in enumerate(SCOPES)]
    found = budget_states(ledger, limits, HERE, "w", TODAY)
    assert [(s.scope, s.limit_nano, s.warn_at, s.source) for s in found] == [
        (limit.scope, limit.limit_nano, limit.warn_at, "settings") for limit in limits
    ]


def test_what_is_spent_is_the_sum_over_the_rows_after_any_changes(ledger: sqlite3.Connection) -> None:
    """No second counter: after 1,500 random inserts, ends, corrections and deletions every budget is a plain sum."""
    rng = random.Random(20261122)
    rows: dict[str, dict[str, object]] = {}
    for number in range(1_500):
        act = rng.random()
        if act < 0.5 or not rows:
            row = {
                "id": f"r{number}", "turn_id": f"t{rng.randrange(4)}", "session_id": f"s{rng.randrange(3)}",
                "window_id": f"w{rng.randrange(2)}", "workspace": f"/{rng.randrange(2)}", "hold_nano": rng.randrange(99),
                "day": rng.choice((TODAY, "2026-11-01", "2026-10-31")), "state": "reserved", "nano_usd": None,
            }  # fmt: skip
            book(ledger, **row)
            rows[f"r{number}"] = row
            continue
        name = rng.choice(list(rows))
        if act < 0.9:
            change = {
                "state": rng.choice(("streaming", "done", "orphan")),
                "nano_usd": rng.choice((None, 5, 9)),
            }
            ledger.execute(
                "UPDATE attempts SET state = ?, nano_usd = ? WHERE id = ?", (*change.values(), name)
            )
            rows[name].update(change)
        else:
            ledger.execute("DELETE FROM attempts WHERE id = ?", (name,))
            del rows[name]
    limits = [Limit(scope, USD) for scope in SCOPES]
    origin = Origin("turn", "s1", "t1", "/1")

    found = budget_states(ledger, limits, origin, "w1", TODAY)

    mine = {
        "turn": ("turn_id", "t1"), "session": ("session_id", "s1"), "window": ("window_id", "w1"),
        "workspace": ("workspace", "/1"), "day": ("day", TODAY), "month": ("day", "2026-11"),
    }  # fmt: skip
    live = ("reserved", "streaming")
    for each in found:
        column, key = mine[each.scope]
        chosen = [row for row in rows.values() if str(row[column]).startswith(key)]
        held = rows.values() if each.scope in ("day", "month") else chosen
        final = [row["nano_usd"] for row in chosen if row["state"] not in live]
        assert each.spent_nano == sum(nano for nano in final if isinstance(nano, int))
        assert each.unpriced == final.count(None)
        assert each.held_nano == sum(int(str(row["hold_nano"])) for row in held if row["state"] in live)


# Warnings


def told(ledger: sqlite3.Connection, spent: int, limit: int = 100, **changes: object) -> tuple[str, ...]:
    state = BudgetState(
        "day", str(changes.get("key", TODAY)), limit * USD, spent * USD, 0, (50, 75, 90), "user"
    )
    return due_warnings(ledger, [state], at=2.0)


def test_each_percentage_is_told_once(ledger: sqlite3.Connection) -> None:
    assert told(ledger, 49) == ()
    assert told(ledger, 50) == ("Day budget: 50% used ($50.00 of $100.00).",)
    assert told(ledger, 50) == ()
    assert told(ledger, 74) == ()
    assert told(ledger, 76) == ("Day budget: 76% used ($76.00 of $100.00).",)
    assert told(ledger, 89) == ()
    assert told(ledger, 120) == ("Day budget: 120% used ($120.00 of $100.00).",)
    assert told(ledger, 130) == ()


def test_percentages_crossed_at_once_are_told_in_one_sentence_and_not_again(
    ledger: sqlite3.Connection,
) -> None:
    assert told(ledger, 80) == ("Day budget: 80% used ($80.00 of $100.00).",)
    assert told(ledger, 60) == ()
    assert ledger.execute("SELECT percent, told_at FROM warnings ORDER BY percent").fetchall() == [
        (50, 2.0),
        (75, 2.0),
    ]


def test_another_limit_another_day_and_another_budget_warn_anew(ledger: sqlite3.Connection) -> None:
    assert told(ledger, 60)
    assert told(ledger, 60, limit=110)
    assert told(ledger, 60, key="2026-11-23")
    assert not told(ledger, 60)
    session = BudgetState("session", TODAY, 100 * USD, 60 * USD, 0, (50,), "user")
    assert due_warnings(ledger, [session], at=2.0) == ("Session budget: 60% used ($60.00 of $100.00).",)


def test_a_hold_warns_nobody(ledger: sqlite3.Connection) -> None:
    running = BudgetState("day", TODAY, 100, 10, 85, (50, 75, 90), "user")
    assert due_warnings(ledger, [running], at=2.0) == ()


def test_a_lower_percentage_that_is_added_later_is_no_news(ledger: sqlite3.Connection) -> None:
    assert told(ledger, 76)
    with_more = BudgetState("day", TODAY, 100 * USD, 76 * USD, 0, (50, 60, 75, 90), "user")
    assert due_warnings(ledger, [with_more], at=2.0) == ()


def test_all_budgets_that_are_due_are_told_in_their_order(ledger: sqlite3.Connection) -> None:
    states = [
        BudgetState(scope, "k", 100, spent, 0, (50,), "user") for scope, spent in zip(SCOPES, (60, 0, 70, 0, 0, 50), strict=True)
    ]  # fmt: skip
    sentences = due_warnings(ledger, states, at=2.0)
    assert [sentence.split()[0] for sentence in sentences] == ["Turn", "Window", "Month"]


@pytest.mark.parametrize("scope", SCOPES)
def test_a_hold_is_looked_up_among_the_live_attempts_alone(
    ledger: sqlite3.Connection, scope: BudgetScope
) -> None:
    """So that a budget check costs the same after a million attempts."""
    statements: list[str] = []
    ledger.set_trace_callback(statements.append)
    state_of(ledger, scope)
    ledger.set_trace_callback(None)

    (held,) = [statement for statement in statements if "hold_nano" in statement]
    assert "attempts_live" in str(ledger.execute(f"EXPLAIN QUERY PLAN {held}").fetchall())
