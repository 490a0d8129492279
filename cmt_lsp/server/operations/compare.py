"""Comparing models: one question to several, and going on from one of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.server import wire
from cmt_lsp.server.operations.chat import turn_request, waits
from cmt_lsp.server.shapes.values import session_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmt_lsp.core.compare.comparison import Comparison
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Listener, Window


async def compare(
    window: Window, caller: Caller, params: wire.CompareParams
) -> wire.CompareResult | wire.CompareAccepted:
    """Ask several models the same, in the session named or the window's current one."""
    question = wire.ChatParams(
        text=params.text,
        context=params.context,
        images=params.images,
        max_tokens=params.max_tokens,
        effort=params.effort,
        budget_override=params.budget_override,
        allow_secrets=params.allow_secrets,
    )
    request = await turn_request(window, caller, question)
    session_id = await window.session_for(params.session_id)

    def start(listeners: Sequence[Listener]) -> Comparison:
        return window.manager.start_comparison(session_id, request, params.models, listeners)

    return await window.run_comparison(caller, start, len(params.models), wait=waits(caller, params.wait))


async def choose(window: Window, caller: Caller, params: wire.CompareChooseParams) -> wire.Session:
    """One model's answer becomes the session's next turn, and the session the window's current one."""
    info = await window.manager.choose(params.session_id, params.compare_id, params.model)
    await window.make_current(info.id)
    return session_shape(info)
