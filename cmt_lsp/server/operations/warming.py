"""Warming: a session's cache before its question comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.server.operations.chat import override_of
from cmt_lsp.server.shapes.warming import warm_shape

if TYPE_CHECKING:
    from cmt_lsp.core.warming.warmer import Warm, WarmResult
    from cmt_lsp.server import wire
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Window

TITLE = "Claude, warming"


async def warm(window: Window, caller: Caller, params: wire.CacheWarmParams) -> wire.CacheWarmResult:
    """Write or refresh what the next question will read, say what that would cost, or hear that somebody types."""
    if params.keep and params.dry_run:
        raise BadParamsError("$.keep sends nothing by itself; leave out $.dryRun or $.keep.")
    override = override_of(params.budget_override)
    session_id = await window.session_for(params.session_id)
    warming = window.manager.warming
    if params.dry_run:
        return warm_shape(*await warming.price(session_id))
    if params.keep:
        return warm_shape(await warming.typed(session_id))
    token = caller.work_done_token
    work = caller.peer.adopt_progress(token, TITLE, cancellable=False) if token is not None else None
    try:
        return warm_shape(await _followed(await warming.start(session_id, budget_override=override)))
    finally:
        if work is not None:
            work.end()
        await window.refresh_status()


async def _followed(warm: Warm) -> WarmResult:
    """Wait for the end. A cancelled request stops the warming and is still answered with what it cost."""
    while True:
        try:
            return await warm.result()
        except asyncio.CancelledError:
            warm.turn.cancel("user")
