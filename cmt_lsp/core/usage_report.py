"""Recorded turns as the token tracker counts them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.token_tracker import TokenTracker, TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cmt_lsp.core.transcripts import MoneyRow


def tracker_of(rows: Iterable[MoneyRow]) -> TokenTracker:
    """A tracker that holds every turn with the cost it was booked at."""
    tracker = TokenTracker()
    for session_id, model, started_at, usage, cost in rows:
        moment = datetime.fromtimestamp(started_at, UTC)
        tracker.add(session_id, TokenUsage.from_usage(usage, at=moment, model=model, booked=cost))
    return tracker
