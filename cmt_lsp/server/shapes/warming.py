"""From the core's values about warming to the wire's shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.api.models import display_usd
from cmt_lsp.server import wire
from cmt_lsp.server.shapes.money import prediction_shape
from cmt_lsp.server.shapes.values import cost_shape, moment, usage_shape

if TYPE_CHECKING:
    from cmt_lsp.core.forecast import Forecast
    from cmt_lsp.core.warming.keeper import KeepState
    from cmt_lsp.core.warming.warmer import WarmResult


def warm_shape(result: WarmResult, told: Forecast | None = None) -> wire.CacheWarmResult:
    """What warming did, or by a forecast would do."""
    prediction = None if result.prediction is None else prediction_shape(result.prediction)
    if told is not None:
        prediction = prediction_shape(told.prediction, effects=told.effects, notices=told.notices)
    return wire.CacheWarmResult(
        session_id=result.session_id,
        model=result.model,
        state=result.state,
        reason=result.reason,
        read_tokens=result.usage.cache_read_input_tokens,
        written_tokens=result.usage.cache_creation_input_tokens,
        usage=usage_shape(result.usage),
        cost=cost_shape(result.cost),
        expires_at=None if result.expires_at is None else moment(result.expires_at),
        prediction=prediction,
        notices=list(result.notices) or None,
    )


def kept_shape(state: KeepState) -> wire.StatusKept:
    """How a session is kept warm."""
    return wire.StatusKept(
        session_id=state.session_id,
        state=state.state,
        until=moment(state.until),
        refreshes=state.refreshes,
        spent_nano_usd=state.spent_nano,
        text=kept_text(state),
        next_at=None if state.next_at is None else moment(state.next_at),
        next_cost_nano_usd=None if state.state == "stopped" else state.refresh_nano,
        reason=state.reason,
    )


def kept_text(state: KeepState) -> str:
    """`kept warm, $0.0004 each time, $0.0008 so far`, or why it is not any more."""
    spent = f", {display_usd(state.spent_nano)} so far" if state.spent_nano else ""
    if state.state == "stopped":
        return f"not kept warm any more{spent}: {state.reason}"
    price = "unpriced" if state.refresh_nano is None else f"{display_usd(state.refresh_nano)} each time"
    return f"kept warm, {price}{spent}"
