"""What happens later: rescues of what fails or takes too long, once each, and what comes round."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from cmt_lsp.core.money.keeper import Keeper


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    made = Keeper("test keeper")
    made.start()
    yield made
    made.stop(5)


class Calls:
    """Records calls and lets a test wait for them."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self._changed = threading.Condition()

    def __call__(self, value: object = None) -> None:
        with self._changed:
            self.seen.append(value)
            self._changed.notify_all()

    def wait_for(self, count: int) -> list[object]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.seen) >= count, 5)
            return list(self.seen)


def test_tasks_run_in_order_and_never_two_at_once(keeper: Keeper) -> None:
    calls, busy = Calls(), threading.Lock()

    def task(number: int) -> None:
        assert busy.acquire(blocking=False)
        calls(number)
        busy.release()

    for number in range(100):
        keeper.soon(lambda n=number: task(n))  # type: ignore[misc]
    assert calls.wait_for(100) == list(range(100))


def test_a_task_that_fails_stops_no_other(keeper: Keeper, caplog: pytest.LogCaptureFixture) -> None:
    calls = Calls()
    with caplog.at_level(logging.ERROR):
        keeper.soon(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
        keeper.soon(calls)
        calls.wait_for(1)
    assert [record.getMessage() for record in caplog.records] == ["A task of the ledger failed"]


def test_what_fails_is_rescued_at_once_and_once(keeper: Keeper) -> None:
    future: Future[int] = Future()
    calls, later = Calls(), Calls()
    keeper.watch(future, 0.05, calls)
    error = ValueError("no")
    future.set_exception(error)
    keeper.watch(future, 60, calls)
    assert calls.wait_for(2) == [error, error]

    keeper.watch(Future(), 0.2, later)  # due behind the first one's time
    later.wait_for(1)
    assert len(calls.seen) == 2


def test_what_is_late_is_rescued_once_even_if_it_fails_afterwards(keeper: Keeper) -> None:
    future: Future[int] = Future()
    calls, fence = Calls(), Calls()
    keeper.watch(future, 0.01, calls)
    assert calls.wait_for(1) == [None]
    future.set_exception(ValueError("no"))
    keeper.soon(fence)
    fence.wait_for(1)
    assert calls.seen == [None]


def test_what_succeeds_in_time_needs_no_rescue(keeper: Keeper) -> None:
    future: Future[int] = Future()
    calls, later = Calls(), Calls()
    keeper.watch(future, 0.05, calls)
    future.set_result(1)
    keeper.watch(Future(), 0.1, later)
    later.wait_for(1)
    assert calls.seen == []


def test_what_comes_round_comes_again_and_again(keeper: Keeper) -> None:
    calls = Calls()
    keeper.every(0.01, calls)
    assert len(calls.wait_for(5)) >= 5


def test_an_earlier_task_does_not_wait_for_a_later_one(keeper: Keeper) -> None:
    calls = Calls()
    keeper.watch(Future(), 60, lambda _: calls("late"))
    keeper.soon(lambda: calls("soon"))
    assert calls.wait_for(1) == ["soon"]


def test_stopping_runs_what_waits_at_once_but_not_what_comes_round() -> None:
    keeper = Keeper("test keeper")
    keeper.start()
    calls = Calls()
    keeper.every(60, lambda: calls("round"))
    keeper.watch(Future(), 60, lambda _: calls("rescued"))

    assert keeper.stop(5)

    assert calls.seen == ["rescued"]


def test_a_stopped_keeper_runs_what_it_is_given_at_once() -> None:
    for begun in (True, False):
        keeper = Keeper("test keeper")
        if begun:
            keeper.start()
        assert keeper.stop(5)
        keeper.start()
        calls = Calls()
        keeper.soon(lambda c=calls: c(threading.current_thread().name))  # type: ignore[misc]
        assert calls.seen == [threading.current_thread().name]


def test_a_task_that_hangs_makes_stopping_give_up_in_time() -> None:
    keeper = Keeper("test keeper")
    keeper.start()
    gate, begun = threading.Event(), threading.Event()
    keeper.soon(lambda: (begun.set(), gate.wait(20)))  # type: ignore[arg-type, return-value]
    begun.wait(5)
    started = time.monotonic()

    assert not keeper.stop(0.1)

    assert time.monotonic() - started < 2
    gate.set()
