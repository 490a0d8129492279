"""`cmt-lsp models`: which models there are, what they cost, and how long they live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cmt_lsp.terminal.render import one_line
from cmt_lsp.terminal.tables import console, run_in_window, table
from cmt_lsp.terminal.window import Window

if TYPE_CHECKING:
    from rich.table import Table

CLASSES = ("input", "output", "write5m", "write1h", "read")


LEGEND = "USD per million tokens; * is the default; cache: the shortest prompt that is cached."
NARROWEST = 12  # columns of a name, below which figures give way
OWN = "+ is priced by prices.toml."


def show_models(*, refresh: bool, no_color: bool, command: Sequence[str] | None = None) -> int:
    """Print the table of models; `refresh` asks the endpoint which of them it serves. The exit code."""

    async def talk(window: Window) -> int:
        found = await window.ask("cmt/models", {"refresh": refresh})
        screen = console(no_color=no_color)
        models = found.get("models", [])
        screen.print(_models_table([one for one in models if one["lifecycle"] != "retired"], served=refresh))
        screen.print(f"{LEGEND} {OWN}" if any(_is_own(one) for one in models) else LEGEND)
        for notice in found.get("notices") or []:
            screen.print(f"note: {one_line(notice)}", soft_wrap=True)
        if leaving := [one for one in models if _is_leaving(one)]:
            screen.print(_leaving_table(leaving))
        return 0

    return run_in_window(talk, command)


def _models_table(models: Sequence[Mapping[str, Any]], *, served: bool) -> Table:
    prices = (">input", ">output", ">w 5m", ">w 1h", ">read")
    made = table("model", *prices, ">context", ">answer", ">cache", *([">served"] if served else []))
    made.columns[
        0
    ].overflow = "fold"  # a long name goes on below; a figure that is cut would be another figure
    for model in models:
        row = [f"{model['id']}{' *' if model.get('default') else ''}{' +' if _is_own(model) else ''}"]
        row += _first_price(model)
        row += [_size(model.get(name)) for name in ("contextWindow", "maxOutput", "cacheMinimum")]
        row += [_served(model.get("served"))] if served else []
        made.add_row(*(one_line(cell) for cell in row))
        for price in model["prices"][1:]:
            above = f"  above {_size(price['abovePromptTokens'])}"
            made.add_row(above, *(_per_million(price[name]) for name in CLASSES))
    return made


def _leaving_table(models: Sequence[Mapping[str, Any]]) -> Table:
    """The models to turn away from: the next to go first, those that are gone last."""
    made = table("=no longer, or not for long", "=served until", "=use instead")
    ahead = [one for one in models if one["lifecycle"] != "retired"]
    gone = [one for one in models if one["lifecycle"] == "retired"]
    for model in (*sorted(ahead, key=_last_day), *sorted(gone, key=_last_day, reverse=True)):
        made.add_row(*(one_line(cell) for cell in (model["id"], _until(model), model.get("successor") or "")))
    return made


def _is_own(model: Mapping[str, Any]) -> bool:
    return any(price.get("own") for price in model["prices"])


def _is_leaving(model: Mapping[str, Any]) -> bool:
    return model["lifecycle"] in ("deprecated", "retired") or bool(model.get("retiresNotBefore"))


def _last_day(model: Mapping[str, Any]) -> str:
    return str(model.get("retiresAt") or model.get("retiresNotBefore") or "")


def _until(model: Mapping[str, Any]) -> str:
    if model["lifecycle"] == "retired":
        return str(model.get("retiresAt") or "gone")
    if model.get("retiresAt"):
        return str(model["retiresAt"])
    earliest = str(model.get("retiresNotBefore") or "")
    return (
        f"at least {earliest}" if earliest > f"{datetime.now(UTC):%Y-%m-%d}" else f"any day since {earliest}"
    )


def _first_price(model: Mapping[str, Any]) -> list[str]:
    prices = model["prices"]
    if not prices:
        return ["unpriced", *[""] * (len(CLASSES) - 1)]
    return [_per_million(prices[0][name]) for name in CLASSES]


def _per_million(nano_usd: int) -> str:
    """Nano-dollars per token are thousandths of a dollar per million tokens."""
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
