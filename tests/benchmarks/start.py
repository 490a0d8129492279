"""From the spawn of the process to the answer to `initialize`, and the memory it takes then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .figures import Figure, rounds
from .processes import world

if TYPE_CHECKING:
    from .figures import Scale
    from .processes import Server


def measure(scale: Scale) -> list[Figure]:
    """Ours and a bare pygls server, one after the other, as often as there is time."""
    ours: list[tuple[float, float, float]] = []
    bare: list[tuple[float, float, float]] = []
    with world() as w:
        started(w.server()), started(w.bare_server())  # so that everything is compiled and in the disk cache
        for _ in rounds(scale, 15):
            ours.append(started(w.server()))
            bare.append(started(w.bare_server()))
        warm = w.ready_server().memory()
        with w.bare_server("--sdk") as server:
            server.initialize()
            loaded = server.memory()
    wall, cpu, memory = (list(column) for column in zip(*ours, strict=True))
    bare_wall, bare_cpu, bare_memory = (list(column) for column in zip(*bare, strict=True))
    beside = "bare pygls server"
    return [
        Figure("spawn to initialize", "ms", wall, beside, bare_wall, "ratio", 1.1),
        Figure("CPU until then", "ms", cpu, beside, bare_cpu, "ratio", 1.1),
        Figure("resident memory then", "MiB", memory, beside, bare_memory, "ratio", 1.3),
        Figure(
            "memory after a turn", "MiB", [warm], "bare pygls server with the SDK imported", [loaded], "ratio"
        ),
    ]


def started(server: Server) -> tuple[float, float, float]:
    """Milliseconds, milliseconds of CPU and MiB at the answer to `initialize`."""
    with server:
        server.initialize()
        wall = time.perf_counter() - server.began
        return wall * 1000, server.cpu() * 1000, server.memory()
