"""Clocks that jump: budgets go by the day that the clock shows, and no jump loses, doubles or turns around an amount."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from accounts import ledger_rows
from live_turns import Listener, ask, new_session, start
from watched_window import Clock

from cmt_lsp.api.errors import BudgetExceededError
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.money.attempt import Origin
from cmt_lsp.core.money.budget import BudgetState
from cmt_lsp.core.money.ledger import Ledger
from cmt_lsp.core.turn import AnswerText
from cmt_lsp.simulator import Answer, Fault, Simulator

DAY = 86_400.0
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC).timestamp()
HERE = Origin("turn", "", "", "")


@pytest.fixture
def clock() -> Clock:
    """Noon of some day."""
    return Clock(NOON)


@pytest.fixture
async def manager(simulator: Simulator, state_dir: Path, clock: Clock) -> AsyncIterator[APISessionManager]:
    """A manager whose days begin at midnight UTC by that clock."""
    ledger = Ledger(state_dir, "w", clock=clock, zone=UTC, patience=30.0)
    made = APISessionManager(ledger=ledger, clock=clock)
    yield made
    await made.aclose()
    ledger.close()


async def day_budget(manager: APISessionManager) -> BudgetState:
    """The one of today, whatever today is."""
    return next(state for state in await manager.ledger.budgets(HERE) if state.scope == "day")


async def test_each_day_has_its_own_money_whichever_way_the_clock_went(
    manager: APISessionManager, simulator: Simulator, clock: Clock, state_dir: Path
) -> None:
    """A day, a year, forwards and back: spent stays spent on the day it was, and the sum over all is the sum."""
    await manager.ledger.set_limit("day", 6_000_000, None)
    spent: dict[str, int] = {}
    for jump in (0.0, DAY, -DAY, -365 * DAY, 730 * DAY, -365 * DAY, 0.5 * DAY):
        clock.now += jump
        session = await new_session(manager)
        day = datetime.fromtimestamp(clock.now, UTC).date().isoformat()
        simulator.reply_with(Answer("word " * 2_000))
        if spent.get(day):
            with pytest.raises(BudgetExceededError):
                await ask(manager, session, max_tokens=500)
            simulator._answers.clear()
        else:
            cost = (await ask(manager, session, max_tokens=500)).cost.nano_usd
            assert cost is not None
            spent[day] = cost
        state = await day_budget(manager)
        assert (state.key, state.spent_nano, state.held_nano) == (day, spent[day], 0)
    assert len(spent) == 4
    assert manager.get_global_usage()["global_summary"]["requests"] == len(spent)
    with ledger_rows(state_dir) as connection:
        found = connection.execute(
            "SELECT day, sum(nano_usd) FROM attempts WHERE nano_usd > 0 GROUP BY day"
        ).fetchall()
        assert dict(map(tuple, found)) == spent
        assert (
            connection.execute("SELECT count(*) FROM attempts WHERE ended_at < started_at").fetchone()[0] == 0
        )


@pytest.mark.parametrize("jump", [DAY, -DAY, 365 * DAY, -365 * DAY], ids=["+day", "-day", "+year", "-year"])
async def test_a_jump_within_a_turn_changes_neither_its_day_nor_its_order(
    manager: APISessionManager, simulator: Simulator, clock: Clock, state_dir: Path, jump: float
) -> None:
    """It is charged to the day it began in; until its end it is held in whatever day it is."""
    await manager.ledger.set_limit("day", 10**9, None)
    simulator.reply_with(Answer("some words here", chunk_chars=5))
    simulator.fail_next(Fault.stall(after_events=5))
    turn, heard = start(manager, await new_session(manager))
    await heard.heard(AnswerText)
    held = (await day_budget(manager)).held_nano

    clock.now += jump
    other = await day_budget(manager)
    simulator.release()
    result = await turn.result()

    assert held == other.held_nano > 0
    assert other.spent_nano == 0
    assert (await day_budget(manager)).held_nano == 0
    assert (await day_budget(manager)).spent_nano == 0
    assert result.timing.total_ms >= 0
    clock.now -= jump
    assert (await day_budget(manager)).spent_nano == result.cost.nano_usd
    with ledger_rows(state_dir) as connection:
        (row,) = connection.execute("SELECT day, started_at, ended_at FROM attempts").fetchall()
    assert row["day"] == "2026-11-10"
    assert row["ended_at"] >= row["started_at"] == NOON


async def test_a_month_ends_with_its_last_second(
    manager: APISessionManager, simulator: Simulator, clock: Clock
) -> None:
    session = await new_session(manager)
    await manager.ledger.set_limit("month", 6_000_000, None)
    clock.now = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC).timestamp()
    simulator.reply_with(Answer("word " * 2_000), Answer("word " * 2_000))
    await ask(manager, session, max_tokens=500)
    with pytest.raises(BudgetExceededError):
        await ask(manager, session, max_tokens=500)
    clock.now += 1
    assert (await ask(manager, session, max_tokens=500)).stop_reason == "max_tokens"
    retried = await manager.retry(session, None, Listener())
    with pytest.raises(BudgetExceededError):
        await retried.result()
