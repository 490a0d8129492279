"""Helpers of the core's tests: turns that run, and listeners that can be waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cmt_lsp.core import APISessionManager
from cmt_lsp.core.turn import AnswerText, Turn, TurnEvent, TurnRequest, TurnResult


@dataclass
class Listener:
    """Collects a turn's events and wakes whoever waits for one."""

    events: list[TurnEvent] = field(default_factory=list)
    _waiters: list[tuple[Callable[[TurnEvent], bool], asyncio.Future[TurnEvent]]] = field(
        default_factory=list
    )

    def __call__(self, event: TurnEvent) -> None:
        self.events.append(event)
        for wanted, future in self._waiters:
            if wanted(event) and not future.done():
                future.set_result(event)

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, AnswerText))

    async def heard(self, kind: type, within: float = 10.0) -> TurnEvent:
        """The first event of a kind, past or to come."""
        for event in self.events:
            if isinstance(event, kind):
                return event
        future: asyncio.Future[TurnEvent] = asyncio.get_running_loop().create_future()
        self._waiters.append((lambda event: isinstance(event, kind), future))
        async with asyncio.timeout(within):
            return await future


def start(
    manager: APISessionManager, session: str, text: str = "hello", **options: object
) -> tuple[Turn, Listener]:
    """A running turn and what it tells."""
    listener = Listener()
    return manager.start_turn(session, TurnRequest(text, **options), listener), listener  # type: ignore[arg-type]


async def ask(manager: APISessionManager, session: str, text: str = "hello", **options: object) -> TurnResult:
    """A whole turn."""
    async with asyncio.timeout(20):
        return await start(manager, session, text, **options)[0].result()


async def new_session(manager: APISessionManager, **options: str) -> str:
    """The id of a fresh session."""
    return (await manager.sessions.create(**options)).id


def without_marks(messages: Sequence[dict[str, Any]]) -> list[Any]:
    """Messages without cache marks, which each model has its own way with."""
    return [
        (
            message["role"],
            [{k: v for k, v in block.items() if k != "cache_control"} for block in message["content"]],
        )
        for message in messages
    ]
