"""Requests as no chat makes them: their speed, their place and their lifetimes in the cache are booked as charged."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from accounts import Attempt, rows_by_turn
from streams import PIECE, Script, Stream, events_before_text, prose, requests_by_mark
from watched_window import Clock

from cmt_lsp.api.anthropic_client import AnthropicClient, MessageRequest
from cmt_lsp.api.stream import TextDelta
from cmt_lsp.core.money.attempt import Origin
from cmt_lsp.core.money.ceiling import lifetime_of
from cmt_lsp.core.money.ledger import Ledger
from cmt_lsp.core.money.meter import Meter
from cmt_lsp.core.money.prediction import Outlook
from cmt_lsp.simulator import Answer, Fault, Simulator, simulator_in_thread


@dataclass
class Asker:
    """Asks requests of any kind, metered as those of a turn are."""

    ledger: Ledger
    client: AnthropicClient
    script: Script
    clock: Clock

    async def ask(self, number: int, request: MessageRequest, answer: Answer, stop_after: int) -> None:
        """Listen to the end, or until so many characters of the text were heard, and book."""
        self.script.expect(Stream(number, request.model, "", (answer,)))
        meter = Meter(self.ledger, Origin("turn", "s", f"t{number}", ""), self.clock)
        meter.aim(request, None, Outlook(True, lifetime_of(request)))
        heard = 0
        async with self.client.stream(request, meter) as events:
            async for event in events:
                meter.hear(event)
                heard += len(event.text) if isinstance(event, TextDelta) else 0
                if 0 < stop_after <= heard:
                    break
        charged = meter.charged()
        meter.settle("truncated" if charged.estimated else "done", charged, meter.price(charged))
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[None] = loop.create_future()
        meter.when_durable(partial(loop.call_soon_threadsafe, durable.set_result, None))
        await durable


@asynccontextmanager
async def asking(state_dir: Path) -> AsyncIterator[tuple[Asker, Simulator]]:
    """Somebody who asks a fresh endpoint, with a ledger of their own."""
    clock = Clock()
    with simulator_in_thread(clock=clock) as simulator:
        client = AnthropicClient("sk-test-key", base_url=simulator.base_url)
        ledger, script = Ledger(state_dir, "w", clock=clock, patience=30.0), Script()
        script.drive(simulator)
        yield Asker(ledger, client, script, clock), simulator
        ledger.close()
        await client.aclose()


def special_request(rng: random.Random, number: int) -> MessageRequest:
    """Marks of both lifetimes, or of one, or none, over parts that are often the same."""
    model = rng.choice(("claude-opus-5-5", "claude-fable-5-2", "claude-sonnet-5-5"))
    extra: dict[str, Any] = {}
    if model != "claude-sonnet-5-5" and rng.random() < 0.6:
        extra["speed"] = "fast"
    if rng.random() < 0.6:
        extra["inference_geo"] = rng.choice(("us", "global"))
    parts = [prose(random.Random(rng.randrange(4)), size) for size in (900, 700)]
    first, second = (
        {"type": "text", "text": text, **_mark(rng, ttl)}
        for text, ttl in zip(parts, ("1h", "5m"), strict=True)
    )
    newest = {"type": "text", "text": f"{prose(rng, 200)} [stream {number}]", **_mark(rng, "5m")}
    return MessageRequest(
        model=model,
        max_tokens=4_000,
        messages=[{"role": "user", "content": [newest]}],
        system=[first, second],
        thinking={"type": "adaptive", "display": "summarized"},
        extra=extra,
    )


def _mark(rng: random.Random, ttl: str) -> dict[str, Any]:
    return {"cache_control": {"type": "ephemeral", "ttl": ttl}} if rng.random() < 0.6 else {}


def special_answer(rng: random.Random) -> tuple[Answer, int]:
    """An answer, and after how many characters it is stopped: whole, cut off, or stopped halfway."""
    answer = Answer(prose(rng, 120), prose(rng, 20), chunk_chars=PIECE)
    pieces = rng.randint(1, 20)
    at = events_before_text(answer) + pieces
    fault, stop_after = rng.choice(
        (
            (Fault(), 0),
            (Fault(), 0),
            (Fault.cut(after_events=at), 0),
            (Fault.stall(after_events=at), pieces * PIECE),
        )
    )
    return replace(answer, fault=fault), stop_after


@pytest.mark.campaign
@pytest.mark.timeout(600)
async def test_speed_place_and_lifetimes_are_booked_as_charged(
    state_dir: Path, campaign_size: Callable[[int, int], int]
) -> None:
    """Also where the answer is cut off or stopped: its multipliers and its prompt's classes are known from its start."""
    rng = random.Random(3)
    async with asking(state_dir) as (asker, simulator):
        for number in range(campaign_size(80, 1_000)):
            await asker.ask(number, special_request(rng, number), *special_answer(rng))
            asker.clock.now += rng.choice((1, 100, 400, 3_700))
        requests, rows = requests_by_mark(simulator.requests), rows_by_turn(state_dir)
    attempts = [Attempt(number, rows[f"t{number}"][0], requests[number][0]) for number in requests]
    assert [fault for attempt in attempts if attempt.is_exact for fault in attempt.faults()] == []
    assert [attempt.told() for attempt in attempts if attempt.must_be_exact is not attempt.is_exact] == []
    assert [attempt.told() for attempt in attempts[30:] if not (attempt.is_exact or attempt.is_near())] == []
    check_variety(
        [attempt.request.usage for attempt in attempts if attempt.request and attempt.request.usage]
    )


def check_variety(charged: Sequence[Any]) -> None:
    """Every multiplier, every class of tokens was there."""
    assert {(usage["speed"], usage["inference_geo"]) for usage in charged} == {
        (speed, geo) for speed in ("standard", "fast") for geo in ("global", "us")
    }
    assert all(
        sum(usage["cache_creation"][name] for usage in charged) for name in charged[0]["cache_creation"]
    )
    assert sum(usage["cache_read_input_tokens"] for usage in charged)
