"""What a question's pins mean for the person who asks: what is left out, and what a changed file costs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.models import display_usd, price_in_force

if TYPE_CHECKING:
    from cmt_lsp.api.cache_manager import CacheManager, PlannedPrompt, SentPrompt
    from cmt_lsp.api.models import Model
    from cmt_lsp.core.context.pins import Pinned


def pin_notices(
    pinned: Pinned,
    prompt: PlannedPrompt,
    cache: CacheManager,
    previous: SentPrompt | None,
    model: Model | None,
) -> tuple[str, ...]:
    """A sentence for each pin that is missing or was cut, and one for the files that changed."""
    if not pinned.changed:
        return pinned.notices
    lost = _lost_tokens(prompt, cache, previous, model)
    since = "they were" if len(pinned.changed) > 1 else "it was"
    told = f"{' and '.join(pinned.changed)} changed since {since} last sent{_price(lost, prompt, model)}."
    return (*pinned.notices, told)


def _lost_tokens(
    prompt: PlannedPrompt, cache: CacheManager, previous: SentPrompt | None, model: Model | None
) -> int:
    """What the last request left in the cache and this one cannot read; 0 where it has expired anyway."""
    if previous is None or model is None or previous.fingerprint.model != model.id:
        return 0
    if previous.expires_at is None or previous.expires_at <= prompt.planned_at:
        return 0
    return max(0, previous.cached_tokens - cache.expected(prompt)[0])


def _price(lost: int, prompt: PlannedPrompt, model: Model | None) -> str:
    row = price_in_force(model.id, datetime.fromtimestamp(prompt.planned_at, UTC), lost) if model else None
    if not lost:
        return "; no cache is lost by it"
    told = f", so that {lost:,} cached tokens are lost"
    if row is None:
        return told
    writing = {None: row.input, "5m": row.write_5m, "1h": row.write_1h}[prompt.lifetime]
    return f"{told}: this question costs {display_usd(lost * (writing - row.read))} more"
