"""PinReader: the documents that pins speak of, read anew whenever a session is looked at."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from cmt_lsp.api.errors import BlockedFileError
from cmt_lsp.core.context.items import Selection
from cmt_lsp.core.context.pins import NOTHING_PINNED, FileReference, pinned_now
from cmt_lsp.core.files import read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cmt_lsp.core.context.pins import Pinned
    from cmt_lsp.core.records import SessionRecord


class PinReader:
    """Reads open documents as they are edited, and other files of the workspace from the disk."""

    def __init__(
        self,
        open_text: Callable[[str], str | None] = lambda _: None,
        folders: Callable[[], Sequence[Path]] | None = None,
    ) -> None:
        """`open_text` gives the text of a document that the editor has open; `folders` those that may be read from.

        Without `folders` it is the session's own workspace.
        """
        self._open_text = open_text
        self._folders = folders

    async def read(self, session: SessionRecord) -> Pinned:
        """What is pinned to a session, as it is now; nothing here fails, what cannot be read is told as missing."""
        if not session.pins:
            return NOTHING_PINNED
        uris = dict.fromkeys(pin.uri for pin in session.pins if isinstance(pin, FileReference | Selection))
        texts = {uri: self._open_text(uri) for uri in uris}
        return await asyncio.to_thread(_look, session, texts, self._places(session))

    def _places(self, session: SessionRecord) -> Sequence[Path]:
        if self._folders is not None:
            return self._folders()
        return (Path(session.workspace),) if session.workspace else ()


def _look(session: SessionRecord, is_open: Mapping[str, str | None], folders: Sequence[Path]) -> Pinned:
    """Off the loop: large files take some ten milliseconds to be read and fenced."""
    texts = {uri: _read(uri, folders) if text is None else text for uri, text in is_open.items()}
    return pinned_now(session.pins, texts.get, dict(session.pins_sent))


def _read(uri: str, folders: Sequence[Path]) -> str | Exception:
    if not uri.startswith("file:"):
        return BlockedFileError("the document is not open.")
    try:
        return read_file(Path(url2pathname(urlsplit(uri).path)), folders)
    except (BlockedFileError, ValueError) as error:
        return error
