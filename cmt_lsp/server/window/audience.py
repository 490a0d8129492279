"""Everybody who hears of one turn: the stream, the progress line, the notifications and the status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cmt_lsp.core.turn import AnswerText, Predicted, Retry, Thinking, UsageKnown, Waiting
from cmt_lsp.server import wire
from cmt_lsp.server.shapes.money import prediction_shape
from cmt_lsp.server.shapes.turn import result_shape
from cmt_lsp.server.shapes.values import cache_shape, cost_shape, error_shape, usage_shape
from cmt_lsp.server.window.progress_line import ProgressLine
from cmt_lsp.server.window.status import LiveTurn
from cmt_lsp.server.window.turn_stream import TurnStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmt_lsp.api.errors import CmtError
    from cmt_lsp.core.turn import Turn, TurnEvent, TurnResult
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.status import WindowStatus

Phase = Literal["started", "streaming", "retrying", "ended", "failed"]


class Audience:
    """Tells one turn to all who asked to hear of it; every one of them hears exactly one end."""

    def __init__(self, caller: Caller, status: WindowStatus, *, alone: bool = True) -> None:
        """A turn that runs beside others of the same request, not `alone`, has no progress line of its own."""
        self._caller = caller
        self._status = status
        self._phase: Phase = "started"
        self._turn: Turn | None = None
        self._stream: TurnStream | None = None
        self._line = ProgressLine(caller, self._cancel_turn) if alone else None

    def begin(self, turn: Turn) -> None:
        """Tell the start, before the turn's first step: one that is stopped before it has a start and an end too."""
        self._turn = turn
        self._status.turn_started(LiveTurn(turn.id, turn.session_id, turn.model, turn.question))
        peer, token = self._caller.peer, self._caller.partial_result_token
        if token is not None:
            self._stream = TurnStream(peer, token, turn.id)
            self._stream.send("started", model=turn.model, sessionId=turn.session_id)
        if self._line:
            self._line.begin()
        self._notify("started")

    def emit(self, event: TurnEvent) -> None:
        """Take in one event of the turn that began."""
        match event:
            case AnswerText(text):
                self._enter("streaming", text)
                if self._stream:
                    self._stream.text(text)
            case Thinking(text):
                if self._turn:
                    self._status.turn_thought(self._turn.id, text)
                if self._stream:
                    self._stream.thinking(text)
            case _:
                self._tell_apart(event)
        if self._line:
            self._line.event(event)

    def finish(self, result: TurnResult) -> None:
        """The turn is settled and its record durable."""
        self._close(
            "ended",
            lambda stream: stream.end(
                stopReason=result.stop_reason,
                usage=usage_shape(result.usage),
                cost=cost_shape(result.cost),
                cache=cache_shape(result.cache),
            ),
        )
        if self._line:
            self._line.finish(result)
        self._notify("ended", result=result_shape(result))
        self._status.turn_settled(result.turn_id, result)

    def fail(self, error: CmtError) -> None:
        """The turn has no answer."""
        body = error_shape(error)
        self._close("failed", lambda stream: stream.end(stopReason="error", error=body))
        if self._line:
            self._line.close(error.message)
        self._notify("failed", error=body)
        if self._turn:
            self._status.turn_settled(self._turn.id, None, error.message)

    def _tell_apart(self, event: TurnEvent) -> None:
        """Events that are no text: each has its own stream value."""
        match event:
            case Waiting(phase, elapsed):
                self._send("waiting", phase=phase, elapsedMs=round(elapsed * 1000))
            case Retry(attempt, max_attempts, delay, reason):
                self._enter("retrying")
                self._send(
                    "retry",
                    attempt=attempt,
                    maxAttempts=max_attempts,
                    delayMs=round(delay * 1000),
                    reason=reason,
                )
            case Predicted(prediction):
                self._send("prediction", prediction=prediction_shape(prediction))
            case UsageKnown(usage):
                self._send("usage", usage=usage_shape(usage))

    def _send(self, kind: str, **fields: object) -> None:
        if self._stream:
            self._stream.send(kind, **fields)

    def _cancel_turn(self) -> None:
        if self._turn:
            self._turn.cancel("user")

    def _enter(self, phase: Phase, text: str = "") -> None:
        if self._turn:
            self._status.turn_moved(self._turn.id, phase, text)
        if phase != self._phase:
            self._phase = phase
            self._notify(phase)

    def _close(self, phase: Phase, end_stream: Callable[[TurnStream], None]) -> None:
        self._phase = phase
        if self._stream:
            end_stream(self._stream)

    def _notify(
        self, phase: Phase, *, result: wire.TurnResult | None = None, error: wire.RpcErrorBody | None = None
    ) -> None:
        if self._turn and self._caller.peer.experimental.get("turn") is True:
            told = wire.TurnNotification(
                turn_id=self._turn.id,
                session_id=self._turn.session_id,
                phase=phase,
                result=result,
                error=error,
            )
            self._caller.peer.notify("cmt/turn", told)
