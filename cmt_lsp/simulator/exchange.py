"""One request on one connection, from its arrival to the last byte of its response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cmt_lsp.simulator.answers import Answer
from cmt_lsp.simulator.batches import Batches, methods_of
from cmt_lsp.simulator.connection import Connection, PeerGoneError, Request, encode_head
from cmt_lsp.simulator.delivery import Delivery, EndedError, Sent
from cmt_lsp.simulator.events import Event, compact, spoil, stream
from cmt_lsp.simulator.failures import RefusalError, error_body
from cmt_lsp.simulator.faults import Fault, Substitute
from cmt_lsp.simulator.journal import MESSAGES_PATH, Journal
from cmt_lsp.simulator.prompt import Prompt
from cmt_lsp.simulator.service import Outcome, Service, Turn

COUNT_PATH = f"{MESSAGES_PATH}/count_tokens"
MODELS_PATH = "/v1/models"


class Script(Protocol):
    """Where an exchange takes its faults and answers from."""

    def take_fault(self, path: str) -> Fault:
        """The fault of the next request to a path."""

    def take_answer(self, body: Mapping[str, Any], prompt: Prompt) -> Answer:
        """The answer to a request that will show one."""


@dataclass(frozen=True, slots=True)
class Options:
    """How responses are sent: the pause between deltas in seconds, merged writes, gzip for who accepts it."""

    chunk_delay: float = 0.0
    coalesce: bool = False
    gzip: bool = False


class Exchange:
    """Answers one request; `reusable` tells whether the connection may carry another."""

    def __init__(
        self, connection: Connection, request: Request, index: int,
        service: Service, batches: Batches, journal: Journal, script: Script, options: Options,
    ) -> None:  # fmt: skip
        """`index` is the request's place in the journal."""
        self._connection = connection
        self._request = request
        self._index = index
        self._service = service
        self._batches = batches
        self._journal = journal
        self._script = script
        self._options = options
        self._request_id = service.next_id("req")
        self.released = asyncio.Event()
        self.reusable = request.keep_alive
        self._fault = Fault()
        self._outcome: Outcome | None = None
        self._delivery: Delivery | None = None
        self._on_start: Callable[[], None] = _nothing
        self._prospect = "complete"

    async def run(self) -> None:
        """Answer, and write down what became of it."""
        ended = "stopped"
        try:
            ended = await self._respond()
        except PeerGoneError:
            ended = "peer_closed"
            raise
        except EndedError as end:
            ended = end.act
        finally:
            self._record(ended, Sent() if self._delivery is None else self._delivery.sent())

    async def _respond(self) -> str:
        self._fault = self._service.dialect.adapt(self._script.take_fault(self._request.path))
        try:
            if self._fault.substitute is not None:
                await self._substitute(self._fault.substitute)
            else:
                await self._serve()
        except RefusalError as refusal:
            self._prospect = "refused"
            await self._error(refusal.status, refusal.message, details=refusal.details)
        return self._prospect

    async def _serve(self) -> None:
        request, service = self._request, self._service
        self._check_route()
        service.authenticate(request)
        if request.path == MESSAGES_PATH:
            terms = service.terms(request)
            await self._message(service.accept(service.read_body(request), terms))
        elif request.path == COUNT_PATH:
            terms = service.terms(request)
            await self._json(200, {"input_tokens": service.count(service.read_body(request), terms)})
        elif request.path == MODELS_PATH:
            await self._json(200, service.models(request))
        elif methods_of(request.path):
            await self._batch()
        else:
            await self._json(200, service.model(request.path.removeprefix(f"{MODELS_PATH}/")))

    def _check_route(self) -> None:
        """Raise RefusalError for a path or method this server does not have."""
        methods = self._methods(self._request.path)
        if not methods:
            raise RefusalError(404, "Not found")
        if self._request.method not in methods:
            raise RefusalError(405, "Method Not Allowed")

    def _methods(self, path: str) -> tuple[str, ...]:
        dialect = self._service.dialect
        if path == MESSAGES_PATH or (path == COUNT_PATH and dialect.count_tokens):
            return ("POST",)
        if path == MODELS_PATH or path.startswith(f"{MODELS_PATH}/"):
            return ("GET",)
        return methods_of(path) if dialect.batches else ()

    async def _batch(self) -> None:
        found = self._batches.serve(self._request)
        if isinstance(found, dict):
            await self._json(200, found)
        else:
            headers = [("content-type", "application/x-jsonl")]
            compress = self._compression(headers)
            head = self._head(200, [*headers, ("transfer-encoding", "chunked")])
            self._journal.update(self._index, status=200)
            delivery = self._deliver(chunked=True, compress=compress)
            await delivery.send(head, (Event("", {}, raw=line) for line in found))

    async def _message(self, turn: Turn) -> None:
        self._journal.update(self._index, message_id=turn.message_id, status=200)
        answer = Answer()
        if self._fault.shows_answer:
            answer = self._script.take_answer(turn.body, turn.prompt)
            self._fault = self._fault | self._service.dialect.adapt(answer.fault)
        if self._fault.substitute is not None:
            await self._substitute(self._fault.substitute)
            return
        self._outcome = self._service.answer(turn, answer)
        self._on_start = lambda: self._service.begin(turn)
        if turn.body.get("stream") and not self._fault.json_body:
            events: Iterable[Event] = stream(self._outcome.reply)
            await self._stream(spoil(events, self._fault.junk, self._fault.junk_size), answer)
        else:
            await self._json(200, self._outcome.reply.body(), dict(answer.headers))
        self._service.limits.book(output_tokens=self._outcome.spoken.output_tokens)

    async def _stream(self, events: Iterable[Event], answer: Answer) -> None:
        headers = [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache")]
        compress = self._compression(headers)
        head = self._head(200, [*headers, ("transfer-encoding", "chunked"), *answer.headers.items()])
        delivery = self._deliver(chunked=True, compress=compress)
        await delivery.send(
            head,
            events,
            first_delay=answer.first_delay,
            delay=self._options.chunk_delay if answer.chunk_delay is None else answer.chunk_delay,
            coalesce=self._options.coalesce,
        )

    async def _json(self, status: int, body: object, extra: Mapping[str, str] | None = None) -> None:
        await self._whole(
            status, compact(body), [("content-type", "application/json"), *(extra or {}).items()]
        )

    async def _whole(self, status: int, data: bytes, headers: list[tuple[str, str]]) -> None:
        """A response that is one piece; compressed ones go in chunks because their length is not known yet."""
        compress = self._compression(headers)
        headers.append(("transfer-encoding", "chunked") if compress else ("content-length", str(len(data))))
        delivery = self._deliver(chunked=compress, compress=compress)
        self._journal.update(self._index, status=status)
        await delivery.send(self._head(status, headers), [Event("", {}, raw=data)])

    async def _error(
        self, status: int, message: str, *, kind: str | None = None,
        details: Mapping[str, Any] | None = None, headers: tuple[tuple[str, str], ...] = (),
    ) -> None:  # fmt: skip
        if not self._service.dialect.error_bodies:
            await self._whole(status, b"", [*headers])
            return
        body = error_body(status, message, kind=kind, details=details, request_id=self._request_id)
        await self._whole(status, compact(body), [("content-type", "application/json"), *headers])

    async def _substitute(self, substitute: Substitute) -> None:
        self._prospect = "refused" if substitute.status >= 300 else "substituted"
        if substitute.raw and substitute.body is not None:
            await self._connection.send(substitute.body)
            self._connection.close()
            raise EndedError("substituted")
        if substitute.body is None:
            code = substitute.error_code
            await self._error(
                substitute.status,
                substitute.message or f"Simulated {substitute.status}",
                kind=substitute.error_type,
                details=None if code is None else {"error_code": code},
                headers=substitute.headers,
            )
        else:
            await self._whole(substitute.status, substitute.body, [*substitute.headers])

    def _compression(self, headers: list[tuple[str, str]]) -> bool:
        """Whether to compress, and the header that says so."""
        wanted = self._options.gzip and self._request.accepts_gzip()
        if wanted or self._fault.compress is not None:
            headers.append(("content-encoding", "gzip"))
        return self._fault.compress == "gzip" or (wanted and self._fault.compress is None)

    def _head(self, status: int, headers: list[tuple[str, str]]) -> bytes:
        if self._service.dialect.service_headers:
            own = [("request-id", self._request_id), ("anthropic-organization-id", "org_simulator")]
            given = {name for name, _ in headers}
            headers = [
                *(pair for pair in [*own, *self._service.limits.headers()] if pair[0] not in given),
                *headers,
            ]
        return encode_head(status, headers)

    def _deliver(self, *, chunked: bool, compress: bool) -> Delivery:
        self._delivery = Delivery(
            self._connection, self._fault, self.released, chunked=chunked, compress=compress,
            on_start=self._on_start,
            on_stall=lambda stalled: self._journal.update(self._index, stalled=stalled),
            on_last=lambda sent: self._record(self._prospect, sent),
        )  # fmt: skip
        return self._delivery

    def _record(self, ended: str, sent: Sent) -> None:
        changes: dict[str, Any] = {"usage": self._charge(ended, sent)} if self._outcome is not None else {}
        self._journal.update(
            self._index, request_id=self._request_id, outcome=ended, stalled=False, sent_bytes=sent.bytes,
            sent_events=sent.events, text_sent=sent.text, finished_at=self._service.clock(), **changes,
        )  # fmt: skip

    def _charge(self, ended: str, sent: Sent) -> Mapping[str, Any] | None:
        """A whole answer costs what it said; a broken one what was sent of it."""
        if self._outcome is None or ended == "complete":
            return None if self._outcome is None else self._outcome.charged
        return self._outcome.charged_for(sent.text, sent.thought)


def _nothing() -> None:
    """Most responses have nothing to set off."""
