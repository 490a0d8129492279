"""Token counts and money: one request, a session that changed models, all sessions, and the file they are kept in."""

from __future__ import annotations

import json
import os
import random
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmt_lsp.api.errors import BadParamsError, StoreUnavailableError
from cmt_lsp.api.models import Cost, all_models, cost_of
from cmt_lsp.api.token_tracker import (
    SessionTokenUsage,
    TokenTracker,
    TokenUsage,
    UsageTotals,
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
    api = Usage(100, 20, 30, 4000, 50, 7, estimated=True)
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


def by_hand(**fields: object) -> TokenUsage:
    return replace(TokenUsage(input_tokens=10, output_tokens=1, timestamp=AT.timestamp()), **fields)  # type: ignore[arg-type]


def test_totals_by_every_grouping_have_the_keys_that_were_recorded() -> None:
    tracker = TokenTracker(UTC)
    tracker.record("a", "claude-opus-5-5", Usage(1000), AT, window="w1", workspace="/home/me/x", turn="t1")
    tracker.record(
        "a", "claude-haiku-5-5", Usage(2000), AT + timedelta(days=1), window="w2", workspace="/home/me/x"
    )
    tracker.record("b", "claude-opus-5-5", Usage(4000), AT - timedelta(days=1))
    tracker.add("b", by_hand(id="attempt-7", model="llama"))

    def tokens(grouping: str) -> dict[str, int]:
        return {key: one.usage.total_input_tokens for key, one in tracker.by(grouping).items()}  # type: ignore[arg-type]

    assert tokens("request") == {"a#1": 1000, "a#2": 2000, "b#1": 4000, "attempt-7": 10}
    assert tokens("session") == {"a": 3000, "b": 4010}
    assert tokens("window") == {"w1": 1000, "w2": 2000, "": 4010}
    assert tokens("workspace") == {"/home/me/x": 3000, "": 4010}
    assert tokens("model") == {"claude-opus-5-5": 5000, "claude-haiku-5-5": 2000, "llama": 10}
    assert list(tracker.by("day").items()) == [
        (
            "2026-11-21",
            UsageTotals(1, 1, Usage(4000), Cost(16_000_000, 0, "claude-opus-5-5@2026-09-22", False), 0),
        ),
        ("2026-11-22", tracker.by("day")["2026-11-22"]),
        (
            "2026-11-23",
            UsageTotals(1, 1, Usage(2000), Cost(200_000, 0, "claude-haiku-5-5@2026-10-07", False), 0),
        ),
    ]
    assert (tracker.by("day")["2026-11-22"].sessions, tracker.totals.sessions, tracker.totals.requests) == (
        2,
        2,
        4,
    )
    assert [one.turn for one in tracker.sessions[0].request_history] == ["t1", None]
    with pytest.raises(BadParamsError, match="use request, session, window"):
        tracker.by("hour")  # type: ignore[arg-type]


def test_an_estimate_in_tokens_or_in_money_counts_as_one() -> None:
    tracker = TokenTracker(UTC)
    tracker.add("s", by_hand())
    tracker.add("s", by_hand(estimated=True))
    tracker.add("s", by_hand(booked=Cost(1, 0, "x", estimated=True)))
    assert tracker.totals.estimated == 2


def test_days_begin_at_midnight_of_the_zone_that_is_stated() -> None:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    tokyo = timezone(timedelta(hours=9), "Tokyo")
    for zone, name, day in ((UTC, "UTC", "2026-11-22"), (tokyo, "Tokyo", "2026-11-23")):
        tracker = TokenTracker(zone)
        tracker.record("s", SONNET, Usage(1), late)
        assert (tracker.zone_name, list(tracker.by("day"))) == (name, [day])


def test_without_a_zone_days_are_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-5:45")
    time.tzset()
    try:
        tracker = TokenTracker()
        tracker.record("s", SONNET, Usage(1), datetime(2026, 11, 22, 18, 15, tzinfo=UTC))
        tracker.record("s", SONNET, Usage(1), datetime(2026, 11, 22, 18, 14, 59, tzinfo=UTC))
        assert (tracker.zone_name, list(tracker.by("day"))) == ("XYZ", ["2026-11-22", "2026-11-23"])
    finally:
        monkeypatch.undo()
        time.tzset()


counts = st.integers(0, 300_000)
costs = st.none() | st.builds(
    Cost,
    st.none() | st.integers(0, 10**13),
    st.integers(-(10**13), 10**13),
    st.none() | st.sampled_from(["own@2026", "prices.toml:x"]),
    st.booleans(),
).map(lambda cost: replace(cost, unpriced=1, saved_nano_usd=None) if cost.nano_usd is None else cost)
usages = st.builds(Usage, counts, counts, counts, counts, counts, st.none() | counts, estimated=st.booleans())
names = st.none() | st.sampled_from(["a", "b", "/home/ü", ""])
requests = st.builds(
    lambda usage, model, booked, at, names: TokenUsage.from_usage(
        usage, at=datetime.fromtimestamp(at, UTC), model=model, booked=booked, **names
    ),
    usages,
    st.sampled_from(["claude-opus-5-5", "claude-haiku-5-5", "claude-opus-4-6", "llama", None]),
    costs,
    st.integers(1_760_000_000, 1_800_000_000),
    st.fixed_dictionaries({"turn": names, "window": names, "workspace": names}),
)
trackers = st.lists(st.tuples(st.sampled_from("pqr"), requests), max_size=12)


def tracker_of(pairs: list[tuple[str, TokenUsage]]) -> TokenTracker:
    tracker = TokenTracker(UTC)
    for session_id, request in pairs:
        tracker.add(session_id, request)
    return tracker


@given(trackers)
def test_every_grouping_has_the_same_sum_to_the_nano_dollar(pairs: list[tuple[str, TokenUsage]]) -> None:
    tracker = tracker_of(pairs)
    whole = tracker.totals
    for grouping in ("request", "session", "window", "workspace", "day", "model"):
        parts = list(tracker.by(grouping).values())  # type: ignore[arg-type]
        cost = Cost.sum(part.cost for part in parts)
        assert sum(part.requests for part in parts) == whole.requests == len(pairs)
        assert sum((part.usage for part in parts), Usage()) == whole.usage
        assert (cost.nano_usd, cost.saved_nano_usd, cost.unpriced) == (
            whole.cost.nano_usd,
            whole.cost.saved_nano_usd,
            whole.cost.unpriced,
        )
        assert sum(part.estimated for part in parts) == whole.estimated


@given(trackers)
def test_every_figure_keeps_to_its_definition(pairs: list[tuple[str, TokenUsage]]) -> None:
    tracker = tracker_of(pairs)
    total = tracker.totals
    assert 0 <= total.hit_rate <= 1
    assert type(total.cost.nano_usd) is int or total.cost.unpriced == len(pairs) > 0
    assert total.cost.display.startswith("≥") == bool(total.cost.unpriced and total.cost.nano_usd is not None)
    assert (total.cost.display == "unpriced") == (total.cost.nano_usd is None)
    for session in tracker.sessions:
        for request in session.request_history:
            assert request.non_cached_input_tokens + request.cached_tokens == request.input_tokens
            assert request.usage.total_input_tokens == request.input_tokens
            assert request.total_tokens == request.input_tokens + request.output_tokens
        assert 0 <= session.cache_hit_rate <= 1
        assert session.total_cost == tracker.by("session")[session.session_id].cost
        assert session.total_usage.total_tokens == session.totals.usage.total_tokens
    lines = format_global_usage(tracker).splitlines()
    assert [line.split(":")[0].strip() for line in lines] == [
        "Total Usage", "Total Tokens", "Cached", "Cost", "Savings", "Requests", "Sessions",
    ]  # fmt: skip


@given(trackers)
def test_the_file_gives_back_what_was_saved_field_by_field(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, TokenUsage]]
) -> None:
    tracker = tracker_of([(session, replace(one, id=f"id{n}")) for n, (session, one) in enumerate(pairs)])
    path = tmp_path_factory.getbasetemp() / "usage.json"
    tracker.save(path)

    loaded = TokenTracker.load(path, UTC)

    assert loaded.sessions == tracker.sessions
    assert all(
        loaded.by(name) == tracker.by(name) for name in ("request", "window", "workspace", "day", "model")
    )
    assert json.loads(path.read_text(encoding="utf-8"))["version"] == 2


def test_a_file_of_the_first_version_still_loads(tmp_path: Path) -> None:
    """As it was written before there were windows, workspaces and ids."""
    path = tmp_path / "usage.json"
    entry = {
        "session": "s", "input_tokens": 1000, "output_tokens": 10, "cached_tokens": 900, "cache_write_5m_tokens": 50,
        "cache_write_1h_tokens": 0, "timestamp": 1_790_000_000.25, "estimated": True, "model": "claude-opus-5-5",
        "cost": {"nano_usd": 7, "saved_nano_usd": -3, "price_row": "x@y", "estimated": False, "unpriced": 0},
    }  # fmt: skip
    unbooked = {key: value for key, value in entry.items() if key != "cost"} | {"model": None}
    path.write_text(
        json.dumps({"format": "cmt-token-usage", "version": 1, "requests": [entry, unbooked]}, indent=1)
    )

    session = TokenTracker.load(path).session("s")

    assert session is not None
    assert session.request_history[0] == TokenUsage(
        1000, 10, 900, 1_790_000_000.25, 50, 0, True, "claude-opus-5-5", Cost(7, -3, "x@y", estimated=False)
    )
    assert session.request_history[1].booked is None


def test_what_still_runs_in_a_ledger_is_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "usage.json"
    states = ("reserved", "streaming", "done", "orphan", "cancelled")
    entries = [
        json.loads(damaged(lambda entry, state=state: entry.update(state=state)))["requests"][0]
        for state in states
    ]
    path.write_text(json.dumps({"format": "cmt-token-usage", "version": 2, "requests": entries}))
    assert TokenTracker.load(path).totals.requests == 3


@pytest.mark.parametrize("when", [-1.0, float("nan"), float("inf"), 1e18])
def test_a_time_that_is_none_is_refused(when: float) -> None:
    with pytest.raises(BadParamsError, match=r"use time\.time"):
        TokenUsage(timestamp=when)


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
        damaged(lambda entry: entry.update(timestamp="now")),
        damaged(lambda entry: entry.update(timestamp=1e300)),
        damaged(lambda entry: entry.update(timestamp=True)),
        damaged(lambda entry: entry.update(estimated=0)),
        damaged(lambda entry: entry.update(session=None)),
        damaged(lambda entry: entry.update(output_tokens=10**30)),
        damaged(lambda entry: entry.update(workspace=["x"])),
        damaged(lambda entry: entry.update(thinking_tokens=-1)),
    ],
)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "usage.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(
        StoreUnavailableError, match=r"usage\.json is not a token usage file \(.+\): choose"
    ) as told:
        TokenTracker.load(path)
    assert ("entry 1: " in told.value.message) == ('"session"' in content)


def test_an_undamaged_entry_of_the_same_shape_loads(tmp_path: Path) -> None:
    path = tmp_path / "usage.json"
    path.write_text(damaged(lambda entry: entry), encoding="utf-8")
    assert TokenTracker.load(path).report()["global_summary"]["total_tokens"] == 6
