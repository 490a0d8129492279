"""A question sent the moment a cold server has answered `initialize`: when the first text comes, and what is seen until then."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .caller import MODEL
from .endpoint import question
from .figures import Figure, rounds
from .processes import script, world

if TYPE_CHECKING:
    from .figures import Scale
    from .processes import World


@dataclass(frozen=True, slots=True)
class Cold:
    """Milliseconds from the spawn to the first text, and to the first `waiting` value where one came before it."""

    text: float
    waiting: float | None


def measure(scale: Scale) -> list[Figure]:
    """Ours, then each part of what it is held against, again and again."""
    cold: list[Cold] = []
    parts: list[float] = []
    with_question: list[float] = []
    with world() as w:
        cold_question(w)
        for _ in rounds(scale, 8):
            cold.append(cold_question(w))
            bare = bare_start(w)
            parts.append(bare + run(w, script("bare_question.py")))
            with_question.append(bare + run(w, script("bare_question.py", w.url, MODEL, question(3))))
    texts = [one.text for one in cold]
    waits = [one.waiting if one.waiting is not None else one.text for one in cold]
    seen = [float(one.waiting is not None) for one in cold]
    bare_parts = "bare pygls start, then a script that imports the SDK"
    return [
        Figure("spawn to first text", "ms", texts, bare_parts, parts, "ratio", 1.1),
        Figure(
            "the same", "ms", texts, "the same, and the script asks through the SDK", with_question, "ratio"
        ),
        Figure("spawn to a word of waiting", "ms", waits, "first text", texts, "ratio"),
        Figure(
            "questions that said they wait for the SDK", "", seen, "all", [1.0] * len(seen), "ratio", 1.0, "at least"
        ),
    ]  # fmt: skip


def cold_question(w: World) -> Cold:
    """Ask at once; the editor does not wait for anything."""
    with w.server() as server:
        server.initialize()
        server.notify("initialized", {})
        token = server.chat(question(3))
        waiting = None
        while True:
            message = server.until(lambda m: m.get("params", {}).get("token") == token)
            now = (time.perf_counter() - server.began) * 1000
            value = message["params"]["value"]
            if value["kind"] == "text":
                server.answer(token)
                return Cold(now, waiting)
            if waiting is None and value["kind"] == "waiting" and value["phase"] == "warming_up":
                waiting = now


def bare_start(w: World) -> float:
    """Milliseconds from the spawn of a bare server to its answer."""
    with w.bare_server() as server:
        server.initialize()
        return (time.perf_counter() - server.began) * 1000


def run(w: World, command: list[str]) -> float:
    """Milliseconds that a script takes."""
    began = time.perf_counter()
    subprocess.run(command, env=w.environment, check=True, stdout=subprocess.DEVNULL, timeout=60)
    return (time.perf_counter() - began) * 1000
