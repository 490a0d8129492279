"""Token usage in the API's own classes.

The API's `input_tokens` excludes cached tokens: the whole prompt is plain input plus cache writes plus cache
reads. Nothing is ever subtracted from `input_tokens`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt or a sum of several; all counts are at least zero."""

    input_tokens: int = 0
    cache_creation_5m_input_tokens: int = 0
    cache_creation_1h_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int | None = None
    """Part of `output_tokens`, known only where the endpoint tells."""
    estimated: bool = False
    """True where any figure is this program's estimate and not the endpoint's word."""

    @property
    def cache_creation_input_tokens(self) -> int:
        """Tokens written to the cache, both lifetimes."""
        return self.cache_creation_5m_input_tokens + self.cache_creation_1h_input_tokens

    @property
    def total_input_tokens(self) -> int:
        """The whole prompt."""
        return self.input_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens

    @property
    def total_tokens(self) -> int:
        """The whole prompt and the whole answer."""
        return self.total_input_tokens + self.output_tokens

    @property
    def hit_ratio(self) -> float:
        """Share of the prompt that was read from the cache, 0 to 1."""
        total = self.total_input_tokens
        return self.cache_read_input_tokens / total if total else 0.0

    def __add__(self, other: Usage) -> Usage:
        thinking = None
        if self.thinking_tokens is not None or other.thinking_tokens is not None:
            thinking = (self.thinking_tokens or 0) + (other.thinking_tokens or 0)
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cache_creation_5m_input_tokens + other.cache_creation_5m_input_tokens,
            self.cache_creation_1h_input_tokens + other.cache_creation_1h_input_tokens,
            self.cache_read_input_tokens + other.cache_read_input_tokens,
            self.output_tokens + other.output_tokens,
            thinking,
            self.estimated or other.estimated,
        )
