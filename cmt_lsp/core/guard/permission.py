"""Permission: whether what is held may leave, by the person's act or by an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from cmt_lsp.api.errors import BlockedFileError
from cmt_lsp.core.guard.concern import Piece, concerns_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmt_lsp.core.guard.concern import Concern

Ask: TypeAlias = Callable[["Concern"], Awaitable[bool]]
"""Asks the person about one file; anything but a clear yes is False."""

_INLINE = 20_000
"""Characters that are looked at on the loop, within a few milliseconds; more goes to a thread."""
HINT = (
    "Take the secret out or leave the file away, or send it all the same: with allowSecrets true in the params, or "
    "--allow-secrets in a terminal."
)


@dataclass(frozen=True, slots=True)
class Permission:
    """How a question may pass: `allowed` by an act of the person, or by what `ask` hears; else it is refused."""

    allowed: bool = False
    folders: tuple[Path, ...] = ()
    """The workspace folders, resolved, whose ignore files count."""
    ask: Ask | None = None


NOBODY = Permission()


async def look(pieces: Sequence[Piece], permission: Permission, *, scan: bool) -> tuple[Concern, ...]:
    """What would be held, whatever was allowed; asks nobody."""
    if not any(piece.path for piece in pieces) and sum(len(piece.text) for piece in pieces) <= _INLINE:
        return concerns_of(pieces, permission.folders, scan=scan)
    return await asyncio.to_thread(concerns_of, pieces, permission.folders, scan=scan)


def held_notice(concern: Concern) -> str:
    """What a look before sending says of it."""
    return f"You will be asked before this is sent: {concern}."


async def pass_guard(pieces: Sequence[Piece], permission: Permission, *, scan: bool) -> None:
    """Return once all of it may leave; BlockedFileError names what was held and the way out, and nothing has happened."""
    if permission.allowed:
        return
    for concern in await look(pieces, permission, scan=scan):
        if permission.ask is None or not await permission.ask(concern):
            raise BlockedFileError(f"Not sent: {concern}.", hint=HINT)
