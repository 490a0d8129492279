"""The tables of the usage page, and the figures in their cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cmt_lsp.terminal.markup import Markup, element
from cmt_lsp.terminal.usage.figures import Figures, spent, usd


@dataclass(frozen=True, slots=True)
class Head:
    """A column: of words, of names with a bar below each, or of figures, which are set to the right."""

    name: str
    kind: Literal["words", "named bar", "figure"] = "figure"
    spare: Literal[0, 1, 2] = 0
    """Where there is little room: 1 is left out first, then 2."""

    @property
    def classes(self) -> str | None:
        """For the style."""
        kind = {"words": "", "named bar": "named-bar", "figure": "figure"}[self.kind]
        return f"{kind} spare{self.spare}" if self.spare else kind or None


def table(
    title: str, heads: Sequence[Head], rows: Sequence[Sequence[str]], foot: Sequence[str] | None = None
) -> Markup:
    """A table that scrolls by itself where it is wider than the page; the first cell of a row names it."""

    def row(cells: Sequence[str]) -> Markup:
        rest = zip(cells[1:], heads[1:], strict=True)
        return element(
            "tr",
            element("th", cells[0], scope="row", class_=heads[0].classes),
            *(element("td", cell, class_=head.classes) for cell, head in rest),
        )

    made = element(
        "table",
        element("caption", title),
        element("thead", element("tr", *(element("th", one.name, scope="col", class_=one.classes) for one in heads))),
        element("tbody", *(row(cells) for cells in rows)),
        element("tfoot", row(foot)) if foot else None,
    )  # fmt: skip
    return element("div", made, class_="scroll", tabindex="0", role="region", aria_label=title)


def folded(made: Markup) -> Markup:
    """A table that is folded away until somebody wants it; printed it always shows."""
    return element("details", element("summary", "Figures"), made)


def cost(figures: Figures, decimals: int) -> Markup:
    """What something cost, readable by a program as well: the value is in nano-dollars."""
    value = None if figures.is_unpriced else str(figures.cost)
    return element("data", *signed(spent(figures, decimals)), value=value)


def signed(text: str) -> list[str]:
    """A cost with its signs set apart, so that the style can make them quiet."""
    figure = text.lstrip("≥~")
    signs = text[: len(text) - len(figure)]
    return [element("span", signs, class_="sign"), figure] if signs else [figure]


def amount(nano: int, decimals: int) -> Markup:
    """Any other money, the same way."""
    return element("data", usd(nano, decimals), value=str(nano))


def count(number: int) -> Markup:
    """A whole number with its thousands set apart."""
    return element("data", f"{number:,}", value=str(number))
