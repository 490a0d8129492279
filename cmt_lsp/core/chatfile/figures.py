"""What a turn used and cost, in one line of words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.api.models import display_usd

if TYPE_CHECKING:
    from cmt_lsp.api.cache_manager import CacheVerdict
    from cmt_lsp.core.chatfile.answer import TurnFigures

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


def figures_line(figures: TurnFigures) -> str:
    """Tokens, price and cache of a turn, and how it ended where that matters."""
    usage = figures.usage
    about = "about " if usage.estimated else ""
    cached = f" ({usage.cache_read_input_tokens:,} cached)" if usage.cache_read_input_tokens else ""
    parts = [
        f"{about}{usage.total_input_tokens:,} tokens in{cached}, {usage.output_tokens:,} out",
        figures.cost.display,
        cache_words(figures.cache),
    ]
    return " · ".join(part for part in (ending_words(figures.stop_reason), *parts) if part)


def figures_table(figures: TurnFigures) -> str:
    """The same in full, as Markdown."""
    usage, cache, cost = figures.usage, figures.cache, figures.cost
    rows = [
        ("read from the cache", usage.cache_read_input_tokens),
        ("written to the cache for 5 minutes", usage.cache_creation_5m_input_tokens),
        ("written to the cache for an hour", usage.cache_creation_1h_input_tokens),
        ("not cached", usage.input_tokens),
        ("**prompt**", usage.total_input_tokens),
        ("**answer**", usage.output_tokens),
        ("of it thinking", usage.thinking_tokens or 0),
    ]
    table = [f"| {name} | {tokens:,} |" for name, tokens in rows if tokens]
    about = " (an estimate)" if usage.estimated or cost.estimated else ""
    told = [f"Cost: {cost.display}{about}", f"Prompt cache: {cache_words(cache)}", *_cache_details(cache)]
    ending = ending_words(figures.stop_reason)
    seconds = [] if figures.total_ms is None else [f"Time: {figures.total_ms / 1000:.1f} s"]
    facts = [f"Model: {figures.model}", *([f"Ending: {ending}"] if ending else []), *told, *seconds]
    return "\n".join(["| tokens | |", "| --- | ---: |", *table, "", *(f"- {fact}" for fact in facts)])


def _cache_details(cache: CacheVerdict) -> list[str]:
    """Beside the verdict: what caching saved, what the endpoint says, and why the prompt was marked as it was."""
    details = []
    if cache.saved_nano:
        word = "saved" if cache.saved_nano > 0 else "cost more than it saved:"
        details.append(f"Caching {word} {display_usd(abs(cache.saved_nano))}")
    if cache.told_cause:
        details.append(f"The endpoint says: {cache.told_cause}")
    if cache.reason:
        details.append(f"Why so: {cache.reason}")
    return details
