"""Sessions and their settled turns."""

from __future__ import annotations

from typing import Literal

from cmt_lsp.server.wire.parts import CacheVerdict, ContextItem, Cost, Timing, Usage
from cmt_lsp.server.wire.shape import shape


@shape
class PinnedItem:
    """What goes along with every question of a session. `state`: `changed` for a file that is not as it was last sent, or
    a selection whose document holds its text no more; `missing` for a file that cannot be read, `reason` says why.
    """

    id: str
    kind: Literal["file", "text", "selection", "diagnostics"]
    title: str
    tokens: int
    state: Literal["fresh", "changed", "missing"]
    uri: str | None = None
    reason: str | None = None


@shape
class Session:
    """A named conversation. `elsewhere`: a turn of it runs in another window. `notices` tell what a change will cost."""

    id: str
    name: str
    model: str
    created_at: str
    updated_at: str
    turns: int
    state: Literal["idle", "busy", "elsewhere"]
    usage: Usage
    cost: Cost
    system_prompt: str | None = None
    workspace: str | None = None
    notices: list[str] | None = None
    pinned: list[PinnedItem] | None = None


@shape
class SessionCreateParams:
    """A new session; it becomes the window's current one. `pinned` goes along with each of its questions."""

    name: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    workspace_folder: str | None = None
    pinned: list[ContextItem] | None = None


@shape
class SessionListParams:
    """Which sessions: those of this window, of this workspace, or all; `query` searches names and texts."""

    scope: Literal["window", "workspace", "all"] = "workspace"
    query: str | None = None


@shape
class SessionListResult:
    """Sessions, the last used first."""

    sessions: list[Session]


@shape
class SessionGetParams:
    """A session with its turns: all, or those after turn `from_turn`, or those before turn `before`; of these the `last`
    so many.
    """

    session_id: str
    from_turn: str | None = None
    before: str | None = None
    last: int | None = None


@shape
class TurnImage:
    """A picture of a question, as it was sent: its size in pixels, where it can be told, and in bytes."""

    index: int
    media_type: str
    bytes: int
    width: int | None = None
    height: int | None = None


@shape
class TurnRecord:
    """One settled turn of the history."""

    turn_id: str
    index: int
    prompt: str
    text: str
    model: str
    stop_reason: str
    started_at: str
    usage: Usage
    cost: Cost
    timing: Timing
    cache: CacheVerdict | None = None
    attachments: list[str] | None = None
    images: list[TurnImage] | None = None
    thinking: str | None = None
    notices: list[str] | None = None


@shape
class AnswerSoFar:
    """A turn that runs in this window, with all that it has told: stream values whose `offset` lies within are in it."""

    turn_id: str
    model: str
    question: str
    phase: str
    thinking: str
    text: str
    elapsed_ms: int


@shape
class SessionGetResult:
    """A session and its turns in order; `earlier` is how many turns come before them, `running` what is under way."""

    session: Session
    turns: list[TurnRecord]
    earlier: int
    running: list[AnswerSoFar] | None = None


@shape
class SessionUpdateParams:
    """What to change in a session; absent fields stay.

    `pinned` replaces all that is pinned, `pin` adds to it, and `unpin` takes away what it names by id, URI or title. A
    pinned file is read anew for every question; a pinned selection keeps its text.
    """

    session_id: str
    name: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    pinned: list[ContextItem] | None = None
    pin: list[ContextItem] | None = None
    unpin: list[str] | None = None


@shape
class SessionForkParams:
    """A new session with the history up to and including `turn_id` (all of it when absent)."""

    session_id: str
    turn_id: str | None = None


@shape
class SessionParams:
    """The session an operation is about."""

    session_id: str


@shape
class SessionExportParams:
    """Which session to write out, and how."""

    session_id: str
    format: Literal["markdown", "json"] = "markdown"


@shape
class SessionExportResult:
    """The document and a file name for it; the editor saves it."""

    text: str
    suggested_name: str
