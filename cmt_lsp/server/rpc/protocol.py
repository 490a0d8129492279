"""The language server protocol as we serve it: one answer for every request, whatever happens inside.

pygls gives the types, the handlers of LSP's own messages and the server capabilities. How messages are taken in,
run, cancelled and answered is ours; `tests/server/test_pygls_defects.py` holds the reason for each override as a
test that fails when the reason is gone.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from cmt_lsp.server.rpc.convert import BadValueError, lsp_complaint
from cmt_lsp.server.rpc.documents import OpenDocuments
from cmt_lsp.server.rpc.faults import log_fault, rpc_error
from cmt_lsp.server.rpc.messages import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    NOT_INITIALIZED,
    REQUEST_CANCELLED,
    MessageId,
    Notification,
    Refused,
    Request,
    Response,
    RpcError,
    classify,
    error_message,
    result_message,
)
from cmt_lsp.server.rpc.outbox import Link, Outbox
from cmt_lsp.server.rpc.peer import Peer, WorkDone
from cmt_lsp.server.rpc.table import Caller, Operation, OperationTable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from cattrs import Converter

__all__ = ["Caller", "CmtLanguageServer", "Operation", "Peer", "RpcError", "WorkDone", "build_server"]

logger = logging.getLogger(__name__)

Command: TypeAlias = "Callable[[Caller, object], Awaitable[Any]]"
SHUTDOWN_LIMIT = 1.0
"""Seconds that `shutdown` waits for running work; VS Code kills the process 2 s after asking."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the server asks of whoever builds it."""

    table: OperationTable
    error_of: Callable[[BaseException], RpcError | None]
    experimental: Callable[[], dict[str, Any]]
    on_initialized: Callable[[], None]
    on_stop: Callable[[str], Awaitable[None]]
    fit: Callable[[types.ClientCapabilities, types.ServerCapabilities], None]
    commands: Mapping[str, Command]


class CmtLanguageServer(LanguageServer):
    """A pygls server whose protocol is `CmtProtocol`; `feature` registers LSP handlers as ever."""

    protocol: CmtProtocol

    def __init__(self, name: str, version: str, hooks: Hooks) -> None:
        self.hooks = hooks
        super().__init__(name, version, protocol_cls=CmtProtocol)

    @property
    def peer(self) -> Peer:
        """The editor."""
        return self.protocol.peer

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log and never pop up: a fault of ours is not worth a dialog, and telling a closed pipe recurses."""
        logger.error("%s in %s", type(error).__name__, getattr(source, "__name__", "the server"))


def build_server(
    *,
    name: str,
    version: str,
    methods: Sequence[str],
    operations: Callable[[], Iterable[Operation]],
    error_of: Callable[[BaseException], RpcError | None],
    experimental: Callable[[], dict[str, Any]],
    on_initialized: Callable[[], None],
    on_stop: Callable[[str], Awaitable[None]],
    fit: Callable[[types.ClientCapabilities, types.ServerCapabilities], None] = lambda client, server: None,
    commands: Mapping[str, Command] | None = None,
) -> CmtLanguageServer:
    """A server that serves every operation as request and as command; start it with `transport.serve`.

    `methods` names the operations, and `operations` gives their rows when the first one is asked for.
    `error_of` turns an exception of an operation into its answer, None for faults that only the log may know.
    `experimental` gives what `initialize` advertises as `capabilities.experimental.cmt`. `on_initialized` is called
    once, on the loop, when the editor is ready. `on_stop` is awaited once, with the reason, before the process ends.
    `fit` may change what `initialize` advertises by what the editor can do. `commands` are those that are no operations:
    they take their arguments as they come.
    """
    table = OperationTable(methods, operations)
    hooks = Hooks(table, error_of, experimental, on_initialized, on_stop, fit, commands or {})
    return CmtLanguageServer(name, version, hooks)


@dataclass(slots=True)
class _Running:
    """A request that has no answer yet."""

    task: asyncio.Task[Any]
    cancellable: bool
    cancelled: bool = False

    def cancel(self) -> None:
        """Cancel once: a second time would break into the cleaning up that the first one began."""
        if self.cancellable and not self.cancelled:
            self.cancelled = True
            self.task.cancel()


class CmtProtocol(LanguageServerProtocol):
    """Takes messages in, runs what they ask for and answers each request exactly once."""

    _server: CmtLanguageServer

    def __init__(self, server: CmtLanguageServer, converter: Converter) -> None:
        self._hooks = server.hooks
        self._table = server.hooks.table
        self._running: dict[MessageId, _Running] = {}
        self._outbox = Outbox(self._table.converter, converter)
        self._notices: set[asyncio.Task[None]] = set()
        self._initializing = False
        self._stop_work: asyncio.Task[None] | None = None
        self.peer = Peer(self._outbox)
        super().__init__(server, converter)

    @property
    def shut_down(self) -> bool:
        """True once the editor said `shutdown`."""
        return self._shutdown

    def attach(self, link: Link) -> None:
        """Connect to a transport, before the first message."""
        self._outbox.link = link

    # --- taking in

    def receive(self, message: object) -> None:
        """Act on one decoded message; never raises."""
        match classify(message):
            case Refused(request_id, error):
                self.refuse(request_id, error)
            case Response() as response:
                if not self._outbox.questions.settle(response) and response.bare:
                    self.refuse(response.id, RpcError(INVALID_REQUEST, "A message needs a method."))
            case Notification() as notification:
                self._take_notification(notification)
            case Request() as request:
                self._take_request(request)

    def rehearse(self, method: str, params: object, result: object) -> None:
        """Take a request in and an answer out, unsent: the first use of LSP's types takes 60 ms, and nobody waits now."""
        self._lsp_params(method, params)
        self._outbox.to_json(result)

    def refuse(self, request_id: MessageId | None, error: RpcError) -> None:
        """Answer with an error."""
        logger.info("Refused a message: %s", error.message)
        self._outbox.send(error_message(request_id, error))

    def _take_request(self, request: Request) -> None:
        if (refusal := self._refusal(request)) is not None:
            self.refuse(request.id, refusal)
            return
        self._initializing |= (
            request.method == types.INITIALIZE
        )  # here, for clients that do not wait for replies
        self._shutdown |= request.method == types.SHUTDOWN
        task = asyncio.get_running_loop().create_task(self._run(request))
        self._running[request.id] = _Running(task, cancellable=request.method != types.SHUTDOWN)
        task.add_done_callback(partial(self._answer, request))

    def _refusal(self, request: Request) -> RpcError | None:
        """Why a request may not even start."""
        if request.id in self._running:
            return RpcError(INVALID_REQUEST, "A request with this id is still running.")
        if self._shutdown:
            return RpcError(INVALID_REQUEST, "The server is shutting down.")
        if request.method == types.INITIALIZE:
            twice = RpcError(INVALID_REQUEST, "The server is initialized already.")
            return twice if self._initializing else None
        if not self._initializing:
            return RpcError(NOT_INITIALIZED, "The server is not initialized; send initialize first.")
        return None

    def _take_notification(self, notification: Notification) -> None:
        method, params = notification.method, notification.params
        if method == types.EXIT:
            self._stop("the editor said exit", 0 if self._shutdown else 1)
        elif not self._initializing or self._shutdown:
            logger.info("Ignored a notification outside the session")
        elif method == types.CANCEL_REQUEST:
            self._cancel(params)
        elif self._handler(method) is None:
            logger.debug("Ignored an unknown notification")
        else:
            notice = asyncio.get_running_loop().create_task(self._run_notification(notification))
            self._notices.add(notice)
            notice.add_done_callback(self._notices.discard)

    def _cancel(self, params: object) -> None:
        wanted = params.get("id") if isinstance(params, dict) else None
        if isinstance(wanted, (str, int)) and (running := self._running.get(wanted)):
            running.cancel()

    # --- running

    async def _run(self, request: Request) -> Any:
        """The result of a request; raises `RpcError` or CancelledError and nothing else."""
        try:
            return await self._perform(request)
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit would end the loop, with every other request
            raise self._told(error) from None

    async def _perform(self, request: Request) -> Any:
        if request.method == types.WORKSPACE_EXECUTE_COMMAND:
            return await self._perform_command(request)
        if row := self._table.method(request.method):
            params, partial_token, work_done = self._table.decode(row, request.params)
            return await row.run(Caller("request", request.id, partial_token, work_done, self.peer), params)
        handler = self._handler(request.method)
        if handler is None:
            raise RpcError(METHOD_NOT_FOUND, f"The server has no method {request.method[:100]!r}.")
        return await _drive(handler, self._lsp_params(request.method, request.params))

    async def _perform_command(self, request: Request) -> Any:
        given = request.params if isinstance(request.params, dict) else {}
        name = given.get("command")
        if isinstance(name, str) and (command := self._hooks.commands.get(name)):
            # Answered at once, after which a token that came with the command may not be used.
            return await command(Caller("command", request.id, None, None, self.peer), given.get("arguments"))
        row = self._table.command(name) if isinstance(name, str) else None
        if row is None:
            raise BadValueError("must name a command of this server", ".command")
        params, partial_token, inner = self._table.decode_command(row, given.get("arguments"))
        work_done = self._table.token(given, "workDoneToken")
        door = Caller(
            "command", request.id, partial_token, inner if work_done is None else work_done, self.peer
        )
        return await row.run(door, params)

    async def _run_notification(self, notification: Notification) -> None:
        try:
            handler = self._handler(notification.method)
            await _drive(handler, self._lsp_params(notification.method, notification.params))
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - as for requests, and there is nobody to answer
            logger.info("A notification failed: %s", self._told(error).message)

    def _handler(self, method: str) -> Any:
        return self.fm.builtin_features.get(method) or self.fm.features.get(method)

    def _lsp_params(self, method: str, params: object) -> Any:
        wanted: Any = types.METHOD_TO_TYPES.get(method, (None, None, None))[2]
        if wanted is None:
            return params
        try:
            return self._converter.structure({} if params is None else params, wanted)
        except Exception as error:  # noqa: BLE001 - validators of lsprotocol raise many things
            raise lsp_complaint(error) from None

    # --- answering

    def _answer(self, request: Request, task: asyncio.Task[Any]) -> None:
        """The one place where a request that started gets its answer."""
        del self._running[request.id]
        error = (
            RpcError(REQUEST_CANCELLED, "The request was cancelled.")
            if task.cancelled()
            else task.exception()
        )
        if error is None:
            reply = result_message(request.id, task.result())
        else:
            reply = error_message(request.id, self._told(error))
            if request.method == types.INITIALIZE:
                self._initializing = False  # the editor may try again
        try:
            self._outbox.send(reply)
        except Exception as fault:  # noqa: BLE001 - an answer that cannot be written is still owed
            self._outbox.send(error_message(request.id, self._told(fault)))

    def _told(self, error: BaseException) -> RpcError:
        return rpc_error(error, self._hooks.error_of)

    # --- what pygls sends for itself

    def notify(self, method: str, params: object = None) -> None:
        """Send a notification; pygls's own `window_log_message` and its like come here."""
        self._outbox.notify(method, params)

    def send_request(
        self,
        method: str,
        params: object = None,
        callback: Callable[[Any], None] | None = None,
        msg_id: MessageId | None = None,
    ) -> Future[Any]:
        """Ask the editor; pygls's own `workspace_apply_edit` and its like come here."""
        future = self._outbox.ask(method, params, msg_id)
        if callback is not None:
            future.add_done_callback(lambda done: done.exception() or callback(done.result()))
        return future

    # --- LSP's own messages

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(self, params: types.InitializeParams) -> Generator[Any, Any, types.InitializeResult]:
        """Answer with what the server can do; every operation is advertised as a command."""
        result: types.InitializeResult = yield from super().lsp_initialize(params)
        result.capabilities.execute_command_provider = types.ExecuteCommandOptions(
            [*self._table.commands, *self._hooks.commands], work_done_progress=True
        )
        self.peer.initialize_params = params
        result.capabilities.experimental = {"cmt": self._hooks.experimental()}
        self._hooks.fit(params.capabilities, result.capabilities)
        self._workspace = OpenDocuments.like(self.workspace)
        if self._outbox.link is not None and params.process_id is not None:
            self._outbox.link.watch(params.process_id)
        return result

    @lsp_method(types.INITIALIZED)
    def lsp_initialized(self, *args: Any) -> Generator[Any, Any, None]:
        """The editor is ready."""
        self._hooks.on_initialized()
        yield from super().lsp_initialized(*args)  # type: ignore[no-untyped-call]

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *_: Any) -> Generator[Any, Any, None]:
        """Cancel what runs, let the server settle its affairs, then answer."""
        yield self.wind_down, ("the editor said shutdown", SHUTDOWN_LIMIT), None

    @lsp_method(types.WINDOW_WORK_DONE_PROGRESS_CANCEL)
    def lsp_work_done_progress_cancel(self, params: types.WorkDoneProgressCancelParams) -> None:
        """The person cancelled a progress."""
        self.peer.cancel_progress(params.token)

    async def wind_down(self, reason: str, limit: float) -> bool:
        """Cancel what runs and await `on_stop`, `limit` seconds at most; true when all of it ended.

        Called by `shutdown` and again when the process ends; `on_stop` itself is called once.
        """
        if self._stop_work is None:
            self._stop_work = asyncio.get_running_loop().create_task(self._call_on_stop(reason))
        ending: list[asyncio.Task[Any]] = [self._stop_work]
        for running in self._running.values():
            if running.task is not asyncio.current_task():
                running.cancel()
                ending.append(running.task)
        _, unfinished = await asyncio.wait(ending, timeout=limit)
        return not unfinished

    async def _call_on_stop(self, reason: str) -> None:
        try:
            await self._hooks.on_stop(reason)
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - the process ends all the same
            log_fault("on_stop", error)

    def _stop(self, reason: str, code: int) -> None:
        if self._outbox.link is not None:
            self._outbox.link.stop(reason, code)


async def _drive(handler: Any, *given: Any) -> Any:
    """Run any kind of pygls handler: plain, async, or a generator that hands over to others."""
    result: Any = handler(*given)
    if inspect.isawaitable(result):
        return await result
    if not inspect.isgenerator(result):
        return result
    steps: Generator[Any, Any, Any] = result
    value: Any = None
    while True:
        try:
            inner, arguments, _ = steps.send(value)
        except StopIteration as end:
            return end.value
        value = await _drive(inner, *arguments)
