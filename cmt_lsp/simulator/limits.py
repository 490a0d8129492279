"""The rate limit headers: what is left of this minute's allowance, counted but never enforced."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

ALLOWANCE = {"requests": 4_000, "input-tokens": 2_000_000, "output-tokens": 400_000}
"""Per minute. Tokens read from the cache do not count."""

WINDOW = 60.0


class RateLimits:
    """Counts requests and tokens in windows of a minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` returns seconds since the epoch."""
        self._clock = clock
        self._window = 0
        self._used = dict.fromkeys(ALLOWANCE, 0)

    def book(self, *, input_tokens: int = 0, output_tokens: int = 0, requests: int = 0) -> None:
        """Count what was used."""
        self._turn()
        self._used["requests"] += requests
        self._used["input-tokens"] += input_tokens
        self._used["output-tokens"] += output_tokens

    def _turn(self) -> None:
        window = int(self._clock() // WINDOW)
        if window != self._window:
            self._window = window
            self._used = dict.fromkeys(ALLOWANCE, 0)

    def headers(self) -> list[tuple[str, str]]:
        """The headers of one answer."""
        self._turn()
        reset = datetime.fromtimestamp((self._window + 1) * WINDOW, UTC).isoformat().replace("+00:00", "Z")
        left = {name: max(0, allowed - self._used[name]) for name, allowed in ALLOWANCE.items()}
        rows = {name: (ALLOWANCE[name], left[name]) for name in ALLOWANCE}
        rows["tokens"] = (
            ALLOWANCE["input-tokens"] + ALLOWANCE["output-tokens"], left["input-tokens"] + left["output-tokens"],
        )  # fmt: skip
        return [
            (f"anthropic-ratelimit-{name}-{field}", value)
            for name, (limit, remaining) in rows.items()
            for field, value in (("limit", str(limit)), ("remaining", str(remaining)), ("reset", reset))
        ]
