"""What an editor may ask about a transcript: outline, folds, links, usage and hover; null or nothing for all else.

Everything is answered from memory, but whether a linked file exists, and the figures of a session that this window
has not read yet. Both are waited for as long as a person does not notice.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from cmt_lsp.api.errors import CmtError, UnknownSessionError
from cmt_lsp.core.chatfile.answer import figures_of
from cmt_lsp.core.chatfile.figures import figures_in_full
from cmt_lsp.server.chatfile import shapes
from cmt_lsp.server.chatfile.known import KnownSessions
from cmt_lsp.server.chatfile.links import found_links

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from cmt_lsp.core.chatfile.answer import TurnFigures
    from cmt_lsp.core.chatfile.page import Page
    from cmt_lsp.server.chatfile.desk import ChatFiles, Home
    from cmt_lsp.server.chatfile.links import Found
    from cmt_lsp.server.rpc.peer import Peer

logger = logging.getLogger(__name__)

PATIENCE = 0.06
"""Seconds that a request waits for the disk; what comes later is there for the next one."""
GONE = "The session of this transcript was deleted; this file is all that is left of it."


class ChatFileFeatures:
    """The requests of the editor about its transcripts."""

    def __init__(self, files: ChatFiles, home: Home, peer: Peer) -> None:
        self._files = files
        self._home = home
        self._peer = peer
        self._known = KnownSessions()
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._looking: dict[str, tuple[Page, asyncio.Future[list[Found]]]] = {}

    @property
    def answers(self) -> Mapping[str, Callable[[Any], Awaitable[object]]]:
        """What answers each request."""
        return {
            types.TEXT_DOCUMENT_DOCUMENT_SYMBOL: self.symbols,
            types.TEXT_DOCUMENT_FOLDING_RANGE: self.folds,
            types.TEXT_DOCUMENT_DOCUMENT_LINK: self.links,
            types.TEXT_DOCUMENT_CODE_LENS: self.lenses,
            types.TEXT_DOCUMENT_HOVER: self.hover,
        }

    async def symbols(
        self, params: types.DocumentSymbolParams
    ) -> list[types.DocumentSymbol] | list[types.SymbolInformation]:
        """The outline, as a tree where the editor takes one."""
        page = self._files.page(params.text_document.uri)
        if page is None:
            return []
        found = shapes.outline(page, self._units)
        text = self._peer.capabilities.text_document
        wanted = text.document_symbol if text else None
        tree = wanted is not None and wanted.hierarchical_document_symbol_support
        return found if tree else shapes.flat(found, params.text_document.uri)

    async def folds(self, params: types.FoldingRangeParams) -> list[types.FoldingRange]:
        """Whole lines, as many as the editor takes."""
        page = self._files.page(params.text_document.uri)
        if page is None:
            return []
        text = self._peer.capabilities.text_document
        wanted = text.folding_range if text else None
        limit = wanted.range_limit if wanted else None
        return shapes.folds(page)[: limit or None]

    async def links(self, params: types.DocumentLinkParams) -> list[types.DocumentLink]:
        """The files of the workspace that are spoken of, each with its line."""
        page = self._files.page(params.text_document.uri)
        if page is None:
            return []
        await self._figures(page)
        return [
            types.DocumentLink(
                types.Range(
                    types.Position(place.row, self._units(page.lines[place.row][: place.start])),
                    types.Position(place.row, self._units(page.lines[place.row][: place.end])),
                ),
                target=target,
            )
            for place, target in await self._found_links(params.text_document.uri, page)
        ]

    async def lenses(self, params: types.CodeLensParams) -> list[types.CodeLens]:
        """The usage of each turn; complete at once, since all of it is in memory."""
        page = self._files.page(params.text_document.uri)
        return [] if page is None else shapes.lenses(page, await self._figures(page))

    async def hover(self, params: types.HoverParams) -> types.Hover | None:
        """The figures of the turn whose heading or last line is pointed at."""
        page = self._files.page(params.text_document.uri)
        turn = None if page is None else shapes.figures_turn(page, params.position.line)
        if page is None or turn is None:
            return None
        figures = (await self._figures(page)).get(turn.turn_id)
        if self._known.is_gone(page.session_id):
            told, kind = GONE, types.MarkupKind.PlainText
        elif figures is None:
            return None
        else:
            kind = self._markup()
            told = figures_in_full(figures, markdown=kind == types.MarkupKind.Markdown)
        return types.Hover(types.MarkupContent(kind, told))

    def _markup(self) -> types.MarkupKind:
        text = self._peer.capabilities.text_document
        formats = (text.hover.content_format if text and text.hover else None) or []
        plain = types.MarkupKind.Markdown not in formats
        return types.MarkupKind.PlainText if plain else types.MarkupKind.Markdown

    def _units(self, line: str) -> int:
        units: int = self._home.documents.position_codec.client_num_units(line)
        return units

    async def _figures(self, page: Page) -> Mapping[str, TurnFigures]:
        """The figures of a session's turns as far as they are at hand; read again where the page holds one more."""
        known = self._known.figures(page.session_id)
        if any(turn.turn_id not in known for turn in page.turns):
            reading = self._reading.get(page.session_id)
            if reading is None:
                reading = asyncio.get_running_loop().create_task(self._read(page))
                self._reading[page.session_id] = reading
            await asyncio.wait([reading], timeout=PATIENCE)
        return self._known.figures(page.session_id)

    async def _found_links(self, uri: str, page: Page) -> list[Found]:
        """What the disk tells in time; a disk that is slow is not asked again while it still looks."""
        before, looking = self._looking.get(uri, (None, None))
        if looking is None or before is not page or looking.done():
            folders = (*self._home.folders, *self._known.folders(page.session_id))
            looking = asyncio.ensure_future(asyncio.to_thread(found_links, page, folders))
            self._looking[uri] = (page, looking)
            looking.add_done_callback(lambda done: self._seen(uri, done))
        await asyncio.wait([looking], timeout=PATIENCE)
        return looking.result() if looking.done() else []

    def _seen(self, uri: str, done: asyncio.Future[list[Found]]) -> None:
        if self._looking.get(uri, (None, None))[1] is done:
            del self._looking[uri]

    async def _read(self, page: Page) -> None:
        try:
            record, turns = await self._home.manager.sessions.history(page.session_id)
        except UnknownSessionError:
            self._known.lose(page.session_id)
        except CmtError as error:
            logger.info("The figures of a transcript cannot be read: %s", error.kind)
        else:
            found = {turn.id: figures_of(turn) for turn in turns}
            self._known.take(page.session_id, found, record.workspace)
        finally:
            del self._reading[page.session_id]
