"""The body of a successful response, whatever its shape, read into one message: pure, fed chunk by chunk."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

from cmt_lsp.api.classify import error_from_event, not_an_answer
from cmt_lsp.api.errors import BadAnswerError, CmtError
from cmt_lsp.api.stream import (
    ANSWER_LIMIT,
    MessageFold,
    SseParser,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    decode_event,
)

_PADDING = b" \t\r\n\xef\xbb\xbf"


class AnswerReader:
    """Feed the body's bytes; get the events to show. The first byte tells the shape, for content types lie.

    A stream of events is folded as it comes. A JSON body, which some servers send in spite of being asked for a
    stream, is kept and folded at the end. A CmtError for an error event, a web page or broken bytes waits in
    `failure`, so that what came before it in the same chunk is shown first; nothing is read after it.
    """

    def __init__(self, fold: MessageFold, host: str) -> None:
        """`host` stands in the messages of errors."""
        self.failure: CmtError | None = None
        self._fold = fold
        self._host = host
        self._parser = SseParser()
        self._started = False
        self._whole: list[bytes] | None = None
        self._size = 0

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """What this chunk adds."""
        if not self._started:
            chunk = chunk.lstrip(_PADDING)
            if not chunk:
                return []
            self._begin(chunk)
        if self._whole is not None:
            self._keep(chunk, self._whole)
            return []
        shown: list[StreamEvent] = []
        try:
            self._fold_events(chunk, shown)
        except CmtError as error:
            self.failure = error
        return merged(shown)

    def end(self) -> list[StreamEvent]:
        """What the end of the body adds: nothing for a stream, everything for a JSON body."""
        if self._whole is None:
            return []
        body = b"".join(self._whole)
        self._whole = None
        try:
            return self._fold_body(body)
        except CmtError as error:
            self.failure = error
            return []

    def _begin(self, chunk: bytes) -> None:
        self._started = True
        if chunk[:1] == b"<":
            self.failure = not_an_answer(chunk, self._host)
        if chunk[:1] in (b"{", b"[", b"<"):
            self._whole = []

    def _keep(self, chunk: bytes, whole: list[bytes]) -> None:
        self._size += len(chunk)
        if self._size > ANSWER_LIMIT:
            self.failure = BadAnswerError(
                f"The answer was stopped at {ANSWER_LIMIT // 2**20} MB; ask for less at once."
            )
        whole.append(chunk)

    def _fold_body(self, body: bytes) -> list[StreamEvent]:
        decoded = _object_in(body)
        if decoded.get("type") == "error" or isinstance(decoded.get("error"), dict):
            raise error_from_event(decoded, self._host)
        if decoded.get("type") != "message" and not isinstance(decoded.get("content"), list):
            raise not_an_answer(body, self._host)
        return self._fold.whole_message(decoded)

    def _fold_events(self, chunk: bytes, shown: list[StreamEvent]) -> None:
        for event in self._parser.feed(chunk):
            decoded = decode_event(event)
            if decoded is None:
                self._fold.finish()
            elif decoded.get("type") == "error":
                raise error_from_event(decoded, self._host)
            else:
                shown += self._fold.add(decoded)


def merged(events: list[StreamEvent]) -> list[StreamEvent]:
    """The same events with pieces of text that follow one another made one.

    What came in one read can be shown in one go: each event costs every layer above a step of its own.
    """
    if len(events) < 2:
        return events
    result: list[StreamEvent] = []
    for kind, run in groupby(events, type):
        same = list(run)
        pieces = [event.text for event in same if isinstance(event, TextDelta | ThinkingDelta)]
        result += [kind("".join(pieces))] if pieces else same
    return result


def _object_in(body: bytes) -> dict[str, Any]:
    try:
        decoded = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise BadAnswerError("The endpoint sent a body that is not valid JSON; try again.") from None
    if not isinstance(decoded, dict):
        raise BadAnswerError("The endpoint sent a body that is no JSON object; try again.")
    return decoded
