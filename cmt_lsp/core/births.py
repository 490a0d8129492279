"""How sessions come into being: new, forked, or afresh like another; plain functions that check what they are given."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.api.models import resolve_model
from cmt_lsp.api.surrogates import mend
from cmt_lsp.core.draft import checked
from cmt_lsp.core.identity import new_id
from cmt_lsp.core.records import SessionRecord

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from cmt_lsp.core.context.pins import Pin
    from cmt_lsp.core.records import TurnRecord

NEW_SESSION = "New session"
NAME_LIMIT = 200
"""Characters of a session's name."""


def new_session(
    now: float,
    name: str | None,
    model: str,
    system_prompt: str | None,
    workspace: str | Path | None,
    pins: tuple[Pin, ...] = (),
) -> SessionRecord:
    """An empty session under a checked model; BadParamsError names the field."""
    return SessionRecord(
        id=new_id(now),
        name=NEW_SESSION if name is None else checked_name(name),
        named=name is not None,
        model=model,
        system_prompt=None if system_prompt is None else checked_prompt(system_prompt),
        workspace=real_path(workspace),
        created_at=now,
        updated_at=now,
        pins=pins,
    )


def fork_of(
    session: SessionRecord, turns: Sequence[TurnRecord], now: float
) -> tuple[SessionRecord, tuple[TurnRecord, ...]]:
    """The same history under ids of its own; what is sent of it stays the same to the byte."""
    record = replace(
        session,
        id=new_id(now),
        name=f"{session.name[: NAME_LIMIT - 7]} (fork)",
        named=True,
        created_at=now,
        updated_at=now,
        revision=0,
    )
    return record, tuple(replace(turn, id=new_id(now), session_id=record.id) for turn in turns)


def afresh(session: SessionRecord, now: float) -> SessionRecord:
    """An empty session of the same model, system prompt, workspace and pins."""
    return new_session(now, None, session.model, session.system_prompt, session.workspace, session.pins)


def checked_model(name: object, today: date) -> tuple[str, str | None]:
    """The id to use for a model's name, and a sentence where it is wrong, retired or about to retire."""
    resolved = resolve_model(str(checked("model", name)), today)
    return resolved.id, resolved.notice


def checked_name(name: object) -> str:
    """A session's name on one line."""
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_LIMIT:
        raise BadParamsError(f"name must be a text of 1 to {NAME_LIMIT} characters.")
    return " ".join(mend(name).split())


def checked_prompt(prompt: str) -> str | None:
    """A system prompt; an empty one is none."""
    if not isinstance(prompt, str):
        raise BadParamsError("systemPrompt must be a text.")
    return str(checked("system_prompt", prompt)) if prompt.strip() else None


def real_path(workspace: str | Path | None) -> str | None:
    """Links resolved, so that one folder has one name."""
    if workspace is None:
        return None
    try:
        return mend(os.path.realpath(workspace))
    except (ValueError, TypeError, OSError) as error:
        raise BadParamsError("workspaceFolder is not a usable path; give an absolute path.") from error
