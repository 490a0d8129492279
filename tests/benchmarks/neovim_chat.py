"""A chat in a real Neovim with a screen: when text is seen, how steadily it comes, and what typing meanwhile costs.

The baseline is a bare Lua client of forty lines: curl, and each piece put at the end of a buffer, without a server, a
history, costs, colours or a way to stop. A chat plugin stands beside it where CMT_BENCH_RIVAL names its folders.
"""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from .chats import BARE, OTHER, OURS, RIVAL, chat
from .endpoint import line, lines
from .figures import Figure, percentile, rounds
from .first_text import first_text
from .processes import world

if TYPE_CHECKING:
    from .chats import Chat
    from .figures import Scale
    from .processes import World

PATIENCE = 90.0
PACE = 0.015
KEY_GAP = 0.02
"""Seconds from a letter on the screen to the next key."""


@dataclass(slots=True)
class Taken:
    """What one chat took; milliseconds but `updates` (a number), `cpu` and `whole` (seconds)."""

    first: list[float] = field(default_factory=list)
    updates: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    typing: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    flood_typing: list[float] = field(default_factory=list)


class Player:
    """Asks one chat after the other in the same ways; each answer has a name of its own."""

    def __init__(self, scale: Scale) -> None:
        self.paced = min(400, scale.deltas // 4)
        self.flood = min(5000, scale.deltas)
        self._number = 0

    def _ask(self, one: Chat, pieces: int, every: float = 0.0) -> str:
        self._number += 1
        name = f"q{self._number}z"
        one.write(lines(pieces, every, name))
        return name

    def first(self, one: Chat) -> float:
        """Milliseconds from the key that sends to the screen that shows the first line."""
        name = self._ask(one, 3)
        began = time.monotonic()
        one.send()
        one.nvim.screen.wait_for(line(name, 0), seconds=PATIENCE)
        took = one.nvim.screen.flushes[-1] - began
        one.nvim.screen.wait_for(line(name, 2), seconds=PATIENCE)
        one.settle(PATIENCE)
        return took * 1000

    def steady(self, one: Chat, taken: Taken) -> None:
        """How often the screen shows more of an answer that comes at a model's pace, and the editor's CPU for it."""
        name = self._ask(one, self.paced, PACE)
        shown: list[tuple[float, int]] = [(0.0, -1)]

        def watch(text: str) -> None:
            numbers = [int(number) for number in re.findall(rf"local {name}_(\d+) =", text)]
            if max(numbers, default=-1) > shown[-1][1]:
                shown.append((time.monotonic(), max(numbers)))

        cpu = processor_seconds(one)
        one.nvim.screen.watch = watch
        one.send()
        one.nvim.screen.wait_for(line(name, self.paced - 1), seconds=PATIENCE)
        one.nvim.screen.watch = None
        taken.cpu.append(processor_seconds(one) - cpu)
        times = [at for at, _ in shown[1:]]
        taken.updates.append(float(len(times)))
        taken.gap.append(max((b - a for a, b in pairwise(times)), default=PATIENCE) * 1000)
        one.settle(PATIENCE)

    def typed(self, one: Chat, pieces: int, every: float) -> tuple[float, float]:
        """Seconds until the whole answer is on the screen, and how long a letter typed in the code takes, p95 in ms."""
        name = self._ask(one, pieces, every)
        one.send()
        began = time.monotonic()
        one.to_code()
        last, waits, word = line(name, pieces - 1), [], ""
        while last not in one.nvim.screen.text:
            assert time.monotonic() < began + PATIENCE
            word += "xyz"[len(word) % 3]
            sent = time.monotonic()
            one.nvim.keys(word[-1])
            one.nvim.screen.wait(lambda text, end=word[-20:]: end in text or last in text, PATIENCE)
            waits.append((time.monotonic() - sent) * 1000)
            time.sleep(KEY_GAP)
        took = time.monotonic() - began
        one.settle(PATIENCE)
        return took, percentile(waits, 0.95)


def processor_seconds(one: Chat) -> float:
    """User and system time of the editor alone."""
    fields = Path(f"/proc/{one.nvim.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def measure(scale: Scale) -> list[Figure]:
    """Every chat in every round; all against one endpoint."""
    ways = [OURS, BARE, *([OTHER] if RIVAL else [])]
    taken = {way.name: Taken() for way in ways}
    raw: list[float] = []
    player = Player(scale)
    with world() as w, ExitStack() as stack:
        chats = {way.name: stack.enter_context(chat(way, w)) for way in ways}
        _first(scale, player, chats, taken, raw, w)
        for one in chats.values():
            one.fill()
        for _ in rounds(scale, 3):
            for name, one in chats.items():
                player.steady(one, taken[name])
                taken[name].typing.append(player.typed(one, player.paced // 2, PACE)[1])
                took, at_95 = player.typed(one, player.flood, 0.0)
                taken[name].whole.append(took)
                taken[name].flood_typing.append(at_95)
    return figures(player, taken, raw)


def _first(
    scale: Scale, player: Player, chats: dict[str, Chat], taken: dict[str, Taken], raw: list[float], w: World
) -> None:
    """First texts, each chat beside the bare protocol; one to warm up."""
    server = w.ready_server()
    for one in chats.values():
        player.first(one)
    for _ in rounds(scale, 15):
        raw.append(first_text(server))
        for name, one in chats.items():
            taken[name].first.append(player.first(one))


def figures(player: Player, taken: dict[str, Taken], raw: list[float]) -> list[Figure]:
    """Rows with what is asked for, then beside the others."""
    ours = taken.pop(OURS.name)
    below = f"{player.paced} pieces at {PACE * 1000:.0f} ms below 3,600 lines"
    flood = f"{player.flood:,} pieces at once"
    rows = [
        ("first text on the screen", "ms", "first", 15.0, "at most"),
        (f"{below}: updates of the screen", "", "updates", player.paced * 0.15, "at least"),
        (f"{below}: longest gap", "ms", "gap", 100.0, "at most"),
        (f"{below}: CPU of the editor", "s", "cpu", 1.0, "at most"),
        ("a letter on the screen meanwhile, p95", "ms", "typing", 20.0, "at most"),
        (f"{flood}, all on the screen", "s", "whole", 0.4, "at most"),
        ("a letter on the screen meanwhile, p95", "ms", "flood_typing", 20.0, "at most"),
    ]
    found: list[Figure] = []
    for what, unit, name, limit, bound in rows:
        values = getattr(ours, name)
        found.append(Figure(what, unit, values, "nothing", [0.0] * len(values), "difference", limit, bound))  # type: ignore[arg-type]
        if name == "first":
            found.append(Figure("the same", unit, values, "the bare protocol", raw, "difference"))
        found += [
            Figure("the same", unit, values, other, getattr(theirs, name), "difference")
            for other, theirs in taken.items()
        ]
    return found
