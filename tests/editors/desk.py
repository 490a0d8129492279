"""A desk for an editor under test: a workspace, a home that is nobody's, the server on its PATH, an endpoint."""

from __future__ import annotations

import itertools
import os
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
        self._numbers = itertools.count(1)
        self.home, self.work, self.state = root / "home", root / "work", root / "home" / "state"
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
            "XDG_STATE_HOME": str(self.state),
        }

    def file(self, name: str, text: str = CODE) -> Path:
        """Write a file of the workspace."""
        path = self.work / name
        path.write_text(text, encoding="utf-8")
        return path

    def new_file(self) -> Path:
        """A file that no other test has."""
        return self.file(f"code{next(self._numbers)}.py")

    def settings(self, toml: str) -> None:
        """Write the person's settings of the server."""
        folder = self.home / "config" / "cmt-lsp"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(toml)

    def transcripts(self, words: str = "") -> list[Path]:
        """The transcripts that hold these words."""
        found = (self.state / "cmt-lsp" / "transcripts").glob("*.md")
        return [path for path in sorted(found) if words in path.read_text(encoding="utf-8")]

    def config_file(self, name: str, text: str) -> Path:
        """Write a file of the editor's configuration, below its configuration folder."""
        path = self.home / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


def servers_below(process_id: int) -> list[psutil.Process]:
    """The server processes that an editor has started."""
    return [p for p in psutil.Process(process_id).children(recursive=True) if "cmt_lsp" in p.cmdline()]


def all_gone(processes: list[psutil.Process], seconds: float = 10.0) -> bool:
    """Whether all of them end within the time."""
    return not psutil.wait_procs(processes, seconds)[1]
