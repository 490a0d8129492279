"""One request and its retries: attempts until one shows something, then its answer to the end."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from cmt_lsp.api.attempt import Attempt, Response
from cmt_lsp.api.classify import alone, error_from_exception, refusal_in
from cmt_lsp.api.clocks import AttemptClock, Clocks
from cmt_lsp.api.errors import BadAnswerError, Billed, CmtError, NetworkError
from cmt_lsp.api.request import (
    ClientEvent,
    Completed,
    Gate,
    MessageRequest,
    Retrying,
    asks_for_long_lived_cache,
    encode,
)
from cmt_lsp.api.retry import RetryPolicy, wait_before_retry
from cmt_lsp.api.secret import Credentials
from cmt_lsp.api.stream import Message, MessageFold


@dataclass(frozen=True, slots=True)
class Rules:
    """What an exchange goes by, the same for all of a client."""

    host: str
    clocks: Clocks
    retry: RetryPolicy
    rng: random.Random


class Exchange:
    """Runs the attempts of one request; iterate `events` once."""

    def __init__(
        self,
        rules: Rules,
        request: MessageRequest,
        body: bytes,
        credentials: Callable[[], Credentials],
        send: Callable[[Credentials, bytes, Callable[[], None]], Awaitable[Response]],
        gate: Gate | None,
    ) -> None:
        """`body` is the encoded request; `credentials` is asked before every attempt; `send` as Attempt's, with them."""
        self._rules = rules
        self._request = request
        self._body = body
        self._credentials = credentials
        self._send = send
        self._gate = gate or _OpenGate(request.max_tokens)
        self._began = time.monotonic()
        self._waited = 0.0
        self._number = 0

    async def events(self) -> AsyncGenerator[ClientEvent, None]:
        """The events of the answer, of the last attempt's at least; ends with Completed or raises CmtError."""
        while True:
            fold = MessageFold(long_lived_writes=asks_for_long_lived_cache(self._body))
            credentials = self._credentials()
            attempt = self._attempt(fold, credentials, await self._admitted())
            try:
                await attempt.open()
                while (events := await attempt.read()) is not None:
                    for event in events:
                        yield event
                yield self._completed(fold, attempt.request_id)
            except Exception as exc:  # noqa: BLE001 - every failure becomes one typed error
                failure = error_from_exception(exc, self._rules.host, time.time())
                failure.billed = _billed(fold, attempt, exc)
            else:
                return
            finally:
                await attempt.aclose()
            # Raised here, outside the handler, a failure drags no frames along that hold the key or the prompt.
            retrying = self._next(alone(failure, credentials, attempt.request_id), fold)
            yield retrying
            await asyncio.sleep(retrying.delay)

    async def _admitted(self) -> bytes:
        """The body of the next attempt, once it may leave."""
        self._number += 1
        limit = await self._gate.admit(self._number)
        if limit == self._request.max_tokens:
            return self._body
        return encode(replace(self._request, max_tokens=limit).body(stream=True))

    def _attempt(self, fold: MessageFold, credentials: Credentials, body: bytes) -> Attempt:
        clock = AttemptClock(self._rules.clocks, self._rules.host)
        departed = partial(self._gate.departed, self._number)
        return Attempt(partial(self._send, credentials), body, fold, clock, departed)

    def _completed(self, fold: MessageFold, request_id: str | None) -> Completed:
        if not (fold.complete or fold.has_content):
            raise NetworkError(f"{self._rules.host} ended the answer before it began; try again.")
        return Completed(_closed(fold), request_id, self._number - 1)

    def _next(self, failure: CmtError, fold: MessageFold) -> Retrying:
        """What to do after a failed attempt: announce the next one, or raise the failure."""
        failure.partial = _closed(fold) if fold.started else None
        delay = None if fold.has_content else self._delay(failure)
        if delay is None:
            raise failure
        self._waited += delay
        usage = failure.partial.usage if failure.partial else None
        return Retrying(
            self._number, self._rules.retry.attempts, delay, failure.message, usage, failure.billed
        )

    def _delay(self, failure: CmtError) -> float | None:
        return wait_before_retry(
            self._rules.retry,
            failure,
            attempt=self._number,
            waited=self._waited,
            elapsed=time.monotonic() - self._began,
            rng=self._rules.rng,
        )


class _OpenGate:
    """Lets every attempt leave as it was asked for."""

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens

    async def admit(self, _number: int) -> int:
        return self._max_tokens

    def departed(self, _number: int) -> None:
        pass


def _billed(fold: MessageFold, attempt: Attempt, exc: Exception) -> Billed:
    """What an attempt that ended with this exception may have cost; a response that is no success costs nothing.

    A web page is no answer that began.
    """
    if fold.started:
        return "told"
    if attempt.begun and not isinstance(exc, BadAnswerError):
        return "begun"
    return "unknown" if attempt.departed and refusal_in(exc) is None else "nothing"


def _closed(fold: MessageFold) -> Message:
    """The message so far; one that its endpoint did not close is truncated, whatever it said before."""
    message = fold.snapshot()
    return message if message.complete else replace(message, stop_reason="truncated")
