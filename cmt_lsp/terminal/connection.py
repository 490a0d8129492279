"""One language server on a pipe: JSON-RPC out and in, and an end to every wait.

Nothing here knows what the methods mean. A request ends with its result, with the server's error, with a
time-out, or with `ServerGoneError`: a server that died, closed its output or wrote what is no frame never leaves
anybody waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

MAX_FRAME = 64 * 1024 * 1024  # bytes; no answer of this server comes near it
STDERR_KEPT = 4096  # bytes of the server's standard error that are kept to explain its death
DRAIN_SECONDS = 1.0  # a dead server's last frames may still lie in the pipe; its children may hold it open

Handler = Callable[[Any], None]
Answerer = Callable[[Any], Awaitable[object]]


class TroubleError(Exception):
    """What stands in the way, as one sentence for a person, with a hint where there is one."""

    def __init__(self, message: str, *, hint: str | None = None, kind: str = "trouble") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.kind = kind


class ServerGoneError(TroubleError):
    """The server ended, or stopped speaking the protocol."""


class AnswerError(TroubleError):
    """The server answered a request with an error."""

    def __init__(self, code: int, message: str, data: Mapping[str, Any]) -> None:
        """`data` is the error's `data` of the wire contract: kind, hint, retryable."""
        super().__init__(message, hint=data.get("hint"), kind=str(data.get("kind", "internal")))
        self.code = code


class FrameError(Exception):
    """Bytes that are no frame of the protocol."""


def encode(message: Mapping[str, Any]) -> bytes:
    """One frame; ASCII, so that lone surrogates in a prompt survive the trip."""
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


async def read_message(stream: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message, or None at the end of the stream. Raises FrameError on anything else."""
    length = await _read_length(stream)
    if length is None:
        return None
    try:
        message = json.loads(await stream.readexactly(length))
    except asyncio.IncompleteReadError:
        return None
    except ValueError as broken:
        raise FrameError("a frame is not JSON") from broken
    if not isinstance(message, dict):
        raise FrameError("a frame is not an object")
    return message


async def _read_length(stream: asyncio.StreamReader) -> int | None:
    length: int | None = None
    while True:
        try:
            line = await stream.readline()
        except ValueError as too_long:
            raise FrameError("a header line is too long") from too_long
        if not line.endswith(b"\n"):
            return None
        if not line.strip():
            break
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            length = int(value)
    if length is None or length > MAX_FRAME:
        raise FrameError("a frame has no usable length")
    return length


class _Pipes(asyncio.SubprocessProtocol):
    """The two streams and the end of a process; the end is told even while a child of it holds the pipes."""

    def __init__(self) -> None:
        self.stdout = asyncio.StreamReader()
        self.stderr = b""
        self.ended = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self.stdout.feed_data(data)
        else:
            self.stderr = (self.stderr + data)[-STDERR_KEPT:]

    def pipe_connection_lost(self, fd: int, _why: Exception | None) -> None:
        if fd == 1:
            self.stdout.feed_eof()

    def process_exited(self) -> None:
        self.ended.set()


class Connection:
    """A running server and the requests that wait for it."""

    def __init__(self, transport: asyncio.SubprocessTransport, pipes: _Pipes) -> None:
        """Takes over a started process; see `spawn`."""
        self._transport = transport
        self._pipes = pipes
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._progress: dict[str, tuple[Handler, asyncio.Future[Any]]] = {}
        self._handlers: dict[str, Handler] = {}
        self._answerers: dict[str, Answerer] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._next_id = 0
        self._gone: ServerGoneError | None = None
        self._reading = asyncio.create_task(self._read())
        self._watching = asyncio.create_task(self._watch())

    @classmethod
    async def spawn(
        cls, command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Connection:
        """Start the server in a session of its own, so that Ctrl-C reaches only this client."""
        loop = asyncio.get_running_loop()
        try:
            transport, pipes = await loop.subprocess_exec(
                _Pipes, *command, env=env, cwd=cwd, start_new_session=True
            )
        except OSError as refused:
            raise ServerGoneError(f"The server cannot be started: {refused.strerror}.") from refused
        return cls(transport, pipes)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._transport.get_pid()

    def on(self, method: str, handler: Handler) -> None:
        """Call `handler(params)` for every notification of this method."""
        self._handlers[method] = handler

    def answer(self, method: str, answerer: Answerer) -> None:
        """Answer every request of this method with what `await answerer(params)` gives."""
        self._answerers[method] = answerer

    def notify(self, method: str, params: object) -> None:
        """Send a notification. Raises ServerGoneError when there is nobody to send it to."""
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float = 30.0,
        progress: Handler | None = None,
        progress_token: str = "partialResultToken",  # noqa: S107  the name of a field
    ) -> Any:
        """The result of one request; `progress` is called with each of its partial results.

        With `progress_token` "workDoneToken" it is called with each value of the request's progress line instead.

        Raises AnswerError (the server's own error), ServerGoneError, TroubleError after `seconds`, or what
        `progress` raised.
        """
        self._next_id += 1
        number, token = self._next_id, f"partial-{self._next_id}"
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method}
        if params is not None:
            message["params"] = {**params, progress_token: token} if progress else params
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        if progress is not None:
            self._progress[token] = (progress, future)
        try:
            self._send(message)
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            with contextlib.suppress(ServerGoneError):
                self.notify("$/cancelRequest", {"id": number})
            raise TroubleError(
                f"The server did not answer {method} within {seconds:.0f} s.",
                hint="Run `cmt-lsp doctor`.",
                kind="timeout",
            ) from None
        finally:
            self._pending.pop(number, None)
            self._progress.pop(token, None)

    async def close(self, seconds: float = 5.0) -> int | None:
        """Say goodbye in the protocol's words, wait, and end what does not end; the exit code."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if self._gone is None:
                    with contextlib.suppress(TroubleError):
                        await self.request("shutdown", seconds=seconds)
                        self.notify("exit", None)
                self._hang_up()
                await self._pipes.ended.wait()
        return await self._end()

    async def leave(self, seconds: float = 1.0) -> None:
        """Hang up without a word: a server settles its books and ends by itself when its input closes."""
        self._hang_up()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pipes.ended.wait(), seconds)
        await self._end()

    async def _end(self) -> int | None:
        if self._transport.get_returncode() is None:
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()
            await self._pipes.ended.wait()
        tasks = (self._reading, self._watching, *self._answering)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._lost(ServerGoneError("The server was stopped."))
        self._transport.close()
        return self._transport.get_returncode()

    def _hang_up(self) -> None:
        if (stdin := self._stdin) is not None:
            stdin.close()

    @property
    def _stdin(self) -> asyncio.WriteTransport | None:
        pipe = self._transport.get_pipe_transport(0)
        return pipe if isinstance(pipe, asyncio.WriteTransport) else None

    def _send(self, message: Mapping[str, Any]) -> None:
        stdin = self._stdin
        if self._gone is not None or stdin is None or stdin.is_closing():
            raise self._gone or ServerGoneError("The server was stopped.")
        stdin.write(encode(message))

    async def _read(self) -> None:
        try:
            while (message := await read_message(self._pipes.stdout)) is not None:
                self._dispatch(message)
        except Exception as broken:  # noqa: BLE001  (whatever it is, nobody may go on waiting)
            self._lost(ServerGoneError(f"The server wrote what is no message: {broken}."))
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pipes.ended.wait(), DRAIN_SECONDS)
        if self._transport.get_returncode() is None:
            self._lost(ServerGoneError("The server closed its output."))

    async def _watch(self) -> None:
        """Fail every wait once the process is gone, whoever else still holds its pipes open."""
        await self._pipes.ended.wait()
        await asyncio.wait({self._reading}, timeout=DRAIN_SECONDS)
        code = self._transport.get_returncode()
        self._lost(
            ServerGoneError(f"The server ended unexpectedly (exit code {code}).", hint=self._last_words())
        )

    def _last_words(self) -> str | None:
        lines = [line for line in self._pipes.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        return f"Its last words: {lines[-1].strip()}" if lines else None

    def _lost(self, why: ServerGoneError) -> None:
        self._gone = self._gone or why
        for future in self._pending.values():
            if not future.done():
                future.set_exception(self._gone)
        self._pending.clear()

    def _dispatch(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            self._settle(message)
        elif "id" in message:
            self._take_request(message)
        elif message["method"] == "$/progress":
            self._pass_on_progress(message.get("params"))
        elif (handler := self._handlers.get(message["method"])) is not None:
            handler(message.get("params"))

    def _settle(self, message: dict[str, Any]) -> None:
        future = self._pending.get(message.get("id", -1))
        if future is None or future.done():
            return
        error = message.get("error")
        if error is None:
            future.set_result(message.get("result"))
        else:
            future.set_exception(
                AnswerError(error.get("code", 0), str(error.get("message", "")), error.get("data") or {})
            )

    def _pass_on_progress(self, params: Any) -> None:
        waiting = self._progress.get(str(params.get("token"))) if isinstance(params, dict) else None
        if waiting is None or waiting[1].done():
            return
        try:
            waiting[0](params.get("value"))
        except Exception as failure:  # noqa: BLE001  (it belongs to whoever asked, and must not stop the reader)
            waiting[1].set_exception(failure)

    def _take_request(self, message: dict[str, Any]) -> None:
        answerer = self._answerers.get(message["method"])
        if answerer is None:
            self._refuse(message)
            return
        task = asyncio.create_task(self._answer(message, answerer))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, message: dict[str, Any], answerer: Answerer) -> None:
        result = await answerer(message.get("params"))
        with contextlib.suppress(ServerGoneError):
            self._send({"jsonrpc": "2.0", "id": message["id"], "result": result})

    def _refuse(self, message: dict[str, Any]) -> None:
        """Most of what a server may ask of an editor does not exist in a terminal; say so at once."""
        error = {"code": -32601, "message": "a terminal cannot do this"}
        with contextlib.suppress(ServerGoneError):
            self._send({"jsonrpc": "2.0", "id": message["id"], "error": error})
