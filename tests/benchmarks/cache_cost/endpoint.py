"""The endpoint's prompt cache by its published rules, and the price of a prompt under it.

An entry is a whole prefix that ended at a mark. A mark finds the nearest live entry at its own block or at the nineteen
before it; the furthest of those finds is read, and read only. What lies between there and the last mark for an hour is
written for an hour, from there to the last mark for five minutes, and the rest is plain. A find starts its lifetime
anew. Below the model's minimum a mark is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmt_lsp.api.price_list import PriceRow

    from .prompt import Prompt

Lifetime = Literal["5m", "1h"]
Marks = tuple[tuple[int, Lifetime], ...]
"""Index of each marked spot and its lifetime, in prompt order."""
Entries = dict[bytes, tuple[float, float]]
"""By key: lifetime in seconds, and when it ends."""

SECONDS: dict[Lifetime, float] = {"5m": 300.0, "1h": 3600.0}
MAX_MARKS = 4
POSITIONS = 20


class RefusedError(Exception):
    """The endpoint answers such marks with a 400."""


@dataclass(frozen=True, slots=True)
class Split:
    """How a prompt falls into the classes of tokens."""

    read: int
    write_5m: int
    write_1h: int
    plain: int

    def cost(self, rates: PriceRow) -> int:
        """Nano-dollars of the prompt."""
        return (
            self.read * rates.read
            + self.write_5m * rates.write_5m
            + self.write_1h * rates.write_1h
            + self.plain * rates.input
        )


def serve(
    prompt: Prompt, marks: Marks, entries: Mapping[bytes, tuple[float, float]], now: float
) -> tuple[Split, Entries]:
    """One request: its split, and the entries afterwards; RefusedError for marks that are no marks."""
    check(prompt, marks)
    spots = prompt.spots
    valid = [(at, life) for at, life in marks if spots[at].total >= prompt.minimum]
    found = [hit for at, _ in valid if (hit := look_back(prompt, at, entries, now)) is not None]
    hit = max(found, default=-1)
    read = spots[hit].total if hit >= 0 else 0
    fresh = [(at, life) for at, life in valid if at > hit]
    hour_end = max((spots[at].total for at, life in fresh if life == "1h"), default=read)
    end = max((spots[at].total for at, _ in fresh), default=read)
    after = {key: entry for key, entry in entries.items() if now < entry[1]}
    for at in found:
        lifetime = entries[spots[at].key][0]
        after[spots[at].key] = (lifetime, now + lifetime)
    for at, life in fresh:
        after[spots[at].key] = (SECONDS[life], now + SECONDS[life])
    return Split(read, end - hour_end, hour_end - read, prompt.tokens - end), after


def look_back(
    prompt: Prompt, mark: int, entries: Mapping[bytes, tuple[float, float]], now: float
) -> int | None:
    """The nearest live entry that a mark finds."""
    for index in range(mark, max(-1, mark - POSITIONS), -1):
        entry = entries.get(prompt.spots[index].key)
        if entry is not None and now < entry[1]:
            return index
    return None


def check(prompt: Prompt, marks: Marks) -> None:
    """At most four, in order, on blocks that take one, an hour before five minutes."""
    indexes = [at for at, _ in marks]
    lives = [life for _, life in marks]
    if len(marks) > MAX_MARKS or indexes != sorted(set(indexes)):
        raise RefusedError(f"{len(marks)} marks at {indexes}")
    if any(not prompt.spots[at].markable for at in indexes):
        raise RefusedError("a mark on a block that takes none")
    if any(early == "5m" and late == "1h" for early, late in pairwise(lives)):
        raise RefusedError("an hour after five minutes")
