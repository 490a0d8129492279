"""Batches across processes: killed at any moment nothing is lost and nothing is paid twice."""

from __future__ import annotations

import asyncio
import json
import math
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from batch_world import BATCHES, RESULTS, Clock, account_nano, attempts, order, spent, states, work

from cmt_lsp.core import APISessionManager
from cmt_lsp.simulator import Fault, Simulator

CHILD = """
import asyncio, json, sys
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.batch.batch import BatchOrder, BatchPrompt

def say(*words):
    print(json.dumps(words), flush=True)

async def main():
    manager = APISessionManager()
    client, _ = await manager._clients.for_request(manager.settings)
    await client._sdk.result()
    await manager.batches.listed("all")
    say("ready")
    for line in iter(sys.stdin.readline, ""):
        verb, *rest = json.loads(line)
        say("begins")
        try:
            if verb == "submit":
                prompts = [BatchPrompt(f"p{i}", f"prompt {i} of {rest[1]}") for i in range(rest[0])]
                info, _, _ = await manager.batches.submit(BatchOrder(prompts, max_tokens=500))
            else:
                info = await manager.batches.status(rest[0])
            say("done", info.record.id, info.record.state)
        except Exception as error:
            say("failed", type(error).__name__, str(error))
    await manager.aclose()

asyncio.run(main())
"""


class Child:
    """Another window, that submits batches and looks at them as it is told."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.read() == ["ready"]

    def tell(self, *words: object) -> None:
        """Start something, and wait until it has begun."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        assert self.read() == ["begins"]

    def read(self) -> list[str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else ["gone"]

    async def hear(self) -> list[str]:
        return await asyncio.wait_for(asyncio.to_thread(self.read), 20)

    def kill(self) -> list[list[str]]:
        """SIGKILL, and what it still had said."""
        self.process.send_signal(signal.SIGKILL)
        rest, _ = self.process.communicate(timeout=20)
        return [json.loads(line) for line in rest.splitlines() if line.endswith("]")]


@contextmanager
def child() -> Iterator[Child]:
    made = Child()
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate(timeout=20)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def manager(simulator: Simulator, clock: Clock) -> AsyncIterator[APISessionManager]:
    """The window that stays; its clock can be turned on, those of the others go on."""
    made = APISessionManager(clock=clock)
    yield made
    await made.aclose()


@pytest.fixture(autouse=True)
def own_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


async def settle_all(manager: APISessionManager, simulator: Simulator) -> None:
    """Let the endpoint end everything, and look until nothing is open; a ledger that is late takes its time."""
    work(simulator)
    await manager.batches.tidy()
    async with asyncio.timeout(30):
        while any(row[1] == "reserved" for row in attempts(manager)):
            for info in await manager.batches.listed("all"):
                await manager.batches.status(info.record.id)
            await asyncio.sleep(0.05)


def check_books(manager: APISessionManager, simulator: Simulator, state_dir: Path) -> None:
    """Every attempt has ended, each once, and their sum is the endpoint's account."""
    rows = attempts(manager)
    assert len({row[0] for row in rows}) == len(rows)
    assert {row[1] for row in rows} <= {"done", "cancelled"}
    assert spent(manager) == account_nano(simulator)
    for name in ("ledger.sqlite3", "sessions.sqlite3"):
        with closing(sqlite3.connect(state_dir / name)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_window_killed_before_its_batch_left_gives_everything_back(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    with child() as window:
        simulator.fail_next(Fault.stall(), path=BATCHES)
        window.tell("submit", 3, "a killed batch")
        await simulator.stalled(path=BATCHES)
        (before,) = await manager.batches.listed("all")
        assert (before.record.state, before.record.sent_at) == ("submitting", None)
        await manager.batches.tidy()
        assert (await manager.batches.status(before.record.id)).record.state == "submitting"
        assert [row[1] for row in attempts(manager)] == ["reserved"] * 3
        window.kill()

    await manager.batches.tidy()

    (after,) = await manager.batches.listed("all")
    assert (after.record.state, states(after)) == ("failed", {"canceled": 3})
    assert "before the batch was sent" in str(after.record.problem)
    assert {row[1] for row in attempts(manager)} == {"cancelled"}
    assert [r.method for r in simulator.requests] == ["GET"]
    check_books(manager, simulator, state_dir)


async def test_a_window_killed_while_its_batch_was_on_its_way_is_followed_by_one_that_finds_it(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    simulator.batches.rate = 0.0
    with child() as window:
        simulator.fail_next(Fault(), Fault.stall(), path=BATCHES)
        window.tell("submit", 3, "a killed batch")
        await simulator.stalled(1, path=BATCHES)
        (before,) = await manager.batches.listed("all")
        await manager.batches.status(before.record.id)
        assert len(simulator.requests) == 2, "another window leaves a batch alone that is on its way"
        window.kill()
    await manager.batches.tidy()
    assert (await manager.batches.status(before.record.id)).record.state == "submitting"
    simulator.batches.rate = math.inf

    after = await manager.batches.status(before.record.id)

    assert (after.record.state, states(after)) == ("ended", {"succeeded": 3})
    assert len([r for r in simulator.requests if r.method == "POST"]) == 1
    check_books(manager, simulator, state_dir)


async def test_a_window_killed_while_it_fetched_results_is_followed_by_one_that_goes_on(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    info, _, _ = await manager.batches.submit(order(*(f"prompt {i}" for i in range(40))))
    work(simulator)
    with child() as window:
        simulator.fail_next(Fault.stall(after_events=25), path=RESULTS)
        window.tell("status", info.record.id)
        await simulator.stalled(0, path=f"{BATCHES}/{info.record.remote_id}/results")
        window.kill()

    after = await manager.batches.status(info.record.id)

    assert (after.record.state, states(after)) == ("ended", {"succeeded": 40})
    check_books(manager, simulator, state_dir)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
async def test_a_kill_at_any_moment_loses_no_batch_and_pays_none_twice(
    manager: APISessionManager,
    simulator: Simulator,
    clock: Clock,
    state_dir: Path,
    campaign_size: Callable[[int, int], int],
) -> None:
    """Windows that submit and fetch are killed at random moments; what they leave is brought home, to the nano-dollar."""
    rng = random.Random(11)
    simulator.batches.rate = math.inf
    acknowledged: set[str] = set()
    for number in range(campaign_size(6, 200)):
        with child() as window:
            for _ in range(rng.randint(0, 2)):
                window.tell("submit", rng.randint(1, 30), f"whole {number}")
                said = await window.hear()
                assert said[0] == "done", said
                acknowledged.add(said[1])
            open_ones = [
                i.record.id for i in await manager.batches.listed("all") if i.record.state != "ended"
            ]
            if open_ones and rng.random() < 0.5:
                window.tell("status", rng.choice(open_ones))
                await asyncio.sleep(rng.random() * 0.06)
            else:
                window.tell("submit", rng.randint(1, 30), f"killed {number}")
                await asyncio.sleep(rng.random() * 0.12)
            acknowledged |= {said[1] for said in window.kill() if said[0] == "done"}

    clock.ahead = 700.0  # until then a batch that was about to leave may still arrive
    await settle_all(manager, simulator)

    listed = await manager.batches.listed("all")
    assert acknowledged <= {info.record.id for info in listed}
    assert {info.record.state for info in listed} <= {"ended", "failed"}
    assert {i.record.remote_id for i in listed if i.record.remote_id} == {
        b for b, _ in simulator.batches.accounts
    }
    assert all(not info.sums.estimated for info in listed)
    assert sum(info.sums.cost.nano_usd or 0 for info in listed) == account_nano(simulator)
    assert not any("damaged" in notice for notice in manager.take_notices())
    check_books(manager, simulator, state_dir)
