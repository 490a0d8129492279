"""A turn whose answer comes fast leaves the loop to others."""

from __future__ import annotations

import asyncio

import pytest
from live_turns import new_session

from cmt_lsp.api.attempt import BYTES_AT_ONCE
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.turn import AnswerText, TurnEvent, TurnRequest
from cmt_lsp.simulator import Answer, simulator_in_thread

DELTAS = 2000


async def test_others_have_their_turn_after_a_few_kilobytes_however_many_come_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[int] = [0]
    """Characters told in each round of the loop."""

    def emit(event: TurnEvent) -> None:
        if isinstance(event, AnswerText):
            told[-1] += len(event.text)

    async def others() -> None:
        while True:
            await asyncio.sleep(0)
            told.append(0)

    with simulator_in_thread(coalesce=True) as simulator:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.base_url)
        simulator.reply_with(Answer(chunks=("word ",) * DELTAS, stop_reason="end_turn"))
        manager = APISessionManager()
        running = asyncio.create_task(others())
        async with asyncio.timeout(20):
            await manager.start_turn(await new_session(manager), TurnRequest("hello"), emit).result()
        running.cancel()
        await manager.aclose()

    assert sum(told) == DELTAS * len("word ")
    assert 0 < max(told) < BYTES_AT_ONCE // 10  # an event takes some hundred bytes around its text
