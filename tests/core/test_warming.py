"""Warming and keeping warm: what is sent, what it costs, when it stops; on a clock that the tests turn."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from live_turns import ask, new_session, start

from cmt_lsp.api.cache.rhythm import Rhythm
from cmt_lsp.api.errors import BlockedFileError, BudgetExceededError, SessionBusyError
from cmt_lsp.api.usage import Usage
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.context.items import NamedText
from cmt_lsp.core.settings import Settings, resolve
from cmt_lsp.core.warming.decision import MARGIN_SECONDS, Prefix, Watch, chance, next_step, state_after
from cmt_lsp.core.warming.keeper import Keeper, KeepState
from cmt_lsp.core.warming.warmer import WarmResult
from cmt_lsp.simulator import Fault, Simulator, simulator_in_thread

LONG = "A rule that is always kept. " * 2000


# Deciding

PREFIX = Prefix(
    model="claude-opus-5-5",
    head=("a",),
    held_tokens=20_000,
    expires_at=1000.0,
    unwritten_tokens=0,
    refresh_nano=4_000_000,
    read_nano=4_000_000,
    loss_nano=96_000_000,
    pauses=(),
)
NEVER = (8000.0,) * 16
"""A person who comes back after two hours each time."""
WATCH = Watch(head=("a",), active_at=900.0)
DUE = 1000.0 - MARGIN_SECONDS


def test_before_it_is_due_it_waits_for_that_or_for_the_person_to_be_idle() -> None:
    assert next_step(WATCH, PREFIX, 10, 900.0) == next_step(WATCH, PREFIX, 10, 950.0)
    assert (next_step(WATCH, PREFIX, 10, 900.0).kind, next_step(WATCH, PREFIX, 10, 900.0).at) == ("wait", DUE)
    assert next_step(WATCH, PREFIX, 1, 900.0).at == 960.0


def test_when_it_is_due_it_is_refreshed() -> None:
    assert next_step(WATCH, PREFIX, 10, DUE).kind == "refresh"


@pytest.mark.parametrize(
    ("watch", "prefix", "minutes", "now", "why"),
    [
        (WATCH, PREFIX, 0, DUE, "off"),
        (WATCH, PREFIX, 1, DUE, "nobody typed for 1 min"),
        (WATCH, PREFIX, 60, 1000.0, "holds nothing"),
        (WATCH, None, 60, DUE, "holds nothing"),
        (WATCH, replace(PREFIX, head=("b",)), 60, DUE, "changed"),
        (WATCH, replace(PREFIX, read_nano=None, loss_nano=None), 60, DUE, "not known"),
        (replace(WATCH, refreshes=23), PREFIX, 60, DUE, "as much as writing it again"),
        (
            replace(WATCH, active_at=DUE - 1500),
            replace(PREFIX, loss_nano=46_000_000),
            60,
            DUE,
            "too unlikely",
        ),
        (replace(WATCH, active_at=DUE - 1500), replace(PREFIX, pauses=NEVER), 60, DUE, "too unlikely"),
    ],
)
def test_it_stops_for_each_reason(
    watch: Watch, prefix: Prefix | None, minutes: int, now: float, why: str
) -> None:
    step = next_step(watch, prefix, minutes, now)
    assert step.kind == "stop"
    assert why in step.reason


def test_who_comes_back_after_twenty_minutes_each_time_is_kept_until_then() -> None:
    """Looking at the next five minutes alone would give up short of the question that all refreshes were for."""
    steady = replace(PREFIX, pauses=(1200.0,) * 8, loss_nano=46_000_000)
    for silent in (270, 540, 810, 1080):
        assert next_step(replace(WATCH, active_at=DUE - silent), steady, 25, DUE).kind == "refresh"
    assert next_step(replace(WATCH, active_at=DUE - 1350), steady, 60, DUE).kind == "stop"


@pytest.mark.parametrize(
    ("pauses", "silent", "until", "expected"),
    [
        ((), 0, 0, 0.0),
        ((), 0, 300, 6 / 7.4),
        ((), 300, 3600, 0.6 / 1.4),
        ((), 3600, 7200, 0.0),
        ((400.0,), 300, 401, 1 - (0.6 * 3199 / 3300 + 0.8) / 2.4),
    ],
)
def test_the_chance_of_a_question_grows_with_the_time_it_has(
    pauses: tuple[float, ...], silent: float, until: float, expected: float
) -> None:
    assert chance(pauses, silent, until) == pytest.approx(expected, abs=0.001)


def test_it_stops_no_earlier_than_it_must() -> None:
    assert next_step(replace(WATCH, refreshes=22), PREFIX, 60, DUE).kind == "refresh"
    assert next_step(WATCH, replace(PREFIX, pauses=NEVER), 60, DUE).kind == "refresh"
    assert next_step(replace(WATCH, active_at=DUE - 900), PREFIX, 60, DUE).kind == "refresh"
    assert next_step(WATCH, PREFIX, 60, 999.9).kind == "refresh"


@pytest.mark.parametrize(
    ("read", "written", "state"),
    [
        (0, 0, "not-cached"),
        (0, 900, "warmed"),
        (900, 0, "refreshed"),
        (900, 100, "refreshed"),
        (100, 900, "warmed"),
    ],
)
def test_what_a_request_did_is_told_by_the_counts(read: int, written: int, state: str) -> None:
    assert state_after(Usage(10, written, 0, read, 0)) == state


@pytest.mark.parametrize("value", [-1, 61, 2.5, "soon", True])
def test_keep_warm_takes_whole_minutes_up_to_an_hour(value: object, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"keepWarm = {str(value).lower() if value is True else repr(value)}\n")
    resolved = resolve({}, file=file)
    assert resolved.settings.keep_warm == 0
    assert "keepWarm" in resolved.notices[0]


def test_keep_warm_is_off_unless_the_person_sets_it(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    assert resolve({}, file=file).settings.keep_warm == 0
    assert resolve({}, {"keepWarm": 10}, file=file).settings.keep_warm == 0
    assert resolve({"CMT_KEEP_WARM": "10"}, file=file).settings.keep_warm == 10
    file.write_text("keepWarm = 20\n")
    assert resolve({}, file=file).settings.keep_warm == 20


# On a clock that is turned


@dataclass(eq=False)
class Bell:
    """One alarm that was set."""

    at: float
    ring: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Days:
    """The wall clock of client and service, and the alarms that hang on it."""

    now: float = 1_795_000_000.0
    bells: list[Bell] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def alarm(self, seconds: float, then: Callable[[], None]) -> Bell:
        self.bells.append(Bell(self.now + seconds, then))
        return self.bells[-1]

    @property
    def due(self) -> list[Bell]:
        return sorted((bell for bell in self.bells if not bell.cancelled), key=lambda bell: bell.at)


@dataclass
class Desk:
    """A person at a window, a service, and a clock for both."""

    manager: APISessionManager
    simulator: Simulator
    days: Days
    told: list[KeepState]

    def use(self, **settings: object) -> None:
        self.manager.use_settings(replace(self.manager.settings, **settings))  # type: ignore[arg-type]

    async def warm(self, session: str) -> WarmResult:
        return await (await self.manager.warming.start(session)).result()

    async def typed(self, session: str) -> WarmResult:
        return await self.manager.warming.typed(session)

    async def pass_by(self, seconds: float) -> None:
        """Let time go by, alarm by alarm, and wait for what each one started."""
        until = self.days.now + seconds
        while self.days.due and self.days.due[0].at <= until:
            bell = self.days.due[0]
            self.days.bells.remove(bell)
            self.days.now = max(self.days.now, bell.at)
            bell.ring()
            await self.settled()
        self.days.now = until

    async def settled(self) -> None:
        """Until no refresh is on its way."""
        async with asyncio.timeout(10):
            while tasks := list(self.manager.warming.keeper._tasks.values()):
                await asyncio.wait(tasks)

    @property
    def warmings(self) -> int:
        return sum(
            isinstance(r.body, dict) and r.body.get("max_tokens") == 0
            for r in self.simulator.requests
            if r.path == "/v1/messages"
        )


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    days = Days()
    with simulator_in_thread(clock=days) as simulator:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.base_url)
        settings = Settings(keep_warm=20, prompt_cache="5m")
        manager = APISessionManager(settings=settings, clock=days, alarm=days.alarm)
        told: list[KeepState] = []
        manager.warming.keeper.tell = told.append
        yield Desk(manager, simulator, days, told)
        await manager.aclose()


def booked(state_dir: Path) -> list[tuple[str, str, int]]:
    """Kind, state and price of all attempts."""
    with closing(sqlite3.connect(state_dir / "ledger.sqlite3")) as connection:
        return connection.execute("SELECT kind, state, nano_usd FROM attempts ORDER BY seq").fetchall()


async def test_a_question_keeps_its_prefix_warm_and_the_next_one_reads_it(
    desk: Desk, state_dir: Path
) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    first = await ask(desk.manager, session)
    await desk.pass_by(290)
    assert desk.warmings == 1
    await desk.pass_by(300 - 290 + 200)  # the first entry has ended without the refresh
    second = await ask(desk.manager, session, "and now?")

    assert second.usage.cache_read_input_tokens >= first.usage.cache_creation_input_tokens > 5000
    assert second.cache.state == "hit"
    assert [row[:2] for row in booked(state_dir)] == [("turn", "done"), ("warm", "done"), ("turn", "done")]
    kept = [state for state in desk.told if state.state == "waiting"]
    assert kept[-1].refresh_nano is not None
    assert kept[-1].spent_nano == 0, "a question counts anew"
    assert kept[-2].spent_nano == booked(state_dir)[1][2] > 0


async def test_who_goes_on_typing_is_kept_warm_and_who_stops_is_not(desk: Desk) -> None:
    desk.use(keep_warm=10)
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    for _ in range(60):
        await desk.pass_by(20)
        assert (await desk.typed(session)).state == "kept"
    typed_until = desk.days.now
    assert desk.warmings == 4
    await desk.pass_by(3600)

    assert desk.warmings <= 6
    assert desk.told[-1].state == "stopped"
    assert desk.told[-1].until - typed_until <= 600
    assert desk.days.due == []
    assert (await desk.typed(session)).state == "nothing-to-warm", (
        "what is gone is not written for typing alone"
    )


async def test_nothing_is_ever_refreshed_where_the_setting_is_off(desk: Desk) -> None:
    desk.use(keep_warm=0)
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)

    assert (await desk.typed(session)).state == "off"
    await desk.pass_by(4000)
    assert desk.warmings == 0
    assert desk.days.bells == []


async def test_switching_the_setting_off_stops_it_at_once(desk: Desk) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    desk.use(keep_warm=0)

    assert desk.told[-1].state == "stopped"
    assert desk.days.due == []


@pytest.mark.parametrize("change", [{"system_prompt": f"Other. {LONG}"}, {"model": "claude-opus-4-8"}])
async def test_another_model_or_system_prompt_stops_it(desk: Desk, change: dict[str, str]) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    await desk.manager.sessions.update(session, **change)
    await desk.pass_by(600)

    assert desk.warmings == 0
    assert desk.told[-1].state == "stopped"


async def test_a_budget_stops_it_and_says_so(desk: Desk) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    await desk.manager.ledger.set_limit("day", 1000, None)
    await desk.pass_by(600)

    assert desk.warmings == 0
    assert desk.told[-1].state == "stopped"
    assert "day budget" in (desk.told[-1].reason or "")


async def test_an_endpoint_that_refuses_is_not_asked_again(desk: Desk) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    desk.simulator.fail_next(Fault.status(400))
    await desk.pass_by(290)
    assert desk.told[-1].state == "stopped"
    assert "nothing was charged" in (desk.told[-1].reason or "")

    told = await desk.typed(session)
    assert "nothing was charged" in told.reason
    await desk.pass_by(600)
    assert desk.warmings == 1


async def test_a_service_that_forgot_ends_it_after_one_refresh(desk: Desk) -> None:
    """What should be read was written anew: it is warm again, but a service that forgets must not be paid each time."""
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    desk.simulator.cache._entries.clear()
    await desk.pass_by(290)

    assert desk.told[-1].state == "stopped"
    assert "dropped" in (desk.told[-1].reason or "")
    assert desk.told[-1].spent_nano > 0
    assert (await ask(desk.manager, session, "more")).usage.cache_read_input_tokens > 5000


async def test_a_sleeping_machine_finds_nothing_to_refresh(desk: Desk) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    desk.days.now += 400
    await desk.pass_by(0)

    assert desk.warmings == 0
    assert desk.told[-1].state == "stopped"


async def test_a_turn_under_way_is_never_disturbed(desk: Desk) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    desk.simulator.fail_next(Fault.stall())
    turn, _ = start(desk.manager, session, "a long one")
    await asyncio.to_thread(desk.simulator.wait_stalled, 1)
    await desk.pass_by(280)
    assert desk.warmings == 0
    desk.simulator.release()
    await turn.result()
    await desk.settled()
    assert desk.told[-1].state == "waiting", "its end is a sign of the person"
    assert desk.warmings == 1


async def test_a_window_that_closes_takes_no_refresh_along(desk: Desk) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    await desk.manager.aclose()

    assert desk.days.due == []
    assert desk.told[-1].state == "stopped"


async def test_a_question_that_the_closing_ends_starts_no_keeping(desk: Desk) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    desk.simulator.fail_next(Fault.stall())
    start(desk.manager, session, "a long one")
    await asyncio.to_thread(desk.simulator.wait_stalled, 1)
    await desk.manager.aclose()

    assert desk.days.due == []
    assert desk.manager.warming.keeper._watches == {}


async def test_an_editor_that_is_gone_is_not_waited_for(desk: Desk) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    desk.manager.cancel_all("client_stalled")

    assert desk.days.due == []


async def test_a_refresh_that_does_not_prolong_is_the_last_one() -> None:
    """An endpoint whose counts do not fit what is known must not be asked again and again without a pause."""
    asked: list[str] = []

    async def refresh(session_id: str) -> WarmResult:
        asked.append(session_id)
        return WarmResult(session_id, PREFIX.model, "refreshed", "", usage=Usage(1, 0, 0, 20_000, 0))

    told: list[KeepState] = []
    days = Days(DUE)
    keeper = Keeper(lambda _: PREFIX, refresh, lambda: 10, days, days.alarm)
    keeper.tell = told.append
    assert keeper.typed("s") is None
    async with asyncio.timeout(5):
        await asyncio.gather(*keeper._tasks.values())

    assert asked == ["s"]
    assert told[-1].state == "stopped"
    assert "prolong" in (told[-1].reason or "")


async def test_typing_while_a_refresh_is_on_its_way_starts_no_second_one() -> None:
    asked: list[str] = []
    gate = asyncio.Event()

    async def refresh(session_id: str) -> WarmResult:
        asked.append(session_id)
        await gate.wait()
        return WarmResult(session_id, PREFIX.model, "cancelled", "Stopped.")

    days = Days(DUE)
    keeper = Keeper(lambda _: PREFIX, refresh, lambda: 10, days, days.alarm)
    keeper.typed("s")
    tasks = list(keeper._tasks.values())
    await asyncio.sleep(0)
    keeper.typed("s")
    keeper.review()
    gate.set()
    await asyncio.gather(*tasks)

    assert asked == ["s"]
    assert keeper._tasks == {}


async def test_a_refresh_that_comes_too_late_is_given_up() -> None:
    """A request that is tried again once the entry has ended would pay for writing all of it."""
    stopped: list[str] = []

    async def refresh(session_id: str) -> WarmResult:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(session_id)
        raise AssertionError

    days = Days(DUE)
    keeper = Keeper(lambda _: PREFIX, refresh, lambda: 10, days, days.alarm)
    keeper.typed("s")
    tasks = list(keeper._tasks.values())
    await asyncio.sleep(0)
    (bell,) = days.due
    assert bell.at == PREFIX.expires_at
    bell.ring()
    await asyncio.wait(tasks)

    assert stopped == ["s"]
    assert keeper._watches == keeper._tasks == {}


async def test_a_deleted_session_is_not_kept(desk: Desk) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    await desk.manager.sessions.delete(session)

    assert desk.days.due == []
    assert "deleted" in (desk.told[-1].reason or "")


# On demand


async def test_a_miss_after_warming_is_not_taken_for_a_changed_history(desk: Desk) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    desk.days.now += 200
    await desk.warm(session)
    desk.simulator.cache._entries.clear()
    missed = await ask(desk.manager, session, "and then?")

    assert missed.cache.state == "miss"
    assert "changed" not in (missed.cache.cause or "")


async def test_the_history_is_warmed_up_to_its_last_answer(desk: Desk) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    desk.use(keep_warm=0)
    desk.days.now += 4000
    warmed = await desk.warm(session)
    after = await ask(desk.manager, session, "and then?")

    assert warmed.state == "warmed"
    assert warmed.expires_at == desk.days.now + 300
    assert after.usage.cache_read_input_tokens == warmed.usage.cache_creation_input_tokens
    assert after.cache.state == "hit"
    assert after.cache.cause is None


async def test_warming_leaves_no_trace_in_history_and_rhythm(desk: Desk) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    await ask(desk.manager, session)
    desk.days.now += 200
    await desk.warm(session)
    conversation = desk.manager._shelf.in_memory(session)
    assert conversation is not None
    assert len(conversation.messages) == 2
    known = desk.manager.cache._memory.conversations
    assert sum(len(one.rhythm.asked) for one in known) == len(Rhythm.of_times([0.0]).asked)


async def test_a_refused_warming_leaves_the_session_as_it_was(desk: Desk, state_dir: Path) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    await desk.manager.ledger.set_limit("session", 1000, None)
    with pytest.raises(BudgetExceededError):
        await desk.warm(session)
    await desk.manager.ledger.set_limit("session", None, None)

    assert booked(state_dir) == []
    assert (await desk.warm(session)).state == "warmed"


async def test_a_pin_that_looks_like_a_secret_does_not_leave_with_a_warming(desk: Desk) -> None:
    note = NamedText("notes", f"aws_access_key_id = AKIA{'Q3EGRTA7ZK5LN2WX'}\n{LONG}")
    session = (await desk.manager.sessions.create(pinned=[note])).id

    with pytest.raises(BlockedFileError):
        await desk.warm(session)
    assert desk.warmings == 0


async def test_a_session_is_warmed_once_at_a_time(desk: Desk) -> None:
    session = await new_session(desk.manager, system_prompt=LONG)
    desk.simulator.fail_next(Fault.stall())
    first = await desk.manager.warming.start(session)
    with pytest.raises(SessionBusyError):
        await desk.manager.warming.start(session)
    await asyncio.to_thread(desk.simulator.wait_stalled)
    first.turn.cancel()
    assert (await first.result()).state == "cancelled"
    assert (await desk.warm(session)).state == "warmed"


async def test_a_prompt_without_caching_is_not_warmed(desk: Desk) -> None:
    desk.use(prompt_caching=False)
    session = await new_session(desk.manager, system_prompt=LONG)
    told = await desk.warm(session)

    assert told.state == "nothing-to-warm"
    assert "caching is off" in told.reason
    assert desk.warmings == 0


async def test_a_warming_is_asked_with_the_settings_of_a_turn(desk: Desk) -> None:
    desk.use(effort="high")
    session = await new_session(desk.manager, system_prompt=LONG)
    await desk.warm(session)
    await ask(desk.manager, session)
    warming, turn = (request.body for request in desk.simulator.requests if request.path == "/v1/messages")

    assert isinstance(warming, dict)
    assert isinstance(turn, dict)
    assert set(turn) - set(warming) <= {"stream", "diagnostics"}
    for name in ("model", "system", "thinking", "output_config"):
        assert warming.get(name) == turn.get(name), name


@pytest.mark.parametrize(
    "model", ["claude-opus-5-5", "claude-haiku-5-5", "claude-sonnet-4-6", "claude-haiku-4-5"]
)
async def test_every_kind_of_thinking_takes_a_request_for_no_answer(desk: Desk, model: str) -> None:
    session = await new_session(desk.manager, system_prompt=LONG * 2, model=model)
    warmed = await desk.warm(session)
    after = await ask(desk.manager, session, "now")

    assert warmed.state == "warmed"
    assert after.usage.cache_read_input_tokens == warmed.usage.cache_creation_input_tokens
