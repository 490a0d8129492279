"""Helix on a screen, with the configuration of the guide."""

from __future__ import annotations

import re
from pathlib import Path

import psutil
from desk import Desk, servers_below
from guide import configuration
from tui import Tui

ESCAPE = "\x1b"


class HelixChild(Tui):
    """One `hx` with a file open; its log tells what it and the server say to each other."""

    def __init__(self, helix: str, desk: Desk, file: str, columns: int = 100, rows: int = 30) -> None:
        """Start it and wait until the server may be spoken to."""
        for name in ("languages.toml", "config.toml"):
            desk.config_file(f"helix/{name}", configuration("helix", f"helix {name}"))
        self.log = desk.root / "helix.log"
        super().__init__([helix, "-v", "--log", str(self.log), file], desk.env, desk.work, columns, rows)
        self.shows(file)
        self.logs('"method":"textDocument/didOpen"')

    def logs(self, words: str, times: int = 1) -> None:
        """Wait until the log holds the words this often."""
        self.until(
            lambda: self.log.exists() and self.log.read_text().count(words) >= times, f"logged: {words}"
        )

    def command(self, line: str) -> None:
        """Type an Ex command and press Enter."""
        self.type(f":{line}\r")

    def escape(self) -> None:
        """Leave insert mode; the next key waits until that is done, or it would be an Alt key."""
        self.shows(" INS ")
        self.type(ESCAPE)
        self.shows(" NOR ")

    def open(self, path: Path) -> None:
        """Open a file."""
        self.command(f"open {path}")
        self.shows(f" NOR   {path.name} ")

    def save(self, path: Path, text: str) -> None:
        """Write the buffer; the file then holds this text."""
        self.command("write!")
        self.until(lambda: _content(path) == text, f"{path.name} holds {text!r}")

    @property
    def servers(self) -> list[psutil.Process]:
        """The servers that it has started."""
        return servers_below(self.process.pid)

    def menu(self, *titles: str) -> list[str]:
        """Open the menu of code actions over the selection; its entries once it shows these."""
        self.type(" a")
        self.shows(*titles)
        return re.findall(r"Claude: .*?(?=  |$)", self.text, re.MULTILINE)

    def choose(self, title: str) -> None:
        """Choose from the open menu, whose first entry is selected already."""
        entries = re.findall(r"Claude: .*?(?=\s{2}|$)", self.text, re.MULTILINE)
        at = next(index for index, entry in enumerate(entries) if entry.startswith(title))
        self.type("\x0e" * at + "\r")


def _content(path: Path) -> str | None:
    """What a file holds; while Helix writes it, there is none of its name for a moment."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
