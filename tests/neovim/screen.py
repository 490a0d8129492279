"""What a terminal would show: the grid of Neovim's line-grid protocol, kept from its redraw events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any


class Screen:
    """One attached screen. Written by the reader's thread, read by any."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._cells = self._blank(columns, rows)
        self.highlights = [[0] * columns for _ in range(rows)]
        """The number of each cell's highlight; what it looks like is in `styles`."""
        self.styles: dict[int, dict[str, Any]] = {}
        self.colours = (0, 0xFFFFFF)
        """Foreground and background of a cell without highlight."""
        self._changed = threading.Condition()
        self._text = ""
        self.cursor = (0, 0)
        self.flushes: list[float] = []
        """When each update of the screen was complete, by time.monotonic()."""
        self.closed = False
        self.watch: Callable[[str], object] | None = None
        """Told of each complete update, in the reader's thread."""

    @staticmethod
    def _blank(columns: int, rows: int) -> list[list[str]]:
        return [[" "] * columns for _ in range(rows)]

    def redraw(self, batch: list[list[Any]]) -> None:
        """Take one notification; tell those who wait where the screen is complete."""
        for name, *calls in batch:
            act = getattr(self, f"_on_{name}", None)
            for call in calls if act else ():
                act(*call)

    def close(self) -> None:
        """Neovim is gone."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    @property
    def text(self) -> str:
        """The rows as they were at the last complete update."""
        return self._text

    @property
    def lines(self) -> list[str]:
        """The rows, without the blanks at their ends."""
        return self._text.split("\n")

    def wait(self, holds: Callable[[str], object], seconds: float = 30.0) -> str:
        """Wait until the screen's text satisfies `holds`."""
        with self._changed:
            met = self._changed.wait_for(lambda: self.closed or holds(self._text), seconds)
            assert met and holds(self._text), f"the screen does not show it:\n{self._text}"
            return self._text

    def wait_for(self, *words: str, seconds: float = 30.0) -> str:
        """Wait until the screen shows all of these texts."""
        return self.wait(lambda text: all(word in text for word in words), seconds)

    def wait_gone(self, word: str, seconds: float = 30.0) -> str:
        """Wait until the screen no longer shows a text."""
        return self.wait(lambda text: word not in text, seconds)

    @property
    def cells(self) -> list[list[str]]:
        """Each cell's text; the right half of a wide character is empty."""
        return self._cells

    def _on_grid_resize(self, _grid: int, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._on_grid_clear(_grid)

    def _on_grid_clear(self, _grid: int) -> None:
        self._cells = self._blank(self.columns, self.rows)
        self.highlights = [[0] * self.columns for _ in range(self.rows)]

    def _on_default_colors_set(self, foreground: int, background: int, *_: object) -> None:
        self.colours = (foreground, background)

    def _on_hl_attr_define(self, number: int, attributes: dict[str, Any], *_: object) -> None:
        self.styles[number] = attributes

    def _on_grid_cursor_goto(self, _grid: int, row: int, column: int) -> None:
        self.cursor = (row, column)

    def _on_grid_line(self, _grid: int, row: int, column: int, cells: list[list[Any]], *_: object) -> None:
        line, styles, style = self._cells[row], self.highlights[row], 0
        for cell in cells:
            style = cell[1] if len(cell) > 1 else style
            repeat = cell[2] if len(cell) > 2 else 1
            line[column : column + repeat] = [cell[0]] * repeat
            styles[column : column + repeat] = [style] * repeat
            column += repeat

    def _on_grid_scroll(
        self, _grid: int, top: int, bottom: int, left: int, right: int, rows: int, _columns: int
    ) -> None:
        span = range(top, bottom - rows) if rows > 0 else range(bottom - 1, top - rows - 1, -1)
        for row in span:
            self._cells[row][left:right] = self._cells[row + rows][left:right]
            self.highlights[row][left:right] = self.highlights[row + rows][left:right]

    def _on_flush(self) -> None:
        with self._changed:
            self._text = "\n".join("".join(line).rstrip() for line in self._cells)
            self.flushes.append(time.monotonic())
            if self.watch:
                self.watch(self._text)
            self._changed.notify_all()
