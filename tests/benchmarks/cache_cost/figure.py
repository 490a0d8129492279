"""The study as figures of the suite, and how long planning takes on a long history."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cmt_lsp.api.cache_manager import CacheManager
from cmt_lsp.api.models import find_model
from cmt_lsp.api.request import MessageRequest, encode
from cmt_lsp.api.usage import Usage
from tests.benchmarks.figures import Figure

from .long_history import long_history
from .study import BEST, ODDS, sample
from .workload import CLASSES, STEADY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.benchmarks.figures import Scale

FIRST_SEED = 1000
_SEEDS, _QUICK = 8, ("short chats", "pauses of any length")
_MILLISECONDS = 2.0
_TURNS = 500


def measure(scale: Scale) -> list[Figure]:
    """Ours to automatic caching class by class and over all, ours to the references, and the time to plan."""
    full = scale.share > 0
    seeds = range(FIRST_SEED, FIRST_SEED + (max(1, round(_SEEDS * scale.share)) if full else 1))
    samples = {name: [sample(name, seed).nano for seed in seeds] for name in (CLASSES if full else _QUICK)}
    steady = [sample(STEADY, seed).nano for seed in seeds] if full else []
    classes = {**samples, STEADY: steady} if full else samples
    together = [_sum([nano[number] for nano in samples.values()]) for number in range(len(seeds))]
    return [
        *(_beside(name, nano, "automatic", "automatic caching", 1.0) for name, nano in classes.items()),
        _beside("all together", together, "automatic", "automatic caching", 0.9),
        _beside("all together", together, "system + last message", "marks on system and last message"),
        _beside("all together", together, "no caching", "no caching"),
        _beside("all together", together, BEST, "the best placement in hindsight", 1.05),
        _beside("all together", together, ODDS, "nobody is below who is only told the odds"),
        *_planning(round(20 * scale.share)),
    ]


def _beside(
    name: str, nano: Sequence[Mapping[str, int]], other: str, beside: str, limit: float | None = None
) -> Figure:
    return Figure(name, "$", _dollars(nano, "ours"), beside, _dollars(nano, other), "ratio", limit)


def _dollars(nano: Sequence[Mapping[str, int]], name: str) -> list[float]:
    return [one[name] / 1e9 for one in nano]


def _sum(costs: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {name: sum(one[name] for one in costs) for name in costs[0]}


def _planning(rounds: int) -> list[Figure]:
    """Milliseconds to plan a further question behind 500 turns and a megabyte, and to encode its request."""
    now, model = 1_795_000_000.0, find_model("claude-opus-5-5")
    manager = CacheManager(lambda: now, hours=True)
    plans: list[float] = []
    encodings: list[float] = []
    for number in range(max(1, rounds) + 1):
        system, history, new = long_history(_TURNS + number)
        now += 60
        began = time.perf_counter()
        plan = manager.plan(system, history, new, model, True)
        planned = time.perf_counter()
        encode(MessageRequest("claude-opus-5-5", 1000, plan.messages, plan.system).body(stream=True))
        encoded = time.perf_counter()
        manager.remember(plan, Usage(50, 2_000, 0, 300_000, 500))
        if number:  # the first plan hashes the whole history, as after a restart
            plans.append((planned - began) * 1000)
            encodings.append((encoded - planned) * 1000)
    what = "a plan behind 500 turns"
    return [
        Figure(what, "ms", plans, "no time", [0.0 for _ in plans], "difference", _MILLISECONDS),
        Figure(what, "ms", plans, "encoding the request", encodings, "ratio"),
    ]
