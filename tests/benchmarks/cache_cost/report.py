"""The study as a Markdown page and as an SVG plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .policies import POLICIES
from .study import BEST, FLOOR, ODDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .study import Row

_BARS = ("no caching", "automatic", "system + last message", "ours", BEST)
_COLOURS = ("#9aa0a6", "#5b8dc9", "#6aa56a", "#d9822b", "#8b6bb1")
_LEFT, _TOP, _WIDTH, _BAR, _GAP = 190, 40, 620, 9, 14
_SCALE_END = 1.5
"""Times automatic caching; longer bars are cut, with their figure beside them."""
_STYLE = """<style>
text { fill: #3d444d } line { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) { text { fill: #d1d7e0 } line { stroke: #3d444d } }
</style>"""


def markdown(rows: Sequence[Row], total: Row, steady: Row, seeds: Sequence[int]) -> str:
    """A table in dollars, and one of ratios."""
    names = [*POLICIES, ODDS, BEST, FLOOR]
    all_rows = [*rows, total, steady]
    dollars = [
        [row.name, *(f"{row.nano[name] / 1e9:,.2f}" for name in names), str(row.turns)] for row in all_rows
    ]
    ratios = [_ratios(row) for row in all_rows]
    head = (
        "class",
        "ours / automatic",
        "worst seed",
        "ours / odds known",
        "ours / best",
        "odds known / best",
        "best / bound",
        "reads foreseen",
        "refused",
    )
    return "\n".join(
        (
            f"Input of all prompts in dollars, seeds {seeds[0]} to {seeds[-1]}; the last row is not in the sum.",
            "",
            *_table(("class", *names, "turns"), dollars),
            "",
            *_table(head, ratios),
            "",
        )
    )


def _ratios(row: Row) -> list[str]:
    return [
        row.name,
        f"{row.ratio('ours', 'automatic'):.3f}",
        f"{row.worst:.3f}",
        f"{row.ratio('ours', ODDS):.3f}",
        f"{row.ratio('ours', BEST):.3f}",
        f"{row.ratio(ODDS, BEST):.3f}",
        f"{row.ratio(BEST, FLOOR):.3f}",
        f"{row.foreseen / row.turns:.1%}",
        str(row.refused),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| --- |{' ---: |' * (len(head) - 1)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def svg(rows: Sequence[Row]) -> str:
    """Bars for each class: cost to that of automatic caching."""
    block = len(_BARS) * _BAR + _GAP
    height = _TOP + block * len(rows) + 46
    size = f'width="{_LEFT + _WIDTH + 60}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        _STYLE,
        *_legend(),
        *_axis(height),
    ]
    for number, row in enumerate(rows):
        parts += _bars(row, _TOP + number * block)
    return "\n".join((*parts, "</svg>", ""))


def _legend() -> Iterator[str]:
    x = 60
    for name, colour in zip(_BARS, _COLOURS, strict=True):
        yield f'<rect x="{x}" y="10" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{x + 14}" y="19">{name}</text>'
        x += 44 + 7 * len(name)


def _axis(height: int) -> Iterator[str]:
    middle = _LEFT + _WIDTH / 2
    yield f'<text x="{middle:.0f}" y="{height - 6}" text-anchor="middle">input in dollars, automatic caching = 1</text>'
    for tenth in range(0, int(_SCALE_END * 10) + 1, 5):
        x = _LEFT + _WIDTH * tenth / (_SCALE_END * 10)
        yield f'<line x1="{x:.0f}" y1="{_TOP - 8}" x2="{x:.0f}" y2="{height - 42}"/>'
        yield f'<text x="{x:.0f}" y="{height - 26}" text-anchor="middle">{tenth / 10:.1f}</text>'


def _bars(row: Row, y: int) -> Iterator[str]:
    yield f'<text x="{_LEFT - 8}" y="{y + len(_BARS) * _BAR / 2 + 4:.0f}" text-anchor="end">{row.name}</text>'
    for number, (name, colour) in enumerate(zip(_BARS, _COLOURS, strict=True)):
        ratio = row.ratio(name, "automatic")
        width = _WIDTH * min(ratio, _SCALE_END) / _SCALE_END
        top = y + number * _BAR
        yield f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR - 1}" fill="{colour}"/>'
        if ratio > _SCALE_END:
            yield f'<text x="{_LEFT + width + 4:.0f}" y="{top + _BAR - 1}" font-size="9">{ratio:.1f}</text>'
