"""What the simulator saw, request by request, readable and awaitable from any thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field, replace
from typing import Any

MESSAGES_PATH = "/v1/messages"


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request and what became of it; times are the simulator's clock, in seconds.

    `outcome`: `open` while it is being answered, then `complete`, `refused` (an error status), `peer_closed`
    (the client left first), or the act of the fault that ended it. `stalled` is true while a fault holds it.
    `usage` is the exact charge, for a broken answer that of what had been sent; None when nothing was charged.
    """

    index: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    received_at: float
    size: int = 0
    request_id: str | None = None
    message_id: str | None = None
    status: int | None = None
    outcome: str = "open"
    stalled: bool = False
    usage: Mapping[str, Any] | None = None
    sent_bytes: int = 0
    sent_events: int = 0
    text_sent: str = ""
    finished_at: float | None = None
    closed_at: float | None = None


Predicate = Callable[[list[RecordedRequest]], RecordedRequest | None]


@dataclass(slots=True)
class _Waiter:
    predicate: Predicate
    future: Future[RecordedRequest] = field(default_factory=Future)


class Journal:
    """All requests in the order they came; every change wakes whoever waits for it."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._records: list[RecordedRequest] = []
        self._waiters: list[_Waiter] = []

    def snapshot(self) -> list[RecordedRequest]:
        """A copy of all records."""
        with self._lock:
            return list(self._records)

    def add(self, make: Callable[[int], RecordedRequest]) -> int:
        """Append a record made for its index, and return the index."""
        with self._lock:
            index = len(self._records)
            self._records.append(make(index))
            self._wake()
            return index

    def update(self, index: int, **changes: Any) -> None:
        """Replace fields of one record."""
        with self._lock:
            self._records[index] = replace(self._records[index], **changes)
            self._wake()

    def _wake(self) -> None:
        """Settle the waiters that are satisfied; their futures run no code of theirs under the lock."""
        for waiter in list(self._waiters):
            found = waiter.predicate(self._records)
            if found is not None:
                self._waiters.remove(waiter)
                if waiter.future.set_running_or_notify_cancel():
                    waiter.future.set_result(found)

    def when(self, predicate: Predicate) -> Future[RecordedRequest]:
        """A future of the first record the predicate finds, now or later."""
        waiter = _Waiter(predicate)
        with self._lock:
            self._waiters.append(waiter)
            self._wake()
        return waiter.future

    def wait(self, predicate: Predicate, within: float, claim: str) -> RecordedRequest:
        """Block this thread until the predicate finds a record; TimeoutError names the claim."""
        future = self.when(predicate)
        try:
            return future.result(within)
        except FutureTimeout:
            future.cancel()
            raise TimeoutError(f"{claim}: not within {within} s") from None

    async def wait_async(self, predicate: Predicate, within: float, claim: str) -> RecordedRequest:
        """The same for coroutines, on any event loop."""
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self.when(predicate)), within)
        except TimeoutError:
            raise TimeoutError(f"{claim}: not within {within} s") from None


def nth(n: int, path: str | None, holds: Callable[[RecordedRequest], bool]) -> Predicate:
    """The nth request (from 0) to a path (None: any), once something holds of it."""

    def predicate(records: list[RecordedRequest]) -> RecordedRequest | None:
        chosen = [r for r in records if path is None or r.path == path] if path is not None else records
        return chosen[n] if n < len(chosen) and holds(chosen[n]) else None

    return predicate
