"""Claims, settlements and looks at the file for tests that drive a real ledger."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.attempt import Ceiling, Claim, FinalState, Granted, Kind, Origin, Settled, Settlement
from cmt_lsp.core.money.holder import Holder, this_machine
from cmt_lsp.core.money.ledger import Ledger
from cmt_lsp.core.money.schema import FILE_NAME, WRONG_SUMS

OLD_SQLITE, NEW_SQLITE = (3, 40, 1), (3, 51, 3)
"""A rollback journal, and WAL."""
NOW = 1_795_000_000.0
"""2026-11-18 11:06:40 UTC."""
MODEL = "claude-sonnet-5-5"
USD = 1_000_000_000
SMALL = Ceiling(1_000_000, 10_000)


def origin(
    turn: str = "t1", session: str = "s1", workspace: str = "/home/me/a", kind: Kind = "turn"
) -> Origin:
    return Origin(kind, session, turn, workspace)


def claim(
    name: str,
    *,
    of: Origin | None = None,
    ceiling: Ceiling | None = SMALL,
    max_tokens: int = 1000,
    **more: Any,
) -> Claim:
    """A claim whose worst case is 11,000,000 nano-dollars, unless told otherwise."""
    more = {"model": MODEL, "number": 1, "raw_input_tokens": 100, **more}
    return Claim(name, of or origin(), max_tokens=max_tokens, ceiling=ceiling, **more)


def ended(
    name: str,
    nano: int | None = 2_000_000,
    *,
    state: FinalState = "done",
    at: float = NOW + 5,
    usage: Usage | None = None,
) -> Settlement:
    cost = Cost.none_known() if nano is None else Cost(nano, 0, f"{MODEL}@2026-01-01", estimated=False)
    return Settlement(name, state, at, usage or Usage(100, 0, 0, 0, 50), cost, 200)


async def settle(ledger: Ledger, *settlements: Settlement) -> Settled:
    return await asyncio.wait_for(asyncio.wrap_future(ledger.settle(settlements)), 20)


async def one_turn(ledger: Ledger, name: str, nano: int = 2_000_000, **more: Any) -> Granted:
    """Reserve and settle one attempt."""
    (granted,) = await ledger.reserve([claim(name, **more)])
    settled = await settle(ledger, ended(name, nano))
    assert settled.recorded, settled
    return granted


@contextmanager
def peek(state_dir: Path) -> Iterator[sqlite3.Connection]:
    """A look at the file beside the ledger, by names of columns."""
    with closing(sqlite3.connect(state_dir / FILE_NAME, isolation_level=None, timeout=20)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def row_of(state_dir: Path, name: str) -> sqlite3.Row | None:
    with peek(state_dir) as connection:
        row: sqlite3.Row | None = connection.execute(
            "SELECT * FROM attempts WHERE id = ?", (name,)
        ).fetchone()
        return row


def states(state_dir: Path) -> dict[str, str]:
    """The state of every attempt in the file."""
    with peek(state_dir) as connection:
        return {row["id"]: row["state"] for row in connection.execute("SELECT id, state FROM attempts")}


def wrong_sums(connection: sqlite3.Connection) -> int:
    """How many rows of the tables of sums are not the sums over the attempts."""
    return sum(connection.execute(query).fetchone()[0] for query in WRONG_SUMS)


def dead_holder() -> Holder:
    """A process that was there and is gone."""
    with subprocess.Popen(["true"]) as process:
        pass
    return Holder(this_machine(), process.pid, 1.0)


HOLD_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
print("freed", flush=True)
sys.stdin.readline()
"""


@contextmanager
def lock_held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the file's lock until it is told to let go by `free`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


def free(holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "freed\n"
