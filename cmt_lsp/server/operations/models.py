"""The models: prices in force, limits, lifecycle, and which of them the endpoint serves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.models import (
    Model,
    all_models,
    find_model,
    limits_of,
    price_notices,
    prices_in_force,
    unlisted_models,
)
from cmt_lsp.core.cache.switch import switch_to
from cmt_lsp.server import wire

if TYPE_CHECKING:
    from datetime import date

    from cmt_lsp.api.price_list import PriceRow
    from cmt_lsp.core.cache.switch import Prefix
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Window

LIFECYCLES = ("active", "deprecated", "retired")


async def models(window: Window, caller: Caller, params: wire.ModelsParams) -> wire.ModelsResult:
    """Every known model, current ones first, then those of the person's own price list and the default.

    After a refresh also those that only the endpoint knows.
    """
    notices = list(price_notices())
    listed = await window.manager.served_models() if params.refresh else None
    if params.refresh and listed is None:
        notices.append(
            "This endpoint does not list its models; the table shows what is known of Anthropic's."
        )
    names = None if listed is None else [str(entry["id"]) for entry in listed if entry.get("id")]
    session_id = params.session_id
    prefix = None if session_id is None else await window.manager.cache_report.prefix(session_id)
    return wire.ModelsResult(models=_shapes(window.settings.model, names, prefix), notices=notices or None)


def _shapes(default: str, names: list[str] | None, prefix: Prefix | None) -> list[wire.Model]:
    """`names` is what the endpoint serves, where it tells; `prefix` what going on with a session there would carry."""
    served = {model.id for name in names or () if (model := find_model(name))}
    known = sorted(all_models(), key=lambda model: LIFECYCLES.index(model.lifecycle))
    shapes = [
        _shape(model, default, None if names is None else model.id in served, prefix) for model in known
    ]
    others = [*unlisted_models(), *(name for name in (default, *(names or ())) if find_model(name) is None)]
    shapes += [
        _stranger(name, default, None if names is None else name in names, prefix)
        for name in dict.fromkeys(others)
    ]
    return shapes


def _shape(model: Model, default: str, served: bool | None, prefix: Prefix | None) -> wire.Model:
    now = datetime.now(UTC)
    limits = limits_of(model.id)
    return wire.Model(
        id=model.id,
        display_name=model.display_name,
        prices=_prices(model.id),
        lifecycle="retired" if model.is_retired(now.date()) else model.lifecycle,
        default=default in (model.id, *model.aliases),
        context_window=limits.context_window,
        max_output=limits.max_output,
        cache_minimum=model.cache_minimum,
        vision=model.vision,
        retires_at=_iso(model.retires_at),
        retires_not_before=_iso(model.retires_not_before),
        successor=model.successor,
        served=served,
        switch=_switch(model.id, prefix),
    )


def _stranger(name: str, default: str, served: bool | None, prefix: Prefix | None) -> wire.Model:
    """A model that the packaged table does not know: what the person's own list says of it, or nothing."""
    limits = limits_of(name)
    return wire.Model(
        id=name,
        display_name=name,
        prices=_prices(name),
        lifecycle="unknown",
        default=name == default,
        context_window=limits.context_window,
        max_output=limits.max_output,
        served=served,
        switch=_switch(name, prefix),
    )


def _switch(name: str, prefix: Prefix | None) -> wire.ModelSwitch | None:
    if prefix is None:
        return None
    told = switch_to(name, prefix)
    return wire.ModelSwitch(
        prefix_tokens=told.tokens,
        note=told.note,
        cold_nano_usd=told.cold_nano,
        stay_nano_usd=told.stay_nano,
        difference_nano_usd=told.difference_nano,
    )


def _prices(name: str) -> list[wire.ModelPrice]:
    return [_price_shape(row) for row in prices_in_force(name, datetime.now(UTC))]


def _price_shape(row: PriceRow) -> wire.ModelPrice:
    return wire.ModelPrice(
        above_prompt_tokens=row.above_prompt_tokens,
        input=row.input,
        output=row.output,
        write_5m=row.write_5m,
        write_1h=row.write_1h,
        read=row.read,
        valid_from=row.valid_from.isoformat(),
        own=row.own,
    )


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
