"""One editor window, as the server sees this terminal: a folder, open documents, turns.

Results are the JSON objects of the wire contract, as they came.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cmt_lsp.terminal.connection import Connection, Handler, TroubleError
from cmt_lsp.terminal.consent import can_ask, choose
from cmt_lsp.terminal.render import say_note

TURN_SECONDS = 1900.0  # a little more than the server's own limit for a whole turn
MAX_DOCUMENT = 5 * 1024 * 1024  # bytes

LANGUAGES = {
    ".c": "c", ".cpp": "cpp", ".cs": "csharp", ".css": "css", ".go": "go", ".h": "c", ".html": "html",
    ".java": "java", ".js": "javascript", ".json": "json", ".kt": "kotlin", ".lua": "lua", ".md": "markdown",
    ".php": "php", ".py": "python", ".rb": "ruby", ".rs": "rust", ".sh": "shellscript", ".sql": "sql",
    ".swift": "swift", ".toml": "toml", ".ts": "typescript", ".tsx": "typescriptreact", ".yaml": "yaml",
    ".yml": "yaml", ".zig": "zig",
}  # fmt: skip


def server_command() -> list[str]:
    """How this installation starts its own server; `-P` keeps the workspace off the import path."""
    return [sys.executable, "-P", "-m", "cmt_lsp", "serve", "--stdio"]


class Window:
    """A server that was told about one folder."""

    def __init__(self, connection: Connection, folder: Path, capabilities: Mapping[str, Any]) -> None:
        """See `open_window`, which starts the server and says hello first."""
        self.connection = connection
        self.folder = folder
        self.capabilities = capabilities
        self._open: set[str] = set()

    async def ask(self, operation: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The result of a short operation, by its name in the contract."""
        result = await self.connection.request(operation, params or {})
        return result if isinstance(result, dict) else {}

    async def chat(self, params: Mapping[str, Any], on_event: Handler) -> dict[str, Any]:
        """The TurnResult of a question; `on_event` gets each value of its stream, in order."""
        result = await self.connection.request("cmt/chat", params, seconds=TURN_SECONDS, progress=on_event)
        if not isinstance(result, dict):
            raise TroubleError("The server answered a question with nothing.")
        return result

    async def compare(self, params: Mapping[str, Any], on_event: Handler) -> dict[str, Any]:
        """The CompareResult of a question to several models; `on_event` gets the values of all their streams."""
        result = await self.connection.request("cmt/compare", params, seconds=TURN_SECONDS, progress=on_event)
        if not isinstance(result, dict):
            raise TroubleError("The server answered a comparison with nothing.")
        return result

    async def cancel(self, **which: str) -> int:
        """Stop running turns; how many were told to."""
        return int((await self.ask("cmt/cancel", which)).get("cancelled", 0))

    def open_document(self, path: Path, text: str) -> str:
        """Give the server its copy of a file's text, so that it needs no access to the file. The URI."""
        uri = path.as_uri()
        if uri not in self._open:
            self._open.add(uri)
            language = LANGUAGES.get(path.suffix.lower(), "plaintext")
            document = {"uri": uri, "languageId": language, "version": 1, "text": text}
            self.connection.notify("textDocument/didOpen", {"textDocument": document})
        return uri

    async def find_session(self, name: str) -> dict[str, Any] | None:
        """The session of this folder with this name; the one used last where several have it."""
        found = await self.ask("cmt/session/list", {"scope": "workspace"})
        return next((session for session in found.get("sessions", []) if session.get("name") == name), None)

    async def named_session(self, name: str, model: str | None = None) -> dict[str, Any]:
        """The session of this folder with this name, made where there is none."""
        if (session := await self.find_session(name)) is not None:
            return session
        wanted = {"name": name, "workspaceFolder": self.folder.as_uri()}
        return await self.ask("cmt/session/create", {**wanted, **({"model": model} if model else {})})


@contextlib.asynccontextmanager
async def open_window(
    folder: Path,
    *,
    command: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    tell: Callable[[str], None] = say_note,
    asks: bool = False,
) -> AsyncIterator[Window]:
    """A started server that knows `folder`; it is told goodbye and waited for, or left when we are cancelled.

    `tell` gets what the server has to say to the person. With `asks` the server may ask at the keyboard, where somebody
    sits there.
    """
    asks = asks and can_ask()
    connection = await Connection.spawn(command or server_command(), env=env, cwd=folder)
    connection.on("window/showMessage", lambda params: tell(str(params.get("message", ""))))
    if asks:
        connection.answer("window/showMessageRequest", lambda params: choose(params, tell))
    try:
        answer = await connection.request("initialize", _hello(folder, asks=asks))
        connection.notify("initialized", {})
        yield Window(connection, folder, (answer or {}).get("capabilities", {}))
    except asyncio.CancelledError:
        await connection.leave()
        raise
    finally:
        await connection.close()


def _hello(folder: Path, *, asks: bool) -> dict[str, Any]:
    return {
        "processId": os.getpid(),
        "clientInfo": {"name": "cmt-lsp terminal"},
        "rootUri": folder.as_uri(),
        "workspaceFolders": [{"uri": folder.as_uri(), "name": folder.name or str(folder)}],
        "capabilities": {"general": {"positionEncodings": ["utf-16"]}, **({"window": {}} if asks else {})},
    }


def read_document(path: Path) -> str:
    """The text of a file that the person named. Raises TroubleError with what is wrong with it."""
    try:
        if path.is_dir():
            raise TroubleError(f"{path} is a folder.", hint="Name a file.", kind="blocked_file")
        if path.stat().st_size > MAX_DOCUMENT:
            raise TroubleError(f"{path} is larger than 5 MB.", kind="blocked_file")
        data = path.read_bytes()
    except OSError as refused:
        raise TroubleError(f"{path} cannot be read: {refused.strerror}.", kind="blocked_file") from refused
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TroubleError(
            f"{path} is not UTF-8 text.", hint="Send pictures with --image.", kind="blocked_file"
        ) from None
