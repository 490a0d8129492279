"""A well-behaved client that knows LSP and nothing of us: a whole session with pytest-lsp over stdio."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

from cmt_lsp.simulator import Simulator

from .editor import CANARY, SERVER


@pytest_lsp.fixture(config=ClientServerConfig(server_command=SERVER))
async def client(lsp_client: LanguageClient, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """A client that says what Visual Studio Code says."""
    capabilities = client_capabilities("visual-studio-code")
    params = types.InitializeParams(
        capabilities=capabilities, root_uri=Path.cwd().as_uri(), process_id=os.getpid()
    )
    await lsp_client.initialize_session(params)
    yield
    await lsp_client.shutdown_session()
