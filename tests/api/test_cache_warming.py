"""Prompts that only warm, held to the service's own cache: whatever the chat, the next question reads what they wrote."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cache_world import Author, Chat, World, text

from cmt_lsp.api.cache.choice import TO_WARM, TOO_SHORT
from cmt_lsp.api.cache_manager import CacheManager
from cmt_lsp.api.models import find_model

RULES = "rule " * 4000


def warm(world: World, chat: Chat) -> tuple[int, int]:
    """Send the chat's next prompt without its question; tokens read and written."""
    chat.asked = [text(".")]
    sent = world.send(chat, warming=True)
    usage = sent.usage
    return usage.cache_read_input_tokens, usage.cache_creation_input_tokens


@pytest.mark.campaign
def test_the_next_question_reads_all_that_was_warmed(campaign_size: Callable[[int, int], int]) -> None:
    for seed in range(campaign_size(25, 600)):
        author = Author(seed)
        world, chat = World(hours=author.rng.random() < 0.5), author.chat()
        for _ in range(author.rng.randint(0, 6)):
            world.clock.now += author.pause()
            world.ask(chat, author.question(), 0.0)
            chat.history[-1]["content"] = author.answer()
        world.clock.now += author.pause()
        read, written = warm(world, chat)
        world.clock.now += 100.0
        question = [text("a short question"), *([] if seed % 3 else author.question())]
        if any(block["type"] == "image" for block in question):
            continue  # a first image keeps entries of messages from being read, and nobody could know
        answered = world.ask(chat, question, 0.0)
        assert answered.usage.cache_read_input_tokens >= read + written, seed


@pytest.mark.campaign
def test_noting_an_answer_when_it_begins_changes_nothing_that_is_known_at_its_end(
    campaign_size: Callable[[int, int], int],
) -> None:
    for seed in range(campaign_size(15, 300)):
        author = Author(seed)
        world, chat = World(), author.chat()
        early = CacheManager(world.clock, hours=True)
        for _ in range(5):
            world.clock.now += author.pause()
            chat.asked = author.question()
            plan = early.plan(
                chat.system, chat.history, chat.asked, find_model(chat.model), True, pinned=chat.pinned
            )
            answered = world.send(chat)
            assert plan.breakpoints == answered.plan.breakpoints, seed
            early.begin(plan, answered.usage)
            early.remember(plan, answered.usage, lifetimes_told=True)
            assert early._memory.entries == world.manager._memory.entries, seed
            asked = {"role": "user", "content": chat.asked}
            chat.history = [*chat.history, asked, {"role": "assistant", "content": author.answer()}]


def test_a_warming_marks_nothing_of_what_stands_in_for_the_question() -> None:
    world, chat = World(), Chat("claude-opus-5-5", RULES, [])
    world.converse(chat, 2, 10.0)
    chat.asked = [text(".")]
    plan = world.plan(chat, warming=True)

    assert plan.reason == TO_WARM
    assert {mark.segment for mark in plan.breakpoints} <= {"system", "history"}
    assert "cache_control" not in str(plan.messages[-1])


def test_a_warming_is_no_question_of_the_conversation() -> None:
    world, chat = World(), Chat("claude-opus-5-5", RULES, [])
    world.converse(chat, 1, 10.0)
    before = world.manager._memory
    warm(world, chat)
    after = world.manager._memory

    assert (after.conversations, after.beginnings, after.sharing) == (
        before.conversations,
        before.beginnings,
        before.sharing,
    )


@pytest.mark.parametrize("system", [None, "Be brief."])
def test_what_is_too_short_is_not_warmed(system: str | None) -> None:
    world = World()
    chat = Chat("claude-opus-5-5", system, [], asked=[text(".")])
    plan = world.plan(chat, warming=True)
    assert (plan.breakpoints, plan.reason) == ((), TOO_SHORT)


@pytest.mark.parametrize("wish", ["5m", "1h"])
def test_a_lifetime_that_was_asked_for_is_that_of_the_warming(wish: str) -> None:
    world = World()
    chat = Chat("claude-opus-5-5", RULES, [], asked=[text(".")])
    plan = world.plan(chat, warming=True, wish=wish)
    assert [mark.lifetime for mark in plan.breakpoints] == [wish]
