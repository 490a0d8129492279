"""What is kept of a session and of a turn: the rows of the store as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmt_lsp.api.cache_manager import CacheVerdict, SentPrompt
    from cmt_lsp.api.models import Cost
    from cmt_lsp.api.usage import Usage
    from cmt_lsp.core.context.pins import Pin, PinState
    from cmt_lsp.core.turn import Timing

SessionState = Literal["idle", "busy", "elsewhere"]


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session; times are seconds since 1970 UTC."""

    id: str
    name: str
    named: bool
    """False until the person or the first prompt named it."""
    model: str
    system_prompt: str | None
    workspace: str | None
    """A resolved real path; compared whole, never by prefix."""
    created_at: float
    updated_at: float
    history_from: int = 0
    """Turns with a smaller `seq` were pruned: they stay in the record and are no longer sent."""
    revision: int = 0
    """Grows with every change, so that another window can tell that its copy is old."""
    pins: tuple[Pin, ...] = ()
    """What goes along with every question, before the history."""
    pins_sent: tuple[tuple[str, str], ...] = ()
    """Id and digest of each pin as it was last sent."""


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """One settled turn, with the content blocks exactly as they were sent and received."""

    id: str
    session_id: str
    seq: int
    model: str
    stop_reason: str
    prompt: tuple[Mapping[str, Any], ...]
    """The user message's blocks: images, then context, then text."""
    answer: tuple[Mapping[str, Any], ...]
    """The assistant message's blocks, thinking signatures included; no thinking in a partial answer."""
    prompt_text: str
    """What the person typed."""
    text: str
    in_history: bool
    """False for a turn that later requests leave out, since an answer without text fits no history."""
    prefix: str
    """Digest of all that stood before this turn but the turns: thinking is replayed only under the same one."""
    started_at: float
    usage: Usage
    cost: Cost
    cache: CacheVerdict
    timing: Timing
    notices: tuple[str, ...] = ()
    message_id: str | None = None
    request_id: str | None = None
    sent: SentPrompt | None = None
    """What its request left in the prompt cache; None where the endpoint told nothing of it."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session as it is shown: its record with sums over its turns."""

    id: str
    name: str
    model: str
    system_prompt: str | None
    workspace: str | None
    created_at: float
    updated_at: float
    turns: int
    state: SessionState
    usage: Usage
    cost: Cost
    pinned: tuple[PinState, ...] = ()
    """What is pinned to it, in the order in which it is sent."""
