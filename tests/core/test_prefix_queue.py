"""The queue of requests that write the same prefix: one pays, nobody waits in vain for long, nobody for ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from live_turns import Listener, ask, new_session, start
from virtual_time import VirtualLoop, run

from cmt_lsp.api.cache_manager import CacheManager
from cmt_lsp.api.models import find_model
from cmt_lsp.api.request import MessageRequest
from cmt_lsp.api.usage import Usage
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.conversation import PlannedTurn
from cmt_lsp.core.turn import Retry, TurnRequest, Waiting
from cmt_lsp.core.warming.prefix_queue import LONGEST_SECONDS, PrefixQueue, Waited, best_prospect
from cmt_lsp.simulator import Fault, Simulator

OPUS, SONNET, CHEAP = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"
LONG = "A rule that is always kept. " * 3000
SHORT = "A rule that is always kept. " * 80


@dataclass
class World:
    """A cache in which writing takes a while, on virtual time."""

    loop: VirtualLoop
    queue: PrefixQueue = field(default_factory=PrefixQueue)
    paid: list[float] = field(default_factory=list)
    """When somebody wrote the long prefix."""

    def __post_init__(self) -> None:
        self.cache = CacheManager(lambda: 1_790_000_000.0 + self.loop.now)

    def planned(self, question: str, model: str = OPUS, system: str = LONG) -> PlannedTurn:
        prompt = self.cache.plan(system, [], [{"type": "text", "text": question}], find_model(model), True)
        request = MessageRequest(model, 100, prompt.messages, prompt.system)
        return PlannedTurn(request, prompt, find_model(model), "", 0, 0, ())

    async def ask(
        self,
        question: str,
        delay: float,
        outcome: str = "answers",
        *,
        model: str = OPUS,
        system: str = LONG,
        told: Callable[[float], None] = lambda _: None,
    ) -> Waited:
        """A whole request: it waits its turn, and after `delay` its answer begins, or it fails."""
        plan, waited = await self.queue.planned(lambda: self.planned(question, model, system), told)
        writing = self.queue.announce(plan)
        try:
            await asyncio.sleep(delay)
            if outcome == "answers":
                read = plan.prompt.expected_read
                usage = Usage(10, 0 if read else 20_000, 0, read, 1)
                if not read:
                    self.paid.append(self.loop.now)
                self.cache.begin(plan.prompt, usage)
                self.queue.done(writing, cached=True)
        finally:
            self.queue.done(writing)
        return waited

    @property
    def idle(self) -> bool:
        return self.queue._writings == []


def in_world(work: Callable[[World], object]) -> None:
    async def go() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        world = World(loop)
        await work(world)  # type: ignore[misc]
        assert world.idle

    run(go())


def test_of_four_at_once_one_pays_and_the_others_wait_until_its_answer_begins() -> None:
    async def four(world: World) -> None:
        waits = await asyncio.gather(*(world.ask(f"question {n}", 0.7) for n in range(4)))
        assert len(world.paid) == 1
        assert [round(waited.seconds, 3) for waited in waits] == [0, 0.7, 0.7, 0.7]
        assert all(waited.tokens > 10_000 and waited.nano_usd > 50_000_000 for waited in waits[1:])

    in_world(four)


def test_a_writer_that_fails_wakes_all_and_one_of_them_writes() -> None:
    async def fails(world: World) -> None:
        first = asyncio.create_task(world.ask("first", 0.5, "fails"))
        others = [asyncio.create_task(world.ask(f"question {n}", 0.5)) for n in range(3)]
        waits = await asyncio.gather(first, *others)
        assert len(world.paid) == 1
        assert [round(waited.seconds, 3) for waited in waits] == [0, 0.5, 1.0, 1.0]

    in_world(fails)


def test_nobody_waits_longer_than_the_bound_for_one_that_does_not_answer() -> None:
    async def slow(world: World) -> None:
        _, waited = await asyncio.gather(world.ask("slow", 60), world.ask("patient", 0.1))
        assert waited.seconds == pytest.approx(LONGEST_SECONDS)
        assert waited.tokens == 0
        assert "not there in time" in waited.notice

    in_world(slow)


def test_a_cancelled_waiter_leaves_at_once_and_the_others_still_wake() -> None:
    async def cancelled(world: World) -> None:
        writer = asyncio.create_task(world.ask("writer", 1.0))
        await asyncio.sleep(0)
        leaving = asyncio.create_task(world.ask("leaving", 1.0))
        staying = asyncio.create_task(world.ask("staying", 1.0))
        await asyncio.sleep(0.2)
        leaving.cancel()
        await asyncio.wait([leaving])
        assert leaving.cancelled()
        assert world.loop.now == pytest.approx(0.2)
        assert round((await staying).seconds, 3) == 1.0
        await writer

    in_world(cancelled)


def test_a_cancelled_writer_lets_the_others_go() -> None:
    async def cancelled(world: World) -> None:
        writer = asyncio.create_task(world.ask("writer", 30.0))
        waiter = asyncio.create_task(world.ask("waiter", 0.1))
        await asyncio.sleep(0.3)
        writer.cancel()
        waited = await waiter
        assert round(waited.seconds, 3) == 0.3
        assert len(world.paid) == 1

    in_world(cancelled)


@pytest.mark.parametrize(
    ("model", "system", "why"),
    [(OPUS, SHORT, "a short prefix saves too little"), (CHEAP, LONG, "a cheap model saves too little")],
)
def test_nobody_waits_for_less_than_half_a_cent(model: str, system: str, why: str) -> None:
    async def cheap(world: World) -> None:
        waits = await asyncio.gather(*(world.ask(f"{n}", 1.0, model=model, system=system) for n in range(3)))
        assert [waited.seconds for waited in waits] == [0, 0, 0], why

    in_world(cheap)


def test_nobody_waits_for_another_model_or_another_prefix_or_what_is_there() -> None:
    async def apart(world: World) -> None:
        waits = await asyncio.gather(
            world.ask("a", 1.0), world.ask("b", 1.0, model=SONNET), world.ask("c", 1.0, system=f"New. {LONG}")
        )
        again = await asyncio.gather(*(world.ask(f"later {n}", 1.0) for n in range(3)))
        assert [waited.seconds for waited in (*waits, *again)] == [0] * 6

    in_world(apart)


def test_nobody_waits_again_where_the_endpoint_tells_of_no_caching() -> None:
    async def deaf(world: World) -> None:
        writing = world.queue.announce(world.planned("first"))
        world.queue.done(writing, cached=False)
        waits = await asyncio.gather(*(world.ask(f"question {n}", 1.0) for n in range(2)))
        assert [waited.seconds for waited in waits] == [0, 0]
        waits = await asyncio.gather(*(world.ask(f"x {n}", 1.0, system=f"New. {LONG}") for n in range(2)))
        assert [waited.seconds > 0 for waited in waits] == [False, True], "it told of caching since"

    in_world(deaf)


def test_waiting_is_told_at_its_beginning_and_its_end() -> None:
    async def told(world: World) -> None:
        heard: list[float] = []
        await asyncio.gather(world.ask("a", 0.5), world.ask("b", 0.5, told=heard.append))
        assert heard == [0.0, pytest.approx(0.5)]

    in_world(told)


@pytest.mark.campaign
def test_whatever_happens_all_come_through_within_the_bound(campaign_size: Callable[[int, int], int]) -> None:
    """Random arrivals, answers, failures and cancellations: no dead-lock, no wait over the bound, no lost wake-up."""
    for seed in range(campaign_size(60, 2000)):
        rng = random.Random(seed)

        async def crowd(world: World, rng: random.Random = rng) -> None:
            async def one(n: int) -> Waited:
                await asyncio.sleep(rng.choice((0, 0, 0.1, 0.5, rng.random() * 3)))
                delay = rng.choice((0.0, 0.1, 0.6, 1.9, 2.0, 10.0))
                outcome = rng.choice(("answers", "answers", "fails"))
                system = rng.choice((LONG, LONG, f"Other. {LONG}"))
                return await world.ask(f"q {n}", delay, outcome, system=system)

            tasks = [asyncio.create_task(one(n)) for n in range(rng.randint(2, 9))]
            for task in tasks:
                if rng.random() < 0.2:
                    world.loop.call_later(rng.choice((0, 0.05, 0.5, 2.0)), task.cancel)
            done = await asyncio.gather(*tasks, return_exceptions=True)
            for waited in done:
                if isinstance(waited, Waited):
                    assert waited.seconds <= LONGEST_SECONDS + 1e-6
                else:
                    assert isinstance(waited, asyncio.CancelledError)

        in_world(crowd)


@pytest.mark.campaign
def test_where_answers_begin_in_time_each_prefix_is_paid_for_once(
    campaign_size: Callable[[int, int], int],
) -> None:
    for seed in range(campaign_size(20, 500)):
        rng = random.Random(seed)
        arrivals = [rng.choice((0.0, 0.0, 0.2, 1.5, 3.0)) for _ in range(rng.randint(2, 12))]

        async def crowd(world: World, rng: random.Random = rng, arrivals: list[float] = arrivals) -> None:
            async def one(n: int, at: float) -> None:
                await asyncio.sleep(at)
                await world.ask(f"q {n}", rng.choice((0.0, 0.3, LONGEST_SECONDS - 0.1)))

            await asyncio.gather(*(one(n, at) for n, at in enumerate(arrivals)))
            assert len(world.paid) == 1

        in_world(crowd)


def test_nothing_is_worth_waiting_for_when_nobody_writes() -> None:
    async def nobody(world: World) -> None:
        assert best_prospect(world.planned("alone").prompt, OPUS, ()) is None

    in_world(nobody)


# Through the manager


async def test_a_turn_tells_that_it_waits_and_measures_it(
    manager: APISessionManager, simulator: Simulator
) -> None:
    first, second = [await new_session(manager, system_prompt=LONG) for _ in range(2)]
    simulator.fail_next(Fault.stall())
    writer, _ = start(manager, first, "one")
    await asyncio.to_thread(simulator.wait_stalled)
    reader, heard = start(manager, second, "two")
    waiting = await heard.heard(Waiting)
    simulator.release()
    written, read = await writer.result(), await reader.result()

    assert waiting == Waiting("sharing", 0.0)
    assert written.usage.cache_creation_input_tokens > 10_000
    assert read.usage.cache_read_input_tokens > 10_000
    assert read.timing.shared_wait_ms > 0
    assert written.timing.shared_wait_ms == 0
    assert any("saves $" in notice for notice in read.notices)


async def test_a_cancelled_waiting_turn_ends_at_once_and_costs_nothing(
    manager: APISessionManager, simulator: Simulator
) -> None:
    first, second = [await new_session(manager, system_prompt=LONG) for _ in range(2)]
    simulator.fail_next(Fault.stall())
    writer, _ = start(manager, first, "one")
    await asyncio.to_thread(simulator.wait_stalled)
    reader, heard = start(manager, second, "two")
    await heard.heard(Waiting)
    reader.cancel()
    stopped = await reader.result()
    simulator.release()
    await writer.result()

    assert stopped.stop_reason == "cancelled"
    assert stopped.usage == Usage()
    assert len(simulator.requests) == 1


async def test_the_models_of_a_comparison_do_not_wait_for_each_other(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager, system_prompt=LONG)
    listeners = [Listener(), Listener()]
    simulator.fail_next(Fault.stall(), Fault.stall())
    running = manager.start_comparison(session, TurnRequest("Which?"), (OPUS, SONNET), listeners)
    await asyncio.to_thread(simulator.wait_stalled, 1)
    simulator.release()
    rows = await running.rows()

    assert [row.timing.shared_wait_ms for row in rows] == [0, 0]


async def test_nobody_waits_for_a_request_that_is_between_two_attempts(
    manager: APISessionManager, simulator: Simulator
) -> None:
    first, second = [await new_session(manager, system_prompt=LONG) for _ in range(2)]
    simulator.fail_next(Fault.status(529, retry_after=1.0))
    turns = [start(manager, first, "one"), start(manager, second, "two")]
    retries = [asyncio.create_task(heard.heard(Retry)) for _, heard in turns]
    told, silent = await asyncio.wait(retries, return_when=asyncio.FIRST_COMPLETED)
    for task in silent:
        task.cancel()
    which = retries.index(told.pop())  # either may have been the first
    writer, reader = turns[which][0], turns[1 - which][0]
    await reader.result()

    assert len(simulator.requests) == 2, "the second request did not wait for the first one's next attempt"
    assert (await writer.result()).usage.cache_read_input_tokens > 10_000


async def test_a_failed_writer_leaves_the_next_one_to_write(
    manager: APISessionManager, simulator: Simulator
) -> None:
    sessions = [await new_session(manager, system_prompt=LONG) for _ in range(3)]
    simulator.fail_next(Fault.status(401))
    turns = [start(manager, session, f"question {n}")[0] for n, session in enumerate(sessions)]
    results = await asyncio.gather(*(turn.result() for turn in turns), return_exceptions=True)

    usages = [result.usage for result in results if not isinstance(result, BaseException)]
    assert len(usages) == 2
    waits = [result.timing.shared_wait_ms for result in results if not isinstance(result, BaseException)]
    assert max(waits) < 1500, "a failure wakes those who wait"
    assert sorted(usage.cache_creation_input_tokens > 10_000 for usage in usages) == [False, True]
    assert (await ask(manager, sessions[0], "again")).usage.cache_read_input_tokens > 10_000
