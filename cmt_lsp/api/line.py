"""One event loop's connections to one endpoint: what is sent, what is refused, when they close.

The SDK and its HTTP library are handed in as loaded modules; this file imports neither.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from cmt_lsp import __version__
from cmt_lsp.api.attempt import Response
from cmt_lsp.api.classify import REFUSAL_LIMIT, RefusedError
from cmt_lsp.api.clocks import Clocks
from cmt_lsp.api.endpoint import is_plain_http
from cmt_lsp.api.errors import BadAnswerError
from cmt_lsp.api.secret import Credentials

API_VERSION = "2026-10-21"
"""What the SDK of version 2 speaks; sent explicitly, so that the environment cannot change it."""

_CONNECTIONS = 64
_KEPT_ALIVE = 60.0
"""Seconds an idle connection is kept; the next question often comes within a minute."""
_SENT_HEADERS = ("accept", "anthropic-version", "x-api-key", "authorization")
_BODY_HEADERS = ("content-type", "content-length")
_USER_AGENT = f"cmt-lsp/{__version__}"


@dataclass(frozen=True, slots=True)
class Sdk:
    """The loaded libraries and the certificates, which take their time as well."""

    anthropic: Any
    httpx2: Any
    tls: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Line:
    """One event loop's SDK object over one connection pool."""

    sdk: Sdk
    door: Any
    keeper: asyncio.Task[None]

    async def aclose(self) -> None:
        """Close the connections."""
        self.keeper.cancel()
        await asyncio.wait({self.keeper})

    async def send(
        self,
        method: str,
        path: str,
        credentials: Credentials,
        body: bytes,
        departs: Callable[[], None] = lambda: None,
    ) -> Response:
        """Send and return the streamed response; raises what the libraries raise, RefusedError in it.

        `departs` is called as the first byte of the body is handed to a connection.
        """
        call = self.door.get if method == "GET" else self.door.post
        content = {} if method == "GET" else {"content": _leaving(body, departs)}
        response = await call(
            path,
            cast_to=self.sdk.httpx2.Response,
            stream=True,
            stream_cls=self.sdk.anthropic.AsyncStream,
            options={"headers": self._headers(body, credentials)},
            **content,
        )
        return cast("Response", response)

    def _headers(self, body: bytes, credentials: Credentials) -> dict[str, Any]:
        """Every header that is sent, so that nothing of the environment stands in for a missing one."""
        return {
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "anthropic-version": API_VERSION,
            "authorization": self.sdk.anthropic.Omit(),
            **credentials.headers(),
        }


def open_line(
    sdk: Sdk, endpoint: str, clocks: Clocks, owner: Callable[[], object | None], transport: Any = None
) -> Line:
    """Connections of the running event loop, kept until closed, or the loop ends, or `owner()` is None.

    `transport` stands in for the network.
    """
    http = sdk.httpx2.AsyncClient(
        verify=sdk.tls,
        trust_env=not is_plain_http(endpoint),
        transport=transport,
        follow_redirects=False,
        timeout=sdk.httpx2.Timeout(None, connect=clocks.connect, pool=clocks.first_byte),
        limits=sdk.httpx2.Limits(max_connections=_CONNECTIONS, keepalive_expiry=_KEPT_ALIVE),
        event_hooks={"request": [_strip_headers], "response": [_refuse]},
    )
    door = sdk.anthropic.AsyncAnthropic(
        auth_token="unused",  # noqa: S106 - explicit, so that no profile is read; every request brings its own
        base_url=endpoint,
        max_retries=0,
        timeout=http.timeout,
        open_telemetry=False,
        http_client=http,
    )
    return Line(sdk, door, asyncio.create_task(_keep(http, owner)))


async def _keep(http: Any, owner: Callable[[], object | None]) -> None:
    """Close the connections when this task is cancelled, which event loops do as they end, or its owner is gone.

    A task, because the loop holds it: connections that die with their client, unclosed, warn of a leak.
    """
    try:
        while owner() is not None:  # noqa: ASYNC110 - nothing tells when an object dies
            await asyncio.sleep(_KEPT_ALIVE)
    finally:
        await http.aclose()


async def _leaving(body: bytes, departs: Callable[[], None]) -> AsyncGenerator[bytes, None]:
    """The body, asked for once the head of the request is with the connection.

    The library's trace tells of the head instead, but also of a head that only asks a proxy for a tunnel.
    """
    departs()
    yield body


async def _strip_headers(request: Any) -> None:
    """Leave the headers we chose, in one order: no ANTHROPIC_CUSTOM_HEADERS, nothing about this machine."""
    sent = [
        ("host", request.url.netloc.decode("ascii")),
        ("connection", "keep-alive"),
        ("user-agent", _USER_AGENT),
        ("accept-encoding", "gzip, deflate"),
    ]
    names = _SENT_HEADERS if request.method == "GET" else (*_SENT_HEADERS, *_BODY_HEADERS)
    sent += [(name, request.headers[name]) for name in names if name in request.headers]
    request.headers = type(request.headers)(sent)


async def _refuse(response: Any) -> None:
    """Turn a response that is no success into RefusedError, redirects included, reading little of its body."""
    if not response.is_success:
        body = await read_body(response, REFUSAL_LIMIT, cut=True)
        raise RefusedError(response.status_code, dict(response.headers), body)


async def read_body(response: Any, limit: int, *, cut: bool = False) -> bytes:
    """The body up to `limit` bytes; over it, or broken on the way: what has come if `cut`, else the failure."""
    body = bytearray()
    try:
        async with aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > limit:
                    break
    except Exception:
        if not cut:
            raise
    finally:
        await response.aclose()
    if len(body) > limit and not cut:
        raise BadAnswerError("The endpoint sent far more than was asked for.")
    return bytes(body[:limit])
