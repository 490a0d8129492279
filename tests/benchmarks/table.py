"""Figures as text: aligned for a terminal, or as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .figures import Figure, Spread

HEAD = ("figure", "ours", "baseline", "beside", "ours to baseline", "n", "target", "")
VERDICT = {True: "met", False: "MISSED", None: ""}


def cells(figure: Figure) -> tuple[str, ...]:
    """One row."""
    unit = f" {figure.unit}" if figure.unit else ""
    sign = "x" if figure.measure == "ratio" else unit
    limit = "" if figure.limit is None else f"{figure.bound} {number(figure.limit)}{sign}"
    pairs = f"{range_of(figure.pairs)}{sign}"
    return (
        figure.what,
        f"{number(median_of(figure.ours))}{unit}",
        f"{number(median_of(figure.theirs))}{unit}",
        figure.beside,
        pairs if figure.measure == "ratio" else f"{pairs} apart",
        str(figure.n),
        limit,
        VERDICT[figure.met],
    )


def plain(figures: Sequence[Figure]) -> str:
    """Aligned columns."""
    rows = [HEAD, *(cells(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def markdown(figures: Sequence[Figure]) -> str:
    """A Markdown table; what misses its target stands out."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    for figure in figures:
        *rest, verdict = cells(figure)
        lines.append("| " + " | ".join([*rest, f"**{verdict}**" if figure.met is False else verdict]) + " |")
    return "\n".join(lines)


def range_of(values: Spread) -> str:
    """Median (lowest to highest)."""
    return f"{number(values.median)} ({number(values.low)} to {number(values.high)})"


def median_of(values: Sequence[float]) -> float:
    """The median."""
    from .figures import spread

    return spread(values).median


def number(value: float) -> str:
    """Three digits that mean something."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"
