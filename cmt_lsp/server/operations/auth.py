"""The key: push one for this window, and tell where the one in force comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.server import wire

if TYPE_CHECKING:
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Window


async def set_key(window: Window, caller: Caller, params: wire.AuthSetParams) -> wire.Empty:
    """Keep a key in memory, for the endpoint that is configured now; an empty one forgets it."""
    if params.api_key:
        window.manager.keys.push(params.api_key, window.settings)
    else:
        window.manager.keys.forget_pushed()
    return wire.Empty()


async def status(window: Window, caller: Caller, params: wire.Empty) -> wire.AuthStatusResult:
    """Where key and requests come from and go; asks nobody and sends nothing."""
    access = window.manager.keys.known(window.settings)
    if access is not None:
        return wire.AuthStatusResult(source=access.credentials.source, origin=access.endpoint)
    return wire.AuthStatusResult(
        source="apiKeyCommand, not asked yet" if window.settings.api_key_command else "none",
        origin=window.manager.keys.user_endpoint(window.settings),
    )
