"""Reports over the ledger: whatever is asked, the groups add up to the total, and the total to the rows."""

from __future__ import annotations

import random
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import pytest
from attempt_rows import book, ledger_file
from hypothesis import given
from hypothesis import strategies as st

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.api.models import Cost, find_model
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money import report as module
from cmt_lsp.core.money.attempt import Sums
from cmt_lsp.core.money.report import (
    KEPT,
    MOST,
    Grouping,
    InnerGrouping,
    Part,
    Scope,
    UsageQuery,
    checked_query,
    last_turn,
    usage_report,
)
from cmt_lsp.core.money.schema import TOKENS

Row = dict[str, Any]

DAYS = ("2026-10-31", "2026-11-01", "2026-11-20", "2026-11-22")
MODELS = ("claude-sonnet-5-5", "claude-opus-5-5", "local-model")
WORKSPACES = ("", "/home/me/a", '/home/me/<b> "&')
FINAL_STATES = ("done", "cancelled", "failed", "truncated", "client_gone", "orphan")
STATES = (*FINAL_STATES, "reserved", "streaming")
COLUMN = {"session": "session_id", "turn": "turn_id", "window": "window_id"}


def a_row(number: int, rng: random.Random) -> Row:
    """One attempt; a session may change its model, its window and the day."""
    session = rng.randrange(5)
    model = rng.choice(MODELS)
    priced = model != "local-model"
    return {
        "id": f"a{number}", "kind": "turn", "session_id": f"s{session}", "turn_id": f"t{number // 2}",
        "window_id": f"w{rng.randrange(2)}", "workspace": WORKSPACES[session % 3], "model": model, "number": 1,
        "started_at": 1.0, "utc_offset": 0, "day": rng.choice(DAYS), "ended_at": 2.0, "state": rng.choice(STATES),
        "input_tokens": rng.randrange(1000), "cache_creation_5m_input_tokens": rng.choice((0, rng.randrange(5000))),
        "cache_creation_1h_input_tokens": rng.choice((0, rng.randrange(5000))),
        "cache_read_input_tokens": rng.randrange(9000), "output_tokens": rng.randrange(900),
        "thinking_tokens": rng.choice((None, rng.randrange(100))), "usage_estimated": rng.randrange(2),
        "nano_usd": rng.randrange(10**12) if priced else None,
        "saved_nano_usd": rng.randrange(-(10**11), 10**11) if priced else None,
        "price_row": None, "cost_estimated": rng.randrange(2), "hold_nano": 7, "machine": "m", "pid": 1,
        "pid_started": 1.0, "lease_until": 1.0,
    }  # fmt: skip


def book_all(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Write attempts, one after the other."""
    for row in rows:
        book(connection, **row)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An empty ledger on the disk."""
    with ledger_file(tmp_path) as opened:
        yield opened


def plain_sum(rows: Iterable[Row]) -> tuple[Any, ...]:
    """The figures of a part by plain addition, one row at a time."""
    rows = list(rows)
    priced = [row for row in rows if row["nano_usd"] is not None]
    premium = 0
    for row in priced:
        price = find_model(row["model"]).prices[-1]  # type: ignore[union-attr]
        premium += row["cache_creation_5m_input_tokens"] * (price.write_5m - price.input)
        premium += row["cache_creation_1h_input_tokens"] * (price.write_1h - price.input)
    return (
        len(rows),
        *(sum(row[name] or 0 for row in rows) for name in TOKENS),
        sum(row["nano_usd"] for row in priced) if priced or not rows else None,
        sum(row["saved_nano_usd"] for row in priced),
        len(rows) - len(priced),
        sum(bool(row["usage_estimated"] or row["cost_estimated"]) for row in rows),
        len({row["session_id"] for row in rows}),
        premium,
    )


def figures(part: Part) -> tuple[Any, ...]:
    """The same figures of a part of a report."""
    usage, cost = part.sums.usage, part.sums.cost
    return (
        part.sums.requests,
        *(getattr(usage, name) or 0 for name in TOKENS),
        cost.nano_usd,
        part.saved_nano,
        cost.unpriced,
        part.sums.estimated,
        part.sessions,
        part.write_premium_nano,
    )


def wanted_rows(rows: Iterable[Row], query: UsageQuery) -> list[Row]:
    """Which rows a query means."""
    column = COLUMN.get(query.scope, query.scope)
    return [
        row
        for row in rows
        if row["state"] in FINAL_STATES
        and (query.scope == "all" or row[column] == query.key)
        and (query.first_day or "") <= row["day"] <= (query.last_day or "9")
    ]


def by(rows: Iterable[Row], group: str | None) -> dict[str, list[Row]]:
    """Rows divided by a grouping."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[COLUMN.get(group or "", group or "")]].append(row)
    return found


QUERIES = st.fixed_dictionaries(
    {
        "scope": st.sampled_from(get_args(Scope)),
        "group_by": st.sampled_from((None, *get_args(Grouping))),
        "then_by": st.sampled_from((None, *get_args(InnerGrouping))),
        "first_day": st.sampled_from((None, *DAYS, "2026-11-05")),
        "last_day": st.sampled_from((None, *DAYS, "2026-11-05")),
        "limit": st.sampled_from((None, 1, 2, 50)),
        "pick": st.integers(0, 4),
    }
)
KEYS = {
    "turn": [f"t{n}" for n in (0, 1, 5, 9, 99)],
    "session": [f"s{n}" for n in range(5)],
    "window": ["w0", "w1", "w0", "w1", "none"],
    "workspace": [*WORKSPACES, "/home/me/a", "/home"],
    "all": [""] * 5,
}


def a_query(wish: dict[str, Any]) -> UsageQuery | None:
    """A query of the wished kind, where it makes sense."""
    pick = wish.pop("pick")
    try:
        return checked_query(key=KEYS[wish["scope"]][pick], **wish)
    except BadParamsError:
        return None


@pytest.mark.campaign
def test_groups_and_rest_add_up_to_the_total_and_the_total_to_the_rows(
    connection: sqlite3.Connection, campaign_size: Callable[[int, int], int]
) -> None:
    """Against plain Python sums over the rows, for any scope, days, groupings and limit; live rows count nowhere."""
    rng = random.Random(7)
    rows = [a_row(number, rng) for number in range(campaign_size(300, 3000))]
    book_all(connection, rows)
    seen: set[tuple[object, ...]] = set()

    @given(wish=QUERIES)
    def check(wish: dict[str, Any]) -> None:
        query = a_query(wish)
        if query is None:
            return
        expected = wanted_rows(rows, query)
        report = usage_report(connection, query)
        assert figures(report.total) == plain_sum(expected)
        if query.group_by is None:
            assert (report.groups, report.rest) == (None, None)
            return
        seen.add((query.scope, query.group_by, query.then_by, query.limit))
        assert report.groups is not None
        in_groups = by(expected, query.group_by)
        for part in report.groups:
            assert figures(part) == plain_sum(in_groups[part.key])
            if query.then_by is not None:
                inner = by(in_groups[part.key], query.then_by)
                assert {one.key: figures(one) for one in part.parts or ()} == {
                    key: plain_sum(found) for key, found in inner.items()
                }
            else:
                assert part.parts is None
        left_out = set(in_groups) - {part.key for part in report.groups}
        assert len(left_out) == max(0, len(in_groups) - (query.limit or len(in_groups)))
        if left_out:
            assert report.rest is not None
            assert figures(report.rest) == plain_sum(row for key in left_out for row in in_groups[key])
        else:
            assert report.rest is None

    check()
    assert len(seen) > 40


def test_the_dearest_groups_are_kept_and_days_stay_in_their_order(connection: sqlite3.Connection) -> None:
    rng = random.Random(3)
    costs = {"2026-11-01": 5, "2026-11-02": 9, "2026-11-03": 1, "2026-11-04": 7}
    done = [a_row(n, rng) | {"state": "done", "model": MODELS[0], "day": day, "nano_usd": cost, "workspace": f"/{cost}"}
            for n, (day, cost) in enumerate(costs.items())]  # fmt: skip
    book_all(connection, done)

    def keys(**wish: Any) -> list[str]:
        return [part.key for part in usage_report(connection, checked_query("all", "", **wish)).groups or ()]

    assert keys(group_by="day", limit=2) == ["2026-11-02", "2026-11-04"]
    assert keys(group_by="day") == sorted(costs)
    assert keys(group_by="workspace") == ["/9", "/7", "/5", "/1"]
    assert keys(group_by="workspace", limit=3) == ["/9", "/7", "/5"]


def test_groups_without_a_price_come_last_the_busiest_first(connection: sqlite3.Connection) -> None:
    rng = random.Random(3)
    base = a_row(0, rng) | {"state": "done", "nano_usd": None, "saved_nano_usd": None}
    book_all(
        connection,
        [
            base | {"id": "1", "model": "a-quiet", "input_tokens": 1},
            base | {"id": "2", "model": "the-busy", "input_tokens": 10**6},
            base | {"id": "3", "model": "cheap", "nano_usd": 1, "input_tokens": 0},
        ],
    )

    report = usage_report(connection, checked_query("all", "", group_by="model", limit=2))
    whole = usage_report(connection, checked_query("all", "", group_by="model"))

    assert [part.key for part in report.groups or ()] == ["cheap", "the-busy"]
    assert [part.key for part in whole.groups or ()] == ["cheap", "the-busy", "a-quiet"]
    assert [part.sums.cost.display for part in report.groups or ()] == ["<$0.0001", "unpriced"]
    assert report.total.sums.cost.display == "≥$0.0000"


def test_an_empty_ledger_cost_nothing(connection: sqlite3.Connection) -> None:
    report = usage_report(connection, checked_query("all", "", group_by="session"))

    assert report.total == Part("", Sums(0, Usage(), Cost(0, 0, None, estimated=False), 0), 0, 0)
    assert (report.groups, report.rest) == ((), None)
    assert report.total.hit_ratio == 0.0


def test_a_session_whose_rows_were_taken_out_is_not_counted(connection: sqlite3.Connection) -> None:
    rng = random.Random(1)
    book_all(connection, [a_row(n, rng) | {"state": "done", "session_id": f"s{n}"} for n in range(3)])
    connection.execute("DELETE FROM attempts WHERE session_id = 's1'")

    report = usage_report(connection, checked_query("all", "", group_by="session"))

    assert report.total.sessions == 2
    assert {part.key for part in report.groups or ()} == {"s0", "s2"}


def test_a_report_is_of_one_moment(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another window books between two statements of a report is in none of its figures."""
    connection.execute("PRAGMA journal_mode=WAL")
    rng = random.Random(1)
    book_all(connection, [a_row(0, rng) | {"state": "done"}])
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    premiums = module._premiums

    def booked_meanwhile(*given: Any) -> Any:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            number = other.execute("SELECT count(*) FROM attempts").fetchone()[0]
            book_all(other, [a_row(number, rng) | {"state": "done"}])
        return premiums(*given)

    monkeypatch.setattr(module, "_premiums", booked_meanwhile)
    report = usage_report(connection, checked_query("all", "", group_by="day"))

    assert report.total.sums.requests == 1
    assert sum(part.sums.requests for part in report.groups or ()) == 1
    assert connection.execute("SELECT count(*) FROM attempts").fetchone()[0] == 3
    assert not connection.in_transaction


def test_the_last_turn_of_a_session_is_the_one_begun_last(connection: sqlite3.Connection) -> None:
    rng = random.Random(1)
    turns = ("t9", "t1", "t5")
    book_all(
        connection, [a_row(n, rng) | {"session_id": "s", "turn_id": turn} for n, turn in enumerate(turns)]
    )

    assert last_turn(connection, "s") == "t5"
    assert last_turn(connection, "") is None


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"first_day": "2026-13-01"}, "$.from must be a day as YYYY-MM-DD"),
        ({"first_day": "yesterday"}, "$.from must be a day as YYYY-MM-DD"),
        ({"last_day": "20261122"}, "$.to must be a day as YYYY-MM-DD"),
        ({"last_day": "2026-W47-7"}, "$.to must be a day as YYYY-MM-DD"),
        ({"last_day": "2026-11-22T10:00"}, "$.to must be a day as YYYY-MM-DD"),
        ({"last_day": ""}, "$.to must be a day as YYYY-MM-DD"),
        ({"last_day": "\uff12026-11-22"}, "$.to must be a day as YYYY-MM-DD"),
        ({"first_day": "2026-11-23", "last_day": "2026-11-22"}, "is after $.to"),
        ({"then_by": "model"}, "$.thenBy"),
        ({"group_by": "model", "then_by": "model"}, "$.thenBy"),
        ({"limit": 0}, "$.limit must be 1 to"),
        ({"limit": MOST + 1}, "$.limit must be 1 to"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(wish: dict[str, Any], words: str) -> None:
    with pytest.raises(BadParamsError) as refused:
        checked_query("all", "", **wish)

    assert words in refused.value.message
    assert refused.value.message.count(".") <= 4


def test_a_single_day_and_the_highest_limit_make_sense() -> None:
    query = checked_query("all", "", first_day="2026-11-22", last_day="2026-11-22", limit=MOST)

    assert (query.first_day, query.last_day, query.limit) == ("2026-11-22", "2026-11-22", MOST)


def test_sessions_and_workspaces_are_limited_even_where_nobody_says_so() -> None:
    assert [checked_query("all", "", group_by=group).limit for group in get_args(Grouping)] == [
        None,
        None,
        KEPT,
        KEPT,
    ]
