"""One request as an entry of the JSON file of usage, and back; every field is checked by kind and range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.api.models import Cost
from cmt_lsp.api.surrogates import mend
from cmt_lsp.api.token_usage import LAST_MOMENT, TokenUsage
from cmt_lsp.api.usage_file import UsageFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

MOST_TOKENS = 10**12
MOST_NANO = 10**17
"""A hundred million dollars: no request costs that, and sums over many still fit 64 bits."""
_TEXT_LIMIT = 32_768
"""Characters; a workspace is a path."""

_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
LIVE = ("reserved", "streaming")
"""The states of a ledger's entry that is not settled."""
_NAMES = ("id", "turn", "window", "workspace")


def entry_of(session_id: str, request: TokenUsage) -> dict[str, Any]:
    """The entry of one request; the booked cost goes with it, what is not known is left out."""
    entry: dict[str, Any] = {"session": session_id}
    names = {name: getattr(request, name) for name in _NAMES}
    entry |= {name: value for name, value in names.items() if value is not None}
    entry |= {name: getattr(request, name) for name in _COUNTS}
    if request.thinking_tokens is not None:
        entry["thinking_tokens"] = request.thinking_tokens
    entry |= {"timestamp": request.timestamp, "estimated": request.estimated, "model": request.model}
    if request.booked is not None:
        entry["cost"] = cost_entry(request.booked)
    return entry


def cost_entry(cost: Cost) -> dict[str, Any]:
    """A booked cost in whole nano-dollars."""
    return {
        "nano_usd": cost.nano_usd,
        "saved_nano_usd": cost.saved_nano_usd,
        "price_row": cost.price_row,
        "estimated": cost.estimated,
        "unpriced": cost.unpriced,
    }


def request_of(entry: Mapping[str, Any]) -> tuple[str, TokenUsage]:
    """The session's id and the request; UsageFileError names the field that is wrong."""
    try:
        request = TokenUsage(
            input_tokens=field(entry, "input_tokens", count),
            output_tokens=field(entry, "output_tokens", count),
            cached_tokens=field(entry, "cached_tokens", count),
            cache_write_5m_tokens=field(entry, "cache_write_5m_tokens", count),
            cache_write_1h_tokens=field(entry, "cache_write_1h_tokens", count),
            thinking_tokens=optional(entry, "thinking_tokens", count),
            timestamp=field(entry, "timestamp", moment),
            estimated=field(entry, "estimated", flag),
            model=optional(entry, "model", text, must_be_there=True),
            booked=_cost(entry["cost"]) if "cost" in entry else None,
            id=optional(entry, "id", text),
            turn=optional(entry, "turn", text),
            window=optional(entry, "window", text),
            workspace=optional(entry, "workspace", text),
        )
    except BadParamsError as error:
        raise UsageFileError("input_tokens is less than its own parts") from error
    return field(entry, "session", text), request


def is_running(entry: Mapping[str, Any]) -> bool:
    """Whether a ledger had not settled the request when it was exported: it has no cost yet."""
    return entry.get("state") in LIVE


def _cost(found: object) -> Cost:
    if not isinstance(found, dict):
        raise UsageFileError("cost must be an object")
    return Cost(
        nano_usd=optional(found, "nano_usd", money, must_be_there=True),
        saved_nano_usd=optional(found, "saved_nano_usd", saving, must_be_there=True),
        price_row=optional(found, "price_row", text, must_be_there=True),
        estimated=field(found, "estimated", flag),
        unpriced=field(found, "unpriced", count),
    )


def field(entry: Mapping[str, Any], name: str, check: Callable[[object], T]) -> T:
    """A field that must be there; UsageFileError names it."""
    if name not in entry:
        raise UsageFileError(f"{name} is missing")
    try:
        return check(entry[name])
    except (ValueError, TypeError) as error:
        raise UsageFileError(f"{name} {error}") from error


def optional(
    entry: Mapping[str, Any], name: str, check: Callable[[object], T], *, must_be_there: bool = False
) -> T | None:
    """A field that may be null, and may be left out unless it `must_be_there`."""
    if entry.get(name) is None and (name in entry or not must_be_there):
        return None
    return field(entry, name, check)


def count(value: object) -> int:
    """A number of tokens or of things."""
    if type(value) is not int or not 0 <= value <= MOST_TOKENS:
        raise ValueError(f"must be a whole number from 0 to {MOST_TOKENS}")
    return value


def money(value: object) -> int:
    """Nano-dollars."""
    if type(value) is not int or not 0 <= value <= MOST_NANO:
        raise ValueError(f"must be a whole number of nano-dollars from 0 to {MOST_NANO}")
    return value


def saving(value: object) -> int:
    """Nano-dollars; negative for a loss."""
    if type(value) is not int or abs(value) > MOST_NANO:
        raise ValueError("must be a whole number of nano-dollars")
    return value


def moment(value: object) -> float:
    """Seconds since 1970."""
    if type(value) not in (int, float) or not 0 <= value <= LAST_MOMENT:  # type: ignore[operator]
        raise ValueError("must be a time in seconds since 1970")
    return float(value)  # type: ignore[arg-type]


def flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise TypeError("must be true or false")
    return value


def text(value: object) -> str:
    """A name or an id."""
    if not isinstance(value, str) or len(value) > _TEXT_LIMIT:
        raise ValueError(f"must be a text of at most {_TEXT_LIMIT} characters")
    return mend(value)
