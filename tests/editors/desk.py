"""A desk for an editor under test: a workspace, a home that is nobody's, the server on its PATH, an endpoint."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import psutil

from cmt_lsp.simulator import Simulator

EDITORS = Path(__file__).parent / ".editors" / "bin"
KEY = "sk-ant-test-editors"
CODE = "def one():\n    return 1\n\n\ndef two():\n    return 2\n"


def editor_path(program: str, variable: str) -> str:
    """The editor under test: the one that the variable names, else the one that install.sh has put there."""
    beside = EDITORS / program
    found = os.environ.get(variable) or (str(beside) if beside.exists() else None)
    assert found, f"{program} is missing: run tests/editors/install.sh, or name one in {variable}."
    return found


class Desk:
    """Folders and environment of one editor."""

    def __init__(self, root: Path, sim: Simulator) -> None:
        """Make them under `root`; the endpoint is `sim`."""
        self.root, self.sim = root, sim
        self.home, self.work, self.state = root / "home", root / "work", root / "state"
        for folder in (self.home, self.work, root / "bin"):
            folder.mkdir()
        (self.work / ".git").mkdir()  # where editors look for the root of a project
        server = root / "bin" / "cmt-lsp"
        server.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m cmt_lsp "$@"\n')
        server.chmod(0o755)

    @property
    def env(self) -> dict[str, str]:
        """The whole environment of the editor."""
        return {
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "LANG": "C.UTF-8",
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": self.sim.base_url,
            "CMT_STATE_DIR": str(self.state),
        }

    def file(self, name: str, text: str = CODE) -> Path:
        """Write a file of the workspace."""
        path = self.work / name
        path.write_text(text, encoding="utf-8")
        return path

    def settings(self, toml: str) -> None:
        """Write the person's settings of the server."""
        folder = self.home / "config" / "cmt-lsp"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(toml)

    def config_file(self, name: str, text: str) -> Path:
        """Write a file of the editor's configuration, below its configuration folder."""
        path = self.home / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def clear(self) -> None:
        """Take away what a test left in the workspace."""
        for path in self.work.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def servers_below(process_id: int) -> list[psutil.Process]:
    """The server processes that an editor has started."""
    return [p for p in psutil.Process(process_id).children(recursive=True) if "cmt_lsp" in p.cmdline()]


def all_gone(processes: list[psutil.Process], seconds: float = 10.0) -> bool:
    """Whether all of them end within the time."""
    return not psutil.wait_procs(processes, seconds)[1]
