"""What the Message Batches API says of a batch and of its results, read tolerantly: pure, line by line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, get_args

from cmt_lsp.api.classify import error_from_event
from cmt_lsp.api.errors import BadAnswerError
from cmt_lsp.api.stream import ANSWER_LIMIT, Message, MessageFold

BatchStatus: TypeAlias = Literal["in_progress", "canceling", "ended"]
ResultKind: TypeAlias = Literal["succeeded", "errored", "canceled", "expired"]

RESULT_KINDS: tuple[ResultKind, ...] = get_args(ResultKind)


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as the endpoint describes it; times are seconds since 1970 UTC."""

    id: str
    status: BatchStatus
    counts: Mapping[ResultKind, int]
    """Of finished requests; all zero until the whole batch has ended."""
    requests: int
    """All requests, whatever became of them."""
    created_at: float | None
    expires_at: float | None
    ended_at: float | None
    archived: bool
    """True once the results are gone for good."""


@dataclass(frozen=True, slots=True)
class BatchPage:
    """Some batches of the endpoint's list, newest first."""

    batches: tuple[RemoteBatch, ...]
    after: str | None
    """Where the next page begins; None on the last one."""
    organization: str | None
    """Whose list it is, where the endpoint says so."""


@dataclass(frozen=True, slots=True)
class RemoteResult:
    """What became of one request."""

    custom_id: str
    kind: ResultKind
    message: Message | None = None
    """Of a request that succeeded."""
    error: str | None = None
    """Of one that did not: a sentence."""


def read_batch(told: object, host: str) -> RemoteBatch:
    """A batch object; what is absent or unknown leaves the batch in progress. BadAnswerError where it is none."""
    if not isinstance(told, dict) or not isinstance(told.get("id"), str):
        raise BadAnswerError(f"{host} answered with something that is no batch.")
    status = told.get("processing_status")
    counts = told.get("request_counts")
    tallies = {name: _count(counts, name) for name in RESULT_KINDS}
    return RemoteBatch(
        id=told["id"],
        status=status if status in ("canceling", "ended") else "in_progress",
        counts=tallies,
        requests=sum(tallies.values()) + _count(counts, "processing"),
        created_at=_moment(told.get("created_at")),
        expires_at=_moment(told.get("expires_at")),
        ended_at=_moment(told.get("ended_at")),
        archived=told.get("archived_at") is not None,
    )


def read_page(told: object, host: str, organization: str | None) -> BatchPage:
    """A page of the list; entries that are no batches are left out."""
    listed = told.get("data") if isinstance(told, dict) else None
    if not isinstance(told, dict) or not isinstance(listed, list):
        raise BadAnswerError(f"{host} answered with something that is no list of batches.")
    batches = tuple(
        read_batch(entry, host)
        for entry in listed
        if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    )
    last = told.get("last_id")
    more = told.get("has_more") is True and isinstance(last, str)
    return BatchPage(batches, last if more else None, organization)


def read_result(line: bytes, host: str) -> RemoteResult | None:
    """One line of the results, or None where it cannot be read."""
    try:
        told = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    result = told.get("result") if isinstance(told, dict) else None
    if not isinstance(result, dict) or not isinstance(told.get("custom_id"), str):
        return None
    kind = result.get("type")
    if kind == "succeeded":
        return RemoteResult(told["custom_id"], kind, message=_message(result.get("message")))
    if kind == "errored":
        return RemoteResult(told["custom_id"], kind, error=_error(result.get("error"), host))
    return RemoteResult(told["custom_id"], kind) if kind in ("canceled", "expired") else None


class LineReader:
    """Cuts bytes into lines, at line feeds alone: a JSON text may hold every other kind of line end."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that this chunk completes; BadAnswerError for one that no answer can be as long as."""
        before, feed, rest = chunk.rpartition(b"\n")
        lines = bytes(self._rest + before).split(b"\n") if feed else []
        self._rest = bytearray(rest) if feed else self._rest + rest
        if len(self._rest) > 2 * ANSWER_LIMIT:
            raise BadAnswerError("A result of the batch is longer than any answer can be.")
        return [line for line in lines if line.strip()]

    def end(self) -> list[bytes]:
        """The last line, where it was not closed."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [rest] if rest.strip() else []


def _message(told: object) -> Message:
    """A message that cannot be read was paid for all the same: it is empty, and its usage estimated."""
    fold = MessageFold()
    fold.whole_message(told if isinstance(told, dict) else {})
    return fold.snapshot()


def _error(told: object, host: str) -> str:
    body = told if isinstance(told, dict) else {}
    return error_from_event(body if isinstance(body.get("error"), dict) else {"error": body}, host).message


def _count(counts: object, name: str) -> int:
    told = counts.get(name) if isinstance(counts, dict) else None
    return told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else 0


def _moment(told: Any) -> float | None:
    try:
        moment = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
