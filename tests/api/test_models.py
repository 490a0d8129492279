"""The table of models: golden prices, dates, tiers, modifiers, names, and a second opinion from another price list."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices import Usage as OtherUsage
from genai_prices import calc_price

from cmt_lsp import api
from cmt_lsp.api import MODEL_PRICING
from cmt_lsp.api.models import (
    DEFAULT_MODEL,
    Cost,
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


@pytest.mark.parametrize(
    ("rates", "model"),
    [
        ((8, 10, 16, 0.20, 40), "claude-fable-5-2"),
        ((10, 12.50, 20, 0.25, 50), "claude-fable-5-1"),
        ((10, 12.50, 20, 1, 50), "claude-fable-5"),
        ((8, 10, 16, 0.20, 40), "claude-mythos-5-2"),
        ((4, 5, 8, 0.20, 20), "claude-opus-5-5"),
        ((5, 6.25, 10, 0.50, 25), "claude-opus-5"),
        ((5, 6.25, 10, 0.50, 25), "claude-opus-4-8"),
        ((5, 6.25, 10, 0.50, 25), "claude-opus-4-7"),
        ((5, 6.25, 10, 0.50, 25), "claude-opus-4-6"),
        ((5, 6.25, 10, 0.50, 25), "claude-opus-4-5"),
        ((2, 2.50, 4, 0.10, 10), "claude-sonnet-5-5"),
        ((2, 2.50, 4, 0.20, 10), "claude-sonnet-5"),
        ((3, 3.75, 6, 0.30, 15), "claude-sonnet-4-6"),
        ((3, 3.75, 6, 0.30, 15), "claude-sonnet-4-5"),
        ((0.10, 0.125, 0.20, 0.01, 0.50), "claude-haiku-5-5"),
        ((1, 1.25, 2, 0.10, 5), "claude-haiku-4-5"),
    ],
)
def test_golden_price_of_every_token_class(rates: tuple[float, ...], model: str) -> None:
    expected = tuple(round(rate * 1000) for rate in rates)
    row = price_in_force(model, NOW, 1000)
    assert row is not None
    assert expected == (row.input, row.write_5m, row.write_1h, row.read, row.output)


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


@pytest.mark.parametrize("model", [model.id for model in all_models() if model.prices])
def test_prices_agree_with_an_independent_price_list(model: str) -> None:
    """`genai-prices` counts the whole prompt as input and 1-hour writes as part of all writes."""
    if model in {"claude-mythos-5", "claude-mythos-5-1"}:
        model_there = model.replace(
            "mythos", "fable"
        )  # restricted models it leaves out, at the price of their twins
    else:
        model_there = model
    for usage in (Usage(700, 200, 100, 3000, 400), Usage(90_000, 70_000, 30_000, 60_000, 5000)):
        for at in (NOW, datetime(2026, 3, 1, tzinfo=UTC)):
            if at < datetime.combine(min(row.valid_from for row in find_model(model).prices), NOW.timetz()):  # type: ignore[union-attr]
                continue
            other = calc_price(
                OtherUsage(
                    input_tokens=usage.total_input_tokens,
                    output_tokens=usage.output_tokens,
                    cache_read_tokens=usage.cache_read_input_tokens,
                    cache_write_tokens=usage.cache_creation_input_tokens,
                    cache_write_1h_tokens=usage.cache_creation_1h_input_tokens,
                ),
                model_there,
                provider_id="anthropic",
                genai_request_timestamp=at,
            )
            assert other.total_price * 10**9 == Decimal(cost_of(model, usage, at).nano_usd or 0)


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
