"""What the charts of the usage page share: the periods along their axis, and a colour for each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cmt_lsp.terminal.usage.figures import Figures, Grain, Period, name_of

COLOURS = 7
"""Models with a colour of their own; more cannot be told apart."""
OTHERS = "m-others"


@dataclass(frozen=True, slots=True)
class Timeline:
    """The periods that the charts over time share."""

    grain: Grain
    periods: Sequence[Period]

    @property
    def total(self) -> Figures:
        """All of them together."""
        return sum((period.total for period in self.periods), Figures())

    @property
    def models(self) -> dict[str, Figures]:
        """The same by model."""
        found: dict[str, Figures] = {}
        for period in self.periods:
            for name, figures in period.models.items():
                found[name] = found.get(name, Figures()) + figures
        return found

    @property
    def busy(self) -> list[Period]:
        """Those with requests, the newest first, as tables list them."""
        return [period for period in reversed(self.periods) if period.total.requests]

    def label(self, period: Period) -> str:
        """A period below a chart."""
        return f"{period.first:%b} {period.first.day}" if self.grain == "day" else f"{period.first:%b %Y}"


class Palette:
    """A colour for each model: the dearest ones are told apart, the others share one."""

    def __init__(self, report: Mapping[str, Any]) -> None:
        """From a report by model, which lists the dearest first."""
        groups = report.get("groups") or []
        self._colours = {group["key"]: f"m{place}" for place, group in enumerate(groups[:COLOURS])}
        self.series = [(self._colours[group["key"]], name_of(group, "model")) for group in groups[:COLOURS]]
        """(class, name), the dearest first."""
        if len(groups) > COLOURS:
            self.series.append((OTHERS, "other models"))

    def of(self, model: str) -> str:
        """The class of a model."""
        return self._colours.get(model, OTHERS)

    def divided(self, models: Mapping[str, Figures]) -> dict[str, Figures]:
        """Figures by colour, in the order of the series."""
        found: dict[str, Figures] = {}
        for name, figures in models.items():
            found[self.of(name)] = found.get(self.of(name), Figures()) + figures
        return {colour: found[colour] for colour, _ in self.series if colour in found}
