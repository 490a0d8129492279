"""Token counts and money: one request, a session that changed models, all sessions, and the file they are kept in."""

from __future__ import annotations

import json
import os
import random
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cmt_lsp.api.errors import BadParamsError, StoreUnavailableError
from cmt_lsp.api.models import Cost, all_models, cost_of
from cmt_lsp.api.token_tracker import (
    SessionTokenUsage,
    TokenTracker,
    TokenUsage,
    format_global_usage,
    format_session_usage,
    format_tokens,
)
from cmt_lsp.api.usage import Usage

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
SONNET = "claude-sonnet-4-5-20250929"


def test_the_savings_example_costs_what_it_should() -> None:
    """10K prompt tokens of which 6.6K are cached, at $3 and $0.30: $0.01218, not $0.03."""
    usage = TokenUsage(input_tokens=10_000, output_tokens=0, cached_tokens=6_600, timestamp=AT.timestamp())
    assert usage.calculate_cost(SONNET) == 0.01218
    assert (usage.non_cached_input_tokens, usage.total_tokens) == (3_400, 10_000)


@pytest.mark.parametrize(
    ("usd", "model"),
    [(0.0185, "claude-opus-4-6-20250118"), (0.0111, SONNET), (0.0037, "claude-haiku-4-5-20250124")],
)
def test_the_first_model_ids_are_priced_right(usd: float, model: str) -> None:
    """1000 plain, 2000 read, 500 answered."""
    usage = TokenUsage(input_tokens=3_000, output_tokens=500, cached_tokens=2_000, timestamp=AT.timestamp())
    assert usage.calculate_cost(model) == usd


def test_api_figures_convert_without_counting_twice() -> None:
    api = Usage(100, 20, 30, 4000, 50)
    usage = TokenUsage.from_usage(api, at=AT)
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == (4150, 4000, 50)
    assert usage.usage == api
    assert usage.timestamp == AT.timestamp()


def test_cache_writes_are_in_the_cost() -> None:
    usage = TokenUsage.from_usage(Usage(cache_creation_1h_input_tokens=1000), at=AT)
    assert usage.calculate_cost("claude-opus-5-5") == 0.008


@pytest.mark.parametrize(
    "counts",
    [
        {"input_tokens": 10, "cached_tokens": 11},
        {"input_tokens": 10, "cached_tokens": 5, "cache_write_5m_tokens": 6},
        {"input_tokens": -1},
        {"output_tokens": -1},
        {"input_tokens": 5, "cached_tokens": -1},
    ],
)
def test_counts_that_cannot_be_are_refused_with_the_way_out(counts: dict[str, int]) -> None:
    with pytest.raises(BadParamsError, match=r"use TokenUsage\.from_usage"):
        TokenUsage(**counts)  # type: ignore[arg-type]


def test_an_unknown_model_has_no_cost_rather_than_none() -> None:
    assert TokenUsage(input_tokens=10).calculate_cost("llama") is None


def test_a_session_that_changed_models_adds_up_right() -> None:
    tracker = TokenTracker()
    first = tracker.record("s", "claude-opus-5-5", Usage(1000, output_tokens=100), AT)
    second = tracker.record("s", "claude-haiku-5-5", Usage(1000, output_tokens=100), AT)
    session = tracker.session("s")
    assert session is not None
    assert (first.calculate_cost(), second.calculate_cost()) == (0.006, 0.00015)
    assert session.total_cost_usd == 0.00615
    assert session.model_name == "claude-haiku-5-5"


def test_requests_without_a_model_take_the_sessions() -> None:
    session = SessionTokenUsage("s", SONNET, [TokenUsage(input_tokens=1000, timestamp=AT.timestamp())])
    assert session.total_cost_usd == 0.003


def test_hit_rate_and_savings_follow_their_definitions() -> None:
    tracker = TokenTracker()
    tracker.record("s", "claude-sonnet-5-5", Usage(cache_creation_5m_input_tokens=1000), AT)
    session = tracker.session("s")
    assert session is not None
    assert (session.cache_hit_rate, session.cost_savings_from_cache) == (0.0, -0.0005)
    tracker.record("s", "claude-sonnet-5-5", Usage(cache_read_input_tokens=1000), AT)
    assert (session.cache_hit_rate, session.cost_savings_from_cache) == (0.5, 0.0014)


def test_an_empty_session_is_all_zeros() -> None:
    session = SessionTokenUsage("s", SONNET)
    assert (session.total_cost_usd, session.cache_hit_rate, session.cost_savings_from_cache) == (
        0.0,
        0.0,
        0.0,
    )
    assert session.total_usage.total_tokens == 0


def test_the_report_has_the_promised_keys_and_sums() -> None:
    tracker = TokenTracker()
    tracker.record("a", SONNET, Usage(1000, output_tokens=100), AT)
    tracker.record("b", SONNET, Usage(cache_read_input_tokens=1000), AT)
    summary = tracker.report()["global_summary"]
    assert (summary["session_count"], summary["total_tokens"]) == (2, 2100)
    assert (summary["total_cost_usd"], summary["cache_savings_usd"]) == (0.0048, 0.0027)
    assert tracker.report()["sessions"]["b"]["cache_hit_rate"] == 1.0


def test_unpriced_requests_are_counted_and_make_the_sum_a_lower_bound() -> None:
    tracker = TokenTracker()
    tracker.record("s", SONNET, Usage(10_000), AT)
    tracker.record("s", "llama", Usage(10_000), AT)
    summary = tracker.report()["global_summary"]
    assert (summary["total_cost_usd"], summary["cost"], summary["unpriced_requests"]) == (0.03, "≥$0.0300", 1)
    session = tracker.session("s")
    assert session is not None
    assert "Cost: ≥$0.0300\n" in format_session_usage(session)
    assert "Requests: 2 (1 unpriced)" in format_session_usage(session)


def test_the_text_block_reads_as_promised() -> None:
    tracker = TokenTracker()
    for _ in range(12):
        tracker.record("s", SONNET, Usage(350, cache_read_input_tokens=675, output_tokens=242), AT)
    session = tracker.session("s")
    assert session is not None
    assert format_session_usage(session) == (
        "Session Usage:\n"
        "  Total Tokens: 15.2K (12.3K input, 2.9K output)\n"
        "  Cached: 8.1K (66% hit rate)\n"
        "  Cost: $0.0586\n"
        "  Savings: $0.0219 (from caching)\n"
        "  Requests: 12"
    )
    assert format_global_usage(tracker).endswith("Requests: 12\n  Sessions: 1")


def test_the_text_block_says_when_caching_lost_money_and_when_figures_are_guesses() -> None:
    tracker = TokenTracker()
    tracker.record("s", SONNET, Usage(cache_creation_1h_input_tokens=1000, estimated=True), AT)
    session = tracker.session("s")
    assert session is not None
    text = format_session_usage(session)
    assert "Savings: -$0.0030 (cache writes cost more than reads saved)" in text
    assert "Cost: $0.0060 (estimated)" in text


@pytest.mark.parametrize(
    ("shown", "tokens"),
    [("0", 0), ("999", 999), ("1.0K", 1000), ("15.2K", 15_204), ("999.9K", 999_949), ("1.0M", 999_950)],
)
def test_tokens_are_shown_short(shown: str, tokens: int) -> None:
    assert format_tokens(tokens) == shown


def test_a_thousand_random_requests_sum_to_the_nano_dollar(campaign_size: Callable[[int, int], int]) -> None:
    rng = random.Random(11)
    tracker, expected = TokenTracker(), 0
    for _ in range(campaign_size(1000, 20_000)):
        model = rng.choice(all_models()).id
        usage = Usage(*(rng.choice([0, rng.randrange(250_000)]) for _ in range(5)))
        speed, geo = rng.choice([None, "fast"]), rng.choice([None, "us"])
        tracker.record(f"s{rng.randrange(9)}", model, usage, AT, speed=speed, geo=geo)
        expected += cost_of(model, usage, AT, speed=speed, geo=geo).nano_usd or 0
    assert tracker.total_cost.nano_usd == expected


def test_save_and_load_give_back_every_request(tmp_path: Path) -> None:
    rng = random.Random(3)
    tracker = TokenTracker()
    for _ in range(200):
        usage = Usage(*(rng.randrange(9999) for _ in range(5)), estimated=rng.random() < 0.1)
        at = datetime.fromtimestamp(1_790_000_000 + rng.random() * 1e6, UTC)
        tracker.record(f"s{rng.randrange(4)}", rng.choice(["claude-opus-5-5", "llama"]), usage, at)
    tracker.add("by hand", TokenUsage(input_tokens=5, model=None))
    path = tmp_path / "usage.json"
    tracker.save(path)
    loaded = TokenTracker.load(path)
    assert loaded.sessions and {s.session_id for s in loaded.sessions} == {
        s.session_id for s in tracker.sessions
    }
    assert loaded.report() == tracker.report()
    for session in tracker.sessions:
        assert loaded.session(session.session_id) == session


def test_a_booked_cost_outlives_the_price_table(tmp_path: Path) -> None:
    """What was charged stays charged, even where the table of today says otherwise."""
    tracker = TokenTracker()
    tracker.add(
        "s", TokenUsage(input_tokens=5, model="llama", booked=Cost(42, 0, "own@2026", estimated=False))
    )
    tracker.save(tmp_path / "usage.json")
    assert TokenTracker.load(tmp_path / "usage.json").total_cost.nano_usd == 42


def test_the_file_is_private_and_replaced_in_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "usage.json"
    tracker = TokenTracker()
    tracker.record("s", SONNET, Usage(1), AT)
    tracker.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()

    def full_disk(_: int) -> None:
        assert len(list(tmp_path.iterdir())) == 2, "the new file grows beside the old one, on the same disk"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    tracker.record("s", SONNET, Usage(2), AT)
    with pytest.raises(OSError, match="No space left"):
        tracker.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def damaged(change: Callable[[dict[str, object]], object]) -> str:
    entry: dict[str, object] = {
        "session": "s", "input_tokens": 5, "output_tokens": 1, "cached_tokens": 0, "cache_write_5m_tokens": 0,
        "cache_write_1h_tokens": 0, "timestamp": 1.0, "estimated": False, "model": None,
    }  # fmt: skip
    change(entry)
    return json.dumps({"format": "cmt-token-usage", "version": 1, "requests": [entry]})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "\x00\x01",
        '{"format": "cmt-token-usage", "version": 3, "requests": []}',
        '{"format": "cmt-token-usage", "version": 1, "requests": 5}',
        damaged(lambda entry: entry.pop("model")),
        damaged(lambda entry: entry.update(input_tokens="5")),
        damaged(lambda entry: entry.update(input_tokens=-5)),
        damaged(lambda entry: entry.update(cached_tokens=6)),
        damaged(lambda entry: entry.update(cost={"nano_usd": "42"})),
    ],
)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "usage.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StoreUnavailableError, match=r"usage\.json is not a token usage file"):
        TokenTracker.load(path)


def test_an_undamaged_entry_of_the_same_shape_loads(tmp_path: Path) -> None:
    path = tmp_path / "usage.json"
    path.write_text(damaged(lambda entry: entry), encoding="utf-8")
    assert TokenTracker.load(path).report()["global_summary"]["total_tokens"] == 6
