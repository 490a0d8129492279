"""The usage report as one HTML file: no script, nothing from elsewhere, and all foreign text escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from cmt_lsp.terminal.markup import Markup, element, joined
from cmt_lsp.terminal.render import tokens
from cmt_lsp.terminal.usage.figures import (
    Figures,
    counted,
    decimals_for,
    footnotes,
    grain_of,
    periods,
    spent,
    usd,
)
from cmt_lsp.terminal.usage.sections import (
    by_group,
    caching,
    predictions,
    spending,
    token_use,
)
from cmt_lsp.terminal.usage.series import Palette, Timeline
from cmt_lsp.terminal.usage.tables import signed

GENERATOR = '<meta name="generator" content="cmt-lsp usage"/>'
"""How a page of ours is known again."""


@dataclass(frozen=True, slots=True)
class PageData:
    """What a page is made of: reports of the same scope and days."""

    whole: Mapping[str, Any]
    """By day, then by model."""
    models: Mapping[str, Any]
    workspaces: Mapping[str, Any]
    about: str
    """Whose spending it is: everything, one workspace, one session."""
    first: date
    last: date
    made_at: str


def render(data: PageData) -> str:
    """The whole document."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        Markup(GENERATOR),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"Usage, {data.first} to {data.last}"),
        element("style", Markup(style)),
    )
    body = element("body", _header(data), element("main", *_content(data)), _footer(data))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _header(data: PageData) -> Markup:
    days = f"{data.first}" if data.first == data.last else f"{data.first} to {data.last}"
    return element(
        "header",
        element("h1", "Usage"),
        element("p", f"{data.about}, {days}"),
        element("p", f"days in {data.whole['timeZone']}", class_="zone"),
    )


def _content(data: PageData) -> list[Markup | None]:
    total = Figures.of(data.whole)
    if not total.requests:
        words = "Nothing was spent in these days. Ask something in your editor, and what it costs shows here."
        return [element("p", words, class_="empty")]
    grain = grain_of(data.first, data.last)
    time = Timeline(grain, periods(data.whole["groups"], data.first, data.last))
    palette = Palette(data.models)
    return [
        _tiles(total, data),
        spending(time, palette),
        element(
            "div",
            by_group("Models", "model", data.models, palette),
            by_group("Workspaces", "workspace", data.workspaces),
            class_="pair",
        ),
        element("div", token_use(time), caching(time), class_="pair"),
        predictions(data.whole["calibration"]),
    ]


def _tiles(total: Figures, data: PageData) -> Markup:
    """The totals; the first one is what people open the page for."""
    digits = decimals_for([total.cost, total.saved])
    busy = len(data.whole["groups"])
    each = "on one day" if busy == 1 else f"on {busy} days, {usd(total.cost // busy, digits)} each"
    saved = usd(total.saved, digits)
    tiles: list[tuple[str, str, str]] = [
        ("Spent", joined(*signed(spent(total, digits))), each),
        ("Saved by caching", saved, f"{total.hit_ratio:.0%} of prompts read from it"),
        ("Requests", f"{total.requests:,}", f"in {counted(data.whole['sessions'], 'session')}"),
        (
            "Tokens",
            tokens(total.prompt + total.output),
            f"{tokens(total.prompt)} in, {tokens(total.output)} out",
        ),
    ]
    return element(
        "dl",
        *(
            element("div", element("dt", name), element("dd", figure), element("dd", words, class_="words"))
            for name, figure, words in tiles
        ),
        class_="tiles",
    )  # fmt: skip


def _footer(data: PageData) -> Markup:
    notes = [element("p", note) for note in footnotes(Figures.of(data.whole))]
    if data.whole["cacheWritePremiumNanoUsd"]:
        notes.append(
            element(
                "p",
                "What writing the cache cost is reckoned at list prices; all other money as it was booked.",
            )
        )
    notes.append(element("p", f"From the ledger of this machine, {data.made_at}, by cmt-lsp."))
    return element("footer", joined(*notes))
