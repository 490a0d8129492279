"""Predictions: what a turn will cost and do to the budgets, and how good such predictions were.

`calibration` reads the ledger and takes the connection of a job on its thread; all else is plain functions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmt_lsp.api.models import cost_of, display_usd, find_model, limits_of
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.budget import Refusal, fit
from cmt_lsp.core.money.past import DONE, PROMPT_TOKENS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cmt_lsp.api.models import Cost
    from cmt_lsp.core.money.attempt import Claim, Expected, Lifetime
    from cmt_lsp.core.money.budget import BudgetState
    from cmt_lsp.core.money.past import Basis
    from cmt_lsp.core.storage.store import Connection

CacheState: TypeAlias = Literal["warm", "partial", "cold", "off", "below-minimum"]
Outcome: TypeAlias = Literal["fits", "shrinks", "refused"]

_CALIBRATED = 1_000


# What a turn will cost


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the prompt cache will do for a request, as far as this program knows."""

    enabled: bool = False
    lifetime: Lifetime | None = None
    """The lifetime that the request marks its prompt with; None where nothing is marked."""
    warm_tokens: int = 0
    """What of the prompt the cache should still hold."""
    readable_tokens: int = 0
    """What it could hold if nothing had expired; where not more than `warm_tokens`, those."""

    @property
    def state(self) -> CacheState:
        """In one word."""
        if not self.enabled:
            return "off"
        if self.lifetime is None:
            return "below-minimum"
        if not self.warm_tokens:
            return "cold"
        return "partial" if self.warm_tokens < self.readable_tokens else "warm"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a turn will use and cost; money in nano-dollars, None where the model has no price."""

    model: str
    input_tokens: int
    exact: bool
    """Whether the endpoint counted the prompt."""
    output_p50: int
    output_p90: int
    output_max: int
    basis: Basis
    cold_nano: int | None
    warm_nano: int | None
    p50_nano: int | None
    p90_nano: int | None
    max_nano: int | None
    cache_state: CacheState
    warm_tokens: int
    context_fill: float | None
    """Share of the model's context window that prompt and median answer fill, 0 to 1."""

    @property
    def display(self) -> str:
        """`$0.0123, up to $0.0456`, or `unpriced`."""
        if self.p50_nano is None or self.p90_nano is None:
            return "unpriced"
        return f"{display_usd(self.p50_nano)}, up to {display_usd(self.p90_nano)}"


def predict(
    model: str,
    expected: Expected,
    max_tokens: int,
    outlook: Outlook,
    at: datetime,
    *,
    speed: str | None = None,
    geo: str | None = None,
) -> Prediction:
    """The cost of a turn by the length of its answer, and of its median answer with a cold and with a warm cache."""

    def nano(output: int, warm: int) -> int | None:
        usage = usage_of(expected.input_tokens, warm, lifetime, output)
        return cost_of(model, usage, at, speed=speed, geo=geo).nano_usd

    lifetime = marked_for(model, expected.input_tokens, outlook.lifetime)
    warm = outlook.warm_tokens if lifetime else 0
    p50, p90 = min(expected.output_p50, max_tokens), min(expected.output_p90, max_tokens)
    window = limits_of(model).context_window
    return Prediction(
        model=model,
        input_tokens=expected.input_tokens,
        exact=expected.exact,
        output_p50=p50,
        output_p90=p90,
        output_max=max_tokens,
        basis=expected.basis,
        cold_nano=nano(p50, 0),
        warm_nano=nano(p50, max(warm, outlook.readable_tokens if lifetime else 0)),
        p50_nano=nano(p50, warm),
        p90_nano=nano(p90, warm),
        max_nano=nano(max_tokens, warm),
        cache_state=replace(outlook, lifetime=lifetime).state,
        warm_tokens=min(warm, expected.input_tokens),
        context_fill=min(1.0, (expected.input_tokens + p50) / window) if window else None,
    )


def usage_of(input_tokens: int, warm_tokens: int, lifetime: Lifetime | None, output_tokens: int) -> Usage:
    """How a predicted prompt falls into the classes: the newest block is marked, so what is not read is written."""
    read = min(warm_tokens, input_tokens) if lifetime else 0
    rest = input_tokens - read
    by_class = {None: (rest, 0, 0), "5m": (0, rest, 0), "1h": (0, 0, rest)}
    return Usage(*by_class[lifetime], read, output_tokens, estimated=True)


def marked_for(model: str, input_tokens: int, lifetime: Lifetime | None) -> Lifetime | None:
    """The lifetime that marks give a prompt; None under the model's minimum, where they are without effect."""
    known = find_model(model)
    return None if known is not None and input_tokens < known.cache_minimum else lifetime


def expected_cost(claim: Claim, expected: Expected, at: datetime) -> Cost:
    """What an attempt will most likely cost: its prompt with the cache as it should be, and the median answer."""
    output = min(expected.output_p50, claim.max_tokens)
    lifetime = marked_for(claim.model, expected.input_tokens, claim.lifetime)
    usage = usage_of(expected.input_tokens, claim.warm_tokens, lifetime, output)
    return cost_of(claim.model, usage, at, batch=claim.origin.kind == "batch")


# What a turn does to the budgets


@dataclass(frozen=True, slots=True)
class Effect:
    """What a turn does to one budget; levels in percent."""

    budget: BudgetState
    level_p50: int
    level_p90: int
    outcome: Outcome
    max_tokens: int | None
    """The limit of the answer under this budget alone; None where it is refused."""


def effects(claim: Claim, prediction: Prediction, budgets: Sequence[BudgetState]) -> tuple[Effect, ...]:
    """What would become of the claim under each budget alone, and where a p50 and a p90 answer would leave it."""
    return tuple(_effect(claim, prediction, budget) for budget in budgets)


def _effect(claim: Claim, prediction: Prediction, budget: BudgetState) -> Effect:
    fitted = fit([claim], {claim.attempt_id: [budget]})
    limit = None if isinstance(fitted, Refusal) else fitted.max_tokens[0]
    outcome: Outcome = "refused" if limit is None else "fits" if limit == claim.max_tokens else "shrinks"
    return Effect(
        budget,
        budget.level_with(prediction.p50_nano or 0),
        budget.level_with(prediction.p90_nano or 0),
        outcome,
        limit,
    )


# How good predictions were


@dataclass(frozen=True, slots=True)
class PredictionError:
    """Signed relative errors (0.1: predicted 10 % too much); None where the truth is not known."""

    input_error: float | None
    cost_error: float | None
    within_p90: bool | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """How good predictions were over many turns: signed medians of their errors, and the share within the p90."""

    turns: int
    median_input_error: float | None
    median_cost_error: float | None
    inside_p90: float | None


def error_of(prediction: Prediction, usage: Usage, cost: Cost) -> PredictionError:
    """How far a prediction was from what the endpoint told; an estimate of ours proves nothing."""
    if usage.estimated:
        return PredictionError(None, None, None)
    return PredictionError(
        _error(prediction.input_tokens, usage.total_input_tokens),
        _error(prediction.p50_nano, cost.nano_usd),
        usage.output_tokens <= prediction.output_p90,
    )


def _error(predicted: int | None, actual: int | None) -> float | None:
    return None if predicted is None or not actual else predicted / actual - 1.0


def calibration(
    connection: Connection,
    scope: Literal["turn", "session", "window", "workspace", "all"],
    key: str,
    first_day: str | None = None,
    last_day: str | None = None,
) -> Calibration:
    """The errors of the newest 1,000 predicted answers of a turn, session, window, workspace or all; days inclusive."""
    columns = {"turn": "turn_id", "session": "session_id", "window": "window_id", "workspace": "workspace"}
    terms = [(f"{columns[scope]} = ?", key)] if scope != "all" else []
    terms += [(f"day {sign} ?", day) for sign, day in ((">=", first_day), ("<=", last_day)) if day]
    where = " AND ".join(
        (DONE, "usage_estimated = 0", "expected_p90 IS NOT NULL", *(term for term, _ in terms))
    )
    rows = connection.execute(
        f"SELECT expected_input, {PROMPT_TOKENS}, expected_nano, nano_usd, output_tokens <= expected_p90"  # noqa: S608
        f" FROM attempts WHERE {where} ORDER BY day DESC, seq DESC LIMIT {_CALIBRATED}",
        [value for _, value in terms],
    ).fetchall()
    inputs = [error for row in rows if (error := _error(row[0], row[1])) is not None]
    costs = [error for row in rows if (error := _error(row[2], row[3])) is not None]
    return Calibration(
        len(rows),
        median(inputs) if inputs else None,
        median(costs) if costs else None,
        sum(row[4] for row in rows) / len(rows) if rows else None,
    )
