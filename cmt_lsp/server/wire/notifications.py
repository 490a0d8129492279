"""What the server tells by itself: `cmt/turn` and `cmt/status`."""

from __future__ import annotations

from typing import Literal

from cmt_lsp.server.wire.chat import TurnResult
from cmt_lsp.server.wire.money import Budget
from cmt_lsp.server.wire.parts import CacheVerdict, Cost, RpcErrorBody, Usage
from cmt_lsp.server.wire.sessions import Session
from cmt_lsp.server.wire.shape import shape
from cmt_lsp.server.wire.warming import StatusKept


@shape
class TurnNotification:
    """`cmt/turn`: a turn's life in phases; the final one comes for every turn however it ends."""

    turn_id: str
    session_id: str
    phase: Literal["started", "streaming", "retrying", "ended", "failed"]
    result: TurnResult | None = None
    error: RpcErrorBody | None = None


@shape
class StatusUsage:
    """Usage at the scopes that the status shows."""

    session: Usage
    window: Usage
    today: Usage | None = None
    turn: Usage | None = None


@shape
class StatusCost:
    """Cost at the scopes that the status shows."""

    session: Cost
    window: Cost
    today: Cost | None = None
    turn: Cost | None = None


@shape
class StatusText:
    """Ready texts for a status line, by room."""

    short: str
    medium: str
    long: str


@shape
class StatusWarmth:
    """What the cache holds of the current session, for its model. One more status comes when it has gone cold.

    `coldCostNanoUsd` is what the next question costs more where it is cold.
    """

    state: Literal["warm", "cold"]
    model: str
    tokens: int
    expires_at: str
    cold_cost_nano_usd: int | None = None


@shape
class RunningTurn:
    """A turn that is under way."""

    turn_id: str
    session_id: str
    model: str
    phase: str
    elapsed_ms: int
    output_characters: int


@shape
class Status:
    """`cmt/status`: the full state of the window, at most four times a second; the newest one wins."""

    version: int
    busy: bool
    turns: list[RunningTurn]
    usage: StatusUsage
    cost: StatusCost
    text: StatusText
    budgets: list[Budget] | None = None
    session: Session | None = None
    cache: CacheVerdict | None = None
    warmth: StatusWarmth | None = None
    kept: StatusKept | None = None
    context_fill: float | None = None
    message: str | None = None
