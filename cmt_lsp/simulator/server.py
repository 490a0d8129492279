"""The simulator: an Anthropic-shaped server on loopback, scripted and watched from any thread."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cmt_lsp.simulator.answers import Answer
from cmt_lsp.simulator.batches import Batches, body_limit, door_of
from cmt_lsp.simulator.connection import BadRequestError, Connection, Request, encode_head
from cmt_lsp.simulator.dialects import DIALECTS, Dialect
from cmt_lsp.simulator.exchange import Exchange, Options
from cmt_lsp.simulator.faults import Fault
from cmt_lsp.simulator.journal import MESSAGES_PATH, Journal, RecordedRequest, nth
from cmt_lsp.simulator.prompt import Prompt
from cmt_lsp.simulator.prompt_cache import PromptCache
from cmt_lsp.simulator.prose import default_answer
from cmt_lsp.simulator.service import Service

HOST = "127.0.0.1"
SECRET_HEADERS = ("x-api-key", "authorization")


class Simulator:
    """One server with its script, its cache and its journal."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        chunk_delay: float = 0.0,
        api_key: str | None = None,
        dialect: str | Dialect = "anthropic",
        gzip: bool = False,
        coalesce: bool = False,
        preserved_thinking: bool = True,
        show_keys: bool = False,
        keep_bodies: bool = True,
        batch_rate: float = 50.0,
    ) -> None:
        """`clock` (seconds) drives cache lifetimes and recorded times; `chunk_delay` (seconds) is real time.

        `api_key` None takes any key. `gzip` compresses for clients that accept it. `coalesce` merges deltas
        into few writes. `show_keys` records credentials unmasked. `keep_bodies` False saves memory.
        `batch_rate` is how many requests of a batch are answered in a second of `clock`: 0 none, inf all at once.
        """
        chosen = DIALECTS[dialect] if isinstance(dialect, str) else dialect
        self._service = Service(clock, chosen, api_key, preserved_thinking=preserved_thinking)
        self._clock = clock
        self._options = Options(chunk_delay, coalesce, gzip)
        self._show_keys, self._keep_bodies = show_keys, keep_bodies
        self._journal = Journal()
        self._answers: deque[Answer] = deque()
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._connections: set[Connection] = set()
        self._exchanges: set[Exchange] = set()
        self.batches = Batches(self._service, self.take_answer, batch_rate)
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.base_url = ""

    async def start(self, port: int = 0) -> str:
        """Listen on loopback and return the base URL; port 0 takes a free one."""
        self._loop = asyncio.get_running_loop()
        self._server = await self._loop.create_server(self._connection, HOST, port)
        self.base_url = f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}"
        return self.base_url

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
        tasks = [c.task for c in self._connections if c.task is not None]
        for connection in list(self._connections):
            connection.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def reply_with(self, *answers: str | Answer) -> None:
        """Script the answers of the next requests that show one; afterwards the default answer again."""
        self._answers.extend(Answer(text=a) if isinstance(a, str) else a for a in answers)

    def fail_next(self, *faults: Fault, path: str = MESSAGES_PATH) -> None:
        """Script faults for the next requests to a path, one a request, in order.

        A batch's id is written `*` there: `/v1/messages/batches/*/results`.
        """
        self._faults[path].extend(faults)

    def forget(self) -> None:
        """Drop what is scripted and what was recorded, so that tests can share one; caches and batches stay."""
        self._answers.clear()
        self._faults.clear()
        self._journal = Journal()

    def release(self) -> None:
        """Let go every stall of the requests that have arrived, reached or not; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._release_all)

    def _release_all(self) -> None:
        for exchange in self._exchanges:
            exchange.released.set()

    @property
    def requests(self) -> list[RecordedRequest]:
        """All requests so far, in order of arrival; a copy."""
        return self._journal.snapshot()

    @property
    def cache(self) -> PromptCache:
        """The prompt cache, for tests that want it to forget."""
        return self._service.cache

    def wait_arrived(
        self, n: int = 0, *, path: str | None = MESSAGES_PATH, within: float = 10.0
    ) -> RecordedRequest:
        """Block until request n (from 0) to `path` (None: any) has been read; for other threads."""
        return self._journal.wait(nth(n, path, lambda r: True), within, f"request {n} arrives")

    def wait_stalled(
        self, n: int = 0, *, path: str | None = MESSAGES_PATH, within: float = 10.0
    ) -> RecordedRequest:
        """Block until request n is held by a stall."""
        return self._journal.wait(nth(n, path, lambda r: r.stalled), within, f"request {n} stalls")

    def wait_finished(
        self, n: int = 0, *, path: str | None = MESSAGES_PATH, within: float = 10.0
    ) -> RecordedRequest:
        """Block until the simulator is done with request n, one way or another."""
        return self._journal.wait(
            nth(n, path, lambda r: r.finished_at is not None), within, f"request {n} ends"
        )

    def wait_closed(
        self, n: int = 0, *, path: str | None = MESSAGES_PATH, within: float = 10.0
    ) -> RecordedRequest:
        """Block until the socket of request n is closed."""
        return self._journal.wait(nth(n, path, lambda r: r.closed_at is not None), within, f"peer {n} closes")

    async def arrived(
        self, n: int = 0, *, path: str | None = MESSAGES_PATH, within: float = 10.0
    ) -> RecordedRequest:
        """`wait_arrived` for coroutines, on any event loop."""
        return await self._journal.wait_async(nth(n, path, lambda r: True), within, f"request {n} arrives")

    async def stalled(
        self, n: int = 0, *, path: str | None = MESSAGES_PATH, within: float = 10.0
    ) -> RecordedRequest:
        """`wait_stalled` for coroutines."""
        return await self._journal.wait_async(
            nth(n, path, lambda r: r.stalled), within, f"request {n} stalls"
        )

    async def finished(
        self, n: int = 0, *, path: str | None = MESSAGES_PATH, within: float = 10.0
    ) -> RecordedRequest:
        """`wait_finished` for coroutines."""
        holds = nth(n, path, lambda r: r.finished_at is not None)
        return await self._journal.wait_async(holds, within, f"request {n} ends")

    async def closed(
        self, n: int = 0, *, path: str | None = MESSAGES_PATH, within: float = 10.0
    ) -> RecordedRequest:
        """`wait_closed` for coroutines."""
        holds = nth(n, path, lambda r: r.closed_at is not None)
        return await self._journal.wait_async(holds, within, f"peer {n} closes")

    def take_fault(self, path: str) -> Fault:
        """The fault of the request that just came to `path`."""
        faults = self._faults[door_of(path)]
        return faults.popleft() if faults else Fault()

    def take_answer(self, body: Mapping[str, Any], prompt: Prompt) -> Answer:
        """The scripted answer of this request, else the default one."""
        return self._answers.popleft() if self._answers else default_answer(body, prompt)

    def _connection(self) -> Connection:
        connection = Connection(self._serve)
        self._connections.add(connection)
        return connection

    async def _serve(self, connection: Connection) -> None:
        """Requests of one connection, one after the other."""
        try:
            reusable = True
            while reusable:
                request = await connection.read_request(body_limit)
                reusable = await self._exchange(connection, request)
        except BadRequestError:
            await connection.send(encode_head(400, [("content-length", "0"), ("connection", "close")]))
        finally:
            self._connections.discard(connection)

    async def _exchange(self, connection: Connection, request: Request) -> bool:
        """Answer one request; whether the connection can carry another."""
        journal = self._journal
        index = journal.add(lambda i: self._record(i, request))
        connection.when_closed(lambda: journal.update(index, closed_at=self._clock()))
        exchange = Exchange(
            connection, request, index, self._service, self.batches, journal, self, self._options
        )
        self._exchanges.add(exchange)
        try:
            await exchange.run()
        finally:
            self._exchanges.discard(exchange)
        return exchange.reusable

    def _record(self, index: int, request: Request) -> RecordedRequest:
        body: Any = None
        if self._keep_bodies and request.body:
            with contextlib.suppress(ValueError, RecursionError):
                body = json.loads(request.body)
        headers = dict(request.headers)
        for name in SECRET_HEADERS:
            if name in headers and not self._show_keys:
                headers[name] = "***"
        return RecordedRequest(
            index, request.method, request.path, headers, body, self._clock(), size=len(request.body)
        )


@contextlib.contextmanager
def simulator_in_thread(*, port: int = 0, **options: Any) -> Iterator[Simulator]:
    """A running simulator on an event loop of its own in a daemon thread; `options` as for Simulator."""
    simulator = Simulator(**options)
    started, failures = threading.Event(), list[OSError]()
    loop = asyncio.new_event_loop()

    def serve() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(simulator.start(port))
        except OSError as error:
            failures.append(error)
        finally:
            started.set()
        if not failures:
            loop.run_forever()
        loop.close()

    thread = threading.Thread(target=serve, name="simulator", daemon=True)
    thread.start()
    started.wait()
    if failures:
        thread.join(10)
        raise failures[0]
    try:
        yield simulator
    finally:
        asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
