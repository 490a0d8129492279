"""What a turn used and cost, in one line of words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.api.models import display_usd

if TYPE_CHECKING:
    from cmt_lsp.api.cache_manager import CacheVerdict
    from cmt_lsp.core.chatfile.answer import ChatTurn

_ENDINGS = {
    "end_turn": "",
    "stop_sequence": "",
    "cancelled": "stopped by you",
    "truncated": "cut off, the connection ended",
    "max_tokens": "cut off at the token limit",
    "model_context_window_exceeded": "cut off, the model's context is full",
    "refusal": "the model refused",
}
_STATES = {
    "hit": "cache hit",
    "partial": "cache partly missed",
    "miss": "cache missed",
    "off": "not cached",
    "below-minimum": "not cached",
}


def ending_words(stop_reason: str) -> str:
    """How an answer ended, where that is not as it should; else nothing."""
    return _ENDINGS.get(stop_reason, stop_reason.replace("_", " "))


def cache_words(cache: CacheVerdict) -> str:
    """What the prompt cache did and why it did no more, such as `cache missed: history changed, $0.0030 lost`."""
    why = "too short to cache" if cache.state == "below-minimum" else cache.cause
    told = f"{_STATES[cache.state]}: {why}" if why else _STATES[cache.state]
    return f"{told}, {display_usd(cache.lost_nano)} lost" if cache.lost_nano else told


def figures_line(turn: ChatTurn) -> str:
    """Tokens, price and cache of a turn, and how it ended where that matters."""
    usage = turn.usage
    about = "about " if usage.estimated else ""
    cached = f" ({usage.cache_read_input_tokens:,} cached)" if usage.cache_read_input_tokens else ""
    parts = [
        f"{about}{usage.total_input_tokens:,} tokens in{cached}, {usage.output_tokens:,} out",
        turn.cost.display,
        cache_words(turn.cache),
    ]
    return " · ".join(part for part in (ending_words(turn.stop_reason), *parts) if part)
