"""Every model's price, limits and lifecycle, read from one dated table, and the cost of a request in whole numbers.

Money is a whole number of nano-dollars. One dollar per million tokens is 1000 nano-dollars per token, so each list
price is exact and a sum never drifts. A model with no known price is unpriced; it never costs zero.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cmt_lsp.api.usage import Usage

DEFAULT_MODEL = "claude-sonnet-5-5"
STALE_AFTER_DAYS = 90

MODEL_PRICING: Mapping[str, Mapping[str, float]]
"""USD per million tokens by model id, newest list, shortest prompts: `input`, `output`, `cached_input`. For display and
for scripts; the cost of a request comes from `cost_of`, which knows dates, tiers and cache writes."""


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One price list of one model for prompts over one length; rates are nano-dollars per token."""

    id: str
    valid_from: date
    above_prompt_tokens: int
    input: int
    output: int
    write_5m: int
    write_1h: int
    read: int


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
    successor: str | None
    aliases: tuple[str, ...]
    prices: tuple[PriceRow, ...]
    mid_chat_system: bool
    """Takes `system` messages between turns; the others refuse them."""
    fast: bool
    us_inference: bool
    released: date | None
    source: str
    confidence: Literal["high", "medium", "low"]

    def is_retired(self, today: date) -> bool:
        """Whether the model is gone on this day, also when the table was written before that."""
        return self.lifecycle == "retired" or (self.retires_at is not None and self.retires_at <= today)


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model name as it is sent, what is known of it, and a sentence for the person where one is due."""

    id: str
    model: Model | None
    notice: str | None


@dataclass(frozen=True, slots=True)
class Cost:
    """The price of one request or of several; `nano_usd` is None where no part has a price."""

    nano_usd: int | None
    saved_nano_usd: int | None
    """Against the same tokens with no caching at all; negative when the writes cost more than the reads saved."""
    price_row: str | None
    estimated: bool
    unpriced: int = 0
    """How many parts have no price and are missing from the sum."""

    @classmethod
    def none_known(cls) -> Cost:
        """The cost of one request to a model that has no price."""
        return cls(None, None, None, estimated=False, unpriced=1)

    @classmethod
    def sum(cls, costs: Iterable[Cost]) -> Cost:
        """Add costs exactly; unpriced parts are counted, and the sum of nothing is zero."""
        parts = list(costs)
        priced = [part for part in parts if part.nano_usd is not None]
        unpriced = sum(part.unpriced for part in parts)
        estimated = any(part.estimated for part in parts)
        if parts and not priced:
            return cls(None, None, None, estimated, unpriced)
        nano = sum(part.nano_usd or 0 for part in priced)
        saved = sum(part.saved_nano_usd or 0 for part in priced)
        rows = {part.price_row for part in priced}
        return cls(nano, saved, rows.pop() if len(rows) == 1 else None, estimated, unpriced)

    @property
    def display(self) -> str:
        """`$0.0123`, `<$0.0001`, `unpriced`, or `≥$0.0123` where an unpriced part is missing."""
        if self.nano_usd is None:
            return "unpriced"
        return f"≥{display_usd(self.nano_usd, floor=True)}" if self.unpriced else display_usd(self.nano_usd)


@dataclass(frozen=True, slots=True)
class _Table:
    checked: date
    models: tuple[Model, ...]
    by_name: Mapping[str, Model]
    corrections: Mapping[str, str]
    speed: Mapping[str, Decimal]
    geo: Mapping[str, Decimal]


def all_models() -> tuple[Model, ...]:
    """Every known model, active ones first, retired ones included."""
    return _table().models


def prices_checked_on() -> date:
    """The day on which a person last compared the table with its sources."""
    return _table().checked


def prices_are_stale(today: date) -> bool:
    """Whether the table was last checked more than 90 days ago."""
    return (today - _table().checked).days > STALE_AFTER_DAYS


def find_model(name: str) -> Model | None:
    """The model meant by an id, an alias, a dated form or a provider's slug; None where it is not known.

    `anthropic/claude-opus-5.5`, `us.anthropic.claude-opus-4-6-v1:0` and `claude-haiku-4-5@20251001` are all known.
    """
    table = _table()
    wanted = table.corrections.get(name, name)
    return table.by_name.get(wanted) or table.by_name.get(_plain_id(wanted))


def resolve_model(name: str, today: date) -> ResolvedModel:
    """What to send for a name, with a sentence where the name is wrong, retired or about to retire.

    Only ids that never existed are replaced. All else is sent as given, since another endpoint may serve it.
    """
    sent = _table().corrections.get(name, name)
    model = find_model(sent)
    if sent != name:
        return ResolvedModel(sent, model, f"{name} is not a model id; {sent} is used instead.")
    return ResolvedModel(sent, model, _lifecycle_notice(model, today) if model else None)


def price_in_force(model_id: str, at: datetime, prompt_tokens: int) -> PriceRow | None:
    """The row that prices a prompt of this total length at this moment; None for a model with no price.

    A moment before the first list takes the first list: the clock is wrong then, not the price. `at` is aware;
    a list starts at midnight UTC.
    """
    model = find_model(model_id)
    if model is None or not model.prices:
        return None
    day = at.astimezone(UTC).date()
    starts = [row.valid_from for row in model.prices]
    in_force = max((start for start in starts if start <= day), default=min(starts))
    rows = [row for row in model.prices if row.valid_from == in_force]
    return max(
        (row for row in rows if prompt_tokens > row.above_prompt_tokens or row.above_prompt_tokens == 0),
        key=lambda row: row.above_prompt_tokens,
    )


def cost_of(
    model_id: str,
    usage: Usage,
    at: datetime,
    *,
    speed: str | None = None,
    geo: str | None = None,
    service_tier: str | None = None,
) -> Cost:
    """The cost of one request, exact to the nano-dollar (halves round up).

    `speed`, `geo` and `service_tier` are what the answer's usage says. A value this table does not know is charged as
    the dearest known one and marked estimated; so is the priority tier, whose contract price no usage tells.
    """
    row = price_in_force(model_id, at, usage.total_input_tokens)
    if row is None:
        return Cost.none_known()
    table = _table()
    speed_factor, speed_known = _factor(table.speed, speed)
    geo_factor, geo_known = _factor(table.geo, geo)
    factor = speed_factor * geo_factor
    paid = _scaled(_list_price(row, usage), factor)
    uncached = _scaled(usage.total_input_tokens * row.input + usage.output_tokens * row.output, factor)
    sure = (
        speed_known
        and geo_known
        and service_tier != "priority"
        and at.astimezone(UTC).date() >= row.valid_from
    )
    return Cost(paid, uncached - paid, row.id, usage.estimated or not sure)


def display_usd(nano_usd: int, *, floor: bool = False) -> str:
    """Nano-dollars as `$0.0123`; four decimals under ten dollars, two from there on, `<$0.0001` for a trace.

    `floor` rounds down, for a figure that is a lower bound.
    """
    sign, size = ("-", -nano_usd) if nano_usd < 0 else ("", nano_usd)
    if 0 < size < 50_000 and not floor:
        return f"{sign}<$0.0001"
    decimals = 4 if size < 9_999_950_000 else 2
    unit = 10 ** (9 - decimals)
    units = (size if floor else size + unit // 2) // unit
    whole, part = divmod(units, 10**decimals)
    return f"{sign}${whole:,}.{part:0{decimals}d}"


def _list_price(row: PriceRow, usage: Usage) -> int:
    return (
        usage.input_tokens * row.input
        + usage.cache_creation_5m_input_tokens * row.write_5m
        + usage.cache_creation_1h_input_tokens * row.write_1h
        + usage.cache_read_input_tokens * row.read
        + usage.output_tokens * row.output
    )


def _factor(known: Mapping[str, Decimal], name: str | None) -> tuple[Decimal, bool]:
    """The multiplier for a name, and whether the table knows it."""
    if not name:
        return Decimal(1), True
    return known.get(name, max(known.values())), name in known


def _scaled(nano: int, factor: Decimal) -> int:
    numerator, denominator = factor.as_integer_ratio()
    return (2 * nano * numerator + denominator) // (2 * denominator)


def _lifecycle_notice(model: Model, today: date) -> str | None:
    advice = f"choose {model.successor}" if model.successor else "choose another model"
    if model.is_retired(today):
        when = f" on {model.retires_at}" if model.retires_at else ""
        return f"{model.display_name} was retired{when}: {advice}."
    if model.lifecycle == "deprecated":
        return f"{model.display_name} retires on {model.retires_at}: {advice} before then."
    return None


def _plain_id(name: str) -> str:
    """A provider's slug without its vendor, version and date: `anthropic/claude-opus-5.5` -> `claude-opus-5-5`."""
    plain = name.strip().lower().rsplit("/", 1)[-1]
    plain = re.sub(r"^([a-z]+\.)?anthropic\.", "", plain)
    plain = re.sub(r"[:@].*$", "", plain)
    plain = re.sub(r"-v\d+$", "", plain)
    plain = re.sub(r"-(\d{8}|latest)$", "", plain)
    return re.sub(r"(?<=\d)\.(?=\d)", "-", plain)


@cache
def _table() -> _Table:
    """The parsed table; read once, at first use, and never changed."""
    text = Path(__file__).with_name("models.toml").read_text(encoding="utf-8")
    raw = tomllib.loads(text, parse_float=Decimal)
    models = tuple(_model(entry) for entry in raw["model"])
    by_name = {name: model for model in models for name in (model.id, *model.aliases)}
    speed = {name: Decimal(value) for name, value in raw["speed"].items()}
    geo = {name: Decimal(value) for name, value in raw["geo"].items()}
    return _Table(raw["checked"], models, by_name, raw["corrections"], speed, geo)


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
    suffix = f">{above}" if above else ""
    rates = {name: _nano_per_token(row[name]) for name in ("input", "output", "write_5m", "write_1h", "read")}
    return PriceRow(f"{model_id}@{row['from']}{suffix}", row["from"], above, **rates)


def _nano_per_token(usd_per_million: int | Decimal) -> int:
    nano = Decimal(usd_per_million) * 1000
    if nano != int(nano) or nano <= 0:
        raise ValueError(
            f"{usd_per_million} USD per million tokens is not a whole number of nano-dollars per token"
        )
    return int(nano)


@cache
def _flat_pricing() -> Mapping[str, Mapping[str, float]]:
    table = _table()
    named = dict(table.by_name)
    named.update({wrong: table.by_name[right] for wrong, right in table.corrections.items()})
    return MappingProxyType({name: _flat_row(model) for name, model in named.items() if model.prices})


def _flat_row(model: Model) -> Mapping[str, float]:
    newest = max(row.valid_from for row in model.prices)
    row = next(row for row in model.prices if row.valid_from == newest and row.above_prompt_tokens == 0)
    return MappingProxyType(
        {"input": row.input / 1000, "output": row.output / 1000, "cached_input": row.read / 1000}
    )


def __getattr__(name: str) -> Mapping[str, Mapping[str, float]]:
    """Build `MODEL_PRICING` at first use, so that importing this module reads no file."""
    if name == "MODEL_PRICING":
        return _flat_pricing()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
