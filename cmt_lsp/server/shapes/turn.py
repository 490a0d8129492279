"""How a turn ended, in the wire's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.server import wire
from cmt_lsp.server.shapes.money import prediction_shape
from cmt_lsp.server.shapes.values import cache_shape, cost_shape, error_shape, timing_shape, usage_shape

if TYPE_CHECKING:
    from cmt_lsp.core.turn import TurnResult


def result_shape(result: TurnResult) -> wire.TurnResult:
    """How a turn ended."""
    return wire.TurnResult(
        turn_id=result.turn_id,
        session_id=result.session_id,
        model=result.model,
        stop_reason=result.stop_reason,
        text=result.text,
        usage=usage_shape(result.usage),
        cost=cost_shape(result.cost),
        cache=cache_shape(result.cache),
        timing=timing_shape(result.timing),
        prediction=prediction_shape(result.prediction, missed_by=result.missed_by)
        if result.prediction
        else None,
        notices=list(result.notices) or None,
        error=error_shape(result.error) if result.error else None,
    )
