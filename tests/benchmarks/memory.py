"""Resident memory after many turns, in one session and over many."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .endpoint import question
from .figures import Figure, rounds
from .processes import world

if TYPE_CHECKING:
    from .figures import Scale
    from .processes import Server

ASKED = question(20)
TURNS_EACH = 10


def measure(scale: Scale) -> list[Figure]:
    """Before and after, in a fresh server each; the time bounds the turns, and the figure says how many they were."""
    figures = []
    for name, turns_each in (("one session", scale.turns), (f"sessions of {TURNS_EACH} turns", TURNS_EACH)):
        before, after, grown, turns = [], [], [], 0
        for _ in rounds(scale, 1):
            with world() as w:
                server = w.ready_server()
                turns_of(server, min(20, scale.turns), TURNS_EACH)
                before.append(server.memory())
                turns = turns_of(server, scale.turns, turns_each)
                after.append(server.memory())
                grown.append((after[-1] - before[-1]) / turns * 1024)
        figures += [
            Figure(f"memory after {turns:,} turns, {name}", "MiB", after, "20 turns", before, "difference"),
            Figure(f"growth by turn, {name}", "KiB", grown, "none", [0.0], "difference"),
        ]
    return figures


def turns_of(server: Server, count: int, each: int, seconds: float = 33.0) -> int:
    """Run turns, a new session after every `each`, until there are `count` or the time is over; how many."""
    session, ends_at = "", time.monotonic() + seconds
    for number in range(count):
        if number % each == 0:
            session = server.new_session()
        server.answer(server.chat(ASKED, sessionId=session))
        if time.monotonic() > ends_at:
            return number + 1
    return count
