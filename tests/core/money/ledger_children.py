"""What other windows do in the campaigns: each is a process of its own, forked off one that has everything imported."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from live_ledger import NOW, claim, ended, origin, peek, settle

from cmt_lsp.api.errors import BudgetExceededError, LedgerUnavailableError
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.ledger import Ledger

PATIENCE = 30.0
"""So that a machine that is busy with something else sends nobody to the spool."""


def forks() -> ForkServerContext:
    """Processes that start in some milliseconds, all off one that has imported everything once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "ledger_children"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        sys.path
    )  # else the server does not find this module, and says nothing
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    return context


@contextmanager
def child(work: Callable[..., None], *arguments: Any) -> Iterator[tuple[ForkServerProcess, Connection]]:
    """A process that runs `work` with one end of a pipe and the arguments; the other end is ours."""
    ours, theirs = multiprocessing.Pipe()
    context = forks()
    process = context.Process(target=work, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join(20)
        ours.close()


def open_ledger(folder: Path, window: str, version: tuple[int, int, int]) -> Ledger:
    """The ledger of the folder, as another window opens it."""
    return Ledger(
        folder / "state",
        window,
        clock=lambda: NOW,
        spool_dir=folder / "spool",
        patience=PATIENCE,
        sqlite_version=version,
    )


def work_until_killed(pipe: Connection, folder: Path, name: str, version: tuple[int, int, int]) -> None:
    """Reserve, stream and settle for ever; acknowledge each attempt whose end is recorded."""

    async def work() -> None:
        ledger = open_ledger(folder, name, version)
        pipe.send("started")
        for number in itertools.count():
            attempt = f"{name}-{number}"
            await ledger.reserve([claim(attempt)])
            ledger.streaming(attempt, Usage(90, 0, 0, 10, 1), Cost(1000, 0, "row", estimated=False))
            if (await settle(ledger, ended(attempt, 1000 + number))).recorded:
                pipe.send((attempt, 1000 + number))

    asyncio.run(work())


def book_many(pipe: Connection, folder: Path, name: str, version: tuple[int, int, int], rows: int) -> None:
    """Book this many attempts, as fast as it goes; the answer is what they cost."""

    async def work() -> int:
        ledger = open_ledger(folder, name, version)
        rng = random.Random(name)
        total = 0
        for number in range(rows):
            nano = rng.randrange(10**9)
            await ledger.reserve([claim(f"{name}-{number}", of=origin(f"{name}-{number}", name))])
            await settle(ledger, ended(f"{name}-{number}", nano))
            total += nano
        await asyncio.wrap_future(ledger.sweep())
        assert ledger.close(20)
        return total

    pipe.send(asyncio.run(work()))


def watch_sum(pipe: Connection, folder: Path) -> None:
    """Read the sum of all money again and again until told to stop; the answer is every value in its order."""
    seen: list[int] = []
    with peek(folder / "state") as connection:
        pipe.send("watching")
        while not pipe.poll(0.001):
            row = connection.execute("SELECT coalesce(sum(nano_usd), 0) FROM day_sums").fetchone()
            seen.append(row[0])
    pipe.send(seen)


def take_turns(pipe: Connection, folder: Path, name: str, version: tuple[int, int, int], turns: int) -> None:
    """For each round that comes: so many turns at once in its session, each settled at what it cost in the end.

    The answer is what the granted ones cost, how many were refused, and how many the ledger could not serve.
    """

    async def turn(ledger: Ledger, rng: random.Random, session: str, number: int) -> int | None:
        attempt = f"{session}-{name}-{number}"
        (granted,) = await ledger.reserve([claim(attempt, of=origin(attempt, session))])
        await asyncio.sleep(rng.random() * 0.01)
        cost = rng.randrange(granted.hold_nano + 1)
        await settle(ledger, ended(attempt, cost))
        return cost

    async def work() -> None:
        ledger = open_ledger(folder, name, version)
        rng = random.Random(name)
        await asyncio.wrap_future(ledger.sweep())
        pipe.send("ready")
        while (session := await asyncio.to_thread(pipe.recv)) is not None:
            found = await asyncio.gather(
                *(turn(ledger, rng, session, number) for number in range(turns)), return_exceptions=True
            )
            refused = sum(isinstance(one, BudgetExceededError) for one in found)
            unserved = sum(isinstance(one, LedgerUnavailableError) for one in found)
            costs = [one for one in found if isinstance(one, int)]
            assert len(costs) + refused + unserved == turns, found
            pipe.send((costs, refused, unserved))
        assert ledger.close(20)

    asyncio.run(work())


def hold_until_killed(
    pipe: Connection, folder: Path, name: str, version: tuple[int, int, int], streaming: bool
) -> None:
    """Reserve one attempt in the session of this name, perhaps hear of it, and hang."""

    async def work() -> None:
        ledger = open_ledger(folder, name, version)
        (granted,) = await ledger.reserve([claim(name, of=origin(name, name))])
        if streaming:
            ledger.streaming(name, Usage(90, 0, 0, 10, 1), Cost(1000, 0, "row", estimated=False))
            await asyncio.wrap_future(ledger.read(lambda _: None))
        pipe.send(granted.hold_nano)
        await asyncio.sleep(3600)

    asyncio.run(work())
