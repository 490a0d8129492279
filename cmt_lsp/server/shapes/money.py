"""From the core's values of money to the wire's shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.server import wire
from cmt_lsp.server.shapes.values import cost_shape, usage_shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmt_lsp.core.money.budget import BudgetState
    from cmt_lsp.core.money.prediction import Calibration, Effect, Prediction, PredictionError
    from cmt_lsp.core.money.report import Part, UsageQuery, UsageReport


def totals_shape(part: Part) -> wire.UsageTotals:
    """Tokens by class and what they cost."""
    return wire.UsageTotals(usage=usage_shape(part.sums.usage), cost=cost_shape(part.sums.cost))


def group_shape(part: Part, labels: Mapping[str, str]) -> wire.UsageGroup:
    """One group with the groups inside it; `labels` are names for keys."""
    inner = None if part.parts is None else [group_shape(one, labels) for one in part.parts]
    return wire.UsageGroup(
        key=part.key,
        totals=totals_shape(part),
        requests=part.sums.requests,
        sessions=part.sessions,
        hit_ratio=round(part.hit_ratio, 4),
        saved_nano_usd=part.saved_nano,
        unpriced_requests=part.sums.cost.unpriced,
        estimated_requests=part.sums.estimated,
        cache_write_premium_nano_usd=part.write_premium_nano,
        label=labels.get(part.key),
        groups=inner,
    )


def report_shape(
    report: UsageReport, query: UsageQuery, labels: Mapping[str, str], today: str, time_zone: str
) -> wire.UsageReport:
    """A report, with the days that were asked for and the day that it is."""
    total, rest = report.total, report.rest
    return wire.UsageReport(
        totals=totals_shape(total),
        requests=total.sums.requests,
        sessions=total.sessions,
        hit_ratio=round(total.hit_ratio, 4),
        saved_nano_usd=total.saved_nano,
        unpriced_requests=total.sums.cost.unpriced,
        estimated_requests=total.sums.estimated,
        cache_write_premium_nano_usd=total.write_premium_nano,
        today=today,
        time_zone=time_zone,
        calibration=calibration_shape(report.calibration),
        groups=None if report.groups is None else [group_shape(part, labels) for part in report.groups],
        rest=None if rest is None else group_shape(rest, {}),
        from_=query.first_day,
        to=query.last_day,
    )


def calibration_shape(found: Calibration) -> wire.Calibration:
    """How good the predictions were; absent where nothing tells."""

    def rounded(share: float | None) -> float | None:
        return None if share is None else round(share, 4)

    return wire.Calibration(
        turns=found.turns,
        median_input_error=rounded(found.median_input_error),
        median_cost_error=rounded(found.median_cost_error),
        inside_p90=rounded(found.inside_p90),
    )


def budget_shape(state: BudgetState) -> wire.Budget:
    """One limit as it stands."""
    return wire.Budget(
        scope=state.scope,
        limit_nano_usd=state.limit_nano,
        spent_nano_usd=state.spent_nano,
        held_nano_usd=state.held_nano,
        remaining_nano_usd=state.remaining_nano,
        level=state.level,
        state=state.state,
        warn_at=list(state.warn_at),
        source=state.source,
        display=state.display,
    )


def prediction_shape(
    prediction: Prediction,
    *,
    effects: Sequence[Effect] = (),
    images: Sequence[tuple[str, int]] = (),
    notices: Sequence[str] = (),
    missed_by: PredictionError | None = None,
) -> wire.Prediction:
    """What a turn will use and cost, and afterwards how far that was off."""
    return wire.Prediction(
        model=prediction.model,
        input_tokens=prediction.input_tokens,
        exact=prediction.exact,
        output_tokens=wire.PredictedOutput(
            p50=prediction.output_p50,
            p90=prediction.output_p90,
            max=prediction.output_max,
            basis=prediction.basis,
        ),
        cost=wire.PredictedCost(
            priced=prediction.p50_nano is not None,
            display=prediction.display,
            cold_nano_usd=prediction.cold_nano,
            warm_nano_usd=prediction.warm_nano,
            p50=prediction.p50_nano,
            p90=prediction.p90_nano,
            max=prediction.max_nano,
        ),
        cache_state=prediction.cache_state,
        budgets=[_effect_shape(effect) for effect in effects],
        context_fill=_rounded(prediction.context_fill),
        images=[wire.PredictedImage(name=name, tokens=tokens) for name, tokens in images] or None,
        notices=list(notices) or None,
        input_error=_rounded(missed_by.input_error) if missed_by else None,
        cost_error=_rounded(missed_by.cost_error) if missed_by else None,
        within_p90=missed_by.within_p90 if missed_by else None,
    )


def _effect_shape(effect: Effect) -> wire.BudgetEffect:
    return wire.BudgetEffect(
        scope=effect.budget.scope,
        limit_nano_usd=effect.budget.limit_nano,
        remaining_nano_usd=effect.budget.remaining_nano,
        level=effect.budget.level,
        level_p50=effect.level_p50,
        level_p90=effect.level_p90,
        outcome=effect.outcome,
        max_tokens=effect.max_tokens,
    )


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
