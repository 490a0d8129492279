"""The person's own price list: rows of `prices.toml` that come before those of the package.

A row that is wrong is left out with one sentence that names the file, the row and what to do; the good rows stand.
Nothing here raises for what a person wrote.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_CEILING, Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.price_list import PriceRow, row_id

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ALWAYS = date(1970, 1, 1)
"""The first day of a row that names none."""

_FILE_LIMIT = 1024 * 1024
_RATES = ("input", "output", "write_5m", "write_1h", "read")
_FIELDS = ("model", *_RATES, "from", "above", "context_window", "max_output")
_LOWEST, _HIGHEST = Decimal("0.001"), Decimal(1000)
"""USD per million tokens. Below the first one a price was given per token, and nothing sold costs the second."""
_WRITE_5M, _WRITE_1H = Decimal("1.25"), 2
"""Times plain input: what Anthropic asks for every model."""
_MOST_TOKENS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class OwnModel:
    """What the person's file says of one model; limits in tokens, None where it says nothing."""

    prices: tuple[PriceRow, ...]
    context_window: int | None = None
    max_output: int | None = None


@dataclass(frozen=True, slots=True)
class OwnPrices:
    """The good rows of the file by the model's name as it is written there, and a sentence for each bad one."""

    path: Path
    models: Mapping[str, OwnModel] = field(default_factory=lambda: MappingProxyType({}))
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row that is good by itself, with its place in the file."""

    label: str
    model: str
    price: PriceRow
    context_window: int | None
    max_output: int | None


def read_own_prices(path: Path) -> OwnPrices:
    """Read the file; no file is no rows."""
    notices: list[str] = []
    entries = _with_a_base(_once_each(_good_rows(_read(path, notices), path, notices), notices), notices)
    by_model: dict[str, list[_Entry]] = {}
    for entry in entries:
        by_model.setdefault(entry.model, []).append(entry)
    models = {name: _own_model(found) for name, found in by_model.items()}
    return OwnPrices(path, MappingProxyType(models), tuple(notices))


def _read(path: Path, notices: list[str]) -> Mapping[str, Any]:
    try:
        return tomllib.loads(_text(path), parse_float=_number)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        why = (error.strerror if isinstance(error, OSError) else str(error)) or "it cannot be read"
        notices.append(f"{path} is not used: {why}; mend or remove it.")
        return {}


def _number(text: str) -> Decimal:
    """As it is written; what no Decimal can hold is no number, and costs its row."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return Decimal("NaN")


def _text(path: Path) -> str:
    if path.exists() and not path.is_file():  # opening a pipe would wait for its writer
        raise OSError(0, "it is no regular file")
    with path.open("rb") as handle:
        text = handle.read(_FILE_LIMIT + 1)
    if len(text) > _FILE_LIMIT:
        raise ValueError("it is over a megabyte")
    return text.decode("utf-8-sig")


def _good_rows(document: Mapping[str, Any], path: Path, notices: list[str]) -> Iterable[_Entry]:
    rows = document.get("price", [])
    strange = [name for name in document if name != "price" or not isinstance(rows, list)]
    notices += [
        f"{path}: {_shown(name)} is not used: write each row under a line [[price]]." for name in strange
    ]
    if not isinstance(rows, list):
        return
    for number, row in enumerate(rows, 1):
        label = f"{path}: row {number}"
        try:
            yield _entry(label, row)
        except (ValueError, TypeError) as error:
            named = row.get("model") if isinstance(row, dict) else None
            about = f" ({_shown(named)})" if isinstance(named, str) and named else ""
            notices.append(f"{label}{about} is not used: {error}.")


def _entry(label: str, row: object) -> _Entry:
    """One row; ValueError or TypeError says what is wrong with it and what to write."""
    if not isinstance(row, dict):
        raise TypeError("it has no fields; write model, input and output")
    if unknown := [name for name in row if name not in _FIELDS]:
        raise ValueError(f"{_shown(unknown[0])} is no field of a row; the fields are {', '.join(_FIELDS)}")
    model = _model_name(row.get("model"))
    since, above = _day(row.get("from")), _tokens("above", row.get("above", 0), least=0) or 0
    return _Entry(
        label=f"{label} ({model})",
        model=model,
        price=PriceRow(row_id(model, since, above, own=True), since or ALWAYS, above, *_rates(row), own=True),
        context_window=_tokens("context_window", row.get("context_window")),
        max_output=_tokens("max_output", row.get("max_output")),
    )


def _rates(row: Mapping[str, Any]) -> tuple[int, int, int, int, int]:
    """Input, output, writes for 5 minutes and 1 hour, and read, in nano-dollars per token, rounded up.

    What is left out follows from `input`. A read without a price costs what plain input does: how much a cache takes
    off differs from model to model, and a cost that is too high breaks no budget.
    """
    told = {name: _rate(name, row[name]) for name in _RATES if name in row}
    for name in ("input", "output"):
        if name not in told:
            raise ValueError(f"{name} is missing; write it in USD per million tokens")
    plain = told["input"]
    return (
        _nano_per_token(plain),
        _nano_per_token(told["output"]),
        _nano_per_token(told.get("write_5m", plain * _WRITE_5M)),
        _nano_per_token(told.get("write_1h", plain * _WRITE_1H)),
        _nano_per_token(told.get("read", plain)),
    )


def _rate(name: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise TypeError(f"{name} must be a number, without quotes; write USD per million tokens")
    price = Decimal(value)
    if not price.is_finite() or not (price == 0 or _LOWEST <= price <= _HIGHEST):
        raise ValueError(
            f"{name} must be 0 or between {_LOWEST} and {_HIGHEST}; write USD per million tokens"
        )
    return price


def _nano_per_token(usd_per_million: Decimal) -> int:
    return int((usd_per_million * 1000).to_integral_value(ROUND_CEILING))


def _model_name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise ValueError("model is missing; write the id that requests name")
    if any(sign.isspace() or not sign.isprintable() for sign in value):
        raise ValueError("model must be an id without spaces; write the one that requests name")
    return value


def _day(value: object) -> date | None:
    if value is None:
        return None
    if isinstance(value, datetime) or not isinstance(value, date) or value < ALWAYS:
        raise ValueError("from must be a day; write it like 2026-11-01, without quotes")
    return value


def _tokens(name: str, value: object, *, least: int = 1) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST_TOKENS:
        raise ValueError(f"{name} must be a whole number of tokens; write one from {least} to {_MOST_TOKENS}")
    return value


def _once_each(entries: Iterable[_Entry], notices: list[str]) -> list[_Entry]:
    seen: set[tuple[str, date, int]] = set()
    kept = []
    for entry in entries:
        key = (entry.model, entry.price.valid_from, entry.price.above_prompt_tokens)
        if key in seen:
            notices.append(
                f"{entry.label} is not used: a row above has the same model, from and above; remove one of them."
            )
            continue
        seen.add(key)
        kept.append(entry)
    return kept


def _with_a_base(entries: list[_Entry], notices: list[str]) -> list[_Entry]:
    """Without the tiers of lists that have no price for short prompts."""
    bases = {(one.model, one.price.valid_from) for one in entries if not one.price.above_prompt_tokens}
    notices += [
        f"{one.label} is not used: no good row of the same model and day is without above; add it."
        for one in entries
        if (one.model, one.price.valid_from) not in bases
    ]
    return [one for one in entries if (one.model, one.price.valid_from) in bases]


def _own_model(entries: Iterable[_Entry]) -> OwnModel:
    """A limit may stand in any row of its model; the last one counts."""
    context_window = max_output = None
    prices = []
    for entry in entries:
        prices.append(entry.price)
        context_window = entry.context_window or context_window
        max_output = entry.max_output or max_output
    return OwnModel(tuple(prices), context_window, max_output)


def _shown(text: object) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in str(text))[:60]
