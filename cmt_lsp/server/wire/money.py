"""Money: usage reports, budgets and predictions. All money is whole nano-dollars unless its name says otherwise."""

from __future__ import annotations

from typing import Literal

from cmt_lsp.server.wire.parts import Cost, Usage
from cmt_lsp.server.wire.shape import shape

Grouping = Literal["day", "model", "workspace", "session"]
BudgetScope = Literal["turn", "session", "window", "workspace", "day", "month"]


@shape
class UsageParams:
    """Which attempts to sum. `id` names the turn, session, window or workspace; without it the current one is meant.

    `from` and `to` are days (YYYY-MM-DD, both inclusive) in the time zone that the report states. `thenBy` divides each
    group again. `limit` keeps that many groups, those that cost most, and sums the others up as `rest`; sessions and
    workspaces are kept to 1000 where it is absent.
    """

    scope: Literal["turn", "session", "window", "workspace", "all"] = "all"
    id: str | None = None
    from_: str | None = None
    to: str | None = None
    group_by: Grouping | None = None
    then_by: Literal["day", "model", "workspace"] | None = None
    limit: int | None = None


@shape
class UsageTotals:
    """Tokens by class and what they cost."""

    usage: Usage
    cost: Cost


@shape
class UsageGroup:
    """One group of a report; `label` is a name for `key` where there is a better one.

    `cacheWritePremiumNanoUsd` is what writing the cache cost more than plain input, at list prices. `savedNanoUsd`
    already has it taken off.
    """

    key: str
    totals: UsageTotals
    requests: int
    sessions: int
    hit_ratio: float
    saved_nano_usd: int
    unpriced_requests: int
    estimated_requests: int
    cache_write_premium_nano_usd: int
    label: str | None = None
    groups: list[UsageGroup] | None = None


@shape
class Calibration:
    """How good the predictions were: signed median errors (0.1: predicted 10 % too much) and the share of answers
    within the predicted p90."""

    turns: int
    median_input_error: float | None = None
    median_cost_error: float | None = None
    inside_p90: float | None = None


@shape
class UsageReport:
    """The sum over the ledger's rows. `requests` counts attempts; a cost with `≥` lacks the unpriced ones.

    Days come in their order and only where something was spent, other groups by what they cost, the dearest first.
    `rest` sums up the groups that a limit left out, so that groups and rest always add up to the totals.
    """

    totals: UsageTotals
    requests: int
    sessions: int
    hit_ratio: float
    saved_nano_usd: int
    unpriced_requests: int
    estimated_requests: int
    cache_write_premium_nano_usd: int
    today: str
    time_zone: str
    calibration: Calibration
    groups: list[UsageGroup] | None = None
    rest: UsageGroup | None = None
    from_: str | None = None
    to: str | None = None
    notices: list[str] | None = None


@shape
class Budget:
    """One limit as it stands for the current turn, session, window, workspace, day or month.

    `held_nano_usd` is what running turns may still spend; `level` is spent and held in percent of the limit, rounded
    down. `source` is `user` for a limit set by command and `settings` for one in the options.
    """

    scope: BudgetScope
    limit_nano_usd: int
    spent_nano_usd: int
    held_nano_usd: int
    remaining_nano_usd: int
    level: int
    state: Literal["ok", "warning", "exceeded"]
    warn_at: list[int]
    source: Literal["user", "settings"]
    display: str


@shape
class BudgetSetParams:
    """Set a limit in US dollars, or remove it with null; `warnAt` are percentages. Only a user's act reaches this."""

    scope: BudgetScope
    limit_usd: float | None
    warn_at: list[int] | None = None


@shape
class BudgetsResult:
    """Every limit in force, the turn's first."""

    budgets: list[Budget]
    notices: list[str] | None = None


@shape
class PredictedOutput:
    """Tokens of the answer; `basis` says what the figures rest on."""

    p50: int
    p90: int
    max: int
    basis: str


@shape
class PredictedCost:
    """Cold and warm: the median answer with nothing cached, and with all that can be read from the cache.

    p50, p90 and max: by the length of the answer, with the cache as it is expected to be. No numbers where the model
    has no known price.
    """

    priced: bool
    display: str
    cold_nano_usd: int | None = None
    warm_nano_usd: int | None = None
    p50: int | None = None
    p90: int | None = None
    max: int | None = None


@shape
class BudgetEffect:
    """What the turn does to one budget: its level now and after a p50 and a p90 answer, in percent."""

    scope: BudgetScope
    limit_nano_usd: int
    remaining_nano_usd: int
    level: int
    level_p50: int
    level_p90: int
    outcome: Literal["fits", "shrinks", "refused"]
    max_tokens: int | None = None


@shape
class PredictedImage:
    """One image of the question."""

    name: str
    tokens: int


@shape
class Prediction:
    """What a turn will use and cost. `exact`: the endpoint counted the prompt.

    After the turn, `inputError` is the signed relative error of the prompt (0.1: predicted 10 % too much), `costError`
    that of the p50 cost, and `withinP90` tells whether the answer stayed under its p90.
    """

    model: str
    input_tokens: int
    exact: bool
    output_tokens: PredictedOutput
    cost: PredictedCost
    cache_state: Literal["warm", "partial", "cold", "off", "below-minimum"]
    budgets: list[BudgetEffect]
    context_fill: float | None = None
    images: list[PredictedImage] | None = None
    notices: list[str] | None = None
    input_error: float | None = None
    cost_error: float | None = None
    within_p90: bool | None = None
