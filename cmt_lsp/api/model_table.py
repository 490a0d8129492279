"""The packaged table of models, read from `models.toml` once, at first use."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cmt_lsp.api.price_list import PriceRow, row_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date


_EFFORT_SHARED_FROM = 5
_SMALL_WINDOW = 200_000


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of one model; token counts, and prices oldest first."""

    id: str
    display_name: str
    context_window: int
    max_output: int
    cache_minimum: int
    vision: Literal["standard", "high"]
    thinking: Literal["adaptive", "adaptive-always", "budget", "none"]
    lifecycle: Literal["active", "deprecated", "retired"]
    retires_at: date | None
    retires_not_before: date | None
    """The earliest day that was announced for a model whose last day is not known yet."""
    successor: str | None
    aliases: tuple[str, ...]
    prices: tuple[PriceRow, ...]
    mid_chat_system: bool
    """Takes `system` messages between turns; the others refuse them."""
    fast: bool
    """Has a fast mode, which the endpoint names in the answer's usage."""
    us_inference: bool
    """Can be asked to run in the United States, which the endpoint names in the same way."""
    released: date | None
    source: str
    confidence: Literal["high", "medium", "low"]

    @property
    def max_images(self) -> int:
        """Images of one request, history included: fewer for the small context windows."""
        return 100 if self.context_window <= _SMALL_WINDOW else 600

    @property
    def caches_by_effort(self) -> bool:
        """Whether another effort cannot read what was cached under this one: so it is before the fifth generation."""
        generation = re.search(r"-(\d+)", self.id)
        return generation is not None and int(generation[1]) < _EFFORT_SHARED_FROM

    def is_retired(self, today: date) -> bool:
        """Whether the model is gone on this day, also when the table was written before that."""
        return self.lifecycle == "retired" or (self.retires_at is not None and self.retires_at <= today)


@dataclass(frozen=True, slots=True)
class ModelTable:
    """Everything that the file holds; multipliers apply to every class of tokens."""

    checked: date
    models: tuple[Model, ...]
    by_name: Mapping[str, Model]
    corrections: Mapping[str, str]
    speed: Mapping[str, Decimal]
    geo: Mapping[str, Decimal]
    batch: Decimal


@cache
def packaged_table() -> ModelTable:
    """The parsed table; read once, at first use, and never changed."""
    text = Path(__file__).with_name("models.toml").read_text(encoding="utf-8")
    raw = tomllib.loads(text, parse_float=Decimal)
    models = tuple(_model(entry) for entry in raw["model"])
    by_name = {name: model for model in models for name in (model.id, *model.aliases)}
    batch = Decimal(raw["batch"])
    speed = {name: Decimal(value) for name, value in raw["speed"].items()}
    geo = {name: Decimal(value) for name, value in raw["geo"].items()}
    return ModelTable(raw["checked"], models, by_name, raw["corrections"], speed, geo, batch)


def _model(entry: Mapping[str, Any]) -> Model:
    return Model(
        id=entry["id"],
        display_name=entry["name"],
        context_window=entry["context_window"],
        max_output=entry["max_output"],
        cache_minimum=entry["cache_minimum"],
        vision=entry["vision"],
        thinking=entry["thinking"],
        lifecycle=entry["lifecycle"],
        retires_at=entry.get("retires_at"),
        retires_not_before=entry.get("retires_not_before"),
        successor=entry.get("successor"),
        aliases=tuple(entry.get("aliases", ())),
        prices=tuple(_price_row(entry["id"], row) for row in entry["prices"]),
        mid_chat_system=entry.get("mid_chat_system", False),
        fast=entry.get("fast", False),
        us_inference=entry.get("us_inference", True),
        released=entry.get("released"),
        source=entry["source"],
        confidence=entry["confidence"],
    )


def _price_row(model_id: str, row: Mapping[str, Any]) -> PriceRow:
    above = row.get("above", 0)
    return PriceRow(
        id=row_id(model_id, row["from"], above),
        valid_from=row["from"],
        above_prompt_tokens=above,
        input=_nano_per_token(row["input"]),
        output=_nano_per_token(row["output"]),
        write_5m=_nano_per_token(row["write_5m"]),
        write_1h=_nano_per_token(row["write_1h"]),
        read=_nano_per_token(row["read"]),
    )


def _nano_per_token(usd_per_million: int | Decimal) -> int:
    nano = Decimal(usd_per_million) * 1000
    if nano != int(nano) or nano <= 0:
        raise ValueError(
            f"{usd_per_million} USD per million tokens is not a whole number of nano-dollars per token"
        )
    return int(nano)
