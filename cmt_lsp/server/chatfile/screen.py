"""What the editor is asked to do with a transcript: add to it, show it, or say where it is."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from cmt_lsp.server.rpc.uris import fs_path

if TYPE_CHECKING:
    from cmt_lsp.core.chatfile.addition import Addition
    from cmt_lsp.server.rpc.documents import OpenDocument
    from cmt_lsp.server.rpc.peer import Peer

logger = logging.getLogger(__name__)

EDIT_SECONDS = 20.0
"""For an editor that asks its person before it applies an edit; then the answer is to be seen elsewhere."""
SHOW_SECONDS = 5.0
"""For an editor to show a file; one of them never answers."""
ECHO_SECONDS = 2.0
"""For an applied edit to come back as a change, so that the next answer is put behind it; Eglot tells it half a second late."""


class Screen:
    """The editor's side of transcripts; no question to it is waited for without end."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def add(self, opened: OpenDocument, added: Addition) -> str | None:
        """Add to an open transcript and wait until the editor tells of it; why it did not, as a sentence."""
        name = Path(fs_path(opened.uri) or opened.uri).name
        workspace = self._peer.capabilities.workspace
        if workspace is None or not workspace.apply_edit:
            return f"This editor lets no server change a text, so {name} is as it was."
        echo = asyncio.Event()
        opened.when_changed(echo.set)
        try:
            told = await self._peer.request(
                types.WORKSPACE_APPLY_EDIT, self._edit(opened, added), EDIT_SECONDS
            )
        except Exception as error:  # noqa: BLE001 - an error, a bad answer and silence all mean: not applied
            logger.info("An edit of a transcript was not applied: %s", type(error).__name__)
            return f"The editor did not add the answer to {name}."
        if not getattr(told, "applied", False):
            return f"The editor did not add the answer to {name}."
        with suppress(TimeoutError):  # an editor that never tells of it must not hold up the next answer
            async with asyncio.timeout(ECHO_SECONDS):
                await echo.wait()
        return None

    async def show(self, uri: str, line: int | None = None) -> bool:
        """Have the editor open a file, at a line; where it cannot, a message says where the file is.

        `takeFocus` is left out: Eglot takes `false` for true.
        """
        window = self._peer.capabilities.window
        if window is not None and window.show_document is not None and window.show_document.support:
            params = types.ShowDocumentParams(uri)
            if line is not None:
                params.selection = types.Range(types.Position(line, 0), types.Position(line, 0))
            try:
                told = await self._peer.request(types.WINDOW_SHOW_DOCUMENT, params, SHOW_SECONDS)
                if getattr(told, "success", False):
                    return True
            except Exception as error:  # noqa: BLE001 - an error, a bad answer and silence all mean: not shown
                logger.info("A transcript was not shown: %s", type(error).__name__)
        self.say(f"The answer is in {fs_path(uri) or uri}.")
        return False

    def say(self, sentence: str) -> None:
        """A warning, since it has to be seen: one of the editors hides what is less."""
        told = types.ShowMessageParams(types.MessageType.Warning, f"Claude: {sentence}")
        self._peer.notify(types.WINDOW_SHOW_MESSAGE, told)

    def _edit(self, opened: OpenDocument, added: Addition) -> types.ApplyWorkspaceEditParams:
        """With the version, so that an editor which compares it refuses what comes too late."""
        line = opened.lines[added.line].rstrip("\r\n") if added.line < len(opened.lines) else ""
        at = types.Position(added.line, opened.position_codec.client_num_units(line))
        text = added.text.replace("\n", "\r\n") if opened.lines[0].endswith("\r\n") else added.text
        edit = types.TextEdit(types.Range(at, at), text)
        workspace = self._peer.capabilities.workspace
        known = workspace.workspace_edit if workspace else None
        if known is None or not known.document_changes:
            changes = types.WorkspaceEdit(changes={opened.uri: [edit]})
        else:
            named = types.OptionalVersionedTextDocumentIdentifier(opened.uri, opened.version)
            changes = types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(named, [edit])])
        return types.ApplyWorkspaceEditParams(changes, label="Claude: answer")
