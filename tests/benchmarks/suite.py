"""The benchmarks there are, in the order in which they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import (
    beside,
    cache_cost,
    cold_question,
    delta_rate,
    first_text,
    ledger_size,
    many_streams,
    memory,
    neovim_chat,
    pictures,
    round_trip,
    start,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .figures import Figure, Scale


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One table of figures."""

    name: str
    title: str
    about: str
    measure: Callable[[Scale], list[Figure]]


def _benchmark(name: str, title: str, module: object) -> Benchmark:
    about = (module.__doc__ or "").strip()
    return Benchmark(name, title, about, module.measure)  # type: ignore[attr-defined]


SUITE = (
    _benchmark("start", "Start", start),
    _benchmark("cold", "Cold question", cold_question),
    _benchmark("first", "First text", first_text),
    _benchmark("rate", "Delta rate", delta_rate),
    _benchmark("many", "Many streams", many_streams),
    _benchmark("beside", "Requests beside eight streams", beside),
    _benchmark("memory", "Memory", memory),
    _benchmark("trip", "Round trip", round_trip),
    _benchmark("pictures", "Pictures", pictures),
    _benchmark("neovim", "Neovim", neovim_chat),
    _benchmark("ledger", "Ledger", ledger_size),
    _benchmark("cache", "Cost of input with the prompt cache", cache_cost),
)
