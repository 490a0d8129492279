"""Budgets: what a limit is, which limits apply, and what of a claim fits under all of them.

Plain functions over frozen values. Every sum is a whole number of nano-dollars, so that a budget holds to the last one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from cmt_lsp.api.errors import BadParamsError, BudgetExceededError
from cmt_lsp.api.models import display_usd
from cmt_lsp.core.money.attempt import FLOOR_TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cmt_lsp.core.money.attempt import Claim, Origin

BudgetScope: TypeAlias = Literal["turn", "session", "window", "workspace", "day", "month"]
LimitSource: TypeAlias = Literal["user", "settings"]
SCOPES: tuple[BudgetScope, ...] = get_args(BudgetScope)
DEFAULT_WARN_AT = (50, 75, 90, 95)
MOST_USD = 1_000_000_000
"""A limit above this is a slip of the keyboard."""

_NANO = 1_000_000_000
_TENTH_OF_A_MILL = 100_000
"""Nano-dollars of the last decimal shown."""
_WAYS_OUT = "raise the limit, send less, choose a cheaper model, or allow this turn once"


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that may be spent in each turn, session, window, workspace, day or month."""

    scope: BudgetScope
    limit_nano: int
    warn_at: tuple[int, ...] = DEFAULT_WARN_AT
    """Percentages, ascending."""
    source: LimitSource = "user"


@dataclass(frozen=True, slots=True)
class BudgetState:
    """One limit as it stands for one turn, session, window, workspace, day or month."""

    scope: BudgetScope
    key: str
    """Which one: an id, a workspace, `2026-11-22` or `2026-11`."""
    limit_nano: int
    spent_nano: int
    held_nano: int
    """What running attempts may still spend."""
    warn_at: tuple[int, ...]
    source: LimitSource
    unpriced: int = 0
    """How many settled attempts have no price and are missing from what was spent."""

    @property
    def room_nano(self) -> int:
        """What a new attempt may cost at most; below zero where more was spent than allowed."""
        return self.limit_nano - self.spent_nano - self.held_nano

    @property
    def remaining_nano(self) -> int:
        """`room_nano` for display, never below zero."""
        return max(0, self.room_nano)

    @property
    def level(self) -> int:
        """Spent and held in percent of the limit, rounded down."""
        return self.level_with(0)

    def level_with(self, more_nano: int) -> int:
        """The level once this much more is spent."""
        return (self.spent_nano + self.held_nano + more_nano) * 100 // self.limit_nano

    @property
    def spent_percent(self) -> int:
        """Spent alone in percent of the limit, rounded down."""
        return self.spent_nano * 100 // self.limit_nano

    @property
    def crossed(self) -> tuple[int, ...]:
        """The percentages of `warn_at` that have been spent."""
        return tuple(
            percent for percent in self.warn_at if self.spent_nano * 100 >= percent * self.limit_nano
        )

    @property
    def state(self) -> Literal["ok", "warning", "exceeded"]:
        """By what is spent: a hold comes and goes with every turn and is no reason for alarm."""
        if self.spent_nano >= self.limit_nano:
            return "exceeded"
        return "warning" if self.crossed else "ok"

    @property
    def display(self) -> str:
        """`day $1.20 of $5.00 (24%)`; `≥` where unpriced attempts are missing."""
        return f"{self.scope} {self._spent} of {usd(self.limit_nano)} ({self.spent_percent}%)"

    @property
    def warning(self) -> str:
        """`Day budget: 76% used ($3.80 of $5.00).`"""
        used = f"{self.spent_percent}% used ({self._spent} of {usd(self.limit_nano)})"
        return f"{self.scope.capitalize()} budget: {used}."

    @property
    def _spent(self) -> str:
        return f"≥{usd(self.spent_nano, floor=True)}" if self.unpriced else usd(self.spent_nano)


@dataclass(frozen=True, slots=True)
class Fit:
    """All claims fit: the limit of each answer and what is held for each, in the order of the claims."""

    max_tokens: tuple[int, ...]
    hold_nano: tuple[int, ...]
    notice: str | None = None
    """Why some answers were given a shorter limit than was asked."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not all claims fit, so none may leave; one sentence that says what to do."""

    message: str
    prompt_may_fit: bool = field(default=True, compare=False)
    """Whether a prompt that is shorter than its bound could fit."""

    def error(self) -> BudgetExceededError:
        """The refusal as it reaches the person."""
        error = BudgetExceededError(self.message, command="cmt.budget.set")
        error.prompt_may_fit = self.prompt_may_fit
        return error


def check_limit(
    scope: object, limit_usd: object, warn_at: object
) -> tuple[BudgetScope, int | None, tuple[int, ...]]:
    """A limit as somebody typed it, in nano-dollars; None removes it. BadParamsError says what to write instead."""
    known = _checked_scope(scope)
    limit_nano = None if limit_usd is None else _checked_usd(limit_usd)
    return known, limit_nano, DEFAULT_WARN_AT if warn_at is None else _checked_warn_at(warn_at)


def in_force(user: Iterable[Limit], settings: Iterable[Limit]) -> tuple[Limit, ...]:
    """The lowest limit of each scope, whoever set it: an editor or a workspace can lower a limit and never raise it."""
    lowest: dict[BudgetScope, Limit] = {}
    for limit in (*user, *settings):
        if limit.scope not in lowest or limit.limit_nano < lowest[limit.scope].limit_nano:
            lowest[limit.scope] = limit
    return tuple(lowest[scope] for scope in SCOPES if scope in lowest)


def keys_of(origin: Origin, window_id: str, day: str) -> dict[BudgetScope, str]:
    """Which turn, session, window, workspace, day (`2026-11-22`) and month an attempt is charged to.

    '' is a turn or session that is not there yet. What was done outside of any workspace, which is '' too, has a budget
    of its own, so that closing a folder opens no purse.
    """
    return {
        "turn": origin.turn_id,
        "session": origin.session_id,
        "window": window_id,
        "workspace": origin.workspace,
        "day": day,
        "month": day[:7],
    }


def fit(claims: Sequence[Claim], budgets: Mapping[str, Sequence[BudgetState]]) -> Fit | Refusal:
    """All claims under all budgets, or none; `budgets` holds those that apply to each claim, by attempt id.

    Each answer gets at most the largest common limit under which every budget holds. Below `FLOOR_TOKENS` the claims
    are refused, unless nobody wanted more. A claim with an override passes, and what it may cost is held all the same.
    """
    demands = _demands(claims, budgets)
    if unpriced := next((d for d in demands if d.free and d.unpriced), None):
        return Refusal(_unpriced_sentence(unpriced), prompt_may_fit=False)
    wanted = max((claim.max_tokens for claim in claims if claim.override is None), default=0)
    cap = _largest_cap(demands, wanted)
    if cap < wanted and cap < FLOOR_TOKENS:
        floor = min(wanted, FLOOR_TOKENS)
        may_fit = all(demand.holds_without_prompts(floor) for demand in demands)
        return Refusal(_refusal_sentence(demands, floor), may_fit)
    limits = tuple(_limit(claim, cap) for claim in claims)
    holds = tuple(
        claim.ceiling.of(limit) if claim.ceiling else 0 for claim, limit in zip(claims, limits, strict=True)
    )
    return Fit(limits, holds, _shrunk_sentence(demands, cap) if cap < wanted else None)


@dataclass(frozen=True, slots=True)
class _Demand:
    """One budget with all claims that it applies to; `free` are those without an override."""

    budget: BudgetState
    claims: tuple[Claim, ...]

    @property
    def free(self) -> tuple[Claim, ...]:
        return tuple(claim for claim in self.claims if claim.override is None)

    @property
    def unpriced(self) -> str | None:
        return next((claim.model for claim in self.free if claim.ceiling is None), None)

    def cost(self, cap: int) -> int:
        return sum(claim.ceiling.of(_limit(claim, cap)) for claim in self.claims if claim.ceiling is not None)

    def holds_without_prompts(self, cap: int) -> bool:
        answers = sum(
            claim.ceiling.output_nano * min(claim.max_tokens, cap) for claim in self.free if claim.ceiling
        )
        return not self.free or answers <= self.budget.room_nano

    def holds(self, cap: int) -> bool:
        return not self.free or (cap >= 0 and self.cost(cap) <= self.budget.room_nano)


def _limit(claim: Claim, cap: int) -> int:
    """The limit of one answer under a common one, which an override passes."""
    return min(claim.max_tokens, cap) if claim.override is None else claim.max_tokens


def _demands(claims: Sequence[Claim], budgets: Mapping[str, Sequence[BudgetState]]) -> list[_Demand]:
    """Each budget once, with its claims: two claims of one session share what the session has left."""
    states: dict[tuple[BudgetScope, str], BudgetState] = {}
    sharing: defaultdict[tuple[BudgetScope, str], list[Claim]] = defaultdict(list)
    for claim in claims:
        for state in budgets.get(claim.attempt_id, ()):
            states[state.scope, state.key] = state
            sharing[state.scope, state.key].append(claim)
    return [_Demand(state, tuple(sharing[place])) for place, state in states.items()]


def _largest_cap(demands: Sequence[_Demand], wanted: int) -> int:
    """The largest limit up to `wanted` under which every budget holds; -1 where not even the prompts fit."""
    low, high = -1, wanted
    while low < high:
        middle = (low + high + 1) // 2
        if all(demand.holds(middle) for demand in demands):
            low = middle
        else:
            high = middle - 1
    return low


def _tightest(demands: Sequence[_Demand], cap: int) -> _Demand:
    """The budget that this common limit would break by most."""
    return max(
        (demand for demand in demands if demand.free),
        key=lambda demand: demand.cost(cap) - demand.budget.room_nano,
    )


def _unpriced_sentence(demand: _Demand) -> str:
    return (
        f"{demand.unpriced} has no known price, so the {demand.budget.scope} budget cannot be kept: "
        "give the model a price in prices.toml, choose another one, or allow this turn once."
    )


def _refusal_sentence(demands: Sequence[_Demand], floor: int) -> str:
    tightest = _tightest(demands, floor)
    cost = usd(tightest.cost(floor), ceiling=True)
    return f"Even a short answer to this may cost {cost}, and {_left(tightest.budget)}, so nothing was sent: {_WAYS_OUT}."


def _shrunk_sentence(demands: Sequence[_Demand], cap: int) -> str:
    return f"The answer is limited to {cap} tokens: {_left(_tightest(demands, cap + 1).budget)}."


def _left(budget: BudgetState) -> str:
    held = f" while running turns hold {usd(budget.held_nano)}" if budget.held_nano else ""
    left = usd(budget.remaining_nano, floor=True)
    return f"the {budget.scope} budget of {usd(budget.limit_nano)} has {left} left{held}"


def usd(nano_usd: int, *, floor: bool = False, ceiling: bool = False) -> str:
    """Nano-dollars as `$5.00` or `$0.0123`: two decimals, up to four where they tell more."""
    if ceiling:
        nano_usd = -(-nano_usd // _TENTH_OF_A_MILL) * _TENTH_OF_A_MILL
    text = display_usd(nano_usd, floor=floor or ceiling)
    return text[:-2] if text[-5:-4] == "." and text.endswith("00") else text


def _checked_scope(scope: object) -> BudgetScope:
    word = scope.strip().lower() if isinstance(scope, str) else scope
    if word not in SCOPES:
        raise BadParamsError(f"{_short(scope)} is no budget; choose one of {', '.join(SCOPES)}.")
    return word


def _checked_usd(value: object) -> int:
    """Exactly the decimal that was typed, to the nano-dollar below."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadParamsError(
            f"A limit must be a number of US dollars such as 5 or 2.50, not {_short(value)}."
        )
    if not -MOST_USD <= value <= MOST_USD:  # not a number at all is caught here too
        raise BadParamsError("A limit is a number of US dollars up to a billion, such as 5 or 2.50.")
    nano = int((Decimal(str(value)) * _NANO).to_integral_value(ROUND_FLOOR))
    if nano <= 0:
        raise BadParamsError(
            f"A limit of {_short(value)} would refuse every turn; give an amount above 0, or remove the limit."
        )
    return nano


def _checked_warn_at(value: Any) -> tuple[int, ...]:
    """Whole percentages, put in order and each one once."""
    if not isinstance(value, list | tuple) or not all(_is_percentage(percent) for percent in value):
        raise BadParamsError(
            f"Warnings must be a list of whole percentages from 1 to 100 such as [50, 90], not {_short(value)}."
        )
    return tuple(sorted({int(percent) for percent in value}))


def _is_percentage(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and value in range(1, 101)


def _short(value: object) -> str:
    """A value as it was typed, as far as one line shows it."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
