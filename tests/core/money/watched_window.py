"""A window whose every stream is watched at both ends: by who asks, and by the endpoint."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from accounts import Attempt, rows_by_turn
from streams import Kind, Script, Stream, random_stream, requests_by_mark

from cmt_lsp.api.anthropic_client import AnthropicClient, Clocks, RetryPolicy
from cmt_lsp.api.errors import CmtError
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.identity import new_id
from cmt_lsp.core.money.ledger import Ledger
from cmt_lsp.core.storage.state_dir import find_state_dir
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
        thinking = asked.heard.thinking if broken else None
        yield Attempt(asked.stream.number, row, request, served, silent, thinking)


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
        # A disk that is late, as on a busy machine, costs the estimates their history.
        ledger = Ledger(find_state_dir(os.environ), new_id(clock()), clock=clock, patience=30.0)
        manager = APISessionManager(client=client, ledger=ledger, clock=clock)
        script = Script()
        script.drive(simulator)
        try:
            yield Window(manager, simulator, script)
        finally:
            await manager.aclose()
            await client.aclose()
            ledger.close()


# Conversations


@dataclass(frozen=True)
class Chat:
    """A conversation as it is planned: its streams, those asked twice, and those before which it is forked."""

    streams: tuple[Stream, ...]
    again: frozenset[int]
    forked: frozenset[int]


def random_chats(
    rng: random.Random,
    first: int,
    size: int,
    models: Sequence[str] = MODELS,
    kinds: Mapping[Kind, float] | None = None,
) -> list[Chat]:
    """Conversations with so many streams together, numbered from `first`."""
    chats, numbers = list[Chat](), iter(range(first, first + size))
    while mine := list(islice(numbers, rng.randint(1, 5))):
        model = rng.choice(models)
        streams = tuple(
            random_stream(rng, number, model, first=number == mine[0], kinds=kinds) for number in mine
        )
        again, forked = (frozenset(number for number in mine if rng.random() < 0.06) for _ in range(2))
        chats.append(Chat(streams, again, forked))
    return chats


async def talk(window: Window, chats: Iterator[Chat]) -> None:
    """Have conversations, one after the other, until there are no more."""
    for chat in chats:
        session = (await window.manager.sessions.create(model=chat.streams[0].model)).id
        for stream in chat.streams:
            if stream.number in chat.forked:
                session = (await window.manager.sessions.fork(session)).id
            asked = await window.ask(stream, session)
            answered = isinstance(asked.outcome, TurnResult) and asked.outcome.text
            if stream.number in chat.again and answered:
                plain = replace(stream.answers[-1], fault=Fault())
                await window.ask(replace(stream, answers=(plain,), stop="never"), session, again=True)
