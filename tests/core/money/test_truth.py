"""What the ledger says is what the endpoint charged: to the token and the nano-dollar where it told, else near it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from accounts import SLACK, Attempt, Sum, classes, ledger_rows
from streams import SIMPLE, STALLED, Stream, prose
from watched_window import MODELS, Asked, Clock, Window, random_chats, talk, window

from cmt_lsp.api.anthropic_client import Clocks
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.money.attempt import Origin
from cmt_lsp.core.money.report import UsageQuery, checked_query, usage_report
from cmt_lsp.core.money.schema import WRONG_SUMS
from cmt_lsp.core.turn import TurnResult
from cmt_lsp.simulator import Answer

BATCH = 250
AT_ONCE = 4
"""Conversations of each window."""
EXPERIENCE = 8
"""Answers of a model after which its estimates are held to their bound."""


async def check(window: Window, state_dir: Path) -> list[Attempt]:
    """Every row and every sum of a window that is idle; its attempts."""
    turns = window.attempts(state_dir)
    attempts = [attempt for mine in turns.values() for attempt in mine]
    assert [fault for attempt in attempts if attempt.is_exact for fault in attempt.faults()] == []
    assert [attempt.told() for attempt in attempts if attempt.must_be_exact and not attempt.is_exact] == []
    for asked in window.asked:
        check_turn(asked, turns[asked.turn_id])
    await check_sums(window, turns)
    return attempts


def check_turn(asked: Asked, attempts: Sequence[Attempt]) -> None:
    """A turn's result has the sum of its attempts; an error says what it may have cost."""
    expected = Sum.of(attempts)
    if isinstance(asked.outcome, TurnResult):
        told = asked.outcome
        assert (classes(told.usage), told.cost.nano_usd or 0) == (expected.tokens, expected.nano_usd)
        assert told.usage.estimated is any(attempt.booked[0].estimated for attempt in attempts)
    else:
        assert ("may have cost" in (asked.outcome.hint or "")) is (sum(expected.tokens) > 0)


async def check_sums(window: Window, turns: dict[str, list[Attempt]]) -> None:
    """Session infos, totals and reports say what plain addition of the accounts gives."""
    manager = window.manager
    by_session: dict[str, list[Attempt]] = {}
    for asked in window.asked:
        by_session.setdefault(asked.session, []).extend(turns[asked.turn_id])
    for session, attempts in by_session.items():
        info, expected = await manager.sessions.load(session), Sum.of(attempts)
        assert (classes(info.usage), info.cost.nano_usd or 0) == (expected.tokens, expected.nano_usd)
    whole = [attempt for attempts in turns.values() for attempt in attempts]
    last = window.asked[-1]
    workspace = (await manager.sessions.load(last.session)).workspace or ""
    totals = await manager.ledger.totals(Origin("turn", last.session, last.turn_id, workspace))
    for sums, attempts in (
        (totals.turn, turns[last.turn_id]),
        (totals.session, by_session[last.session]),
        (totals.window, whole),
    ):
        assert Sum(classes(sums.usage), sums.cost.nano_usd or 0, sums.requests) == Sum.of(attempts)
    for query, attempts in (
        (checked_query("window", manager.ledger.window_id), whole),
        (checked_query("session", last.session), by_session[last.session]),
        (checked_query("turn", last.turn_id), turns[last.turn_id]),
    ):
        assert await reported(manager, query) == Sum.of(attempts)


async def reported(manager: APISessionManager, query: UsageQuery) -> Sum:
    """The total of a usage report."""
    report = await asyncio.wrap_future(manager.ledger.read(lambda c: usage_report(c, query)))
    sums = report.total.sums
    return Sum(classes(sums.usage), sums.cost.nano_usd or 0, sums.requests)


def check_ledger(state_dir: Path, attempts: Sequence[Attempt]) -> None:
    """Nothing lives on, the file's own sums are right, and there is a row for each attempt and no other."""
    with ledger_rows(state_dir) as connection:
        states = Counter(row[0] for row in connection.execute("SELECT state FROM attempts"))
        assert not states.keys() & {"reserved", "streaming", "orphan"}, states
        assert [connection.execute(query).fetchone()[0] for query in WRONG_SUMS] == [0, 0, 0]
        total = connection.execute("SELECT count(*), sum(nano_usd) FROM attempts").fetchone()
    assert tuple(total) == (len(attempts), Sum.of(attempts).nano_usd)


def far_off(attempts: Iterable[Attempt]) -> tuple[int, list[str]]:
    """How many estimates of experienced models there are, and those that are not near the truth."""
    ordered = sorted(attempts, key=lambda attempt: attempt.row["seq"])
    known, held, wrong = Counter[str](), 0, []
    for attempt in ordered:
        if not attempt.is_exact and known[attempt.row["model"]] >= EXPERIENCE:
            held += 1
            wrong += [] if attempt.is_near() else [attempt.told()]
        known[attempt.row["model"]] += attempt.is_exact and attempt.row["state"] == "done"
    return held, wrong


@pytest.mark.campaign
@pytest.mark.timeout(1800)
async def test_random_streams_are_booked_as_the_endpoint_charged_them(
    state_dir: Path, campaign_size: Callable[[int, int], int]
) -> None:
    """Two windows at once, conversations side by side in each, everything that can go wrong, over some weeks."""
    rng, clock = random.Random(20261122), Clock()
    size, attempts = campaign_size(150, 10_000), list[Attempt]()
    for first in range(0, size, BATCH):
        async with AsyncExitStack() as stack:
            windows = [await stack.enter_async_context(window(clock)) for _ in range(2)]
            chats = iter(random_chats(rng, first, min(BATCH, size - first)))
            await asyncio.gather(*(talk(one, chats) for one in windows for _ in range(AT_ONCE)))
            for one in windows:
                attempts += await check(one, state_dir)
            whole = await reported(windows[0].manager, checked_query("all", ""))
            assert whole == Sum.of(attempts)
        check_ledger(state_dir, attempts)
        clock.now += rng.choice((60, 400, 4_000, 90_000))
    held, wrong = far_off(attempts)
    print(
        f"{size} streams, {len(attempts)} attempts, {held} estimates, {len(wrong)} of them off by more than a tenth"
    )
    assert len(wrong) <= held // 100, wrong


OTHERS = {
    "ollama": ("qwen3-coder",),
    "llamacpp": ("gpt-oss-20b",),
    "vllm": ("Qwen/Qwen3-Coder-30B",),
    "litellm": ("claude-sonnet-5-5", "claude-opus-5-5"),
}


@pytest.mark.parametrize("dialect", OTHERS)
async def test_servers_that_tell_less_are_booked_by_what_they_tell(dialect: str, state_dir: Path) -> None:
    """Exact where their usage comes, however late; an estimate where it does not; without a price, without a number."""
    rng = random.Random(7)
    async with window(Clock(), dialect=dialect) as only:
        chats = iter(random_chats(rng, 0, 40, OTHERS[dialect], SIMPLE))
        await asyncio.gather(*(talk(only, chats) for _ in range(AT_ONCE)))
        attempts = await check(only, state_dir)
    check_ledger(state_dir, attempts)
    charged = [attempt for attempt in attempts if attempt.booked[0].total_tokens]
    assert {attempt.booked[1] is None for attempt in charged} == {dialect != "litellm"}
    # Such servers drop the thinking that is sent again, and what they drop is only known after a while.
    pairs = [(attempt.booked[0].total_tokens, attempt.charged[0].total_tokens) for attempt in charged[10:]]
    assert [pair for pair in pairs if abs(pair[0] - pair[1]) > max(SLACK, pair[1] // 4)] == []


async def test_silence_is_booked_by_what_came_before_it(state_dir: Path) -> None:
    """An endpoint that falls silent before its answer or in it, under clocks that do not wait long."""
    rng = random.Random(11)
    async with window(Clock(), Clocks(first_byte=1.0, silence=1.0)) as only:
        for chats in (random_chats(rng, 0, 30), random_chats(rng, 100, 16, MODELS, STALLED)):
            await asyncio.gather(*(talk(only, iter([chat])) for chat in chats))
        attempts = await check(only, state_dir)
    check_ledger(state_dir, attempts)
    assert sum(attempt.stream >= 100 and not attempt.is_exact for attempt in attempts) >= 8
    assert far_off(attempts)[1] == []


async def test_a_price_changes_with_the_day_of_the_request(state_dir: Path) -> None:
    """Reading the cache costs half from 7 October 2026 on, in UTC."""
    midnight = datetime(2026, 10, 7, tzinfo=UTC).timestamp()
    clock = Clock()
    async with window(clock) as only:
        session = (await only.manager.sessions.create()).id
        for number, now in enumerate((midnight - 60, midnight - 0.001, midnight)):
            clock.now = now
            text = prose(random.Random(number), 900)
            await only.ask(Stream(number, "claude-sonnet-5-5", text, (Answer("Yes."),)), session)
        attempts = await check(only, state_dir)
    reads = [attempt.booked[0].cache_read_input_tokens for attempt in attempts]
    assert reads[0] == 0 < reads[1] < reads[2]
    lists = [attempt.row["price_row"] for attempt in attempts]
    assert lists[0] == lists[1] != lists[2]
