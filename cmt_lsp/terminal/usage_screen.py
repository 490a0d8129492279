"""Usage reports on a terminal: totals, and a table with bars for each grouping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import dropwhile
from typing import TYPE_CHECKING, Any

from cmt_lsp.terminal.render import one_line, tokens
from cmt_lsp.terminal.tables import table
from cmt_lsp.terminal.usage_figures import (
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

WIDE, MIDDLE, NARROW = 96, 72, 48  # columns of a terminal from which more is shown
MOST_ROWS = 30  # groups that a screen lists by name
EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: its name and what it says."""

    name: str
    figures: Figures
    sessions: int | None = None


def show_totals(screen: Console, rows: Sequence[Row]) -> None:
    """Spans of time beside each other."""
    digits = decimals_for(row.figures.cost for row in rows)
    heads, cells = ["=", ">cost"], [[row.name, spent(row.figures, digits)] for row in rows]
    more = {
        ">saved": [usd(row.figures.saved, digits) for row in rows],
        ">requests": [f"{row.figures.requests:,}" for row in rows],
        ">sessions": [f"{row.sessions or 0:,}" for row in rows],
        ">in": [tokens(row.figures.prompt) for row in rows],
        ">out": [tokens(row.figures.output) for row in rows],
        ">cached": [f"{row.figures.hit_ratio:.0%}" for row in rows],
    }
    fits = {
        ">saved": NARROW,
        ">requests": NARROW,
        ">cached": MIDDLE,
        ">sessions": MIDDLE,
        ">in": MIDDLE,
        ">out": MIDDLE,
    }
    for head, column in more.items():
        if screen.width >= fits[head]:
            heads.append(head)
            for line, cell in zip(cells, column, strict=True):
                line.append(cell)
    made = table(*heads)
    for line in cells:
        made.add_row(*line)
    screen.print(made)


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
    longest = max((share(row.figures) for row in rows), default=0) or 1
    cells = bar_cells(screen.width)
    heads = ["=day" if by == "day" else by, *(["="] if cells else []), ">cost"]
    heads += [">share"] if by != "day" and screen.width >= NARROW else []
    heads += [">requests"] if screen.width >= NARROW else []
    heads += [">in", ">out"] if screen.width >= WIDE else []
    heads += [">cached"] if screen.width >= MIDDLE else []
    made = table(*heads)
    for row in rows:
        one = row.figures
        known = {
            ">cost": spent(one, digits) if one.requests else "",
            ">share": f"{share(one):.0%}",
            ">requests": f"{one.requests:,}" if one.requests else "",
            ">in": tokens(one.prompt) if one.requests else "",
            ">out": tokens(one.output) if one.requests else "",
            ">cached": f"{one.hit_ratio:.0%}" if one.requests else "",
            "=": bar(share(one) / longest, cells, plain=screen.options.ascii_only),
        }
        made.add_row(row.name, *(known[head] for head in heads[1:]))
    screen.print(made)


def bar_cells(width: int) -> int:
    """How long a bar may be; none on a narrow terminal."""
    return 0 if width < NARROW + 12 else min(40, width // 5)


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
        screen.print(note, style="dim", soft_wrap=True)
    screen.print(f"Days are those of {one_line(time_zone)}.", style="dim", soft_wrap=True)
