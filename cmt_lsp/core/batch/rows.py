"""Batches in the transcripts file: their tables, and every statement that reads or changes them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.errors import UnknownBatchError
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.batch.batch import ANSWER_STATES, OPEN_STATES, AnsweredPrompt, BatchAnswer, BatchRecord
from cmt_lsp.core.money.attempt import Sums
from cmt_lsp.core.storage.store import Migration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cmt_lsp.core.batch.batch import AnswerState
    from cmt_lsp.core.batch.plan import PlannedRequest
    from cmt_lsp.core.storage.store import Connection

TABLES = ("batches", "batch_requests")
MIGRATION = Migration(
    "batches of prompts",
    (
        """CREATE TABLE batches (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, model TEXT NOT NULL, workspace TEXT, window_id TEXT NOT NULL,
            created_at REAL NOT NULL, requests INTEGER NOT NULL, state TEXT NOT NULL, endpoint TEXT, anchor TEXT,
            organization TEXT, sent_at REAL, remote_id TEXT, expires_at REAL, ended_at REAL, problem TEXT)""",
        "CREATE INDEX batches_by_state ON batches (state)",
        """CREATE TABLE batch_requests (
            batch_id TEXT NOT NULL REFERENCES batches(id) ON DELETE CASCADE, seq INTEGER NOT NULL,
            prompt_id TEXT NOT NULL, prompt TEXT NOT NULL, system TEXT, model TEXT NOT NULL,
            max_tokens INTEGER NOT NULL, state TEXT NOT NULL, text TEXT, stop_reason TEXT, error TEXT, message_id TEXT,
            input_tokens INTEGER NOT NULL DEFAULT 0, cache_creation_5m_input_tokens INTEGER NOT NULL DEFAULT 0,
            cache_creation_1h_input_tokens INTEGER NOT NULL DEFAULT 0,
            cache_read_input_tokens INTEGER NOT NULL DEFAULT 0, output_tokens INTEGER NOT NULL DEFAULT 0,
            thinking_tokens INTEGER, usage_estimated INTEGER NOT NULL DEFAULT 0, cost_nano_usd INTEGER,
            saved_nano_usd INTEGER, price_row TEXT, cost_estimated INTEGER NOT NULL DEFAULT 0,
            settled INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (batch_id, seq))""",
        "CREATE INDEX batch_requests_open ON batch_requests (batch_id, state, settled)",
    ),
)
REPAIR = (
    """INSERT OR IGNORE INTO batches (id, name, model, window_id, created_at, requests, state, problem)
        SELECT batch_id, 'Recovered batch', min(model), '', 0, max(seq) + 1, 'lost',
        'What was known of the batch lay on a damaged page.'
        FROM batch_requests WHERE batch_id NOT IN (SELECT id FROM batches) GROUP BY batch_id""",
)

_COLUMNS = ", ".join(field.name for field in fields(BatchRecord))
_ANSWER = (
    "seq, state, text, stop_reason, error, message_id, input_tokens, cache_creation_5m_input_tokens, "
    "cache_creation_1h_input_tokens, cache_read_input_tokens, output_tokens, thinking_tokens, usage_estimated, "
    "cost_nano_usd, saved_nano_usd, price_row, cost_estimated"
)


def insert_batch(connection: Connection, record: BatchRecord, requests: Iterable[PlannedRequest]) -> None:
    """Write a new batch with all its prompts."""
    values = [getattr(record, field.name) for field in fields(BatchRecord)]
    marks = ",".join("?" * len(values))
    connection.execute(f"INSERT INTO batches ({_COLUMNS}) VALUES ({marks})", values).close()  # noqa: S608  our columns
    connection.executemany(
        "INSERT INTO batch_requests (batch_id, seq, prompt_id, prompt, system, model, max_tokens, state) "
        "VALUES (?,?,?,?,?,?,?,'processing')",
        (
            (record.id, index, r.prompt_id, r.prompt, r.request.system, r.request.model, r.request.max_tokens)
            for index, r in enumerate(requests)
        ),
    ).close()


def delete_batch(connection: Connection, batch_id: str) -> None:
    """Forget a batch of which nothing was sent."""
    connection.execute("DELETE FROM batches WHERE id=?", (batch_id,)).close()


def read_batch(connection: Connection, batch_id: str) -> BatchRecord:
    """One batch; UnknownBatchError."""
    rows = _read(connection, "WHERE id=?", (batch_id,))
    if not rows:
        raise UnknownBatchError("No batch has this id; list the batches to find the one you mean.")
    return rows[0]


def list_batches(
    connection: Connection, window_id: str | None, workspaces: Sequence[str | None] | None
) -> list[BatchRecord]:
    """Batches, the newest first: of one window, or of these workspaces (None in them: without one), or all."""
    if window_id is not None:
        return _read(connection, "WHERE window_id=?", (window_id,))
    if workspaces is None:
        return _read(connection, "", ())
    return _read(connection, f"WHERE {' OR '.join(['workspace IS ?'] * len(workspaces))}", tuple(workspaces))


def unsent_batches(connection: Connection) -> list[BatchRecord]:
    """Those of which nothing had left when they were last written."""
    return _read(connection, "WHERE state='submitting' AND sent_at IS NULL", ())


def taken_names(connection: Connection) -> set[str]:
    """The endpoint's ids of all batches that are known."""
    return {row[0] for row in connection.execute("SELECT remote_id FROM batches WHERE remote_id IS NOT NULL")}


def change_batch(connection: Connection, batch_id: str, changes: Mapping[str, Any]) -> BatchRecord:
    """Change fields of a batch that is still open, and return it as it then stands; one that has ended stays."""
    names = ", ".join(f"{name}=?" for name in changes)
    open_states = ", ".join(f"'{state}'" for state in (*OPEN_STATES, "lost"))
    connection.execute(
        f"UPDATE batches SET {names} WHERE id=? AND state IN ({open_states})",  # noqa: S608  fields of our record
        (*changes.values(), batch_id),
    ).close()
    return read_batch(connection, batch_id)


def keep_answers(connection: Connection, batch_id: str, answers: Iterable[BatchAnswer]) -> None:
    """Write answers to prompts that have none; an answer that is there already stays as it is."""
    names = [name.strip() for name in _ANSWER.split(",")][1:]
    connection.executemany(
        f"UPDATE batch_requests SET {', '.join(f'{name}=?' for name in names)} "  # noqa: S608  our columns
        "WHERE batch_id=? AND seq=? AND state IN ('processing', 'lost')",
        ((*_answer_row(answer), batch_id, answer.index) for answer in answers),
    ).close()


def unsettled_answers(connection: Connection, batch_id: str, limit: int) -> list[BatchAnswer]:
    """Answers that the ledger has not confirmed."""
    rows = connection.execute(
        f"SELECT {_ANSWER} FROM batch_requests "  # noqa: S608  our columns
        "WHERE batch_id=? AND settled=0 AND state NOT IN ('processing', 'lost') ORDER BY seq LIMIT ?",
        (batch_id, limit),
    )
    return [_answer(row) for row in rows]


def mark_settled(connection: Connection, batch_id: str, indexes: Iterable[int]) -> None:
    """The ledger has these on disk."""
    connection.executemany(
        "UPDATE batch_requests SET settled=1 WHERE batch_id=? AND seq=?",
        ((batch_id, index) for index in indexes),
    ).close()


def call_off(connection: Connection, batch_id: str, error: str) -> None:
    """Close the prompts of a batch that never ran; the ledger has been told."""
    connection.execute(
        "UPDATE batch_requests SET state='canceled', error=?, settled=1 WHERE batch_id=? AND state='processing'",
        (error, batch_id),
    ).close()


def give_up(connection: Connection, batch_id: str, error: str) -> int:
    """Call the prompts lost that have no answer; how many they are."""
    cursor = connection.execute(
        "UPDATE batch_requests SET state='lost', error=? WHERE batch_id=? AND state='processing'",
        (error, batch_id),
    )
    cursor.close()
    return cursor.rowcount


def resume(connection: Connection, batch_id: str) -> None:
    """Wait again for the prompts that were called lost."""
    connection.execute(
        "UPDATE batch_requests SET state='processing', error=NULL WHERE batch_id=? AND state='lost'",
        (batch_id,),
    ).close()


def counts_of(connection: Connection, batch_ids: Iterable[str]) -> dict[str, dict[AnswerState, int]]:
    """How many prompts of each batch are in which state."""
    found: dict[str, dict[AnswerState, int]] = {}
    for batch_id in batch_ids:
        rows = connection.execute(
            "SELECT state, count(*) FROM batch_requests WHERE batch_id=? GROUP BY state", (batch_id,)
        )
        told = dict(rows)
        found[batch_id] = {state: told.get(state, 0) for state in ANSWER_STATES}
    return found


def sums_of_answers(connection: Connection, batch_ids: Iterable[str]) -> dict[str, Sums]:
    """What the answers of each batch add up to, by their own prices."""
    query = f"SELECT {_ANSWER} FROM batch_requests WHERE batch_id=? AND state='succeeded'"  # noqa: S608  our columns
    found: dict[str, Sums] = {}
    for batch_id in batch_ids:
        answers = [_answer(row) for row in connection.execute(query, (batch_id,))]
        costs = [answer.cost for answer in answers if answer.cost is not None]
        estimated = sum(answer.usage.estimated for answer in answers)
        usage = sum((answer.usage for answer in answers), Usage())
        found[batch_id] = Sums(len(answers), usage, Cost.sum(costs), estimated)
    return found


def read_models(connection: Connection, batch_id: str) -> list[str]:
    """The model of every prompt, in order."""
    rows = connection.execute("SELECT model FROM batch_requests WHERE batch_id=? ORDER BY seq", (batch_id,))
    return [row[0] for row in rows]


def read_answers(connection: Connection, batch_id: str, start: int, limit: int) -> list[AnsweredPrompt]:
    """Prompts with their answers so far, in order, from number `start` on."""
    rows = connection.execute(
        f"SELECT prompt_id, prompt, model, {_ANSWER} FROM batch_requests "  # noqa: S608  our columns
        "WHERE batch_id=? AND seq>=? ORDER BY seq LIMIT ?",
        (batch_id, start, limit),
    )
    return [AnsweredPrompt(row[0], row[1], row[2], _answer(row[3:])) for row in rows]


def _read(connection: Connection, where: str, values: tuple[Any, ...]) -> list[BatchRecord]:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM batches {where} ORDER BY created_at DESC, id DESC",  # noqa: S608  our columns
        values,
    )
    return [BatchRecord(*row) for row in rows]


def _answer_row(answer: BatchAnswer) -> tuple[Any, ...]:
    usage, cost = answer.usage, answer.cost or Cost(0, 0, None, estimated=False)
    return (
        answer.state,
        answer.text,
        answer.stop_reason,
        answer.error,
        answer.message_id,
        usage.input_tokens,
        usage.cache_creation_5m_input_tokens,
        usage.cache_creation_1h_input_tokens,
        usage.cache_read_input_tokens,
        usage.output_tokens,
        usage.thinking_tokens,
        usage.estimated,
        cost.nano_usd,
        cost.saved_nano_usd,
        cost.price_row,
        cost.estimated,
    )


def _answer(row: Sequence[Any]) -> BatchAnswer:
    index, state, text, stop_reason, error, message_id = row[:6]
    usage = replace(Usage(*row[6:12]), estimated=bool(row[12]))
    nano, saved, price_row, estimated = row[13:17]
    cost = Cost(nano, saved, price_row, bool(estimated), unpriced=int(nano is None))
    return BatchAnswer(index, state, text, stop_reason, error, message_id, usage, cost)
