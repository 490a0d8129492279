"""A ledger with a long past, beside one with 1,000 attempts. What a turn waits for must not grow with the past. A report
reads as many sums as there were days, models, folders and sessions: one of today may take 20 ms, one of a year a second."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import ExitStack
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.attempt import Ceiling, Claim, Origin, Settlement
from cmt_lsp.core.money.budget import DEFAULT_WARN_AT, SCOPES, Limit
from cmt_lsp.core.money.ledger import Ledger
from cmt_lsp.core.money.schema import FILE_NAME

from .caller import MODEL
from .figures import Figure, rounds
from .full_ledger import fill
from .processes import Server, cmt_lsp, world

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .figures import Scale
    from .processes import World

FEW = 1000
PROMPT = Usage(input_tokens=1200, cache_read_input_tokens=9000, output_tokens=400)
LIMITS = [Limit(scope, 10**15, DEFAULT_WARN_AT, "settings") for scope in SCOPES]
"""Every kind of budget, none of them near: each reservation sums up all of its scopes."""

_numbers = itertools.count()


def measure(scale: Scale) -> list[Figure]:
    """Reports over the pipe, sums and bookings in the process; the two ledgers in turns."""
    with world() as w:
        folders = [_folder(w, rows) for rows in (scale.ledger_rows, FEW)]
        with ExitStack() as stack:
            full, few = (_server(w, stack, folder) for folder in folders)
            today = date.fromisoformat(full.request("cmt/usage", {})["today"])
            day = {"from": str(today), "to": str(today)}
            year = {
                "from": str(today - timedelta(days=364)),
                "to": str(today),
                "groupBy": "day",
                "thenBy": "model",
            }
            of_day, of_year = (
                _pairs(scale, partial(_report, full, wish), partial(_report, few, wish))
                for wish in (day, year)
            )
        sums, booking = (asyncio.run(_ledger_pairs(scale, folders, job)) for job in (_totals, _booking))
    beside = f"{FEW:,} attempts"
    rows = f"{scale.ledger_rows:,} attempts"
    return [
        Figure(f"cmt/usage, today, {rows}", "ms", *_sides(of_day, beside), "difference", 20.0),
        Figure(f"cmt/usage, a year by day and model, {rows}", "ms", *_sides(of_year, beside), "difference", 1000.0),
        Figure(f"sums of the status, {rows}", "ms", *_sides(sums, beside), "ratio", 2.0),
        Figure(f"reserve under six budgets and settle, {rows}", "ms", *_sides(booking, beside), "ratio", 1.5),
    ]  # fmt: skip


def _sides(pairs: list[tuple[float, float]], beside: str) -> tuple[list[float], str, list[float]]:
    return [mine for mine, _ in pairs], beside, [theirs for _, theirs in pairs]


def _folder(w: World, rows: int) -> Path:
    """A state folder whose ledger has this many attempts, the newest of today."""
    folder = Path(w.environment["CMT_STATE_DIR"]).with_name(f"state-{rows}")
    folder.mkdir(mode=0o700)
    fill(folder / FILE_NAME, rows, 1, end_at=time.time())
    return folder


def _server(w: World, stack: ExitStack, folder: Path) -> Server:
    server = stack.enter_context(Server(cmt_lsp(), {**w.environment, "CMT_STATE_DIR": str(folder)}))
    server.initialize()
    server.notify("initialized", {})
    return server


def _pairs(scale: Scale, ours: Callable[[], float], theirs: Callable[[], float]) -> list[tuple[float, float]]:
    ours(), theirs()  # the first one of a kind reads what the others find in memory
    return [(ours(), theirs()) for _ in rounds(scale, 30)]


def _report(server: Server, wish: dict[str, Any]) -> float:
    """Milliseconds of one report, from the write to the read."""
    began = time.perf_counter()
    server.request("cmt/usage", wish)
    return (time.perf_counter() - began) * 1000


async def _ledger_pairs(
    scale: Scale, folders: list[Path], job: Callable[[Ledger, Origin], Coroutine[None, None, None]]
) -> list[tuple[float, float]]:
    ledgers = [Ledger(folder, "benchmark") for folder in folders]
    origins = []
    for ledger in ledgers:
        ledger.use_limits(LIMITS)
        origins.append(await asyncio.wrap_future(ledger.read(_newest)))

    async def timed(place: int) -> float:
        began = time.perf_counter()
        await job(ledgers[place], origins[place])
        return (time.perf_counter() - began) * 1000

    await timed(0)
    await timed(1)
    pairs = [(await timed(0), await timed(1)) for _ in rounds(scale, 60)]
    for ledger in ledgers:
        ledger.close()
    return pairs


def _newest(connection: Any) -> Origin:
    """The session and folder of the newest attempt: those that people look at."""
    row = connection.execute(
        "SELECT session_id, turn_id, workspace FROM attempts ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    return Origin("turn", *row)


async def _totals(ledger: Ledger, origin: Origin) -> None:
    await ledger.totals(origin)


async def _booking(ledger: Ledger, origin: Origin) -> None:
    """One attempt from its reservation to its durable end."""
    name = f"benchmark-{next(_numbers)}"
    claim = Claim(name, origin, MODEL, 1, 4096, Ceiling(40_000_000, 15_000), 10_200)
    await ledger.reserve([claim])
    cost = Cost(12_000_000, 20_000_000, None, estimated=False)
    ended = Settlement(name, "done", time.time(), PROMPT, cost, 1600)
    await asyncio.wrap_future(ledger.settle([ended]))
