"""The tables of comparisons, as part of the transcripts file."""

from __future__ import annotations

from cmt_lsp.core.storage.store import Migration

TABLES = ("comparisons", "comparison_answers")
MIGRATION = Migration(
    "comparisons and their answers",
    (
        """CREATE TABLE comparisons (
            id TEXT PRIMARY KEY, session_id TEXT NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
            head TEXT, asked_at REAL NOT NULL, prompt TEXT NOT NULL, prompt_text TEXT NOT NULL, chosen TEXT)""",
        """CREATE TABLE comparison_answers (
            comparison_id TEXT NOT NULL REFERENCES comparisons(id) ON DELETE CASCADE, place INTEGER NOT NULL,
            history_from INTEGER NOT NULL, error TEXT, record TEXT NOT NULL,
            PRIMARY KEY (comparison_id, place))""",
        "CREATE INDEX comparisons_by_session ON comparisons (session_id)",
    ),
)
REPAIR = (
    """INSERT OR IGNORE INTO sessions (id, name, named, model, created_at, updated_at)
        SELECT session_id, 'Recovered session', 1, json_extract(record, '$.model'), min(asked_at), max(asked_at)
        FROM comparisons JOIN comparison_answers ON comparison_id = id AND json_valid(record) GROUP BY session_id""",
    "DELETE FROM comparisons WHERE session_id NOT IN (SELECT id FROM sessions)",
    "DELETE FROM comparison_answers WHERE comparison_id NOT IN (SELECT id FROM comparisons)",
)
