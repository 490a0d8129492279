"""Editors on the real server: a simulator, a state folder and a key for each, checked against the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.simulator import Simulator, simulator_in_thread

from .editor import CANARY, Editor, find_canary, wait_until

MakeEditor = Callable[..., Editor]


@pytest.fixture(scope="session", autouse=True)
def no_key_is_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After the last test: the key is in no file that any test of the run wrote, state and logs above all."""
    yield
    assert find_canary(tmp_path_factory.getbasetemp()) == []


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """The endpoint; it accepts the canary key only."""
    with simulator_in_thread(api_key=CANARY) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Path]:
    """State, settings and workspace of a test; searched for the key at its end."""
    yield tmp_path
    assert find_canary(tmp_path) == []


@pytest.fixture
def make_editor(sim: Simulator, world: Path) -> Iterator[MakeEditor]:
    """Start windows on one state folder; all are checked at the end."""
    with ExitStack() as stack:
        started: list[Editor] = []

        def make(base_url: str | None = sim.base_url, **options: Any) -> Editor:
            started.append(stack.enter_context(Editor(world, base_url, **options)))
            return started[-1]

        yield make
        for editor in started:
            close(editor)


def close(editor: Editor) -> None:
    """Let an editor leave if its server still runs, and check all it heard."""
    if editor.process.poll() is None:
        editor.leave()
    editor.check()
    assert CANARY.encode() not in editor.stderr()
    assert CANARY not in str(editor.messages)


@pytest.fixture
def editor(make_editor: MakeEditor) -> Editor:
    """A window of this test's own, ready to be asked."""
    started = make_editor()
    started.open()
    return started


class Shared:
    """A window and a simulator that the tests of a module use one after the other."""

    def __init__(self, editor: Editor, sim: Simulator) -> None:
        self.editor = editor
        self.sim = sim

    def stalled(self) -> int:
        """Wait until the newest request is held by a stall; its index."""
        wait_until(lambda: any(request.stalled for request in self.sim.requests[-1:]), 20)
        return len(self.sim.requests) - 1


@pytest.fixture(scope="module")
def shared_window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """One server for a whole module, since a start costs a second of processor time."""
    world = tmp_path_factory.mktemp("world")
    with simulator_in_thread(api_key=CANARY) as sim, Editor(world, sim.base_url) as editor:
        editor.open(rootUri=world.as_uri())
        yield Shared(editor, sim)
        close(editor)
    assert find_canary(world) == []
