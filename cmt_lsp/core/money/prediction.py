"""Predictions: what an attempt will use and cost, from own history alone, and how good such predictions were.

`expect` and `calibration` read the ledger and take the connection of a job on its thread; all else is plain functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmt_lsp.api.models import cost_of, display_usd, find_model
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.attempt import Expected
from cmt_lsp.core.money.budget import Refusal, fit
from cmt_lsp.core.money.quantiles import Observed, next_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cmt_lsp.api.models import Cost
    from cmt_lsp.core.money.attempt import Claim, Lifetime, Origin
    from cmt_lsp.core.money.budget import BudgetState
    from cmt_lsp.core.store import Connection

CacheState: TypeAlias = Literal["warm", "partial", "cold", "off", "below-minimum"]
Outcome: TypeAlias = Literal["fits", "shrinks", "refused"]
Basis: TypeAlias = Literal["this session", "this model", "all models", "a first guess"]

FIRST_GUESS_P50 = 800
FIRST_GUESS_P90 = 4_000
"""Tokens of an answer before there is any history. A typical answer about code is 150 to 300 words (about 400 tokens)
around a block of 30 to 40 lines (ten tokens each); one in ten is a whole file of 200 lines with its explanation, or
is thought about for a page or two. Thinking counts as output. After a few answers history takes over."""
ENOUGH_ANSWERS = 8
"""Fewer answers of a session than this say less than those of its model."""
BYTES_PER_TOKEN = 3.5
"""Of an answer, until the model's own answers tell: as in the rule of thumb for prompts."""

_ANSWERS = 200
_PROMPTS = 50
_CALIBRATED = 1_000
_LEANING = 2_000
"""Tokens of a session's prompts at which its own ratio counts as much as its model's."""
_TOTAL = (
    "input_tokens + cache_creation_5m_input_tokens + cache_creation_1h_input_tokens + cache_read_input_tokens"
)
_DONE = "state = 'done' AND kind <> 'warm'"
_OF_SESSION = "session_id = ? AND +model = ?"
"""The sign keeps SQLite from looking through all of the model for a session that has few attempts: with 50,000 that took
50 ms, under the lock of every reservation."""


# What own history expects


@dataclass(frozen=True, slots=True)
class Past:
    """What own history says of one session and one model; read once, it serves any number of attempts."""

    p50: int | None
    p90: int | None
    """Tokens of the next answer; None where all that is known is that answers reach their limits."""
    largest: int
    basis: Basis
    ratio: float
    """Real prompt tokens for each one of the rule of thumb."""
    bytes_per_token: float

    def expect(
        self,
        raw_input_tokens: int,
        counted_input_tokens: int | None = None,
        max_tokens: int | None = None,
    ) -> Expected:
        """What an attempt will use, in tokens; `max_tokens` is the limit of its answer, where there is one.

        The prompt is the endpoint's count where there is one, else the rule of thumb times the ratio of earlier prompts.
        """
        counted = counted_input_tokens
        return Expected(
            input_tokens=round(raw_input_tokens * self.ratio) if counted is None else counted,
            exact=counted is not None,
            output_p50=self._within(self.p50, max_tokens),
            output_p90=self._within(self.p90, max_tokens),
            basis=self.basis,
            bytes_per_token=self.bytes_per_token,
        )

    def _within(self, length: int | None, max_tokens: int | None) -> int:
        if max_tokens is None:
            return self.largest if length is None else length
        return max_tokens if length is None else min(length, max_tokens)


def past_of(connection: Connection, session_id: str, model: str) -> Past:
    """The session's own answers and prompts count first, then those of the model, then all."""
    answers, basis = _answers(connection, session_id, model)
    p50, p90 = (
        (next_quantile(answers, 0.5), next_quantile(answers, 0.9))
        if answers
        else (FIRST_GUESS_P50, FIRST_GUESS_P90)
    )
    largest = max((answer.value for answer in answers), default=0)
    ratio = _ratio(connection, session_id, model)
    return Past(p50, p90, largest, basis, ratio, _bytes_per_token(connection, model))


def expect(
    connection: Connection,
    origin: Origin,
    model: str,
    raw_input_tokens: int,
    counted_input_tokens: int | None = None,
    max_tokens: int | None = None,
) -> Expected:
    """What one attempt will use."""
    past = past_of(connection, origin.session_id, model)
    return past.expect(raw_input_tokens, counted_input_tokens, max_tokens)


def _answers(connection: Connection, session_id: str, model: str) -> tuple[list[Observed], Basis]:
    """Earlier answers, the newest first: the closest kin of which there are enough, or any at all."""
    of_session = _newest_answers(connection, _OF_SESSION, session_id, model)
    if len(of_session) >= ENOUGH_ANSWERS:
        return of_session, "this session"
    if of_model := _newest_answers(connection, "model = ?", model):
        return of_model, "this model"
    if of_all := _newest_answers(connection, "1"):
        return of_all, "all models"
    return [], "a first guess"


def _newest_answers(connection: Connection, which: str, *keys: str) -> list[Observed]:
    rows = connection.execute(
        f"SELECT output_tokens, max_tokens FROM attempts WHERE {which} AND {_DONE} AND output_tokens > 0"  # noqa: S608
        f" ORDER BY seq DESC LIMIT {_ANSWERS}",
        keys,
    )
    return [Observed(output, cut=limit is not None and output >= limit) for output, limit in rows]


def _ratio(connection: Connection, session_id: str, model: str) -> float:
    """Real prompt tokens for each one of the rule of thumb.

    A session sends most of its prompt again each time, so its own ratio is the best one, once its prompts are long enough
    to tell. Until then it leans on the median of its model, and a new model on that of all.
    """
    known = _newest_prompts(connection, "model = ?", model) or _newest_prompts(connection, "1")
    usual = median(actual / raw for actual, raw in known) if known else 1.0
    own = _newest_prompts(connection, _OF_SESSION, session_id, model)[:1]
    actual, raw = (sum(column) for column in zip(*own, strict=True)) if own else (0, 0)
    return (actual + _LEANING * usual) / (raw + _LEANING)


def _newest_prompts(connection: Connection, which: str, *keys: str) -> list[tuple[int, int]]:
    """Real and rule-of-thumb tokens of prompts that the endpoint counted."""
    return connection.execute(
        f"SELECT {_TOTAL}, raw_input_tokens FROM attempts WHERE {which} AND {_DONE}"  # noqa: S608
        f" AND usage_estimated = 0 AND raw_input_tokens > 0 ORDER BY seq DESC LIMIT {_PROMPTS}",
        keys,
    ).fetchall()


def _bytes_per_token(connection: Connection, model: str) -> float:
    rows = connection.execute(
        f"SELECT 1.0 * answer_bytes / (output_tokens - coalesce(thinking_tokens, 0)) FROM attempts"  # noqa: S608
        f" WHERE model = ? AND {_DONE} AND usage_estimated = 0 AND answer_bytes > 0"
        f" AND output_tokens > coalesce(thinking_tokens, 0) ORDER BY seq DESC LIMIT {_PROMPTS}",
        (model,),
    ).fetchall()
    return min(12.0, max(1.0, median(value for (value,) in rows))) if rows else BYTES_PER_TOKEN


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
        usage = usage_of(expected.input_tokens, warm, outlook.lifetime, output)
        return cost_of(model, usage, at, speed=speed, geo=geo).nano_usd

    warm = outlook.warm_tokens if outlook.lifetime else 0
    p50, p90 = min(expected.output_p50, max_tokens), min(expected.output_p90, max_tokens)
    known = find_model(model)
    return Prediction(
        model=model,
        input_tokens=expected.input_tokens,
        exact=expected.exact,
        output_p50=p50,
        output_p90=p90,
        output_max=max_tokens,
        basis=expected.basis,
        cold_nano=nano(p50, 0),
        warm_nano=nano(p50, max(warm, outlook.readable_tokens if outlook.lifetime else 0)),
        p50_nano=nano(p50, warm),
        p90_nano=nano(p90, warm),
        max_nano=nano(max_tokens, warm),
        cache_state=outlook.state,
        warm_tokens=min(warm, expected.input_tokens),
        context_fill=min(1.0, (expected.input_tokens + p50) / known.context_window) if known else None,
    )


def usage_of(input_tokens: int, warm_tokens: int, lifetime: Lifetime | None, output_tokens: int) -> Usage:
    """How a predicted prompt falls into the classes: the newest block is marked, so what is not read is written."""
    read = min(warm_tokens, input_tokens) if lifetime else 0
    rest = input_tokens - read
    by_class = {None: (rest, 0, 0), "5m": (0, rest, 0), "1h": (0, 0, rest)}
    return Usage(*by_class[lifetime], read, output_tokens, estimated=True)


def expected_cost(claim: Claim, expected: Expected, at: datetime) -> Cost:
    """What an attempt will most likely cost: its prompt with the cache as it should be, and the median answer."""
    output = min(expected.output_p50, claim.max_tokens)
    usage = usage_of(expected.input_tokens, claim.warm_tokens, claim.lifetime, output)
    return cost_of(claim.model, usage, at)


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
        (_DONE, "usage_estimated = 0", "expected_p90 IS NOT NULL", *(term for term, _ in terms))
    )
    rows = connection.execute(
        f"SELECT expected_input, {_TOTAL}, expected_nano, nano_usd, output_tokens <= expected_p90"  # noqa: S608
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
