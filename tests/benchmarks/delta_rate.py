"""One long answer at full speed: deltas a second and CPU for each delta of the endpoint; merged ones count as they came in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .endpoint import PIECE, question
from .figures import Figure, rounds
from .processes import world

if TYPE_CHECKING:
    from .figures import Scale
    from .processes import Caller, Server


def measure(scale: Scale) -> list[Figure]:
    """The whole way and its layers, in turns."""
    taken: dict[str, list[tuple[float, float]]] = {
        name: [] for name in ("raw", "sdk", "client", "core", "pipe")
    }
    with world() as w:
        server = w.ready_server()
        callers = {name: w.caller(name) for name in ("raw", "sdk", "client", "core")}
        for _ in rounds(scale, 6):
            for name, caller in callers.items():
                taken[name].append(by_caller(caller, scale.deltas))
            taken["pipe"].append(by_pipe(server, scale.deltas))
    rate = {name: [scale.deltas / wall for wall, _ in pairs] for name, pairs in taken.items()}
    cpu = {name: [used / scale.deltas * 1e6 for _, used in pairs] for name, pairs in taken.items()}
    below = "the layer below"
    return [
        Figure("deltas a second", "", rate["pipe"], "raw httpx2", rate["raw"], "ratio", 0.5, "at least"),
        Figure("the same", "", rate["pipe"], "SDK messages.stream", rate["sdk"], "ratio"),
        Figure("CPU for a delta", "µs", cpu["pipe"], "raw httpx2", cpu["raw"], "ratio"),
        Figure("the same", "µs", cpu["pipe"], "SDK messages.stream", cpu["sdk"], "ratio"),
        Figure("of it: client over raw httpx2", "µs", cpu["client"], below, cpu["raw"], "difference"),
        Figure("of it: sessions and store", "µs", cpu["core"], below, cpu["client"], "difference"),
        Figure("of it: window, protocol, pipe", "µs", cpu["pipe"], below, cpu["core"], "difference"),
    ]


def by_caller(caller: Caller, deltas: int) -> tuple[float, float]:
    """Seconds, and seconds of its CPU, for an answer of so many deltas."""
    told = caller.ask(question(deltas))
    assert told["characters"] == deltas * len(PIECE)
    return told["total"], told["cpu"]


def by_pipe(server: Server, deltas: int) -> tuple[float, float]:
    """The same through the server, to its durable result."""
    session = server.new_session()
    cpu, began = server.cpu(), time.perf_counter()
    result = server.answer(server.chat(question(deltas), sessionId=session))
    took, used = time.perf_counter() - began, server.cpu() - cpu
    assert len(result["text"]) == deltas * len(PIECE)
    return took, used
