"""What the next question's prefix costs in one model and in another: the price of a switch, told before it is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.models import display_usd, find_model, price_in_force

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmt_lsp.api.price_list import PriceRow
    from cmt_lsp.core.cache.warmth import Warmth


@dataclass(frozen=True, slots=True)
class Prefix:
    """What the next question of a session carries before its own words, and what is warm of it by model."""

    model: str
    tokens: int
    """Question, answer and all before them, as the session's model counted them."""
    warm: Mapping[str, Warmth]
    caching: bool
    at: float


@dataclass(frozen=True, slots=True)
class Switch:
    """Prices of one prefix in nano-dollars; None where a price is not known."""

    tokens: int
    cold_nano: int | None
    """In the model that is looked at, with nothing of it cached there."""
    stay_nano: int | None
    """In the session's own model, with its cache as it is now."""
    difference_nano: int | None
    """What the question costs more there than here, with what each model has cached; negative where it is less."""
    note: str


def switch_to(model: str, prefix: Prefix) -> Switch:
    """The price of going on in a model, with the session's own as the one to leave."""
    cold = _nano(model, prefix, None)
    there = _nano(model, prefix, prefix.warm.get(model))
    stay = _nano(prefix.model, prefix, prefix.warm.get(prefix.model))
    difference = None if there is None or stay is None else there - stay
    return Switch(prefix.tokens, cold, stay, difference, _note(model, prefix, cold))


def losing_nano(model: str, prefix: Prefix) -> int:
    """What a switch loses: writing in the other model what could have been read there, had it been cached as here."""
    left = prefix.warm.get(prefix.model)
    row = _row(model, prefix)
    if model == prefix.model or model in prefix.warm or left is None or row is None:
        return 0
    return min(left.tokens, prefix.tokens) * (_writing(row, model, prefix) - row.read)


def _note(model: str, prefix: Prefix, cold: int | None) -> str:
    """One sentence for a list of models."""
    if model == prefix.model:
        warm = prefix.warm.get(model)
        return "This session's model, warm." if warm else "This session's model, cold."
    if cold is None:
        return "Its price is not known."
    if model in prefix.warm:
        return f"{prefix.warm[model].tokens:,} tokens of this session are still warm there."
    if lost := losing_nano(model, prefix):
        return f"Losing the cache costs {display_usd(lost)} once."
    return "There is no cache to lose."


def _nano(model: str, prefix: Prefix, warm: Warmth | None) -> int | None:
    row = _row(model, prefix)
    if row is None:
        return None
    read = min(warm.tokens, prefix.tokens) if warm is not None else 0
    return read * row.read + (prefix.tokens - read) * _writing(row, model, prefix)


def _writing(row: PriceRow, model: str, prefix: Prefix) -> int:
    """The rate of what is not read: written where it is cached at all."""
    known = find_model(model)
    cached = prefix.caching and (known is None or prefix.tokens >= known.cache_minimum)
    return row.write_5m if cached else row.input


def _row(model: str, prefix: Prefix) -> PriceRow | None:
    return price_in_force(model, datetime.fromtimestamp(prefix.at, UTC), prefix.tokens)
