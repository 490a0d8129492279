"""The cause of every miss, by the simulated service's own cache: each change alone, on a clock that is moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cache_world import PICTURE, Answered, Chat, World, text

from cmt_lsp.api.cache.verdict import explained, judge
from cmt_lsp.api.cache_manager import (
    CacheManager,
    CacheVerdict,
    SentPrompt,
    sent_from_json,
    sent_to_json,
)
from cmt_lsp.api.diagnosis import Diagnosis
from cmt_lsp.api.errors import InvalidRequestError
from cmt_lsp.api.models import find_model
from cmt_lsp.api.request import MessageRequest
from cmt_lsp.api.stream import MessageFold
from cmt_lsp.api.usage import Usage

LONG = "def answer() -> int:\n    return 42\n" * 400
MODEL = "claude-sonnet-4-6"


class Told:
    """A conversation whose every request is judged against the one before, as a session does."""

    def __init__(self, wish: str = "auto") -> None:
        self.world = World()
        self.wish = wish
        self.chat = Chat(MODEL, LONG, [text(LONG)])
        self.previous: SentPrompt | None = None
        self.more: dict[str, Any] = {"tools": (), "settings": ""}

    def ask(self, *blocks: dict[str, Any], after: float = 30.0) -> CacheVerdict:
        """One more question."""
        self.world.clock.now += after
        self.chat.asked = list(blocks) or [text("and now?")]
        answered = self.world.send(self.chat, wish=self.wish, **self.more)
        return self._judged(answered)

    def _judged(self, answered: Answered) -> CacheVerdict:
        manager, model = self.world.manager, find_model(self.chat.model)
        verdict = manager.verdict(model, answered.usage, answered.plan, self.previous)
        kept = manager.sent(answered.plan, answered.usage, verdict, "msg_1")
        self.previous = sent_from_json(sent_to_json(kept))
        assert self.previous == kept
        self.chat.history = [
            *self.chat.history,
            {"role": "user", "content": self.chat.asked},
            {"role": "assistant", "content": [text("yes")]},
        ]
        return verdict

    def restart(self) -> None:
        """A new process, which knows what was stored."""
        self.world.manager = CacheManager(self.world.clock)
        if self.previous is not None:
            self.world.manager.recall(self.previous)


def begun(wish: str = "auto", turns: int = 3) -> Told:
    told = Told(wish)
    first = told.ask(text("question 0"))
    assert (first.state, first.cause) == ("miss", "first request in this session")
    for number in range(1, turns):
        verdict = told.ask(text(f"question {number}"))
        assert (verdict.state, verdict.cause, verdict.lost_nano) == ("hit", None, 0)
    return told


def model(told: Told) -> None:
    told.chat.model = "claude-haiku-5-5"


def system(told: Told) -> None:
    told.chat.system = f"new {LONG}"


def tools(told: Told) -> None:
    look = [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}]
    told.more["tools"] = told.world.further["tools"] = look


def settings(told: Told) -> None:
    told.more["settings"] = "effort: high"
    told.world.further["output_config"] = {"effort": "high"}


def pinned(told: Told) -> None:
    told.chat.pinned = [text(f"changed {LONG}")]


def edited(told: Told) -> None:
    told.chat.history[0] = {"role": "user", "content": [text("another first question")]}


def pruned(told: Told) -> None:
    told.chat.history = told.chat.history[2:]


def cut_short(told: Told) -> None:
    told.chat.history = told.chat.history[:2]


def nothing(told: Told) -> None:
    pass


def everything_at_once(told: Told) -> None:
    for change in (pinned, edited, system):
        change(told)


CHANGES: list[tuple[Callable[[Told], None], str]] = [
    (model, "model changed"),
    (tools, "tools changed"),
    (system, "system prompt changed"),
    (settings, "settings changed"),
    (pinned, "pinned context changed"),
    (edited, "history changed"),
    (pruned, "history changed"),
    (everything_at_once, "system prompt changed"),
]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(("change", "cause"), CHANGES)
def test_the_first_segment_that_changed_is_named(
    change: Callable[[Told], None], cause: str, restarted: bool
) -> None:
    """In the window that sent the request before, and in one that only has its record."""
    told = begun()
    if restarted:
        told.restart()
    change(told)
    verdict = told.ask()
    assert (verdict.state in ("miss", "partial"), verdict.cause) == (True, cause)
    assert verdict.lost_nano is not None
    assert verdict.lost_nano > 0


@pytest.mark.parametrize("restarted", [False, True])
def test_nothing_changed_is_a_hit_and_a_question_asked_again_too(restarted: bool) -> None:
    told = begun()
    if restarted:
        told.restart()
    again = told.ask()
    assert (again.state, again.cause, again.expected_tokens) == ("hit", None, again.read_tokens)
    told.chat.history = told.chat.history[:-2]
    assert told.ask().state == "hit"


def test_going_back_in_a_conversation_reads_what_is_left_of_it() -> None:
    told = begun()
    cut_short(told)
    verdict = told.ask(text("another second question"))
    assert (verdict.state, verdict.cause) == ("partial", "history changed")
    assert verdict.read_tokens > 0


@pytest.mark.parametrize("restarted", [False, True])
def test_the_first_image_and_the_last_one(restarted: bool) -> None:
    told = begun()
    if restarted:
        told.restart()
    added = told.ask(PICTURE, text("what is this?"))
    assert (added.state, added.cause) == ("partial", "first image added")
    assert told.ask().state == "hit"
    told.chat.history = told.chat.history[:6]
    gone = told.ask()
    assert gone.cause == "history changed"  # it went with its message, which comes first


@pytest.mark.parametrize(
    ("wish", "idle", "cause"),
    [
        ("5m", 299.0, None),
        ("5m", 301.0, "expired (idle 301 s)"),
        ("1h", 3599.0, None),
        ("1h", 3601.0, "expired (idle 3601 s)"),
    ],
)
@pytest.mark.parametrize("restarted", [False, True])
def test_what_idled_longer_than_its_lifetime_expired(
    wish: str, idle: float, cause: str | None, restarted: bool
) -> None:
    told = begun(wish)
    if restarted:
        told.restart()
    verdict = told.ask(after=idle)
    assert (verdict.state, verdict.cause) == ("miss" if cause else "hit", cause)


def test_what_the_endpoint_forgot_is_unknown_even_where_another_model_was_asked_between() -> None:
    told = begun()
    model(told)
    told.ask()
    told.chat.model = MODEL
    told.world.cache.clear()
    verdict = told.ask()
    assert (verdict.state, verdict.cause) == ("miss", "unknown")


def test_what_another_conversation_left_and_the_endpoint_forgot_is_no_first_request() -> None:
    told = begun()
    told.chat = replace(told.chat, history=[])
    told.previous = None
    told.world.cache.clear()
    assert told.ask(text("hello")).cause == "unknown"


def test_a_session_whose_record_says_nothing_of_the_cache_is_no_first_request() -> None:
    told = begun()
    told.previous = None
    told.world.manager = CacheManager(told.world.clock)
    told.world.cache.clear()
    assert told.ask().cause == "nothing is known of the session's earlier requests"


def test_what_was_warmed_is_no_changed_history() -> None:
    """The words that stood in for a question are not part of what is compared."""
    told = begun()
    told.chat.asked = [text("warming")]
    answered = told.world.send(told.chat, warming=True)
    manager = told.world.manager
    verdict = manager.verdict(find_model(MODEL), answered.usage, answered.plan, told.previous)
    told.previous = manager.sent(answered.plan, answered.usage, verdict, None)
    told.world.manager = CacheManager(told.world.clock)  # knows only what is compared
    told.world.cache.clear()
    assert told.ask().cause == "unknown"


def test_a_record_of_another_kind_or_damaged_is_as_none() -> None:
    told = begun()
    good = sent_to_json(told.previous)
    assert good is not None
    assert len(good) < 2500
    assert "question" not in good
    for damaged in (None, "", "null", "[]", "{}", good[:-5], good.replace('"tools"', '"tool"'), "1"):
        assert sent_from_json(damaged) is None


# What the endpoint says


@pytest.mark.parametrize(
    ("own", "told", "shown"),
    [
        ("unknown", {"cache_miss_reason": {"type": "system_changed"}}, ("system prompt changed", None)),
        ("unknown", {"cache_miss_reason": {"type": "messages_changed"}}, ("history changed", None)),
        ("unknown", {"cache_miss_reason": {"type": "unavailable"}}, ("unknown", None)),
        ("unknown", {"cache_miss_reason": {"type": "previous_message_not_found"}}, ("unknown", None)),
        ("unknown", {"cache_miss_reason": None}, ("unknown", None)),
        ("unknown", {"cache_miss_reason": {"type": 7}}, ("unknown", None)),
        ("unknown", {"cache_miss_reason": "tools_changed"}, ("unknown", None)),
        ("unknown", {}, ("unknown", None)),
        ("unknown", None, ("unknown", None)),
        ("model changed", {"cache_miss_reason": {"type": "model_changed"}}, ("model changed", None)),
        ("model changed", {"cache_miss_reason": {"type": "tools_changed"}}, ("model changed", "tools changed")),
        ("first image added", {"cache_miss_reason": {"type": "messages_changed"}}, ("first image added", None)),
        (None, {"cache_miss_reason": {"type": "model_changed"}}, (None, None)),
    ],
)  # fmt: skip
def test_the_endpoints_word(own: str | None, told: dict[str, object] | None, shown: tuple[Any, Any]) -> None:
    assert explained(own, told) == shown


REQUEST = MessageRequest(MODEL, 10, [])
UNKNOWN_FIELD = InvalidRequestError(
    "localhost refused the request: diagnostics: Extra inputs are not permitted"
)


def test_only_the_apis_own_endpoint_is_asked_before_it_showed_the_field() -> None:
    asked = Diagnosis(own=True).added_to(REQUEST, None)
    assert asked.body(stream=False)["diagnostics"] == {"previous_message_id": None}
    stranger = Diagnosis(own=False)
    assert stranger.added_to(REQUEST, "msg_1") is REQUEST
    stranger.answered(None, asked=False)
    assert stranger.added_to(REQUEST, "msg_1") is REQUEST
    stranger.answered({}, asked=False)
    assert stranger.added_to(REQUEST, "msg_1").extra == {"diagnostics": {"previous_message_id": "msg_1"}}
    assert "diagnostics" not in stranger.added_to(REQUEST, "msg_1").counted_body()


def test_a_refusal_of_the_field_counts_once_the_request_is_taken_without_it() -> None:
    doubted = Diagnosis(own=True)
    assert doubted.to_blame(UNKNOWN_FIELD)
    assert doubted.added_to(REQUEST, None) is not REQUEST
    doubted.answered({}, asked=False)
    assert doubted.added_to(REQUEST, None) is REQUEST


def test_a_refusal_for_another_reason_or_after_the_field_was_taken_is_a_refusal() -> None:
    assert not Diagnosis(own=True).to_blame(
        InvalidRequestError("localhost refused the request: max_tokens: too low")
    )
    taken = Diagnosis(own=True)
    taken.answered({}, asked=True)
    assert not taken.to_blame(UNKNOWN_FIELD)


# What an answer tells beside its counts


def fold(usage: object, **message: object) -> MessageFold:
    folded = MessageFold()
    folded.add({"type": "message_start", "message": {"usage": usage, **message}})
    return folded


@pytest.mark.parametrize(
    ("usage", "apart"),
    [
        ({"cache_creation_input_tokens": 5, "cache_creation": {"ephemeral_5m_input_tokens": 5}}, True),
        ({"cache_creation_input_tokens": 0, "cache_creation": {"ephemeral_5m_input_tokens": 0}}, True),
        ({"cache_creation_input_tokens": 5}, False),
        ({"cache_creation_input_tokens": 5, "cache_creation": {"ephemeral_5m_input_tokens": 3}}, False),
        ({"cache_creation_input_tokens": 0, "cache_creation": None}, None),
        ({"input_tokens": 5}, None),
        (None, None),
    ],
)
def test_whether_lifetimes_are_told_apart(usage: object, apart: bool | None) -> None:
    assert fold(usage).snapshot().cache.lifetimes_told is apart


@pytest.mark.parametrize(
    ("message", "told"), [({}, None), ({"diagnostics": None}, {}), ({"diagnostics": "x"}, {})]
)
def test_whether_the_field_is_there(message: dict[str, object], told: object) -> None:
    assert fold(None, **message).snapshot().cache.diagnosis == told


# Figures


def test_a_cache_that_nobody_wrote_to_has_no_lifetime_and_an_unknown_model_no_price() -> None:
    told = Told()
    told.chat.asked = [text("q")]
    plan = told.world.plan(told.chat)
    verdict = judge(None, Usage(10, cache_read_input_tokens=5000), plan)
    assert (verdict.state, verdict.expires_at) == ("hit", None)
    assert (verdict.saved_nano, verdict.lost_nano) == (None, None)


def test_what_was_never_told_is_not_said_to_have_cost_nothing() -> None:
    told = Told()
    told.chat.asked = [text("q")]
    verdict = judge(find_model(MODEL), Usage(), told.world.plan(told.chat))
    assert (verdict.cause, verdict.saved_nano, verdict.lost_nano) == ("no usage was reported", None, None)


def test_what_a_miss_lost_is_the_price_of_writing_anew_less_that_of_reading() -> None:
    """Sonnet 4.6: 3 dollars a million in, 3.75 written, 0.3 read."""
    told = begun("5m")
    left = told.previous
    assert left is not None
    system(told)
    verdict = told.ask()
    whole = verdict.written_tokens
    assert verdict.lost_nano is not None
    assert abs(verdict.lost_nano - min(left.cached_tokens, whole) * (3750 - 300)) < whole * 50


def test_an_absurd_count_does_not_keep_the_next_prompt_from_being_marked() -> None:
    told = begun()
    plan = told.world.plan(told.chat)
    told.world.manager.remember(plan, Usage(3))
    told.chat.system, told.chat.pinned = f"new {LONG}", []
    assert told.world.plan(told.chat).breakpoints


def test_an_entry_that_was_sized_a_little_too_large_is_read_whole() -> None:
    told = Told()
    told.chat.asked = [text("q")]
    plan = replace(told.world.plan(told.chat), expected_read=5100)
    verdict = judge(find_model(MODEL), Usage(100, cache_read_input_tokens=5000), plan)
    assert (verdict.state, verdict.cause, verdict.lost_nano) == ("hit", None, 0)
