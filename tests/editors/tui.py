"""A full-screen program on a pseudo terminal: type into it, wait for what its screen shows, draw a picture."""

from __future__ import annotations

import fcntl
import itertools
import os
import pty
import re
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import MONOKAI, TerminalTheme
from rich.text import Text

PATIENCE = 20.0

NOT_FOR_PYTE = re.compile(
    rb"\x1b\[[<>=][0-9;:]*[a-zA-Z]|\x1b\[\?[0-9;]*(?![0-9;hl]).[a-z]?|\x1b\[[0-9;]*:[0-9:;]*m|\x1b\[[0-9;]* q|\x1b[PX^_].*?\x1b\\",
    re.DOTALL,
)
"""Private questions and modes, underlines with colons, shapes of the cursor, device strings: pyte stumbles or shows them."""
UNFINISHED = re.compile(rb"\x1b(\[[0-9;:<=>? $]*|[PX^_\]][^\x1b\x07]*\x1b?)?\Z")
PRIMARY, SECONDARY, CURSOR = re.compile(rb"\x1b\[0?c"), re.compile(rb"\x1b\[>0?c"), re.compile(rb"\x1b\[6n")


class Tui:
    """One program with a screen of its own; a thread reads what it draws."""

    def __init__(
        self, argv: list[str], env: Mapping[str, str], cwd: Path, columns: int = 100, rows: int = 30
    ) -> None:
        """Start `argv` with just this environment, as the leader of a session of its own."""
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (rows, columns))
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, cwd=cwd,
            env={"TERM": "xterm-256color", "COLORTERM": "truecolor", **env}, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = threading.Condition()
        self._closed = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    # --- the person

    def type(self, keys: str) -> None:
        """Press keys; control characters as the terminal sends them."""
        os.write(self._master, keys.encode())

    def wait(self, holds: Callable[[str], object], what: str, seconds: float = PATIENCE) -> str:
        """Wait until the screen's text satisfies `holds`; the text."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or holds(self.text), seconds)
            assert holds(self.text), f"{what}: not on this screen:\n{self.text}"
            return self.text

    def shows(self, *words: str, seconds: float = PATIENCE) -> str:
        """Wait until the screen shows all of these words; the text."""
        return self.wait(lambda text: all(word in text for word in words), " ".join(words), seconds)

    def hides(self, word: str, seconds: float = PATIENCE) -> str:
        """Wait until the screen shows this word no more; the text."""
        return self.wait(lambda text: word not in text, f"{word} gone", seconds)

    def until(self, holds: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Wait for something beside the screen that nothing tells of, such as a file."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s; the screen:\n{self.text}"
            with self._changed:
                self._changed.wait(0.02)

    @property
    def text(self) -> str:
        """The rows without the blanks at their ends."""
        return "\n".join(row.rstrip() for row in self._screen.display)

    @property
    def lines(self) -> list[str]:
        """The rows, from the top."""
        return self.text.split("\n")

    @property
    def cursor_row(self) -> int:
        """The row of the cursor, from 0."""
        row: int = self._screen.cursor.y
        return row

    # --- the program

    def ended(self, seconds: float = PATIENCE) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(seconds)

    def close(self) -> None:
        """Leave nothing running."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._master)
        self._reader.join(PATIENCE)

    def _read(self) -> None:
        left = b""
        try:
            while piece := os.read(self._master, 65536):
                left = self._take(left + piece)
        except OSError:  # the program has closed its terminal
            pass
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self, data: bytes) -> bytes:
        """Draw; what is a sequence only half arrived stays for the next time."""
        end = found.start() if (found := UNFINISHED.search(data)) else len(data)
        whole = data[:end]
        with self._changed:
            self._stream.feed(NOT_FOR_PYTE.sub(b"", whole))
            self._changed.notify_all()
        self._answer(whole)
        return data[end:]

    def _answer(self, data: bytes) -> None:
        """Say what a terminal says when it is asked who it is; a program may wait for that at its start."""
        if PRIMARY.search(data):
            os.write(self._master, b"\x1b[?62;22c")
        if SECONDARY.search(data):
            os.write(self._master, b"\x1b[>0;100;0c")
        if CURSOR.search(data):
            cursor = self._screen.cursor
            os.write(self._master, f"\x1b[{cursor.y + 1};{cursor.x + 1}R".encode())

    # --- for people

    def picture(self, path: Path, title: str, theme: TerminalTheme = MONOKAI) -> None:
        """Write the screen as it is now into an SVG; `theme` says what the terminal's own colours are."""
        with Path(os.devnull).open("w") as nowhere, self._changed:
            console = Console(width=self._screen.columns, record=True, file=nowhere)
            for row in range(self._screen.lines):
                console.print(self._row(row), no_wrap=True, overflow="crop")
        drawn = console.export_svg(title=title, theme=theme)
        without_fonts = re.sub(
            r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL
        )  # nobody's server is asked for them
        path.write_text(without_fonts, encoding="utf-8")

    def _row(self, row: int) -> Text:
        cells = [(self._style(row, column), column) for column in range(self._screen.columns)]
        text = Text()
        for style, group in itertools.groupby(cells, key=lambda cell: cell[0]):
            text.append("".join(self._screen.buffer[row][column].data for _, column in group), style)
        return text

    def _style(self, row: int, column: int) -> Style:
        cell, cursor = self._screen.buffer[row][column], self._screen.cursor
        return Style(
            color=_colour(cell.fg), bgcolor=_colour(cell.bg), bold=cell.bold, italic=cell.italics,
            underline=cell.underscore, reverse=cell.reverse != ((row, column) == (cursor.y, cursor.x)),
        )  # fmt: skip


def _colour(name: str) -> str | None:
    """A colour of pyte in the words of rich."""
    if name == "default":
        return None
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    return name.replace("bright", "bright_").replace("brown", "yellow")
