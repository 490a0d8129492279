"""Is the ledger sound: its pages, its rows, its sums, and what waits for it beside the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cmt_lsp.core.money.schema import FINAL, IMPOSSIBLE_ROWS, SCHEMA, WRONG_SUMS
from cmt_lsp.core.storage.salvage import one_moment

if TYPE_CHECKING:
    from pathlib import Path

    from cmt_lsp.core.storage.store import Connection
    from cmt_lsp.core.storage.store_thread import Store

_MOST_DAMAGE = 10
"""Sentences of SQLite's that are shown; a broken page may cause thousands."""
_MEND = "`cmt-lsp ledger check --mend`"
_COUNTS = f"SELECT count(*), sum(NOT {FINAL}), sum(state = 'orphan'), sum(nano_usd IS NULL AND {FINAL}) FROM attempts"  # noqa: S608


@dataclass(frozen=True, slots=True)
class LedgerState:
    """What was found in the file."""

    attempts: int
    running: int
    orphans: int
    """Attempts whose process died; each is charged an estimate."""
    unpriced: int
    impossible: int
    """Rows with figures that no attempt can leave."""
    wrong_sums: int
    damage: tuple[str, ...]
    """SQLite's words about pages and indexes that do not fit; empty for a sound file."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    state: Literal["ok", "warn", "fail"]
    sentence: str


def check_ledger(store: Store) -> LedgerState:
    """Look at the whole file; reads for about as long as the file takes to read."""
    return store.submit(_look).result()


def mend_ledger(store: Store) -> None:
    """Take out of the rows what no request can leave, and make the sums anew from them."""
    store.write(_mend, keep=False).result()


def findings(path: Path, state: LedgerState, spooled: int) -> tuple[Finding, ...]:
    """What to say of a ledger, every failure with what to do; `spooled` files hold what it has yet to book."""
    found = [
        Finding("ok", f"{path}: {state.attempts:,} requests, {_size(path)}"),
        _pages(path, state.damage),
        _rows(state.impossible),
        _sums(state.wrong_sums),
    ]
    if state.running:
        found.append(Finding("ok", f"{state.running:,} still run"))
    if state.orphans:
        found.append(Finding("ok", f"{state.orphans:,} lost their process and are charged an estimate"))
    if state.unpriced:
        found.append(
            Finding("ok", f"{state.unpriced:,} have no price; put one into prices.toml for those to come")
        )
    if spooled:
        found.append(
            Finding("warn", f"{spooled:,} files wait to be booked; the next question or window books them")
        )
    return tuple(found)


def _pages(path: Path, damage: tuple[str, ...]) -> Finding:
    if not damage:
        return Finding("ok", "every page fits the others")
    return Finding(
        "fail",
        f"pages are damaged ({'; '.join(damage)}): copy {path.parent} away; the next question keeps the file and goes "
        "on in a fresh one with all rows that can be read",
    )


def _rows(impossible: int) -> Finding:
    if not impossible:
        return Finding("ok", "every row is one that a request can leave")
    return Finding("fail", f"{impossible:,} rows hold what no request can leave: {_MEND} takes it out")


def _sums(wrong: int) -> Finding:
    if not wrong:
        return Finding("ok", "the sums are those of the rows")
    return Finding("fail", f"{wrong:,} sums are not those of the rows: {_MEND} makes them anew")


def _look(connection: Connection) -> LedgerState:
    pages = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_MOST_DAMAGE})")]
    with one_moment(connection):
        attempts, running, orphans, unpriced = (count or 0 for count in _row(connection, _COUNTS))
        (impossible,) = _row(connection, IMPOSSIBLE_ROWS)
        wrong = sum(_row(connection, query)[0] for query in WRONG_SUMS)
    damage = tuple(text for text in pages if text != "ok")
    return LedgerState(attempts, running, orphans, unpriced, impossible, wrong, damage)


def _row(connection: Connection, query: str) -> tuple[int, ...]:
    row: tuple[int, ...] = connection.execute(query).fetchall()[0]
    return row


def _mend(connection: Connection) -> None:
    for statement in SCHEMA.repair:
        connection.execute(statement).close()


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.0f} KB"
