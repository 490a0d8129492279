"""`cmt-lsp models`: which models there are, what they cost, and how long they live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cmt_lsp.terminal.render import one_line, tokens
from cmt_lsp.terminal.tables import console, run_in_window, table
from cmt_lsp.terminal.window import Window

CLASSES = ("input", "output", "write5m", "write1h", "read")


def show_models(*, refresh: bool, no_color: bool, command: Sequence[str] | None = None) -> int:
    """Print the table of models; `refresh` asks the endpoint which of them it serves. The exit code."""

    async def talk(window: Window) -> int:
        found = await window.ask("cmt/models", {"refresh": refresh})
        screen = console(no_color=no_color)
        screen.print(_models_table(found.get("models", []), served=refresh))
        for notice in found.get("notices") or []:
            screen.print(f"note: {one_line(notice)}")
        screen.print(
            "Prices in USD per million tokens. * is the default. Cache: the shortest prompt that is cached."
        )
        return 0

    return run_in_window(talk, command)


def _models_table(models: Sequence[Mapping[str, Any]], *, served: bool) -> Any:
    prices = (">input", ">output", ">write 5m", ">write 1h", ">read")
    extra = ["served"] if served else []
    made = table("model", *prices, ">context", ">answer", ">cache", "lifecycle", *extra)
    for model in models:
        row = [f"{model['id']}{' *' if model.get('default') else ''}"]
        row += [_per_million(price) for price in _first_price(model)]
        row += [_size(model.get(name)) for name in ("contextWindow", "maxOutput", "cacheMinimum")]
        row += [_lifecycle(model)] + ([_served(model.get("served"))] if served else [])
        made.add_row(
            *(one_line(cell) for cell in row), style="dim" if model["lifecycle"] == "retired" else None
        )
        for price in model["prices"][1:]:
            above = f"  above {tokens(price['abovePromptTokens'])}"
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
    return "?" if count is None else tokens(count).replace(".0", "")


def _served(answer: bool | None) -> str:
    return "?" if answer is None else "yes" if answer else "no"


def _lifecycle(model: Mapping[str, Any]) -> str:
    text = str(model["lifecycle"])
    if model.get("retiresAt"):
        text += f", until {model['retiresAt']}" if text != "retired" else f" {model['retiresAt']}"
    return text + (f", use {model['successor']}" if text != "active" and model.get("successor") else "")
