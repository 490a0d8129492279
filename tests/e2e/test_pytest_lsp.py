"""A well-behaved client that knows LSP and nothing of us: a whole session with pytest-lsp over stdio."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

from cmt_lsp.server import actions, chatfile
from cmt_lsp.simulator import Simulator

from .editor import CANARY, SERVER


def environment(world: Path, sim: Simulator) -> dict[str, str]:
    """Everything the server may know."""
    mine = {
        "ANTHROPIC_API_KEY": CANARY,
        "ANTHROPIC_BASE_URL": sim.base_url,
        "CMT_STATE_DIR": str(world / "state"),
        "XDG_CONFIG_HOME": str(world / "config"),
    }
    return dict(os.environ) | mine


async def finished(client: LanguageClient, wanted: int) -> list[list[str]]:
    """The kinds of the values of every progress, once so many have ended."""
    async with asyncio.timeout(30):
        while True:
            ends = [
                token
                for token, values in client.progress_reports.items()
                if any(isinstance(value, types.WorkDoneProgressEnd) for value in values)
            ]
            if len(ends) >= wanted:
                return [
                    [str(getattr(value, "kind", "")) for value in client.progress_reports[token]]
                    for token in ends
                ]
            await asyncio.sleep(0.01)


async def test_a_whole_session_of_a_proper_client(sim: Simulator, world: Path) -> None:
    """Handshake, documents, commands, progress, configuration, goodbye; the client checks every message itself."""
    (world / "main.py").write_text("def main(): ...\n")
    uri = (world / "main.py").as_uri()
    client: Any = await ClientServerConfig(server_command=SERVER, server_env=environment(world, sim)).start()
    folder = types.WorkspaceFolder(world.as_uri(), "world")
    result = await client.initialize_session(
        types.InitializeParams(
            capabilities=client_capabilities("visual-studio-code"),
            workspace_folders=[folder],
            process_id=os.getpid(),
        )
    )
    commands = result.capabilities.execute_command_provider.commands
    operations = result.capabilities.experimental["cmt"]["operations"]
    beside = [*actions.COMMANDS, *chatfile.COMMANDS]
    assert list(commands) == [*(operation.replace("/", ".") for operation in operations), *beside]

    document = types.TextDocumentItem(uri, "python", 0, "def main(): ...\n")
    client.text_document_did_open(types.DidOpenTextDocumentParams(document))
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(version=1, uri=uri),
            [
                types.TextDocumentContentChangePartial(
                    types.Range(types.Position(0, 4), types.Position(0, 8)), "run"
                )
            ],
        )
    )

    async def run(command: str, argument: dict[str, Any]) -> Any:
        return await client.workspace_execute_command_async(types.ExecuteCommandParams(command, [argument]))

    sim.reply_with("one", "two")
    context = [{"kind": "file", "uri": uri}]
    accepted = await run("cmt.chat", {"text": "What does it do?", "context": context})
    shown = await finished(client, 1)
    assert (shown[0][0], shown[0][-1]) == ("begin", "end")
    assert "def run(): ..." in str(sim.requests[0].body)
    answer = await run("cmt.chat", {"text": "And now?", "wait": True})
    assert (_get(answer, "text"), _get(answer, "sessionId")) == ("two", _get(accepted, "sessionId"))
    session = await run("cmt.session.get", {"sessionId": _get(accepted, "sessionId")})
    assert [_get(turn, "text") for turn in _get(session, "turns")] == ["one", "two"]

    client.workspace_did_change_configuration(types.DidChangeConfigurationParams({"cmt": {"maxTokens": 321}}))
    await run("cmt.chat", {"text": "Shorter?", "wait": True})
    assert sim.requests[-1].body["max_tokens"] == 321
    client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
    assert client.messages == []
    assert client.log_messages == []
    await client.shutdown_session()
    assert client._server.returncode == 0


def _get(value: Any, name: str) -> Any:
    """A field of a result, whatever the client's library makes of objects it does not know."""
    return value[name] if isinstance(value, dict) else getattr(value, name)
