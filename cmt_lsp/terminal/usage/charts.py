"""Charts as inline SVG: columns over time, bars in a table, a scale with a mark.

No chart has a viewBox: widths are percentages and heights pixels, so that a chart is as wide as its place and its text
keeps its size on every screen. Colours are classes, which the page's style gives a light and a dark meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cmt_lsp.terminal.markup import Markup, element

PLOT_HEIGHT = 200.0
TOP, BOTTOM = 14.0, 26.0
"""Room above for the highest figure of the scale, and below for the days."""
AXIS_WIDTH = 58
TICKS = 7
"""Labels below a chart, at most; on a narrow screen every other one is hidden."""
TIGHT = 60
"""More columns than this have no gaps between their parts."""


@dataclass(frozen=True, slots=True)
class Column:
    """One period: parts stacked above the zero line and one below it, as (class, size); `level` is a mark across."""

    name: str
    """Its label below the chart, where there is room for one."""
    about: str
    """What is shown while a pointer rests on it."""
    up: Sequence[tuple[str, int]]
    down: tuple[str, int] | None = None
    level: int | None = None
    incomplete: bool = False
    """A part is missing from the figure: the column is drawn open at its top."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """From figures to pixels."""

    low: float
    high: float

    def y(self, value: float) -> float:
        span = self.high - self.low or 1
        return TOP + PLOT_HEIGHT * (self.high - value) / span


def columns(title: str, description: str, found: Sequence[Column], unit: Callable[[float], str]) -> Markup:
    """Columns over time with a scale at the left; `unit` writes a figure of the scale."""
    highest = max((sum(size for _, size in one.up) for one in found), default=0)
    highest = max([highest, *(one.level for one in found if one.level is not None)])
    lowest = max((one.down[1] for one in found if one.down is not None), default=0)
    lowest = max([lowest, *(-one.level for one in found if one.level is not None)])
    ticks = nice_ticks(-lowest, highest)
    scale = _Scale(-lowest, max(ticks))
    height = TOP + PLOT_HEIGHT + BOTTOM
    axis = element(
        "svg", *(_tick_label(tick, scale, unit) for tick in ticks),
        class_="axis", width=AXIS_WIDTH, height=height, aria_hidden="true",
    )  # fmt: skip
    plot = element(
        "svg",
        element("title", title),
        element("desc", description),
        *(_grid_line(tick, scale) for tick in ticks),
        *(_column(one, index, len(found), scale) for index, one in enumerate(found)),
        _line(0, 100, scale.y(0), "zero"),
        *_days(found, height),
        class_="plot", width="100%", height=height, role="img",
    )  # fmt: skip
    return element("div", axis, plot, class_="chart")


def bar(share: float, colour: str) -> Markup:
    """A bar in a table, beside the figure that it shows."""
    drawn = element(
        "rect", class_=colour, width=_percent(100 * min(1.0, max(0.0, share))), height="100%", rx="1.5"
    )
    return element("svg", drawn, class_="bar", width="100%", height=10, aria_hidden="true")


def swatch(colour: str) -> Markup:
    """The colour of a legend's entry; a drawing, since printers leave backgrounds out."""
    drawn = element("rect", class_=colour, width=10, height=10, rx="2")
    return element("svg", drawn, class_="swatch", width=10, height=10, aria_hidden="true")


def gauge(description: str, value: float, aim: float, ends: Sequence[tuple[float, str]]) -> Markup:
    """A value between two named ends, and the aim it should meet; a value beyond an end stands at the end."""
    (low, low_name), (high, high_name) = ends

    def x(figure: float) -> str:
        return _percent(1 + 98 * (min(high, max(low, figure)) - low) / (high - low))

    first, last = sorted((value, aim))
    return element(
        "svg",
        element("title", description),
        element("line", x1="1%", x2="99%", y1=12, y2=12, class_="rail"),
        element("line", x1=x(first), x2=x(last), y1=12, y2=12, class_="miss"),
        element("line", x1=x(aim), x2=x(aim), y1=3, y2=21, class_="aim"),
        element("circle", cx=x(value), cy=12, r=6, class_="mark"),
        element("text", low_name, x="0%", y=34),
        element("text", high_name, x="100%", y=34, text_anchor="end"),
        class_="gauge", width="100%", height=38, role="img",
    )  # fmt: skip


def nice_ticks(low: float, high: float) -> list[float]:
    """Round figures, zero among them: from the first one that is not below `low` to one that reaches `high`."""
    if high <= low:
        return [0.0, 1.0]
    step = _nice_step((high - low) / 4)
    below, above = int(-low / step), -int(-high // step)
    return [step * number for number in range(-below, max(above, 0) + 1)]


def _nice_step(rough: float) -> float:
    power = 1.0
    while power > rough:
        power /= 10
    while power * 10 <= rough:
        power *= 10
    return power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)


def _tick_label(tick: float, scale: _Scale, unit: Callable[[float], str]) -> Markup:
    return element("text", unit(tick), x=AXIS_WIDTH - 8, y=_px(scale.y(tick) + 4), text_anchor="end")


def _grid_line(tick: float, scale: _Scale) -> Markup:
    return _line(0, 100, scale.y(tick), "grid")


def _line(x1: float, x2: float, y: float, colour: str) -> Markup:
    # On a half pixel a line of one pixel is sharp.
    at = _px(int(y) + 0.5)
    return element("line", x1=_percent(x1), x2=_percent(x2), y1=at, y2=at, class_=colour)


def _column(one: Column, index: int, count: int, scale: _Scale) -> Markup:
    step = 100 / count
    width = step * (0.72 if count <= TIGHT else 0.86)
    left = index * step + (step - width) / 2
    drawn = [
        element("title", one.about),
        element("rect", x=_percent(index * step), width=_percent(step), y=TOP, height=PLOT_HEIGHT, class_="hit"),
    ]  # fmt: skip
    level = 0.0
    for colour, size in one.up:
        drawn += _part(left, width, scale.y(level + size), scale.y(level), colour)
        level += size
    if one.incomplete:
        y = _px(scale.y(level) - 3.5)
        drawn.append(element("line", x1=_percent(left), x2=_percent(left + width), y1=y, y2=y, class_="open"))
    if one.down is not None:
        colour, size = one.down
        drawn += _part(left, width, scale.y(0), scale.y(-size), colour)
    if one.level is not None:
        y = _px(scale.y(one.level))
        drawn.append(element("line", x1=_percent(left), x2=_percent(left + width), y1=y, y2=y, class_="net"))
    return element("g", *drawn, class_="column")


def _part(left: float, width: float, top: float, bottom: float, colour: str) -> list[Markup]:
    """One part of a column; what is there is seen, however small."""
    if top == bottom:
        return []
    height = max(bottom - top, 0.75)
    return [
        element("rect", x=_percent(left), width=_percent(width), y=_px(bottom - height), height=_px(height), class_=colour)
    ]  # fmt: skip


def _days(found: Sequence[Column], height: float) -> list[Markup]:
    """Labels below at even distances, counted from the newest column."""
    count = len(found)
    labels = []
    for number, place in enumerate(range(count - 1, -1, -max(1, -(-(count - 1) // (TICKS - 1))))):
        x = 100 * (place + 0.5) / count
        anchor = "start" if x < 6 else "end" if x > 94 else "middle"
        at = {"start": 0.0, "end": 100.0, "middle": x}[anchor]
        rank = "optional" if number % 2 else None
        labels.append(
            element("text", found[place].name, x=_percent(at), y=height - 6, text_anchor=anchor, class_=rank)
        )
    return labels


def legend(entries: Sequence[tuple[str, str, str]], *, incomplete: bool = False) -> Markup | None:
    """What the colours mean: (class, name, figure); and what an open column means, where there is one."""
    items = [
        element("li", swatch(colour), element("span", name), element("span", figure, class_="figure"))
        for colour, name, figure in entries
    ]
    if incomplete:
        sign = element("line", x1=0, x2=10, y1=5, y2=5, class_="open")
        drawn = element("svg", sign, class_="swatch", width=10, height=10, aria_hidden="true")
        items.append(element("li", drawn, element("span", "and what has no price")))
    return element("ul", *items, class_="legend") if items else None


def _percent(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") + "%"


def _px(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
