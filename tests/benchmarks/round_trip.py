"""The shortest request there is, on an idle server, beside one of a bare pygls server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .figures import Figure, percentile, rounds
from .processes import world

if TYPE_CHECKING:
    from .figures import Scale
    from .processes import Server


def measure(scale: Scale) -> list[Figure]:
    """Blocks of single requests, ours and the bare server's in turns within each."""
    ours: list[list[float]] = []
    bare: list[list[float]] = []
    used: list[float] = []
    bare_used: list[float] = []
    with world() as w:
        server, other = w.ready_server(), w.ready_server(bare=True)
        trip(other, "bare/status")
        for _ in rounds(scale, 12):
            cpu, bare_cpu = server.cpu(), other.cpu()
            pairs = [
                (trip(server, "cmt/auth/status"), trip(other, "bare/status")) for _ in range(scale.requests)
            ]
            ours.append([mine for mine, _ in pairs])
            bare.append([theirs for _, theirs in pairs])
            used.append((server.cpu() - cpu) / scale.requests * 1e6)
            bare_used.append((other.cpu() - bare_cpu) / scale.requests * 1e6)
    beside = "a feature of a bare pygls server"
    return [
        *(
            Figure(
                f"cmt/auth/status, p{share * 100:.0f}", "µs", [percentile(block, share) for block in ours],
                beside, [percentile(block, share) for block in bare], "ratio",
            )
            for share in (0.5, 0.99)
        ),
        Figure("CPU of a request", "µs", used, beside, bare_used, "ratio"),
    ]  # fmt: skip


def trip(server: Server, method: str) -> float:
    """Microseconds from the write to the read of the answer."""
    began = time.perf_counter()
    server.request(method, {})
    return (time.perf_counter() - began) * 1e6
