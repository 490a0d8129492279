"""The prompt cache: what it did, and what would make it cheaper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.server.shapes.cache import advice_shape, stats_shape

if TYPE_CHECKING:
    from cmt_lsp.core.cache.report import Scope
    from cmt_lsp.server import wire
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Window


async def stats(window: Window, caller: Caller, params: wire.CacheParams) -> wire.CacheStats:
    """Turns by state, tokens and money of a scope, what is warm now, and what was lost last."""
    scope, session_id = _scope(window, params)
    return stats_shape(await window.manager.cache_report.stats(scope, session_id), session_id)


async def advice(window: Window, caller: Caller, params: wire.CacheParams) -> wire.CacheAdvice:
    """What would have cost less, each with its value and the act that does it."""
    scope, session_id = _scope(window, params)
    return advice_shape(await window.manager.cache_report.advice(scope, session_id), scope, session_id)


def _scope(window: Window, params: wire.CacheParams) -> tuple[Scope, str | None]:
    """A session that is named, else the scope that is named, else the window's current session."""
    if params.scope in ("window", "all"):
        if params.session_id is not None:
            raise BadParamsError("$.sessionId names one session; leave it out for a wider scope.")
        return params.scope, None
    return "session", params.session_id or window.current
