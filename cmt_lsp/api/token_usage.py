"""TokenUsage: the tokens of one request as scripts see them, and what it cost.

Here `input_tokens` is the whole prompt and `cached_tokens` the part read from the cache. The API's own field of the
first name leaves cached tokens out; `TokenUsage.from_usage` converts, and nothing is ever counted twice.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.api.models import cost_of
from cmt_lsp.api.usage import Usage

if TYPE_CHECKING:
    from cmt_lsp.api.models import Cost

LAST_MOMENT = 253_402_214_400
"""The last day of the year 9999 in seconds since 1970; no zone carries it past the end of the calendar."""
_NANO = 10**9


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one request, or a sum; raises BadParamsError when the cached part is larger than the prompt."""

    input_tokens: int = 0
    """The whole prompt: plain, read from the cache and written to it."""
    output_tokens: int = 0
    cached_tokens: int = 0
    """Read from the cache."""
    timestamp: float = field(default_factory=time.time)
    """Seconds since 1970; chooses the price list and the day."""
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    estimated: bool = False
    model: str | None = None
    booked: Cost | None = None
    """The cost as it was recorded; a later price table does not change it."""
    thinking_tokens: int | None = None
    """Part of `output_tokens`, where the endpoint told."""
    id: str | None = None
    """Of the attempt in the ledger; the same request is never counted twice there."""
    turn: str | None = None
    window: str | None = None
    workspace: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be, such as the API's own `input_tokens` beside its cache reads."""
        if not 0 <= self.timestamp <= LAST_MOMENT:
            raise BadParamsError("timestamp is no time in seconds since 1970: use time.time()")
        counts = (
            self.thinking_tokens or 0,
            self.output_tokens,
            self.cached_tokens,
            self.cache_write_5m_tokens,
            self.cache_write_1h_tokens,
        )
        if (
            min(counts) < 0
            or self.non_cached_input_tokens < self.cache_write_5m_tokens + self.cache_write_1h_tokens
        ):
            raise BadParamsError(
                "input_tokens is the whole prompt, cache reads and writes included, and no count is negative: "
                "use TokenUsage.from_usage for the API's own figures"
            )

    @classmethod
    def from_usage(
        cls,
        usage: Usage,
        *,
        at: datetime,
        model: str | None = None,
        booked: Cost | None = None,
        turn: str | None = None,
        window: str | None = None,
        workspace: str | None = None,
    ) -> TokenUsage:
        """The same request in these terms; `at` is aware."""
        return cls(
            input_tokens=usage.total_input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cache_read_input_tokens,
            timestamp=at.timestamp(),
            cache_write_5m_tokens=usage.cache_creation_5m_input_tokens,
            cache_write_1h_tokens=usage.cache_creation_1h_input_tokens,
            estimated=usage.estimated,
            model=model,
            booked=booked,
            thinking_tokens=usage.thinking_tokens,
            turn=turn,
            window=window,
            workspace=workspace,
        )

    @property
    def total_tokens(self) -> int:
        """Prompt and answer."""
        return self.input_tokens + self.output_tokens

    @property
    def non_cached_input_tokens(self) -> int:
        """The prompt without what was read from the cache."""
        return self.input_tokens - self.cached_tokens

    @property
    def usage(self) -> Usage:
        """The same counts in the API's classes."""
        written = self.cache_write_5m_tokens + self.cache_write_1h_tokens
        return Usage(
            input_tokens=self.non_cached_input_tokens - written,
            cache_creation_5m_input_tokens=self.cache_write_5m_tokens,
            cache_creation_1h_input_tokens=self.cache_write_1h_tokens,
            cache_read_input_tokens=self.cached_tokens,
            output_tokens=self.output_tokens,
            thinking_tokens=self.thinking_tokens,
            estimated=self.estimated,
        )

    def cost(self, model: str | None = None) -> Cost:
        """What was booked, or with a model named: what this request costs with it at its own time."""
        if model is None and self.booked is not None:
            return self.booked
        return cost_of(model or self.model or "", self.usage, datetime.fromtimestamp(self.timestamp, UTC))

    def calculate_cost(self, model: str | None = None) -> float | None:
        """USD of this one request; None where the model has no known price, which is not the same as nothing."""
        nano = self.cost(model).nano_usd
        return None if nano is None else nano / _NANO
