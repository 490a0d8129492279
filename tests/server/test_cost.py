"""What our layer costs beside a bare pygls server: next to nothing to start, and less than nothing per request."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pygls.protocol import default_converter
from pytest_lsp import client_capabilities
from raw_client import PROBE, RawClient

BARE = """
from pygls.lsp.server import LanguageServer
server = LanguageServer("bare", "1")
@server.feature("cmt/echo")
async def echo(params): return {"value": params.value}
server.start_io()
"""


def start(command: list[str]) -> tuple[float, int]:
    """CPU seconds to the answer to `initialize`, and bytes of memory after one request more."""
    capabilities = default_converter().unstructure(client_capabilities("neovim"))
    with RawClient(command) as client:
        client.result("initialize", {"processId": None, "rootUri": None, "capabilities": capabilities})
        spent = client.cpu_seconds()
        client.notify("initialized", {})
        client.result("cmt/echo", {"value": 1})
        return spent, client.memory()


def round_trip(command: list[str], count: int) -> float:
    """Median seconds of a request that does nothing."""
    with RawClient(command) as client:
        client.initialize()
        taken = []
        for _ in range(count):
            began = time.perf_counter()
            client.result("cmt/echo", {"value": 1})
            taken.append(time.perf_counter() - began)
        return statistics.median(taken)


@pytest.mark.campaign
def test_our_layer_is_cheap(campaign_size: Callable[[int, int], int], tmp_path: Path) -> None:
    """Start at most 1.1 times, memory at most 1.3 times, a round trip at most as long as a bare server's."""
    script = tmp_path / "bare.py"
    script.write_text(BARE)
    bare = [sys.executable, str(script)]
    starts = [(start(bare), start(PROBE)) for _ in range(campaign_size(4, 15))]
    bare_start, our_start = (min(pair[who][0] for pair in starts) for who in (0, 1))
    bare_memory, our_memory = (min(pair[who][1] for pair in starts) for who in (0, 1))
    count = campaign_size(200, 2_000)
    bare_trip, our_trip = round_trip(bare, count), round_trip(PROBE, count)
    print(
        f"start {our_start:.2f} / {bare_start:.2f} s CPU, memory {our_memory >> 20} / {bare_memory >> 20} MB, "
        f"round trip {our_trip * 1e6:.0f} / {bare_trip * 1e6:.0f} us"
    )

    assert our_start <= 1.1 * bare_start
    assert our_memory <= 1.3 * bare_memory
    assert our_trip <= bare_trip
