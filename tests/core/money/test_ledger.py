"""One attempt after the other: booked before it leaves, held, heard of, closed once, and summed exactly."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import attempt_rows
import pytest
from live_ledger import (
    MODEL,
    NEW_SQLITE,
    NOW,
    OLD_SQLITE,
    USD,
    claim,
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
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.attempt import Ceiling, Expected, Granted, Settlement
from cmt_lsp.core.money.budget import Limit
from cmt_lsp.core.money.holder import LEASE_SECONDS, Holder
from cmt_lsp.core.money.ledger import Ledger
from cmt_lsp.core.money.schema import SCHEMA

DAY = 86_400.0


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[OLD_SQLITE, NEW_SQLITE], ids=["rollback", "wal"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Ledger]:
    made = open_ledger(tmp_path, clock, sqlite_version=request.param)
    yield made
    assert made.close()


def open_ledger(
    tmp_path: Path,
    clock: Clock,
    window: str = "w1",
    sqlite_version: tuple[int, int, int] = OLD_SQLITE,
    **more: object,
) -> Ledger:
    return Ledger(
        tmp_path / "state",
        window,
        clock=clock,
        zone=more.pop("zone", UTC),  # type: ignore[arg-type]
        spool_dir=tmp_path / "spool",
        patience=5.0,
        sqlite_version=sqlite_version,
        **more,  # type: ignore[arg-type]
    )


async def test_a_reservation_is_durable_when_it_returns(ledger: Ledger, tmp_path: Path) -> None:
    (granted,) = await ledger.reserve([claim("a1", max_tokens=800)])

    assert (granted.attempt_id, granted.max_tokens, granted.hold_nano, granted.notices) == (
        "a1",
        800,
        9_000_000,
        (),
    )
    row = row_of(tmp_path / "state", "a1")
    assert row is not None
    told = {
        "state": "reserved", "kind": "turn", "session_id": "s1", "turn_id": "t1", "window_id": "w1",
        "workspace": "/home/me/a", "model": MODEL, "number": 1, "started_at": NOW, "utc_offset": 0,
        "day": "2026-11-18", "hold_nano": 9_000_000, "pid": os.getpid(), "lease_until": NOW + LEASE_SECONDS,
        "max_tokens": 800, "raw_input_tokens": 100, "nano_usd": None, "override": None, "ended_at": None,
        "input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0, "usage_estimated": 0, "cost_estimated": 0,
    }  # fmt: skip
    assert {name: row[name] for name in told} == told


async def test_an_attempt_ends_with_its_cost_and_without_its_hold(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.set_limit("day", 20_000_000, None)
    await ledger.reserve([claim("a1")])
    (budget,) = await ledger.budgets(origin())
    assert (budget.spent_nano, budget.held_nano) == (0, 11_000_000)

    usage = Usage(7, 11, 13, 17, 19, 5, estimated=True)
    cost = Cost(4_000_000, -5, "row", estimated=True)
    settled = await settle(ledger, replace(ended("a1", state="truncated"), usage=usage, cost=cost))

    assert settled.recorded
    (budget,) = await ledger.budgets(origin())
    assert (budget.spent_nano, budget.held_nano) == (4_000_000, 0)
    row = row_of(tmp_path / "state", "a1")
    assert row is not None
    columns = (
        "state", "ended_at", "input_tokens", "cache_creation_5m_input_tokens", "cache_creation_1h_input_tokens",
        "cache_read_input_tokens", "output_tokens", "thinking_tokens", "usage_estimated", "nano_usd",
        "saved_nano_usd", "price_row", "cost_estimated", "answer_bytes",
    )  # fmt: skip
    assert [row[name] for name in columns] == [
        "truncated", NOW + 5, 7, 11, 13, 17, 19, 5, 1, 4_000_000, -5, "row", 1, 200,
    ]  # fmt: skip


async def test_the_first_word_of_the_endpoint_makes_the_prompt_exact(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.reserve([claim("a1")])
    ledger.streaming("a1", Usage(90, 0, 0, 10, 1), Cost(300, 0, "row", estimated=False))
    await asyncio.wrap_future(ledger.read(lambda _: None))

    row = row_of(tmp_path / "state", "a1")
    assert row is not None
    assert (row["state"], row["input_tokens"], row["cache_read_input_tokens"]) == ("streaming", 90, 10)
    assert (await ledger.totals(origin())).turn.requests == 0


async def test_a_reservation_that_is_given_back_is_no_request(ledger: Ledger) -> None:
    await ledger.reserve([claim("a1"), claim("a2"), claim("a3")])
    free = Cost(0, 0, None, estimated=False)
    await settle(
        ledger,
        Settlement("a1", "cancelled", NOW, Usage(), free),
        Settlement("a2", "cancelled", NOW, Usage(input_tokens=9, estimated=True), free),
        Settlement("a3", "failed", NOW, Usage(), free),
    )

    assert (await ledger.totals(origin())).turn.requests == 2


async def test_settling_twice_counts_once_and_the_first_end_stands(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.reserve([claim("a1")])
    for nano in (2_000_000, 9_000_000):
        assert (await settle(ledger, ended("a1", nano))).recorded
    ledger.streaming("a1", Usage(1), Cost(1, 0, None, estimated=False))

    assert (await ledger.totals(origin())).turn.cost.nano_usd == 2_000_000
    assert states(tmp_path / "state") == {"a1": "done"}


async def test_all_claims_are_booked_or_none(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.set_limit("day", 26_000_000, None)
    many = [claim(f"a{n}", ceiling=Ceiling(10_000_000, 10_000)) for n in range(3)]

    with pytest.raises(BudgetExceededError):
        await ledger.reserve(many)
    assert states(tmp_path / "state") == {}

    granted = await ledger.reserve(many[:2])
    assert {one.max_tokens for one in granted} == {300}
    assert set(states(tmp_path / "state")) == {"a0", "a1"}


async def test_nothing_is_asked_of_an_empty_list_of_claims(ledger: Ledger, tmp_path: Path) -> None:
    assert await ledger.reserve([]) == ()
    assert not (tmp_path / "state" / "ledger.sqlite3").exists()


async def test_an_answer_is_shortened_to_what_is_left_and_the_person_is_told(ledger: Ledger) -> None:
    await ledger.set_limit("session", 6_000_000, None)

    (granted,) = await ledger.reserve([claim("a1")])

    assert (granted.max_tokens, granted.hold_nano) == (500, 6_000_000)
    assert "500 tokens" in granted.notices[0]


async def test_the_lower_limit_is_in_force_whoever_set_it(ledger: Ledger) -> None:
    ledger.use_limits([Limit("day", 5_000_000, source="settings"), Limit("turn", USD, source="settings")])
    await ledger.set_limit("day", 50_000_000, (50,))
    assert [(b.scope, b.limit_nano, b.source) for b in await ledger.budgets(origin())] == [
        ("turn", USD, "settings"),
        ("day", 5_000_000, "settings"),
    ]

    await ledger.set_limit("day", 4_000_000, (50,))
    assert [(b.limit_nano, b.source) for b in await ledger.budgets(origin())][1] == (4_000_000, "user")
    (granted,) = await ledger.reserve([claim("a1")])
    assert granted.hold_nano <= 4_000_000


async def test_a_limit_is_set_and_removed_for_every_window(tmp_path: Path, clock: Clock) -> None:
    one, two = open_ledger(tmp_path, clock), open_ledger(tmp_path, clock, "w2")
    await one.set_limit("month", USD, (10, 90))
    (budget,) = await two.budgets(origin())
    assert (budget.limit_nano, budget.warn_at, budget.source) == (USD, (10, 90), "user")

    await two.set_limit("month", None, None)
    assert await one.budgets(origin()) == ()
    with peek(tmp_path / "state") as connection:
        journal = [
            tuple(row) for row in connection.execute("SELECT scope, limit_nano, window_id FROM limits")
        ]
    assert journal == [("month", USD, "w1"), ("month", None, "w2")]
    assert one.close()
    assert two.close()


async def test_an_override_passes_and_is_held_and_stored(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.set_limit("day", 1, None)
    with pytest.raises(BudgetExceededError):
        await ledger.reserve([claim("a1")])

    (granted,) = await ledger.reserve([claim("a2", override="I want to know")])

    assert granted.max_tokens == 1000
    (budget,) = await ledger.budgets(origin())
    assert budget.held_nano == 11_000_000
    row = row_of(tmp_path / "state", "a2")
    assert row is not None
    assert row["override"] == "I want to know"


async def test_a_warning_is_told_once_in_all_windows(tmp_path: Path, clock: Clock) -> None:
    one, two = open_ledger(tmp_path, clock), open_ledger(tmp_path, clock, "w2")
    await one.set_limit("day", 100_000_000, None)
    told = []
    for number, ledger in enumerate((one, two, one, two)):
        await ledger.reserve([claim(f"a{number}")])
        told.append((await settle(ledger, ended(f"a{number}", 26_000_000))).notices)

    assert [len(notices) for notices in told] == [0, 1, 1, 1]
    assert "52% used" in told[1][0]
    assert "78% used" in told[2][0]
    assert one.close()
    assert two.close()


async def test_totals_and_sums_are_those_of_the_rows(ledger: Ledger, tmp_path: Path, clock: Clock) -> None:
    other = open_ledger(tmp_path, clock, "w2")
    await one_turn(ledger, "a1", 1_000_000)
    await one_turn(ledger, "a2", 2_000_000, of=origin("t2"))
    await one_turn(other, "a3", 4_000_000, of=origin("t3", "s2"))
    await ledger.reserve([claim("a4", of=origin("t1"), ceiling=None, model="unheard-of")])
    await settle(ledger, ended("a4", None))
    clock.now += DAY
    await one_turn(ledger, "a5", 8_000_000)

    totals = await ledger.totals(origin("t1"))

    assert (totals.turn.requests, totals.turn.cost.nano_usd, totals.turn.cost.unpriced) == (3, 9_000_000, 1)
    assert (totals.session.requests, totals.session.cost.nano_usd) == (4, 11_000_000)
    assert (totals.window.requests, totals.window.cost.nano_usd) == (4, 11_000_000)
    assert (totals.today.requests, totals.today.cost.nano_usd) == (1, 8_000_000)
    found = await ledger.sums_by_session(["s1", "s2", "s3"])
    assert {name: sums.cost.nano_usd for name, sums in found.items()} == {"s1": 11_000_000, "s2": 4_000_000}
    assert len(await ledger.sums_by_session([f"x{n}" for n in range(1200)] + ["s2"])) == 1
    assert other.close()
    with peek(tmp_path / "state") as connection:
        assert wrong_sums(connection) == 0


async def test_what_is_expected_is_the_same_with_and_without_booking(ledger: Ledger) -> None:
    for number in range(10):
        await one_turn(ledger, f"a{number}")

    expected = await ledger.expect(origin(), MODEL, 100)
    (granted,) = await ledger.reserve([claim("b")])

    assert granted.expected == expected
    assert expected == Expected(expected.input_tokens, False, 50, 50, "this session", 4.0)


async def test_a_cancelled_wait_leaves_nothing_held(ledger: Ledger, tmp_path: Path) -> None:
    """The reservation lands after its caller went away, wherever it was just then."""
    await ledger.totals(origin())
    for number in range(30):
        task = asyncio.create_task(ledger.reserve([claim(f"a{number}")]))
        for _ in range(number % 5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await asyncio.wrap_future(ledger.read(lambda _: None))
    await asyncio.wrap_future(ledger.sweep())

    found = states(tmp_path / "state")
    assert set(found.values()) <= {"cancelled"}
    assert (await ledger.totals(origin())).session.cost.nano_usd == 0


async def test_a_cancelled_wait_for_a_slow_ledger_leaves_nothing_held(ledger: Ledger, tmp_path: Path) -> None:
    await asyncio.wrap_future(ledger.sweep())
    gate = threading.Event()
    ledger.read(lambda _: gate.wait(10))
    task = asyncio.create_task(ledger.reserve([claim("a1"), claim("batch", lease=7200.0)]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await asyncio.wrap_future(ledger.read(lambda _: None))
    await asyncio.wrap_future(ledger.read(lambda _: None))

    assert states(tmp_path / "state") == {"a1": "cancelled", "batch": "cancelled"}
    assert ledger._books.running == {}
    row = row_of(tmp_path / "state", "a1")
    assert row is not None
    assert (row["nano_usd"], row["input_tokens"]) == (0, 0)


@pytest.mark.parametrize("jump", [-365 * DAY, -DAY, DAY, 365 * DAY])
async def test_a_clock_that_jumps_makes_no_negative_duration_and_moves_no_money(
    ledger: Ledger, tmp_path: Path, clock: Clock, jump: float
) -> None:
    await ledger.reserve([claim("a1")])
    clock.now += jump
    ledger.streaming("a1", Usage(100), Cost(1, 0, None, estimated=False))
    assert await asyncio.wrap_future(ledger.sweep()) == 0, "a living process is never an orphan"
    await settle(ledger, ended("a1", at=clock.now))
    await one_turn(ledger, "a2")

    with peek(tmp_path / "state") as connection:
        rows = connection.execute(
            "SELECT id, day, ended_at - started_at FROM attempts ORDER BY seq"
        ).fetchall()
        assert [row[0] for row in rows] == ["a1", "a2"]
        assert rows[0][1] == "2026-11-18", "charged to the day it started in"
        assert rows[0][2] == max(0.0, jump)
        assert wrong_sums(connection) == 0
        assert connection.execute("SELECT sum(nano_usd) FROM day_sums").fetchone()[0] == 4_000_000


async def test_a_turn_across_midnight_is_charged_to_the_day_it_began_in_and_held_in_both(
    ledger: Ledger, clock: Clock
) -> None:
    await ledger.set_limit("day", 100_000_000, None)
    await ledger.reserve([claim("a1")])
    clock.now += DAY

    (budget,) = await ledger.budgets(origin())
    assert (budget.key, budget.spent_nano, budget.held_nano) == ("2026-11-19", 0, 11_000_000)
    await settle(ledger, ended("a1"))

    (budget,) = await ledger.budgets(origin())
    assert (budget.spent_nano, budget.held_nano) == (0, 0)
    clock.now -= DAY
    (budget,) = await ledger.budgets(origin())
    assert (budget.spent_nano, budget.held_nano) == (2_000_000, 0)


@pytest.mark.parametrize(
    ("zone", "at", "day", "offset", "name"),
    [
        (UTC, 1_795_046_399, "2026-11-18", 0, "UTC (UTC+0000)"),
        (UTC, 1_795_046_400, "2026-11-19", 0, "UTC (UTC+0000)"),
        (ZoneInfo("Europe/Berlin"), 1_795_046_399, "2026-11-19", 60, "Europe/Berlin"),
        (ZoneInfo("America/New_York"), 1_795_046_400, "2026-11-18", -300, "America/New_York"),
        # The night in which Berlin's clocks go back: 02:30 comes twice, an hour apart.
        (ZoneInfo("Europe/Berlin"), 1_792_888_200, "2026-10-25", 120, "Europe/Berlin"),
        (ZoneInfo("Europe/Berlin"), 1_792_891_800, "2026-10-25", 60, "Europe/Berlin"),
        (timezone(timedelta(hours=5, minutes=45)), NOW, "2026-11-18", 345, "UTC+05:45 (UTC+0545)"),
    ],
)
async def test_a_row_tells_its_own_local_day(
    tmp_path: Path, zone: object, at: float, day: str, offset: int, name: str
) -> None:
    clock = Clock(at)
    ledger = open_ledger(tmp_path, clock, zone=zone)
    await one_turn(ledger, "a1")

    row = row_of(tmp_path / "state", "a1")
    assert row is not None
    assert (row["started_at"], row["utc_offset"], row["day"]) == (at, offset, day)
    assert (ledger.today(), ledger.zone_name) == (day, name)
    assert ledger.close()


async def test_a_lease_is_renewed_while_something_runs(ledger: Ledger, tmp_path: Path, clock: Clock) -> None:
    await ledger.reserve([claim("a1"), claim("batch", lease=7200.0)])
    clock.now += 45

    ledger._books.renew()
    await asyncio.wrap_future(ledger.read(lambda _: None))

    mine, batch = row_of(tmp_path / "state", "a1"), row_of(tmp_path / "state", "batch")
    assert mine is not None
    assert batch is not None
    assert mine["lease_until"] == NOW + 45 + LEASE_SECONDS
    assert (batch["pid"], batch["lease_until"]) == (0, NOW + 7200)


async def test_a_batch_is_settled_by_a_process_that_did_not_book_it(tmp_path: Path, clock: Clock) -> None:
    first = open_ledger(tmp_path, clock)
    await first.reserve([claim("b1", of=origin(kind="batch"), lease=7200.0)])
    assert first.close()
    second = open_ledger(tmp_path, clock, "w2")
    assert await asyncio.wrap_future(second.sweep()) == 0

    await settle(second, ended("b1"))
    await settle(second, ended("never-heard-of"))

    mine, lost = row_of(tmp_path / "state", "b1"), row_of(tmp_path / "state", "never-heard-of")
    assert mine is not None
    assert lost is not None
    assert (mine["state"], mine["session_id"], mine["nano_usd"]) == ("done", "s1", 2_000_000)
    # Money that the endpoint charged is kept even where nothing else is known of it.
    assert (lost["state"], lost["session_id"], lost["model"], lost["nano_usd"]) == (
        "done",
        "",
        MODEL,
        2_000_000,
    )
    assert second.close()


@pytest.mark.parametrize("version", [OLD_SQLITE, NEW_SQLITE], ids=["rollback", "wal"])
@pytest.mark.parametrize("mask", [0, 0o022])
async def test_every_file_is_private_under_any_umask(
    tmp_path: Path, clock: Clock, version: tuple[int, int, int], mask: int
) -> None:
    before = os.umask(mask)
    seen: dict[str, int] = {}
    folders: dict[str, int] = {}
    try:
        ledger = open_ledger(tmp_path, clock, sqlite_version=version)
        await ledger.set_limit("day", USD, None)

        def look(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE limits SET set_at = 0")
            for path in tmp_path.rglob("*"):
                found = folders if path.is_dir() else seen
                found[path.name] = stat.S_IMODE(path.stat().st_mode)
            connection.execute("ROLLBACK")

        await asyncio.wrap_future(ledger.read(look))
        assert ledger.close()
    finally:
        os.umask(before)

    assert {"ledger.sqlite3", "limits.json"} <= set(seen)
    assert {name for name in seen if name.startswith("ledger.sqlite3-")}, "its journal was looked at too"
    assert set(seen.values()) == {0o600}
    assert set(folders.values()) == {0o700}


async def test_two_of_a_person_s_windows_never_share_a_dollar(tmp_path: Path, clock: Clock) -> None:
    windows = [open_ledger(tmp_path, clock, f"w{n}") for n in range(4)]
    await windows[0].set_limit("day", 30_000_000, None)

    async def try_one(number: int) -> Granted | None:
        try:
            (granted,) = await windows[number % 4].reserve([claim(f"a{number}")])
        except BudgetExceededError:
            return None
        return granted

    found = [granted for granted in await asyncio.gather(*map(try_one, range(16))) if granted]

    assert 2 <= len(found) <= 8
    assert sum(granted.hold_nano for granted in found) <= 30_000_000
    for window in windows:
        assert window.close()


async def test_a_ledger_from_before_the_sums_of_workspaces_gets_them_from_its_rows(
    tmp_path: Path, clock: Clock
) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    with attempt_rows.ledger_file(
        folder, replace(SCHEMA, migrations=SCHEMA.migrations[:2], audit=())
    ) as connection:
        for nano in (1_000, 20_000):
            attempt_rows.book(connection, workspace="/home/me/a", nano_usd=nano)
        attempt_rows.book(connection, workspace="/home/me/b", nano_usd=500)

    ledger = open_ledger(tmp_path, clock)
    await ledger.set_limit("workspace", USD, None)
    (before,) = await ledger.budgets(origin())
    await one_turn(ledger, "after")
    (after,) = await ledger.budgets(origin())

    assert before.spent_nano == 21_000
    assert after.spent_nano > before.spent_nano
    assert await asyncio.wrap_future(ledger.read(wrong_sums)) == 0
    assert ledger.close()


async def test_windows_with_different_versions_of_sqlite_share_the_file(tmp_path: Path, clock: Clock) -> None:
    """Each wants another journal; the file keeps the one it has while somebody else uses it."""
    new, old = (open_ledger(tmp_path, clock, sqlite_version=version) for version in (NEW_SQLITE, OLD_SQLITE))
    for number in range(5):
        await one_turn(new, f"new{number}")
        await one_turn(old, f"old{number}")
    assert new.close()
    await one_turn(old, "last")
    assert old.close()

    assert set(states(tmp_path / "state").values()) == {"done"}
    assert len(states(tmp_path / "state")) == 11


async def test_a_closed_ledger_still_keeps_what_it_is_told(tmp_path: Path, clock: Clock) -> None:
    """The last settlement may come while the window ends; it waits in the spool then."""
    ledger = open_ledger(tmp_path, clock)
    await ledger.reserve([claim("a1")])
    assert ledger.close()

    settled = ledger.settle([ended("a1")]).result(5)

    assert not settled.recorded
    assert len(list((tmp_path / "spool").iterdir())) == 1


async def test_another_holder_s_attempts_are_not_renewed(tmp_path: Path, clock: Clock) -> None:
    other = open_ledger(tmp_path, clock, holder=Holder("elsewhere", 7, 1.0))
    mine = open_ledger(tmp_path, clock, "w2")
    await other.reserve([claim("a1")])
    await mine.reserve([claim("a2")])
    clock.now += 30

    mine._books.renew()
    await asyncio.wrap_future(mine.read(lambda _: None))

    found = [row_of(tmp_path / "state", name) for name in ("a1", "a2")]
    assert [row["lease_until"] for row in found if row] == [NOW + LEASE_SECONDS, NOW + 30 + LEASE_SECONDS]
    assert other.close()
    assert mine.close()
