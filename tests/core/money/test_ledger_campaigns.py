"""Many windows, many kills, much damage: no acknowledged record is lost, no sum drifts, no budget is passed."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_children import (
    book_many,
    child,
    hold_until_killed,
    open_ledger,
    take_turns,
    watch_sum,
    work_until_killed,
)
from live_ledger import (
    MODEL,
    NEW_SQLITE,
    NOW,
    OLD_SQLITE,
    claim,
    ended,
    one_turn,
    origin,
    peek,
    settle,
    states,
    wrong_sums,
)

from cmt_lsp.api.errors import BudgetExceededError
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money import booking
from cmt_lsp.core.money.attempt import Ceiling
from cmt_lsp.core.money.booking import Place
from cmt_lsp.core.money.budget import Limit, Refusal
from cmt_lsp.core.money.entry import Hearing, closing_of, moment_of
from cmt_lsp.core.money.holder import Holder, this_machine
from cmt_lsp.core.money.ledger import Ledger
from cmt_lsp.core.money.orphans import close_orphans
from cmt_lsp.core.money.schema import FILE_NAME, SCHEMA
from cmt_lsp.core.storage.store import StoreFile

Size = Callable[[int, int], int]
both_journals = pytest.mark.parametrize("version", [OLD_SQLITE, NEW_SQLITE], ids=["rollback", "wal"])


def is_whole(folder: Path) -> None:
    with peek(folder / "state") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert wrong_sums(connection) == 0


@pytest.mark.campaign
@pytest.mark.timeout(900)
@both_journals
async def test_a_process_that_is_killed_anywhere_loses_no_acknowledged_record(
    tmp_path: Path, version: tuple[int, int, int], campaign_size: Size
) -> None:
    """Half of 500 kills for each journal, at random points of opening, reserving, streaming and settling."""
    rng = random.Random(20261122)
    ledger = open_ledger(tmp_path, "parent", version)
    acknowledged: dict[str, int] = {}
    for round_ in range(campaign_size(6, 250)):
        with child(work_until_killed, tmp_path, f"r{round_}", version) as (process, pipe):
            assert pipe.recv() == "started"
            for _ in range(rng.randrange(4)):
                acknowledged.update([pipe.recv()])
            await asyncio.sleep(rng.random() * 0.015)  # where the kill hits; nothing waits for anything here
            process.kill()
            process.join(20)
            with suppress(EOFError):
                while True:
                    acknowledged.update([pipe.recv()])
        await asyncio.wrap_future(ledger.sweep())
        assert set(states(tmp_path / "state").values()) <= {"done", "orphan"}
    with peek(tmp_path / "state") as connection:
        booked = dict(connection.execute("SELECT id, nano_usd FROM attempts WHERE state = 'done'").fetchall())
    assert {name: booked.get(name) for name in acknowledged} == acknowledged
    assert acknowledged
    is_whole(tmp_path)
    assert list((tmp_path / "spool").glob("*")) == []
    assert ledger.close()


@pytest.mark.campaign
@pytest.mark.timeout(900)
@both_journals
def test_windows_that_book_at_once_lose_nothing_and_every_sum_only_grows(
    tmp_path: Path, version: tuple[int, int, int], campaign_size: Size
) -> None:
    """Eight processes with 1,000 rows each."""
    processes, rows = campaign_size(4, 8), campaign_size(15, 1000)
    asyncio.run(_create(tmp_path, version))
    with ExitStack() as stack:
        readers = [stack.enter_context(child(watch_sum, tmp_path))[1] for _ in range(2)]
        assert [reader.recv() for reader in readers] == ["watching"] * 2
        writers = [
            stack.enter_context(child(book_many, tmp_path, f"p{number}", version, rows))[1]
            for number in range(processes)
        ]
        total = sum(writer.recv() for writer in writers)
        for reader in readers:
            reader.send("stop")
        seen = [reader.recv() for reader in readers]

    for values in seen:
        assert values == sorted(values)
        assert len(set(values)) > 2
    with peek(tmp_path / "state") as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT id), sum(nano_usd) FROM attempts"
        ).fetchone()
        assert tuple(found) == (processes * rows, processes * rows, total)
        assert connection.execute("SELECT count(*) FROM attempts WHERE state <> 'done'").fetchone()[0] == 0
    is_whole(tmp_path)


async def _create(folder: Path, version: tuple[int, int, int]) -> None:
    ledger = open_ledger(folder, "parent", version)
    await asyncio.wrap_future(ledger.sweep())
    assert ledger.close()


@pytest.mark.campaign
@pytest.mark.timeout(3000)
@both_journals
async def test_turns_at_once_in_many_windows_never_pass_one_budget(
    tmp_path: Path, version: tuple[int, int, int], campaign_size: Size
) -> None:
    """64 turns over eight processes, half of 500 rounds for each journal; a budget of its own for each round."""
    windows, turns = campaign_size(4, 8), 8
    limit = 60_000_000
    parent = open_ledger(tmp_path, "parent", version)
    await parent.set_limit("session", limit, None)
    granted = refused = unserved = 0
    highest = 0
    with ExitStack() as stack:
        pipes = [
            stack.enter_context(child(take_turns, tmp_path, f"p{number}", version, turns))[1]
            for number in range(windows)
        ]
        assert [pipe.recv() for pipe in pipes] == ["ready"] * windows
        for round_ in range(campaign_size(3, 250)):
            session = f"round{round_}"
            for pipe in pipes:
                pipe.send(session)
            spent = 0
            for pipe in pipes:
                while not await asyncio.to_thread(pipe.poll, 0.002):
                    highest = max(highest, await _taken(parent, session))
                costs, no, sorry = pipe.recv()
                spent, granted, refused, unserved = (
                    spent + sum(costs),
                    granted + len(costs),
                    refused + no,
                    unserved + sorry,
                )
            (budget,) = await parent.budgets(origin(session=session))
            assert (budget.spent_nano, budget.held_nano) == (spent, 0)
            assert spent <= limit
        for pipe in pipes:
            pipe.send(None)
    assert 0 < highest <= limit
    assert granted > 0
    assert refused > 0
    assert unserved == 0
    is_whole(tmp_path)
    assert parent.close()


async def _taken(ledger: Ledger, session: str) -> int:
    (budget,) = await ledger.budgets(origin(session=session))
    return budget.spent_nano + budget.held_nano


@pytest.mark.campaign
@pytest.mark.timeout(900)
@both_journals
async def test_holders_that_are_killed_leak_no_hold_and_spend_nothing_for_free(
    tmp_path: Path, version: tuple[int, int, int], campaign_size: Size
) -> None:
    """Half of 200 kills for each journal. What a dead holder held is given back before anybody is refused for it."""
    ledger = open_ledger(tmp_path, "parent", version)
    limit = 20_000_000
    await ledger.set_limit("session", limit, None)
    for round_ in range(campaign_size(5, 100)):
        session = f"s{round_}"
        with child(hold_until_killed, tmp_path, session, version, round_ % 2 == 1) as (process, pipe):
            held = pipe.recv()
            with pytest.raises(BudgetExceededError):  # the living one's hold counts
                await ledger.reserve(
                    [claim(f"no{round_}", of=origin("no", session), ceiling=Ceiling(10_000_000, 1))]
                )
            process.kill()
            process.join(20)

        (granted,) = await ledger.reserve(
            [claim(f"yes{round_}", of=origin("yes", session), ceiling=Ceiling(10_000_000, 1))]
        )

        (budget,) = await ledger.budgets(origin(session=session))
        assert 0 < budget.spent_nano <= held, "the dead attempt is charged, and not over its hold"
        assert budget.held_nano == granted.hold_nano
        assert budget.spent_nano + budget.held_nano <= limit
        await settle(ledger, ended(f"yes{round_}", granted.hold_nano))
    is_whole(tmp_path)
    assert ledger.close()


def damage(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    if rng.random() < 0.3:
        return content[: max(1, at)]
    noise = rng.randbytes(rng.choice([1, 16, 600]))
    return content[:at] + noise + content[at + len(noise) :]


@pytest.mark.campaign
@pytest.mark.timeout(900)
async def test_damage_at_any_place_keeps_the_original_the_limits_and_what_can_be_read(
    tmp_path: Path, campaign_size: Size
) -> None:
    """500 files, flipped or cut at a random place: each opens, its sums are those of its rows, and it goes on."""
    rng = random.Random(20261122)
    good = open_ledger(tmp_path / "good", "w1", OLD_SQLITE)
    await good.set_limit("day", 10**15, None)
    for number in range(120):
        await one_turn(
            good, f"a{number}", rng.randrange(10**9), of=origin(f"t{number % 40}", f"s{number % 10}")
        )
    await good.reserve([claim("running")])
    assert good.close()
    content = (tmp_path / "good" / "state" / FILE_NAME).read_bytes()
    rounds = campaign_size(15, 500)
    saved = kept = 0
    for round_ in range(rounds):
        place = tmp_path / f"round{round_}"
        shutil.copytree(tmp_path / "good", place)
        damaged = damage(content, rng)
        (place / "state" / FILE_NAME).write_bytes(damaged)
        ledger = open_ledger(place, "w2", OLD_SQLITE)

        await asyncio.wrap_future(ledger.sweep())
        await one_turn(ledger, "new")
        budgets = await ledger.budgets(origin())

        assert [budget.limit_nano for budget in budgets] == [10**15], f"round {round_}"
        notices = ledger.take_notices()
        assert ledger.close()
        copies = [path for path in (place / "state").glob("*.damaged-*") if "-journal" not in path.name]
        assert [copy.read_bytes() for copy in copies] in ([], [damaged])
        assert any("Recovered from the damaged ledger: " in notice for notice in notices) == bool(copies)
        with peek(place / "state") as connection:
            assert wrong_sums(connection) == 0, f"round {round_}"
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            saved += connection.execute("SELECT count(*) FROM attempts").fetchone()[0] - 1
        kept += bool(copies)
        shutil.rmtree(place)
    assert kept > rounds // 4
    assert saved > rounds * 60


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_no_sum_drifts_from_its_rows(tmp_path: Path, campaign_size: Size) -> None:
    """100,000 random operations of every kind; what the triggers keep is what the rows add up to."""
    rng = random.Random(20261122)
    file = StoreFile(tmp_path / FILE_NAME, SCHEMA, lambda: NOW)
    world = _World(rng)
    operations = campaign_size(3000, 100_000)
    for start in range(0, operations, 500):
        count = min(500, operations - start)
        try:
            file.write(lambda connection, n=count: world.run(connection, n))
        except ZeroDivisionError:
            world.forget()
        if start % 10_000 == 0:
            assert file.read(wrong_sums) == 0
    assert file.read(wrong_sums) == 0
    totals = file.read(
        lambda c: c.execute("SELECT sum(nano_usd), count(*), sum(state = 'orphan') FROM attempts").fetchone()
    )
    assert totals[0] == file.read(lambda c: c.execute("SELECT sum(nano_usd) FROM session_sums").fetchone())[0]
    assert totals[1] > operations // 20
    assert totals[2] > 0
    file.close()


class _World:
    """Random reservations, words, ends, deaths, removals, imports and failures."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._number = 0
        self._open: list[str] = []

    def forget(self) -> None:
        self._open.clear()

    def run(self, connection: sqlite3.Connection, operations: int) -> None:
        for _ in range(operations):
            self._one(connection)
        if self._rng.random() < 0.1:
            raise ZeroDivisionError  # all of it is rolled back

    def _one(self, connection: sqlite3.Connection) -> None:
        rng = self._rng
        moment = moment_of(NOW + rng.randrange(-10, 10) * 86_400, None)
        match rng.choices(("reserve", "hear", "close", "die", "remove", "change"), (30, 20, 40, 1, 2, 3))[0]:
            case "reserve":
                self._reserve(connection, moment)
            case "hear" if self._open:
                usage = self._usage()
                booking.apply(connection, [Hearing(rng.choice(self._open), usage, self._cost())], moment)
            case "close":
                self._close(connection, moment)
            case "die":
                close_orphans(connection, NOW)
                self._open.clear()
            case "remove":
                connection.execute("DELETE FROM attempts WHERE seq = (SELECT max(seq) FROM attempts) - 3")
            case "change":
                connection.execute(
                    "UPDATE attempts SET workspace = ?, nano_usd = ? WHERE seq = (SELECT max(seq) FROM attempts) - 5",
                    (f"/w{rng.randrange(3)}", rng.choice([None, 5])),
                )

    def _reserve(self, connection: sqlite3.Connection, moment: object) -> None:
        rng = self._rng
        self._number += 1
        name = f"a{self._number}"
        holder = Holder(this_machine(), 2**22 - 1, 1.0)
        asked = claim(
            name,
            of=origin(f"t{rng.randrange(50)}", f"s{rng.randrange(20)}", f"/w{rng.randrange(3)}"),
            model=rng.choice([MODEL, "claude-opus-5-5", "unheard-of"]),
            ceiling=rng.choice([None, Ceiling(10**6, 10**4)]),
        )
        limits = [Limit("day", 10**11)] if rng.random() < 0.3 else []
        place = Place(f"w{rng.randrange(4)}", holder, moment)  # type: ignore[arg-type]
        if not isinstance(booking.reserve(connection, [asked], limits, place), Refusal):
            self._open.append(name)

    def _close(self, connection: sqlite3.Connection, moment: object) -> None:
        rng = self._rng
        self._number += 1
        name = rng.choice(self._open) if self._open and rng.random() < 0.95 else f"lost{self._number}"
        end = ended(name, state=rng.choice(["done", "cancelled", "failed", "truncated", "client_gone"]))
        closing = closing_of(replace(end, usage=self._usage(), cost=self._cost()), None)
        booking.apply(connection, [closing], moment)  # type: ignore[arg-type]
        if name in self._open and rng.random() < 0.8:  # else it is closed again later
            self._open.remove(name)

    def _usage(self) -> Usage:
        counts = [self._rng.randrange(5000) for _ in range(5)]
        return Usage(*counts, self._rng.choice([None, 7]), estimated=self._rng.random() < 0.2)

    def _cost(self) -> Cost:
        if self._rng.random() < 0.1:
            return Cost.none_known()
        return Cost(self._rng.randrange(10**9), self._rng.randrange(-(10**6), 10**6), "row", estimated=False)
