"""From a question to the first text on a warm server, through every layer, each beside the one below it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .endpoint import question
from .figures import Figure, rounds
from .processes import world

if TYPE_CHECKING:
    from .figures import Scale
    from .processes import Server

ASKED = question(3)
LIMIT_MS = 5.0
BOOKKEEPING_MS = 5.0
LAYERS = ("raw", "sdk", "client", "unbooked", "core")
"""The ways to ask, see `caller.py`."""


def measure(scale: Scale) -> list[Figure]:
    """One question of each kind in every round; all against one endpoint."""
    times: dict[str, list[float]] = {name: [] for name in (*LAYERS, "pipe")}
    with world() as w:
        server = w.ready_server()
        callers = {name: w.caller(name) for name in LAYERS}
        for _ in rounds(scale, 300):
            for name, caller in callers.items():
                times[name].append(caller.ask(ASKED)["first"] * 1000)
            times["pipe"].append(first_text(server))
    raw, helper, client, unbooked, core, pipe = times.values()
    below = "the layer below"
    return [
        Figure("question to first text", "ms", pipe, "raw httpx2", raw, "difference", LIMIT_MS),
        Figure("the same", "ms", pipe, "SDK messages.stream", helper, "difference"),
        Figure("of it: client over raw httpx2", "ms", client, below, raw, "difference"),
        Figure("of it: sessions and store", "ms", unbooked, below, client, "difference"),
        Figure("of it: bookkeeping", "ms", core, below, unbooked, "difference", BOOKKEEPING_MS),
        Figure("of it: pipe, protocol, window", "ms", pipe, below, core, "difference"),
    ]


def first_text(server: Server) -> float:
    """Milliseconds from the write of the request to the read of the first text, in a new session."""
    session = server.new_session()
    began = time.perf_counter()
    token = server.chat(ASKED, sessionId=session)
    server.until(lambda m: m.get("params", {}).get("value", {}).get("kind") == "text")
    took = time.perf_counter() - began
    server.answer(token)
    return took * 1000
