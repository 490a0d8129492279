"""AnthropicClient: direct access to the Messages API through the official SDK, and the only importer of it.

The SDK takes seconds to import, so it is loaded in the background and never at module import. Of it the low-level
request door is used: the helpers cost four times the CPU per delta and call a stream that was cut a success.
Everything the SDK would read from the environment is passed explicitly or dropped before sending; proxies and CA
files of the environment (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE) count for https endpoints, as every company network
needs them, and for nothing on this machine.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import ssl
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
from typing import Any

from cmt_lsp.api.classify import alone, error_from_exception, refusal_in
from cmt_lsp.api.clocks import Clocks
from cmt_lsp.api.diagnosis import Diagnosis
from cmt_lsp.api.endpoint import DEFAULT_ENDPOINT, check_endpoint, host_of, is_plain_http
from cmt_lsp.api.errors import BadAnswerError, MissingKeyError
from cmt_lsp.api.exchange import Exchange, Rules
from cmt_lsp.api.line import Line, Sdk, open_line, read_body
from cmt_lsp.api.message_batches import MessageBatches
from cmt_lsp.api.request import (
    ClientEvent,
    Completed,
    Gate,
    MessageRequest,
    Retrying,
    StreamChunk,
    WarmingUp,
    encode,
)
from cmt_lsp.api.retry import RetryPolicy
from cmt_lsp.api.secret import Credentials, Secret
from cmt_lsp.api.stream import ANSWER_LIMIT, TextDelta
from cmt_lsp.api.warm_up import WarmUp

__all__ = [
    "AnthropicClient",
    "ClientEvent",
    "Clocks",
    "Completed",
    "Credentials",
    "Gate",
    "MessageRequest",
    "RetryPolicy",
    "Retrying",
    "Secret",
    "StreamChunk",
    "WarmingUp",
]

DEFAULT_MAX_TOKENS = 16_000
"""Thinking counts against the limit, so a small one cuts answers short."""

_NO_SUCH_DOOR = (404, 405, 501)
_MODEL_PAGES = 10


class AnthropicClient:
    """One endpoint and its pooled connections, shared by all sessions of a process and usable from any event loop."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        auth_token: str | None = None,
        base_url: str | None = None,
        model: str | None = None,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        credentials: Callable[[], Credentials | None] | None = None,
        clocks: Clocks | None = None,
        retry: RetryPolicy | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """Costs nothing: no import, no thread, no connection.

        `credentials` is asked before every request. Without it the key or token given here counts; without any of
        them `ANTHROPIC_API_KEY` or `ANTHROPIC_AUTH_TOKEN`, and only then `ANTHROPIC_BASE_URL` as well, since an
        address of one source must not get the key of another. Raises BadParamsError for an address that cannot be
        used and AuthError for a malformed key.
        """
        given = credentials is not None or api_key is not None or auth_token is not None
        if base_url is None and not given:
            base_url = os.environ.get("ANTHROPIC_BASE_URL")
        self.endpoint = check_endpoint(base_url if base_url is not None else DEFAULT_ENDPOINT)
        self.host = host_of(self.endpoint)
        self.model = model
        self.max_tokens = max_tokens
        fixed = _fixed_credentials(api_key, auth_token) if given else None
        self._credentials = credentials or (lambda: fixed if given else _environment_credentials())
        self._rules = Rules(self.host, clocks or Clocks(), retry or RetryPolicy(), rng or random.Random())
        self._sdk = WarmUp(lambda: _load_sdk(self.endpoint))
        self._lines: dict[asyncio.AbstractEventLoop, Line] = {}
        self.diagnosis = Diagnosis(own=self.host == host_of(DEFAULT_ENDPOINT))
        """Whether requests ask this endpoint why its cache was missed; who sends them adds the question."""

    def warm_up(self) -> None:
        """Start importing the SDK in a daemon thread; later calls do nothing."""
        self._sdk.begin()

    @property
    def ready(self) -> bool:
        """True once a request need not wait for the SDK."""
        return self._sdk.ready

    def stream(
        self, request: MessageRequest, gate: Gate | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[ClientEvent]]:
        """Ask the model; the events end with one Completed, or a CmtError whose `partial` holds what had come.

        Retries before anything was shown, telling so with Retrying. `gate` is asked before every attempt. Leaving
        the context, or cancelling the task in it, closes the connection at once.
        """
        return self._stream(request, gate)

    async def send_message(
        self,
        messages: Sequence[Mapping[str, Any]],
        system: str | Sequence[Mapping[str, Any]] | None = None,
        stream: bool = True,
        model: str | None = None,
        max_tokens: int | None = None,
    ) -> AsyncGenerator[StreamChunk, None]:
        """Yield the answer in chunks as it comes, the last one empty and final; not streamed: one final chunk.

        The final chunk's metadata: `model`, `message_id`, `request_id`, `stop_reason`, `complete`, `retries`,
        `content` and the token counts `input_tokens` (the whole prompt), `output_tokens`, `cached_tokens`.
        """
        request = MessageRequest(
            model=model or self.model or _default_model(),
            max_tokens=max_tokens or self.max_tokens,
            messages=messages,
            system=system,
        )
        async with self.stream(request) as events:
            async for event in events:
                if isinstance(event, TextDelta) and stream:
                    yield StreamChunk(event.text, {}, is_final=False)
                elif isinstance(event, Completed):
                    text = "" if stream else event.message.text
                    yield StreamChunk(text, _metadata(event), is_final=True)

    async def send_message_simple(
        self,
        prompt: str,
        conversation_history: Sequence[Mapping[str, Any]] | None = None,
        system: str | Sequence[Mapping[str, Any]] | None = None,
    ) -> tuple[str, int, int, int]:
        """Ask once and wait: (text, tokens of the whole prompt, output tokens, tokens read from the cache)."""
        messages = [*(conversation_history or []), {"role": "user", "content": prompt}]
        async with aclosing(self.send_message(messages, system, stream=False)) as chunks:
            async for chunk in chunks:
                told = chunk.metadata
                return chunk.content, told["input_tokens"], told["output_tokens"], told["cached_tokens"]
        raise BadAnswerError(f"{self.host} gave no answer; try again.")

    async def count_tokens(self, request: MessageRequest) -> int | None:
        """Tokens of the prompt by the endpoint's own count, or None where it has no such door."""
        told = await self._fetch("POST", "/v1/messages/count_tokens", encode(request.counted_body()))
        count = told.get("input_tokens") if told else None
        return count if isinstance(count, int) and count >= 0 else None

    async def list_models(self) -> list[dict[str, Any]] | None:
        """What the endpoint says of its models, each with an `id`, or None where it has no such list."""
        models: list[dict[str, Any]] = []
        after = ""
        for _ in range(_MODEL_PAGES):
            page = await self._fetch("GET", f"/v1/models?limit=1000{after}", b"")
            listed = page.get("data") if page else None
            if page is None or not isinstance(listed, list):
                return models or None
            models += [m for m in listed if isinstance(m, dict) and isinstance(m.get("id"), str)]
            if page.get("has_more") is not True or not isinstance(page.get("last_id"), str):
                break
            after = f"&after_id={page['last_id']}"
        return models

    @property
    def batches(self) -> MessageBatches:
        """The Message Batches API, over the same connections and with the same key."""
        return MessageBatches(self.host, self._rules.clocks, self._current_credentials, self._line)

    async def aclose(self) -> None:
        """Close this event loop's connections; the client may be used again afterwards."""
        line = self._lines.pop(asyncio.get_running_loop(), None)
        if line is not None:
            await line.aclose()

    @asynccontextmanager
    async def _stream(
        self, request: MessageRequest, gate: Gate | None
    ) -> AsyncIterator[AsyncIterator[ClientEvent]]:
        async with aclosing(self._events(request, gate)) as events:
            yield events

    async def _events(self, request: MessageRequest, gate: Gate | None) -> AsyncGenerator[ClientEvent, None]:
        if not self.ready:
            self.warm_up()
            yield WarmingUp()
        body = encode(request.body(stream=True))
        send = partial((await self._line()).send, "POST", "/v1/messages")
        exchange = Exchange(self._rules, request, body, self._current_credentials, send, gate)
        async with aclosing(exchange.events()) as events:
            async for event in events:
                yield event

    async def _fetch(self, method: str, path: str, body: bytes) -> dict[str, Any] | None:
        """The JSON object behind a small door, or None where the endpoint has no such door."""
        line = await self._line()
        credentials = self._current_credentials()
        try:
            async with asyncio.timeout(self._rules.clocks.first_byte):
                response = await line.send(method, path, credentials, body)
                return _json_object(await read_body(response, ANSWER_LIMIT))
        except Exception as exc:  # noqa: BLE001 - every failure becomes one typed error
            refusal = refusal_in(exc)
            failure = error_from_exception(exc, self.host, time.time())
        if refusal is not None and refusal.status in _NO_SUCH_DOOR:
            return None
        raise alone(failure, credentials)

    def _current_credentials(self) -> Credentials:
        credentials = self._credentials()
        if credentials is None or not (credentials.api_key or credentials.auth_token):
            raise MissingKeyError(
                "No API key is configured.",
                hint="Set ANTHROPIC_API_KEY, or store a key.",
                command="cmt.auth.set",
            )
        return credentials

    async def _line(self) -> Line:
        """This event loop's connections, opened at first use; those of loops that ended are forgotten."""
        try:
            sdk = await self._sdk.result()
        except Exception as exc:  # noqa: BLE001 - a broken installation is a typed error as well
            failure = error_from_exception(exc, self.host, time.time())
        else:
            loop = asyncio.get_running_loop()
            for ended in [known for known in self._lines if known.is_closed()]:
                del self._lines[ended]
            if loop not in self._lines:
                self._lines[loop] = open_line(sdk, self.endpoint, self._rules.clocks, weakref.ref(self))
            return self._lines[loop]
        raise failure


def _load_sdk(endpoint: str) -> Sdk:
    """Import the SDK and pay in advance what the first request would pay; runs in a thread."""
    noise = os.environ.pop(
        "ANTHROPIC_LOG", None
    )  # it would log whole prompts to stderr, and is read at import
    try:
        import anthropic
        import httpx2
    finally:
        if noise is not None:
            os.environ["ANTHROPIC_LOG"] = noise
    for name in ("anthropic", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)  # below it they tell prompts and addresses
    # A bare context trusts nobody and loads no certificates, which takes 30 ms; plain http needs none.
    plain = is_plain_http(endpoint)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if plain else httpx2.create_ssl_context(trust_env=True)
    sdk = Sdk(anthropic, httpx2, tls)
    asyncio.run(_rehearse(sdk))
    return sdk


async def _rehearse(sdk: Sdk) -> None:
    """Send one request to nowhere, through every layer but the socket: each does part of its work at first use."""
    import anyio.lowlevel
    import anyio.streams.tls
    import httpcore2

    answer = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    backend = httpcore2.AsyncMockBackend([answer])
    async with httpcore2.AsyncConnectionPool(ssl_context=sdk.tls, network_backend=backend) as pool:
        await pool.request("POST", "http://localhost/", content=b"{}")
    await anyio.lowlevel.checkpoint()
    transport = sdk.httpx2.MockTransport(lambda _request: sdk.httpx2.Response(200, content=b"{}"))
    line = open_line(sdk, DEFAULT_ENDPOINT, Clocks(), lambda: sdk, transport)
    nobody = Credentials(Secret("rehearsal"), None, "rehearsal")
    for method in ("POST", "GET"):
        await read_body(await line.send(method, "/v1/messages", nobody, b"{}"), ANSWER_LIMIT)
    await line.aclose()


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        decoded = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None


def _fixed_credentials(api_key: str | None, auth_token: str | None) -> Credentials:
    return Credentials(
        Secret(api_key) if api_key else None, Secret(auth_token) if auth_token else None, "argument"
    )


def _environment_credentials() -> Credentials:
    return _fixed_credentials(os.environ.get("ANTHROPIC_API_KEY"), os.environ.get("ANTHROPIC_AUTH_TOKEN"))


def _default_model() -> str:
    from cmt_lsp.api.models import DEFAULT_MODEL

    return DEFAULT_MODEL


def _metadata(end: Completed) -> dict[str, Any]:
    message, usage = end.message, end.message.usage
    return {
        "model": message.model,
        "message_id": message.id,
        "request_id": end.request_id,
        "stop_reason": message.stop_reason,
        "complete": message.complete,
        "retries": end.retries,
        "content": message.content,
        "input_tokens": usage.total_input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cache_read_input_tokens,
    }
