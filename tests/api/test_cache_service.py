"""Planned prompts at the simulated service: never refused, never other bytes, and read as foreseen."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from cache_world import PICTURE, Answered, Author, Chat, Clock, World, text
from strict_cache import StrictCache

from cmt_lsp.api.cache_manager import CacheManager
from cmt_lsp.api.models import find_model

LONG = "def answer() -> int:\n    return 42\n" * 400


def without_marks(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_marks(inner) for name, inner in value.items() if name != "cache_control"}
    return [without_marks(inner) for inner in value] if isinstance(value, list) else value


def step(world: World, author: Author, chats: list[Chat]) -> tuple[Chat, Answered]:
    """Something that may happen to a conversation, and the request that follows."""
    rng = author.rng
    chat = rng.choice(chats)
    world.clock.now += author.pause()
    happens = rng.random()
    if happens < 0.08:
        chat.model = author.chat().model
    elif happens < 0.16 and chat.pinned:
        chat.pinned = [*chat.pinned[:-1], author.text(2000)]
    elif happens < 0.20:
        chat.history = chat.history[: 2 * rng.randint(0, len(chat.history) // 2)]
    elif happens < 0.23:
        chats.append(Chat(chat.model, chat.system, chat.pinned, list(chat.history)))
    elif happens < 0.26:
        chats.append(author.chat())
    elif happens < 0.28:
        world.cache.clear()
    chat.asked = chat.asked if rng.random() < 0.1 and chat.asked else author.question()
    answered = world.send(chat, wish=rng.choice(("auto",) * 8 + ("5m", "1h", "off")))
    if rng.random() < 0.9:
        chat.history = [
            *chat.history,
            {"role": "user", "content": chat.asked},
            {"role": "assistant", "content": author.answer()},
        ]
    return chat, answered


@pytest.mark.campaign
@pytest.mark.timeout(900)
@pytest.mark.parametrize("hours", [True, False])
def test_no_request_is_refused_and_marks_are_all_that_is_added(
    hours: bool, campaign_size: Callable[[int, int], int]
) -> None:
    """Random conversations with edits, forks, switches, images and forced lifetimes, checked by the service's rules."""
    for seed in range(campaign_size(15, 300)):
        world, author = World(hours=hours), Author(seed)
        chats = [author.chat()]
        for _ in range(30):
            chat, answered = step(world, author, chats)
            body = answered.body
            given = json.loads(json.dumps([without_marks(list(m["content"])) for m in body["messages"]]))
            sent = [block for message in body["messages"] for block in message["content"]]
            marks = [
                block["cache_control"]
                for block in (*body.get("system", ()), *sent)
                if "cache_control" in block
            ]
            assert len(marks) == len(answered.plan.breakpoints) <= 4
            assert (
                hours
                or answered.plan.reason.startswith("an hour, as asked")
                or {"type": "ephemeral", "ttl": "1h"} not in marks
            )
            assert given == contents(chat, len(given))


def contents(chat: Chat, messages: int) -> list[Any]:
    """What each of so many messages should hold: pinned blocks, history, question."""
    first, *rest = [*(message["content"] for message in chat.history[: messages - 1]), chat.asked]
    return [[*chat.pinned, *first], *rest]


def tool_turn(author: Author, number: int) -> list[dict[str, Any]]:
    """An answer that thinks, calls tools and goes on, up to some forty blocks in three messages."""
    rng = author.rng
    calls = [
        {"type": "tool_use", "id": f"{number}.{n}", "name": "look", "input": {"at": [n, {"deep": "x"}]}}
        for n in range(rng.choice((1, 4, 7, 8, 9, 25)))
    ]
    results = [
        {"type": "tool_result", "tool_use_id": call["id"], "content": [author.text(40)]} for call in calls
    ]
    thinking = {"type": "thinking", "thinking": "hm", "signature": f"s{number}"}
    return [
        {"role": "assistant", "content": [thinking, text(" "), *calls]},
        {"role": "user", "content": results},
        {"role": "assistant", "content": [thinking, author.text(200), {**thinking, "signature": "end"}]},
    ]


@pytest.mark.campaign
@pytest.mark.timeout(900)
def test_with_tools_and_thinking_marks_are_sound_bytes_stay_and_no_live_entry_is_out_of_reach(
    campaign_size: Callable[[int, int], int],
) -> None:
    """By rules written down apart from the product's; each prompt reads the longest entry there is, however far back."""
    for seed in range(campaign_size(8, 300)):
        author, cache, clock = Author(5000 + seed), StrictCache(), Clock()
        manager = CacheManager(clock, hours=True)
        chat, sent = Chat("claude-opus-5-5", f"Always the same. {'rule ' * 900}", [author.text(900)]), []
        for number in range(25):
            clock.now += author.pause()
            question = author.question()
            plan = manager.plan(
                chat.system, chat.history, question, find_model(chat.model), True, pinned=chat.pinned
            )
            messages = [(message["role"], message["content"]) for message in plan.messages]
            bare = [(role, without_marks(blocks)) for role, blocks in messages]
            assert bare[: len(sent)] == sent
            pictures = any(block["type"] == "image" for _, blocks in messages for block in blocks)
            blocks = [("system", block) for block in plan.system or ()]
            blocks += [(role, block) for role, content in messages for block in content]
            usage, reachable = cache.serve(f"{chat.model}{pictures}", blocks, clock.now)
            assert usage.cache_read_input_tokens == reachable
            manager.remember(plan, usage, lifetimes_told=True)
            chat.history = [*chat.history, {"role": "user", "content": question}, *tool_turn(author, number)]
            sent = bare


@pytest.mark.campaign
@pytest.mark.timeout(900)
def test_reads_are_foreseen(campaign_size: Callable[[int, int], int]) -> None:
    """To the token in at least 95 of 100 requests, though nobody counts tokens before the service does."""
    right = total = 0
    for seed in range(campaign_size(10, 200)):
        world, author = World(), Author(1000 + seed)
        chats = [author.chat() for _ in range(2)]
        for _ in range(40):
            _, answered = step(world, author, chats)
            total += 1
            right += answered.expected == answered.usage.cache_read_input_tokens
    assert right / total >= 0.95


def test_a_long_chat_is_kept_for_an_hour_by_a_few_tokens() -> None:
    """After 20 minutes nearly all of it is read, though hardly anything was ever written for an hour."""
    world, chat = World(), Chat("claude-opus-5-5", LONG, [text(LONG)])
    world.ask(chat, [text("hello")], 0.0)
    world.clock.now += 400  # one pause has been seen, so that there is something to insure against
    before = world.converse(chat, 12, 60.0, answer="a sentence of an answer. " * 40)
    size = before[-1].usage.total_input_tokens
    assert sum(one.usage.cache_creation_1h_input_tokens for one in before[1:]) < size / 20
    after = world.ask(chat, [text("and now?")], 1200.0)
    assert after.usage.cache_read_input_tokens > size * 0.9
    assert after.expected == after.usage.cache_read_input_tokens


@pytest.mark.parametrize("turns", [2, 12, 80])
def test_whoever_never_pauses_pays_not_a_token_for_an_hour(turns: int) -> None:
    """Then no rule is cheaper than the API's automatic caching, and ours costs the same: each turn's new tokens, once."""
    world, chat = World(), Chat("claude-opus-5-5", LONG, [text(LONG)])
    answered = world.converse(chat, turns, 200.0, answer="a sentence of an answer. " * 40)
    assert sum(one.usage.cache_creation_1h_input_tokens for one in answered) == 0
    assert sum(one.usage.input_tokens for one in answered) == 0
    for before, after in pairwise(answered):
        assert after.usage.cache_read_input_tokens == before.usage.total_input_tokens


@pytest.mark.parametrize("pause", [300.0, 3599.0])
def test_one_pause_between_two_conversations_is_enough_to_insure_the_next_one(pause: float) -> None:
    world = World()
    world.ask(Chat("claude-opus-5-5", LONG, []), [text("hello")], 0.0)
    chat = Chat("claude-opus-5-5", LONG, [text(LONG)])
    world.clock.now += pause
    answered = world.converse(chat, 6, 0.0, answer="a sentence of an answer. " * 40)
    assert sum(one.usage.cache_creation_1h_input_tokens for one in answered) > 0


def test_a_pause_that_keeps_coming_back_makes_all_of_a_new_prompt_last_an_hour() -> None:
    world, chat = World(), Chat("claude-opus-5-5", LONG, [])
    world.converse(chat, 14, 1500.0)
    chat.system = f"new {LONG}"
    world.clock.now += 7200
    plan = world.plan(chat)
    assert plan.reason.startswith("an hour for all of it")
    assert {mark.lifetime for mark in plan.breakpoints} == {"1h"}


def test_an_endpoint_that_does_not_tell_lifetimes_apart_is_never_asked_for_an_hour() -> None:
    world, chat = World(hours=False), Chat("claude-opus-5-5", LONG, [])
    answered = world.converse(chat, 10, 1500.0)
    assert {mark.lifetime for one in answered for mark in one.plan.breakpoints} == {"5m"}
    world.hours = True  # from the next answer on it tells
    world.converse(chat, 1, 1500.0)
    assert "1h" in {mark.lifetime for mark in world.ask(chat, [text("why?")], 1500.0).plan.breakpoints}


def test_whoever_only_ever_asks_one_question_pays_for_no_mark_on_it() -> None:
    """The system prompt, which all those chats share, goes on being marked."""
    world = World()
    for number in range(12):
        chat = Chat("claude-opus-5-5", LONG, [], asked=[text(f"{number} {LONG}")])
        world.clock.now += 1000
        last = world.send(chat)
    assert [mark.segment for mark in last.plan.breakpoints] == ["system"]
    assert last.plan.breakpoints[0].lifetime == "1h"
    assert last.usage.cache_read_input_tokens > 0


def test_a_file_that_changes_with_every_question_is_not_cached_again_and_again() -> None:
    world, chat = World(), Chat("claude-opus-5-5", LONG, [text(LONG)])
    for number in range(12):
        chat.pinned = [text(f"version {number} {LONG}")]
        last = world.ask(chat, [text(f"question {number}")], 30.0)
    assert [mark.segment for mark in last.plan.breakpoints] == ["system"]
    assert last.usage.cache_read_input_tokens > 0


def test_the_files_that_stay_are_read_when_another_one_changes() -> None:
    world, chat = World(), Chat("claude-opus-5-5", LONG, [text(LONG), text("draft 0")])
    for number in range(4):
        chat.pinned = [text(LONG), text(f"draft {number}")]
        last = world.ask(chat, [text(f"question {number}")], 30.0)
    assert last.usage.cache_read_input_tokens > last.usage.total_input_tokens * 0.9


def test_another_conversation_reads_the_system_prompt_and_files_they_share() -> None:
    world = World()
    first, second = (Chat("claude-opus-5-5", LONG, [text(LONG)]) for _ in range(2))
    world.ask(first, [text("one")], 0.0)
    other = world.ask(second, [text("another")], 30.0)
    assert other.usage.cache_read_input_tokens > other.usage.total_input_tokens * 0.95
    third = world.ask(Chat("claude-opus-5-5", LONG, [text(LONG)]), [text("a third")], 30.0)
    assert (
        third.expected == third.usage.cache_read_input_tokens
    )  # by now the size of what they share was told


def test_what_the_service_forgot_is_expected_once_and_then_no_more() -> None:
    world, chat = World(), Chat("claude-opus-5-5", LONG, [])
    world.converse(chat, 3, 30.0)
    world.cache.clear()
    lost = world.ask(chat, [text("four")], 30.0)
    assert lost.expected > lost.usage.cache_read_input_tokens == 0
    again = world.ask(chat, [text("five")], 30.0)
    assert again.expected == again.usage.cache_read_input_tokens > 0


def test_a_first_image_is_known_to_cost_the_messages_but_not_the_system_prompt() -> None:
    world, chat = World(), Chat("claude-opus-5-5", LONG, [])
    world.converse(chat, 3, 30.0)
    seen = world.ask(chat, [PICTURE, text("what is this?")], 30.0)
    assert 0 < seen.usage.cache_read_input_tokens < 6_000
    assert abs(seen.expected - seen.usage.cache_read_input_tokens) < 100
    again = world.ask(chat, [text("and this?")], 30.0)
    assert again.expected == again.usage.cache_read_input_tokens > 6_000


def test_settings_that_the_service_keeps_apart_are_kept_apart() -> None:
    world, chat = World(), Chat("claude-opus-5-5", LONG, [])
    world.converse(chat, 2, 30.0)
    chat.asked = [text("three")]
    held, _ = world.manager.expected(world.plan(chat))
    other, _ = world.manager.expected(world.plan(chat, settings="effort: high"))
    assert 0 < other < held


def test_forced_lifetimes_and_none() -> None:
    world, chat = World(), Chat("claude-opus-5-5", LONG, [text(LONG)])
    world.converse(chat, 2, 30.0)
    chat.asked = [text("three")]
    for wish in ("5m", "1h"):
        plan = world.plan(chat, wish=wish)
        assert [mark.segment for mark in plan.breakpoints] == ["system", "pinned", "history", "newest"]
        assert ({mark.lifetime for mark in plan.breakpoints}, plan.lifetime) == ({wish}, wish)
    off = world.plan(chat, wish="off")
    assert (off.breakpoints, off.lifetime, off.enabled, off.reason) == ((), None, False, "caching is off")


def test_the_reason_tells_the_odds_and_the_break_even() -> None:
    world, chat = World(), Chat("claude-opus-5-5", LONG, [])
    world.converse(chat, 2, 400.0)
    world.converse(chat, 4, 60.0, answer="words " * 200)
    chat.asked = [text("why?")]
    reason = world.plan(chat).reason
    assert reason.startswith("five minutes, which pay from 21% odds of a question within them: they are ")
    assert "an hour for the first" in reason
    assert "odds of a pause of 5 to 60 minutes" in reason


def test_after_a_restart_the_moments_of_earlier_questions_tell_the_rhythm() -> None:
    """The same history, planned by a window that knows nothing else: the pauses alone make it an hour."""
    from cmt_lsp.api.cache_manager import Rhythm

    world, chat = World(), Chat("claude-opus-5-5", LONG, [])
    world.converse(chat, 14, 1500.0)
    chat.asked = [text("and now?")]
    now = world.clock.now + 7200
    fresh = World()
    fresh.clock.now = now
    fast = fresh.plan(chat)
    slow_world = World()
    slow_world.clock.now = now
    slow = slow_world.plan(chat, rhythm=Rhythm.of_times(now - 7200 - 1500 * n for n in range(14, 0, -1)))
    assert (fast.lifetime, slow.lifetime) == ("5m", "1h")


def test_the_same_past_gives_the_same_plan() -> None:
    plans = []
    for _ in range(2):
        world, author = World(), Author(5)
        chats = [author.chat()]
        plans.append(
            [
                (one.plan.breakpoints, one.plan.reason)
                for _, one in (step(world, author, chats) for _ in range(40))
            ]
        )
    assert plans[0] == plans[1]


def test_what_a_caller_changes_afterwards_is_seen_by_the_next_plan() -> None:
    world, chat = World(), Chat("claude-opus-5-5", None, [])
    world.converse(chat, 3, 30.0)
    chat.asked = [text("four")]
    before = world.plan(chat)
    chat.history[0]["content"][0]["text"] = "changed in place"
    after = world.plan(chat)
    assert after.messages[0]["content"][0]["text"] == "changed in place"
    assert before.messages[0]["content"][0]["text"] != "changed in place"
    assert after.messages[1] == before.messages[1]
