"""Attempts whose process died: charged what they most likely cost, and corrected when the truth comes after all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from live_ledger import (
    MODEL,
    NOW,
    claim,
    dead_holder,
    ended,
    one_turn,
    origin,
    peek,
    row_of,
    settle,
    states,
    wrong_sums,
)

from cmt_lsp.api.errors import BudgetExceededError
from cmt_lsp.api.models import Cost, cost_of
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.attempt import Ceiling
from cmt_lsp.core.money.holder import LEASE_SECONDS, Holder
from cmt_lsp.core.money.ledger import Ledger
from cmt_lsp.core.money.orphans import LiveRow, charge_of

AT = datetime.fromtimestamp(NOW, UTC)
RESERVED = LiveRow(
    seq=1, machine="m", pid=1, pid_started=1.0, lease_until=NOW, state="reserved", kind="turn", model=MODEL,
    started_at=NOW, hold_nano=10**9, max_tokens=1000, expected_input=500, expected_p50=300, expected_nano=None,
    nano_usd=None,
    input_tokens=0, cache_creation_5m_input_tokens=0, cache_creation_1h_input_tokens=0,
    cache_read_input_tokens=0, output_tokens=0,
)  # fmt: skip
HEARD = Usage(40, 50, 60, 70, 1, estimated=True)
STREAMING = replace(
    RESERVED, state="streaming", nano_usd=cost_of(MODEL, HEARD, AT).nano_usd, input_tokens=40,
    cache_creation_5m_input_tokens=50, cache_creation_1h_input_tokens=60, cache_read_input_tokens=70, output_tokens=1,
)  # fmt: skip


def test_an_attempt_of_which_nothing_was_heard_is_charged_what_was_expected() -> None:
    usage, cost = charge_of(RESERVED)

    assert usage == Usage(input_tokens=500, output_tokens=300, estimated=True)
    assert cost == replace(cost_of(MODEL, usage, AT), estimated=True)
    assert cost.nano_usd


def test_the_price_of_what_was_not_heard_is_that_of_the_classes_it_was_expected_in() -> None:
    """A prompt that the cache should have held costs a tenth: the row was booked with that."""
    plain = charge_of(RESERVED)[1].nano_usd
    assert plain is not None
    usage, cost = charge_of(replace(RESERVED, expected_nano=plain - 800))

    assert usage == charge_of(RESERVED)[0]
    assert (cost.nano_usd, cost.saved_nano_usd, cost.estimated) == (plain - 800, 800, True)
    assert charge_of(replace(RESERVED, expected_nano=plain - 800, hold_nano=5))[1].nano_usd == 5
    assert charge_of(replace(STREAMING, expected_nano=1))[1] == charge_of(STREAMING)[1]


def test_an_attempt_that_streamed_is_charged_its_known_prompt_and_the_median_answer() -> None:
    usage, cost = charge_of(STREAMING)

    assert usage == replace(HEARD, output_tokens=300)
    assert cost == replace(cost_of(MODEL, usage, AT), estimated=True)


def test_the_multipliers_that_the_endpoint_told_are_kept() -> None:
    dear = cost_of(MODEL, HEARD, AT, geo="us")
    usage, cost = charge_of(replace(STREAMING, nano_usd=dear.nano_usd))

    wanted = cost_of(MODEL, usage, AT, geo="us")
    assert cost.nano_usd == pytest.approx(wanted.nano_usd, abs=2)
    assert cost.saved_nano_usd == pytest.approx(wanted.saved_nano_usd, abs=2)


def test_a_first_word_without_any_tokens_says_nothing_of_multipliers() -> None:
    silent = replace(
        STREAMING, nano_usd=0, input_tokens=0, cache_creation_5m_input_tokens=0, cache_creation_1h_input_tokens=0,
        cache_read_input_tokens=0, output_tokens=0,
    )  # fmt: skip
    usage, cost = charge_of(silent)

    assert usage == Usage(output_tokens=300, estimated=True)
    assert cost.nano_usd == cost_of(MODEL, usage, AT).nano_usd


def test_a_batch_is_charged_at_half_the_price() -> None:
    full, half = charge_of(RESERVED)[1].nano_usd, charge_of(replace(RESERVED, kind="batch"))[1].nano_usd
    assert full is not None
    assert half == full // 2


@pytest.mark.parametrize("row", [RESERVED, STREAMING])
def test_a_charge_is_never_above_the_hold(row: LiveRow) -> None:
    assert charge_of(replace(row, hold_nano=7))[1].nano_usd == 7


def test_an_answer_is_not_taken_for_longer_than_its_limit_nor_shorter_than_what_was_heard() -> None:
    assert charge_of(replace(RESERVED, max_tokens=20))[0].output_tokens == 20
    assert charge_of(replace(STREAMING, output_tokens=400))[0].output_tokens == 400


def test_without_a_price_the_hold_is_charged_and_without_both_it_stays_unpriced() -> None:
    unknown = replace(RESERVED, model="unheard-of")
    assert charge_of(unknown)[1] == Cost(10**9, 0, None, estimated=True)
    assert charge_of(replace(unknown, hold_nano=0))[1] == replace(Cost.none_known(), estimated=True)


@pytest.mark.parametrize(
    "damage",
    [
        {"expected_input": -(2**62), "expected_p50": 2**62},
        {"expected_input": None, "expected_p50": None, "max_tokens": None},
        {"started_at": 1e300, "hold_nano": -5},
        {"started_at": -1e300, "input_tokens": 2**62, "nano_usd": 2**62},
        {"nano_usd": -1, "cache_read_input_tokens": -9},
    ],
)
@pytest.mark.parametrize("row", [RESERVED, STREAMING])
def test_a_damaged_row_is_charged_something_that_the_ledger_can_hold(
    row: LiveRow, damage: dict[str, float | None]
) -> None:
    usage, cost = charge_of(replace(row, **damage))  # type: ignore[arg-type]

    assert min(usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) >= 0
    assert cost.nano_usd is not None
    assert 0 <= cost.nano_usd < 2**62


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    made = open_ledger(tmp_path)
    yield made
    assert made.close()


def open_ledger(tmp_path: Path, holder: Holder | None = None, now: float = NOW) -> Ledger:
    return Ledger(
        tmp_path / "state",
        "w1",
        clock=lambda: now,
        zone=UTC,
        spool_dir=tmp_path / "spool",
        patience=5.0,
        holder=holder,
    )


async def test_a_sweep_closes_what_dead_processes_left_and_says_so_once(
    ledger: Ledger, tmp_path: Path
) -> None:
    dead = open_ledger(tmp_path, dead_holder())
    await dead.reserve([claim("a1"), claim("a2", of=origin("t2"))])
    dead.streaming("a2", Usage(90, 0, 0, 10, 1), cost_of(MODEL, Usage(90, 0, 0, 10, 1), AT))
    assert dead.close()
    await ledger.reserve([claim("mine")])

    assert await asyncio.wrap_future(ledger.sweep()) in (0, 2)  # the first use may have been faster
    assert await asyncio.wrap_future(ledger.sweep()) == 0

    assert states(tmp_path / "state") == {"a1": "orphan", "a2": "orphan", "mine": "reserved"}
    told = [notice for notice in ledger.take_notices() if "estimate" in notice]
    assert told == ["2 requests of a window that ended early were booked by estimate."]
    row = row_of(tmp_path / "state", "a2")
    assert row is not None
    assert (row["input_tokens"], row["cache_read_input_tokens"], row["usage_estimated"]) == (90, 10, 1)
    assert row["cost_estimated"] == 1
    assert row["nano_usd"] > 0
    assert row["ended_at"] >= row["started_at"]


async def test_the_truth_that_comes_late_corrects_the_estimate(ledger: Ledger, tmp_path: Path) -> None:
    slow = open_ledger(tmp_path, Holder("another machine", 5, 1.0), now=NOW - LEASE_SECONDS - 1)
    await slow.reserve([claim("a1")])
    await asyncio.wrap_future(ledger.sweep())
    assert states(tmp_path / "state") == {"a1": "orphan"}

    await settle(slow, ended("a1", 4_000_000))

    assert states(tmp_path / "state") == {"a1": "done"}
    totals = await ledger.totals(origin())
    assert (totals.turn.requests, totals.turn.cost.nano_usd, totals.turn.estimated) == (1, 4_000_000, 0)
    with peek(tmp_path / "state") as connection:
        assert wrong_sums(connection) == 0
    assert slow.close()


async def test_another_machine_s_attempt_is_left_alone_until_its_lease_is_over(
    ledger: Ledger, tmp_path: Path
) -> None:
    other = open_ledger(tmp_path, Holder("another machine", os.getpid(), 1.0), now=NOW - LEASE_SECONDS + 1)
    await other.reserve([claim("a1")])

    assert await asyncio.wrap_future(ledger.sweep()) == 0

    assert states(tmp_path / "state") == {"a1": "reserved"}
    assert other.close()


async def test_a_hold_of_a_dead_process_costs_nobody_a_turn(tmp_path: Path) -> None:
    """It is given back before anybody is refused for it, and what it most likely cost stays counted."""
    first = open_ledger(tmp_path)
    await first.set_limit("session", 20_000_000, None)
    await asyncio.wrap_future(first.sweep())
    dead = open_ledger(tmp_path, dead_holder())
    big = Ceiling(10_000_000, 1)
    await dead.reserve([claim("a1", ceiling=big)])
    assert dead.close()

    (granted,) = await first.reserve([claim("a2", ceiling=big)])

    assert granted.max_tokens == 1000
    (budget,) = await first.budgets(origin())
    assert 0 < budget.spent_nano < 10_000_000
    assert budget.held_nano == granted.hold_nano
    with pytest.raises(BudgetExceededError):
        await first.reserve([claim("a3", ceiling=big)])
    assert first.close()


async def test_a_damaged_live_row_does_not_stop_the_sweep_of_the_others(
    ledger: Ledger, tmp_path: Path
) -> None:
    dead = open_ledger(tmp_path, dead_holder())
    await dead.reserve([claim("a1"), claim("a2")])
    assert dead.close()
    with peek(tmp_path / "state") as connection:
        connection.execute(
            "UPDATE attempts SET pid = 'x', pid_started = 'y', lease_until = x'00ff', expected_p50 = 'z',"
            " started_at = 1e300, model = x'ff' WHERE id = 'a1'"
        )

    await asyncio.wrap_future(ledger.sweep())

    assert set(states(tmp_path / "state").values()) == {"orphan"}
    await one_turn(ledger, "a3")
