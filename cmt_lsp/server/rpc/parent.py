"""Whether the editor is still there.

A pipe that a second process has inherited stays open after the editor died, so the end of input is not enough.
The process id that the editor gave is watched together with its start time, since ids are used again.
"""

from __future__ import annotations

import os

from cmt_lsp.core.storage.process_start import process_start


class ParentWatch:
    """Tells when the editor, or whatever process started us, is gone."""

    def __init__(self) -> None:
        self._parent_id = os.getppid()
        self._editor: int | None = None
        self._started: float | None = None

    def watch(self, process_id: int) -> None:
        """Watch this process too, unless it cannot be seen from here (another container's id, for one)."""
        started = process_start(process_id)
        if started is not None:
            self._editor, self._started = process_id, started

    def gone(self) -> str | None:
        """Why the editor must be taken for dead, or None."""
        if os.getppid() != self._parent_id:
            return "the process that started the server is gone"
        if self._editor is not None and process_start(self._editor) != self._started:
            return "the editor's process is gone"
        return None
