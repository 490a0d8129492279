"""What the tests of batches share: small orders, a clock of one's own, and the price of the simulator's account."""

from __future__ import annotations

import asyncio
import json
import math
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cmt_lsp.core import APISessionManager
from cmt_lsp.core.batch.batch import BatchInfo, BatchOrder, BatchPrompt
from cmt_lsp.simulator import Simulator

BATCHES = "/v1/messages/batches"
RESULTS = f"{BATCHES}/*/results"
HALF_PRICES = {"claude-sonnet-5-5": (1_000, 5_000), "claude-opus-5-5": (2_000, 10_000)}
"""Nano-dollars for a token in and a token out, at half of the published list."""


class Clock:
    """The time of day, with hours that a test adds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def order(*texts: str, **more: Any) -> BatchOrder:
    """A batch of these prompts; three of them by default."""
    prompts = [BatchPrompt(f"p{i}", text) for i, text in enumerate(texts or ("one", "two", "three"))]
    return BatchOrder(prompts, **more)


def account_nano(simulator: Simulator, model: str = "claude-sonnet-5-5", batch: str | None = None) -> int:
    """What the endpoint charges for all batches, or for one, to the nano-dollar."""
    price_in, price_out = HALF_PRICES[model]
    return sum(
        usage["input_tokens"] * price_in + usage["output_tokens"] * price_out
        for (batch_id, _), usage in simulator.batches.accounts.items()
        if batch in (None, batch_id)
    )


def attempts(manager: APISessionManager) -> list[tuple[Any, ...]]:
    """Every row of the ledger: id, state, kind, nano-dollars, hold, whether estimated."""
    query = "SELECT id, state, kind, nano_usd, hold_nano, cost_estimated FROM attempts ORDER BY seq"
    return manager.ledger.read(lambda c: c.execute(query).fetchall()).result(10)


def spent(manager: APISessionManager) -> int:
    """The sum over the ledger's final rows."""
    return sum(row[3] or 0 for row in attempts(manager) if row[1] not in ("reserved", "streaming"))


def states(info: BatchInfo) -> dict[str, int]:
    """How many prompts are in which state, without the zeros."""
    return {state: count for state, count in info.counts.items() if count}


async def until(holds: Callable[[], bool], within: float = 20.0) -> None:
    """Wait for what nothing tells of."""
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.005)


def at_the_endpoint(
    simulator: Simulator, path: str = "", method: str = "GET", body: bytes | None = None
) -> None:
    """Do something to batches behind our back; a bare look lets the endpoint work until now."""
    headers = {"x-api-key": "sk-test-key", "anthropic-version": "2026-10-21"}
    url = f"{simulator.base_url}{BATCHES}{path}"
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310


def foreign_batch(simulator: Simulator, count: int = 3) -> None:
    """A batch that another program sends to the same endpoint."""
    params = {"model": "claude-sonnet-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    requests = [{"custom_id": f"theirs-{i}", "params": params} for i in range(count)]
    at_the_endpoint(simulator, "", "POST", json.dumps({"requests": requests}).encode())


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A file that another process holds."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def work(simulator: Simulator) -> None:
    """Let the endpoint answer everything that it has."""
    simulator.batches.rate = math.inf
    at_the_endpoint(simulator)
