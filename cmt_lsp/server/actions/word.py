"""The person's word on what was held back: in a dialog, or by the menu of code actions, whichever comes first.

Some editors can give only the first answer of a dialog, and some show none; all of them have the menu.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lsprotocol import types

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from cmt_lsp.core.guard.concern import Concern
    from cmt_lsp.core.guard.permission import Ask
    from cmt_lsp.server.rpc.peer import Peer

logger = logging.getLogger(__name__)

NO = "Do not send"
"""First, since an editor may choose the first answer by itself."""
ONCE = "Send this one"
QUESTION_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Held:
    """What a question waits for, or was not sent for: a budget, or something that looks secret."""

    kind: Literal["budget", "secret"]
    reason: str


class Word:
    """Asks the person of one question; anything but a clear yes is a no."""

    def __init__(self, peer: Peer, title: str, ask: Ask | None, allowed: frozenset[Held]) -> None:
        """`ask` is the dialog about secrets, None where the editor has no dialogs; `allowed` was let pass before."""
        self.allowed = allowed
        self.held: Held | None = None
        """What it waits for, or was not sent for."""
        self._peer = peer
        self._title = title
        self._ask = ask
        self._waits = False
        self._yes = asyncio.Event()
        self._given_up = asyncio.Event()

    @property
    def given_up(self) -> bool:
        """Whether the question was stopped."""
        return self._given_up.is_set()

    def allow(self) -> bool:
        """The menu says yes to what waits; false where nothing waits any more, and has to be asked anew."""
        if self._waits:
            self._yes.set()
        return self._waits

    def give_up(self) -> bool:
        """Stop waiting; false where that was done before."""
        first = not self.given_up
        self._given_up.set()
        return first

    async def on_concern(self, concern: Concern) -> bool:
        """Whether something that looks secret may leave."""
        held = Held("secret", str(concern))
        return held in self.allowed or await self._first(held, self._ask and self._ask(concern))

    async def on_budget(self, reason: str) -> bool:
        """Whether to send all the same."""
        has_dialogs = self._peer.capabilities.window is not None
        return await self._first(Held("budget", reason), self._dialog(reason) if has_dialogs else None)

    async def _first(self, held: Held, asking: Awaitable[bool] | None) -> bool:
        """The first answer; a stop, and an editor without dialogs, mean no."""
        self.held = held
        if asking is None:
            return False
        self._yes.clear()
        self._waits = True
        dialog = asyncio.ensure_future(asking)
        menu = [asyncio.ensure_future(event.wait()) for event in (self._yes, self._given_up)]
        try:
            await asyncio.wait({dialog, *menu}, return_when=asyncio.FIRST_COMPLETED)
            said = self._yes.is_set() or (dialog.done() and dialog.result())
        finally:
            self._waits = False
            for task in (dialog, *menu):
                task.cancel()
        self.held = None if said else held
        return said

    async def _dialog(self, reason: str) -> bool:
        question = types.ShowMessageRequestParams(
            types.MessageType.Warning,
            f"cmt-lsp: {self._title} was not sent. {reason}.",
            [types.MessageActionItem(title) for title in (NO, ONCE)],
        )
        try:
            answer = await self._peer.request(types.WINDOW_SHOW_MESSAGE_REQUEST, question, QUESTION_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever the editor did, it did not say yes
            logger.info("A question was not answered: %s", type(error).__name__)
            return False
        return getattr(answer, "title", None) == ONCE
