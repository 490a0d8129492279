"""Usage reports on a terminal: totals, and a table with bars for each grouping."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import dropwhile
from typing import TYPE_CHECKING, Any

from cmt_lsp.terminal.render import one_line, tokens
from cmt_lsp.terminal.tables import table
from cmt_lsp.terminal.usage.figures import (
    Figures,
    decimals_for,
    footnotes,
    name_of,
    periods,
    shares,
    spent,
    usd,
)

if TYPE_CHECKING:
    from rich.console import Console

MOST_ROWS = 30  # groups that a screen lists by name
SHORTEST_BAR, LONGEST_BAR = 8, 40  # cells
LONGEST_NAME = 32  # cells
GAP = 2  # cells between two columns
EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: its name and what it says."""

    name: str
    figures: Figures
    sessions: int | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; where the terminal is narrow the one with the highest rank goes first, 0 never."""

    head: str
    """As `table` takes it."""
    cells: Sequence[str]
    rank: int = 0

    @property
    def width(self) -> int:
        """In cells, with the gap to the next one; a long name is broken rather than given all the room."""
        from rich.cells import cell_len

        widest = max(cell_len(text) for text in (self.head.lstrip(">="), *self.cells))
        return (widest if self.head[0] in ">=" else min(widest, LONGEST_NAME)) + GAP


def show_totals(screen: Console, rows: Sequence[Row]) -> None:
    """Spans of time, one below the other."""
    digits = decimals_for(row.figures.cost for row in rows)
    found = [row.figures for row in rows]
    columns = [
        Column("days", [row.name for row in rows]),
        Column(">cost", [spent(one, digits) for one in found]),
        Column(">saved", [usd(one.saved, digits) for one in found], 2),
        Column(">requests", [f"{one.requests:,}" for one in found], 1),
        Column(">sessions", [f"{row.sessions or 0:,}" for row in rows], 5),
        Column(">in", [tokens(one.prompt) for one in found], 4),
        Column(">out", [tokens(one.output) for one in found], 4),
        Column(">cached", [f"{one.hit_ratio:.0%}" for one in found], 3),
    ]
    _show(screen, fitting(columns, screen.width))


def day_rows(report: Mapping[str, Any], first: date, last: date) -> list[Row]:
    """Days, weeks or months, the empty ones as well, from the first one with spending."""
    found = periods(report["groups"], first, last)
    return [Row(one.name, one.total) for one in dropwhile(lambda one: not one.total.requests, found)]


def group_rows(report: Mapping[str, Any], by: str) -> list[Row]:
    """Models, workspaces or sessions, and the rest of them in one line."""
    rows = [Row(one_line(name_of(group, by)), Figures.of(group)) for group in report["groups"]]
    return rows + ([Row("all others", Figures.of(report["rest"]))] if report.get("rest") else [])


def show_rows(screen: Console, by: str, rows: Sequence[Row]) -> None:
    """A table with a bar for each row's cost."""
    digits = decimals_for(row.figures.cost for row in rows)
    share = shares([row.figures for row in rows])
    found = [row.figures for row in rows]

    def cells(write: Callable[[Figures], str]) -> list[str]:
        return [write(one) if one.requests else "" for one in found]

    columns = [
        Column("=day" if by == "day" else by, [row.name for row in rows]),
        Column(">cost", cells(lambda one: spent(one, digits))),
        *([] if by == "day" else [Column(">share", cells(lambda one: f"{share(one):.0%}"), 2)]),
        Column(">requests", cells(lambda one: f"{one.requests:,}"), 1),
        Column(">in", cells(lambda one: tokens(one.prompt)), 4),
        Column(">out", cells(lambda one: tokens(one.output)), 4),
        Column(">cached", cells(lambda one: f"{one.hit_ratio:.0%}"), 3),
    ]
    columns = fitting(columns, screen.width - SHORTEST_BAR - 2 * GAP)
    room = min(LONGEST_BAR, screen.width - sum(column.width for column in columns) - 2 * GAP)
    if room >= SHORTEST_BAR:
        longest = max((share(one) for one in found), default=0) or 1
        plain = screen.options.ascii_only
        bars = [bar(share(one) / longest, room, plain=plain) for one in found]
        columns.insert(1, Column("=", bars))
    _show(screen, columns)


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that fit side by side, the most important ones at least."""
    kept = list(columns)
    while sum(column.width for column in kept) > width and (rank := max(column.rank for column in kept)):
        kept = [column for column in kept if column.rank != rank]
    return kept


def _show(screen: Console, columns: Sequence[Column]) -> None:
    made = table(*(column.head for column in columns))
    for line in zip(*(column.cells for column in columns), strict=True):
        made.add_row(*line)
    screen.print(made)


def bar(share: float, cells: int, *, plain: bool = False) -> str:
    """A bar to an eighth of a cell; what is there is seen, however small."""
    eighths = round(share * cells * 8)
    if share > 0:
        eighths = max(1, eighths)
    if plain:
        return "#" * max(1 if share > 0 else 0, eighths // 8)
    return "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")


def show_notes(screen: Console, total: Figures, time_zone: str) -> None:
    """What the signs mean, and whose days these are."""
    for note in footnotes(total):
        screen.print(note, style="dim")
    screen.print(f"Days are those of {one_line(time_zone)}.", style="dim")
