"""Everybody who hears of one turn: the stream, the progress line, the notifications and the status."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from cmt_lsp.core.turn import AnswerText, Retry, Thinking, TurnStarted, UsageKnown, Waiting
from cmt_lsp.server import wire
from cmt_lsp.server.shapes import cache_shape, cost_shape, error_shape, result_shape, usage_shape
from cmt_lsp.server.status import LiveTurn
from cmt_lsp.server.turn_progress import TurnProgress
from cmt_lsp.server.turn_stream import TurnStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmt_lsp.api.errors import CmtError
    from cmt_lsp.core.turn import TurnEvent, TurnResult
    from cmt_lsp.server.peer import WorkDone
    from cmt_lsp.server.status import WindowStatus
    from cmt_lsp.server.table import Caller

Phase = Literal["started", "streaming", "retrying", "ended", "failed"]
TITLE = "Claude"


class Audience:
    """Tells one turn to all who asked to hear of it; every one of them hears exactly one end.

    The work-done progress that the server itself offers is asked for while the turn already runs: an editor that
    never answers that question delays nothing.
    """

    def __init__(self, caller: Caller, status: WindowStatus) -> None:
        self._caller = caller
        self._status = status
        self._phase: Phase | None = None
        self._turn_id = ""
        self._session_id = ""
        self._stream: TurnStream | None = None
        self._progress: TurnProgress | None = None
        self._asking: asyncio.Task[None] | None = None
        self._cancel: Callable[[], object] | None = None

    def emit(self, event: TurnEvent) -> None:
        """Take in one event; the first one is the start."""
        match event:
            case TurnStarted():
                self._start(event)
            case AnswerText(text):
                self._enter("streaming", len(text))
                if self._stream:
                    self._stream.text(text)
            case Thinking(text):
                if self._stream:
                    self._stream.thinking(text)
            case _:
                self._tell_apart(event)
        if self._progress:
            self._progress.event(event)

    def on_cancel(self, cancel: Callable[[], object]) -> None:
        """What to do when the person cancels the progress line."""
        self._cancel = cancel

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
        if self._progress:
            self._progress.finish(result)
        self._notify(
            wire.TurnNotification(
                turn_id=result.turn_id,
                session_id=result.session_id,
                phase="ended",
                result=result_shape(result),
            )
        )
        self._status.turn_settled(result.turn_id, result)

    def fail(self, error: CmtError) -> None:
        """The turn has no answer; says nothing when it never started."""
        if self._phase is None:
            return
        body = error_shape(error)
        self._close("failed", lambda stream: stream.end(stopReason="error", error=body))
        if self._progress:
            self._progress.fail(error.message)
        self._notify(
            wire.TurnNotification(
                turn_id=self._turn_id, session_id=self._session_id, phase="failed", error=body
            )
        )
        self._status.turn_settled(self._turn_id, None, error.message)

    def _start(self, event: TurnStarted) -> None:
        self._turn_id, self._session_id = event.turn_id, event.session_id
        self._status.turn_started(LiveTurn(event.turn_id, event.session_id, event.model))
        peer, token = self._caller.peer, self._caller.partial_result_token
        if token is not None:
            self._stream = TurnStream(peer, token, event.turn_id)
            self._stream.send("started", model=event.model, sessionId=event.session_id)
        if self._caller.work_done_token is not None:
            self._show(peer.adopt_progress(self._caller.work_done_token, TITLE, cancellable=True))
        elif token is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask_for_progress())
        self._enter("started")

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
            case UsageKnown(usage):
                self._send("usage", usage=usage_shape(usage))

    def _send(self, kind: str, **fields: object) -> None:
        if self._stream:
            self._stream.send(kind, **fields)

    async def _ask_for_progress(self) -> None:
        work = await self._caller.peer.create_progress(TITLE, cancellable=True)
        if work is not None:
            self._show(work)

    def _show(self, work: WorkDone) -> None:
        if self._phase in ("ended", "failed"):
            work.end()
            return
        self._progress = TurnProgress(work)
        work.on_cancel(self._cancel_turn)

    def _cancel_turn(self) -> None:
        if self._cancel:
            self._cancel()

    def _enter(self, phase: Phase, characters: int = 0) -> None:
        self._status.turn_moved(self._turn_id, phase, characters)
        if phase != self._phase:
            self._phase = phase
            self._notify(
                wire.TurnNotification(turn_id=self._turn_id, session_id=self._session_id, phase=phase)
            )

    def _close(self, phase: Phase, end_stream: Callable[[TurnStream], None]) -> None:
        self._phase = phase
        if self._stream:
            end_stream(self._stream)

    def _notify(self, turn: wire.TurnNotification) -> None:
        if self._caller.peer.experimental.get("turn") is True:
            self._caller.peer.notify("cmt/turn", turn)
