"""A well-behaved client, written by others, is content."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, LspSpecificationWarning, client_capabilities
from raw_client import PROBE

pytestmark = pytest.mark.filterwarnings(
    f"error::{LspSpecificationWarning.__module__}.LspSpecificationWarning"
)


@pytest_lsp.fixture(
    config=ClientServerConfig(server_command=PROBE), params=["neovim", "emacs", "visual_studio_code"]
)
async def editor(lsp_client: LanguageClient, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """A session with the capabilities of a real editor, shut down in order."""
    params = types.InitializeParams(capabilities=client_capabilities(request.param))
    await lsp_client.initialize_session(params)
    yield
    await lsp_client.shutdown_session()


async def test_an_ordinary_session(editor: LanguageClient) -> None:
    """A document, a feature of LSP, a command and an operation, and not one popup."""
    item = types.TextDocumentItem("file:///a.txt", "text", 1, "one\ntwo\n")
    editor.text_document_did_open(types.DidOpenTextDocumentParams(item))
    where = types.HoverParams(types.TextDocumentIdentifier(item.uri), types.Position(1, 0))
    hover = await editor.text_document_hover_async(where)
    command = types.ExecuteCommandParams("cmt.echo", [{"value": [1, None, "ü"]}])
    echo = await editor.workspace_execute_command_async(command)
    who: Any = await editor.protocol.send_request_async("cmt/who", {"partialResultToken": "t"})

    assert hover is not None
    assert hover.contents == "line 1"
    assert echo == {"value": [1, None, "ü"]}
    assert (who.door, who.partialResultToken) == ("request", "t")
    assert editor.messages == []
