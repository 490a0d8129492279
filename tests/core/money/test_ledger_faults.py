"""A ledger that is locked, full, read-only, damaged or hanging: no answer is lost for it, and no budget is passed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from live_ledger import (
    NEW_SQLITE,
    NOW,
    OLD_SQLITE,
    USD,
    claim,
    dead_holder,
    ended,
    free,
    lock_held,
    one_turn,
    origin,
    peek,
    settle,
    states,
    wrong_sums,
)

from cmt_lsp.api.errors import LedgerUnavailableError, StoreUnavailableError
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.budget import Limit
from cmt_lsp.core.money.ledger import Ledger

DAY_LIMIT = Limit("day", USD, source="settings")
both_journals = pytest.mark.parametrize("version", [OLD_SQLITE, NEW_SQLITE], ids=["rollback", "wal"])


def open_ledger(
    tmp_path: Path,
    patience: float = 0.2,
    version: tuple[int, int, int] = OLD_SQLITE,
    lock_seconds: float = 0.5,
) -> Ledger:
    ledger = Ledger(
        tmp_path / "state",
        "w1",
        clock=lambda: NOW,
        spool_dir=tmp_path / "spool",
        patience=patience,
        sqlite_version=version,
    )
    ledger._books.lock_seconds = lock_seconds
    return ledger


def spooled(tmp_path: Path) -> list[str]:
    return [path.suffix for path in (tmp_path / "spool").glob("*")]


# Held by a process that was stopped


@both_journals
async def test_a_stopped_process_that_holds_the_lock_stops_no_turn(
    tmp_path: Path, version: tuple[int, int, int]
) -> None:
    ledger = open_ledger(tmp_path, version=version)
    await one_turn(ledger, "before")
    with lock_held(tmp_path / "state" / "ledger.sqlite3") as holder:
        os.kill(holder.pid, signal.SIGSTOP)
        began = time.monotonic()
        (granted,) = await ledger.reserve([claim("a1")])
        reserved_after = time.monotonic() - began
        ledger.streaming("a1", Usage(90, 0, 0, 10, 1), Cost(7, 0, "row", estimated=False))
        settled = await settle(ledger, ended("a1", 4_000_000))
        both_after = time.monotonic() - began

        assert granted.max_tokens == 1000
        assert "is kept in" in granted.notices[0]
        assert not settled.recorded
        assert reserved_after < 1.0
        assert both_after < 2.0
        assert spooled(tmp_path) == [".jsonl"]
        os.kill(holder.pid, signal.SIGCONT)
        free(holder)

    await one_turn(ledger, "after")
    await asyncio.wrap_future(ledger.sweep())

    assert states(tmp_path / "state") == {"before": "done", "a1": "done", "after": "done"}
    totals = await ledger.totals(origin())
    assert (totals.turn.requests, totals.turn.cost.nano_usd) == (3, 8_000_000)
    assert "What had to wait for the ledger is booked." in ledger.take_notices()
    assert spooled(tmp_path) == []
    assert ledger.close()


async def test_with_a_budget_a_held_lock_stops_the_turn_after_five_seconds_and_many_wait_no_longer(
    tmp_path: Path,
) -> None:
    """The wait counts from when a job was handed in, so that those in the queue do not wait one after the other."""
    ledger = Ledger(tmp_path / "state", "w1", clock=lambda: NOW, spool_dir=tmp_path / "spool")
    await ledger.set_limit("day", USD, None)
    with lock_held(tmp_path / "state" / "ledger.sqlite3") as holder:
        os.kill(holder.pid, signal.SIGSTOP)
        began = time.monotonic()
        turns = [ledger.reserve([claim(f"a{number}")]) for number in range(20)]
        found = await asyncio.gather(*turns, return_exceptions=True)
        took = time.monotonic() - began
        os.kill(holder.pid, signal.SIGCONT)
        free(holder)

    assert {type(one) for one in found} == {LedgerUnavailableError}
    assert str(found[0]).startswith(
        "Nothing was sent: a budget is in force and cannot be checked, since the ledger"
    )
    assert "another process holds it" in str(found[0])
    assert 4.9 < took < 8.0
    (granted,) = await ledger.reserve([claim("after")])
    assert granted.notices == ()
    (budget,) = await ledger.budgets(origin())
    assert (budget.spent_nano, budget.held_nano) == (0, granted.hold_nano), "what landed late is held no more"
    assert ledger.close()


async def test_a_ledger_that_is_held_from_the_start_is_waited_for_once(tmp_path: Path) -> None:
    """The look at what dead processes left and the reservation share one patience."""
    first = open_ledger(tmp_path)
    await one_turn(first, "before")
    assert first.close()
    with lock_held(tmp_path / "state" / "ledger.sqlite3"):
        second = open_ledger(tmp_path, patience=1.0, lock_seconds=3.0)
        began = time.monotonic()
        await second.reserve([claim("a1")])
        took = time.monotonic() - began
    await settle(second, ended("a1"))
    assert 0.9 < took < 1.7
    assert await asyncio.to_thread(second.close)


async def test_a_notice_of_what_nobody_waits_for_is_given_once(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, patience=0.05, lock_seconds=0.1)
    await ledger.reserve([claim("a1")])
    with lock_held(tmp_path / "state" / "ledger.sqlite3"):
        for _ in range(3):
            ledger.streaming("a1", Usage(90), Cost(7, 0, "row", estimated=False))
        await settle(ledger, ended("a1"))
        told = ledger.take_notices()
    assert len(told) == len(set(told))
    assert 1 <= len(told) <= 2, "late, and then refused"
    await asyncio.wrap_future(ledger.sweep())
    assert ledger.close()


async def test_closing_books_what_still_waits(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    await ledger.reserve([claim("a1")])
    with lock_held(tmp_path / "state" / "ledger.sqlite3"):
        assert not (await settle(ledger, ended("a1"))).recorded
        await asyncio.wrap_future(ledger.read(lambda _: None))
    assert spooled(tmp_path) == [".jsonl"]

    assert await asyncio.to_thread(ledger.close)

    assert states(tmp_path / "state") == {"a1": "done"}
    assert spooled(tmp_path) == []


async def test_what_was_heard_while_the_ledger_was_held_is_known_after_the_process_died(
    tmp_path: Path,
) -> None:
    first = Ledger(
        tmp_path / "state",
        "w1",
        clock=lambda: NOW,
        spool_dir=tmp_path / "spool",
        patience=0.05,
        holder=dead_holder(),
    )
    first._books.lock_seconds = 0.1
    await asyncio.wrap_future(first.sweep())
    with lock_held(tmp_path / "state" / "ledger.sqlite3"):
        await first.reserve([claim("a1")])
        first.streaming("a1", Usage(90, 0, 0, 10, 1), Cost(1000, 0, "row", estimated=False))
        await asyncio.to_thread(first.close)
    second = open_ledger(tmp_path, patience=5.0)

    await asyncio.wrap_future(second.sweep())

    with peek(tmp_path / "state") as connection:
        row = connection.execute(
            "SELECT state, input_tokens, cache_read_input_tokens FROM attempts"
        ).fetchone()
    assert tuple(row) == ("orphan", 90, 10)
    assert second.close()


async def test_an_allowed_turn_passes_a_budget_that_cannot_be_checked(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    await ledger.set_limit("day", USD, None)
    with lock_held(tmp_path / "state" / "ledger.sqlite3"):
        (granted,) = await ledger.reserve([claim("a1", override="must")])
        assert not (await settle(ledger, ended("a1"))).recorded
    await asyncio.wrap_future(ledger.sweep())

    assert granted.notices
    assert states(tmp_path / "state") == {"a1": "done"}
    assert ledger.close()


# A disk that hangs: the ledger's thread does not come back


async def test_a_disk_that_hangs_stops_no_turn_and_loses_no_record(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    await one_turn(ledger, "before")
    gate = threading.Event()
    ledger.read(lambda _: gate.wait(20))

    (granted,) = await ledger.reserve([claim("a1")])
    settled = await settle(ledger, ended("a1"))

    assert granted.notices[0].startswith("The ledger does not answer in time.")
    assert not settled.recorded
    gate.set()
    await asyncio.wrap_future(ledger.sweep())
    assert states(tmp_path / "state") == {"before": "done", "a1": "done"}
    totals = await ledger.totals(origin())
    assert totals.turn.requests == 2
    assert ledger._books.running == {}
    assert ledger.close()


async def test_with_a_budget_a_disk_that_hangs_stops_the_turn_and_nothing_stays_held(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.use_limits([DAY_LIMIT])
    await one_turn(ledger, "before")
    gate = threading.Event()
    ledger.read(lambda _: gate.wait(20))

    with pytest.raises(LedgerUnavailableError, match="does not answer"):
        await ledger.reserve([claim("a1")])

    gate.set()
    await asyncio.wrap_future(ledger.read(lambda _: None))
    await asyncio.wrap_future(ledger.sweep())
    assert states(tmp_path / "state") == {"before": "done", "a1": "cancelled"}
    (budget,) = await ledger.budgets(origin())
    assert (budget.spent_nano, budget.held_nano) == (2_000_000, 0)
    assert ledger.close()


async def test_a_cancelled_wait_for_a_disk_that_hangs_leaves_nothing_held(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    await one_turn(ledger, "before")
    gate = threading.Event()
    ledger.read(lambda _: gate.wait(20))
    turn = asyncio.create_task(ledger.reserve([claim("a1")]))
    await asyncio.sleep(0)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    gate.set()
    await asyncio.wrap_future(ledger.read(lambda _: None))
    await asyncio.wrap_future(ledger.sweep())

    assert states(tmp_path / "state") == {"before": "done", "a1": "cancelled"}
    assert ledger.close()


async def test_closing_while_the_disk_hangs_spools_what_is_under_way(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, patience=20)
    await ledger.reserve([claim("a1")])
    gate = threading.Event()
    ledger.read(lambda _: gate.wait(20))
    settled = ledger.settle([ended("a1")])

    assert not await asyncio.to_thread(ledger.close, 0.5)

    assert not settled.result(1).recorded
    assert spooled(tmp_path) == [".jsonl"]
    gate.set()


# No room, no right, no folder

FILL = """
import asyncio, json, os, resource, sys
from pathlib import Path
from live_ledger import NOW, claim, ended, origin, peek, settle, wrong_sums
from cmt_lsp.api.errors import CmtError
from cmt_lsp.core.money.ledger import Ledger

async def main():
    folder, spool, quota, budget = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "budget"
    ballast = folder / "ballast"
    if not quota:
        ballast.write_bytes(bytes(150_000))
    ledger = Ledger(folder / "state", "w1", clock=lambda: NOW, spool_dir=spool, patience=5.0)
    if budget:
        await ledger.set_limit("day", 10**15, None)
    out = {"recorded": 0, "spooled": 0, "refused": 0, "unchecked": 0, "said": ""}
    resource.setrlimit(resource.RLIMIT_FSIZE, (quota or resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for number in range(400):
        if (out["refused"] if budget else out["spooled"]) >= 5:
            break
        try:
            (granted,) = await ledger.reserve([claim(f"a{number}", model=f"a model with a long name {number}" * 20)])
            out["unchecked"] += len(granted.notices)
        except CmtError as error:
            out["refused"] += 1
            out["said"] = str(error)
            continue
        settled = await settle(ledger, ended(f"a{number}"))
        out["recorded" if settled.recorded else "spooled"] += 1
        out["said"] = " ".join(settled.notices) or out["said"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    ballast.unlink(missing_ok=True)
    await asyncio.wrap_future(ledger.sweep())
    out["requests"] = (await ledger.totals(origin())).turn.requests
    out["notices"] = ledger.take_notices()
    ledger.close()
    with peek(folder / "state") as connection:
        out["wrong"] = wrong_sums(connection)
        out["integrity"] = connection.execute("PRAGMA integrity_check").fetchone()[0]
        out["states"] = sorted({row[0] for row in connection.execute("SELECT state FROM attempts")})
    out["left"] = sum(1 for _ in spool.glob("*"))
    print(json.dumps(out), flush=True)

asyncio.run(main())
"""


def run_child(script: str, *arguments: object, wrap: tuple[str, ...] = ()) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), *sys.path))}
    found = subprocess.run(
        [*wrap, sys.executable, "-c", script, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert found.returncode == 0, found.stderr
    told: dict[str, Any] = json.loads(found.stdout)
    return told


@contextmanager
def small_disk(folder: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """A disk of 400 KB at the folder, for a program run by this command, in a mount namespace of its own.

    Where the system allows nobody to mount, no file may grow beyond 300,000 bytes instead.
    """
    folder.mkdir()
    rights = ("--map-root-user",) if os.geteuid() else ()
    mount = 'mount -t tmpfs -o size=400k,mode=700 tmpfs "$0" && exec "$@"'
    wrap = ("unshare", "--mount", *rights, "sh", "-c", mount, str(folder))
    allowed = shutil.which("unshare") and subprocess.run([*wrap, "true"], capture_output=True).returncode == 0
    yield (0, wrap) if allowed else (300_000, ())


@contextmanager
def quota(folder: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The system refuses to let any file grow beyond 300,000 bytes."""
    folder.mkdir()
    yield 300_000, ()


Disk: TypeAlias = Callable[[Path], AbstractContextManager[tuple[int, tuple[str, ...]]]]


@pytest.mark.parametrize("disk", [small_disk, quota])
def test_a_full_disk_costs_no_turn_and_no_record(tmp_path: Path, disk: Disk) -> None:
    with disk(tmp_path / "disk") as (limit, wrap):
        told = run_child(FILL, tmp_path / "disk", tmp_path / "spool", limit, "none", wrap=wrap)

    assert told["spooled"] == 5
    assert told["recorded"] > 5
    assert "is kept in" in told["said"]
    assert told["requests"] == told["recorded"] + told["spooled"], "all is booked once there is room"
    assert (told["wrong"], told["integrity"], told["states"], told["left"]) == (0, "ok", ["done"], 0)
    assert "What had to wait for the ledger is booked." in told["notices"]


@pytest.mark.parametrize("disk", [small_disk, quota])
def test_with_a_budget_a_full_disk_lets_no_turn_pass_unchecked(tmp_path: Path, disk: Disk) -> None:
    """A reservation is smaller than an end: some are still booked, whose end then waits while their hold counts."""
    with disk(tmp_path / "disk") as (limit, wrap):
        told = run_child(FILL, tmp_path / "disk", tmp_path / "spool", limit, "budget", wrap=wrap)

    assert (told["refused"], told["unchecked"]) == (5, 0)
    assert told["said"].startswith(
        "Nothing was sent: a budget is in force and cannot be checked, since the ledger"
    )
    assert told["requests"] == told["recorded"] + told["spooled"]
    assert (told["wrong"], told["integrity"], told["states"], told["left"]) == (0, "ok", ["done"], 0)


READ_ONLY = """
import asyncio, json, sys
from pathlib import Path
from live_ledger import NOW, claim, ended, settle
from cmt_lsp.core.money.budget import Limit
from cmt_lsp.core.money.ledger import Ledger

async def main():
    folder = Path(sys.argv[1])
    ledger = Ledger(folder / "state", "w1", clock=lambda: NOW, spool_dir=folder / "spool", patience=5.0)
    (granted,) = await ledger.reserve([claim("a1")])
    settled = await settle(ledger, ended("a1"))
    ledger.use_limits([Limit("day", 10**12, source="settings")])
    try:
        await ledger.reserve([claim("a2")])
        refused = ""
    except Exception as error:
        refused = f"{type(error).__name__}: {error}"
    ledger.close()
    print(json.dumps([granted.notices, settled.recorded, refused]))

asyncio.run(main())
"""


async def test_a_read_only_folder_costs_no_turn_and_no_record(tmp_path: Path) -> None:
    before = open_ledger(tmp_path)
    await one_turn(before, "before")
    assert before.close()
    files = [tmp_path / "state", *(tmp_path / "state").rglob("*")]
    for path in files:
        path.chmod(0o500 if path.is_dir() else 0o400)
    powerless = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()

    notices, recorded, refused = run_child(READ_ONLY, tmp_path, wrap=powerless)

    assert "read-only" in notices[0] or "permission" in notices[0].lower()
    assert not recorded
    assert refused.startswith("LedgerUnavailableError: Nothing was sent")
    for path in files:
        path.chmod(0o700 if path.is_dir() else 0o600)
    after = open_ledger(tmp_path)
    await asyncio.wrap_future(after.sweep())
    assert states(tmp_path / "state") == {"before": "done", "a1": "done"}
    assert after.close()


async def test_where_even_the_spool_fails_memory_keeps_it_and_the_person_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    (tmp_path / "spool").write_text("in the way")
    ledger = open_ledger(tmp_path)

    (granted,) = await ledger.reserve([claim("a1")])
    settled = await settle(ledger, ended("a1"))

    assert "in memory only: leave this window open" in granted.notices[0]
    assert not settled.recorded
    assert "in memory only: leave this window open" in settled.notices[0]
    (tmp_path / "state").unlink()
    await one_turn(ledger, "a2")
    await asyncio.wrap_future(ledger.sweep())
    assert states(tmp_path / "state") == {"a1": "done", "a2": "done"}
    assert ledger.close()


# A file that is not what it was


async def test_a_ledger_of_a_newer_version_is_read_and_never_written(tmp_path: Path) -> None:
    first = open_ledger(tmp_path)
    await first.set_limit("day", USD, None)
    await one_turn(first, "a1")
    assert first.close()
    with peek(tmp_path / "state") as connection:
        connection.execute("PRAGMA user_version = 99")
    content = (tmp_path / "state" / "ledger.sqlite3").read_bytes()
    second = open_ledger(tmp_path)

    assert (await second.totals(origin())).turn.requests == 1
    with pytest.raises(LedgerUnavailableError, match="newer cmt-lsp"):
        await second.reserve([claim("a2")])
    (granted,) = await second.reserve([claim("a3", override="yes")])
    assert not (await settle(second, ended("a3"))).recorded
    with pytest.raises(StoreUnavailableError):
        await second.set_limit("day", None, None)

    assert second.close()
    assert "newer cmt-lsp" in granted.notices[0]
    assert (tmp_path / "state" / "ledger.sqlite3").read_bytes() == content
    assert spooled(tmp_path) == [".jsonl"]


def rewrite(change: str) -> Callable[[Path], None]:
    def spoil(ledger_file: Path) -> None:
        with closing(sqlite3.connect(ledger_file, isolation_level=None)) as connection:
            connection.execute(change)

    return spoil


def replace_bytes(old: bytes, new: bytes) -> Callable[[Path], None]:
    assert len(old) == len(new)

    def spoil(ledger_file: Path) -> None:
        content = ledger_file.read_bytes()
        assert old in content
        ledger_file.write_bytes(content.replace(old, new))

    return spoil


SPOILT = {
    "a column": replace_bytes(
        b"output_tokens INTEGER NOT NULL, thin", b"out\xff\xfet_tokens INTEGER NOT NULL, thin"
    ),
    "a table": replace_bytes(b"CREATE TABLE limits", b"CREATE TABLE l\x8dmits"),
    "a trigger": replace_bytes(b"AFTER UPDATE ON attempts", b"AFTER UPDATE ON attompts"),
    "an index": replace_bytes(b"attempts (turn_id)", b"attempts (turm_id)"),
    "no trigger": rewrite("DROP TRIGGER attempt_added"),
    "version 0": rewrite("PRAGMA user_version = 0"),
    "a version from nowhere": rewrite("PRAGMA user_version = -7"),
    "a version of the far future": rewrite("PRAGMA user_version = 123456789"),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
async def test_a_definition_that_was_changed_costs_no_row(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    """SQLite reads such a file without a word, and fails at the first row that it writes."""
    first = open_ledger(tmp_path)
    await first.set_limit("day", 10 * USD, None)
    for number in range(5):
        await one_turn(first, f"a{number}")
    assert first.close()
    spoil(tmp_path / "state" / "ledger.sqlite3")
    second = open_ledger(tmp_path, patience=20.0)

    await one_turn(second, "new")

    assert (await second.totals(origin())).turn.requests == 6
    assert [budget.limit_nano for budget in await second.budgets(origin())] == [10 * USD]
    assert any("5 attempts" in notice for notice in second.take_notices())
    assert second.close()


@pytest.mark.parametrize(
    "content", [b"", b"not a database at all " * 100, b"SQLite format 3\0" + b"\0" * 5000]
)
async def test_a_file_that_is_no_ledger_is_kept_and_the_limits_stay(tmp_path: Path, content: bytes) -> None:
    first = open_ledger(tmp_path)
    await first.set_limit("day", USD, None)
    assert first.close()
    (tmp_path / "state" / "ledger.sqlite3").write_bytes(content)
    second = open_ledger(tmp_path, patience=5.0)

    await one_turn(second, "a1")

    kept = [path for path in (tmp_path / "state").iterdir() if re.search(r"damaged-\w+-\w+$", path.name)]
    assert [path.read_bytes() for path in kept] == [content]
    assert [budget.limit_nano for budget in await second.budgets(origin())] == [USD]
    notices = " ".join(second.take_notices())
    assert "The ledger was " in notices
    assert "kept as" in notices
    assert "in force again" in notices
    assert second.close()


async def test_rows_that_only_the_wal_holds_are_salvaged_too(tmp_path: Path) -> None:
    """The main file is damaged before the newest rows were copied into it."""
    first = open_ledger(tmp_path, version=NEW_SQLITE, patience=5.0)
    for number in range(20):
        await one_turn(first, f"a{number}")
    shutil.copytree(tmp_path / "state", tmp_path / "other")
    assert first.close()
    ledger_file = tmp_path / "other" / "ledger.sqlite3"
    assert ledger_file.with_name("ledger.sqlite3-wal").stat().st_size > 100_000
    with closing(sqlite3.connect(f"file:{ledger_file}?immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT count(*) FROM attempts").fetchone()[0] < 20
    ledger_file.write_bytes(ledger_file.read_bytes()[:-4096])
    found = {path.name: path.read_bytes() for path in ledger_file.parent.glob("ledger.sqlite3*")}

    second = Ledger(tmp_path / "other", "w2", clock=lambda: NOW, spool_dir=tmp_path / "none", patience=20.0)
    totals = await second.totals(origin())

    assert totals.turn.requests == 20
    for side in ("", "-wal"):
        (kept,) = ledger_file.parent.glob(f"ledger.sqlite3.damaged-*-????{side}")
        assert kept.read_bytes() == found[f"ledger.sqlite3{side}"], "the original is not even touched"
    assert not list(ledger_file.parent.glob("*.copy-*"))
    assert second.close()


async def test_what_was_lost_is_counted(tmp_path: Path) -> None:
    first = open_ledger(tmp_path, patience=20.0)
    await first.reserve([claim(f"a{number}") for number in range(600)])
    await settle(first, *(ended(f"a{number}") for number in range(600)))
    assert first.close()
    ledger_file = tmp_path / "state" / "ledger.sqlite3"
    content = ledger_file.read_bytes()
    ledger_file.write_bytes(content[: len(content) * 3 // 4])
    second = open_ledger(tmp_path, patience=20.0)

    requests = (await second.totals(origin())).turn.requests

    assert 300 < requests < 600
    told = f"Recovered from the damaged ledger: {requests} attempts ({600 - requests} lost), 0 limits, 0 warnings;"
    assert any(notice.startswith(told) for notice in second.take_notices())
    assert second.close()


def disorder(content: bytes) -> bytes:
    """Wipe the rows of one page of attempts, so that all are numbered 0, and spoil the next page.

    Whoever goes on behind the last number that he saw starts over for ever.
    """
    pages = bytearray(content)
    leaves = [
        start
        for start in range(4096, len(pages), 4096)
        if pages[start] == 13 and b"/home/me/a" in pages[start : start + 4096]
    ]
    pages[leaves[1] + 100 : leaves[1] + 4096] = bytes(3996)
    pages[leaves[2] : leaves[2] + 8] = b"\xaa" * 8
    return bytes(pages)


async def test_numbers_out_of_order_do_not_keep_the_salvage_going_for_ever(tmp_path: Path) -> None:
    first = open_ledger(tmp_path, patience=20.0)
    await first.reserve([claim(f"a{number}") for number in range(100)])
    await settle(first, *(ended(f"a{number}") for number in range(100)))
    assert first.close()
    ledger_file = tmp_path / "state" / "ledger.sqlite3"
    content = ledger_file.read_bytes()
    ledger_file.write_bytes(disorder(content))
    second = open_ledger(tmp_path, patience=20.0)

    requests = (await second.totals(origin())).turn.requests

    assert 40 < requests < 90
    assert second.close()


async def test_sums_that_contradict_the_rows_are_made_anew(tmp_path: Path) -> None:
    """Damage inside a page that no check of pages shows."""
    first = open_ledger(tmp_path)
    await one_turn(first, "a1", 3_000_000)
    assert first.close()
    with peek(tmp_path / "state") as connection:
        connection.execute("UPDATE day_sums SET nano_usd = nano_usd + 1")
    second = open_ledger(tmp_path, patience=5.0)

    assert (await second.totals(origin())).today.cost.nano_usd == 3_000_000

    with peek(tmp_path / "state") as connection:
        assert wrong_sums(connection) == 0
    assert "Recovered from the damaged ledger: 1 attempts" in " ".join(second.take_notices())
    assert second.close()


async def test_a_row_that_says_the_impossible_is_mended_and_the_original_kept(tmp_path: Path) -> None:
    first = open_ledger(tmp_path)
    for name in ("a1", "a2", "a3"):
        await one_turn(first, name, 3_000_000)
    assert first.close()
    with peek(tmp_path / "state") as connection:
        connection.execute(
            "UPDATE attempts SET nano_usd = 9000000000000000000, input_tokens = -4 WHERE id = 'a1'"
        )
        connection.execute("UPDATE attempts SET nano_usd = 'so much', hold_nano = x'ff' WHERE id = 'a2'")
    second = open_ledger(tmp_path, patience=5.0)

    totals = await second.totals(origin())

    assert (totals.turn.requests, totals.turn.cost.nano_usd) == (3, 3_000_000)
    assert (totals.turn.cost.unpriced, totals.turn.estimated) == (2, 2)
    assert any("kept as" in notice for notice in second.take_notices())
    assert second.close()
