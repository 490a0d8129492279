"""Answers of several models on one screen: side by side where the lines stay readable, else one below the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from cmt_lsp.terminal.render import Wait, clean, one_line, seconds, tokens
from cmt_lsp.terminal.tables import table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

READABLE = 44  # columns; narrower columns of prose tire the eye, so that fewer stand side by side
LOWEST, HIGHEST = 3, 12  # lines of an answer that a panel shows while it comes
USUAL = ("end_turn", "stop_sequence")  # ends that need no word

T = TypeVar("T")


def rows_of(items: Sequence[T], columns: int) -> list[Sequence[T]]:
    """The items in rows of as many as stay readable side by side, the rows as even as they can be."""
    most = max(1, columns // READABLE)
    count = -(-len(items) // most)
    size = -(-len(items) // max(1, count))
    return [items[at : at + size] for at in range(0, len(items), size)]


class Race:
    """The answers while they come; nothing is shown without a screen. Use it as a context manager."""

    def __init__(self, screen: Console | None) -> None:
        """`screen` is a terminal that can be redrawn, or None."""
        self._screen = screen
        self._names: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._waits: dict[str, tuple[Wait, float]] = {}
        self._ends: dict[str, str] = {}
        self._stopping = False
        self._since = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Start drawing."""
        if self._screen is not None:
            from rich.live import Live

            picture = partial(self._picture, self._screen)
            self._live = Live(
                get_renderable=picture, console=self._screen, refresh_per_second=12, transient=True
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the picture away; the whole answers take its place."""
        if self._live is not None:
            self._live.stop()

    def enter(self, turn: str, model: str) -> None:
        """A model begins."""
        self._names[turn] = model
        self._texts[turn] = ""

    def add(self, turn: str, text: str) -> None:
        """More of an answer."""
        self._texts[turn] = self._texts.get(turn, "") + clean(text)
        self._waits.pop(turn, None)

    def wait(self, turn: str, wait: Wait) -> None:
        """What a model is waited for."""
        if turn not in self._waits or self._waits[turn][0] != wait:
            self._waits[turn] = (wait, time.monotonic())

    def finish(self, turn: str, reason: str) -> None:
        """A model has ended."""
        self._waits.pop(turn, None)
        self._ends[turn] = reason

    def stopping(self) -> None:
        """All of them are being stopped."""
        self._stopping = True

    def _picture(self, screen: Console) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        if not self._names:
            return Text(Wait("starting").line(time.monotonic() - self._since), "dim")
        rows = rows_of(list(self._names), screen.width)
        height = min(HIGHEST, max(LOWEST, (screen.height - 1) // len(rows) - 2))
        shown: list[RenderableType] = []
        for row in rows:
            grid = Table.grid(expand=True)
            for _ in row:
                grid.add_column(ratio=1)
            width = screen.width // len(row) - 4
            grid.add_row(*(self._panel(screen, turn, width, height) for turn in row))
            shown.append(grid)
        return Group(*shown)

    def _panel(self, screen: Console, turn: str, width: int, height: int) -> RenderableType:
        from rich.panel import Panel
        from rich.text import Text

        line = self._line(turn)
        wrapped = Text(self._texts[turn].strip("\n")).wrap(screen, max(10, width))
        shown = Text("\n").join(wrapped[-(height - bool(line)) :])
        if line:
            told = Text(line, "dim italic")
            told.truncate(width, overflow="ellipsis")
            shown.append("\n" if shown else "").append_text(told)
        title = Text(one_line(self._names[turn]), "bold", overflow="ellipsis")
        return Panel(shown, title=title, title_align="left", height=height + 2, border_style="cyan")

    def _line(self, turn: str) -> str:
        """What there is to say below an answer: what is waited for, or how it ended."""
        if turn in self._ends:
            return self._ends[turn].replace("_", " ")
        if self._stopping:
            return "cancelling"
        if turn in self._waits:
            wait, since = self._waits[turn]
            return wait.line(time.monotonic() - since)
        return ""


def print_answers(screen: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """The whole answers and a table of what each took."""
    width = screen.width if screen.is_terminal else 0
    for group in rows_of(rows, width):
        if len(group) == 1:
            _print_alone(screen, group[0])
        else:
            screen.print(_side_by_side(group))
    screen.print(_figures(rows))


def _print_alone(screen: Console, row: Mapping[str, Any]) -> None:
    from rich.text import Text

    screen.print(Text(f"── {one_line(row['model'])} ──", "bold"))
    screen.print(_answer(row), soft_wrap=not screen.is_terminal)
    screen.print()


def _side_by_side(group: Sequence[Mapping[str, Any]]) -> Table:
    from rich import box
    from rich.table import Table

    made = Table(box=box.MINIMAL, expand=True, pad_edge=False, header_style="bold")
    for row in group:
        made.add_column(one_line(row["model"]), ratio=1, overflow="fold")
    made.add_row(*(_answer(row) for row in group))
    return made


def _answer(row: Mapping[str, Any]) -> Text:
    from rich.text import Text

    shown = Text(clean(row.get("text", "")).strip("\n"))
    if (error := row.get("error")) is not None:
        shown.append("\n" if shown else "").append(one_line(error["message"]), "red")
    elif row["stopReason"] not in USUAL:
        shown.append("\n" if shown else "").append(f"[{_end(row)}]", "dim italic")
    return shown


def _figures(rows: Sequence[Mapping[str, Any]]) -> Table:
    """One line for each model; what is least is set in bold."""
    from rich.text import Text

    odd = any(row["stopReason"] not in USUAL for row in rows)
    made = table(
        "=model", ">in", ">cached", ">out", ">cost", ">first text", ">total", *(["end"] if odd else [])
    )
    usages, costs, times = ([row.get(part, {}) for row in rows] for part in ("usage", "cost", "timing"))
    least_cost = _least(rows, lambda row: row["cost"].get("nanoUsd"))
    least_first = _least(rows, lambda row: row["timing"].get("firstTokenMs"))
    least_total = _least(rows, lambda row: row["timing"].get("totalMs"))
    for row, usage, cost, timing in zip(rows, usages, costs, times, strict=True):
        about = "~" if usage["estimated"] else ""
        first = timing.get("firstTokenMs")
        cells = [
            Text(one_line(row["model"])),
            Text(tokens(usage["totalInputTokens"])),
            Text(tokens(usage["cacheReadInputTokens"])),
            Text(about + tokens(usage["outputTokens"])),
            Text(str(cost["display"]), "bold" if row is least_cost else ""),
            Text("" if first is None else seconds(first), "bold" if row is least_first else ""),
            Text(seconds(timing["totalMs"]), "bold" if row is least_total else ""),
        ]
        made.add_row(*cells, *([Text(_end(row), "yellow")] if odd else []))
    return made


def _least(
    rows: Sequence[Mapping[str, Any]], figure: Callable[[Mapping[str, Any]], int | None]
) -> Mapping[str, Any] | None:
    """The row whose figure is the least among whole answers; None where there is nothing to compare."""
    known = [row for row in rows if row["stopReason"] in USUAL and figure(row) is not None]
    return min(known, key=lambda row: figure(row) or 0) if len(known) > 1 else None


def _end(row: Mapping[str, Any]) -> str:
    reason = str(row["stopReason"])
    return "" if reason in USUAL else reason.replace("_", " ")
