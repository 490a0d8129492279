"""One request to the Messages API, and what the client tells about it on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cmt_lsp.api.errors import BadParamsError, Billed
from cmt_lsp.api.stream import Message, StreamEvent
from cmt_lsp.api.surrogates import mend
from cmt_lsp.api.usage import Usage

_COUNTED = (
    "model",
    "messages",
    "system",
    "thinking",
    "output_config",
    "tools",
    "tool_choice",
    "cache_control",
    "speed",
)


@dataclass(frozen=True, slots=True)
class MessageRequest:
    """What is asked of the model; content in the API's own shapes."""

    model: str
    max_tokens: int
    """Limit of thinking and answer together; 0 asks for no answer, only that the cache be written."""
    messages: Sequence[Mapping[str, Any]]
    system: str | Sequence[Mapping[str, Any]] | None = None
    thinking: Mapping[str, Any] | None = None
    effort: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further top-level fields; those above win."""

    def body(self, *, stream: bool) -> dict[str, Any]:
        """The request as the API's JSON object; absent options are left out, never null.

        A request for no answer has nothing to stream, and the endpoint refuses to.
        """
        body: dict[str, Any] = {**self.extra, "model": self.model, "max_tokens": self.max_tokens}
        if self.system is not None:
            body["system"] = self.system
        if self.thinking is not None:
            body["thinking"] = self.thinking
        if self.effort is not None:
            body["output_config"] = {**body.get("output_config", {}), "effort": self.effort}
        body["messages"] = list(self.messages)
        if stream and self.max_tokens:
            body["stream"] = True
        return body

    def counted_body(self) -> dict[str, Any]:
        """The part of the body that the token counter takes."""
        body = self.body(stream=False)
        return {name: body[name] for name in _COUNTED if name in body}


def encode(body: Mapping[str, Any]) -> bytes:
    """The body as UTF-8 JSON, lone surrogates replaced; raises BadParamsError for what is no JSON."""
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise BadParamsError("The request holds a value that JSON cannot carry.") from None
    return mend(text).encode()


def asks_for_long_lived_cache(encoded: bytes) -> bool:
    """Whether an encoded body marks something to be cached for an hour.

    Exact, not a guess: inside a JSON string the quotes would be escaped.
    """
    return b'"ttl":"1h"' in encoded


class Gate(Protocol):
    """Who decides whether each attempt of a request may leave, and hears that it did; attempts count from 1."""

    async def admit(self, number: int) -> int:
        """Awaited before the attempt leaves: the `max_tokens` it may use, at most those of the request.

        A CmtError raised here ends the request as it is: no further attempt, nothing billed for this one.
        """

    def departed(self, number: int) -> None:
        """The first byte of the attempt's body is being handed to a connection; before, nothing can be billed."""


@dataclass(frozen=True, slots=True)
class WarmingUp:
    """The SDK is still being imported; the request goes out right after."""


@dataclass(frozen=True, slots=True)
class Retrying:
    """Attempt `attempt` failed before anything was shown; the next one starts after `delay` seconds."""

    attempt: int
    max_attempts: int
    delay: float
    reason: str
    usage: Usage | None = None
    """What the failed attempt is known to have used; None where it told nothing."""
    billed: Billed = "nothing"
    """What the failed attempt may have cost; "told": see `usage`."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The end of the answer; `message.complete` is False (stop reason "truncated") where it was cut off cleanly."""

    message: Message
    request_id: str | None
    retries: int


ClientEvent = WarmingUp | Retrying | StreamEvent | Completed


@dataclass(frozen=True, slots=True)
class StreamChunk:
    """A piece of an answer for callers of `send_message`; the last one is final and carries the figures."""

    content: str
    metadata: Mapping[str, Any]
    is_final: bool
