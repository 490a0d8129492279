"""`cmt-lsp models`: which models there are, what they cost, and how long they live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cmt_lsp.terminal.render import one_line
from cmt_lsp.terminal.tables import console, run_in_window, table
from cmt_lsp.terminal.window import Window

if TYPE_CHECKING:
    from rich.table import Table

CLASSES = ("input", "output", "write5m", "write1h", "read")


def show_models(*, refresh: bool, no_color: bool, command: Sequence[str] | None = None) -> int:
    """Print the table of models; `refresh` asks the endpoint which of them it serves. The exit code."""

    async def talk(window: Window) -> int:
        found = await window.ask("cmt/models", {"refresh": refresh})
        screen = console(no_color=no_color)
        models = found.get("models", [])
        screen.print(_models_table([one for one in models if one["lifecycle"] != "retired"], served=refresh))
        screen.print("USD per million tokens; * is the default; cache: the shortest prompt that is cached.")
        for notice in found.get("notices") or []:
            screen.print(f"note: {one_line(notice)}")
        for model in models:
            if model["lifecycle"] in ("deprecated", "retired"):
                screen.print(one_line(_farewell(model)), style="dim", soft_wrap=True)
        return 0

    return run_in_window(talk, command)


def _models_table(models: Sequence[Mapping[str, Any]], *, served: bool) -> Table:
    prices = (">input", ">output", ">w 5m", ">w 1h", ">read")
    made = table("=model", *prices, ">context", ">answer", ">cache", *([">served"] if served else []))
    for model in models:
        row = [f"{model['id']}{' *' if model.get('default') else ''}"]
        row += [_per_million(price) for price in _first_price(model)]
        row += [_size(model.get(name)) for name in ("contextWindow", "maxOutput", "cacheMinimum")]
        row += [_served(model.get("served"))] if served else []
        made.add_row(*(one_line(cell) for cell in row))
        for price in model["prices"][1:]:
            above = f"  above {_size(price['abovePromptTokens'])}"
            made.add_row(above, *(_per_million(price[name]) for name in CLASSES))
    return made


def _first_price(model: Mapping[str, Any]) -> list[int | None]:
    prices = model["prices"]
    return [prices[0][name] if prices else None for name in CLASSES]


def _per_million(nano_usd: int | None) -> str:
    """Nano-dollars per token are thousandths of a dollar per million tokens."""
    if nano_usd is None:
        return "?"
    text = f"{nano_usd / 1000:.3f}"
    return text[:-1] if text.endswith("0") else text


def _size(count: int | None) -> str:
    """A limit, exact and short: 1M, 128K, 4096."""
    if count is None:
        return "?"
    for unit, name in ((1_000_000, "M"), (1000, "K")):
        if count and count % unit == 0:
            return f"{count // unit}{name}"
    return str(count)


def _served(answer: bool | None) -> str:
    return "?" if answer is None else "yes" if answer else "no"


def _farewell(model: Mapping[str, Any]) -> str:
    when = model.get("retiresAt")
    text = f"{model['id']} is retired{f' since {when}' if when else ''}"
    if model["lifecycle"] == "deprecated":
        text = f"{model['id']} is deprecated{f' and served until {when}' if when else ''}"
    return text + (f"; use {model['successor']}" if model.get("successor") else "")
