"""A look into the ledger's file of a world, and at what the endpoint says it charged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cmt_lsp.api.models import cost_of
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.schema import FILE_NAME
from cmt_lsp.simulator import RecordedRequest, Simulator

MESSAGES = "/v1/messages"


def ledger_path(world: Path) -> Path:
    """Where the ledger of a world lies."""
    return world / "state" / FILE_NAME


def attempts(world: Path) -> list[dict[str, Any]]:
    """All attempts, in the order of booking."""
    with closing(sqlite3.connect(ledger_path(world))) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM attempts ORDER BY seq")]


def asked(sim: Simulator) -> list[RecordedRequest]:
    """The requests for an answer."""
    return [request for request in sim.requests if request.path == MESSAGES]


def charged(sim: Simulator, since: int = 0) -> int:
    """What the endpoint charged for all requests from some on, in nano-dollars."""
    now = datetime.now(UTC)
    return sum(_price(request, now) for request in asked(sim)[since:])


def _price(request: RecordedRequest, at: datetime) -> int:
    told = request.usage
    if told is None:
        return 0
    written = told["cache_creation"]
    usage = Usage(
        told["input_tokens"],
        written["ephemeral_5m_input_tokens"],
        written["ephemeral_1h_input_tokens"],
        told["cache_read_input_tokens"],
        told["output_tokens"],
    )
    return cost_of(request.body["model"], usage, at).nano_usd or 0
