"""Many sessions that stream at once, and how long another request has to wait meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .endpoint import PIECE, question
from .figures import Figure, percentile, rounds
from .processes import world

if TYPE_CHECKING:
    from .figures import Scale
    from .processes import Server

GAP = 0.01
"""Seconds between a ping's answer and the next ping."""
PACE = 0.02
"""Seconds between two deltas of a model that is not in a hurry."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds in all and of the server's CPU, and the round trips meanwhile in milliseconds."""

    wall: float
    cpu: float
    pings: list[float]


def measure(scale: Scale) -> list[Figure]:
    """At full speed beside a raw client with as many streams; then at a model's pace, where latency matters."""
    deltas = max(10, scale.deltas // 40)
    fast: list[Taken] = []
    paced: list[Taken] = []
    raw: list[float] = []
    idle: list[list[float]] = []
    with world() as w:
        server, caller = w.ready_server(), w.caller("raw")
        for _ in rounds(scale, 5):
            told = caller.ask(question(deltas), scale.streams)
            assert told["characters"] == scale.streams * deltas * len(PIECE)
            raw.append(told["total"])
            fast.append(stream(server, question(deltas), scale.streams))
            idle.append(pinged(server, scale.requests))
            paced.append(stream(server, question(deltas // 5, PACE), scale.streams))
    rate = [scale.streams * deltas / one.wall for one in fast]
    raw_rate = [scale.streams * deltas / wall for wall in raw]
    streams = f"{scale.streams} streams"
    each = scale.streams * (deltas // 5)
    return [
        Figure(f"{streams} at full speed: in all", "s", [one.wall for one in fast], "raw httpx2", raw, "ratio"),
        Figure(f"{streams} at full speed: deltas a second", "", rate, "raw httpx2", raw_rate, "ratio", 0.5, "at least"),
        *(
            Figure(
                f"{streams} {how}: round trip, p{share * 100:.0f}", "ms",
                [percentile(one.pings, share) for one in taken], "idle",
                [percentile(pings, share) for pings in idle], "difference",
            )
            for how, taken in (("at full speed", fast), (f"at {1 / PACE:.0f} deltas/s", paced))
            for share in (0.5, 0.99)
        ),
        Figure(
            f"{streams} at {1 / PACE:.0f} deltas/s: CPU for a delta, turns included", "µs", [one.cpu / each * 1e6 for one in paced],
            "the same, at full speed", [one.cpu / scale.streams / deltas * 1e6 for one in fast],
            "ratio",
        ),
    ]  # fmt: skip


def stream(server: Server, asked: str, streams: int) -> Taken:
    """Ask in as many new sessions at once, and ping until the last answer is whole."""
    sessions = [server.new_session() for _ in range(streams)]
    cpu, began = server.cpu(), time.perf_counter()
    waiting = {server.chat(asked, sessionId=session) for session in sessions}
    pings: list[float] = []
    ping, sent, next_at = 0, 0.0, began
    while waiting:
        now = time.perf_counter()
        if not ping and now >= next_at:
            ping, sent = server.ask("cmt/auth/status", {}), now
        message = server.message(patience=60.0 if ping else max(0.0, next_at - now))
        number = message.get("id") if message else None
        if number == ping:
            pings.append((time.perf_counter() - sent) * 1000)
            ping, next_at = 0, time.perf_counter() + GAP
        elif number is not None:
            waiting.discard(number)
    took, used = time.perf_counter() - began, server.cpu() - cpu
    if ping:
        server.answer(ping)
    return Taken(took, used, pings)


def pinged(server: Server, count: int) -> list[float]:
    """Round trips of an idle server in milliseconds, as far apart as those under load."""
    taken = []
    for _ in range(count):
        time.sleep(GAP)
        began = time.perf_counter()
        server.request("cmt/auth/status", {})
        taken.append((time.perf_counter() - began) * 1000)
    return taken
