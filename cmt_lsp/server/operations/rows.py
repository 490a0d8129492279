"""The one table of operations: types and function of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cmt_lsp.server import wire
from cmt_lsp.server.operations import (
    auth,
    batch,
    budget,
    cache,
    chat,
    compare,
    doctor,
    images,
    models,
    screen,
    sessions,
    usage,
    warming,
)
from cmt_lsp.server.rpc.table import Operation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Window


@dataclass(frozen=True, slots=True)
class Row:
    """One operation, not yet bound to a window."""

    method: str
    params: type
    result: Any
    run: Callable[[Window, Caller, Any], Awaitable[Any]]


TABLE = (
    Row("cmt/chat", wire.ChatParams, wire.TurnResult | wire.TurnAccepted, chat.chat),
    Row("cmt/cancel", wire.CancelParams, wire.CancelResult, chat.cancel),
    Row("cmt/retry", wire.RetryParams, wire.TurnResult | wire.TurnAccepted, chat.retry),
    Row("cmt/complete", wire.CompleteParams, wire.TurnResult | wire.TurnAccepted, chat.complete),
    Row("cmt/preview", wire.ChatParams, wire.PreviewResult, chat.preview),
    Row("cmt/compare", wire.CompareParams, wire.CompareResult | wire.CompareAccepted, compare.compare),
    Row("cmt/compare/choose", wire.CompareChooseParams, wire.Session, compare.choose),
    Row("cmt/predict", wire.ChatParams, wire.Prediction, chat.predict),
    Row("cmt/session/create", wire.SessionCreateParams, wire.Session, sessions.create),
    Row("cmt/session/list", wire.SessionListParams, wire.SessionListResult, sessions.list_sessions),
    Row("cmt/session/get", wire.SessionGetParams, wire.SessionGetResult, sessions.get),
    Row("cmt/session/update", wire.SessionUpdateParams, wire.Session, sessions.update),
    Row("cmt/session/fork", wire.SessionForkParams, wire.Session, sessions.fork),
    Row("cmt/session/clear", wire.SessionParams, wire.Session, sessions.clear),
    Row("cmt/session/delete", wire.SessionParams, wire.Empty, sessions.delete),
    Row("cmt/session/export", wire.SessionExportParams, wire.SessionExportResult, sessions.export),
    Row("cmt/budget/get", wire.Empty, wire.BudgetsResult, budget.get),
    Row("cmt/budget/set", wire.BudgetSetParams, wire.BudgetsResult, budget.set_limit),
    Row("cmt/usage", wire.UsageParams, wire.UsageReport, usage.usage),
    Row("cmt/cache/stats", wire.CacheParams, wire.CacheStats, cache.stats),
    Row("cmt/cache/advice", wire.CacheParams, wire.CacheAdvice, cache.advice),
    Row("cmt/cache/warm", wire.CacheWarmParams, wire.CacheWarmResult, warming.warm),
    Row("cmt/batch/submit", wire.BatchSubmitParams, wire.BatchSubmitResult, batch.submit),
    Row("cmt/batch/list", wire.BatchListParams, wire.BatchListResult, batch.list_batches),
    Row("cmt/batch/status", wire.BatchParams, wire.Batch, batch.status),
    Row("cmt/batch/results", wire.BatchResultsParams, wire.BatchResultsResult, batch.results),
    Row("cmt/batch/cancel", wire.BatchParams, wire.Batch, batch.cancel),
    Row("cmt/screenshot/take", wire.ScreenshotParams, wire.HeldImage, screen.take),
    Row("cmt/image/clipboard", wire.ClipboardImageParams, wire.HeldImage, screen.clipboard),
    Row("cmt/image/inspect", wire.ImageInspectParams, wire.ImageInspection, images.inspect),
    Row("cmt/image/remove", wire.ImageRemoveParams, wire.Session, images.remove),
    Row("cmt/models", wire.ModelsParams, wire.ModelsResult, models.models),
    Row("cmt/auth/set", wire.AuthSetParams, wire.Empty, auth.set_key),
    Row("cmt/auth/status", wire.Empty, wire.AuthStatusResult, auth.status),
    Row("cmt/doctor", wire.Empty, wire.DoctorResult, doctor.doctor),
)


def operations_for(window: Window) -> tuple[Operation, ...]:
    """The table, bound to the window it works on."""
    return tuple(Operation(row.method, row.params, row.result, partial(row.run, window)) for row in TABLE)
