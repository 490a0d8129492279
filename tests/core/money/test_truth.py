"""What the ledger says is what the endpoint charged: to the token and the nano-dollar where it told, else near it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from accounts import Attempt, Sum, classes, ledger_rows, rows_by_turn
from streams import Script, Stream, random_stream, requests_by_mark

from cmt_lsp.api.anthropic_client import AnthropicClient, Clocks, RetryPolicy
from cmt_lsp.api.errors import CmtError
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.money.attempt import Origin
from cmt_lsp.core.money.report import UsageQuery, checked_query, usage_report
from cmt_lsp.core.money.schema import WRONG_SUMS
from cmt_lsp.core.turn import (
    AnswerText,
    ImageSource,
    Predicted,
    Retry,
    Thinking,
    Turn,
    TurnEvent,
    TurnRequest,
    TurnResult,
)
from cmt_lsp.simulator import Fault, Simulator, simulator_in_thread

MODELS = (
    "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5", "claude-fable-5-2", "claude-opus-4-8",
    "claude-sonnet-4-6", "claude-haiku-4-5",
)  # fmt: skip
BATCH = 250
AT_ONCE = 4
"""Conversations of each window."""
EXPERIENCE = 8
"""Answers of a model after which its estimates are held to their bound."""
BEGAN = datetime(2026, 11, 10, 9, tzinfo=UTC).timestamp()


class Clock:
    """The one clock of ledger, cache and endpoint."""

    def __init__(self, now: float = BEGAN) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class Heard:
    """Listens to a turn, and stops it where its stream says so."""

    stream: Stream
    turn: Turn | None = None
    text: str = ""
    thinking: str = ""

    def __call__(self, event: TurnEvent) -> None:
        match event:
            case AnswerText(text):
                self.text += text
            case Thinking(text):
                self.thinking += text
        if self._is_time(event):
            assert self.turn is not None
            self.turn.cancel("user")

    def _is_time(self, event: TurnEvent) -> bool:
        match self.stream.stop:
            case "predicted":
                return isinstance(event, Predicted)
            case "retry wait":
                return isinstance(event, Retry)
            case "thinking":
                return len(self.thinking) >= self.stream.stop_after
            case "text":
                return len(self.text) >= self.stream.stop_after
        return False


@dataclass
class Asked:
    """A stream that was asked, and what came of it."""

    stream: Stream
    session: str
    turn_id: str
    outcome: TurnResult | CmtError
    heard: Heard


@dataclass
class Window:
    """A manager on an endpoint that does as it is told."""

    manager: APISessionManager
    simulator: Simulator
    script: Script
    asked: list[Asked] = field(default_factory=list)

    async def ask(self, stream: Stream, session: str, *, again: bool = False) -> Asked:
        """Ask one stream and wait for its end."""
        self.script.expect(stream)
        heard = Heard(stream)
        if again:
            turn = await self.manager.retry(session, None, heard)
        else:
            images = tuple(ImageSource(data=data) for data in stream.images)
            request = TurnRequest(stream.marked_text, (), images, stream.model, stream.max_tokens)
            turn = self.manager.start_turn(session, request, heard)
        heard.turn = turn
        if stream.stop == "at once":
            turn.cancel("user")
        if stream.stop == "before headers":
            loop = asyncio.get_running_loop()
            self.script.arrived[stream.number] = lambda: loop.call_soon_threadsafe(turn.cancel, "user")
        outcome: TurnResult | CmtError
        try:
            async with asyncio.timeout(60):
                outcome = await turn.result()
        except CmtError as error:
            outcome = error
        self.asked.append(Asked(stream, session, turn.id, outcome, heard))
        return self.asked[-1]

    def attempts(self, state_dir: Path) -> dict[str, list[Attempt]]:
        """The rows of every turn that was asked here, each with its request; no request is left without a row."""
        requests, rows = requests_by_mark(self.simulator.requests), rows_by_turn(state_dir)
        found = {
            asked.turn_id: list(
                _matched(asked, rows.get(asked.turn_id, []), requests.get(asked.stream.number, []))
            )
            for asked in self.asked
        }
        assert not any(requests.values()), "the endpoint saw a request that the ledger does not know"
        return found


def _matched(asked: Asked, rows: list[dict[str, Any]], requests: list[Any]) -> Iterator[Attempt]:
    """An attempt that never left is the last one of a turn that was stopped; all others meet their requests in order."""
    answers = asked.stream.answers
    served = next((answer.model for answer in answers if answer.model), None)
    silent = any(answer.usage_null for answer in answers)
    for row in rows:
        unsent = not requests and row is rows[-1] and asked.stream.stop in ("at once", "predicted")
        request = None if unsent else replace(requests.pop(0), body=None)
        broken = row["state"] in ("cancelled", "failed") and asked.heard.thinking and not asked.heard.text
        yield Attempt(row, request, served, silent, asked.heard.thinking if broken else None)


@asynccontextmanager
async def window(
    clock: Callable[[], float], clocks: Clocks | None = None, **simulated: Any
) -> AsyncIterator[Window]:
    """A window of one's own on a fresh endpoint; the ledger is that of all windows."""
    with simulator_in_thread(clock=clock, **simulated) as simulator:
        client = AnthropicClient(
            "sk-test-key",
            base_url=simulator.base_url,
            retry=RetryPolicy(base=0.002, cap=0.004),
            clocks=clocks,
            rng=random.Random(1),
        )
        manager = APISessionManager(client=client, clock=clock)
        script = Script()
        script.drive(simulator)
        try:
            yield Window(manager, simulator, script)
        finally:
            await manager.aclose()
            await client.aclose()


# Conversations


@dataclass(frozen=True)
class Chat:
    """A conversation as it is planned: its streams, those asked twice, and those before which it is forked."""

    streams: tuple[Stream, ...]
    again: frozenset[int]
    forked: frozenset[int]


def random_chats(rng: random.Random, first: int, size: int) -> list[Chat]:
    """Conversations with so many streams together, numbered from `first`."""
    chats, numbers = list[Chat](), iter(range(first, first + size))
    while mine := list(islice(numbers, rng.randint(1, 5))):
        model = rng.choice(MODELS)
        streams = tuple(random_stream(rng, number, model, first=number == mine[0]) for number in mine)
        again, forked = (frozenset(number for number in mine if rng.random() < 0.06) for _ in range(2))
        chats.append(Chat(streams, again, forked))
    return chats


async def talk(window: Window, chats: Iterator[Chat]) -> None:
    """Have conversations, one after the other, until there are no more."""
    for chat in chats:
        session = (await window.manager.create()).id
        for stream in chat.streams:
            if stream.number in chat.forked:
                session = (await window.manager.fork(session)).id
            asked = await window.ask(stream, session)
            answered = isinstance(asked.outcome, TurnResult) and asked.outcome.text
            if stream.number in chat.again and answered:
                plain = replace(stream.answers[-1], fault=Fault())
                await window.ask(replace(stream, answers=(plain,), stop="never"), session, again=True)


# What must hold of a window


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
        info, expected = await manager.load(session), Sum.of(attempts)
        assert (classes(info.usage), info.cost.nano_usd or 0) == (expected.tokens, expected.nano_usd)
    whole = [attempt for attempts in turns.values() for attempt in attempts]
    last = window.asked[-1]
    workspace = (await manager.load(last.session)).workspace or ""
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
        assert [connection.execute(query).fetchone()[0] for query in WRONG_SUMS] == [0, 0]
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
