"""Every model's price, limits and lifecycle, read from one dated table, and the cost of a request in whole numbers.

Money is a whole number of nano-dollars. One dollar per million tokens is 1000 nano-dollars per token, so each list
price is exact and a sum never drifts. A model with no known price is unpriced; it never costs zero. The person's own
price list comes before the table's; both are read at first use.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from cmt_lsp.api.model_table import Model as Model  # one place to look for all that is known of a model
from cmt_lsp.api.model_table import packaged_table
from cmt_lsp.api.own_prices import OwnModel, OwnPrices, read_own_prices
from cmt_lsp.api.price_list import OWN_FILE, PriceRow, list_in_force, row_for
from cmt_lsp.api.user_dir import user_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from cmt_lsp.api.usage import Usage

DEFAULT_MODEL = "claude-sonnet-5-5"
STALE_AFTER_DAYS = 90

MODEL_PRICING: Mapping[str, Mapping[str, float]]
"""USD per million tokens by model id, newest list, shortest prompts: `input`, `output`, `cached_input`. For display and
for scripts; the cost of a request comes from `cost_of`, which knows dates, tiers and cache writes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Tokens of a model's prompt and answer together, and of its longest answer; None where nobody says."""

    context_window: int | None
    max_output: int | None


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


def all_models() -> tuple[Model, ...]:
    """Every model of the packaged table, active ones first, retired ones included."""
    return packaged_table().models


def own_models() -> tuple[str, ...]:
    """Every name in the person's own price list."""
    return tuple(_own().models)


def unlisted_models() -> tuple[str, ...]:
    """Those of them that no packaged model goes by."""
    table = packaged_table()
    return tuple(name for name in own_models() if name not in table.by_name and name not in table.corrections)


def prices_checked_on() -> date:
    """The day on which a person last compared the table with its sources."""
    return packaged_table().checked


def prices_are_stale(today: date) -> bool:
    """Whether the table was last checked more than 90 days ago."""
    return (today - packaged_table().checked).days > STALE_AFTER_DAYS


def price_notices(today: date | None = None) -> tuple[str, ...]:
    """What is wrong with the prices, a sentence each: rows of the person's list that are not used, an old table."""
    day = today or datetime.now(UTC).date()
    if not prices_are_stale(day):
        return _own().notices
    old = (
        f"The price table was last checked on {prices_checked_on()}: update cmt-lsp, or put newer prices into "
        f"{_own().path}."
    )
    return (*_own().notices, old)


def find_model(name: str) -> Model | None:
    """The model meant by an id, an alias, a dated form or a provider's slug; None where it is not known.

    `anthropic/claude-opus-5.5`, `us.anthropic.claude-opus-4-6-v1:0` and `claude-haiku-4-5@20251001` are all known.
    """
    table = packaged_table()
    wanted = table.corrections.get(name, name)
    return table.by_name.get(wanted) or table.by_name.get(_plain_id(wanted))


def resolve_model(name: str, today: date) -> ResolvedModel:
    """What to send for a name, with a sentence where the name is wrong, retired or about to retire.

    Only ids that never existed are replaced. All else is sent as given, since another endpoint may serve it.
    """
    sent = packaged_table().corrections.get(name, name)
    model = find_model(sent)
    if sent != name:
        return ResolvedModel(sent, model, f"{name} is not a model id; {sent} is used instead.")
    return ResolvedModel(sent, model, _lifecycle_notice(model, today) if model else None)


def model_to_price(asked: str, answered: str | None) -> str:
    """Whose price a request has: the model that answered, since a name may stand for a newer one.

    The name that was asked for stands where the person's own list prices it, and where nobody knows the other one.
    """
    if answered is None or asked in _own().models:
        return asked
    return answered if answered in _own().models or find_model(answered) else asked


def limits_of(model_id: str) -> Limits:
    """The limits of a model; what the person's own list says comes first."""
    own, model = _own_model(model_id), find_model(model_id)
    window, longest = (own.context_window, own.max_output) if own else (None, None)
    if model is None:
        return Limits(window, longest)
    return Limits(window or model.context_window, longest or model.max_output)


def price_in_force(model_id: str, at: datetime, prompt_tokens: int) -> PriceRow | None:
    """The row that prices a prompt of this total length at this moment; None for a model with no price.

    A moment before the first list takes the first list: the clock is wrong then, not the price. `at` is aware;
    a list starts at midnight UTC. The person's own rows come first.
    """
    return row_for(prices_in_force(model_id, at), prompt_tokens)


def prices_in_force(model_id: str, at: datetime) -> tuple[PriceRow, ...]:
    """The whole list of a model at a moment, a row for each tier, shortest prompts first."""
    own, model = _own_model(model_id), find_model(model_id)
    day = at.astimezone(UTC).date()
    rows = list_in_force(own.prices if own else (), model.prices if model else (), day)
    return tuple(sorted(rows, key=lambda row: row.above_prompt_tokens))


def cost_of(
    model_id: str,
    usage: Usage,
    at: datetime,
    *,
    speed: str | None = None,
    geo: str | None = None,
    service_tier: str | None = None,
    batch: bool = False,
) -> Cost:
    """The cost of one request's tokens, exact to the nano-dollar (halves round up).

    `speed`, `geo` and `service_tier` are what the answer's usage says. A value that this table does not know, or not
    of this model, is charged as the dearest known one and marked estimated; so is the priority tier, whose contract
    price no usage tells. A `batch` costs half, also where only the tier says that it was one.
    """
    row = price_in_force(model_id, at, usage.total_input_tokens)
    if row is None:
        return Cost.none_known()
    table, model = packaged_table(), find_model(model_id)
    speed_factor, speed_known = _factor(table.speed, speed, offered=model is not None and model.fast)
    geo_factor, geo_known = _factor(table.geo, geo, offered=model is not None and model.us_inference)
    factor = speed_factor * geo_factor * (table.batch if batch or service_tier == "batch" else 1)
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


def _factor(known: Mapping[str, Decimal], name: str | None, *, offered: bool) -> tuple[Decimal, bool]:
    """The multiplier for a name, and whether the table knows it of a model that is `offered` at other than 1."""
    if not name:
        return Decimal(1), True
    factor = known.get(name, max(known.values()))
    return factor, name in known and (offered or factor == 1)


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
def _own() -> OwnPrices:
    """The person's own list; read once, at first use."""
    return read_own_prices(user_dir(os.environ) / OWN_FILE)


def _own_model(name: str) -> OwnModel | None:
    """What the person's own list says of a name: under just this name, else under any id of the model it means."""
    own = _own().models
    if not own or name in own:
        return own.get(name)
    model = find_model(name)
    wrong = [
        bad for bad, meant in packaged_table().corrections.items() if model and find_model(meant) is model
    ]
    names = (model.id, *model.aliases, *wrong) if model else ()
    return next((own[known] for known in names if known in own), None)


@cache
def _flat_pricing() -> Mapping[str, Mapping[str, float]]:
    table = packaged_table()
    named = {**table.by_name, **{wrong: table.by_name[right] for wrong, right in table.corrections.items()}}
    rows = {name: _newest_row(name) for name in (*named, *_own().models)}
    return MappingProxyType({name: _flat_row(row) for name, row in rows.items() if row})


def _newest_row(name: str) -> PriceRow | None:
    return price_in_force(name, datetime.max.replace(tzinfo=UTC), 0)


def _flat_row(row: PriceRow) -> Mapping[str, float]:
    return MappingProxyType(
        {"input": row.input / 1000, "output": row.output / 1000, "cached_input": row.read / 1000}
    )


def __getattr__(name: str) -> Mapping[str, Mapping[str, float]]:
    """Build `MODEL_PRICING` at first use, so that importing this module reads no file."""
    if name == "MODEL_PRICING":
        return _flat_pricing()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
