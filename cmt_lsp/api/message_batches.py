"""MessageBatches: the doors of the Message Batches API, over the connections of an AnthropicClient."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from typing import TYPE_CHECKING, TypeVar

from cmt_lsp.api.batch_parts import (
    BatchPage,
    LineReader,
    RemoteBatch,
    RemoteResult,
    read_batch,
    read_page,
    read_result,
)
from cmt_lsp.api.classify import alone, clean, error_from_exception, refusal_in
from cmt_lsp.api.errors import (
    BadAnswerError,
    BadParamsError,
    CmtError,
    InvalidRequestError,
    StalledError,
    UnknownBatchError,
)
from cmt_lsp.api.line import Line, read_body
from cmt_lsp.api.secret import Credentials

if TYPE_CHECKING:
    from cmt_lsp.api.attempt import Response
    from cmt_lsp.api.clocks import Clocks

T = TypeVar("T")

PATH = "/v1/messages/batches"
MOST_REQUESTS = 100_000
MOST_BYTES = 256 * 1024 * 1024
CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")

_NO_SUCH_DOOR = (404, 405, 501)
_UPLOAD_FLOOR = 64 * 1024
"""Bytes a second; a slower upload counts as dead."""
_PAGE = 100
_PAGE_BYTES = 4 * 1024 * 1024
_REMOTE_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")


class MessageBatches:
    """Creates, finds, cancels and reads batches; every failure is a CmtError, and nothing is tried twice.

    What an id names comes from the endpoint and becomes part of a path, so that one of unusual characters is refused.
    """

    def __init__(
        self,
        host: str,
        clocks: Clocks,
        credentials: Callable[[], Credentials],
        line: Callable[[], Awaitable[Line]],
    ) -> None:
        """`credentials` and `line` are asked before every request."""
        self.host = host
        self._clocks = clocks
        self._credentials = credentials
        self._line = line

    async def create(self, body: bytes) -> RemoteBatch:
        """Start the batch that `body` describes, a JSON object with `requests`.

        An error's `billed` says whether the batch may exist all the same: "unknown" once the request has left, unless
        the endpoint itself refused it. A gateway's 5xx proves nothing.
        """
        if len(body) > MOST_BYTES:
            size, limit = -(-len(body) // 2**20), MOST_BYTES // 2**20
            raise BadParamsError(f"The batch has {size} MB, over the limit of {limit} MB; split it.")
        left: list[str] = []
        seconds = self._clocks.first_byte + len(body) / _UPLOAD_FLOOR
        try:
            return await self._ask(
                "POST", PATH, self._batch, body, seconds, lambda: left.append("this machine")
            )
        except CmtError as error:
            if not left:
                error.billed = "nothing"
            raise

    async def get(self, batch_id: str) -> RemoteBatch:
        """One batch as it now stands; UnknownBatchError."""
        return await self._ask("GET", f"{PATH}/{_checked(batch_id)}", self._batch)

    async def page(self, after: str | None = None, limit: int = _PAGE) -> BatchPage:
        """A page of the endpoint's batches, newest first; `after` is that of the page before."""
        cursor = "" if after is None else f"&after_id={_checked(after)}"
        return await self._ask("GET", f"{PATH}?limit={limit}{cursor}", self._page)

    async def cancel(self, batch_id: str) -> RemoteBatch:
        """Ask for an early end; what is under way is still answered, and charged."""
        return await self._ask("POST", f"{PATH}/{_checked(batch_id)}/cancel", self._batch)

    def results(
        self, batch_id: str
    ) -> AbstractAsyncContextManager[AsyncGenerator[RemoteResult | None, None]]:
        """The results of an ended batch, in no order; None stands for a line that cannot be read.

        They are read at our own endpoint, whatever address the batch names for them. Raises in the middle where the
        connection breaks: what came before it is good.
        """
        return aclosing(self._results(f"{PATH}/{_checked(batch_id)}/results"))

    async def _results(self, path: str) -> AsyncGenerator[RemoteResult | None, None]:
        credentials = self._credentials()
        line = await self._line()
        reader = LineReader()
        try:
            async with aclosing(self._chunks(line, path, credentials)) as chunks:
                async for chunk in chunks:
                    for told in reader.feed(chunk):
                        yield read_result(told, self.host)
            for told in reader.end():
                yield read_result(told, self.host)
        except Exception as exc:  # noqa: BLE001 - every failure becomes one typed error
            failure = self._failure(exc, path)
        else:
            return
        raise alone(failure, credentials)

    async def _chunks(self, line: Line, path: str, credentials: Credentials) -> AsyncGenerator[bytes, None]:
        """The body piece by piece; a body that falls silent is given up."""
        response: Response | None = None
        try:
            async with asyncio.timeout(self._clocks.first_byte):
                response = await line.send("GET", path, credentials, b"")
            chunks = response.aiter_bytes()
            while chunk := await self._next(chunks):
                yield chunk
                await asyncio.sleep(0)  # a piece holds many results, and others wait for the loop
        finally:
            if response is not None:
                with suppress(Exception):
                    await response.aclose()

    async def _next(self, chunks: AsyncGenerator[bytes, None]) -> bytes:
        try:
            async with asyncio.timeout(self._clocks.silence):
                return await anext(chunks)
        except StopAsyncIteration:
            return b""
        except TimeoutError:
            raise StalledError(
                f"{self.host} has sent nothing for {self._clocks.silence:g} seconds; try again."
            ) from None

    async def _ask(
        self,
        method: str,
        path: str,
        read: Callable[[object, Mapping[str, str]], T],
        body: bytes = b"",
        seconds: float | None = None,
        departs: Callable[[], None] = lambda: None,
    ) -> T:
        """What `read` makes of the JSON and the headers behind a door; `departs` as for `Line.send`."""
        credentials = self._credentials()
        line = await self._line()
        try:
            async with asyncio.timeout(self._clocks.first_byte if seconds is None else seconds):
                response = await line.send(method, path, credentials, body, departs)
                told = json.loads((await read_body(response, _PAGE_BYTES)).decode())
            return read(told, response.headers)
        except Exception as exc:  # noqa: BLE001 - every failure becomes one typed error
            failure = self._failure(exc, path)
        raise alone(failure, credentials)

    def _batch(self, told: object, _headers: Mapping[str, str]) -> RemoteBatch:
        return read_batch(told, self.host)

    def _page(self, told: object, headers: Mapping[str, str]) -> BatchPage:
        organization = headers.get("anthropic-organization-id")
        return read_page(told, self.host, None if organization is None else clean(organization)[:100])

    def _failure(self, exc: Exception, path: str) -> CmtError:
        refusal = refusal_in(exc)
        failure = error_from_exception(exc, self.host, time.time())
        if refusal is None:
            failure.billed = "unknown"
            return failure
        if refusal.status in _NO_SUCH_DOOR:
            return self._no_such_door(path)
        failure.billed = "nothing" if refusal.status < 500 or refusal.status == 529 else "unknown"
        return failure

    def _no_such_door(self, path: str) -> CmtError:
        if path.startswith(f"{PATH}/"):
            return UnknownBatchError(f"{self.host} does not know this batch, or keeps its results no longer.")
        return InvalidRequestError(
            f"{self.host} has no Message Batches API.",
            hint="Ask the prompts one by one, or set the base URL of an endpoint that has it.",
        )


def _checked(batch_id: str) -> str:
    if not _REMOTE_ID.fullmatch(batch_id):
        raise BadAnswerError("The endpoint named a batch by an id that cannot be used.")
    return batch_id
