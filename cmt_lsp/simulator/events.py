"""The events of a streamed answer, in the service's order, encoded one by one as they are sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cmt_lsp.simulator.faults import JunkKind

_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def compact(value: object) -> bytes:
    """JSON without spaces, as UTF-8."""
    return _compact(value).encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event; `raw`, when set, goes out as it is."""

    name: str
    data: Mapping[str, Any]
    raw: bytes | None = None

    def encode(self) -> bytes:
        """The bytes on the wire."""
        if self.raw is not None:
            return self.raw
        return b"event: %b\ndata: %b\n\n" % (self.name.encode(), compact(self.data))

    @property
    def text(self) -> str:
        """The answer's text in this event; empty for every other kind."""
        delta = self.data.get("delta")
        return delta.get("text", "") if isinstance(delta, Mapping) else ""


def event(name: str, **fields: Any) -> Event:
    """An event whose data carries its own name as `type`."""
    return Event(name, {"type": name, **fields})


PING = event("ping")


@dataclass(frozen=True, slots=True)
class Block:
    """One content block as it is streamed: its empty start, its deltas, and its whole."""

    start: Mapping[str, Any]
    deltas: Sequence[Mapping[str, Any]]
    whole: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished answer, ready to be sent either way."""

    message: Mapping[str, Any]
    blocks: Sequence[Block]
    start_usage: Mapping[str, Any] | None
    end_usage: Mapping[str, Any] | None

    def body(self) -> dict[str, Any]:
        """The whole message as one JSON object; its usage is the final one."""
        return {**self.message, "content": [dict(b.whole) for b in self.blocks]}


def stream(reply: Reply) -> Iterator[Event]:
    """All events of a reply; a ping stands after the start of the first block, where the service puts it."""
    opening = {
        **reply.message,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
    }
    yield event("message_start", message={**opening, "usage": reply.start_usage})
    for index, block in enumerate(reply.blocks):
        yield event("content_block_start", index=index, content_block=dict(block.start))
        if index == 0:
            yield PING
        for delta in block.deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    ending = {key: reply.message.get(key) for key in ("stop_reason", "stop_sequence", "stop_details")}
    usage = {} if reply.end_usage is None else {"usage": reply.end_usage}
    yield Event("message_delta", {"type": "message_delta", "delta": ending, **usage})
    yield event("message_stop")


Edit = Callable[[Iterable[Event]], Iterator[Event]]


def spoil(events: Iterable[Event], kinds: Sequence[JunkKind], size: int) -> Iterable[Event]:
    """The same stream with something foul in it; `size` is the bytes of a huge line."""
    for kind in kinds:
        events = _edit(kind, size)(events)
    return events


def _edit(kind: JunkKind, size: int) -> Edit:
    if kind in _INSERTED:
        return _insert(_INSERTED[kind])
    if kind == "huge_line":
        return _insert(
            lambda: event("content_block_delta", index=0, delta={"type": "text_delta", "text": "x" * size})
        )
    return _EDITS[kind]


def _insert(make: Callable[[], Event]) -> Edit:
    """Put one event before the first delta."""

    def edit(events: Iterable[Event]) -> Iterator[Event]:
        waiting = True
        for each in events:
            if waiting and each.name == "content_block_delta":
                waiting = False
                yield make()
            yield each

    return edit


def _each(change: Callable[[Event], Event | None]) -> Edit:
    def edit(events: Iterable[Event]) -> Iterator[Event]:
        for each in events:
            changed = change(each)
            if changed is not None:
                yield changed

    return edit


def _without(name: str) -> Edit:
    return _each(lambda each: None if each.name == name else each)


def _raw(text: bytes) -> Callable[[], Event]:
    return lambda: Event("", {}, raw=text)


def _unknown_block(events: Iterable[Event]) -> Iterator[Event]:
    """A whole block of a type nobody knows, after the others."""
    for each in events:
        if each.name == "message_delta":
            yield event("content_block_start", index=99, content_block={"type": "hologram", "depth": 3})
            yield event("content_block_delta", index=99, delta={"type": "hologram_delta", "light": "blue"})
            yield event("content_block_stop", index=99)
        yield each


def _two_starts(events: Iterable[Event]) -> Iterator[Event]:
    for each in events:
        yield each
        if each.name == "message_start":
            yield each


def _no_index(each: Event) -> Event:
    if each.name != "content_block_delta":
        return each
    return replace(each, data={key: value for key, value in each.data.items() if key != "index"})


def _usage(output: int | None) -> Callable[[Event], Event]:
    """Give every count of the last usage one absurd value; None takes the usage away."""

    def change(each: Event) -> Event:
        if each.name != "message_delta":
            return each
        data = {key: value for key, value in each.data.items() if key != "usage"}
        if output is not None:
            data["usage"] = {
                "input_tokens": output,
                "cache_read_input_tokens": output,
                "output_tokens": output,
            }
        return replace(each, data=data)

    return change


def _plain_lines(each: Event) -> Event:
    return replace(each, raw=b"data: %b\n\n" % compact(each.data))


def _carriage_returns(each: Event) -> Event:
    return replace(each, raw=each.encode().replace(b"\n", b"\r\n"))


def _done(events: Iterable[Event]) -> Iterator[Event]:
    yield from events
    yield Event("", {}, raw=b"data: [DONE]\n\n")


_INSERTED: Mapping[str, Callable[[], Event]] = {
    "bad_json": _raw(b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n'),
    "bad_utf8": _raw(b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
                     b'"delta":{"type":"text_delta","text":"\xff\xfe\xc3("}}\n\n'),
    "unknown_event": lambda: event("weather_report", sky="clear"),
    "unknown_delta": lambda: event("content_block_delta", index=0, delta={"type": "scent_delta", "scent": "pine"}),
    "comments": _raw(b": keep-alive\n\n:\n"),
}  # fmt: skip

_EDITS: Mapping[str, Edit] = {
    "unknown_block": _unknown_block,
    "missing_index": _each(_no_index),
    "two_starts": _two_starts,
    "no_start": _without("message_start"),
    "no_stop": _without("message_stop"),
    "no_usage": _each(_usage(None)),
    "negative_usage": _each(_usage(-7)),
    "huge_usage": _each(_usage(10**15)),
    "done": _done,
    "no_event_lines": _each(_plain_lines),
    "carriage_returns": _each(_carriage_returns),
}
