"""The doors of the Message Batches API: create, list, get, cancel, delete, results."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cmt_lsp.simulator.answers import Answer
from cmt_lsp.simulator.batch import Batch
from cmt_lsp.simulator.batch_rules import BATCH_BYTES, check_envelope, check_in_batch
from cmt_lsp.simulator.connection import Request
from cmt_lsp.simulator.events import compact
from cmt_lsp.simulator.failures import RefusalError, error_body
from cmt_lsp.simulator.journal import MESSAGES_PATH
from cmt_lsp.simulator.paging import page_of
from cmt_lsp.simulator.prompt import Prompt
from cmt_lsp.simulator.service import BODY_LIMIT, Outcome, Service
from cmt_lsp.simulator.validation import Terms

BATCHES_PATH = f"{MESSAGES_PATH}/batches"
_PLACE = re.compile(rf"{BATCHES_PATH}(?:/(?P<id>[^/]+)(?P<door>/cancel|/results)?)?")
_METHODS: Mapping[str, tuple[str, ...]] = {
    BATCHES_PATH: ("GET", "POST"),
    f"{BATCHES_PATH}/*": ("GET", "DELETE"),
    f"{BATCHES_PATH}/*/cancel": ("POST",),
    f"{BATCHES_PATH}/*/results": ("GET",),
}

TakeAnswer = Callable[[Mapping[str, Any], Prompt], Answer]


def door_of(path: str) -> str:
    """A path without the id of its batch, as `/v1/messages/batches/*/results`; any other path as it is."""
    place = _PLACE.fullmatch(path)
    if place is None or place["id"] is None:
        return path
    return f"{BATCHES_PATH}/*{place['door'] or ''}"


def methods_of(path: str) -> tuple[str, ...]:
    """What a path of this API answers to; nothing for a path of another one."""
    return _METHODS.get(door_of(path), ())


def body_limit(path: str) -> int:
    """The largest body that a path takes, in bytes."""
    return BATCH_BYTES if path == BATCHES_PATH else BODY_LIMIT


class Batches:
    """All batches, newest first; each request is answered as a message of the service's own."""

    def __init__(self, service: Service, take_answer: TakeAnswer, rate: float) -> None:
        """`rate` is how many requests a batch gets answered in a second; it may be changed at any time."""
        self._service = service
        self._take_answer = take_answer
        self.rate = rate
        self._batches: list[Batch] = []
        self._accounts: dict[tuple[str, str], Mapping[str, Any]] = {}

    @property
    def accounts(self) -> dict[tuple[str, str], Mapping[str, Any]]:
        """The exact charge of every request that was answered, by batch and custom id; a copy, for any thread."""
        return dict(self._accounts)

    def serve(self, request: Request) -> dict[str, Any] | Iterator[bytes]:
        """A JSON object, or the lines of the results; RefusalError."""
        for batch in reversed(self._batches):
            batch.look(self._service.clock(), self.rate)
        door = door_of(request.path)
        if door == BATCHES_PATH and request.method == "POST":
            return self._describe(self._create(request), request)
        self._service.terms(request)
        if door == BATCHES_PATH:
            return page_of(self._batches, request.query, lambda b: b.id, lambda b: self._describe(b, request))
        batch = self._find(request.path.split("/")[4])
        if door.endswith("/results"):
            return self._results(batch)
        if request.method == "DELETE":
            return self._delete(batch)
        if door.endswith("/cancel"):
            self._cancel(batch)
        return self._describe(batch, request)

    def _create(self, request: Request) -> Batch:
        terms = self._service.terms(request)
        requests = check_envelope(self._service.read_body(request))

        batch_id = self._service.next_id("msgbatch")

        def answer(custom_id: str, params: Any) -> dict[str, Any]:
            return self._answer((batch_id, custom_id), params, terms)

        batch = Batch(batch_id, requests, self._service.clock(), answer)
        self._batches.insert(0, batch)
        return batch

    def _find(self, batch_id: str) -> Batch:
        found = next((batch for batch in self._batches if batch.id == batch_id), None)
        if found is None:
            raise RefusalError(404, f"No message batch has the id {batch_id}")
        return found

    def _describe(self, batch: Batch, request: Request) -> dict[str, Any]:
        host = request.headers.get("host", "127.0.0.1")
        return batch.describe(self._service.clock(), f"http://{host}{BATCHES_PATH}/{batch.id}/results")

    def _cancel(self, batch: Batch) -> None:
        if batch.ended:
            raise RefusalError(
                400, f"Batch {batch.id} cannot be canceled because it has finished processing."
            )
        batch.cancel()

    def _delete(self, batch: Batch) -> dict[str, Any]:
        if not batch.ended:
            raise RefusalError(400, f"Batch {batch.id} cannot be deleted while it is being processed.")
        self._batches.remove(batch)
        return {"id": batch.id, "type": "message_batch_deleted"}

    def _results(self, batch: Batch) -> Iterator[bytes]:
        if not batch.ended:
            raise RefusalError(404, f"Batch {batch.id} has no results yet; it is still being processed.")
        if batch.archived(self._service.clock()):
            raise RefusalError(404, f"The results of batch {batch.id} are no longer available.")
        return (compact(line) + b"\n" for line in batch.results())

    def _answer(self, name: tuple[str, str], params: Any, terms: Terms) -> dict[str, Any]:
        """One request's result; what the service or the script refuses is errored and costs nothing."""
        try:
            outcome = self._outcome(params, terms)
        except RefusalError as refusal:
            error = error_body(refusal.status, refusal.message, request_id=self._service.next_id("req"))
            return {"type": "errored", "error": error}
        self._accounts[name] = outcome.charged
        return {"type": "succeeded", "message": outcome.reply.body()}

    def _outcome(self, params: Any, terms: Terms) -> Outcome:
        check_in_batch(params)
        turn = self._service.accept(params, terms)
        answer = self._take_answer(turn.body, turn.prompt)
        if (failure := answer.fault.substitute) is not None:
            raise RefusalError(failure.status, failure.message or f"Simulated {failure.status}")
        self._service.begin(turn)
        return self._service.answer(turn, answer, "batch")
