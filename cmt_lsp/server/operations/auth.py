"""The key: push one for this window, and tell where the one in force comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.api.errors import MissingKeyError
from cmt_lsp.server import wire

if TYPE_CHECKING:
    from cmt_lsp.server.table import Caller
    from cmt_lsp.server.window import Window


async def set_key(window: Window, caller: Caller, params: wire.AuthSetParams) -> wire.Empty:
    """Keep a key in memory, for the endpoint that is configured now; an empty one forgets it."""
    if params.api_key:
        window.credentials.push(params.api_key, window.settings)
    else:
        window.credentials.forget_pushed()
    return wire.Empty()


async def status(window: Window, caller: Caller, params: wire.Empty) -> wire.AuthStatusResult:
    """Where key and requests come from and go; asks nobody and sends nothing."""
    try:
        access = window.credentials.known(window.settings)
    except MissingKeyError:
        access = None
    if access is None:
        command = window.settings.api_key_command
        source = "apiKeyCommand, not asked yet" if command else "none"
        return wire.AuthStatusResult(source=source, origin=window.settings.base_url or DEFAULT_ENDPOINT)
    return wire.AuthStatusResult(source=access.credentials.source, origin=access.endpoint)
