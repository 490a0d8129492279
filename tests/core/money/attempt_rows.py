"""Rows of a real ledger file, written as the ledger writes them: its triggers keep the sums."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cmt_lsp.core.money.schema import FILE_NAME, SCHEMA
from cmt_lsp.core.storage.store import Schema, StoreFile

_numbers = itertools.count()


@contextmanager
def ledger_file(folder: Path, schema: Schema = SCHEMA) -> Iterator[sqlite3.Connection]:
    """An empty ledger on the disk and a connection to it."""
    file = StoreFile(folder / FILE_NAME, schema, lambda: 0.0)
    file.read(lambda _: None)
    file.close()
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as connection:
        yield connection


def book(connection: sqlite3.Connection, **changes: Any) -> None:
    """One settled attempt of session `s` in window `w`, changed as told."""
    row = {
        "id": f"a{next(_numbers)}", "kind": "turn", "session_id": "s", "turn_id": "t", "window_id": "w",
        "workspace": "", "model": "claude-sonnet-5-5", "number": 1, "started_at": 1.0, "utc_offset": 0,
        "day": "2026-11-22", "ended_at": 2.0, "state": "done", "input_tokens": 0,
        "cache_creation_5m_input_tokens": 0, "cache_creation_1h_input_tokens": 0, "cache_read_input_tokens": 0,
        "output_tokens": 0, "thinking_tokens": None, "usage_estimated": 0, "nano_usd": 0, "saved_nano_usd": 0,
        "price_row": None, "cost_estimated": 0, "hold_nano": 0, "machine": "m", "pid": 1, "pid_started": 1.0,
        "lease_until": 1.0, **changes,
    }  # fmt: skip
    marks = ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO attempts ({', '.join(row)}) VALUES ({marks})", row)  # noqa: S608  our columns
