"""The models: prices in force, limits, lifecycle, and which of them the endpoint serves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.models import Model, all_models, find_model, price_in_force
from cmt_lsp.api.price_list import PriceRow
from cmt_lsp.server import wire

if TYPE_CHECKING:
    from cmt_lsp.server.table import Caller
    from cmt_lsp.server.window import Window

LIFECYCLES = ("active", "deprecated", "retired")


async def models(window: Window, caller: Caller, params: wire.ModelsParams) -> wire.ModelsResult:
    """Every known model, current ones first; after a refresh also those that only the endpoint knows."""
    default = window.settings.model
    known = sorted(all_models(), key=lambda model: LIFECYCLES.index(model.lifecycle))
    if not params.refresh:
        return wire.ModelsResult(models=[_shape(model, default, None) for model in known])
    listed = await window.manager.served_models()
    if listed is None:
        notice = "This endpoint does not list its models; the table shows what is known of Anthropic's."
        return wire.ModelsResult(models=[_shape(model, default, None) for model in known], notices=[notice])
    names = [str(entry["id"]) for entry in listed if entry.get("id")]
    served = {model.id for name in names if (model := find_model(name))}
    strangers = [_stranger(name, default) for name in names if find_model(name) is None]
    return wire.ModelsResult(
        models=[_shape(model, default, model.id in served) for model in known] + strangers
    )


def _shape(model: Model, default: str, served: bool | None) -> wire.Model:
    now = datetime.now(UTC)
    return wire.Model(
        id=model.id,
        display_name=model.display_name,
        prices=[_price_shape(row) for row in _rows_in_force(model, now)],
        lifecycle="retired" if model.is_retired(now.date()) else model.lifecycle,
        default=model.id == default,
        context_window=model.context_window,
        max_output=model.max_output,
        cache_minimum=model.cache_minimum,
        vision=model.vision,
        retires_at=None if model.retires_at is None else model.retires_at.isoformat(),
        successor=model.successor,
        served=served,
    )


def _rows_in_force(model: Model, now: datetime) -> list[PriceRow]:
    """One row for each tier of prompt length that the list in force knows."""
    limits = sorted({row.above_prompt_tokens for row in model.prices})
    rows = [price_in_force(model.id, now, limit + 1) for limit in limits]
    return list(dict.fromkeys(row for row in rows if row is not None))


def _price_shape(row: PriceRow) -> wire.ModelPrice:
    return wire.ModelPrice(
        above_prompt_tokens=row.above_prompt_tokens,
        input=row.input,
        output=row.output,
        write_5m=row.write_5m,
        write_1h=row.write_1h,
        read=row.read,
        valid_from=row.valid_from.isoformat(),
    )


def _stranger(name: str, default: str) -> wire.Model:
    """A model that only the endpoint knows: no price, and so no figure."""
    return wire.Model(
        id=name, display_name=name, prices=[], lifecycle="unknown", default=name == default, served=True
    )
