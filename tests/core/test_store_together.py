"""Changes that wait for the disk share its next commit, and each still stands or falls by itself."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest

from cmt_lsp.api.errors import InternalError
from cmt_lsp.core.storage.store import Migration, Schema
from cmt_lsp.core.storage.store_thread import MOST_TOGETHER, Store

SCHEMA = Schema((Migration("numbers", ("CREATE TABLE numbers (n INTEGER PRIMARY KEY)",)),), ("numbers",))


@pytest.fixture
def store(state_dir: Path) -> Iterator[Store]:
    opened = Store(state_dir, "numbers.sqlite3", SCHEMA)
    yield opened
    opened.close()


@contextmanager
def busy(store: Store) -> Iterator[list[str]]:
    """Keep the store's thread busy, so that what is handed in meanwhile waits; yields what SQLite runs from then on."""
    free, statements = threading.Event(), list[str]()

    def hold(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)
        free.wait(10)

    store.submit(hold)
    try:
        yield statements
    finally:
        free.set()


def insert(n: int) -> Callable[[sqlite3.Connection], int]:
    def change(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO numbers VALUES (?)", (n,)).close()
        return n

    return change


def refuse(connection: sqlite3.Connection) -> None:
    insert(99)(connection)
    raise ZeroDivisionError


def numbers(connection: sqlite3.Connection) -> list[int]:
    return [n for (n,) in connection.execute("SELECT n FROM numbers ORDER BY n")]


def commits(statements: list[str]) -> int:
    return statements.count("COMMIT")


def test_changes_that_wait_share_a_commit_and_a_read_between_them_sees_those_before_it(store: Store) -> None:
    with busy(store) as statements:
        first = [store.write(insert(n)) for n in range(5)]
        seen = store.submit(numbers)
        second = [store.write(insert(n)) for n in range(5, 8)]

    assert [future.result(10) for future in first + second] == list(range(8))
    assert seen.result(10) == list(range(5))
    assert commits(statements) == 2


def test_no_more_changes_share_a_commit_than_the_first_of_them_can_wait_for(store: Store) -> None:
    with busy(store) as statements:
        landed = [store.write(insert(n)) for n in range(2 * MOST_TOGETHER + 1)]

    assert [future.result(10) for future in landed] == list(range(2 * MOST_TOGETHER + 1))
    assert commits(statements) == 3


def test_a_refused_change_is_undone_alone(store: Store) -> None:
    with busy(store) as statements:
        landed: list[Future[object]] = [store.write(one) for one in (insert(1), refuse, insert(2))]

    with pytest.raises(ZeroDivisionError):
        landed[1].result(10)
    assert (landed[0].result(10), landed[2].result(10)) == (1, 2)
    assert store.submit(numbers).result(10) == [1, 2]
    assert commits(statements) == 1


def test_where_one_change_breaks_a_rule_of_the_file_the_others_still_land(store: Store) -> None:
    with busy(store):
        landed = [store.write(insert(n)) for n in (1, 2, 1, 3)]

    with pytest.raises(InternalError):
        landed[2].result(10)
    assert [landed[place].result(10) for place in (0, 1, 3)] == [1, 2, 3]
    assert store.submit(numbers).result(10) == [1, 2, 3]


def test_a_cancelled_change_is_not_made(store: Store) -> None:
    with busy(store):
        landed = [store.write(insert(n)) for n in range(3)]
        assert landed[1].cancel()

    assert (landed[0].result(10), landed[2].result(10)) == (0, 2)
    assert store.submit(numbers).result(10) == [0, 2]


def test_closing_ends_behind_all_that_waits(store: Store) -> None:
    with busy(store):
        landed = [store.write(insert(n)) for n in range(3)]
        closing = threading.Thread(target=store.close)
        closing.start()

    closing.join(10)
    assert [future.result(0) for future in landed] == [0, 1, 2]
