"""What a turn used and cost, in one line of words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.api.models import display_usd

if TYPE_CHECKING:
    from cmt_lsp.api.cache_manager import CacheVerdict
    from cmt_lsp.api.usage import Usage
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


def figures_in_full(figures: TurnFigures, *, markdown: bool) -> str:
    """The same in full: tokens by class, then one line for each other fact."""
    rows = [(name, f"{tokens:,}") for name, tokens in _tokens(figures.usage) if tokens]
    if markdown:
        table = ["| tokens | |", "| --- | ---: |", *(f"| {name} | {tokens} |" for name, tokens in rows), ""]
        return "\n".join([*table, *(f"- {fact}" for fact in _facts(figures))])
    return "\n".join([*(f"{tokens} tokens {name}" for name, tokens in rows), *_facts(figures)])


def _tokens(usage: Usage) -> list[tuple[str, int]]:
    return [
        ("in the prompt", usage.total_input_tokens),
        ("of it read from the cache", usage.cache_read_input_tokens),
        ("of it written to the cache for 5 minutes", usage.cache_creation_5m_input_tokens),
        ("of it written to the cache for an hour", usage.cache_creation_1h_input_tokens),
        ("of it not cached", usage.input_tokens),
        ("in the answer", usage.output_tokens),
        ("of it thinking", usage.thinking_tokens or 0),
    ]


def _facts(figures: TurnFigures) -> list[str]:
    about = " (an estimate)" if figures.usage.estimated or figures.cost.estimated else ""
    ending = ending_words(figures.stop_reason)
    return [
        f"Model: {figures.model}",
        *([f"Ending: {ending}"] if ending else []),
        f"Cost: {figures.cost.display}{about}",
        f"Prompt cache: {cache_words(figures.cache)}",
        *_cache_details(figures.cache),
        f"Time: {figures.total_ms / 1000:.1f} s",
    ]


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
