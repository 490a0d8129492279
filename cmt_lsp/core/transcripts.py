"""The transcripts file: its schema, and every statement that reads or changes a session or a turn."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from cmt_lsp.api.cache_manager import CacheVerdict, sent_from_json, sent_to_json
from cmt_lsp.api.errors import UnknownSessionError
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.batch import rows as batch_rows
from cmt_lsp.core.cache.evidence import CachedTurn
from cmt_lsp.core.compare import schema as comparison_schema
from cmt_lsp.core.context.pins import pin_to_json, pins_from_json
from cmt_lsp.core.records import SessionRecord, TurnRecord
from cmt_lsp.core.storage.store import Migration, Schema
from cmt_lsp.core.turn import Timing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cmt_lsp.core.storage.store import Connection

SessionRow: TypeAlias = tuple[SessionRecord, int, Usage, Cost]
"""A session, the number of its turns, and the sums over them."""

FILE_NAME = "sessions.sqlite3"

_SESSION_COLUMNS = (
    "id, name, named, model, system_prompt, workspace, created_at, updated_at, history_from, revision, "
    "pins, pins_sent"
)
_TURN_COLUMNS = (
    "session_id, seq, id, model, stop_reason, prompt, answer, prompt_text, text, in_history, prefix, started_at, "
    "input_tokens, cache_creation_5m_input_tokens, cache_creation_1h_input_tokens, cache_read_input_tokens, "
    "output_tokens, thinking_tokens, usage_estimated, cost_nano_usd, saved_nano_usd, price_row, cost_estimated, "
    "cache, first_token_ms, total_ms, retries, notices, message_id, request_id, sent"
)
_CACHED_COLUMNS = (
    "id, session_id, seq, model, prefix, started_at, input_tokens, cache_creation_5m_input_tokens, "
    "cache_creation_1h_input_tokens, cache_read_input_tokens, output_tokens, thinking_tokens, usage_estimated, cache"
)

SCHEMA = Schema(
    migrations=(
        Migration(
            "sessions and their turns",
            (
                """CREATE TABLE sessions (
                    id TEXT PRIMARY KEY, name TEXT NOT NULL, named INTEGER NOT NULL, model TEXT NOT NULL,
                    system_prompt TEXT, workspace TEXT, created_at REAL NOT NULL, updated_at REAL NOT NULL,
                    history_from INTEGER NOT NULL DEFAULT 0, revision INTEGER NOT NULL DEFAULT 0)""",
                """CREATE TABLE turns (
                    session_id TEXT NOT NULL REFERENCES sessions(id) ON DELETE CASCADE, seq INTEGER NOT NULL,
                    id TEXT NOT NULL, model TEXT NOT NULL, stop_reason TEXT NOT NULL,
                    prompt TEXT NOT NULL, answer TEXT NOT NULL, prompt_text TEXT NOT NULL, text TEXT NOT NULL,
                    in_history INTEGER NOT NULL, prefix TEXT NOT NULL, started_at REAL NOT NULL,
                    input_tokens INTEGER NOT NULL, cache_creation_5m_input_tokens INTEGER NOT NULL,
                    cache_creation_1h_input_tokens INTEGER NOT NULL, cache_read_input_tokens INTEGER NOT NULL,
                    output_tokens INTEGER NOT NULL, thinking_tokens INTEGER, usage_estimated INTEGER NOT NULL,
                    cost_nano_usd INTEGER, saved_nano_usd INTEGER, price_row TEXT, cost_estimated INTEGER NOT NULL,
                    cache TEXT NOT NULL, first_token_ms INTEGER, total_ms INTEGER NOT NULL,
                    retries INTEGER NOT NULL, notices TEXT NOT NULL, message_id TEXT, request_id TEXT,
                    PRIMARY KEY (session_id, seq), UNIQUE (session_id, id))""",
                "CREATE INDEX sessions_by_workspace ON sessions (workspace, updated_at)",
            ),
        ),
        batch_rows.MIGRATION,
        comparison_schema.MIGRATION,
        Migration("what each turn left in the prompt cache", ("ALTER TABLE turns ADD COLUMN sent TEXT",)),
        Migration(
            "what is pinned to each session, and as what it was last sent",
            (
                "ALTER TABLE sessions ADD COLUMN pins TEXT NOT NULL DEFAULT '[]'",
                "ALTER TABLE sessions ADD COLUMN pins_sent TEXT NOT NULL DEFAULT '[]'",
            ),
        ),
    ),
    tables=("sessions", "turns", *batch_rows.TABLES, *comparison_schema.TABLES),
    repair=(
        """INSERT OR IGNORE INTO sessions (id, name, named, model, created_at, updated_at)
            SELECT session_id, 'Recovered session', 1, model, min(started_at), max(started_at)
            FROM turns WHERE session_id NOT IN (SELECT id FROM sessions) GROUP BY session_id""",
        *batch_rows.REPAIR,
        *comparison_schema.REPAIR,
    ),
)


def insert_session(connection: Connection, session: SessionRecord) -> None:
    """Write a new session; a session that is there already is left as it is."""
    connection.execute(
        f"INSERT OR IGNORE INTO sessions ({_SESSION_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608  our columns
        (
            session.id,
            session.name,
            session.named,
            session.model,
            session.system_prompt,
            session.workspace,
            session.created_at,
            session.updated_at,
            session.history_from,
            session.revision,
            _pins(session),
            _json(session.pins_sent),
        ),
    ).close()


def update_session(connection: Connection, session: SessionRecord) -> None:
    """Write what a person may change of a session; the revision grows."""
    connection.execute(
        "UPDATE sessions SET name=?, named=?, model=?, system_prompt=?, pins=?, updated_at=?, revision=revision+1 WHERE id=?",
        (
            session.name,
            session.named,
            session.model,
            session.system_prompt,
            _pins(session),
            session.updated_at,
            session.id,
        ),
    ).close()


def settle_turn(
    connection: Connection, session: SessionRecord, turn: TurnRecord, replaced: str | None = None
) -> None:
    """Write a finished turn, in the place of the turn `replaced` where one is named.

    The session takes its first name, its pruning point and its date from it; what a person changed meanwhile in
    another window stays. A place that is taken, which only a lost lock can cause, moves the turn behind all others.
    """
    insert_session(connection, session)
    if replaced is not None:
        connection.execute(
            "DELETE FROM turns WHERE session_id=? AND id=?", (turn.session_id, replaced)
        ).close()
    last = connection.execute("SELECT max(seq) FROM turns WHERE session_id=?", (turn.session_id,)).fetchone()[
        0
    ]
    if last is not None and last >= turn.seq:
        turn = replace(turn, seq=last + 1)
    insert_turn(connection, turn)
    connection.execute(
        "UPDATE sessions SET history_from=?, pins_sent=? WHERE id=?",
        (session.history_from, _json(session.pins_sent), session.id),
    ).close()
    note_question(connection, session)


def note_question(connection: Connection, session: SessionRecord) -> None:
    """Something was asked in the session: its first name, its date, and that it changed."""
    connection.execute(
        "UPDATE sessions SET name=CASE WHEN named THEN name ELSE ? END, named=1, "
        "updated_at=max(updated_at, ?), revision=revision+1 WHERE id=?",
        (session.name, session.updated_at, session.id),
    ).close()


def insert_turn(connection: Connection, turn: TurnRecord) -> None:
    """Write one turn; its place in the session must be free."""
    marks = ",".join("?" * (_TURN_COLUMNS.count(",") + 1))
    statement = f"INSERT INTO turns ({_TURN_COLUMNS}) VALUES ({marks})"  # noqa: S608  our columns
    connection.execute(statement, _turn_row(turn)).close()


def rewrite_questions(connection: Connection, session: SessionRecord, turns: Iterable[TurnRecord]) -> None:
    """Write what a person took out of questions; what was answered and paid stays as it is."""
    for turn in turns:
        connection.execute(
            "UPDATE turns SET prompt=?, prefix=? WHERE session_id=? AND id=?",
            (_json(turn.prompt), turn.prefix, turn.session_id, turn.id),
        ).close()
    update_session(connection, session)


def copy_session(connection: Connection, session: SessionRecord, turns: Iterable[TurnRecord]) -> None:
    """Write a new session with turns of its own."""
    insert_session(connection, session)
    for turn in turns:
        insert_turn(connection, turn)


def delete_session(connection: Connection, session_id: str) -> None:
    """Delete a session and its turns for good."""
    connection.execute("DELETE FROM sessions WHERE id=?", (session_id,)).close()


def wipe_traces(connection: Connection) -> None:
    """Take what was deleted out of the write-ahead log too, where there is one."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()


def read_session(connection: Connection, session_id: str) -> SessionRecord:
    """One session; UnknownSessionError."""
    row = connection.execute(
        f"SELECT {_SESSION_COLUMNS} FROM sessions WHERE id=?",  # noqa: S608  columns of our schema
        (session_id,),
    ).fetchone()
    if row is None:
        raise UnknownSessionError("No session has this id; list the sessions to find the one you mean.")
    return _session(row)


def read_sessions(connection: Connection, session_ids: Sequence[str]) -> list[SessionRecord]:
    """Those of these sessions that are kept."""
    found = []
    for session_id in session_ids:
        with suppress(UnknownSessionError):
            found.append(read_session(connection, session_id))
    return found


def read_revision(connection: Connection, session_id: str) -> int | None:
    """How often the session changed, None where it is gone."""
    row = connection.execute("SELECT revision FROM sessions WHERE id=?", (session_id,)).fetchone()
    return None if row is None else int(row[0])


def read_turns(connection: Connection, session_id: str) -> tuple[TurnRecord, ...]:
    """The session's readable turns, oldest first; a row that damage made unreadable is left out."""
    rows = connection.execute(
        f"SELECT {_TURN_COLUMNS} FROM turns WHERE session_id=? ORDER BY seq",  # noqa: S608  columns of our schema
        (session_id,),
    )
    return tuple(turn for row in rows if (turn := _turn_or_none(row)) is not None)


def read_history(connection: Connection, session_id: str) -> tuple[SessionRecord, tuple[TurnRecord, ...]]:
    """A session and its turns as of one moment."""
    return read_session(connection, session_id), read_turns(connection, session_id)


def read_cached_turns(
    connection: Connection, session_ids: Sequence[str] | None, limit: int
) -> tuple[CachedTurn, ...]:
    """The newest turns of these sessions (None: all) without their texts, oldest first."""
    named = "" if session_ids is None else f" WHERE session_id IN ({', '.join('?' * len(session_ids))})"
    rows = connection.execute(
        f"SELECT {_CACHED_COLUMNS} FROM turns{named} ORDER BY started_at DESC LIMIT ?",  # noqa: S608  our columns
        (*(session_ids or ()), limit),
    )
    return tuple(turn for row in rows if (turn := _cached_turn(row)) is not None)[::-1]


def list_sessions(
    connection: Connection, workspaces: Sequence[str | None] | None, query: str | None
) -> list[SessionRow]:
    """Sessions, last used first, with the number of their turns and the sums over them.

    `workspaces` None means all, and None in it means sessions without one; `query` is sought in names, prompts and
    answers, letters of any case alike.
    """
    where = "" if workspaces is None else f" WHERE {' OR '.join(['workspace IS ?'] * len(workspaces)) or '0'}"
    rows = connection.execute(
        f"SELECT {_SESSION_COLUMNS} FROM sessions{where} ORDER BY updated_at DESC, id DESC",  # noqa: S608  our columns
        tuple(workspaces or ()),
    )
    found = [_session(row) for row in rows]
    if query:
        found = [session for session in found if _mentions(connection, session, query.casefold())]
    return [(session, *sums(_money_rows(connection, session.id))) for session in found]


def read_names(connection: Connection, session_ids: Iterable[str]) -> dict[str, str]:
    """The names of those of these sessions that are kept; in the ledger a batch is a session of its own."""
    names = dict(connection.execute("SELECT id, name FROM sessions UNION ALL SELECT id, name FROM batches"))
    return {session_id: names[session_id] for session_id in session_ids if session_id in names}


def sums(rows: Sequence[tuple[Usage, Cost]]) -> tuple[int, Usage, Cost]:
    """Count and add turns."""
    usage = Usage()
    for row in rows:
        usage += row[0]
    return len(rows), usage, Cost.sum(row[1] for row in rows)


def _mentions(connection: Connection, session: SessionRecord, folded: str) -> bool:
    """Case folding is done here: SQLite's LIKE knows only ASCII letters."""
    if folded in session.name.casefold():
        return True
    texts = connection.execute("SELECT prompt_text, text FROM turns WHERE session_id=?", (session.id,))
    return any(folded in text.casefold() for row in texts for text in row)


def _money_rows(connection: Connection, session_id: str) -> list[tuple[Usage, Cost]]:
    rows = connection.execute(
        "SELECT input_tokens, cache_creation_5m_input_tokens, cache_creation_1h_input_tokens, cache_read_input_tokens, "
        "output_tokens, thinking_tokens, usage_estimated, cost_nano_usd, saved_nano_usd, price_row, cost_estimated "
        "FROM turns WHERE session_id=?",
        (session_id,),
    )
    return [(_usage(row[:7]), _cost(row[7:])) for row in rows]


def _session(row: Sequence[Any]) -> SessionRecord:
    *fields, pins, sent = row
    session = SessionRecord(*fields)
    known = pins_from_json(pins), _pins_sent(sent)
    return replace(session, named=bool(session.named), pins=known[0], pins_sent=known[1])


def _pins(session: SessionRecord) -> str:
    return _json([pin_to_json(pin) for pin in session.pins])


def _pins_sent(text: str) -> tuple[tuple[str, str], ...]:
    """Without it a pin counts as unchanged."""
    try:
        return tuple((str(key), str(digest)) for key, digest in json.loads(text))
    except (ValueError, TypeError):
        return ()


def _turn_row(turn: TurnRecord) -> tuple[Any, ...]:
    usage, cost, timing = turn.usage, turn.cost, turn.timing
    return (
        turn.session_id,
        turn.seq,
        turn.id,
        turn.model,
        turn.stop_reason,
        _json(turn.prompt),
        _json(turn.answer),
        turn.prompt_text,
        turn.text,
        turn.in_history,
        turn.prefix,
        turn.started_at,
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
        _json(asdict(turn.cache)),
        timing.first_token_ms,
        timing.total_ms,
        timing.retries,
        _json(turn.notices),
        turn.message_id,
        turn.request_id,
        sent_to_json(turn.sent),
    )


def _turn_or_none(row: Sequence[Any]) -> TurnRecord | None:
    try:
        return _turn(row)
    except (ValueError, TypeError, KeyError):
        return None


def _turn(row: Sequence[Any]) -> TurnRecord:
    return TurnRecord(
        id=row[2],
        session_id=row[0],
        seq=row[1],
        model=row[3],
        stop_reason=row[4],
        prompt=tuple(json.loads(row[5])),
        answer=tuple(json.loads(row[6])),
        prompt_text=row[7],
        text=row[8],
        in_history=bool(row[9]),
        prefix=row[10],
        started_at=row[11],
        usage=_usage(row[12:19]),
        cost=_cost(row[19:23]),
        cache=_verdict(row[23]),
        timing=Timing(*row[24:27]),
        notices=tuple(json.loads(row[27])),
        message_id=row[28],
        request_id=row[29],
        sent=sent_from_json(row[30]),
    )


def _cached_turn(row: Sequence[Any]) -> CachedTurn | None:
    try:
        return CachedTurn(
            row[0], row[1], row[2], row[3], row[4], row[5], _usage(row[6:13]), _verdict(row[13])
        )
    except (ValueError, TypeError, KeyError):
        return None


def _verdict(text: str) -> CacheVerdict:
    return CacheVerdict(**json.loads(text))


def _usage(row: Sequence[Any]) -> Usage:
    plain, write_5m, write_1h, read, output, thinking, estimated = row
    return Usage(plain, write_5m, write_1h, read, output, thinking, bool(estimated))


def _cost(row: Sequence[Any]) -> Cost:
    return Cost(row[0], row[1], row[2], bool(row[3]), unpriced=int(row[0] is None))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
