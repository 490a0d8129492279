"""Peers made of a script, and a terminal to run programs in."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import scripted_peer

from cmt_lsp.simulator import Simulator, simulator_in_thread


class ScriptedServer:
    """The command that starts a peer, and what the peer was sent."""

    def __init__(self, folder: Path, script: dict[str, list[list[Any]]]) -> None:
        """`folder` holds the script and the log."""
        self.log = folder / "received.jsonl"
        told = folder / "script.json"
        told.write_text(json.dumps(script))
        self.command = [sys.executable, scripted_peer.__file__, str(told), str(self.log)]

    def received(self, method: str) -> list[dict[str, Any]]:
        """The params of every message of this method, in order."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        messages = [json.loads(line) for line in lines]
        return [message.get("params") for message in messages if message.get("method") == method]


@pytest.fixture
def scripted(tmp_path: Path) -> Callable[..., ScriptedServer]:
    """Make a scripted server: `scripted({"cmt/chat": [["text", "Hi"], ["finish", ["Hi"]]]})`."""
    return lambda script: ScriptedServer(tmp_path, script)


class Terminal:
    """A program on a pseudo terminal that it owns, so that Ctrl-C typed there reaches it as a signal."""

    def __init__(self, argv: list[str], *, columns: int = 80, cwd: Path | None = None, **env: str) -> None:
        """Start `argv`; `env` is added to this process's environment."""
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, columns))
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, cwd=cwd,
            env=os.environ | {"TERM": "xterm-256color"} | env,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)
        self.screen = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def wait_for(self, text: str, within: float = 20.0) -> str:
        """Read the screen until it holds `text`."""
        self._read(lambda: text in self.screen, within)
        assert text in self.screen, f"no {text!r} on {self.screen!r}"
        return self.screen

    def wait(self, within: float = 20.0) -> int:
        """The exit code, after everything on the screen was read."""
        self._read(lambda: False, within)
        return self.process.wait(within)

    def _read(self, enough: Callable[[], bool], within: float) -> None:
        """Read until it is enough, the time is over, or the program has closed the terminal."""
        end = time.monotonic() + within
        while not enough():
            ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return
            try:
                self.screen += os.read(self._master, 65536).decode("utf-8", "replace")
            except OSError:  # closed
                return

    def close(self) -> None:
        """Leave nothing running."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Start programs on pseudo terminals; all of them are gone after the test."""
    started: list[Terminal] = []

    def start(argv: list[str], **options: Any) -> Terminal:
        started.append(Terminal(argv, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Simulator]:
    """A simulator that every command of the test talks to, and a folder of its own."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with simulator_in_thread() as simulator:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.base_url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        yield simulator
