"""Events of one answer folded into one message: pure, tolerant, and never complete before the last event.

Bytes become events in `sse.py`; `MessageFold` turns the decoded events into what a consumer shows (`StreamEvent`)
and keeps the message. Unknown events, blocks and deltas are ignored and counted. Nothing here does IO.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.errors import BadAnswerError
from cmt_lsp.api.sse import SseParser as SseParser
from cmt_lsp.api.surrogates import mend, split_open_half
from cmt_lsp.api.usage_fold import UsageFold

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmt_lsp.api.sse import ServerSentEvent
    from cmt_lsp.api.usage import Usage

ANSWER_LIMIT = 16 * 1024 * 1024
"""UTF-8 bytes of everything an answer may accumulate: text, thinking, signatures, tool input, citations."""


@dataclass(frozen=True, slots=True)
class CacheReport:
    """What an answer tells of the prompt cache beside its token counts."""

    lifetimes_told: bool | None = None
    """Whether writes for five minutes are told from those for an hour; None where nothing shows it."""
    diagnosis: dict[str, Any] | None = None
    """Its `diagnostics`: empty where the field is there and says nothing, None where there is no such field."""


NO_REPORT = CacheReport()


@dataclass(frozen=True, slots=True)
class MessageStarted:
    """The endpoint took the request; `usage` holds the input side, where it is told so early."""

    message_id: str | None
    model: str | None
    usage: Usage
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    cache: CacheReport = NO_REPORT


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """More of the model's thinking, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer, never empty; the joined deltas are `Message.text`."""

    text: str


@dataclass(frozen=True, slots=True)
class UsageUpdated:
    """A later report changed the input side of the usage."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Alive:
    """A sign of life with nothing to show: a ping, a signature, an unknown event."""


StreamEvent = MessageStarted | ThinkingDelta | TextDelta | UsageUpdated | Alive

MESSAGE_EVENTS = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
    }
)
"""The events that mean something here; all others are signs of life."""

_ALIVE: list[StreamEvent] = [Alive()]
_LABELS = ("service_tier", "speed", "inference_geo")


@dataclass(frozen=True, slots=True)
class Message:
    """The accumulated answer, whole or partial."""

    id: str | None
    model: str | None
    content: tuple[dict[str, Any], ...]
    """Blocks as the endpoint sent them, signatures included, ready to be appended to the history: blocks that it
    would refuse (empty text; of a partial answer unsigned thinking and open tool calls) are left out."""
    text: str
    stop_reason: str | None
    stop_details: dict[str, Any] | None
    usage: Usage
    counted: bool
    """Whether the endpoint told the final count of the answer's tokens."""
    complete: bool
    """True only after the endpoint closed the message itself."""
    service_tier: str | None
    speed: str | None
    inference_geo: str | None
    cache: CacheReport = NO_REPORT


def decode_event(event: ServerSentEvent) -> dict[str, Any] | None:
    """The event's JSON object with its `type`, or None for `[DONE]`.

    An event of a foreign name, or with no data, need not be JSON. Raises BadAnswerError where one of ours is broken.
    """
    data = event.data.strip()
    if data == b"[DONE]":
        return None
    try:
        decoded = json.loads(data.decode()) if data else {}
    except (ValueError, RecursionError):
        decoded = None
    if isinstance(decoded, dict):
        if event.name and not isinstance(decoded.get("type"), str):
            decoded["type"] = event.name
        return decoded
    if event.name is None or event.name in MESSAGE_EVENTS:
        raise BadAnswerError("The endpoint sent an event that is no valid JSON object; try again.")
    return {"type": event.name}


class _Block:
    """One content block under construction; pieces are joined once, which keeps long answers linear."""

    __slots__ = ("closed", "field", "half", "pieces", "start")

    def __init__(self, start: dict[str, Any]) -> None:
        self.start = start
        self.field = {"text": "text", "thinking": "thinking"}.get(start.get("type", ""), "")
        self.pieces: list[str] = []
        self.half = ""  # a high surrogate that waits for its other half
        self.closed = False

    def take(self, text: str) -> str:
        """Append `text` and return what may be shown of it now."""
        text, self.half = split_open_half(self.half + text)
        text = mend(text)
        self.pieces.append(text)
        return text

    def finished(self) -> dict[str, Any]:
        """The block as the endpoint would have sent it whole."""
        joined = "".join(self.pieces)
        if self.field:
            return {**self.start, self.field: joined}
        if not joined:
            return self.start
        try:
            return {**self.start, "input": json.loads(joined)}
        except (ValueError, RecursionError):
            return {**self.start, "input": {}}

    def usable(self, *, complete: bool) -> bool:
        """Whether the endpoint would take the block back in a later request."""
        kind = self.start.get("type")
        if kind == "text":
            return any(self.pieces)
        if complete:
            return True
        if kind == "thinking":
            return bool(self.start.get("signature"))
        return self.closed


class MessageFold:
    """The accumulator of one answer: `add` events in order, ask for a `snapshot` at any time."""

    def __init__(self, *, long_lived_writes: bool = False) -> None:
        """`long_lived_writes`: the request asked for a cache entry of one hour."""
        self._usage = UsageFold(long_lived_writes=long_lived_writes)
        self._blocks: dict[int, _Block] = {}
        self._texts: list[
            str
        ] = []  # as shown, so that the joined deltas are the text whatever the order of blocks
        self._current = -1
        self._size = 0
        self._id: str | None = None
        self._model: str | None = None
        self._stop_reason: str | None = None
        self._stop_details: dict[str, Any] | None = None
        self._final_count = False
        self._diagnosis: dict[str, Any] | None = None
        self._complete = False
        self.started = False
        """True after the first event that belongs to a message."""
        self.has_content = False
        """True after the first block or delta of content; from then on a retry could repeat what was shown."""
        self.ignored = 0
        """Events that fitted no rule."""
        self.taken = 0
        """Events that mean something, pings and unknown ones not counted."""
        self._handlers: dict[str, Callable[[dict[str, Any]], list[StreamEvent]]] = {
            "content_block_delta": self._delta,
            "message_start": self._start,
            "content_block_start": self._block_start,
            "content_block_stop": self._block_stop,
            "message_delta": self._message_delta,
            "message_stop": self._stop,
        }

    @property
    def complete(self) -> bool:
        """True after the endpoint closed the message."""
        return self._complete

    def add(self, event: dict[str, Any]) -> list[StreamEvent]:
        """What a consumer learns from one decoded event; raises BadAnswerError over the size limit."""
        kind = event.get("type")
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is None or self._complete:
            self.ignored += kind != "ping"
            return _ALIVE
        self.taken += 1
        return handler(event)

    def finish(self) -> None:
        """Take `[DONE]` for the end where the endpoint has told why it stopped."""
        self._complete = self._complete or self._stop_reason is not None

    def whole_message(self, message: dict[str, Any]) -> list[StreamEvent]:
        """Take an answer that came as one JSON body."""
        events = [*self._start({"message": message})]
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else []):
            events += self._block_start({"index": index, "content_block": block})
            events += self._block_stop({"index": index})
        events += self._message_delta({"delta": message, "usage": message.get("usage")})
        self._complete = True
        return [event for event in events if not isinstance(event, Alive)]

    def snapshot(self) -> Message:
        """The message so far."""
        labels = self._usage.labels
        return Message(
            id=self._id,
            model=self._model,
            content=tuple(b.finished() for b in self._ordered() if b.usable(complete=self._complete)),
            text="".join(self._texts),
            stop_reason=self._stop_reason,
            stop_details=self._stop_details,
            usage=self._result(),
            counted=self._final_count,
            complete=self._complete,
            service_tier=labels.get("service_tier"),
            speed=labels.get("speed"),
            inference_geo=labels.get("inference_geo"),
            cache=self._cache_report(),
        )

    def _ordered(self) -> list[_Block]:
        return [self._blocks[index] for index in sorted(self._blocks)]

    def _result(self) -> Usage:
        return self._usage.result(self._size, final=self._final_count)

    def _start(self, event: dict[str, Any]) -> list[StreamEvent]:
        message = event.get("message")
        if self.started or not isinstance(message, dict):
            self.ignored += 1
            return _ALIVE
        self.started = True
        self._id = _text_or_none(message.get("id"))
        self._model = _text_or_none(message.get("model"))
        self._usage.report(message.get("usage"))
        if "diagnostics" in message:
            told = message["diagnostics"]
            self._diagnosis = told if isinstance(told, dict) else {}
        tier, speed, geo = map(self._usage.labels.get, _LABELS)
        report = self._cache_report()
        return [MessageStarted(self._id, self._model, self._result(), tier, speed, geo, report)]

    def _cache_report(self) -> CacheReport:
        return CacheReport(self._usage.lifetimes_told, self._diagnosis)

    def _block_start(self, event: dict[str, Any]) -> list[StreamEvent]:
        start = event.get("content_block")
        if not isinstance(start, dict) or not isinstance(start.get("type"), str):
            self.ignored += 1
            return _ALIVE
        index = _index_of(event, self._current + 1)
        if index in self._blocks:  # a block that was shown is not taken back
            self.ignored += 1
            return _ALIVE
        self.started = True
        self._current = index
        block = self._blocks[index] = _Block(start)
        if not block.field:
            self._grow(json.dumps(start))
            self.has_content = True
            return _ALIVE
        shown = start.get(block.field)
        return self._show(block, shown) if isinstance(shown, str) and shown else _ALIVE

    def _delta(self, event: dict[str, Any]) -> list[StreamEvent]:
        delta = event.get("delta")
        if not isinstance(delta, dict):
            self.ignored += 1
            return _ALIVE
        kind = delta.get("type")
        if kind == "text_delta":
            return self._text(event, "text", delta.get("text"))
        if kind == "thinking_delta":
            return self._text(event, "thinking", delta.get("thinking"))
        return self._hidden(event, delta, kind)

    def _text(self, event: dict[str, Any], field: str, text: object) -> list[StreamEvent]:
        index = _index_of(event, self._current)
        block = self._blocks.get(index)
        if block is None:  # some servers skip content_block_start
            block = self._blocks[index] = _Block({"type": field})
            self._current = index
        if block.field != field or not isinstance(text, str):
            self.ignored += 1
            return _ALIVE
        return self._show(block, text)

    def _show(self, block: _Block, text: str) -> list[StreamEvent]:
        self.started = self.has_content = True
        self._grow(text)
        shown = block.take(text)
        if not shown:
            return _ALIVE
        if block.field == "thinking":
            return [ThinkingDelta(shown)]
        self._texts.append(shown)
        return [TextDelta(shown)]

    def _hidden(self, event: dict[str, Any], delta: dict[str, Any], kind: object) -> list[StreamEvent]:
        """Deltas that build a block but show nothing: signatures, tool input, citations."""
        block = self._blocks.get(_index_of(event, self._current))
        payload = delta.get(
            {"signature_delta": "signature", "input_json_delta": "partial_json"}.get(str(kind), "")
        )
        if block is None:
            self.ignored += 1
            return _ALIVE
        if kind == "signature_delta" and isinstance(payload, str):
            self._grow(payload)
            block.start = {**block.start, "signature": payload}
        elif kind == "input_json_delta" and isinstance(payload, str) and not block.field:
            self._grow(payload)
            block.pieces.append(payload)
        elif kind == "citations_delta" and isinstance(citation := delta.get("citation"), dict):
            self._grow(json.dumps(citation))
            block.start = {**block.start, "citations": [*(block.start.get("citations") or []), citation]}
        else:
            self.ignored += 1
            return _ALIVE
        self.has_content = True
        return _ALIVE

    def _block_stop(self, event: dict[str, Any]) -> list[StreamEvent]:
        block = self._blocks.get(_index_of(event, self._current))
        if block is None:
            self.ignored += 1
            return _ALIVE
        block.closed = True
        if not block.half:
            return _ALIVE
        block.half = ""
        return self._show(block, "\ufffd")

    def _message_delta(self, event: dict[str, Any]) -> list[StreamEvent]:
        delta = event.get("delta")
        if isinstance(delta, dict):
            self._stop_reason = _text_or_none(delta.get("stop_reason")) or self._stop_reason
            details = delta.get("stop_details")
            self._stop_details = details if isinstance(details, dict) else self._stop_details
        before = self._usage.input_side
        counted = self._usage.report(event.get("usage"))
        self._final_count = self._stop_reason is not None and (counted or self._final_count)
        self.started = True
        return _ALIVE if self._usage.input_side == before else [UsageUpdated(self._result())]

    def _stop(self, _event: dict[str, Any]) -> list[StreamEvent]:
        self.started = self._complete = True
        return _ALIVE

    def _grow(self, text: str) -> None:
        self._size += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if self._size > ANSWER_LIMIT:
            raise BadAnswerError(
                f"The answer was stopped at {ANSWER_LIMIT // 2**20} MB; ask for less at once."
            )


def _index_of(event: dict[str, Any], default: int) -> int:
    index = event.get("index")
    return index if type(index) is int and index >= 0 else max(default, 0)


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
