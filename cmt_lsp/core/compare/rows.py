"""Comparisons in the transcripts file: a question, each answer to it as a record, and which one was chosen.

The tables belong to the schema of `transcripts`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.cache_manager import CacheVerdict, sent_from_json, sent_to_json
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core import transcripts
from cmt_lsp.core.records import TurnRecord
from cmt_lsp.core.turn import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmt_lsp.core.records import SessionRecord
    from cmt_lsp.core.storage.store import Connection


@dataclass(frozen=True, slots=True)
class ComparisonRecord:
    """One question to several models."""

    id: str
    session_id: str
    head: str | None
    """The session's last turn when it was asked; None before the first one."""
    asked_at: float
    prompt: tuple[Mapping[str, Any], ...]
    """The user message's blocks, the same for all models."""
    prompt_text: str
    chosen: str | None = None
    """The turn that one of the answers became."""


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One model's answer, as the turn that it may become."""

    place: int
    """Among the models in the order asked, from 0."""
    turn: TurnRecord
    history_from: int
    """The session's pruning point if this answer is chosen."""
    error: str | None = None
    """Why there is no answer, for the person; None where there is one."""


def keep_answer(
    connection: Connection, session: SessionRecord, comparison: ComparisonRecord, answer: AnswerRecord
) -> None:
    """Write an answer; with the first one the comparison too, which names a session that has no name."""
    if not _is_there(connection, comparison.id):
        transcripts.insert_session(connection, session)
        _insert_comparison(connection, comparison)
        transcripts.note_question(connection, session)
    connection.execute(
        "INSERT OR IGNORE INTO comparison_answers (comparison_id, place, history_from, error, record) "
        "VALUES (?,?,?,?,?)",
        (comparison.id, answer.place, answer.history_from, answer.error, _packed(answer.turn)),
    ).close()


def read_comparison(
    connection: Connection, session_id: str, comparison_id: str
) -> tuple[ComparisonRecord, tuple[AnswerRecord, ...]] | None:
    """A comparison of a session with its readable answers in the order asked; None where there is none."""
    row = connection.execute(
        "SELECT id, session_id, head, asked_at, prompt, prompt_text, chosen FROM comparisons "
        "WHERE id=? AND session_id=?",
        (comparison_id, session_id),
    ).fetchone()
    if row is None:
        return None
    known_id, session, head, asked_at, prompt, prompt_text, chosen = row
    comparison = ComparisonRecord(
        known_id, session, head, asked_at, tuple(json.loads(prompt)), prompt_text, chosen
    )
    rows = connection.execute(
        "SELECT place, history_from, error, record FROM comparison_answers WHERE comparison_id=? ORDER BY place",
        (comparison_id,),
    )
    found = (_answer_or_none(comparison, row) for row in rows)
    return comparison, tuple(answer for answer in found if answer is not None)


def settle_choice(
    connection: Connection, session: SessionRecord, turn: TurnRecord, comparison_id: str
) -> None:
    """Make an answer the session's next turn, and note that it was chosen."""
    transcripts.settle_turn(connection, session, turn)
    connection.execute("UPDATE comparisons SET chosen=? WHERE id=?", (turn.id, comparison_id)).close()


def _is_there(connection: Connection, comparison_id: str) -> bool:
    found = connection.execute("SELECT 1 FROM comparisons WHERE id=?", (comparison_id,)).fetchone()
    return found is not None


def _insert_comparison(connection: Connection, comparison: ComparisonRecord) -> None:
    connection.execute(
        "INSERT INTO comparisons (id, session_id, head, asked_at, prompt, prompt_text) VALUES (?,?,?,?,?,?)",
        (
            comparison.id,
            comparison.session_id,
            comparison.head,
            comparison.asked_at,
            json.dumps(comparison.prompt, ensure_ascii=False, separators=(",", ":")),
            comparison.prompt_text,
        ),
    ).close()


def _packed(turn: TurnRecord) -> str:
    """All of a turn but the prompt, which the answers of a comparison share."""
    fields = asdict(turn) | {"sent": sent_to_json(turn.sent)}
    del fields["prompt"], fields["prompt_text"]
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _answer_or_none(comparison: ComparisonRecord, row: Sequence[Any]) -> AnswerRecord | None:
    """None for a row that damage made unreadable."""
    place, history_from, error, packed = row
    try:
        return AnswerRecord(place, _unpacked(comparison, json.loads(packed)), history_from, error)
    except (ValueError, TypeError, KeyError):
        return None


def _unpacked(comparison: ComparisonRecord, fields: dict[str, Any]) -> TurnRecord:
    made = {
        "prompt": comparison.prompt,
        "prompt_text": comparison.prompt_text,
        "answer": tuple(fields["answer"]),
        "notices": tuple(fields["notices"]),
        "usage": Usage(**fields["usage"]),
        "cost": Cost(**fields["cost"]),
        "cache": CacheVerdict(**fields["cache"]),
        "timing": Timing(**fields["timing"]),
        "sent": sent_from_json(fields.get("sent")),
    }
    return TurnRecord(**(fields | made))
