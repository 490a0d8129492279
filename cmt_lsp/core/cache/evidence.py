"""CachedTurn: what a settled turn tells of the prompt cache, and what its tokens cost by class; no text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.models import price_in_force

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cmt_lsp.api.cache_manager import CacheVerdict
    from cmt_lsp.api.price_list import PriceRow
    from cmt_lsp.api.usage import Usage
    from cmt_lsp.core.records import TurnRecord

EXPIRED = "expired"
FIRST = "first request in this session"


@dataclass(frozen=True, slots=True)
class CachedTurn:
    """One turn in numbers; see `TurnRecord` for the fields."""

    id: str
    session_id: str
    seq: int
    model: str
    prefix: str
    started_at: float
    usage: Usage
    cache: CacheVerdict

    @property
    def cached_tokens(self) -> int:
        """What the turn left in the cache or kept there."""
        return self.cache.read_tokens + self.cache.written_tokens

    @property
    def cause(self) -> str | None:
        """The cause of a miss without its figures: `expired`, not `expired (idle 812 s)`."""
        return None if self.cache.cause is None else self.cache.cause.split(" (", 1)[0]

    @property
    def was_answered_at_once(self) -> bool:
        """Whether all that it used is its last attempt's, which the verdict is about."""
        told = (self.cache.read_tokens, self.cache.written_tokens)
        return told == (self.usage.cache_read_input_tokens, self.usage.cache_creation_input_tokens)

    @property
    def context_tokens(self) -> int:
        """What the next question sends again: prompt and answer, the thinking left out."""
        prompt = self.usage.total_input_tokens if self.was_answered_at_once else self.cached_tokens
        return prompt + self.usage.output_tokens - (self.usage.thinking_tokens or 0)

    @property
    def price(self) -> PriceRow | None:
        """The list that priced it; None where the model has no price."""
        at = datetime.fromtimestamp(self.started_at, UTC)
        return price_in_force(self.model, at, self.usage.total_input_tokens)


def seen(turn: TurnRecord) -> CachedTurn:
    """A turn's record without its texts."""
    return CachedTurn(
        turn.id,
        turn.session_id,
        turn.seq,
        turn.model,
        turn.prefix,
        turn.started_at,
        turn.usage,
        turn.cache,
    )


def prompt_nano(row: PriceRow, usage: Usage) -> int:
    """The list price of a prompt, the answer left out."""
    return (
        usage.input_tokens * row.input
        + usage.cache_creation_5m_input_tokens * row.write_5m
        + usage.cache_creation_1h_input_tokens * row.write_1h
        + usage.cache_read_input_tokens * row.read
    )


def by_session(turns: Iterable[CachedTurn]) -> dict[str, tuple[CachedTurn, ...]]:
    """Each session's turns in their order."""
    found: dict[str, list[CachedTurn]] = {}
    for turn in turns:
        found.setdefault(turn.session_id, []).append(turn)
    return {key: tuple(sorted(some, key=lambda turn: turn.seq)) for key, some in found.items()}
