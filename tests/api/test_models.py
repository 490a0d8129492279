"""The table of models: golden prices, dates, tiers, modifiers, names, and a second opinion from another price list."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices import Usage as OtherUsage
from genai_prices import calc_price
from genai_prices.data import providers

from cmt_lsp import api
from cmt_lsp.api import MODEL_PRICING
from cmt_lsp.api.models import (
    DEFAULT_MODEL,
    Cost,
    Model,
    all_models,
    cost_of,
    display_usd,
    find_model,
    price_in_force,
    prices_are_stale,
    prices_checked_on,
    resolve_model,
)
from cmt_lsp.api.usage import Usage
from cmt_lsp.simulator.models import MODELS as SIMULATED
from cmt_lsp.simulator.models import SimulatedModel

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TODAY = NOW.date()
MILLION_EACH = Usage(1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000)


GOLDEN = {
    "claude-fable-5-2": (8, 10, 16, 0.20, 40),
    "claude-fable-5-1": (10, 12.50, 20, 0.25, 50),
    "claude-fable-5": (10, 12.50, 20, 1, 50),
    "claude-mythos-5-2": (8, 10, 16, 0.20, 40),
    "claude-mythos-5-1": (10, 12.50, 20, 0.25, 50),
    "claude-mythos-5": (10, 12.50, 20, 1, 50),
    "claude-mythos-preview": None,
    "claude-opus-5-5": (4, 5, 8, 0.20, 20),
    "claude-opus-5": (5, 6.25, 10, 0.50, 25),
    "claude-opus-4-8": (5, 6.25, 10, 0.50, 25),
    "claude-opus-4-7": (5, 6.25, 10, 0.50, 25),
    "claude-opus-4-6": (5, 6.25, 10, 0.50, 25),
    "claude-opus-4-5": (5, 6.25, 10, 0.50, 25),
    "claude-opus-4-1": (15, 18.75, 30, 1.50, 75),
    "claude-opus-4-0": (15, 18.75, 30, 1.50, 75),
    "claude-3-opus": (15, 18.75, 30, 1.50, 75),
    "claude-sonnet-5-5": (2, 2.50, 4, 0.10, 10),
    "claude-sonnet-5": (2, 2.50, 4, 0.20, 10),
    "claude-sonnet-4-6": (3, 3.75, 6, 0.30, 15),
    "claude-sonnet-4-5": (3, 3.75, 6, 0.30, 15),
    "claude-sonnet-4-0": (3, 3.75, 6, 0.30, 15),
    "claude-3-7-sonnet": (3, 3.75, 6, 0.30, 15),
    "claude-3-5-sonnet": (3, 3.75, 6, 0.30, 15),
    "claude-3-sonnet": (3, 3.75, 6, 0.30, 15),
    "claude-haiku-5-5": (0.10, 0.125, 0.20, 0.01, 0.50),
    "claude-haiku-4-5": (1, 1.25, 2, 0.10, 5),
    "claude-3-5-haiku": (0.80, 1, 1.60, 0.08, 4),
    "claude-3-haiku": (0.25, 0.30, 0.50, 0.03, 1.25),
}
"""USD per million tokens on the day of the table, short prompts: input, 5-minute and 1-hour writes, read, output."""


@pytest.mark.parametrize("model", [model.id for model in all_models()])
def test_golden_price_of_every_model_and_token_class(model: str) -> None:
    expected = GOLDEN[model] and tuple(round(rate * 1000) for rate in GOLDEN[model] or ())
    row = price_in_force(model, NOW, 1000)
    assert expected == (row and (row.input, row.write_5m, row.write_1h, row.read, row.output))


@pytest.mark.parametrize(
    ("day", "state", "model"),
    [
        ("2026-11-30", "deprecated", "claude-sonnet-4-5"),
        ("2026-08-05", "retired", "claude-opus-4-1"),
        ("2026-06-30", "retired", "claude-mythos-preview"),
        ("2026-06-15", "retired", "claude-opus-4-0"),
        ("2026-06-15", "retired", "claude-sonnet-4-0"),
        ("2026-02-19", "retired", "claude-3-7-sonnet"),
        ("2026-02-19", "retired", "claude-3-5-haiku"),
        ("2026-01-05", "retired", "claude-3-opus"),
        ("2025-07-21", "retired", "claude-3-sonnet"),
        ("not before 2026-11-24", "active", "claude-opus-4-5"),
        ("not before 2026-10-15", "active", "claude-haiku-4-5"),
    ],
)
def test_every_known_last_day_is_in_the_table_with_a_successor(day: str, state: str, model: str) -> None:
    found = find_model(model)
    assert found is not None
    told = f"not before {found.retires_not_before}" if found.retires_not_before else str(found.retires_at)
    assert (day, state) == (told, found.lifecycle)
    assert found.successor


def test_last_days_agree_with_the_vendors_own_client() -> None:
    """Asked in a process of its own: another test may be loading the client in the background right now."""
    code = "import json, anthropic.resources.messages.messages as m; print(json.dumps(m.DEPRECATED_MODELS))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = {name: re.sub(r"(?<=\d)(st|nd|rd|th)", "", day) for name, day in json.loads(out.stdout).items()}
    both = {name: find_model(name) for name in told}
    compared = {name: model.retires_at for name, model in both.items() if model and model.retires_at}
    assert len(compared) > 10
    assert compared == {
        name: datetime.strptime(told[name], "%B %d, %Y").replace(tzinfo=UTC).date() for name in compared
    }


def test_one_request_of_every_class_adds_up() -> None:
    usage = Usage(1000, 2000, 3000, 4000, 500)
    cost = cost_of("claude-opus-5-5", usage, NOW)
    assert cost.nano_usd == 1000 * 4000 + 2000 * 5000 + 3000 * 8000 + 4000 * 200 + 500 * 20_000
    assert not cost.estimated
    assert cost.price_row == "claude-opus-5-5@2026-09-22"


def test_cached_tokens_are_never_subtracted_from_the_input() -> None:
    """The endpoint's input count already leaves out what was cached."""
    assert cost_of(
        "claude-sonnet-5-5", Usage(input_tokens=10, cache_read_input_tokens=100_000), NOW
    ).nano_usd == (10 * 2000 + 100_000 * 100)


def test_a_price_changes_at_midnight_utc_of_its_day() -> None:
    read = Usage(cache_read_input_tokens=1)
    before = datetime(2026, 10, 6, 23, 59, 59, tzinfo=UTC)
    assert cost_of("claude-sonnet-5-5", read, before).nano_usd == 200
    assert cost_of("claude-sonnet-5-5", read, before + timedelta(seconds=1)).nano_usd == 100
    in_tokyo = datetime(2026, 10, 7, 8, 59, tzinfo=timezone(timedelta(hours=9)))
    assert cost_of("claude-sonnet-5-5", read, in_tokyo).nano_usd == 200


def test_a_long_prompt_changes_every_rate_of_the_request() -> None:
    """The threshold counts the whole prompt, reads and writes too, and is not itself over."""
    at_limit = Usage(50_000, 20_000, 10_000, 20_000, 1000)
    over = at_limit + Usage(cache_read_input_tokens=1)
    assert cost_of("claude-haiku-5-5", at_limit, NOW).nano_usd == (
        50_000 * 100 + 20_000 * 125 + 10_000 * 200 + 20_000 * 10 + 1000 * 500
    )
    assert cost_of("claude-haiku-5-5", over, NOW).nano_usd == (
        50_000 * 500 + 20_000 * 625 + 10_000 * 1000 + 20_001 * 50 + 1000 * 2500
    )
    assert cost_of("claude-haiku-5-5", over, NOW).price_row == "claude-haiku-5-5@2026-10-07>100000"


def test_a_newer_list_replaces_the_older_tiers_whole() -> None:
    """The long-context premium of 4.6 ended with the list of 2026-03-13."""
    long_prompt = Usage(input_tokens=300_000)
    assert (
        cost_of("claude-opus-4-6", long_prompt, datetime(2026, 3, 12, tzinfo=UTC)).nano_usd
        == 300_000 * 10_000
    )
    assert (
        cost_of("claude-opus-4-6", long_prompt, datetime(2026, 3, 13, tzinfo=UTC)).nano_usd == 300_000 * 5000
    )


def test_fast_mode_and_us_inference_multiply_every_class() -> None:
    usage = Usage(100, 100, 100, 100, 100)
    plain = cost_of("claude-opus-5-5", usage, NOW)
    fast = cost_of("claude-opus-5-5", usage, NOW, speed="fast")
    both = cost_of("claude-opus-5-5", usage, NOW, speed="fast", geo="us")
    assert plain.nano_usd is not None
    assert fast.nano_usd == 2 * plain.nano_usd
    assert both.nano_usd == plain.nano_usd * 22 // 10
    assert cost_of("claude-opus-5-5", usage, NOW, speed="standard", geo="global") == plain


def test_a_modifier_nobody_knows_is_charged_as_the_dearest_and_marked() -> None:
    usage = Usage(output_tokens=100)
    warped = cost_of("claude-opus-5-5", usage, NOW, speed="warp")
    assert (warped.nano_usd, warped.estimated) == (100 * 20_000 * 2, True)
    assert cost_of("claude-opus-5-5", usage, NOW, service_tier="priority").estimated
    assert not cost_of("claude-opus-5-5", usage, NOW, service_tier="standard").estimated


@pytest.mark.parametrize("model", [model.id for model in all_models() if model.prices])
def test_a_batch_costs_half_in_every_class_to_the_nano_dollar(model: str) -> None:
    for usage in (*(usage_of(9999) for usage_of in CLASSES.values()), Usage(1, 1, 1, 1, 1)):
        plain = cost_of(model, usage, NOW)
        batch = cost_of(model, usage, NOW, batch=True)
        assert plain.nano_usd is not None
        assert batch.nano_usd == (plain.nano_usd + 1) // 2
        assert batch == cost_of(model, usage, NOW, service_tier="batch")
        assert batch == cost_of(model, usage, NOW, service_tier="batch", batch=True), "half once"
        assert (batch.price_row, batch.estimated) == (plain.price_row, False)


def test_a_batch_multiplies_with_the_other_modifiers_and_halves_the_saving() -> None:
    usage = Usage(1000, 0, 0, 9000, 100)
    plain, both = (
        cost_of("claude-opus-5-5", usage, NOW),
        cost_of("claude-opus-5-5", usage, NOW, batch=True, geo="us"),
    )
    assert both.nano_usd == (plain.nano_usd or 0) * 11 // 20
    assert both.saved_nano_usd == (plain.saved_nano_usd or 0) * 11 // 20


def test_an_unpriced_batch_stays_unpriced() -> None:
    assert cost_of("qwen3-coder", MILLION_EACH, NOW, batch=True) == Cost.none_known()


def test_modifiers_are_sure_only_for_the_models_that_offer_them() -> None:
    """Fast mode: Opus 5.5, 5, 4.8 and Fable 5.2. US inference: all but the 4.5 family and older."""
    usage = Usage(100)
    priced = [model.id for model in all_models() if model.prices]
    fast = {model for model in priced if not cost_of(model, usage, NOW, speed="fast").estimated}
    us = {model for model in priced if not cost_of(model, usage, NOW, geo="us").estimated}
    assert fast == {"claude-opus-5-5", "claude-opus-5", "claude-opus-4-8", "claude-fable-5-2"}
    assert set(priced) - us == {
        "claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1", "claude-opus-4-0",
        "claude-sonnet-4-0", "claude-3-7-sonnet", "claude-3-5-sonnet", "claude-3-5-haiku", "claude-3-opus",
        "claude-3-sonnet", "claude-3-haiku",
    }  # fmt: skip
    for model in priced:
        plain = cost_of(model, usage, NOW).nano_usd or 0
        assert cost_of(model, usage, NOW, speed="fast").nano_usd == 2 * plain
        assert cost_of(model, usage, NOW, geo="us").nano_usd == (plain * 11 + 5) // 10
        assert not cost_of(model, usage, NOW, speed="standard", geo="not_available").estimated


def test_half_a_nano_dollar_rounds_up() -> None:
    """125 nano-dollars a token times 1.1 is 137.5."""
    assert cost_of("claude-haiku-5-5", Usage(cache_creation_5m_input_tokens=1), NOW, geo="us").nano_usd == 138


def test_saving_counts_the_writes_and_may_be_negative() -> None:
    written = cost_of("claude-sonnet-5-5", Usage(cache_creation_5m_input_tokens=10_000), NOW)
    assert written.saved_nano_usd == -10_000 * 500
    read = cost_of("claude-sonnet-5-5", Usage(cache_read_input_tokens=10_000), NOW)
    assert read.saved_nano_usd == 10_000 * 1900


def test_an_unknown_model_is_unpriced_and_never_free() -> None:
    cost = cost_of("qwen3-coder", MILLION_EACH, NOW)
    assert (cost.nano_usd, cost.saved_nano_usd, cost.price_row) == (None, None, None)
    assert cost.display == "unpriced"
    assert cost_of("claude-mythos-preview", MILLION_EACH, NOW).nano_usd is None


def test_a_moment_before_the_first_list_takes_the_first_list_and_says_so() -> None:
    cost = cost_of("claude-opus-5-5", Usage(input_tokens=1), datetime(1970, 1, 1, tzinfo=UTC))
    assert (cost.nano_usd, cost.estimated) == (4000, True)


def test_an_estimated_usage_gives_an_estimated_cost() -> None:
    assert cost_of("claude-opus-5-5", Usage(output_tokens=5, estimated=True), NOW).estimated


def test_sums_of_costs_are_exact_integers(campaign_size: Callable[[int, int], int]) -> None:
    """However requests are grouped, the total is the same to the nano-dollar."""
    rng = random.Random(7)
    costs = [
        cost_of(rng.choice(all_models()).id, random_usage(rng), NOW, speed=rng.choice([None, "fast"]))
        for _ in range(campaign_size(1000, 20_000))
    ]
    total = Cost.sum(costs)
    shuffled = rng.sample(costs, len(costs))
    grouped = Cost.sum(Cost.sum(shuffled[i : i + 7]) for i in range(0, len(shuffled), 7))
    assert isinstance(total.nano_usd, int)
    assert total.nano_usd == sum(cost.nano_usd or 0 for cost in costs)
    assert (total.nano_usd, total.saved_nano_usd, total.unpriced) == (
        grouped.nano_usd,
        grouped.saved_nano_usd,
        grouped.unpriced,
    )


def test_a_sum_with_an_unpriced_part_is_a_lower_bound() -> None:
    known = cost_of("claude-opus-5-5", Usage(output_tokens=1000), NOW)
    total = Cost.sum([known, cost_of("unknown", MILLION_EACH, NOW), cost_of("unknown", MILLION_EACH, NOW)])
    assert (total.display, total.unpriced) == ("≥$0.0200", 2)
    assert Cost.sum([Cost.none_known()]).display == "unpriced"
    assert Cost.sum([]).display == "$0.0000"
    trace = cost_of("claude-opus-5-5", Usage(output_tokens=1), NOW)
    assert Cost.sum([trace, Cost.none_known()]).display == "≥$0.0000"


@pytest.mark.parametrize(
    ("shown", "nano"),
    [
        ("$0.0000", 0),
        ("<$0.0001", 1),
        ("<$0.0001", 49_999),
        ("$0.0001", 50_000),
        ("$0.0123", 12_340_000),
        ("$9.9999", 9_999_949_999),
        ("$10.00", 9_999_950_000),
        ("$1,234.57", 1_234_567_890_123),
        ("-$0.0012", -1_200_000),
    ],
)
def test_money_is_shown_without_false_precision(shown: str, nano: int) -> None:
    assert shown == display_usd(nano)


def their_price(model: str, usage: Usage, at: datetime) -> Decimal | None:
    """Nano-dollars by `genai-prices`, which counts the whole prompt as input and 1-hour writes among all writes."""
    there = OtherUsage(
        input_tokens=usage.total_input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_input_tokens,
        cache_write_tokens=usage.cache_creation_input_tokens,
        cache_write_1h_tokens=usage.cache_creation_1h_input_tokens,
    )
    try:
        found = calc_price(there, model, provider_id="anthropic", genai_request_timestamp=at)
    except LookupError:
        return None
    return found.total_price * 10**9


UNKNOWN_THERE = {
    "claude-mythos-5": "restricted access; only the newest of its line is listed there",
    "claude-mythos-5-1": "restricted access; only the newest of its line is listed there",
}
DISAGREEMENTS = {
    (
        "claude-sonnet-5-5",
        "read",
        datetime(2026, 10, 7, tzinfo=UTC),
    ): "it has one price and no dates for this model: reads cost 0.20 before that day",
}
"""Model, class and the moment up to which the other list says something else, and why ours is kept."""
SIZES = (1, 1000, 100_000, 100_001, 200_000, 200_001, 900_000)
CLASSES = {
    "input": lambda n: Usage(input_tokens=n),
    "write_5m": lambda n: Usage(cache_creation_5m_input_tokens=n),
    "write_1h": lambda n: Usage(cache_creation_1h_input_tokens=n),
    "read": lambda n: Usage(cache_read_input_tokens=n),
    "output": lambda n: Usage(input_tokens=n, output_tokens=7777),
}


def moments_of(model: Model) -> list[datetime]:
    """The first and the last moment of every list of a model, and the day of the table."""
    days = sorted({row.valid_from for row in model.prices})
    starts = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days]
    return [*starts, *(start - timedelta(seconds=1) for start in starts[1:]), NOW]


def is_known_to_disagree(model: str, kind: str, at: datetime) -> bool:
    return any((model, kind) == (one, of) and at < until for one, of, until in DISAGREEMENTS)


@pytest.mark.parametrize("model", [model.id for model in all_models() if model.prices])
def test_every_class_tier_and_date_agrees_with_an_independent_price_list(model: str) -> None:
    """What does not is named above with its reason, and nothing is named that agrees."""
    found = find_model(model)
    assert found is not None
    for at in moments_of(found):
        for kind, usage_of in CLASSES.items():
            theirs = [their_price(model, usage_of(size), at) for size in SIZES]
            ours = [cost_of(model, usage_of(size), at).nano_usd for size in SIZES]
            if model in UNKNOWN_THERE:
                assert theirs == [None] * len(SIZES)
            elif is_known_to_disagree(model, kind, at):
                assert all(one != other for one, other in zip(ours, theirs, strict=True))
            else:
                assert ours == theirs, (kind, at)


@pytest.mark.parametrize("model", [model.id for model in all_models() if model.prices])
def test_requests_of_all_classes_agree_with_an_independent_price_list(model: str) -> None:
    rng = random.Random(5)
    for _ in range(0 if model in UNKNOWN_THERE else 50):
        usage = random_usage(rng)
        assert their_price(model, usage, NOW) == cost_of(model, usage, NOW).nano_usd


def test_every_model_that_both_lists_know_is_compared() -> None:
    """The other list also has two that were gone before prompt caching."""
    (vendor,) = (provider for provider in providers if provider.id == "anthropic")
    priced = [model.id for model in all_models() if model.prices and model.id not in UNKNOWN_THERE]
    compared = {found.id for name in priced if (found := vendor.find_model(name))}
    assert {model.id for model in vendor.models} - compared == {"claude-2", "claude-v1"}
    assert len(compared) == len(priced)


@pytest.mark.parametrize(
    ("known_as", "name"),
    [
        ("claude-opus-5-5", "claude-opus-5-5"),
        ("claude-opus-5-5", "anthropic/claude-opus-5.5"),
        ("claude-opus-5-5", "openrouter/anthropic/claude-opus-5.5"),
        ("claude-opus-5", "claude-opus-5-20260724"),
        ("claude-opus-5", "anthropic/claude-opus-5"),
        ("claude-opus-4-6", "us.anthropic.claude-opus-4-6-v1:0"),
        ("claude-opus-4-6", "claude-opus-4-6-20250118"),
        ("claude-haiku-4-5", "claude-haiku-4-5@20251001"),
        ("claude-haiku-4-5", "claude-haiku-4-5-20250124"),
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
        ("claude-3-7-sonnet", "claude-3-7-sonnet-latest"),
        (None, "claude-opus-5-5-tuned"),
        (None, "claude-opus"),
        (None, ""),
        (None, "gpt-5"),
    ],
)
def test_a_model_is_found_under_all_its_names(known_as: str | None, name: str) -> None:
    model = find_model(name)
    assert known_as == (model.id if model else None)


@pytest.mark.parametrize(
    ("sent", "notice", "name"),
    [
        ("claude-opus-4-6", "claude-opus-4-6 is used instead", "claude-opus-4-6-20250118"),
        (
            "claude-haiku-4-5-20251001",
            "claude-haiku-4-5-20251001 is used instead",
            "claude-haiku-4-5-20250124",
        ),
        (
            "claude-sonnet-4-5-20250929",
            "retires on 2026-11-30: choose claude-sonnet-5-5",
            "claude-sonnet-4-5-20250929",
        ),
        ("claude-opus-4-1", "was retired on 2026-08-05: choose claude-opus-5-5", "claude-opus-4-1"),
        ("claude-3-haiku-20240307", "was retired: choose claude-haiku-5-5", "claude-3-haiku-20240307"),
    ],
)
def test_a_wrong_or_ageing_name_is_answered_with_what_to_use(sent: str, notice: str, name: str) -> None:
    resolved = resolve_model(name, TODAY)
    assert sent == resolved.id
    assert resolved.model is not None
    assert notice in (resolved.notice or "")


def test_a_good_or_foreign_name_is_sent_as_given_without_a_word() -> None:
    for name in (DEFAULT_MODEL, "anthropic/claude-opus-5.5", "qwen3-coder:30b"):
        assert (name, None) == (resolve_model(name, TODAY).id, resolve_model(name, TODAY).notice)


def test_a_model_counts_as_retired_from_its_day_on_though_the_table_is_older() -> None:
    resolved = resolve_model("claude-sonnet-4-5-20250929", date(2026, 11, 30))
    assert "was retired on 2026-11-30" in (resolved.notice or "")


def test_the_first_user_facing_price_dictionary_keeps_its_shape_with_right_figures() -> None:
    assert MODEL_PRICING["claude-opus-4-6-20250118"] == {"input": 5.0, "output": 25.0, "cached_input": 0.5}
    assert MODEL_PRICING["claude-sonnet-4-5-20250929"] == {"input": 3.0, "output": 15.0, "cached_input": 0.3}
    assert MODEL_PRICING["claude-haiku-4-5-20250124"] == {"input": 1.0, "output": 5.0, "cached_input": 0.1}
    assert MODEL_PRICING["claude-haiku-5-5"] == {"input": 0.1, "output": 0.5, "cached_input": 0.01}
    assert MODEL_PRICING["claude-sonnet-5-5"]["cached_input"] == 0.1
    assert "claude-mythos-preview" not in MODEL_PRICING


def test_the_default_is_active_priced_and_has_no_retirement_in_sight() -> None:
    model = find_model(DEFAULT_MODEL)
    assert model is not None
    assert (model.lifecycle, model.retires_at, model.successor) == ("active", None, None)
    assert model.prices


def test_every_row_of_the_table_is_sound() -> None:
    names = [name for model in all_models() for name in (model.id, *model.aliases)]
    assert len(names) == len(set(names))
    for model in all_models():
        assert model.successor is None or (find_model(model.successor) or model).lifecycle == "active"
        assert model.lifecycle == "active" or model.successor
        assert model.max_output <= model.context_window
        for row in model.prices:
            assert row.read < row.input < row.write_5m < row.write_1h
            assert any(r.valid_from == row.valid_from and r.above_prompt_tokens == 0 for r in model.prices)


@pytest.mark.parametrize("simulated", SIMULATED, ids=lambda model: model.id)
def test_limits_agree_with_the_simulator_which_has_a_table_of_its_own(simulated: SimulatedModel) -> None:
    model = find_model(simulated.id)
    assert model is not None
    assert (model.context_window, model.max_output, model.cache_minimum, model.vision) == (
        simulated.context_window,
        simulated.max_output,
        simulated.cache_minimum,
        simulated.vision,
    )
    assert (model.us_inference, model.mid_chat_system) == (simulated.us_inference, simulated.system_turns)
    assert simulated.fast != "no" or not model.fast
    assert (model.lifecycle, str(model.retires_at or "")) == (
        simulated.lifecycle,
        (simulated.retires or "")[:10],
    )


def test_an_old_table_says_so() -> None:
    assert not prices_are_stale(prices_checked_on() + timedelta(days=90))
    assert prices_are_stale(prices_checked_on() + timedelta(days=91))


def test_importing_the_room_imports_nothing_heavy() -> None:
    code = (
        "import sys, time; t = time.process_time(); import cmt_lsp.api; took = time.process_time() - t;"
        "heavy = {'typing', 'dataclasses', 'json', 'asyncio', 'anthropic', 'httpx2', 'PIL', 'tomllib'} & set(sys.modules);"
        "print(sorted(heavy), took < 0.005)"
    )
    out = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert out.stdout.split() == ["[]", "True"]


def test_every_public_name_of_the_room_resolves() -> None:
    assert all(getattr(api, name) is not None for name in api.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = api.Nothing


def random_usage(rng: random.Random) -> Usage:
    return Usage(*(rng.choice([0, rng.randrange(300_000)]) for _ in range(5)))
