"""The composition root: builds everything a window needs, once, and serves it.

The order is the point. Before `initialize` is answered nothing is imported but the protocol; sessions, settings and
the store come when the editor is ready, and the SDK after that, on a thread of its own.
"""

from __future__ import annotations

from cmt_lsp.server.rpc.collector import spare_startup

spare_startup()

import asyncio  # noqa: E402 - the collector has to be spared before anything is imported
import logging  # noqa: E402
import os  # noqa: E402
from functools import cached_property, partial  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from lsprotocol import types  # noqa: E402

from cmt_lsp import __version__  # noqa: E402
from cmt_lsp.api.errors import CmtError  # noqa: E402
from cmt_lsp.server.actions import COMMANDS, KINDS  # noqa: E402
from cmt_lsp.server.chatfile import COMMANDS as CHAT_FILE_COMMANDS  # noqa: E402
from cmt_lsp.server.chatfile.registration import FEATURES, fit, registrations  # noqa: E402
from cmt_lsp.server.operations import METHODS  # noqa: E402
from cmt_lsp.server.rpc.frames import MAX_BODY  # noqa: E402
from cmt_lsp.server.rpc.messages import RpcError  # noqa: E402
from cmt_lsp.server.rpc.pipe_threads import claim_standard_streams  # noqa: E402
from cmt_lsp.server.rpc.protocol import build_server  # noqa: E402
from cmt_lsp.server.rpc.transport import serve  # noqa: E402
from cmt_lsp.server.rpc.uris import folder  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from logging.handlers import QueueListener
    from pathlib import Path

    from cmt_lsp.core.context.pin_reader import PinReader
    from cmt_lsp.core.session_manager import APISessionManager
    from cmt_lsp.core.settings import Resolved, Settings
    from cmt_lsp.core.warming.keeper import KeepState
    from cmt_lsp.server import wire
    from cmt_lsp.server.actions.actions import Actions
    from cmt_lsp.server.chatfile.commands import ChatFileCommands
    from cmt_lsp.server.chatfile.desk import ChatFiles
    from cmt_lsp.server.rpc.documents import OpenDocuments
    from cmt_lsp.server.rpc.table import Caller, Operation
    from cmt_lsp.server.window.status import WindowStatus
    from cmt_lsp.server.window.window import Window

logger = logging.getLogger(__name__)

CONTRACT_VERSION = 1
STALL_LIMIT = 60.0
"""Seconds an editor may leave what was sent unread before its turns are stopped: they cost money nobody sees."""
WATCH_SECONDS = 5.0
REGISTER_SECONDS = 5.0
"""For an editor to take what is registered late; nothing waits for it."""
STOP_SECONDS = 1.5
"""For settling what runs; the transport allows 2 s before it ends the process."""


class App:
    """One window's server with all it stands on."""

    def __init__(self) -> None:
        self.server = build_server(
            name="cmt-lsp",
            version=__version__,
            methods=METHODS,
            operations=self._operations,
            error_of=error_of,
            experimental=advertised,
            on_initialized=self._on_initialized,
            on_stop=self._on_stop,
            fit=fit,
            commands={
                **{name: partial(self._command, name) for name in COMMANDS},
                **{name: partial(self._chat_file_command, name) for name in CHAT_FILE_COMMANDS},
            },
        )
        self._register_code_actions()
        for feature in FEATURES:
            self.server.feature(feature.method)(partial(self._about_chat_file, feature.method))
        self.server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(
            lambda params: self._on_configuration(
                params
            )  # pygls marks what it is given, and a method takes no mark
        )
        self._options: object = None
        self._log: QueueListener | None = None
        self._told: set[str] = set()
        self._background: set[asyncio.Task[None]] = set()

    @cached_property
    def resolved(self) -> Resolved:
        """The settings in force; forgotten when the editor sends others."""
        from cmt_lsp.core.settings import resolve

        return resolve(client_options=self._options)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.resolved.settings

    @property
    def setting_notices(self) -> tuple[str, ...]:
        """A sentence for each setting that was not taken."""
        return self.resolved.notices

    @cached_property
    def manager(self) -> APISessionManager:
        """The sessions of this window, made when the editor is ready or first asks."""
        from cmt_lsp.core.session_manager import APISessionManager

        return APISessionManager(settings=self.settings, pin_reader=self._pin_reader())

    def _pin_reader(self) -> PinReader:
        """What is pinned is read as it is edited, else from a workspace folder, whichever the session is of."""
        from cmt_lsp.core.context.pin_reader import PinReader

        def open_text(uri: str) -> str | None:
            document = self.documents.opened(uri)
            return None if document is None else document.source

        return PinReader(open_text, lambda: self.folders)

    @cached_property
    def status(self) -> WindowStatus:
        """What the window's status line shows."""
        from cmt_lsp.server.window.status import WindowStatus

        return WindowStatus(self._publish)

    @cached_property
    def chat_files(self) -> ChatFiles:
        """The transcripts that this window writes and has open."""
        from cmt_lsp.core.chatfile.folder import TranscriptFolder
        from cmt_lsp.core.storage.state_dir import find_state_dir
        from cmt_lsp.server.chatfile.desk import ChatFiles

        return ChatFiles(self, self.server.peer, TranscriptFolder(find_state_dir(os.environ)))

    @cached_property
    def _chat_file_answers(self) -> Mapping[str, Callable[[Any], Awaitable[Any]]]:
        from cmt_lsp.server.chatfile.features import ChatFileFeatures

        return ChatFileFeatures(self.chat_files, self, self.server.peer).answers

    async def _about_chat_file(self, method: str, params: Any) -> Any:
        """Transcripts alone are answered for; nothing is imported for the documents of a window that has none."""
        if "/transcripts/" in params.text_document.uri:
            return await self._chat_file_answers[method](params)
        return None if method == types.TEXT_DOCUMENT_HOVER else []

    @property
    def documents(self) -> OpenDocuments:
        """What the editor has open."""
        documents: OpenDocuments = self.server.workspace  # type: ignore[assignment]
        return documents

    @property
    def folders(self) -> tuple[Path, ...]:
        """The workspace folders that exist, resolved; the first one names the workspace of new sessions."""
        workspace = self.server.workspace
        uris = list(workspace.folders) or [workspace.root_uri]
        return tuple(found for uri in uris if uri and (found := folder(uri)))

    @cached_property
    def window(self) -> Window:
        """What the operations and the code actions work on."""
        from cmt_lsp.server.window.window import Window

        return Window(self)

    @cached_property
    def actions(self) -> Actions:
        """The menu of code actions and what it started."""
        from cmt_lsp.server.actions.actions import Actions

        return Actions(self, self.server.peer)

    async def _command(self, name: str, caller: Caller, arguments: object) -> None:
        await self.actions.run(name, caller, arguments)

    @cached_property
    def _chat_file_commands(self) -> ChatFileCommands:
        from cmt_lsp.server.chatfile.commands import ChatFileCommands

        return ChatFileCommands(self, self.server.peer, self.actions.start)

    async def _chat_file_command(self, name: str, caller: Caller, arguments: object) -> None:
        self._start(self._chat_file_commands.run(name, caller, arguments))

    def _register_code_actions(self) -> None:
        """What stands behind them is imported when the editor first asks."""
        options = types.CodeActionOptions(list(KINDS), resolve_provider=True)

        @self.server.feature(types.TEXT_DOCUMENT_CODE_ACTION, options)
        def offered(params: types.CodeActionParams) -> list[types.Command | types.CodeAction]:
            return self.actions.offered(params)

        @self.server.feature(types.CODE_ACTION_RESOLVE)
        def resolve(action: types.CodeAction) -> types.CodeAction:
            from cmt_lsp.server.actions.offers import resolved

            return resolved(action)

    def _operations(self) -> tuple[Operation, ...]:
        from cmt_lsp.server.operations.rows import operations_for

        window = self.window
        self.manager.warming.keeper.tell = partial(self._on_keeping, window)
        return operations_for(window)

    def _on_keeping(self, window: Window, state: KeepState) -> None:
        """Show what keeping warm costs; where the editor takes no status, say so once, with the first refresh."""
        window.keeping_changed(state)
        if state.refreshes and self.server.peer.experimental.get("status") is not True:
            told = "cmt-lsp: a session is kept in the prompt cache while you are at it, as keepWarm asks; it costs money."
            if told not in self._told:
                self._told.add(told)
                message = types.ShowMessageParams(types.MessageType.Info, told)
                self.server.peer.notify(types.WINDOW_SHOW_MESSAGE, message)

    def _on_initialized(self) -> None:
        params = self.server.peer.initialize_params
        options = params.initialization_options if params else None
        self._options = options.get("cmt", options) if isinstance(options, dict) else None
        self._start(self._wake())
        if later := registrations(self.server.peer.capabilities):
            self._start(self._register(later))

    async def _register(self, later: list[types.Registration]) -> None:
        """Tell what is answered for transcripts alone; an editor that does not take it goes without."""
        try:
            wanted = types.RegistrationParams(later)
            await self.server.peer.request(types.CLIENT_REGISTER_CAPABILITY, wanted, REGISTER_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever the editor did, it is no reason to stop
            logger.info("The editor took no registration: %s", type(error).__name__)

    async def _wake(self) -> None:
        """Bring up what the first question needs, lightest first."""
        self.manager.warm_up()
        self._log = self._start_log()
        self.server.hooks.table.rows  # noqa: B018 - imported now, so that the first request does not wait for it
        self._rehearse_menu()
        self._start(self._tidy())
        await self._keep_watch()

    def _rehearse_menu(self) -> None:
        """So that the first menu comes as fast as any: some editors ask for it at every move of the cursor."""
        from cmt_lsp.server.actions.offers import rehearsal

        self.actions  # noqa: B018 - imported now
        self.server.protocol.rehearse(types.TEXT_DOCUMENT_CODE_ACTION, *rehearsal())

    async def _tidy(self) -> None:
        """Remove the pictures that a killed window left and old transcripts, and give back what it held for a batch that it never sent."""
        from cmt_lsp.core.screen.drop import sweep
        from cmt_lsp.core.storage.state_dir import find_state_dir

        await asyncio.to_thread(sweep, find_state_dir(os.environ))
        await asyncio.to_thread(self.chat_files.sweep)
        try:
            await self.manager.batches.tidy()
        except CmtError as error:
            logger.info("Batches cannot be looked at: %s", error.kind)

    def _start_log(self) -> QueueListener | None:
        from cmt_lsp.core.storage.state_dir import find_state_dir
        from cmt_lsp.server.logs import start_logging

        return start_logging(find_state_dir(os.environ), self.settings.log_level)

    def _tell_once(self) -> None:
        """Say what is wrong with settings or store, in one message; editors send all settings at each change of any."""
        found = (*self.resolved.notices, *self.manager.take_notices())
        if notices := [notice for notice in dict.fromkeys(found) if notice not in self._told]:
            self._told.update(notices)
            message = types.ShowMessageParams(types.MessageType.Warning, "cmt-lsp: " + " ".join(notices))
            self.server.peer.notify(types.WINDOW_SHOW_MESSAGE, message)

    def _on_configuration(self, params: types.DidChangeConfigurationParams) -> None:
        settings = params.settings
        if isinstance(settings, dict) and "cmt" in settings:
            self._options = settings["cmt"]
            self.__dict__.pop("resolved", None)
            self.manager.use_settings(self.settings)
            logging.getLogger("cmt_lsp").setLevel(self.settings.log_level.upper())
            self._tell_once()

    async def _keep_watch(self) -> None:
        """Tell what went wrong beside a turn, and stop the turns of an editor that does not read: nobody sees them."""
        while True:
            self._tell_once()
            await asyncio.sleep(WATCH_SECONDS)
            if self.server.peer.stalled_for > STALL_LIMIT and (
                stopped := self.manager.cancel_all("client_stalled")
            ):
                logger.warning("The editor does not read; stopped %d turns", stopped)

    async def _on_stop(self, reason: str) -> None:
        for task in self._background:
            task.cancel()
        if "manager" in self.__dict__:
            self.manager.cancel_all("client_gone")
            await self.manager.aclose(STOP_SECONDS)
        if self._log is not None:
            self._log.stop()

    def _publish(self, status: wire.Status) -> None:
        if self.server.peer.experimental.get("status") is True:
            self.server.peer.notify("cmt/status", status, droppable=True)

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def error_of(error: BaseException) -> RpcError | None:
    """What the editor is told of an error; None for faults that only the log may know."""
    if isinstance(error, CmtError):
        from cmt_lsp.server.shapes.values import error_code, error_data

        return RpcError(error_code(error), error.message, error_data(error))
    return None


def advertised() -> dict[str, Any]:
    """What `initialize` says of the contract."""
    return {
        "version": CONTRACT_VERSION,
        "serverVersion": __version__,
        "operations": list(METHODS),
        "limits": {"messageBytes": MAX_BODY, "statusPerSecond": 4},
    }


def main() -> int:
    """Serve one window on standard input and output; the exit code."""
    stdin, stdout = claim_standard_streams()
    return serve(App().server, stdin, stdout)
