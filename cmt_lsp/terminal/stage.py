"""Where the demo is shown: panels that stream side by side on a terminal, labelled lines in a pipe.

Only the eight named colours and dim are used, which every terminal theme, dark or light, keeps readable.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cmt_lsp.terminal.render import Wait, clean, one_line
from cmt_lsp.terminal.tables import console

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.text import Text

COLOURS = ("cyan", "magenta")
PANEL_LINES = {1: 6, 2: 11}  # lines of text a panel holds, by how many panels stand side by side
NARROW = 60  # columns; under this panels stand one above the other
PIPED_COLUMNS = 76  # where a piped line of an answer is broken
PICTURE_COLUMNS = 104
FONTS = re.compile(
    r"@font-face \{.*?\}\s*", re.DOTALL
)  # of a picture: they would be fetched from a foreign host


class Stage:
    """What the audience sees, in order; a picture of it can be kept."""

    def __init__(self, *, no_color: bool, picture: bool) -> None:
        """`picture` also draws everything for `save_picture`."""
        self.console = console(no_color=no_color)
        self.live = self.console.is_terminal and not self.console.is_dumb_terminal
        self.failures = 0
        self._colours: dict[str, str] = {}
        self._picture = _picture_console() if picture else None

    def show(self, what: RenderableType = "") -> None:
        """Print for good."""
        self.console.print(what)
        self.draw(what)

    def draw(self, what: RenderableType) -> None:
        """Print into the picture only."""
        if self._picture is not None:
            self._picture.print(what)

    def say(self, text: str, style: str = "") -> None:
        """A sentence."""
        self.show(_indented("   ", "", text, style))

    def chapter(self, number: int, title: str) -> None:
        """A heading."""
        from rich.text import Text

        self.show()
        self.show(Text.assemble((f" {number} ", "bold reverse"), " ", (title, "bold")))

    def promise(self, kept: bool, text: str) -> None:
        """Something the demo promised to show, and whether it happened."""
        self.failures += not kept
        self.show(_indented("   ✓ ", "green", text) if kept else _indented("   ✗ ", "bold red", text))

    def board(self, questions: Mapping[str, str]) -> Board:
        """A panel per name, with its question; use it as a context manager while text comes."""
        return Board(self, questions)

    def colour(self, name: str) -> str:
        """The colour of a name, the same on every board."""
        return self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])

    def save_picture(self, path: str) -> None:
        """Write the picture as SVG; its ids are fixed, so that the same screen is the same file."""
        if self._picture is not None:
            drawn = self._picture.export_svg(title="cmt-lsp demo", unique_id="cmt-lsp-demo")
            Path(path).write_text(FONTS.sub("", drawn), encoding="utf-8")


class Board:
    """Answers that come at the same time, one panel each."""

    def __init__(self, stage: Stage, questions: Mapping[str, str]) -> None:
        """Made by `Stage.board`."""
        self._stage = stage
        self._questions = questions
        self._texts = dict.fromkeys(questions, "")
        self._waits: dict[str, Wait] = {}
        self._since = dict.fromkeys(questions, 0.0)
        self._said = dict.fromkeys(questions, 0)
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Start drawing; in a pipe nothing is drawn, lines are printed as they are full."""
        if self._stage.live:
            from rich.live import Live

            self._live = Live(get_renderable=self._panels, console=self._stage.console, refresh_per_second=12)
            self._live.start()
        else:
            for name, question in self._questions.items():
                self._print(name, f"> {question}", "bold")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last picture standing."""
        if self._live is not None:
            self._live.stop()
        else:
            for name in self._texts:
                self._print_lines(name, rest=True)
        self._stage.draw(self._panels())

    def add(self, name: str, text: str) -> None:
        """More of an answer."""
        self._texts[name] += clean(text)
        self._waits.pop(name, None)
        if self._live is None:
            self._print_lines(name, rest=False)

    def wait(self, name: str, wait: Wait) -> None:
        """What is being waited for."""
        if wait == self._waits.get(name):
            return
        self._waits[name], self._since[name] = wait, time.monotonic()
        if self._live is None:
            self._print(name, f"... {wait.text if wait.left is None else wait.line(0.0)}", "dim")

    def _print_lines(self, name: str, *, rest: bool) -> None:
        """Print the full lines that were not printed yet, and with `rest` what is left; empty ones are spared."""
        from rich.cells import cell_len

        text = self._texts[name][self._said[name] :]
        while text:
            line, newline, _ = text.partition("\n")
            if cell_len(line) > PIPED_COLUMNS:
                at = line.rfind(" ", 1, PIPED_COLUMNS)
                line, newline = line[: at if at > 0 else PIPED_COLUMNS], " " if at > 0 else ""
            elif not newline and not rest:
                return
            if line.strip():
                self._print(name, line)
            self._said[name] += len(line) + len(newline)
            text = text[len(line) + len(newline) :]

    def _print(self, name: str, line: str, style: str = "") -> None:
        from rich.text import Text

        width = max(map(len, self._texts))
        label = (f"   {name:<{width}} │ ", self._stage.colour(name))
        self._stage.console.print(Text.assemble(label, (line, style)), soft_wrap=True)
        sys.stdout.flush()

    def _panels(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table

        columns = self._stage.console.width if self._stage.live else PICTURE_COLUMNS
        side_by_side = len(self._texts) if columns >= NARROW else 1
        width = columns // side_by_side
        panels = [self._panel(name, width) for name in self._texts]
        if side_by_side == 1:
            return Group(*panels)
        grid = Table.grid(expand=True)
        for _ in panels:
            grid.add_column(ratio=1)
        grid.add_row(*panels)
        return grid

    def _panel(self, name: str, width: int) -> RenderableType:
        from rich.panel import Panel
        from rich.text import Text

        lines = PANEL_LINES[min(len(self._texts), 2)]
        colour = self._stage.colour(name)
        return Panel(
            self._tail(name, lines, width - 4),
            title=Text.assemble((name, "bold"), (f" > {self._questions[name]}", "dim"), overflow="ellipsis"),
            title_align="left",
            border_style=colour,
            height=lines + 2,
        )

    def _tail(self, name: str, lines: int, width: int) -> Text:
        """The last lines of an answer, with what is being waited for below them."""
        from rich.text import Text

        wait = self._waits.get(name)
        room = lines - bool(wait)
        wrapped = Text(self._texts[name].strip("\n")).wrap(self._stage.console, max(10, width))
        shown = Text("\n").join(wrapped[-room:])
        if wait is not None:
            line = Text(wait.line(time.monotonic() - self._since[name]), "dim italic")
            line.truncate(width, overflow="ellipsis")
            shown.append("\n" if shown else "").append_text(line)
        return shown


def _indented(sign: str, colour: str, text: str, style: str = "") -> RenderableType:
    """A sentence behind a sign, its further lines indented like the first."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid()
    grid.add_column(width=len(sign))
    grid.add_column()
    grid.add_row(Text(sign, colour), Text(one_line(text), style))
    return grid


def _picture_console() -> Console:
    import io

    from rich.console import Console

    return Console(
        record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor", width=PICTURE_COLUMNS,
        highlight=False, markup=False, emoji=False, legacy_windows=False,
    )  # fmt: skip
