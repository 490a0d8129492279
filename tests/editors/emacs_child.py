"""Emacs without a screen: forms go in, values come out, and the server speaks while a form waits."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from desk import Desk

PATIENCE = 30.0
DRIVER = Path(__file__).with_name("driver.el")


class EmacsError(Exception):
    """A form signalled an error."""


class EmacsChild:
    """One `emacs --batch` with the configuration of the guide."""

    def __init__(self, emacs: str, desk: Desk, configuration: str) -> None:
        """Start it in the desk's workspace."""
        init = desk.config_file("emacs/init.el", configuration)
        self._told = desk.root / "emacs-messages.txt"
        told = self._told.open("w")
        self.process = subprocess.Popen(
            [emacs, "--batch", "-Q", "-l", str(init), "-l", str(DRIVER)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told, encoding="utf-8",
            cwd=desk.work, env=desk.env,
        )  # fmt: skip
        told.close()
        self._answers: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("#"):
                self._answers.put(line[1:])

    def do(self, form: str) -> Any:
        """The value of a form."""
        assert self.process.stdin is not None
        self.process.stdin.write(form.replace("\n", " ") + "\n")
        self.process.stdin.flush()
        try:
            answer = json.loads(self._answers.get(timeout=PATIENCE))
        except queue.Empty:
            raise TimeoutError(f"no value of {form}; the messages:\n{self.messages}") from None
        if "error" in answer:
            raise EmacsError(f"{answer['error']}: {form}; the messages:\n{self.messages}")
        return answer["value"]

    def wait(self, form: str) -> Any:
        """The value of a form once it has one; meanwhile the server is listened to."""
        return self.do(f"(bed-wait (lambda () {form}))")

    def until(self, holds: Callable[[], Any]) -> Any:
        """The value of a condition outside of Emacs once it has one; meanwhile the server is listened to."""
        deadline = time.monotonic() + PATIENCE
        while not (value := holds()):
            assert time.monotonic() < deadline, f"not within {PATIENCE} s; the messages:\n{self.messages}"
            self.do("(accept-process-output nil 0.02)")
        return value

    def told(self, *words: str) -> None:
        """Wait until one message holds all of these words."""
        self.until(lambda: any(all(w in line for w in words) for line in self.messages.splitlines()))

    @property
    def messages(self) -> str:
        """What the person was told in the echo area, so far."""
        return self._told.read_text("utf-8", "replace")

    def close(self) -> None:
        """Leave nothing running."""
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
