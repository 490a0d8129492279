"""Budgets: what may be spent, and how much of it is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.core.money.budget import check_limit
from cmt_lsp.server import wire
from cmt_lsp.server.shapes.money import budget_shape

if TYPE_CHECKING:
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Window


async def get(window: Window, caller: Caller, params: wire.Empty) -> wire.BudgetsResult:
    """Every limit in force, as it stands for the window's current session, workspace and day."""
    states = await window.manager.ledger.budgets(await window.origin())
    return wire.BudgetsResult(budgets=[budget_shape(state) for state in states])


async def set_limit(window: Window, caller: Caller, params: wire.BudgetSetParams) -> wire.BudgetsResult:
    """Set, change or remove a limit of the user's own; what the options limit stays limited."""
    scope, limit_nano, warn_at = check_limit(params.scope, params.limit_usd, params.warn_at)
    await window.manager.ledger.set_limit(scope, limit_nano, warn_at)
    answer = await get(window, caller, wire.Empty())
    await window.refresh_status()
    stricter = [budget for budget in answer.budgets if budget.scope == scope and budget.source == "settings"]
    if not stricter:
        return answer
    told = (
        f"The settings hold the {scope} budget lower; the lowest limit applies, so change it there as well."
    )
    return wire.BudgetsResult(budgets=answer.budgets, notices=[told])
