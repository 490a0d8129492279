"""Emacs and Helix with the guides' configuration, the real server and a simulator."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent)]

from desk import Desk, editor_path  # noqa: E402

from cmt_lsp.simulator import Simulator, simulator_in_thread  # noqa: E402


@pytest.fixture(scope="session")
def emacs_path() -> str:
    """The Emacs under test: CMT_TEST_EMACS, else the one that install.sh has put beside the tests."""
    return editor_path("emacs", "CMT_TEST_EMACS")


@pytest.fixture(scope="session")
def helix_path() -> str:
    """The Helix under test: CMT_TEST_HELIX, else the one that install.sh has put beside the tests."""
    return editor_path("hx", "CMT_TEST_HELIX")


@pytest.fixture(scope="module")
def module_sim() -> Iterator[Simulator]:
    """The endpoint of a module's shared editor."""
    with simulator_in_thread() as running:
        yield running


@pytest.fixture(scope="module")
def module_desk(module_sim: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The desk of a module's shared editor."""
    return Desk(tmp_path_factory.mktemp("desk"), module_sim)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk of this test's own."""
    with simulator_in_thread() as running:
        yield Desk(tmp_path, running)
