"""The numbers of a usage report as the terminal and the page show them: added up, by period, as money."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from typing import Any, Literal, TypeAlias

Grain: TypeAlias = Literal["day", "week", "month"]

MOST_DAYS, MOST_WEEKS = 92, 105
"""Periods of one length that a chart can show before its columns get too thin."""
LONGEST_NAME = 72
"""Characters; of a longer name the beginning and the end are shown."""
FEWEST_PERIODS = 14
"""A chart of a single day would be one enormous column."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a report or one of its groups says, in whole numbers that add up; money in nano-dollars."""

    requests: int = 0
    unpriced: int = 0
    estimated: int = 0
    cost: int = 0
    saved: int = 0
    write_premium: int = 0
    plain: int = 0
    write_5m: int = 0
    write_1h: int = 0
    read: int = 0
    output: int = 0

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> Figures:
        """From a UsageReport or a UsageGroup of the wire contract."""
        usage, cost = group["totals"]["usage"], group["totals"]["cost"]
        return cls(
            requests=group["requests"],
            unpriced=group["unpricedRequests"],
            estimated=group["estimatedRequests"],
            cost=cost.get("nanoUsd", 0),
            saved=group["savedNanoUsd"],
            write_premium=group["cacheWritePremiumNanoUsd"],
            plain=usage["inputTokens"],
            write_5m=usage["cacheCreation5mInputTokens"],
            write_1h=usage["cacheCreation1hInputTokens"],
            read=usage["cacheReadInputTokens"],
            output=usage["outputTokens"],
        )

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    @property
    def prompt(self) -> int:
        """Tokens of all prompts."""
        return self.plain + self.write_5m + self.write_1h + self.read

    @property
    def hit_ratio(self) -> float:
        """Share of all prompts that was read from the cache."""
        return self.read / self.prompt if self.prompt else 0.0

    @property
    def is_unpriced(self) -> bool:
        """Whether no part of it has a price."""
        return bool(self.requests) and self.unpriced == self.requests


@dataclass(slots=True)
class Period:
    """A day, a week or a month: what was used in it, and the same by model."""

    first: date
    last: date
    total: Figures = field(default_factory=Figures)
    models: dict[str, Figures] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As a table shows it: the day, or the first and the last one."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


def grain_of(first: date, last: date) -> Grain:
    """The length of a period, so that a chart of these days has columns one can tell apart."""
    days = (last - first).days + 1
    return "day" if days <= MOST_DAYS else "week" if days <= 7 * MOST_WEEKS else "month"


def periods(groups: Iterable[Mapping[str, Any]], first: date, last: date) -> list[Period]:
    """Every period from `first` to `last`, the empty ones as well, filled from a report's groups by day."""
    grain = grain_of(first, last)
    if grain == "day":
        first = min(first, last - timedelta(days=FEWEST_PERIODS - 1))
    made: dict[date, Period] = {}
    day = first
    while day <= last:
        begins = _begin(day, grain)
        period = made.setdefault(begins, Period(max(begins, first), day))
        period.last = day
        day += timedelta(days=1)
    for group in groups:
        period = made[_begin(date.fromisoformat(group["key"]), grain)]
        period.total += Figures.of(group)
        for inner in group.get("groups") or ():
            known = period.models.get(inner["key"], Figures())
            period.models[inner["key"]] = known + Figures.of(inner)
    return list(made.values())


def _begin(day: date, grain: Grain) -> date:
    if grain == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if grain == "week" else day


def decimals_for(costs: Iterable[int]) -> int:
    """One number of decimals for a whole column: four while all of it is small."""
    return 2 if max((abs(cost) for cost in costs), default=0) >= 10 * 10**9 else 4


def usd(nano: int, decimals: int, *, floor: bool = False) -> str:
    """Nano-dollars as $1,234.50; a trace is <$0.01, and `floor` rounds down what is a lower bound."""
    sign, size = ("-", -nano) if nano < 0 else ("", nano)
    unit = 10 ** (9 - decimals)
    units = (size if floor else size + unit // 2) // unit
    if size and not units and not floor:
        return f"{sign}<${1 / 10**decimals:.{decimals}f}"
    whole, part = divmod(units, 10**decimals)
    return f"{sign}${whole:,}.{part:0{decimals}d}"


def spent(figures: Figures, decimals: int) -> str:
    """What something cost, with ≥ where unpriced requests are missing and ~ where some are estimated."""
    if figures.is_unpriced:
        return "unpriced"
    marks = ("≥" if figures.unpriced else "") + ("~" if figures.estimated else "")
    return marks + usd(figures.cost, decimals, floor=figures.unpriced > 0)


def footnotes(total: Figures) -> list[str]:
    """What the marks mean; nothing where there are none."""
    found = []
    if total.unpriced:
        found.append(
            f"≥ {counted(total.unpriced, 'request')} went to a model without a known price and {_is(total.unpriced)} in "
            "no sum; give the model a price in prices.toml."
        )
    if total.estimated:
        found.append(
            f"~ {counted(total.estimated, 'request')} {_is(total.estimated)} estimated in part, mostly because the answer "
            "was stopped before the endpoint told its last figures."
        )
    return found


def counted(count: int, noun: str) -> str:
    """1 request, 2,000 requests."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def name_of(group: Mapping[str, Any], by: str) -> str:
    """What a group is called: a session by its name, a folder below the person's own with ~; never very long."""
    name = str(group["key"])
    if by == "session":
        name = str(group.get("label") or name)
    if by == "workspace":
        name = short_path(name) if name else "no workspace"
    return (
        name
        if len(name) <= LONGEST_NAME
        else f"{name[: LONGEST_NAME // 3]}…{name[-LONGEST_NAME * 2 // 3 + 1 :]}"
    )


def short_path(path: str) -> str:
    """A path with ~ for the person's own folder."""
    home = os.path.expanduser("~")  # noqa: PTH111  pathlib would fold `..` and fail without a home
    inside = home not in ("", "/", "~") and (path == home or path.startswith(home + os.sep))
    return "~" + path[len(home) :] if inside else path


def shares(values: Sequence[Figures]) -> Callable[[Figures], float]:
    """The share of one among several in what they cost, 0 to 1; of the requests where nothing has a price."""
    cost = sum(value.cost for value in values)
    if cost:
        return lambda value: value.cost / cost
    requests = sum(value.requests for value in values) or 1
    return lambda value: value.requests / requests
