"""The sections of the usage page: each one picture with its words, and a table of the same figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cmt_lsp.terminal.markup import Markup, element, joined
from cmt_lsp.terminal.render import tokens
from cmt_lsp.terminal.usage.charts import Column, bar, columns, gauge, legend
from cmt_lsp.terminal.usage.figures import (
    Figures,
    Period,
    decimals_for,
    name_of,
    shares,
    spent,
    usd,
)
from cmt_lsp.terminal.usage.series import OTHERS, Palette, Timeline
from cmt_lsp.terminal.usage.tables import Head, amount, cost, count, folded, table

TOKEN_CLASSES = (
    ("read", "t-read", "read from cache"),
    ("plain", "t-plain", "plain input"),
    ("write_5m", "t-write5m", "written for 5 min"),
    ("write_1h", "t-write1h", "written for 1 h"),
    ("output", "t-output", "answers"),
)
"""Field of the figures, colour, words; from the bottom of a column to its top."""
REACH = 0.5
"""Errors of predictions are drawn up to one half too high or too low."""


def spending(time: Timeline, palette: Palette) -> Markup:
    """What each period cost, stacked by model."""
    digits = decimals_for(period.total.cost for period in time.periods)
    title = f"Spending by {time.grain}"

    def about(period: Period) -> str:
        whole = spent(period.total, digits) if period.total.requests else "nothing spent"
        dearest = sorted(period.models.items(), key=lambda pair: (-pair[1].cost, pair[0]))
        return "\n".join(
            [f"{period.name}: {whole}", *(f"{name} {spent(one, digits)}" for name, one in dearest)]
        )

    def cells(name: str, whole: Figures, models: Mapping[str, Figures]) -> list[str]:
        divided = palette.divided(models)
        each = [cost(divided[colour], digits) if colour in divided else "" for colour, _ in palette.series]
        return [name, cost(whole, digits), count(whole.requests), *(each if len(each) > 1 else [])]

    parts = [
        Column(
            name=time.label(period),
            about=about(period),
            up=[(colour, one.cost) for colour, one in palette.divided(period.models).items()],
            incomplete=period.total.unpriced > 0,
        )
        for period in time.periods
    ]
    several = palette.series if len(palette.series) > 1 else []
    sums = palette.divided(time.models)
    return _section(
        title,
        columns(title, f"Columns of US dollars by {time.grain}, stacked by model.", parts, dollars),
        legend(
            [(colour, name, "") for colour, name in several if sums[colour].cost],
            incomplete=time.total.unpriced > 0,
        ),
        folded(
            table(
                title,
                [
                    Head(time.grain, "words"),
                    Head("cost"),
                    Head("requests"),
                    *(Head(name) for _, name in several),
                ],
                [cells(period.name, period.total, period.models) for period in time.busy],
                cells("all", time.total, time.models),
            )
        ),
    )


def by_group(title: str, by: str, report: Mapping[str, Any], palette: Palette | None = None) -> Markup:
    """A row for each model or workspace: its bar, its cost and what it used. The table is the chart."""
    groups = [*(report.get("groups") or []), *([report["rest"]] if report.get("rest") else [])]
    figures = [Figures.of(group) for group in groups]
    digits = decimals_for(one.cost for one in figures)
    share = shares(figures)
    longest = max((share(one) for one in figures), default=0) or 1

    def cells(group: Mapping[str, Any], one: Figures) -> list[str]:
        rest = group is report.get("rest")
        colour = OTHERS if rest else palette.of(group["key"]) if palette else "m0"
        name = "all others" if rest else name_of(group, by)
        return [
            joined(element("span", name, title=group["key"] or None), bar(share(one) / longest, colour)),
            cost(one, digits),
            f"{share(one):.0%}",
            count(one.requests),
            element("data", tokens(one.prompt), value=str(one.prompt)),
            element("data", tokens(one.output), value=str(one.output)),
            f"{one.hit_ratio:.0%}",
        ]

    heads = [
        Head(by, "named bar"), Head("cost"), Head("share"), Head("requests", spare=2), Head("in", spare=1),
        Head("out", spare=1), Head("cached", spare=2),
    ]  # fmt: skip
    rows = [cells(group, one) for group, one in zip(groups, figures, strict=True)]
    return _section(title, table(title, heads, rows))


def token_use(time: Timeline) -> Markup:
    """Tokens of each class by period."""
    total = time.total
    title = f"Tokens by {time.grain}"

    def about(period: Period) -> str:
        lines = [f"{words} {getattr(period.total, name):,}" for name, _, words in reversed(TOKEN_CLASSES)]
        return "\n".join([period.name, *lines])

    def cells(name: str, one: Figures) -> list[str]:
        return [name, *(count(getattr(one, field)) for field, _, _ in TOKEN_CLASSES)]

    parts = [
        Column(
            name=time.label(period),
            about=about(period),
            up=[(colour, getattr(period.total, name)) for name, colour, _ in TOKEN_CLASSES],
        )
        for period in time.periods
    ]
    words = f"Columns of tokens by {time.grain}, stacked by how they are charged."
    return _section(
        title,
        columns(title, words, parts, _rounded_tokens),
        legend(
            [
                (colour, words, tokens(used))
                for name, colour, words in TOKEN_CLASSES
                if (used := getattr(total, name))
            ]
        ),
        folded(
            table(
                title,
                [Head(time.grain, "words"), *(Head(words) for _, _, words in TOKEN_CLASSES)],
                [cells(period.name, period.total) for period in time.busy],
                cells("all", total),
            )
        ),
    )


def caching(time: Timeline) -> Markup:
    """What reading from the cache saved, what writing it cost more than plain input, and what is left of it."""
    total = time.total
    digits = decimals_for([_gross(total)])
    title = f"Caching saved {usd(total.saved, digits)}"
    if total.saved < 0:
        title = f"Caching cost {usd(-total.saved, digits)} more than it saved"

    def about(period: Period) -> str:
        one = period.total
        return (
            f"{period.name}: saved {usd(one.saved, digits)}\nreading saved {usd(_gross(one), digits)}\n"
            f"writing cost {usd(one.write_premium, digits)}"
        )

    def cells(name: str, one: Figures) -> list[str]:
        money = [amount(nano, digits) for nano in (_gross(one), one.write_premium, one.saved)]
        return [name, *money, f"{one.hit_ratio:.0%}"]

    parts = [
        Column(
            name=time.label(period),
            about=about(period),
            up=[("c-saved", max(0, _gross(period.total)))],
            down=("c-written", period.total.write_premium),
            level=period.total.saved if period.total.requests else None,
        )
        for period in time.periods
    ]
    words = "Up: what reads saved. Down: what writes cost more than plain input. Line: the net saving."
    entries = [
        ("c-saved", "reading saved", usd(_gross(total), digits)),
        ("c-written", "writing cost", usd(total.write_premium, digits)),
        ("c-net", "net", usd(total.saved, digits)),
    ]
    heads = [Head("reading saved"), Head("writing cost"), Head("net"), Head("cached")]
    return _section(
        title,
        columns(f"Caching by {time.grain}", words, parts, dollars),
        legend(entries),
        folded(
            table(
                title,
                [Head(time.grain, "words"), *heads],
                [cells(period.name, period.total) for period in time.busy],
                cells("all", total),
            )
        ),
    )


def predictions(calibration: Mapping[str, Any]) -> Markup | None:
    """How good the predictions were; nothing where none was made."""
    inside = calibration.get("insideP90")
    rows = [
        _error("Prompt", calibration.get("medianInputError")),
        _error("Cost", calibration.get("medianCostError")),
        None if inside is None else _answers(inside),
    ]
    if not any(rows):
        return None
    words = (
        f"Of the newest {calibration['turns']:,} predictions. The line is the aim, the dot what came of it."
    )
    return _section("Predictions", element("p", words, class_="words"), element("dl", *rows, class_="gauges"))


def _error(what: str, error: float | None) -> Markup | None:
    if error is None:
        return None
    words = "exact" if abs(error) < 0.0005 else f"{abs(error):.1%} too {'high' if error > 0 else 'low'}"
    ends = [(-REACH, f"{REACH:.0%} too low"), (REACH, f"{REACH:.0%} too high")]
    return _row(
        what, gauge(f"{what}: the median prediction was {words}.", error, 0.0, ends), f"median {words}"
    )


def _answers(inside: float) -> Markup:
    words = f"{inside:.1%} of the answers were no longer than predicted for nine of ten."
    return _row(
        "Answer", gauge(words, inside, 0.9, [(0.5, "50%"), (1.0, "100%")]), f"{inside:.1%} within p90"
    )


def _row(what: str, drawn: Markup, words: str) -> Markup:
    return element(
        "div",
        element("dt", what),
        element("dd", drawn, class_="scale"),
        element("dd", words, class_="figure"),
    )


def dollars(nano: float) -> str:
    """A figure of a scale: $0, $0.05, $1,200."""
    size, sign = abs(round(nano)), "-" if nano < 0 else ""
    decimals = 0 if size % 10**9 == 0 else 2 if size % 10**7 == 0 else 4
    return f"{sign}${size / 1e9:,.{decimals}f}"


def _rounded_tokens(number: float) -> str:
    return tokens(round(number)).replace(".0", "")


def _gross(one: Figures) -> int:
    return one.saved + one.write_premium


def _section(title: str, *content: Markup | None) -> Markup:
    return element("section", element("h2", title), *content)
