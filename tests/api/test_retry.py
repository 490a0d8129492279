"""When the client tries again, and how long it waits."""

from __future__ import annotations

import random
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmt_lsp.api.errors import NetworkError, PaymentError, RateLimitedError
from cmt_lsp.api.retry import RetryPolicy, come_back_in, retry_after, wait_before_retry

NOW = 1_800_000_000.0


def wait(
    error: Exception | None = None,
    *,
    attempt: int = 1,
    waited: float = 0.0,
    elapsed: float = 0.1,
    after: float | None = None,
) -> float | None:
    failure = error or NetworkError("x", retry_after=after)
    assert isinstance(failure, NetworkError | PaymentError | RateLimitedError)
    return wait_before_retry(
        RetryPolicy(), failure, attempt=attempt, waited=waited, elapsed=elapsed, rng=random.Random(7)
    )


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "86400"}, 86400.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "NaN"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e400"}, None),
        ({"retry-after": "Thu, 99 Foo 2026"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after(headers, NOW) == expected


@given(st.text(), st.text())
def test_no_header_breaks_the_reading(ms: str, seconds: str) -> None:
    told = retry_after({"retry-after-ms": ms, "retry-after": seconds}, NOW)

    assert told is None or 0 < told < float("inf")


def test_the_wait_is_random_up_to_a_ceiling_that_doubles() -> None:
    rng = random.Random(1)
    for attempt, ceiling in ((1, 0.5), (2, 1.0), (5, 8.0), (9, 8.0)):
        waits = [
            wait_before_retry(
                RetryPolicy(attempts=10), NetworkError("x"), attempt=attempt, waited=0, elapsed=0, rng=rng
            )
            for _ in range(400)
        ]
        known = [w for w in waits if w is not None]
        assert len(known) == 400
        assert 0 <= min(known) < ceiling * 0.05
        assert ceiling * 0.95 < max(known) <= ceiling


def test_the_endpoints_wait_is_kept_up_to_a_minute_and_not_beyond() -> None:
    assert wait(after=2.0) == 2.0
    assert wait(after=60.0) == 60.0
    assert wait(after=60.1) is None


def test_attempts_time_and_kind_end_the_retries() -> None:
    assert wait(attempt=2) is not None
    assert wait(attempt=3) is None
    assert wait(elapsed=60.0) is None
    assert wait(after=40.0, waited=30.0) is None
    assert wait(PaymentError("x")) is None
    assert wait(RateLimitedError("x", retryable=False)) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (40, "40 seconds"), (1500, "25 minutes"), (86_400, "24 hours"), (400_000, "5 days")],
)
def test_a_long_wait_is_told_in_words(seconds: float, words: str) -> None:
    assert come_back_in(seconds) == words
