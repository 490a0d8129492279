"""The benchmarks still run: their figures are whole, whatever they are."""

from __future__ import annotations

import math

import pytest

from . import __main__ as command
from .figures import SMALLEST, Figure
from .suite import SUITE, Benchmark
from .table import cells, markdown, plain


@pytest.mark.parametrize("benchmark", SUITE, ids=lambda one: one.name)
def test_a_benchmark_gives_whole_figures(benchmark: Benchmark) -> None:
    figures = benchmark.measure(SMALLEST)

    assert figures
    for figure in figures:
        assert len(figure.ours) == len(figure.theirs) >= 1
        assert all(math.isfinite(value) for value in (*figure.ours, *figure.theirs))
        assert math.isfinite(figure.pairs.median)
    assert len(plain(figures).splitlines()) == len(figures) + 1


def test_a_miss_is_said_in_the_page_and_in_the_table() -> None:
    slow = Figure("start", "ms", [130.0, 150.0, 120.0], "bare", [100.0, 100.0, 100.0], "ratio", 1.1)

    assert cells(slow)[4:] == ("1.30 (1.20 to 1.50)x", "3", "at most 1.10x", "MISSED")
    assert "**MISSED**" in markdown([slow])
    assert "0 targets met, 1 missed." in command.page([], [(SUITE[0], [slow])])


def test_a_difference_is_taken_pair_by_pair() -> None:
    drifting = Figure("first text", "ms", [12.0, 22.0, 33.0], "raw", [10.0, 20.0, 30.0], "difference", 2.5)

    assert drifting.pairs.median == 2.0
    assert drifting.met is True


def test_a_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SystemExit):
        command.main(["no-such-benchmark"])
