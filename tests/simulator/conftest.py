"""A simulator in its own thread, and a clock that stands still until told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cmt_lsp.simulator import Simulator, simulator_in_thread


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock under the test's hand."""
    return Clock()


@pytest.fixture
def sim(clock: Clock) -> Iterator[Simulator]:
    """A running simulator on the test's clock."""
    with simulator_in_thread(clock=clock) as simulator:
        yield simulator
