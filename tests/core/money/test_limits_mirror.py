"""The copy of the limits: what keeps a budget in force when the ledger is lost or cannot be opened."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from live_ledger import NOW, USD, claim, one_turn, origin, peek

from cmt_lsp.api.errors import BudgetExceededError, LedgerUnavailableError, StoreUnavailableError
from cmt_lsp.core.money.budget import Limit
from cmt_lsp.core.money.ledger import Ledger
from cmt_lsp.core.money.limits_mirror import LimitsMirror


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    made = open_ledger(tmp_path)
    yield made
    made.close()


def open_ledger(tmp_path: Path, window: str = "w1", patience: float = 5.0) -> Ledger:
    return Ledger(
        tmp_path / "state", window, clock=lambda: NOW, spool_dir=tmp_path / "spool", patience=patience
    )


def mirror_of(tmp_path: Path) -> LimitsMirror:
    return LimitsMirror(tmp_path / "state" / "limits.json")


async def test_the_copy_follows_every_change_and_is_private(ledger: Ledger, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        await ledger.set_limit("day", USD, (10, 20))
        await ledger.set_limit("turn", 5, None)
        await ledger.set_limit("turn", None, None)
    finally:
        os.umask(before)

    assert mirror_of(tmp_path).last_known() == (Limit("day", USD, (10, 20)),)
    assert stat.S_IMODE((tmp_path / "state" / "limits.json").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "state").glob("limits*")] == ["limits.json"]


async def test_where_no_limit_was_ever_set_there_is_no_copy(ledger: Ledger, tmp_path: Path) -> None:
    await one_turn(ledger, "a1")

    assert not (tmp_path / "state" / "limits.json").exists()
    assert mirror_of(tmp_path).last_known() == ()


async def test_a_ledger_that_is_lost_takes_no_limit_with_it(tmp_path: Path) -> None:
    first = open_ledger(tmp_path)
    await first.set_limit("day", 5, None)
    await first.set_limit("month", USD, (1, 99))
    await first.set_limit("session", 7, None)
    await first.set_limit("session", None, None)
    assert first.close()
    for path in (tmp_path / "state").glob("ledger.sqlite3*"):
        path.unlink()
    second = open_ledger(tmp_path, "w2")

    with pytest.raises(BudgetExceededError):
        await second.reserve([claim("a1")])

    assert [(b.scope, b.limit_nano, b.warn_at[0]) for b in await second.budgets(origin())] == [
        ("day", 5, 50),
        ("month", USD, 1),
    ]
    assert [n for n in second.take_notices() if "budgets" in n] == [
        "The ledger had lost your budgets; they are in force again as they were."
    ]
    third = open_ledger(tmp_path, "w3")
    await asyncio.wrap_future(third.sweep())
    assert third.take_notices() == (), "told once, and the copy agrees with the ledger again"
    assert second.close()
    assert third.close()


async def test_limits_that_were_lost_while_windows_are_open_come_back(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.set_limit("day", 1, None)
    await ledger.set_limit("month", USD, None)
    with peek(tmp_path / "state") as connection:
        connection.execute("DELETE FROM limits WHERE scope = 'month'")

    with pytest.raises(BudgetExceededError):
        await ledger.reserve([claim("a1")])

    with peek(tmp_path / "state") as connection:
        journal = [
            tuple(row) for row in connection.execute("SELECT scope, limit_nano FROM limits ORDER BY seq")
        ]
    assert journal == [("day", 1), ("month", USD)], "only what was lost is set again"


async def test_a_change_of_another_window_reaches_the_copy_even_if_that_window_dies_before(
    ledger: Ledger, tmp_path: Path
) -> None:
    await ledger.set_limit("day", USD, None)
    with peek(tmp_path / "state") as connection:
        connection.execute(
            "INSERT INTO limits (scope, limit_nano, warn_at, set_at, window_id) VALUES ('day', 9, '50', 1, 'w9')"
        )

    await asyncio.wrap_future(ledger.sweep())

    assert mirror_of(tmp_path).last_known() == (Limit("day", 9, (50,)),)


async def test_a_copy_that_cannot_be_written_is_told_once(ledger: Ledger, tmp_path: Path) -> None:
    as_folder(tmp_path / "state" / "limits.json")
    (tmp_path / "state" / "limits.json" / "in the way").touch()
    await ledger.set_limit("day", USD, None)
    await one_turn(ledger, "a1")

    assert [notice for notice in ledger.take_notices() if "cannot be written" in notice] != []
    assert ledger.take_notices() == ()
    assert (await ledger.budgets(origin()))[0].limit_nano == USD


def as_junk(path: Path) -> None:
    path.write_text("junk")


def as_wrong_shape(path: Path) -> None:
    path.write_text(json.dumps({"seq": 1, "limits": [{"scope": "decade", "limit_nano": 1, "warn_at": []}]}))


def as_link(path: Path) -> None:
    target = path.with_name("elsewhere.json")
    target.write_text(json.dumps({"seq": 0, "limits": []}))
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def as_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir(parents=True)


BROKEN = [as_junk, as_wrong_shape, as_link, as_folder]


@pytest.mark.parametrize("spoil", BROKEN)
async def test_an_unreadable_copy_counts_as_a_limit_when_the_ledger_is_gone_too(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    (tmp_path / "state" / "ledger.sqlite3").mkdir(parents=True)
    spoil(tmp_path / "state" / "limits.json")
    with pytest.raises(StoreUnavailableError, match="mend it or delete it"):
        mirror_of(tmp_path).last_known()
    ledger = open_ledger(tmp_path, patience=0.2)

    with pytest.raises(LedgerUnavailableError, match=r"Nothing was sent: .* the copy of your budgets"):
        await ledger.reserve([claim("a1")])

    (granted,) = await ledger.reserve([claim("a2", override="just this once")])
    assert granted.notices
    ledger.close()


@pytest.mark.parametrize("spoil", BROKEN[:2])
async def test_an_unreadable_copy_is_written_anew_by_a_ledger_that_works(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    first = open_ledger(tmp_path)
    await first.set_limit("day", USD, None)
    assert first.close()
    spoil(tmp_path / "state" / "limits.json")
    second = open_ledger(tmp_path)

    await one_turn(second, "a1")

    assert mirror_of(tmp_path).last_known() == (Limit("day", USD),)
    assert second.close()


@pytest.mark.parametrize("broken", ["not a folder", "no folder"])
def test_where_there_can_be_no_copy_there_is_no_limit(tmp_path: Path, broken: str) -> None:
    if broken == "not a folder":
        (tmp_path / "state").write_text("in the way")
    assert mirror_of(tmp_path).last_known() == ()
