"""The second place: what it holds is durable, private, booked exactly once, and never lost with its process."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from attempt_rows import ledger_file
from hypothesis import given
from hypothesis import strategies as st
from live_ledger import NOW, claim, ended, origin, peek, states, wrong_sums

from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money import booking
from cmt_lsp.core.money.attempt import Expected, Granted
from cmt_lsp.core.money.entry import Closing, Entry, Hearing, Opening, closing_of, moment_of, opening_of
from cmt_lsp.core.money.holder import Holder, this_holder, this_machine
from cmt_lsp.core.money.ledger import Ledger
from cmt_lsp.core.money.spool import Spool, spool_folders

MOMENT = moment_of(NOW, None)
DEAD = Holder(this_machine(), 2**22 - 1, 1.0)
ELSEWHERE = Holder("another machine", 1, 1.0)


def opening(name: str, **more: object) -> Opening:
    expected = Expected(100, False, 300, 900, "a first guess", 3.5)
    made = opening_of(claim(name), Granted(name, 1000, 11_000_000, expected), MOMENT, "w1", this_holder())
    return replace(made, **more)  # type: ignore[arg-type]


def all_of(name: str, nano: int = 2_000_000) -> tuple[Opening, Hearing, Closing]:
    """The whole life of an attempt."""
    first = opening(name, workspace="/home/zoë/a b\n")
    heard = Hearing(name, Usage(90, 1, 2, 3, 1), Cost(5, -6, "row", estimated=True), first)
    return first, heard, closing_of(ended(name, nano), first)


def spool_in(folder: Path, *more: Path, holder: Holder | None = None, ledger: str = "ledger") -> Spool:
    return Spool((folder, *more), Path("/somewhere") / ledger, holder or this_holder())


def test_entries_come_back_as_they_were(tmp_path: Path) -> None:
    entries = [*all_of("a1"), opening("a2", override="because", hold_nano=2**53 + 1, started_at=0.1 + 0.2)]
    entries.append(closing_of(ended("a3", None), None))
    assert spool_in(tmp_path / "spool", holder=DEAD).append(entries) is not None

    heir = spool_in(tmp_path / "spool")
    heir.adopt()

    batch = heir.take()
    assert list(batch.entries) == entries
    assert batch.damaged == ()


def test_entries_in_any_order_and_any_number_leave_the_same_rows(tmp_path: Path) -> None:
    entries: list[Entry] = [*all_of("a1"), *all_of("a2", 3_000_000)]
    with ledger_file(tmp_path) as connection:

        def rows_of(applied: list[Entry]) -> list[tuple[object, ...]]:
            connection.execute("BEGIN")
            booking.apply(connection, applied, MOMENT)
            assert wrong_sums(connection) == 0
            rows = [row[1:] for row in connection.execute("SELECT * FROM attempts ORDER BY id")]
            connection.execute("ROLLBACK")
            return rows

        plain = rows_of(entries)

        @given(st.permutations(entries), st.lists(st.sampled_from(entries), max_size=6))
        def any_order(shuffled: list[Entry], again: list[Entry]) -> None:
            assert rows_of(shuffled + again) == plain

        any_order()
        assert len(plain) == 2


def test_what_was_not_written_whole_was_never_promised(tmp_path: Path) -> None:
    path = spool_in(tmp_path / "spool", holder=DEAD).append(all_of("a1"))
    assert path is not None
    content = path.read_bytes()
    path.unlink()
    last_line = len(content) - content.rindex(b"\n", 0, -1) - 1
    for cut, left in ((0, 3), (1, 2), (40, 2), (last_line, 2), (last_line + 1, 1), (len(content), 0)):
        path.write_bytes(content[: len(content) - cut])
        heir = spool_in(tmp_path / "spool")
        heir.adopt()

        batch = heir.take()

        assert len(batch.entries) == left
        assert batch.damaged == ()
        assert heir.discard(batch) == []


def test_a_line_that_was_changed_is_not_believed_and_the_file_is_kept(tmp_path: Path) -> None:
    rng = random.Random(7)
    first = spool_in(tmp_path / "spool", holder=DEAD)
    for number in range(20):
        path = first.append(all_of(f"a{number}"))
    assert path is not None
    content = bytearray(path.read_bytes())
    lines = content.count(b"\n")
    at = rng.randrange(len(content) // 2)
    content[at] ^= 0x10
    path.write_bytes(content)

    heir = spool_in(tmp_path / "spool")
    heir.adopt()
    batch = heir.take()
    kept = heir.discard(batch)

    assert len(batch.entries) in (lines - 1, lines - 2)
    assert [one.suffix for one in kept] == [".damaged"]
    assert kept[0].read_bytes() == bytes(content)
    heir.adopt()
    assert not heir.waiting


def test_only_files_of_the_dead_and_of_the_same_ledger_are_taken_over(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    with subprocess.Popen(["sleep", "60"]) as living:
        from cmt_lsp.core.storage.process_start import process_start

        holders = {
            "living": Holder(this_machine(), living.pid, process_start(living.pid) or 0.0),
            "dead": DEAD,
            "reborn": Holder(this_machine(), living.pid, 1.0),
            "elsewhere": ELSEWHERE,
        }
        for name, holder in holders.items():
            assert spool_in(folder, holder=holder).append([opening(name)])
        assert spool_in(folder, holder=DEAD, ledger="other").append([opening("other")])
        (folder / "spool_of_nobody.jsonl").write_text("what is this")

        heir = spool_in(folder)
        heir.adopt()
        assert {entry.id for entry in heir.take().entries} == {"dead", "reborn"}

        for path in folder.iterdir():
            os.utime(path, (1, 1))
        late = spool_in(folder)
        late.adopt()
        assert {entry.id for entry in late.take().entries} == {"elsewhere"}, "its lease is over"
        living.kill()


def test_who_cannot_be_looked_at_shows_that_he_lives_by_touching_his_file(tmp_path: Path) -> None:
    owner = spool_in(tmp_path / "spool", holder=ELSEWHERE)
    path = owner.append([opening("a1")])
    assert path is not None
    os.utime(path, (1, 1))
    owner.touch()

    heir = spool_in(tmp_path / "spool")
    heir.adopt()

    assert not heir.waiting


def test_two_heirs_never_share_a_file(tmp_path: Path) -> None:
    for number in range(40):
        assert spool_in(tmp_path / "spool", holder=replace(DEAD, started=1.0 + number)).append(
            [opening(f"a{number}")]
        )
    heirs = [spool_in(tmp_path / "spool") for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(Spool.adopt, heirs))

    found = [entry.id for heir in heirs for entry in heir.take().entries]

    assert sorted(found) == sorted(f"a{number}" for number in range(40))


def plant_link(folder: Path) -> None:
    folder.with_name("victim").mkdir()
    folder.symlink_to(folder.with_name("victim"))


def plant_file(folder: Path) -> None:
    folder.write_text("in the way")


@pytest.mark.parametrize("plant", [plant_link, plant_file])
def test_a_folder_that_is_not_ours_alone_is_passed_over(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    plant(tmp_path / "first")
    spool = spool_in(tmp_path / "first", tmp_path / "second")

    path = spool.append([opening("a1")])

    assert path is not None
    assert path.parent == tmp_path / "second"
    assert not list(tmp_path.glob("victim/*"))


def test_a_planted_link_is_neither_written_nor_read(tmp_path: Path) -> None:
    owner = spool_in(tmp_path / "spool", holder=DEAD)
    path = owner.append([opening("a1")])
    assert path is not None
    path.rename(tmp_path / "stolen")
    path.symlink_to(tmp_path / "stolen")
    content = (tmp_path / "stolen").read_bytes()

    again = owner.append([opening("a2")])
    heir = spool_in(tmp_path / "spool")
    heir.adopt()

    assert again != path
    assert (tmp_path / "stolen").read_bytes() == content
    assert {entry.id for entry in heir.take().entries} == {"a2"}


@pytest.mark.parametrize("mask", [0, 0o022])
def test_folder_and_file_are_private_under_any_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        path = spool_in(tmp_path / "deep" / "spool").append([opening("a1")])
    finally:
        os.umask(before)

    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)} == {0o700}


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As on a full disk: the write that crosses the size fails, or is cut short."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_no_half_line_and_nothing_is_lost(tmp_path: Path) -> None:
    spool = spool_in(tmp_path / "spool", holder=DEAD)
    kept = [opening(f"a{number}") for number in range(12)]
    with no_file_larger_than(3000):
        paths = [spool.append([entry]) for entry in kept]
    with no_file_larger_than(100):
        assert spool.append([opening("memory only")]) is None

    assert None not in paths
    assert len(set(paths)) > 1, "a fresh file was begun where one was full"
    assert all(path.read_bytes().endswith(b"\n") for path in set(paths) if path)
    heir = spool_in(tmp_path / "spool")
    heir.adopt()
    assert {entry.id for entry in heir.take().entries} == {entry.id for entry in kept}
    assert [entry.id for entry in spool.take().entries][-1] == "memory only"


def test_a_file_that_somebody_cleaned_away_costs_its_owner_nothing(tmp_path: Path) -> None:
    spool = spool_in(tmp_path / "spool")
    first = spool.append([opening("a1")])
    assert first is not None
    first.unlink()
    second = spool.append([opening("a2")])

    assert second not in (None, first)
    assert [entry.id for entry in spool.take().entries] == ["a1", "a2"]


def test_what_the_ledger_refused_once_more_is_given_back(tmp_path: Path) -> None:
    spool = spool_in(tmp_path / "spool")
    spool.append([opening("a1")])
    spool.keep(spool.take())
    spool.append([opening("a2")])

    batch = spool.take()
    assert {entry.id for entry in batch.entries} == {"a1", "a2"}
    assert spool.discard(batch) == []
    assert list((tmp_path / "spool").iterdir()) == []
    assert not spool.waiting


def test_the_places_are_the_cache_and_then_the_temporary_folder() -> None:
    cache, temporary = spool_folders({"XDG_CACHE_HOME": "/home/me/.cache"})
    assert cache == Path("/home/me/.cache/cmt-lsp/spool")
    assert temporary.name == f"cmt-lsp-spool-{os.geteuid()}"
    assert spool_folders({"XDG_CACHE_HOME": "relative"})[0].is_absolute()


CHILD = """
import os, signal, sys
from pathlib import Path
from live_ledger import NOW, claim, ended
import asyncio
from cmt_lsp.core.money.ledger import Ledger

async def main():
    folder = Path(sys.argv[1])
    ledger = Ledger(folder / "state", "w1", clock=lambda: NOW, spool_dir=folder / "spool", patience=0.05)
    await ledger.reserve([claim("done"), claim("open", max_tokens=10)])
    await asyncio.wrap_future(ledger.settle([ended("done")]))
    print("ready", flush=True)
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.parametrize("end", ["kill", "exit"])
async def test_what_a_process_spooled_is_booked_by_the_next_one(tmp_path: Path, end: str) -> None:
    """Killed, or ended without closing the ledger; the folder of the ledger was unusable for all of its life."""
    (tmp_path / "state").write_text("in the way")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), *sys.path))}
    found = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), end],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert found.stdout == "ready\n", found.stderr
    (tmp_path / "state").unlink()
    ledger = Ledger(tmp_path / "state", "w2", clock=lambda: NOW, spool_dir=tmp_path / "spool", patience=5.0)

    totals = await ledger.totals(origin())
    await asyncio.wrap_future(ledger.sweep())
    totals = await ledger.totals(origin())

    assert states(tmp_path / "state") == {"done": "done", "open": "orphan"}
    assert totals.turn.requests == 2
    with peek(tmp_path / "state") as connection:
        assert wrong_sums(connection) == 0
        assert (
            connection.execute("SELECT nano_usd FROM attempts WHERE id = 'done'").fetchone()[0] == 2_000_000
        )
    assert list((tmp_path / "spool").iterdir()) == []
    assert "What had to wait for the ledger is booked." in ledger.take_notices()
    assert ledger.close()


async def test_an_entry_that_no_ledger_can_hold_blocks_no_other(tmp_path: Path) -> None:
    spool = Spool((tmp_path / "spool",), tmp_path / "state" / "ledger.sqlite3", DEAD)
    too_much = replace(all_of("a1")[2], usage=Usage(2**70))
    assert spool.append([too_much, *all_of("a2")])
    ledger = Ledger(tmp_path / "state", "w2", clock=lambda: NOW, spool_dir=tmp_path / "spool", patience=5.0)

    await asyncio.wrap_future(ledger.sweep())

    assert states(tmp_path / "state")["a2"] == "done"
    assert [path.suffix for path in (tmp_path / "spool").iterdir()] == [".damaged"]
    assert any("is kept as" in notice for notice in ledger.take_notices())
    assert ledger.close()


def test_no_text_of_a_person_can_get_into_a_line() -> None:
    """Every field is a number, an id, a name of ours, a workspace, or the reason a person gave for an override."""
    words = {"str", "str | None", "Kind", "FinalState", "Usage", "Cost", "Opening | None"}
    kinds = {
        field.type for kind in (Opening, Hearing, Closing) for field in kind.__dataclass_fields__.values()
    }
    assert {str(kind) for kind in kinds} - words <= {"int", "int | None", "float", "bool | None"}
    texts = {
        name for name, field in itertools.chain(*(k.__dataclass_fields__.items() for k in (Opening, Hearing, Closing)))
        if "str" in str(field.type)
    }  # fmt: skip
    assert texts == {
        "id", "session_id", "turn_id", "window_id", "workspace", "model", "day", "override", "machine",
    }  # fmt: skip
