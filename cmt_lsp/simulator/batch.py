"""One batch of the simulated service: requests that are answered as time passes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

LIFETIME = 24 * 3600.0
"""Seconds a batch may take; what is not answered by then expires."""
KEPT = 29 * 24 * 3600.0
"""Seconds after its creation for which a batch's results can be read."""

Answers = Callable[[str, Any], dict[str, Any]]
"""The result of one request by its custom id and params: what a line of the results holds under `result`."""


class Batch:
    """Moves on only when it is looked at, by the clock alone: what is seen does not depend on how often one looks."""

    def __init__(
        self, batch_id: str, requests: Sequence[tuple[str, Any]], now: float, answer: Answers
    ) -> None:
        """`now` in seconds; every request is answered by `answer` when its turn comes, in order."""
        self.id = batch_id
        self._requests = requests
        self._answer = answer
        self._created_at = self._seen_at = now
        self._credit = 0.0  # requests that the time since the last look allows for
        self._results: list[dict[str, Any]] = []
        self._last = len(requests)
        self._cancelled_at: float | None = None
        self._ended_at: float | None = None

    @property
    def ended(self) -> bool:
        """Whether every request has its result, as of the last look."""
        return self._ended_at is not None

    def look(self, now: float, rate: float) -> None:
        """Let the time since the last look pass, at `rate` requests a second."""
        expires_at = self._created_at + LIFETIME
        until = min(now, expires_at)
        if self.ended or until < self._seen_at:
            return
        self._credit += math.inf if rate == math.inf else rate * (until - self._seen_at)
        self._seen_at = until
        while self._credit >= 1 and len(self._results) < self._last:
            custom_id, params = self._requests[len(self._results)]
            self._results.append(_line(custom_id, self._answer(custom_id, params)))
            self._credit -= 1
        if len(self._results) == self._last:
            left_over = 0.0 if rate in (0.0, math.inf) else self._credit / rate
            self._end(until - min(left_over, until - self._created_at))
        elif now >= expires_at:
            self._end(expires_at)

    def cancel(self) -> None:
        """Begin no further request; the one that is under way is still answered."""
        if self._cancelled_at is None and not self.ended:
            self._cancelled_at = self._seen_at
            self._last = min(self._last, len(self._results) + 1)

    def archived(self, now: float) -> bool:
        """Whether the results are gone."""
        return now >= self._created_at + KEPT

    def describe(self, now: float, results_url: str) -> dict[str, Any]:
        """The batch object of the API, as of the last look."""
        readable = self.ended and not self.archived(now)
        return {
            "id": self.id, "type": "message_batch",
            "processing_status": "ended" if self.ended else "in_progress" if self._cancelled_at is None else "canceling",
            "request_counts": self._counts(),
            "created_at": _moment(self._created_at), "expires_at": _moment(self._created_at + LIFETIME),
            "ended_at": _moment(self._ended_at), "cancel_initiated_at": _moment(self._cancelled_at),
            "archived_at": _moment(self._created_at + KEPT if self.archived(now) else None),
            "results_url": results_url if readable else None,
        }  # fmt: skip

    def results(self) -> list[dict[str, Any]]:
        """The lines of the results, in an order that is not that of the requests."""
        middle = len(self._results) // 2
        return self._results[middle:] + self._results[:middle]

    def _end(self, at: float) -> None:
        """Give the requests whose turn never came a result too."""
        self._ended_at = at
        kind = "expired" if self._cancelled_at is None else "canceled"
        for custom_id, _ in self._requests[len(self._results) :]:
            self._results.append(_line(custom_id, {"type": kind}))

    def _counts(self) -> dict[str, int]:
        """All requests count as processing until the whole batch has ended."""
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        if not self.ended:
            return {**counts, "processing": len(self._requests)}
        for line in self._results:
            counts[line["result"]["type"]] += 1
        return counts


def _line(custom_id: str, result: dict[str, Any]) -> dict[str, Any]:
    return {"custom_id": custom_id, "result": result}


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
