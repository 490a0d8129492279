"""Budgets as plain decisions: which limits apply, and what of a claim fits under all of them, to the nano-dollar."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmt_lsp.api.errors import BadParamsError, BudgetExceededError
from cmt_lsp.core.money.attempt import FLOOR_TOKENS, Ceiling, Claim, Origin
from cmt_lsp.core.money.budget import (
    DEFAULT_WARN_AT,
    SCOPES,
    BudgetScope,
    BudgetState,
    Fit,
    Limit,
    Refusal,
    check_limit,
    fit,
    in_force,
    keys_of,
    usd,
)

USD = 1_000_000_000


def claim(
    name: str = "a",
    max_tokens: int = 1_000,
    ceiling: Ceiling | None = None,
    *,
    priced: bool = True,
    override: str | None = None,
) -> Claim:
    """A claim that may cost $1 for its prompt and $0.001 for each token of its answer."""
    most = (ceiling or Ceiling(USD, USD // 1000)) if priced else None
    return Claim(name, Origin("turn", "s", "t", ""), "some-model", 1, max_tokens, most, 10, override=override)


def budget(
    limit: int,
    spent: int = 0,
    held: int = 0,
    scope: BudgetScope = "day",
    key: str = "2026-11-22",
    warn_at: tuple[int, ...] = DEFAULT_WARN_AT,
    unpriced: int = 0,
) -> BudgetState:
    return BudgetState(scope, key, limit, spent, held, warn_at, "user", unpriced)


def under(*budgets: BudgetState, claims: Sequence[Claim]) -> Fit | Refusal:
    """All claims under the same budgets."""
    return fit(claims, {each.attempt_id: budgets for each in claims})


# Limits as somebody types them


@pytest.mark.parametrize(
    ("typed", "nano"),
    [
        (5, 5 * USD), (2.5, 2_500_000_000), (0.1, 100_000_000), (0.29, 290_000_000), (1e-9, 1), (1.9e-9, 1),
        (1e9, 10**18), (None, None), (0.000_000_123_9, 123),
    ],
)  # fmt: skip
def test_a_limit_is_exactly_the_decimal_that_was_typed(typed: float | None, nano: int | None) -> None:
    assert check_limit("day", typed, None) == ("day", nano, DEFAULT_WARN_AT)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("5", "A limit must be a number of US dollars such as 5 or 2.50, not '5'."),
        ("$5.00", "A limit must be a number of US dollars such as 5 or 2.50, not '$5.00'."),
        (True, "A limit must be a number of US dollars such as 5 or 2.50, not True."),
        ([5], "A limit must be a number of US dollars such as 5 or 2.50, not [5]."),
        ({}, "A limit must be a number of US dollars such as 5 or 2.50, not {}."),
        ("x" * 38, f"A limit must be a number of US dollars such as 5 or 2.50, not '{'x' * 38}'."),
        ("x" * 39, f"A limit must be a number of US dollars such as 5 or 2.50, not '{'x' * 36}...."),
        ("x" * 99, f"A limit must be a number of US dollars such as 5 or 2.50, not '{'x' * 36}...."),
        (math.nan, "A limit is a number of US dollars up to a billion, such as 5 or 2.50."),
        (math.inf, "A limit is a number of US dollars up to a billion, such as 5 or 2.50."),
        (-math.inf, "A limit is a number of US dollars up to a billion, such as 5 or 2.50."),
        (1_000_000_001, "A limit is a number of US dollars up to a billion, such as 5 or 2.50."),
        (10**300, "A limit is a number of US dollars up to a billion, such as 5 or 2.50."),
        (-(10**300), "A limit is a number of US dollars up to a billion, such as 5 or 2.50."),
        (0, "A limit of 0 would refuse every turn; give an amount above 0, or remove the limit."),
        (0.0, "A limit of 0.0 would refuse every turn; give an amount above 0, or remove the limit."),
        (-5, "A limit of -5 would refuse every turn; give an amount above 0, or remove the limit."),
        (9e-10, "A limit of 9e-10 would refuse every turn; give an amount above 0, or remove the limit."),
    ],
)  # fmt: skip
def test_a_mistyped_limit_is_told_in_one_sentence(typed: object, says: str) -> None:
    with pytest.raises(BadParamsError) as caught:
        check_limit("day", typed, None)

    assert caught.value.message == says


@pytest.mark.parametrize("typed", ["dya", "", "days", None, 5, [], {}, "turn session"])
def test_a_mistyped_budget_is_told_with_the_right_ones(typed: object) -> None:
    with pytest.raises(BadParamsError) as caught:
        check_limit(typed, 5, None)

    expected = f"{typed!r} is no budget; choose one of turn, session, window, workspace, day, month."
    assert caught.value.message == expected


def test_case_and_blanks_around_a_budgets_name_are_harmless() -> None:
    assert [check_limit(f" {scope.upper()} ", 1, None)[0] for scope in SCOPES] == list(SCOPES)


@pytest.mark.parametrize(
    ("typed", "percentages"),
    [
        (None, (50, 75, 90, 95)), ([], ()), ([90], (90,)), ((1, 100), (1, 100)), ([90, 50], (50, 90)),
        ([75, 75, 50], (50, 75)), ([50.0, 80], (50, 80)),
    ],
)  # fmt: skip
def test_warnings_are_put_in_order_and_each_is_kept_once(typed: object, percentages: tuple[int, ...]) -> None:
    assert check_limit("day", 5, typed)[2] == percentages


@pytest.mark.parametrize(
    "typed", [[0], [101], [-5], [50.5], [True], ["50"], [None], [math.nan], "50", 50, {}]
)
def test_mistyped_warnings_are_told_in_one_sentence(typed: object) -> None:
    with pytest.raises(BadParamsError) as caught:
        check_limit("day", 5, typed)

    expected = f"Warnings must be a list of whole percentages from 1 to 100 such as [50, 90], not {typed!r}."
    assert caught.value.message == expected


# Which limits apply

limits = st.builds(
    Limit,
    st.sampled_from(SCOPES),
    st.integers(1, 5),
    st.sampled_from([(50,), (90,)]),
    st.sampled_from(["user", "settings"]),
)


@given(st.lists(limits, max_size=8), st.lists(limits, max_size=8))
def test_the_lowest_limit_of_each_budget_holds_whoever_set_it(
    user: list[Limit], options: list[Limit]
) -> None:
    held = in_force(user, options)

    every = [*user, *options]
    assert [limit.scope for limit in held] == [s for s in SCOPES if any(limit.scope == s for limit in every)]
    assert all(limit in every for limit in held)
    assert all(
        limit.limit_nano == min(e.limit_nano for e in every if e.scope == limit.scope) for limit in held
    )


def test_of_two_equal_limits_the_users_own_holds() -> None:
    mine, theirs = Limit("day", 5, (10,)), Limit("day", 5, (20,), "settings")
    assert mine.source == "user"
    assert in_force([mine], [theirs]) == (mine,)


def test_an_attempt_is_charged_to_its_turn_session_window_workspace_day_and_month() -> None:
    origin = Origin("turn", "session-1", "turn-1", "/home/me/work")

    assert keys_of(origin, "window-1", "2026-11-22") == {
        "turn": "turn-1",
        "session": "session-1",
        "window": "window-1",
        "workspace": "/home/me/work",
        "day": "2026-11-22",
        "month": "2026-11",
    }


# How a budget stands


@pytest.mark.parametrize(
    ("spent", "held", "level", "state", "left"),
    [
        (0, 0, 0, "ok", 100), (49, 0, 49, "ok", 51), (49, 51, 100, "ok", 0), (50, 0, 50, "warning", 50),
        (99, 0, 99, "warning", 1), (100, 0, 100, "exceeded", 0), (120, 30, 150, "exceeded", 0),
    ],
)  # fmt: skip
def test_the_state_goes_by_what_is_spent_and_the_level_by_what_may_be(
    spent: int, held: int, level: int, state: str, left: int
) -> None:
    found = budget(100, spent, held)
    assert (found.level, found.state, found.remaining_nano) == (level, state, left)


def test_levels_are_rounded_down() -> None:
    assert budget(3, 1).level == 33
    assert budget(1000, 999).level == 99
    assert budget(3, 0).level_with(2) == 66
    assert budget(1000, 499, warn_at=(50,)).state == "ok"


def test_without_warnings_a_budget_is_ok_until_it_is_spent() -> None:
    assert budget(100, 99, warn_at=()).state == "ok"
    assert budget(100, 100, warn_at=()).state == "exceeded"


def test_a_budget_is_shown_with_amount_limit_and_share() -> None:
    assert budget(5 * USD, 1_200_000_000).display == "day $1.20 of $5.00 (24%)"
    assert budget(5 * USD, 1_200_000_000, held=USD).display == "day $1.20 of $5.00 (24%)"
    assert budget(5 * USD, 1_200_000_000, unpriced=2).display == "day ≥$1.20 of $5.00 (24%)"
    assert budget(5 * USD, 3_800_000_000).warning == "Day budget: 76% used ($3.80 of $5.00)."
    assert budget(USD, 1_250_000_000, scope="turn").warning == "Turn budget: 125% used ($1.25 of $1.00)."


@pytest.mark.parametrize(
    ("nano", "shown", "at_least", "at_most"),
    [
        (0, "$0.00", "$0.00", "$0.00"), (1, "<$0.0001", "$0.00", "$0.0001"), (5 * USD, "$5.00", "$5.00", "$5.00"),
        (12_345_678, "$0.0123", "$0.0123", "$0.0124"), (12_350_000, "$0.0124", "$0.0123", "$0.0124"),
        (12_300_000, "$0.0123", "$0.0123", "$0.0123"), (100 * USD, "$100.00", "$100.00", "$100.00"),
        (1_234_567 * USD, "$1,234,567.00", "$1,234,567.00", "$1,234,567.00"), (500_000_000, "$0.50", "$0.50", "$0.50"),
        (500_100_000, "$0.5001", "$0.5001", "$0.5001"),
    ],
)  # fmt: skip
def test_money_is_shown_with_two_decimals_and_up_to_four(
    nano: int, shown: str, at_least: str, at_most: str
) -> None:
    assert (usd(nano), usd(nano, floor=True), usd(nano, ceiling=True)) == (shown, at_least, at_most)


# What fits


def test_a_claim_that_fits_keeps_its_limit_and_holds_its_worst_case() -> None:
    assert under(budget(2 * USD), claims=[claim()]) == Fit((1_000,), (2 * USD,), None)
    assert under(claims=[claim()]) == Fit((1_000,), (2 * USD,), None)
    assert under(claims=[]) == Fit((), (), None)


def test_one_nano_dollar_too_little_takes_one_token_off() -> None:
    assert under(budget(2 * USD - 1), claims=[claim()]) == Fit(
        (999,),
        (2 * USD - USD // 1000,),
        "The answer is limited to 999 tokens: the day budget of $2.00 has $1.9999 left.",
    )


def test_what_is_spent_and_what_is_held_both_count() -> None:
    fitted = under(budget(5 * USD, spent=2 * USD, held=USD + USD // 2), claims=[claim()])
    assert isinstance(fitted, Fit)
    assert fitted.max_tokens == (500,)
    assert fitted.notice == (
        "The answer is limited to 500 tokens: the day budget of $5.00 has $1.50 left while running turns hold $1.50."
    )


def test_below_the_floor_nothing_is_sent_and_the_sentence_says_what_to_do() -> None:
    refused = under(budget(2 * USD, spent=USD - FLOOR_TOKENS * USD // 1000 + 1), claims=[claim()])

    assert refused == Refusal(
        "Even a short answer to this may cost $1.2560, and the day budget of $2.00 has $1.2559 left, so nothing was "
        "sent: raise the limit, send less, choose a cheaper model, or allow this turn once."
    )


def test_at_the_floor_it_is_sent() -> None:
    fitted = under(budget(2 * USD, spent=USD - FLOOR_TOKENS * USD // 1000), claims=[claim()])
    assert isinstance(fitted, Fit)
    assert fitted.max_tokens == (FLOOR_TOKENS,)


def test_who_wants_less_than_the_floor_may_have_it() -> None:
    tight = budget(USD + 100 * USD // 1000)
    assert under(tight, claims=[claim(max_tokens=100)]) == Fit((100,), (USD + USD // 10,), None)
    assert isinstance(under(tight, claims=[claim(max_tokens=101)]), Refusal)
    assert under(budget(USD), claims=[claim(max_tokens=0)]) == Fit((0,), (USD,), None)
    assert isinstance(under(budget(USD - 1), claims=[claim(max_tokens=0)]), Refusal)


def test_a_refusal_is_an_error_that_names_the_command() -> None:
    error = Refusal("sentence").error()
    assert isinstance(error, BudgetExceededError)
    assert (error.kind, error.message, error.command) == ("budget_exceeded", "sentence", "cmt.budget.set")
    assert not error.retryable


def test_the_budget_that_is_named_is_the_one_that_is_missed_by_most() -> None:
    tight, tighter = budget(USD), budget(USD // 2, scope="month", key="2026-11")
    refused = under(tight, tighter, claims=[claim()])
    assert isinstance(refused, Refusal)
    assert "the month budget of $0.50 has $0.50 left" in refused.message


def test_a_shorter_limit_names_the_budget_that_would_not_bear_one_token_more() -> None:
    rate, a, b = USD // 1000, claim("a"), claim("b")
    day = budget(2 * (USD + 500 * rate) + 2 * rate - 1)
    turn = budget(USD + 501 * rate, scope="turn", key="t")

    fitted = fit([a, b], {"a": [day], "b": [turn, day]})

    assert isinstance(fitted, Fit)
    assert fitted.max_tokens == (500, 500)
    assert "the day budget" in str(fitted.notice)


def test_a_budget_that_is_overspent_has_nothing_left_rather_than_less() -> None:
    refused = under(budget(USD, spent=3 * USD), claims=[claim()])
    assert isinstance(refused, Refusal)
    assert "the day budget of $1.00 has $0.00 left" in refused.message


@pytest.mark.parametrize("reason", ["release day", ""])
def test_an_override_passes_every_budget_and_is_held_all_the_same(reason: str) -> None:
    assert under(budget(1), claims=[claim(override=reason)]) == Fit((1_000,), (2 * USD,), None)
    assert under(budget(1), claims=[claim(override=reason, priced=False)]) == Fit((1_000,), (0,), None)


def test_an_override_leaves_less_for_the_others() -> None:
    fitted = under(budget(4 * USD), claims=[claim("a", override="yes"), claim("b", max_tokens=2_000)])
    assert isinstance(fitted, Fit)
    assert fitted.max_tokens == (1_000, 1_000)


def test_a_model_without_a_price_passes_only_where_no_budget_applies() -> None:
    assert under(claims=[claim(priced=False)]) == Fit((1_000,), (0,), None)
    assert under(budget(USD), claims=[claim(priced=False)]) == Refusal(
        "some-model has no known price, so the day budget cannot be kept: give the model a price in prices.toml, "
        "choose another one, or allow this turn once."
    )


SHARED, OWN = ("day", "2026-11-22"), ("turn", "t")
amounts = st.integers(0, 40)
ceilings = st.builds(Ceiling, st.integers(0, 4_000), st.integers(0, 12))
some_claims = st.lists(
    st.builds(
        lambda ceiling, tokens, override: (ceiling, tokens, override),
        st.one_of(st.none(), ceilings, ceilings, ceilings, ceilings),
        st.sampled_from([0, 1, 100, 255, 256, 257, 400, 700]),
        st.sampled_from([None, None, None, "because", ""]),
    ),
    max_size=4,
)
some_budgets = st.lists(
    st.tuples(st.integers(1, 16_000), st.integers(0, 6_000), st.integers(0, 3_000), st.sets(st.integers(0, 3), min_size=1)),
    max_size=3,
)  # fmt: skip


def oracle(
    claims: Sequence[Claim], budgets: Mapping[str, Sequence[BudgetState]]
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The same decision by trying every common limit from the top: limits and holds, or None for a refusal."""
    bound = [each for each in claims if budgets.get(each.attempt_id) and each.override is None]
    if any(each.ceiling is None for each in bound):
        return None
    wanted = max((each.max_tokens for each in claims if each.override is None), default=0)
    for common in range(wanted, -1, -1):
        given_out = [min(e.max_tokens, common) if e.override is None else e.max_tokens for e in claims]
        holds = [e.ceiling.of(m) if e.ceiling else 0 for e, m in zip(claims, given_out, strict=True)]
        if all(
            state.spent_nano + state.held_nano + sum(h for e, h in zip(claims, holds, strict=True) if state in budgets[e.attempt_id])
            <= state.limit_nano
            for each in bound
            for state in budgets[each.attempt_id]
        ):  # fmt: skip
            refused = common < FLOOR_TOKENS and common < wanted
            return None if refused else (tuple(given_out), tuple(holds))
    return None


@settings(max_examples=400)
@given(some_claims, some_budgets)
def test_claims_fit_exactly_as_by_trying_every_limit(
    wants: list[tuple[Ceiling | None, int, str | None]],
    spans: list[tuple[int, int, int, set[int]]],
) -> None:
    claims = [
        claim(f"a{n}", tokens, ceiling, priced=ceiling is not None, override=override)
        for n, (ceiling, tokens, override) in enumerate(wants)
    ]
    states = [budget(limit, spent, held, key=f"day {n}") for n, (limit, spent, held, _) in enumerate(spans)]
    applies = {
        each.attempt_id: [state for state, span in zip(states, spans, strict=True) if n in span[3]]
        for n, each in enumerate(claims)
    }

    found = fit(claims, applies)

    expected = oracle(claims, applies)
    if expected is None:
        assert isinstance(found, Refusal)
    else:
        assert isinstance(found, Fit)
        assert (found.max_tokens, found.hold_nano) == expected
        shrunk = any(m < each.max_tokens for m, each in zip(found.max_tokens, claims, strict=True))
        assert (found.notice is not None) == shrunk


def test_a_fit_is_exact_at_the_largest_amounts() -> None:
    rate = 10**12 + 7
    most = Ceiling(10**17 + 3, rate)
    for spare, tokens in itertools.product((-1, 0, 1, rate - 1), (300, 65_537)):
        fitted = under(budget(most.of(tokens) + spare), claims=[claim(ceiling=most, max_tokens=10**6)])
        assert isinstance(fitted, Fit)
        assert fitted.max_tokens == (tokens - (spare < 0),)
