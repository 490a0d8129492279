"""A simulator, a state folder and a manager of one's own for every test of the core."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cmt_lsp.core import APISessionManager
from cmt_lsp.simulator import Simulator, simulator_in_thread


@pytest.fixture
def state_dir() -> Path:
    """Where this test's transcripts go."""
    return Path(os.environ["CMT_STATE_DIR"])


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """The endpoint, named by the environment together with its key."""
    with simulator_in_thread() as running:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.base_url)
        yield running


@pytest.fixture
async def manager(simulator: Simulator) -> AsyncIterator[APISessionManager]:
    """A manager over the simulator; closed at the end."""
    made = APISessionManager()
    yield made
    await made.aclose()
