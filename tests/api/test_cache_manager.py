"""Breakpoints are few, valid and where they pay; a miss is named by its cause."""

from __future__ import annotations

import copy
import json
import urllib.request
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmt_lsp.api.cache_manager import CacheManager, CacheVerdict, PlannedPrompt, SentPrompt, sent_prompt
from cmt_lsp.api.models import Model, find_model
from cmt_lsp.api.usage import Usage
from cmt_lsp.simulator.server import simulator_in_thread

LONG = "def answer() -> int:\n    return 42\n" * 400
EPHEMERAL = {"type": "ephemeral"}
THINKING = {"type": "thinking", "thinking": "hm", "signature": "s"}


class Clock:
    """Seconds that pass when told to."""

    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


def opus() -> Model:
    model = find_model("claude-opus-5-5")
    assert model is not None
    return model


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def marks(plan: PlannedPrompt) -> list[tuple[str, int, int]]:
    return [(mark.segment, mark.message, mark.block) for mark in plan.breakpoints]


def marked_blocks(plan: PlannedPrompt) -> list[dict[str, Any]]:
    blocks = [*(plan.system or ()), *(block for message in plan.messages for block in message["content"])]
    return [block for block in blocks if "cache_control" in block]


def without_marks(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_marks(inner) for name, inner in value.items() if name != "cache_control"}
    return [without_marks(inner) for inner in value] if isinstance(value, (list, tuple)) else value


# Where marks go


def test_a_conversation_is_marked_at_system_pinned_previous_turn_and_newest_block() -> None:
    plan = CacheManager().plan(
        LONG,
        [user(text("first")), assistant(THINKING, text("answer"))],
        [text("context"), text("second")],
        opus(),
        True,
        pinned=[text("a pinned file")],
    )
    assert marks(plan) == [("system", -1, 0), ("pinned", 0, 0), ("history", 1, 1), ("newest", 2, 1)]
    assert [block["cache_control"] for block in marked_blocks(plan)] == [EPHEMERAL] * 4
    assert plan.messages[0]["content"][0]["text"] == "a pinned file"


def test_the_first_turn_is_marked_at_system_and_newest_block() -> None:
    plan = CacheManager().plan(LONG, [], [text("hello")], opus(), True)
    assert marks(plan) == [("system", -1, 0), ("newest", 0, 0)]


def test_pinned_context_and_first_question_have_their_own_marks() -> None:
    plan = CacheManager().plan(LONG, [], [text("hello")], opus(), True, pinned=[text("file")])
    assert marks(plan) == [("system", -1, 0), ("pinned", 0, 0), ("newest", 0, 1)]


def test_pinned_context_before_a_history_that_starts_with_the_assistant_is_its_own_message() -> None:
    plan = CacheManager().plan(
        LONG, [assistant(text("hi"))], [text("x")], opus(), True, pinned=[text("file")]
    )
    assert [message["role"] for message in plan.messages] == ["user", "assistant", "user"]


def test_a_long_answer_is_marked_at_its_question_where_the_last_request_left_its_entry() -> None:
    """A mark more than twenty blocks on would look back and not find it."""
    history = [user(text("q")), assistant(*(text(f"part {n}") for n in range(40)))]
    assert marks(CacheManager().plan(LONG, history, [text("next")], opus(), True))[1] == ("history", 0, 0)
    for answer, place in [(19, ("history", 1, 18)), (20, ("history", 0, 0))]:
        history = [user(text("q")), assistant(*(text(f"part {n}") for n in range(answer)))]
        assert marks(CacheManager().plan(LONG, history, [text("next")], opus(), True))[1] == place


def test_nothing_under_the_models_minimum_is_marked() -> None:
    plan = CacheManager().plan("be brief", [], [text("hello")], opus(), True)
    assert marked_blocks(plan) == []
    only_last = CacheManager().plan(
        "be brief", [user(text("a")), assistant(text("b"))], [text(LONG)], opus(), True
    )
    assert marks(only_last) == [("newest", 2, 0)]


def test_an_unknown_model_is_marked_anyway() -> None:
    assert len(marked_blocks(CacheManager().plan("be brief", [], [text("hello")], None, True))) == 2


def test_disabled_marks_nothing_and_sends_the_same_prompt() -> None:
    history = [user(text("first")), assistant(text("answer"))]
    off = CacheManager().plan(LONG, history, [text("second")], opus(), False)
    on = CacheManager().plan(LONG, history, [text("second")], opus(), True)
    assert (marks(off), marked_blocks(off)) == ([], [])
    assert without_marks(on.messages) == list(off.messages)
    assert without_marks(on.system) == list(off.system or ())


def test_no_system_prompt_sends_none() -> None:
    assert CacheManager().plan(None, [], [text("x")], opus(), True).system is None
    assert CacheManager().plan(" \n", [], [text("x")], opus(), True).system is None


def test_the_shared_prefix_of_two_turns_is_the_same_bytes() -> None:
    """Also where a message was once given as a string, since a mark must not change what is before it."""
    manager = CacheManager()
    first = manager.plan(LONG, [], [text("one")], opus(), True)
    history = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    second = manager.plan(LONG, history, [text("three")], opus(), True)
    assert json.dumps(without_marks(second.messages[0])) == json.dumps(without_marks(first.messages[0]))


blocks = st.one_of(
    st.builds(text, st.sampled_from(["", " ", "x", LONG])),
    st.just(THINKING),
    st.just({"type": "redacted_thinking", "data": "x"}),
    st.just({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}),
    st.just({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
    st.just({"type": "tool_use", "id": "t", "name": "n", "input": {"a": [1, "b"]}}),
    st.just({"type": "tool_result", "tool_use_id": "t", "content": [text("r")]}),
)
messages = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["user", "assistant", "system"]),
    st.lists(blocks, max_size=30),
)
models = st.sampled_from([None, find_model("claude-opus-5-5"), find_model("claude-haiku-4-5")])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from([None, "", " ", "short", LONG]),
    st.lists(messages, max_size=12),
    st.lists(blocks, max_size=30),
    st.lists(blocks, max_size=4),
    models,
    st.booleans(),
)
def test_no_plan_is_ever_invalid(
    system: str | None,
    history: list[dict[str, Any]],
    new_content: list[dict[str, Any]],
    pinned: list[dict[str, Any]],
    model: Model | None,
    enabled: bool,
) -> None:
    """At most four marks, each on a block that takes one; without marks it is the input; the input is untouched."""
    before = copy.deepcopy((history, new_content, pinned))
    plan = CacheManager().plan(system, history, new_content, model, enabled, pinned=pinned)
    found = marked_blocks(plan)
    assert len(found) == len(plan.breakpoints) <= (4 if enabled else 0)
    for block in found:
        assert block["type"] in {"text", "image", "tool_use", "tool_result"}
        assert block["type"] != "text" or block["text"].strip()
    assert json.dumps(plan.messages).count("cache_control") + json.dumps(plan.system).count(
        "cache_control"
    ) == len(found)
    assert (history, new_content, pinned) == before
    if not pinned:
        assert without_marks(plan.messages) == [*history, {"role": "user", "content": new_content}]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(messages, max_size=6), models)
def test_marks_in_the_input_do_not_add_up(history: list[dict[str, Any]], model: Model | None) -> None:
    """A history that was planned before may be planned again."""
    dirty = [
        {**m, "content": [{**b, "cache_control": EPHEMERAL} for b in m["content"]]}
        for m in copy.deepcopy(history)
    ]
    again = CacheManager().plan(LONG, dirty, [text("x")], model, True)
    assert len(marked_blocks(again)) <= 4
    assert without_marks(again.messages[:-1]) == history


def test_marks_inside_other_blocks_are_dropped() -> None:
    inner = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [{**text("r"), "cache_control": EPHEMERAL}],
    }
    plan = CacheManager().plan(None, [user(inner)], [text("x")], opus(), True)
    assert "cache_control" not in plan.messages[0]["content"][0]["content"][0]


# What the cache did


def planned(
    clock: Clock,
    system: str = LONG,
    history: list[dict[str, Any]] | None = None,
    new: str = "q",
    model: Model | None = None,
) -> PlannedPrompt:
    return CacheManager(clock).plan(system, history or [], [text(new)], model or opus(), True)


def after_first(clock: Clock) -> SentPrompt:
    plan = planned(clock)
    usage = Usage(10, cache_creation_5m_input_tokens=5000)
    return sent_prompt(plan, usage, CacheManager(clock).verdict(opus(), usage, plan))


def judged(plan: PlannedPrompt, usage: Usage, previous: SentPrompt | None = None) -> CacheVerdict:
    return CacheManager().verdict(opus(), usage, plan, previous)


GROWN = [user(text("q")), assistant(text("a"))]
ALL_READ = Usage(10, cache_creation_5m_input_tokens=50, cache_read_input_tokens=5000)
ALL_WRITTEN = Usage(10, cache_creation_5m_input_tokens=5050)


def test_everything_the_last_request_left_was_read_is_a_hit() -> None:
    clock = Clock()
    verdict = judged(planned(clock, history=GROWN), ALL_READ, after_first(clock))
    assert (verdict.state, verdict.cause, verdict.read_tokens, verdict.written_tokens) == (
        "hit",
        None,
        5000,
        50,
    )
    assert verdict.hit_ratio == 5000 / 5060
    assert verdict.expires_at == clock.now + 300


def test_the_first_request_is_a_miss_and_says_so() -> None:
    clock = Clock()
    verdict = judged(planned(clock), ALL_WRITTEN)
    assert (verdict.state, verdict.cause) == ("miss", "first request in this session")
    assert verdict.expires_at == clock.now + 300


def test_tokens_written_for_an_hour_expire_in_an_hour() -> None:
    clock = Clock()
    assert judged(planned(clock), Usage(cache_creation_1h_input_tokens=9000)).expires_at == clock.now + 3600


def test_the_first_segment_that_changed_is_the_cause() -> None:
    clock = Clock()
    previous = after_first(clock)
    sonnet = find_model("claude-sonnet-5-5")
    edited = [user(text("another question")), assistant(text("a"))]
    causes = {
        "model changed": planned(clock, system="new" + LONG, history=GROWN, model=sonnet),
        "system prompt changed": planned(clock, system="new" + LONG, history=edited),
        "history changed": planned(clock, history=edited),
        "pinned context changed": CacheManager(clock).plan(
            LONG, edited, [text("x")], opus(), True, pinned=[text("file")]
        ),
        "unknown": planned(clock, history=GROWN),
    }
    for cause, plan in causes.items():
        assert judged(plan, ALL_WRITTEN, previous).cause == cause


def test_a_shorter_history_is_a_changed_history() -> None:
    clock = Clock()
    plan = planned(clock, history=GROWN)
    usage = Usage(cache_creation_5m_input_tokens=5000)
    previous = sent_prompt(plan, usage, judged(plan, usage))
    assert judged(planned(clock, new="another"), ALL_WRITTEN, previous).cause == "history changed"


def test_an_entry_that_idled_too_long_is_named_with_its_age() -> None:
    clock = Clock()
    previous = after_first(clock)
    clock.now += 299
    assert judged(planned(clock, history=GROWN), ALL_WRITTEN, previous).cause == "unknown"
    clock.now += 113
    verdict = judged(planned(clock, history=GROWN), ALL_WRITTEN, previous)
    assert (verdict.state, verdict.cause) == ("miss", "expired (idle 412 s)")


def test_reading_less_than_there_was_is_partial() -> None:
    clock = Clock()
    usage = Usage(10, cache_creation_5m_input_tokens=1000, cache_read_input_tokens=4000)
    edited = [user(text("another question")), assistant(text("a"))]
    verdict = judged(planned(clock, history=edited), usage, after_first(clock))
    assert (verdict.state, verdict.cause) == ("partial", "history changed")


def test_a_first_request_that_reads_what_another_window_left_is_a_hit() -> None:
    assert judged(planned(Clock()), ALL_READ).state == "hit"


@pytest.mark.parametrize(
    ("state", "cause", "usage"),
    [
        ("below-minimum", "the prompt is under the model's 512 tokens", Usage(511, output_tokens=5)),
        ("miss", "the endpoint reports no caching", Usage(512, output_tokens=5)),
        ("miss", "no usage was reported", Usage(output_tokens=5, estimated=True)),
    ],
)
def test_nothing_read_and_nothing_written_is_told_apart(state: str, cause: str, usage: Usage) -> None:
    verdict = judged(planned(Clock()), usage)
    assert (verdict.state, verdict.cause, verdict.expires_at) == (state, cause, None)


def test_a_prompt_taken_for_too_short_says_so() -> None:
    plan = CacheManager().plan("short", [], [text("x")], opus(), True)
    assert judged(plan, Usage(600)).cause == "the prompt was taken for too short"


def test_caching_switched_off_is_not_called_a_miss() -> None:
    plan = CacheManager().plan(LONG, [], [text("x")], opus(), False)
    assert judged(plan, Usage(9000)).state == "off"
    assert judged(plan, Usage(10, cache_read_input_tokens=9000)).state == "hit"


def test_after_a_request_that_cached_nothing_there_was_nothing_to_read() -> None:
    clock = Clock()
    short = planned(clock)
    previous = sent_prompt(short, Usage(100), judged(short, Usage(100)))
    assert (
        judged(planned(clock, history=GROWN), ALL_WRITTEN, previous).cause
        == "the earlier request cached nothing"
    )


# Against an endpoint


def post(
    base_url: str, plan: PlannedPrompt, model: str = "claude-opus-5-5"
) -> tuple[Usage, list[dict[str, Any]]]:
    """Send a planned prompt for a whole answer; its usage and its blocks."""
    body = {
        "model": model,
        "max_tokens": 1000,
        "messages": list(plan.messages),
        "system": list(plan.system or ()),
    }
    headers = {"x-api-key": "k", "anthropic-version": "2026-10-21", "content-type": "application/json"}
    request = urllib.request.Request(f"{base_url}/v1/messages", json.dumps(body).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        message = json.load(answer)
    counts = message["usage"]
    usage = Usage(
        counts["input_tokens"],
        counts["cache_creation_input_tokens"],
        0,
        counts["cache_read_input_tokens"],
        counts["output_tokens"],
    )
    return usage, message["content"]


def test_every_turn_reads_all_that_the_turn_before_left() -> None:
    """Twelve turns, answers longer than the look-back among them; an hour's pause costs one miss with its cause."""
    clock = Clock()
    manager, history, previous = CacheManager(clock), [], None
    states = []
    with simulator_in_thread(clock=clock) as simulator:
        for turn in range(12):
            clock.now += 3600 if turn == 8 else 30
            new = [text(f"file {n} of turn {turn}") for n in range(turn * 5)] + [text(f"question {turn}")]
            plan = manager.plan(LONG, history, new, opus(), True, pinned=[text(LONG)])
            usage, content = post(simulator.base_url, plan)
            verdict = manager.verdict(opus(), usage, plan, previous)
            assert previous is None or turn == 8 or usage.cache_read_input_tokens == previous.cached_tokens
            states.append((verdict.state, verdict.cause))
            previous = sent_prompt(plan, usage, verdict)
            long_answer = [text(f"part {n}") for n in range(30)] if turn % 3 == 2 else content
            history = [*history, user(*new), assistant(*long_answer)]
    expected: list[tuple[str, str | None]] = [("hit", None)] * 12
    expected[0] = ("miss", "first request in this session")
    expected[8] = ("miss", "expired (idle 3600 s)")
    assert states == expected


def test_an_edited_turn_still_reads_everything_before_it() -> None:
    clock = Clock()
    with simulator_in_thread(clock=clock) as simulator:
        manager = CacheManager(clock)
        first = manager.plan(LONG, [], [text("one")], opus(), True)
        usage, content = post(simulator.base_url, first)
        previous = sent_prompt(first, usage, manager.verdict(opus(), usage, first))
        history = [user(text("one")), assistant(*content)]
        second = manager.plan(LONG, history, [text("two")], opus(), True)
        usage, _ = post(simulator.base_url, second)
        previous = sent_prompt(second, usage, manager.verdict(opus(), usage, second, previous))
        edited = manager.plan(LONG, history, [text("two, asked better")], opus(), True)
        usage, _ = post(simulator.base_url, edited)
        verdict = manager.verdict(opus(), usage, edited, previous)
    assert (verdict.state, verdict.cause) == ("partial", "history changed")
    assert usage.total_input_tokens - usage.cache_read_input_tokens < 20


@pytest.mark.parametrize("size", [40, 2_000])
def test_the_endpoint_agrees_on_what_is_too_short(size: int) -> None:
    with simulator_in_thread() as simulator:
        plan = CacheManager().plan("word " * size, [], [text("hello")], opus(), True)
        usage, _ = post(simulator.base_url, plan)
        verdict = CacheManager().verdict(opus(), usage, plan)
    assert verdict.state == ("below-minimum" if size == 40 else "miss")
    assert (usage.cache_creation_input_tokens > 0) == (size == 2_000)


# The first interface


def test_a_system_prompt_comes_back_as_one_marked_block() -> None:
    assert CacheManager().build_cached_system_prompt("be brief", "main") == [
        {"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}
    ]
    assert CacheManager().build_cached_system_prompt(" ") == []


def test_the_recent_messages_are_marked_and_at_most_three() -> None:
    chat = [{"role": "user" if n % 2 == 0 else "assistant", "content": f"m{n}"} for n in range(6)]
    for recent, expected in [(0, []), (1, [5]), (2, [4, 5]), (9, [3, 4, 5])]:
        built = CacheManager().build_cached_messages(chat, recent)
        found = [n for n, message in enumerate(built) if "cache_control" in message["content"][-1]]
        assert found == expected
    assert chat[5]["content"] == "m5"


def test_a_message_that_ends_in_thinking_is_marked_before_it_and_thinking_alone_not_at_all() -> None:
    built = CacheManager().build_cached_messages([assistant(text("a"), THINKING), assistant(THINKING)], 2)
    assert ["cache_control" in block for message in built for block in message["content"]] == [
        True,
        False,
        False,
    ]


def test_a_prompt_is_warm_for_five_minutes_and_only_with_the_same_text() -> None:
    clock = Clock()
    manager = CacheManager(clock)
    manager.build_cached_system_prompt("be brief", "main")
    clock.now += 299
    assert manager.is_warm("main", "be brief")
    assert not manager.is_warm("main", "be long")
    assert not manager.is_warm("other", "be brief")
    assert manager.get_cache_stats()["active_entries"] == 1
    clock.now += 1
    assert not manager.is_warm("main", "be brief")
    assert manager.get_cache_stats()["active_entries"] == 0


def test_statistics_follow_the_answers() -> None:
    manager = CacheManager()
    assert manager.get_cache_stats()["hit_rate"] == 0.0
    manager.verdict(opus(), Usage(cache_creation_5m_input_tokens=1000), planned(Clock()))
    manager.record(Usage(500, cache_read_input_tokens=1500))
    stats = manager.get_cache_stats()
    assert (stats["requests"], stats["hits"], stats["misses"]) == (2, 1, 1)
    assert (stats["hit_rate"], stats["tokens_saved"], stats["tokens_written"]) == (0.5, 1500, 1000)
