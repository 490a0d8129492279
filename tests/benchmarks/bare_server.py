"""The least that a pygls server can be: what every figure of start, memory and round trip stands beside.

With `--sdk` it imports the SDK first and makes a client, as a server without a thought for its start does.
"""

from __future__ import annotations

import sys

if "--sdk" in sys.argv:
    import anthropic

    client = anthropic.AsyncAnthropic(api_key="none")

from pygls.lsp.server import LanguageServer

server = LanguageServer("bare", "1")


@server.feature("bare/status")
async def status(ls: LanguageServer, params: object) -> dict[str, str]:
    """An answer of the size of `cmt/auth/status`."""
    return {"source": "environment", "origin": "http://127.0.0.1:12345"}


server.start_io()
