"""A ledger with a long past: `fill` writes any number of believable attempts fast.

python -m tests.benchmarks.full_ledger PATH ROWS [SEED]
"""

from __future__ import annotations

import random
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from cmt_lsp.api.models import price_in_force
from cmt_lsp.core.money.schema import REBUILD_SUMS, SCHEMA
from cmt_lsp.core.storage.store import StoreFile

END = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
"""When the newest attempt was made, unless the caller says otherwise."""
MODELS = (
    "claude-sonnet-5-5",
    "claude-opus-5-5",
    "claude-haiku-4-5-20251001",
    "claude-fable-5-2",
    "local-model",
)
"""The last one has no price."""
_WEIGHTS = (50, 20, 20, 9, 1)
_STATES = ("done", "cancelled", "failed", "truncated", "client_gone", "orphan")
_STATE_WEIGHTS = (930, 35, 15, 10, 8, 2)
_TURNS_PER_SESSION = 12
_DAYS = 730
_LATER = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql IS NOT NULL"
"""What is made once the rows are there."""
_BATCH = 20_000

_COLUMNS = (
    "id", "kind", "session_id", "turn_id", "window_id", "workspace", "model", "number",
    "started_at", "utc_offset", "day", "ended_at", "state",
    "input_tokens", "cache_creation_5m_input_tokens", "cache_creation_1h_input_tokens", "cache_read_input_tokens",
    "output_tokens", "thinking_tokens", "usage_estimated",
    "nano_usd", "saved_nano_usd", "price_row", "cost_estimated", "hold_nano", "override",
    "machine", "pid", "pid_started", "lease_until",
    "max_tokens", "raw_input_tokens", "expected_input", "expected_exact", "expected_p50", "expected_p90",
    "expected_nano", "answer_bytes",
)  # fmt: skip
_INSERT = f"INSERT INTO attempts ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608


def fill(path: Path, rows: int, seed: int, *, end_at: float = END) -> None:
    """Write `rows` settled attempts into a new ledger at `path`, oldest first, spread over two years up to `end_at`.

    The same seed writes the same rows. The sums are rebuilt once at the end, as after a salvage.
    """
    file = StoreFile(path, SCHEMA, lambda: end_at)
    file.read(lambda _: None)
    file.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Only for this file, which nobody else has yet: a crash here costs a benchmark, not a record.
        connection.executescript("PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; BEGIN")
        later = connection.execute(_LATER).fetchall()
        for kind, name, _ in later:
            connection.execute(f"DROP {kind} {name}")
        past = _attempts(rows, random.Random(seed), end_at)
        while batch := list(islice(past, _BATCH)):
            connection.executemany(_INSERT, batch)
        for statement in (*(made for _, _, made in later), *REBUILD_SUMS):
            connection.execute(statement)
        connection.execute("COMMIT")


@dataclass(slots=True)
class _Session:
    id: str
    window: str
    workspace: str
    model: str
    turns_left: int
    history: int = 0


def _attempts(rows: int, rng: random.Random, end_at: float) -> Iterator[tuple[object, ...]]:
    started = end_at - _DAYS * 86_400
    step = _DAYS * 86_400 / rows
    sessions: list[_Session] = []
    for number in range(rows):
        moment = started + (number + 1) * step
        index = rng.randrange(4)
        while index >= len(sessions):
            sessions.append(_new_session(rng, number + len(sessions)))
        session = sessions[index]
        yield _attempt(session, number, moment, rng)
        session.turns_left -= 1
        if not session.turns_left:
            sessions.pop(index)


def _new_session(rng: random.Random, number: int) -> _Session:
    return _Session(
        id=f"s{number:07}{rng.randrange(16**8):08x}",
        window=f"w{number // 40:05}",
        workspace=f"/home/me/project{min(int(rng.expovariate(0.3)), 19)}",
        model=rng.choices(MODELS, _WEIGHTS)[0],
        turns_left=rng.randrange(1, 2 * _TURNS_PER_SESSION),
    )


def _attempt(session: _Session, number: int, moment: float, rng: random.Random) -> tuple[object, ...]:
    fresh = rng.randrange(20, 2000)
    read, write = session.history, rng.randrange(0, 3000)
    output = min(int(rng.lognormvariate(5.5, 1.0)) + 1, 8192)
    session.history += write
    state = rng.choices(_STATES, _STATE_WEIGHTS)[0]
    estimated = state != "done"
    when = datetime.fromtimestamp(moment, UTC)
    price = price_in_force(session.model, when, fresh + read + write)
    nano = saved = hold = expected_nano = None
    p50, p90 = 245, 880
    if price is not None:
        nano = fresh * price.input + write * price.write_5m + read * price.read + output * price.output
        saved = (fresh + write + read) * price.input + output * price.output - nano
        hold = int((fresh + write + read) * 1.1) * price.write_5m + 8192 * price.output
        expected_nano = nano + (p50 - output) * price.output
    total = fresh + write + read
    return (
        f"a{number:08}", "turn", session.id, f"t{number:08}", session.window, session.workspace, session.model, 1,
        moment, 0, when.strftime("%Y-%m-%d"), moment + 1 + output / 80, state,
        fresh, write, 0, read, output, None, estimated,
        nano, saved, price.id if price else None, estimated, hold or 0, None,
        "old-machine", 4242, 1.0, moment + 60,
        8192, total + rng.randrange(-total // 5, total // 5 + 1), total, 0, p50, p90, expected_nano, output * 4,
    )  # fmt: skip


if __name__ == "__main__":
    fill(Path(sys.argv[1]).absolute(), int(sys.argv[2]), int((sys.argv[3:] or ["1"])[0]))
