"""Consent: asking the person before a secret or an ignored file leaves, in every editor's own dialog."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from lsprotocol import types

if TYPE_CHECKING:
    from cmt_lsp.core.guard.concern import Concern
    from cmt_lsp.core.guard.permission import Ask
    from cmt_lsp.server.rpc.peer import Peer
    from cmt_lsp.server.rpc.table import Caller

logger = logging.getLogger(__name__)

NO = "Do not send"
"""First, since an editor may choose the first answer by itself."""
ONCE = "Send once"
ALWAYS = "Always send this file in this window"
ANSWER_SECONDS = 120.0
AFTER_REPLY_SECONDS = 0.2
"""A question that comes before a command's reply is never seen in some editors, and never answered."""


class Consent:
    """What the person of one window said may be sent; nothing of it outlives the window."""

    def __init__(self) -> None:
        self._always: dict[str, frozenset[str]] = {}
        self._one_at_a_time = asyncio.Lock()

    def asker(self, caller: Caller) -> Ask | None:
        """Asks this caller's editor; None for one without windows, where nobody could be asked."""
        if caller.peer.capabilities.window is None:
            return None

        async def ask(concern: Concern) -> bool:
            if caller.door == "command":
                await asyncio.sleep(AFTER_REPLY_SECONDS)
            async with self._one_at_a_time:
                return self._is_known(concern) or await self._ask(caller.peer, concern)

        return ask

    def _is_known(self, concern: Concern) -> bool:
        """Another kind of finding in the same file is another question."""
        return concern.kinds <= self._always.get(concern.origin, frozenset())

    async def _ask(self, peer: Peer, concern: Concern) -> bool:
        """A refusal, an error, silence and a dialog that was closed all mean no."""
        titles = (NO, ONCE, ALWAYS) if concern.is_document else (NO, ONCE)
        question = types.ShowMessageRequestParams(
            types.MessageType.Warning,
            f"cmt-lsp: this is about to be sent to Claude. {concern}.",
            [types.MessageActionItem(title) for title in titles],
        )
        try:
            answer = await peer.request(types.WINDOW_SHOW_MESSAGE_REQUEST, question, ANSWER_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever the editor did, it did not say yes
            logger.info("A question was not answered: %s", type(error).__name__)
            return False
        title = getattr(answer, "title", None)
        if title == ALWAYS and concern.is_document:
            known = self._always.get(concern.origin, frozenset())
            self._always[concern.origin] = known | concern.kinds
        return title in titles[1:]
