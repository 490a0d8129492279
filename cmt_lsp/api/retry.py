"""When to try again and how long to wait: plain functions of the failure and the time spent."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from cmt_lsp.api.errors import CmtError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request that showed nothing yet is tried; times in seconds."""

    attempts: int = 3
    base: float = 0.5
    """The first wait is random between 0 and this; the ceiling doubles from wait to wait."""
    cap: float = 8.0
    """Ceiling of a wait that the endpoint did not ask for."""
    retry_after_limit: float = 60.0
    """Longest wait the endpoint may ask for; a longer one fails at once and says when to come back."""
    total: float = 60.0
    """No new attempt once this much has been waited, or once the attempts took this long."""


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds the endpoint asks to wait, or None where it does not say so in a usable way.

    `headers` by lower-case name; `now` in seconds since the epoch, for the header's date form. Garbage, NaN,
    infinities, zero and the past count as nothing said.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        told = headers.get(name)
        if told is None:
            continue
        seconds = _number(told, unit)
        if seconds is None and name == "retry-after":
            seconds = _until_date(told, now)
        if seconds is not None and seconds > 0:
            return seconds
    return None


def _number(told: str, unit: float) -> float | None:
    try:
        value = float(told) * unit
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _until_date(told: str, now: float) -> float | None:
    try:
        return parsedate_to_datetime(told).timestamp() - now
    except (ValueError, OverflowError, OSError):
        return None


def wait_before_retry(
    policy: RetryPolicy, error: CmtError, *, attempt: int, waited: float, elapsed: float, rng: random.Random
) -> float | None:
    """Seconds to wait before the next attempt, or None to give up.

    `attempt` counts from 1 and is the one that failed; `waited` is the sum of the waits so far and `elapsed` the
    time since the first attempt began, in seconds. Full jitter, because windows that fail together would
    otherwise come back together.
    """
    if attempt >= policy.attempts or not error.retryable or elapsed >= policy.total:
        return None
    if error.retry_after is not None:
        delay = error.retry_after
        if delay > policy.retry_after_limit:
            return None
    else:
        delay = rng.uniform(0.0, min(policy.cap, policy.base * 2.0 ** (attempt - 1)))
    return delay if waited + delay <= policy.total else None


def come_back_in(seconds: float) -> str:
    """A wait in words: "40 seconds", "25 minutes", "24 hours"."""
    for size, unit in ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute")):
        if seconds >= 2 * size:
            return f"{math.ceil(seconds / size)} {unit}s"
    count = max(1, math.ceil(seconds))
    return f"{count} second{'' if count == 1 else 's'}"
