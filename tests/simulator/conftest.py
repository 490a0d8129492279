"""A simulator in its own thread, and a clock that stands still until told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sim_client import Clock

from cmt_lsp.simulator import Simulator, simulator_in_thread


@pytest.fixture
def clock() -> Clock:
    """A clock under the test's hand."""
    return Clock()


@pytest.fixture
def sim(clock: Clock) -> Iterator[Simulator]:
    """A running simulator on the test's clock."""
    with simulator_in_thread(clock=clock) as simulator:
        yield simulator
