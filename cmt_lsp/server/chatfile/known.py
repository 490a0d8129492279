"""What this window read of the sessions whose transcripts are open."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmt_lsp.core.chatfile.answer import TurnFigures

MOST = 64
"""Sessions that are remembered; the one that was longest not asked for is read again when it is."""


@dataclass(slots=True)
class _Session:
    figures: dict[str, TurnFigures] = field(default_factory=dict)
    workspace: str | None = None
    gone: bool = False


class KnownSessions:
    """Figures by turn, the workspace, and whether the session is still there."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def figures(self, session_id: str) -> Mapping[str, TurnFigures]:
        """By turn; a turn that was asked again keeps its figures, since the page still shows it."""
        return self._of(session_id).figures

    def folders(self, session_id: str) -> tuple[Path, ...]:
        """The workspace that the session belongs to, beside those of the window."""
        workspace = self._of(session_id).workspace
        return (Path(workspace),) if workspace else ()

    def is_gone(self, session_id: str) -> bool:
        """Whether it was deleted when it was last looked for."""
        return self._of(session_id).gone

    def take(self, session_id: str, figures: Mapping[str, TurnFigures], workspace: str | None) -> None:
        """It was read."""
        session = self._of(session_id)
        session.figures.update(figures)
        session.workspace, session.gone = workspace, False

    def lose(self, session_id: str) -> None:
        """It was deleted; its figures with it."""
        self._sessions[session_id] = _Session(gone=True)

    def _of(self, session_id: str) -> _Session:
        session = self._sessions.setdefault(session_id, _Session())
        self._sessions.move_to_end(session_id)
        while len(self._sessions) > MOST:
            self._sessions.popitem(last=False)
        return session
