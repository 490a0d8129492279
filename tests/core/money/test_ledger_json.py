"""The ledger as JSON and back: nothing lost, nothing twice, all or nothing, and nobody kept waiting."""

from __future__ import annotations

import io
import json
import random
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmt_lsp.api.errors import StoreUnavailableError
from cmt_lsp.api.models import Cost
from cmt_lsp.api.token_tracker import TokenTracker, TokenUsage
from cmt_lsp.api.usage import Usage
from cmt_lsp.api.usage_file import UsageFileError
from cmt_lsp.core.money.attempt_json import COLUMNS
from cmt_lsp.core.money.ledger_check import check_ledger
from cmt_lsp.core.money.ledger_json import Imported, export_ledger, import_ledger
from cmt_lsp.core.money.schema import FILE_NAME, FINAL, SCHEMA
from cmt_lsp.core.storage import store as store_module
from cmt_lsp.core.storage.store import Connection
from cmt_lsp.core.storage.store_thread import Store

Row = dict[str, Any]

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
STATES = ("reserved", "streaming", "done", "cancelled", "failed", "truncated", "client_gone", "orphan")

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
counts = st.integers(0, 10**9)
money = st.integers(0, 10**15)
savings = st.integers(-(10**15), 10**15)
moments = st.floats(0, 4e9)
rows = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["turn", "compare", "batch", "warm", "import"]),
        "session_id": st.sampled_from(["s1", "s2"]), "turn_id": names, "window_id": st.sampled_from(["w1", "w2"]),
        "workspace": names, "model": st.sampled_from(["claude-opus-5-5", "local"]), "number": counts,
        "started_at": moments, "utc_offset": st.integers(-840, 840), "day": st.dates().map(str),
        "ended_at": st.none() | moments, "state": st.sampled_from(STATES),
        "input_tokens": counts, "cache_creation_5m_input_tokens": counts, "cache_creation_1h_input_tokens": counts,
        "cache_read_input_tokens": counts, "output_tokens": counts, "thinking_tokens": st.none() | counts,
        "usage_estimated": st.integers(0, 1), "nano_usd": st.none() | money, "saved_nano_usd": st.none() | savings,
        "price_row": st.none() | names, "cost_estimated": st.integers(0, 1), "hold_nano": counts,
        "override": st.none() | names, "machine": names, "pid": counts,
        "pid_started": st.floats(allow_nan=False, allow_infinity=False),
        "lease_until": st.floats(allow_nan=False, allow_infinity=False), "max_tokens": st.none() | counts,
        "raw_input_tokens": st.none() | counts, "expected_input": st.none() | counts,
        "expected_exact": st.none() | st.integers(0, 1), "expected_p50": st.none() | counts,
        "expected_p90": st.none() | counts, "expected_nano": st.none() | counts, "answer_bytes": st.none() | counts,
    }
)  # fmt: skip
"""Whatever a ledger can hold, all but the id."""


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """As many empty ledgers as a test asks for."""
    opened: list[Store] = []

    def another() -> Store:
        opened.append(Store(tmp_path / f"state{len(opened)}", FILE_NAME, SCHEMA, noun="ledger"))
        return opened[-1]

    yield another
    for store in opened:
        store.close()


def add(store: Store, rows: list[Row]) -> None:
    def change(connection: Connection) -> None:
        for row in rows:
            names = ", ".join(row)
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO attempts ({names}) VALUES ({marks})", list(row.values()))  # noqa: S608

    store.write(change).result(10)


def attempts(store: Store) -> list[tuple[Any, ...]]:
    """Every row as it lies, its number included."""
    return store.submit(lambda c: c.execute("SELECT * FROM attempts ORDER BY seq").fetchall()).result(10)


def sums(store: Store) -> list[list[tuple[Any, ...]]]:
    tables = ("day_sums", "session_sums", "workspace_sums")
    return store.submit(
        lambda c: [sorted(c.execute(f"SELECT * FROM {table}").fetchall()) for table in tables]  # noqa: S608
    ).result(10)


def exported(store: Store) -> str:
    file = io.StringIO()
    export_ledger(store, file)
    return file.getvalue()


def imported(store: Store, text: str) -> Imported:
    return import_ledger(store, io.StringIO(text), UTC)


def a_row(number: int, **fields: Any) -> Row:
    return {
        "id": f"a{number}", "kind": "turn", "session_id": f"s{number % 3}", "turn_id": f"t{number}", "window_id": "w",
        "workspace": "/home/me", "model": "claude-opus-5-5", "number": 1, "started_at": 1.79e9 + number,
        "utc_offset": 60, "day": f"2026-09-{1 + number % 28:02}", "ended_at": 1.79e9 + number + 1, "state": "done",
        "input_tokens": number, "cache_creation_5m_input_tokens": 2, "cache_creation_1h_input_tokens": 3,
        "cache_read_input_tokens": 4, "output_tokens": 5, "thinking_tokens": None, "usage_estimated": 0,
        "nano_usd": 1000 + number, "saved_nano_usd": -5, "price_row": "x@y", "cost_estimated": 0, "hold_nano": 9,
        "override": None, "machine": "m", "pid": 1, "pid_started": 1.0, "lease_until": 1.0, "max_tokens": 100,
    } | fields  # fmt: skip


def test_every_column_but_the_number_is_carried(ledgers: Callable[[], Store]) -> None:
    columns = (
        ledgers().submit(lambda c: [row[1] for row in c.execute("PRAGMA table_info(attempts)")]).result(10)
    )
    assert sorted(COLUMNS) == sorted(set(columns) - {"seq"})
    (entry,) = json.loads(exported_rows(ledgers, [a_row(1)]))["requests"]
    assert None not in entry.values(), "what is not known is left out"


@settings(max_examples=60)
@given(st.lists(rows, max_size=5))
def test_an_export_into_an_empty_ledger_gives_equal_rows_and_sums(
    tmp_path_factory: pytest.TempPathFactory, content: list[Row]
) -> None:
    folder = tmp_path_factory.mktemp("ledgers")
    stores = [Store(folder / name, FILE_NAME, SCHEMA) for name in ("from", "to")]
    try:
        one, other = stores
        add(one, [{"id": f"a{number}", **row} for number, row in enumerate(content)])
        text = exported(one)

        assert imported(other, text) == Imported(len(content), 0)

        assert attempts(other) == attempts(one)
        assert sums(other) == sums(one)
        assert check_ledger(other).wrong_sums == 0
        assert imported(other, text) == Imported(0, len(content))
        assert attempts(other) == attempts(one)
        assert exported(other) == text
    finally:
        for store in stores:
            store.close()


def test_what_is_known_stays_as_it_is_and_uses_up_no_number(ledgers: Callable[[], Store]) -> None:
    one, other = ledgers(), ledgers()
    add(one, [a_row(number) for number in range(6)])
    add(other, [a_row(number, nano_usd=42, state="orphan") for number in (1, 3, 5)])
    before = attempts(other)

    assert imported(other, exported(one)) == Imported(3, 3)

    after = attempts(other)
    assert after[:3] == before
    assert [(row[0], row[1]) for row in after] == [
        (1, "a1"),
        (2, "a3"),
        (3, "a5"),
        (4, "a0"),
        (5, "a2"),
        (6, "a4"),
    ]
    assert check_ledger(other).wrong_sums == 0


def test_an_id_that_comes_twice_in_a_file_counts_once(ledgers: Callable[[], Store]) -> None:
    store = ledgers()
    entry = json.loads(exported_rows(ledgers, [a_row(1)]))["requests"][0]
    assert imported(store, document([entry, entry | {"output_tokens": 99}])) == Imported(1, 1)
    assert store.submit(lambda c: c.execute("SELECT output_tokens FROM attempts").fetchall()).result(10) == [
        (5,)
    ]


def exported_rows(ledgers: Callable[[], Store], content: list[Row]) -> str:
    store = ledgers()
    add(store, content)
    return exported(store)


def document(entries: list[Row], version: int = 2) -> str:
    return json.dumps({"format": "cmt-token-usage", "version": version, "requests": entries})


@pytest.mark.parametrize(
    ("why", "change"),
    [
        ("session is missing", {"session": ...}),
        ("input_tokens must be a whole number", {"input_tokens": 1.5}),
        ("input_tokens is less than its own parts", {"input_tokens": 0}),
        ("timestamp must be a time", {"timestamp": -1}),
        ("state must be one of reserved, streaming, done", {"state": "gone"}),
        ("kind must be one of turn", {"kind": "gift"}),
        ("kind is missing", {"kind": ...}),
        ("number must be a whole number", {"number": True}),
        ("utc_offset must be minutes", {"utc_offset": 1441}),
        ("day must be a day", {"day": "2026-02-30"}),
        ("hold_nano must be a whole number of nano", {"hold_nano": 10**18}),
        ("machine must be a text", {"machine": 5}),
        ("lease_until must be a number", {"lease_until": "later"}),
        ("ended_at must be a time", {"ended_at": 1e300}),
        ("max_tokens must be a whole number", {"max_tokens": -1}),
        ("cost must be an object", {"cost": 5}),
        ("nano_usd is missing", {"cost": {"saved_nano_usd": 1}}),
        ("nano_usd must be a whole number of nano", {"cost": {"nano_usd": 1.0}}),
        ("nano_usd must be a whole number of nano", {"cost": {"nano_usd": -1}}),
        ("output_tokens must be a whole number", {"output_tokens": 10**12 + 1}),
        ("turn must be a text", {"turn": "x" * 40_000}),
        ("window must be a text", {"window": 7}),
    ],
)
def test_one_wrong_field_in_any_entry_changes_nothing_and_is_named(
    ledgers: Callable[[], Store], why: str, change: Row
) -> None:
    store = ledgers()
    add(store, [a_row(100)])
    before, summed = attempts(store), sums(store)
    entries = json.loads(exported_rows(ledgers, [a_row(number) for number in range(4)]))["requests"]
    changed = entries[2] | change
    entries[2] = {name: value for name, value in changed.items() if value is not ...}

    with pytest.raises(UsageFileError) as told:
        imported(store, document(entries))

    assert str(told.value).startswith("entry 3: ")
    assert why in str(told.value)
    assert (attempts(store), sums(store)) == (before, summed)
    assert imported(store, document(entries[:2])) == Imported(2, 0), "a refusal leaves nothing behind"


def test_a_number_too_large_for_any_is_refused(ledgers: Callable[[], Store]) -> None:
    """JSON has no infinity, but this reads as one."""
    text = exported_rows(ledgers, [a_row(1)]).replace('"lease_until": 1.0', '"lease_until": 1e999')
    with pytest.raises(UsageFileError, match="entry 1: lease_until must be a number"):
        imported(ledgers(), text)


def test_a_file_that_breaks_off_changes_nothing(ledgers: Callable[[], Store]) -> None:
    store = ledgers()
    text = exported_rows(ledgers, [a_row(number) for number in range(50)])
    for end in range(0, len(text), 997):
        with pytest.raises(UsageFileError):
            imported(store, text[:end])
    assert attempts(store) == []


# A tracker's file


def tracker_file(path: Path, tracker: TokenTracker) -> str:
    tracker.save(path)
    return path.read_text(encoding="utf-8")


def request(tokens: int = 10, **fields: Any) -> TokenUsage:
    return replace(
        TokenUsage(input_tokens=tokens, timestamp=AT.timestamp(), model="claude-opus-5-5"), **fields
    )


def test_a_trackers_file_can_be_imported_and_has_neutral_values_where_it_knows_nothing(
    ledgers: Callable[[], Store], tmp_path: Path
) -> None:
    store, tracker = ledgers(), TokenTracker()
    tracker.record(
        "s", "claude-opus-5-5", Usage(100, 20, 30, 40, 50, 7), AT, turn="t", window="w", workspace="/x"
    )
    tokyo = timezone(timedelta(hours=9))

    text = tracker_file(tmp_path / "usage.json", tracker)
    assert import_ledger(store, io.StringIO(text), tokyo) == Imported(1, 0)

    wanted = (
        "kind, session_id, turn_id, window_id, workspace, model, number, started_at, utc_offset, day, ended_at, state, "
        "hold_nano, machine, pid, pid_started, lease_until"
    )
    assert store.submit(lambda c: c.execute(f"SELECT {wanted} FROM attempts").fetchone()).result(10) == (  # noqa: S608
        "import", "s", "t", "w", "/x", "claude-opus-5-5", 1, AT.timestamp(), 540, "2026-11-22", AT.timestamp(), "done",
        0, "", 0, 0.0, 0.0,
    )  # fmt: skip
    late = AT.replace(hour=15)
    tracker.record("s", "claude-opus-5-5", Usage(1), late)
    import_ledger(store, io.StringIO(tracker_file(tmp_path / "usage.json", tracker)), tokyo)
    days = store.submit(lambda c: c.execute("SELECT day FROM attempts ORDER BY seq").fetchall()).result(10)
    assert days == [("2026-11-22",), ("2026-11-23",)]


def test_a_request_without_a_booked_cost_is_priced_at_its_own_time(
    ledgers: Callable[[], Store], tmp_path: Path
) -> None:
    store, tracker = ledgers(), TokenTracker()
    tracker.add("s", request(1000))
    tracker.add("s", request(1000, model="local"))
    tracker.add("s", request(1000, model=None))
    tracker.add("s", request(1000, booked=Cost(7, -1, "own@x", estimated=True)))
    imported(store, tracker_file(tmp_path / "usage.json", tracker))
    query = "SELECT model, nano_usd, saved_nano_usd, price_row, cost_estimated FROM attempts ORDER BY seq"
    assert store.submit(lambda c: c.execute(query).fetchall()).result(10) == [
        ("claude-opus-5-5", 4_000_000, 0, "claude-opus-5-5@2026-09-22", 0),
        ("local", None, None, None, 0),
        ("", None, None, None, 0),
        ("claude-opus-5-5", 7, -1, "own@x", 1),
    ]


def test_a_trackers_file_that_grows_adds_only_what_is_new_twins_included(
    ledgers: Callable[[], Store], tmp_path: Path
) -> None:
    store, tracker, path = ledgers(), TokenTracker(), tmp_path / "usage.json"
    for session in ("b", "b", "a"):
        tracker.add(session, request())
    first = tracker_file(path, tracker)
    assert imported(store, first) == Imported(3, 0)
    assert imported(store, first) == Imported(0, 3)
    ids = {row[1] for row in attempts(store)}

    tracker.add("b", request())
    tracker.add("0", request(11))
    assert imported(store, tracker_file(path, tracker)) == Imported(2, 3)
    assert ids < {row[1] for row in attempts(store)}


def test_the_same_request_of_two_sessions_in_two_files_is_two(
    ledgers: Callable[[], Store], tmp_path: Path
) -> None:
    store = ledgers()
    for session in ("a", "b"):
        tracker = TokenTracker()
        tracker.add(session, request())
        assert imported(store, tracker_file(tmp_path / "usage.json", tracker)) == Imported(1, 0)


def test_a_made_up_id_outlives_a_newer_version_of_the_file_and_a_later_booking(
    ledgers: Callable[[], Store], tmp_path: Path
) -> None:
    store = ledgers()
    old = {
        "session": "s", "input_tokens": 5, "output_tokens": 1, "cached_tokens": 0, "cache_write_5m_tokens": 0,
        "cache_write_1h_tokens": 0, "timestamp": 1_790_000_000, "estimated": False, "model": "claude-opus-5-5",
    }  # fmt: skip
    path = tmp_path / "usage.json"
    path.write_text(document([old], version=1))
    assert imported(store, path.read_text()) == Imported(1, 0)

    again = TokenTracker.load(path)
    (entry,) = again.session("s").request_history  # type: ignore[union-attr]
    booked = TokenTracker()
    booked.add("s", replace(entry, booked=Cost(1, 0, "x", estimated=False), workspace="/w"))
    assert imported(store, tracker_file(path, booked)) == Imported(0, 1)


@settings(max_examples=40)
@given(st.lists(rows, max_size=6))
def test_a_tracker_counts_what_the_ledger_counts_and_its_file_adds_nothing_to_it(
    tmp_path_factory: pytest.TempPathFactory, content: list[Row]
) -> None:
    folder = tmp_path_factory.mktemp("tracker")
    store = Store(folder, FILE_NAME, SCHEMA)
    try:
        add(store, [{"id": f"a{number}", **row} for number, row in enumerate(content)])
        path = folder / "usage.json"
        path.write_text(exported(store), encoding="utf-8")

        tracker = TokenTracker.load(path, UTC)

        query = f"SELECT count(*), sum(nano_usd), sum(nano_usd IS NULL), sum(output_tokens) FROM attempts WHERE {FINAL}"  # noqa: S608
        requests, nano, unpriced, output = store.submit(lambda c: c.execute(query).fetchone()).result(10)
        total = tracker.totals
        assert (total.requests, total.cost.nano_usd or 0, total.cost.unpriced, total.usage.output_tokens) == (
            requests, nano or 0, unpriced or 0, output or 0,
        )  # fmt: skip
        by_window = store.submit(
            lambda c: c.execute(
                "SELECT window_id, sum(requests) FROM session_sums GROUP BY window_id"
            ).fetchall()
        ).result(10)
        assert {key: one.requests for key, one in tracker.by("window").items()} == dict(by_window)
        assert imported(store, tracker_file(folder / "again.json", tracker)).added == 0
    finally:
        store.close()


# Beside other windows


class Slow(io.StringIO):
    """A file whose reader meets a writer at every piece."""

    def __init__(self, text: str, meanwhile: Callable[[], None]) -> None:
        super().__init__(text)
        self.meanwhile = meanwhile

    def read(self, _size: int | None = -1) -> str:
        self.meanwhile()
        return super().read(2000)


def test_reading_a_file_keeps_no_window_from_writing(
    ledgers: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ledgers()
    text = exported_rows(ledgers, [a_row(number) for number in range(20)])
    add(store, [a_row(1000)])
    wrote = []

    def write_beside() -> None:
        with closing(sqlite3.connect(store.path, timeout=0, isolation_level=None)) as window:
            row = a_row(2000 + len(wrote))
            marks = ", ".join("?" * len(row))
            window.execute(f"INSERT INTO attempts ({', '.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608
            wrote.append(row["id"])

    assert import_ledger(store, Slow(text, write_beside), UTC) == Imported(20, 0)
    assert len(wrote) > 5
    assert len(attempts(store)) == 21 + len(wrote)
    assert check_ledger(store).wrong_sums == 0


def test_writing_a_file_keeps_no_window_from_writing(ledgers: Callable[[], Store]) -> None:
    store = ledgers()
    add(store, [a_row(number) for number in range(2500)])
    pieces = []

    class Pausing(io.StringIO):
        def write(self, text: str) -> int:
            if '"a1500"' in text or '"a10"' in text:
                with closing(sqlite3.connect(store.path, timeout=0, isolation_level=None)) as window:
                    window.execute("DELETE FROM attempts WHERE id = 'a2499'")
                pieces.append(text)
            return super().write(text)

    file = Pausing()
    assert export_ledger(store, file) == 2499
    assert len(pieces) == 2
    assert len(json.loads(file.getvalue())["requests"]) == 2499


def test_a_ledger_that_is_held_is_a_sentence_and_nothing_is_imported_later(
    ledgers: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "BUSY_TIMEOUT_MS", 50)
    text, store = exported_rows(ledgers, [a_row(1)]), ledgers()
    attempts(store)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="another process holds it"):
            imported(store, text)
        other.execute("ROLLBACK")
    assert store.flush().result(10) == 0
    assert attempts(store) == []


def test_a_ledger_that_is_taken_while_the_file_is_read_gets_nothing_later_either(
    ledgers: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "BUSY_TIMEOUT_MS", 50)
    text, store = exported_rows(ledgers, [a_row(1)]), ledgers()
    attempts(store)
    with closing(sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)) as other:
        held: list[bool] = []

        def take_it() -> None:
            if not held:
                other.execute("BEGIN IMMEDIATE")
                held.append(True)

        with pytest.raises(StoreUnavailableError, match="another process holds it"):
            import_ledger(store, Slow(text, take_it), UTC)
        other.execute("ROLLBACK")
    assert store.flush().result(10) == 0
    assert attempts(store) == []
    assert imported(store, text) == Imported(1, 0)


def test_a_ledger_of_a_newer_version_is_refused_before_the_file_is_read(ledgers: Callable[[], Store]) -> None:
    store = ledgers()
    attempts(store)
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("PRAGMA user_version = 99")
    newer = Store(store.state_dir, FILE_NAME, SCHEMA)
    untouched = io.StringIO("no JSON")
    with pytest.raises(StoreUnavailableError, match="newer cmt-lsp"):
        import_ledger(newer, untouched, UTC)
    assert untouched.tell() == 0
    newer.close()


@pytest.mark.campaign
@pytest.mark.timeout(300)
def test_memory_does_not_grow_with_the_ledger(
    ledgers: Callable[[], Store], campaign_size: Callable[[int, int], int], tmp_path: Path
) -> None:
    """What Python holds while a ledger is written to a file and read into another one."""
    rng = random.Random(3)
    peaks = []
    for count in (2_000, campaign_size(10_000, 100_000)):
        one, other, path = ledgers(), ledgers(), tmp_path / f"{count}.json"
        add(one, [a_row(number, output_tokens=rng.randrange(9999)) for number in range(count)])
        tracemalloc.start()
        with path.open("w", encoding="utf-8") as file:
            assert export_ledger(one, file) == count
        with path.open(encoding="utf-8") as file:
            assert import_ledger(other, file) == Imported(count, 0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sums(other) == sums(one)
    print(f"peak {peaks[0] >> 10} KB, {peaks[1] >> 10} KB")
    assert peaks[1] < 1.5 * peaks[0]
