"""The transcripts file: private, durable, mended when damaged, and never in the way of an answer."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from live_turns import ask, new_session

from cmt_lsp.api.cache.verdict import CacheVerdict
from cmt_lsp.api.errors import InternalError, StoreUnavailableError
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core import APISessionManager, transcripts
from cmt_lsp.core.records import SessionRecord, TurnRecord
from cmt_lsp.core.storage.store import choose_journal_mode
from cmt_lsp.core.storage.store_thread import Store
from cmt_lsp.core.turn import Timing
from cmt_lsp.simulator import Simulator

OLD_SQLITE, NEW_SQLITE = (3, 40, 1), (3, 51, 3)


def open_store(state_dir: Path, version: tuple[int, int, int] | None = None) -> Store:
    return Store(
        state_dir, transcripts.FILE_NAME, transcripts.SCHEMA, clock=lambda: 1.0e9, sqlite_version=version
    )


@pytest.fixture
def store(state_dir: Path) -> Iterator[Store]:
    opened = open_store(state_dir)
    yield opened
    opened.close()


def session(name: str = "s1") -> SessionRecord:
    return SessionRecord(name, f"Session {name}", True, "claude-sonnet-5-5", None, "/home/me", 1.0, 2.0)


def turn(seq: int, owner: str = "s1", text: str = "an answer") -> TurnRecord:
    return TurnRecord(
        id=f"{owner}-t{seq}",
        session_id=owner,
        seq=seq,
        model="claude-sonnet-5-5",
        stop_reason="end_turn",
        prompt=({"type": "text", "text": f"question {seq} é"},),
        answer=({"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {"type": "text", "text": text}),
        prompt_text=f"question {seq} é",
        text=text,
        in_history=True,
        prefix="0123",
        started_at=10.0 + seq,
        usage=Usage(1, 2, 3, 4, 5, 2, estimated=True),
        cost=Cost(12_345, -7, "row", estimated=False),
        cache=CacheVerdict("hit", 4, 5, 0.4, None, 99.5),
        timing=Timing(12, 34, 1),
        notices=("told",),
        message_id="msg",
        request_id="req",
    )


def add(store: Store, *turns: TurnRecord, owner: str = "s1") -> None:
    store.write(lambda c: transcripts.copy_session(c, session(owner), turns)).result(5)


def history(store: Store, owner: str = "s1") -> tuple[SessionRecord, tuple[TurnRecord, ...]]:
    return store.submit(lambda c: transcripts.read_history(c, owner)).result(10)


def test_what_is_written_is_read_back_equal(store: Store) -> None:
    unpriced = replace(turn(1), cost=Cost.none_known())
    add(store, turn(0), unpriced)

    assert history(store) == (session(), (turn(0), unpriced))


@pytest.mark.parametrize(
    ("version", "mode"),
    [
        ((3, 40, 1), "truncate"),
        ((3, 44, 5), "truncate"),
        ((3, 44, 6), "wal"),
        ((3, 45, 0), "truncate"),
        ((3, 50, 6), "truncate"),
        ((3, 50, 7), "wal"),
        ((3, 51, 2), "truncate"),
        ((3, 51, 3), "wal"),
        ((3, 60, 0), "wal"),
    ],
)
def test_the_journal_follows_the_version_of_sqlite(version: tuple[int, int, int], mode: str) -> None:
    assert choose_journal_mode(version) == mode


@pytest.mark.parametrize(("version", "mode"), [(OLD_SQLITE, "truncate"), (NEW_SQLITE, "wal")])
def test_commits_are_durable_and_deleted_text_is_gone_under_both_journals(
    state_dir: Path, version: tuple[int, int, int], mode: str
) -> None:
    store = open_store(state_dir, version)
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
    found = store.submit(lambda c: [c.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]).result(5)
    assert found == [mode, 2, 1, 1, 5000]

    add(store, *[turn(seq, text="CANARY" * 2000) for seq in range(5)])
    store.write(lambda c: transcripts.delete_session(c, "s1")).result(5)
    store.submit(transcripts.wipe_traces).result(5)

    files = [path for path in state_dir.rglob("*") if path.is_file()]
    assert not [path for path in files if b"CANARY" in path.read_bytes()]
    store.close()


@pytest.mark.parametrize("version", [OLD_SQLITE, NEW_SQLITE])
@pytest.mark.parametrize("mask", [0, 0o022])
def test_every_file_is_private_under_any_umask(
    state_dir: Path, version: tuple[int, int, int], mask: int
) -> None:
    before = os.umask(mask)
    try:
        store = open_store(state_dir / "deep" / "er", version)
        seen: dict[str, int] = {}

        def look(connection: sqlite3.Connection) -> None:
            transcripts.copy_session(connection, session(), [turn(0)])
            seen.update({p.name: stat.S_IMODE(p.stat().st_mode) for p in store.state_dir.rglob("*")})

        store.write(look).result(5)
        store.close()
    finally:
        os.umask(before)

    assert {name for name in seen if name.startswith("sessions.sqlite3-")}
    assert {mode for name, mode in seen.items() if name != "locks"} == {0o600}
    for folder in (
        state_dir,
        state_dir / "deep",
        state_dir / "deep" / "er",
        state_dir / "deep" / "er" / "locks",
    ):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_careless_mode_from_elsewhere_is_tightened(state_dir: Path) -> None:
    open_store(state_dir).close()
    store = open_store(state_dir)
    add(store, turn(0))
    store.close()
    store.path.chmod(0o644)
    state_dir.chmod(0o755)

    again = open_store(state_dir)
    history(again)
    again.close()

    assert stat.S_IMODE(again.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700


def plant_link(state_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    state_dir.symlink_to(tmp_path / "elsewhere")


def plant_file(state_dir: Path, tmp_path: Path) -> None:
    state_dir.write_text("in the way")


def plant_linked_file(state_dir: Path, tmp_path: Path) -> None:
    state_dir.mkdir()
    (tmp_path / "victim").write_text("precious")
    (state_dir / "sessions.sqlite3").symlink_to(tmp_path / "victim")


@pytest.mark.parametrize("plant", [plant_link, plant_file, plant_linked_file])
def test_a_state_folder_that_is_not_ours_alone_is_refused(
    state_dir: Path, tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    plant(state_dir, tmp_path)
    store = open_store(state_dir)

    with pytest.raises(StoreUnavailableError, match="CMT_STATE_DIR"):
        add(store, turn(0))

    assert store.unsaved == 1
    store.close()
    planted = ["sessions.sqlite3"] if plant is plant_linked_file else []
    assert [p.name for p in tmp_path.rglob("sessions.sqlite3")] == planted
    assert [p.read_text() for p in tmp_path.rglob("victim")] == ["precious"] * len(planted)


def test_a_state_folder_of_another_user_is_refused(state_dir: Path) -> None:
    """Root gives a folder away for this; anybody else takes one of root's."""
    foreign = Path("/") if os.geteuid() else state_dir
    if foreign == state_dir:
        state_dir.mkdir()
        os.chown(state_dir, 12345, 12345)
    before = foreign.stat()
    store = open_store(foreign)

    with pytest.raises(StoreUnavailableError, match="another user"):
        history(store)

    store.close()
    assert foreign.stat().st_mode == before.st_mode


def test_a_change_that_cannot_be_written_waits_and_is_written_in_order(
    state_dir: Path, tmp_path: Path
) -> None:
    plant_file(state_dir, tmp_path)
    store = open_store(state_dir)
    for change in (
        lambda c: transcripts.insert_session(c, session()),
        lambda c: transcripts.insert_turn(c, turn(0)),
        lambda c: transcripts.insert_turn(c, turn(1)),
    ):
        with pytest.raises(StoreUnavailableError):
            store.write(change).result(5)
    assert store.unsaved == 3

    state_dir.unlink()

    assert store.flush().result(5) == 0
    assert history(store)[1] == (turn(0), turn(1))
    store.close()


def test_closing_writes_what_waits(state_dir: Path, tmp_path: Path) -> None:
    plant_file(state_dir, tmp_path)
    store = open_store(state_dir)
    with pytest.raises(StoreUnavailableError):
        add(store, turn(0))
    state_dir.unlink()

    assert store.close() is True

    again = open_store(state_dir)
    assert history(again)[1] == (turn(0),)
    again.close()


def test_a_change_that_contradicts_the_file_is_refused_and_blocks_no_other(store: Store) -> None:
    add(store, turn(0))
    with pytest.raises(InternalError):
        store.write(lambda c: transcripts.insert_turn(c, turn(0))).result(5)

    store.write(lambda c: transcripts.insert_turn(c, turn(1))).result(5)
    assert store.unsaved == 0


def test_a_turn_whose_place_is_taken_moves_behind_the_others(store: Store) -> None:
    """Only a lock that does not work lets two processes settle at one place; neither turn may be lost."""
    add(store, turn(0), turn(1))
    late = replace(turn(1), id="late")

    store.write(lambda c: transcripts.settle_turn(c, session(), late)).result(5)

    assert [(t.seq, t.id) for t in history(store)[1]] == [(0, "s1-t0"), (1, "s1-t1"), (2, "late")]


def test_a_half_done_change_is_rolled_back(store: Store) -> None:
    add(store, turn(0))

    def fail(connection: sqlite3.Connection) -> None:
        transcripts.insert_turn(connection, turn(1))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write(fail).result(5)

    assert history(store)[1] == (turn(0),)


def test_a_lock_held_by_another_process_is_told_and_the_change_lands_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, turn(0))
    store.submit(lambda c: c.execute("PRAGMA busy_timeout=50")).result(5)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailableError, match="another process"):
            store.write(lambda c: transcripts.insert_turn(c, turn(1))).result(20)
        other.execute("ROLLBACK")

    assert store.flush().result(20) == 0
    assert history(store)[1] == (turn(0), turn(1))


def test_a_file_of_a_newer_version_is_read_and_never_written(state_dir: Path) -> None:
    store = open_store(state_dir)
    add(store, turn(0))
    store.close()
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("PRAGMA user_version=99")
    content = store.path.read_bytes()

    newer = open_store(state_dir)

    assert history(newer)[1] == (turn(0),)
    with pytest.raises(StoreUnavailableError, match="newer"):
        newer.write(lambda c: transcripts.insert_turn(c, turn(1))).result(5)
    assert "newer cmt-lsp" in newer.take_notices()[0]
    newer.close()
    assert newer.path.read_bytes() == content


def kept_copies(state_dir: Path) -> list[Path]:
    return sorted(p for p in state_dir.iterdir() if ".damaged-" in p.name and p.suffix != ".lock")


@pytest.mark.parametrize(
    "content", [b"", b"not a database at all " * 100, b"SQLite format 3\0" + b"\0" * 5000, b"\xff" * 10]
)
def test_a_file_that_is_no_database_is_kept_and_a_fresh_one_started(state_dir: Path, content: bytes) -> None:
    state_dir.mkdir()
    (state_dir / transcripts.FILE_NAME).write_bytes(content)
    store = open_store(state_dir)

    add(store, turn(0))

    assert [copy.read_bytes() for copy in kept_copies(state_dir)] == [content]
    assert "20010909T014640Z" in kept_copies(state_dir)[0].name
    assert "kept as" in store.take_notices()[0]
    assert history(store)[1] == (turn(0),)
    store.close()


@pytest.mark.campaign
def test_damage_at_any_place_keeps_the_original_and_what_can_be_read(
    tmp_path: Path, campaign_size: Callable[[int, int], int]
) -> None:
    rng = random.Random(20261122)
    good = tmp_path / "good"
    store = open_store(good)
    for number in range(8):
        add(store, *[turn(seq, f"s{number}", "x" * 3000) for seq in range(5)], owner=f"s{number}")
    store.close()
    content = (good / transcripts.FILE_NAME).read_bytes()
    saved_rows = 0
    for round_ in range(campaign_size(40, 500)):
        damaged = damage(content, rng)
        place = tmp_path / f"round{round_}"
        place.mkdir()
        (place / transcripts.FILE_NAME).write_bytes(damaged)

        store = open_store(place)
        listed = store.submit(lambda c: transcripts.list_sessions(c, None, None)).result(20)
        turns = [history(store, row[0].id)[1] for row in listed]
        add(store, turn(0, "new"), owner="new")
        assert history(store, "new")[1] == (turn(0, "new"),)
        copies = kept_copies(place)
        assert [copy.read_bytes() for copy in copies] in ([], [damaged])
        assert len(store.take_notices()) == (2 if copies else 0)
        saved_rows += sum(map(len, turns))
        store.close()
        shutil.rmtree(place)
    assert saved_rows > campaign_size(40, 500) * 15


def damage(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    if rng.random() < 0.3:
        return content[: max(1, at)]
    noise = rng.randbytes(rng.choice([1, 16, 600]))
    return content[:at] + noise + content[at + len(noise) :]


def test_sessions_whose_own_row_is_lost_are_recovered_from_their_turns(state_dir: Path) -> None:
    store = open_store(state_dir)
    add(store, turn(0))
    store.close()
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM sessions")
        root = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name='sessions_by_workspace'"
        ).fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    content = bytearray(store.path.read_bytes())
    content[(root - 1) * size : root * size] = b"\xaa" * size
    store.path.write_bytes(content)

    again = open_store(state_dir)
    record, turns = history(again)

    assert record.name == "Recovered session"
    assert turns == (turn(0),)
    again.close()


def test_a_file_moved_aside_under_a_running_process_is_left_alone(state_dir: Path) -> None:
    store = open_store(state_dir)
    add(store, turn(0))
    store.path.replace(store.path.with_name("moved"))

    add(store, turn(0, "s2"), owner="s2")

    assert [
        row[0].id for row in store.submit(lambda c: transcripts.list_sessions(c, None, None)).result(5)
    ] == ["s2"]
    store.close()


def test_an_unreadable_turn_does_not_hide_the_others(store: Store) -> None:
    add(store, turn(0), turn(1))
    store.write(lambda c: c.execute("UPDATE turns SET answer='[{' WHERE seq=0")).result(5)

    assert history(store)[1] == (turn(1),)


def test_jobs_run_in_the_order_of_submission_from_any_thread(store: Store) -> None:
    add(store)
    futures = [store.write(lambda c, n=n: transcripts.insert_turn(c, turn(n))) for n in range(50)]
    thread_seen: list[int] = []

    def read() -> None:
        thread_seen.append(len(history(store)[1]))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()

    assert thread_seen == [50]
    assert all(future.done() for future in futures)


async def test_an_answer_is_shown_though_it_cannot_be_saved_and_is_saved_later(
    simulator: Simulator, state_dir: Path, tmp_path: Path
) -> None:
    plant_file(state_dir, tmp_path)
    manager = APISessionManager()
    session_id = await new_session(manager)
    simulator.reply_with("first answer", "second answer", "third answer")

    first = await ask(manager, session_id, "one")

    assert first.text == "first answer"
    assert any(notice.startswith("not saved: ") for notice in first.notices)
    assert [info.turns for info in await manager.sessions.list("all")] == [1]
    second = await ask(manager, session_id, "two")
    assert any(notice.startswith("not saved: ") for notice in second.notices)
    assert len(simulator.requests[1].body["messages"]) == 3

    await asyncio.to_thread(state_dir.unlink)
    third = await ask(manager, session_id, "three")

    assert third.notices == ()
    await asyncio.wrap_future(manager.ledger.sweep())
    assert manager.get_global_usage()["global_summary"]["requests"] == 3
    await manager.aclose()
    store = open_store(state_dir)
    assert [t.text for t in history(store, session_id)[1]] == [
        "first answer",
        "second answer",
        "third answer",
    ]
    store.close()


async def test_a_full_disk_costs_no_answer(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    session_id = await new_session(manager)
    await ask(manager, session_id, "one")
    pages = manager._store.submit(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
    count = await asyncio.wrap_future(pages)
    await asyncio.wrap_future(
        manager._store.submit(lambda c: c.execute(f"PRAGMA max_page_count={count}").fetchone())
    )

    result = await ask(manager, session_id, "long question " * 5000)

    assert result.stop_reason == "end_turn"
    assert "disk is full" in result.notices[-1]
    await asyncio.wrap_future(
        manager._store.submit(lambda c: c.execute("PRAGMA max_page_count=100000").fetchone())
    )
    assert (await ask(manager, session_id, "three")).notices == ()
    with closing(sqlite3.connect(state_dir / transcripts.FILE_NAME)) as connection:
        rows = connection.execute("SELECT seq, json_valid(answer) FROM turns ORDER BY seq").fetchall()
    assert rows == [(0, 1), (1, 1), (2, 1)]
    assert json.loads((await manager.sessions.export(session_id, "json"))[0])["turns"][2]["seq"] == 2
