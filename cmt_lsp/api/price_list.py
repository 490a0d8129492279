"""Price rows: what one model charges for each class of tokens, from a day on, for prompts over a length."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

OWN_FILE = "prices.toml"
"""Where a person writes prices; the ids of its rows begin with it."""
_ROW_ID = re.compile(rf"(?:{re.escape(OWN_FILE)}:)?(?P<model>.+?)(?:@\d{{4}}-\d\d-\d\d)?(?:>\d+)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One price list of one model for prompts over one length; rates are nano-dollars per token.

    `id` goes with every attempt that it priced. `own` marks a row of the person's own file.
    """

    id: str
    valid_from: date
    above_prompt_tokens: int
    input: int
    output: int
    write_5m: int
    write_1h: int
    read: int
    own: bool = False


def row_id(model: str, since: date | None, above: int, *, own: bool = False) -> str:
    """`claude-haiku-5-5@2026-10-07>100000`, or `prices.toml:my-model` for a row of one's own without a day."""
    tier = f">{above}" if above else ""
    return f"{f'{OWN_FILE}:' if own else ''}{model}{f'@{since}' if since else ''}{tier}"


def model_of_row(identity: str) -> str:
    """The model in the id of a price row."""
    found = _ROW_ID.fullmatch(identity)
    return found["model"] if found else identity


def list_in_force(own: Sequence[PriceRow], packaged: Sequence[PriceRow], day: date) -> tuple[PriceRow, ...]:
    """The rows that price this day, one for each tier; empty only where there is no row at all.

    A list is all rows of one date, and replaces the older ones whole. The person's own lists come before packaged ones
    from their first day on. A day before every list takes the first one: the clock is wrong then, not the price.
    """
    return _newest(own, day) or _newest(packaged, day) or _first(packaged) or _first(own)


def row_for(rows: Iterable[PriceRow], prompt_tokens: int) -> PriceRow | None:
    """The row of a list that prices a whole prompt of this length; a threshold is not itself over."""
    fitting = [row for row in rows if prompt_tokens > row.above_prompt_tokens or row.above_prompt_tokens == 0]
    return max(fitting, key=lambda row: row.above_prompt_tokens, default=None)


def _newest(rows: Iterable[PriceRow], day: date) -> tuple[PriceRow, ...]:
    started = [row for row in rows if row.valid_from <= day]
    newest = max((row.valid_from for row in started), default=None)
    return tuple(row for row in started if row.valid_from == newest)


def _first(rows: Sequence[PriceRow]) -> tuple[PriceRow, ...]:
    first = min((row.valid_from for row in rows), default=None)
    return tuple(row for row in rows if row.valid_from == first)
