"""Warmth: what of a session the prompt cache still holds, and what losing it would cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.models import price_in_force

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmt_lsp.api.cache_manager import SentPrompt
    from cmt_lsp.core.cache.evidence import CachedTurn


@dataclass(frozen=True, slots=True)
class Warmth:
    """A session's prefix in the cache of one model, warm or gone cold."""

    session_id: str
    model: str
    tokens: int
    expires_at: float
    """Seconds since the epoch, at the earliest."""
    cold_cost_nano: int | None
    """What the next question costs more where the prefix is cold; None without a price."""

    def is_warm(self, now: float) -> bool:
        """Whether the cache holds it at this moment."""
        return now < self.expires_at


def warmth_of(
    session_id: str,
    turns: Sequence[CachedTurn],
    model: str,
    prefix: str,
    now: float,
    last_sent: SentPrompt | None = None,
) -> Warmth | None:
    """The warmth of a session under a model, by its last turn that was cached there; None where none was.

    `prefix` names what stands before the turns now: what was cached under another one can no longer be read. `last_sent`
    is what this process knows of the session's last request, which may be a later one that only warmed the cache, even
    before the first turn.
    """
    own = [turn for turn in turns if turn.model == model and turn.cache.expires_at is not None]
    if turns and (not own or own[-1].prefix != prefix):
        return None
    tokens, expires_at, total = 0, 0.0, 0
    if own:
        last = own[-1]
        tokens, expires_at = last.cached_tokens, last.cache.expires_at or 0.0
        total = last.usage.total_input_tokens
    if last_sent is not None and last_sent.expires_at is not None and last_sent.fingerprint.model == model:
        tokens, expires_at = max(tokens, last_sent.cached_tokens), max(expires_at, last_sent.expires_at)
    if not tokens:
        return None
    row = price_in_force(model, datetime.fromtimestamp(now, UTC), max(total, tokens))
    cold_cost = None if row is None else tokens * (row.write_5m - row.read)
    return Warmth(session_id, model, tokens, expires_at, cold_cost)
