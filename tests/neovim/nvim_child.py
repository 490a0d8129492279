"""A real Neovim with a screen attached, spoken to in msgpack over its pipes."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgpack
from screen import Screen

PLUGIN = Path(__file__).parents[2] / "editor-clients" / "neovim"
PATIENCE = 30.0
KEY = "sk-ant-test-neovim"


class NvimError(Exception):
    """Neovim refused a call."""


class NvimChild:
    """One `nvim --embed`; every call has a limit."""

    def __init__(
        self, nvim: str, env: Mapping[str, str], cwd: Path, columns: int = 110, rows: int = 36
    ) -> None:
        """Start it with the plugin on its runtime path and nothing of the person's own."""
        command = [nvim, "--embed", "--clean", "--cmd", f"set runtimepath^={PLUGIN}", "-n", "-i", "NONE"]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            cwd=cwd,
        )
        self.folder = cwd
        self.screen = Screen(columns, rows)
        self._ids = itertools.count(1)
        self._open: dict[int, Future[Any]] = {}
        self._writing = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.call("nvim_ui_attach", columns, rows, {"ext_linegrid": True, "rgb": True})

    def _read(self) -> None:
        assert self.process.stdout is not None
        unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, unicode_errors="replace")
        while data := self.process.stdout.read1(65536):
            unpacker.feed(data)
            for message in unpacker:
                self._take(message)
        self.screen.close()
        for future in list(self._open.values()):
            future.cancel()

    def _take(self, message: list[Any]) -> None:
        if message[0] == 1:
            _, number, error, result = message
            future = self._open.pop(number)
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(NvimError(error[1] if isinstance(error, list) else error))
        elif message[0] == 2 and message[1] == "redraw":
            self.screen.redraw(message[2])

    def send(self, method: str, *arguments: object) -> Future[Any]:
        """Call without waiting."""
        number = next(self._ids)
        future: Future[Any] = Future()
        self._open[number] = future
        assert self.process.stdin is not None
        with self._writing:
            self.process.stdin.write(msgpack.packb([0, number, method, arguments]))
            self.process.stdin.flush()
        return future

    def call(self, method: str, *arguments: object, seconds: float = PATIENCE) -> Any:
        """The result of an API function."""
        return self.send(method, *arguments).result(seconds)

    def command(self, line: str) -> None:
        """Run an Ex command."""
        self.call("nvim_command", line)

    def lua(self, code: str, *arguments: object) -> Any:
        """Run Lua; `...` are the arguments."""
        return self.call("nvim_exec_lua", code, list(arguments))

    def keys(self, typed: str) -> None:
        """Type, as a person would."""
        self.call("nvim_input", typed)

    def wait(self, code: str, *arguments: object, seconds: float = PATIENCE) -> Any:
        """Wait until a Lua expression is true; its value."""
        deadline = time.monotonic() + seconds
        while not (value := self.lua(f"return {code}", *arguments)):
            assert time.monotonic() < deadline, f"not true within {seconds} s: {code}\n{self.screen.text}"
            with self.screen._changed:
                self.screen._changed.wait(0.02)
        return value

    def blocked(self) -> bool:
        """Whether a prompt holds the editor up."""
        return bool(self.call("nvim_get_mode")["blocking"])

    def children(self) -> list[int]:
        """The ids of the processes that Neovim started."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]

    def quit(self, command: str = "qall!") -> int:
        """Leave, and the exit code."""
        if self.process.poll() is None:
            self.send("nvim_command", command)
        return self.exit_code()

    def exit_code(self, seconds: float = PATIENCE) -> int:
        """Wait for the end."""
        return self.process.wait(seconds)

    def end(self) -> None:
        """Leave no process behind, however the test went."""
        children = self.children() if self.process.poll() is None else []
        try:
            self.quit()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        finally:
            for stream in (self.process.stdin, self.process.stdout):
                if stream is not None:
                    stream.close()
        self.left_behind = children


Start = Callable[..., NvimChild]
