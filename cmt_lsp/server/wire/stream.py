"""The `value` of `$/progress` on the partial-result token."""

from __future__ import annotations

from typing import Literal

from cmt_lsp.server.wire.money import Prediction
from cmt_lsp.server.wire.parts import CacheVerdict, Cost, RpcErrorBody, Usage
from cmt_lsp.server.wire.shape import shape


@shape
class StreamStarted:
    """The turn was accepted; `seq` 0."""

    kind: Literal["started"]
    turn_id: str
    seq: int
    model: str
    session_id: str


@shape
class StreamWaiting:
    """Nothing new to show, and why; sent again as time passes. `silent`: text came, and no more comes."""

    kind: Literal["waiting"]
    turn_id: str
    seq: int
    phase: Literal["sharing", "warming_up", "sending", "thinking", "silent"]
    elapsed_ms: int


@shape
class StreamThinking:
    """A piece of the model's thinking, where it shows it; `offset` counts Unicode characters of the thinking before it."""

    kind: Literal["thinking"]
    turn_id: str
    seq: int
    text: str
    offset: int


@shape
class StreamText:
    """A piece of the answer; `offset` counts Unicode characters of the answer before it."""

    kind: Literal["text"]
    turn_id: str
    seq: int
    text: str
    offset: int


@shape
class StreamRetry:
    """Attempt number `attempt` (1 is the first) failed before any text; the next one follows after `delay_ms`."""

    kind: Literal["retry"]
    turn_id: str
    seq: int
    attempt: int
    max_attempts: int
    delay_ms: int
    reason: str


@shape
class StreamPrediction:
    """What the turn is expected to use and cost, once the budgets let it go."""

    kind: Literal["prediction"]
    turn_id: str
    seq: int
    prediction: Prediction


@shape
class StreamUsage:
    """Usage as soon as the input side is known."""

    kind: Literal["usage"]
    turn_id: str
    seq: int
    usage: Usage


@shape
class StreamEnd:
    """The last value of every stream; `stop_reason` is `error` where the reply is an error."""

    kind: Literal["end"]
    turn_id: str
    seq: int
    stop_reason: str
    usage: Usage | None = None
    cost: Cost | None = None
    cache: CacheVerdict | None = None
    error: RpcErrorBody | None = None


StreamValue = (
    StreamStarted
    | StreamWaiting
    | StreamThinking
    | StreamText
    | StreamRetry
    | StreamPrediction
    | StreamUsage
    | StreamEnd
)
