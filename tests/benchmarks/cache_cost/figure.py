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
from .study import BEST, Sample, sample
from .workload import CLASSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.figures import Scale

FIRST_SEED = 1000
_SEEDS, _QUICK = 8, ("short chats", "pauses of any length")
_TURNS = 500


def measure(scale: Scale) -> list[Figure]:
    """Ours to automatic caching class by class and over all, ours to the best, and the time to plan."""
    full = scale.share > 0
    seeds = range(FIRST_SEED, FIRST_SEED + (max(1, round(_SEEDS * scale.share)) if full else 1))
    names = list(CLASSES) if full else _QUICK
    samples = {name: [sample(name, seed) for seed in seeds] for name in names}
    classes = [_beside(name, taken, "automatic", "automatic caching", 1.0) for name, taken in samples.items()]
    together = [_sum([taken[number] for taken in samples.values()]) for number in range(len(seeds))]
    ours = [one["ours"] / 1e9 for one in together]
    return [
        *classes,
        Figure("all together", "$", ours, "automatic caching", _dollars(together, "automatic"), "ratio", 0.9),
        Figure(
            "all together",
            "$",
            ours,
            "the best placement in hindsight",
            _dollars(together, BEST),
            "ratio",
            1.05,
        ),
        _planning(round(20 * scale.share)),
    ]


def _beside(name: str, samples: Sequence[Sample], other: str, beside: str, limit: float) -> Figure:
    nano = [one.nano for one in samples]
    return Figure(name, "$", _dollars(nano, "ours"), beside, _dollars(nano, other), "ratio", limit)


def _dollars(nano: Sequence[dict[str, int]], name: str) -> list[float]:
    return [one[name] / 1e9 for one in nano]


def _sum(samples: Sequence[Sample]) -> dict[str, int]:
    names = samples[0].nano
    return {name: sum(one.nano[name] for one in samples) for name in names}


def _planning(rounds: int) -> Figure:
    """Milliseconds to plan a further question behind 500 turns and a megabyte, beside the encoding of its request."""
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
    return Figure("a plan behind 500 turns", "ms", plans, "encoding the request", encodings, "ratio")
