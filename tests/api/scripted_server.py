"""A server on loopback that says exactly the bytes it is told to, for what no well-behaved server can do."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

HOLD = "hold"
"""Say nothing more until the peer closes."""
RESET = "reset"
"""Drop the connection with a TCP reset."""
KEEP = "keep"
"""Wait for the next request on this connection; without it the connection is closed."""

Step = bytes | float | str


def event(kind: str, **fields: Any) -> bytes:
    """One event of a stream."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()


def started(**usage: Any) -> bytes:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test", "content": []}
    told = {"input_tokens": 10, "output_tokens": 1, **usage}
    return event(
        "message_start", message={**message, "stop_reason": None, "stop_sequence": None, "usage": told}
    )


def opened(index: int = 0, **block: Any) -> bytes:
    return event("content_block_start", index=index, content_block=block or {"type": "text", "text": ""})


def text(text: str, index: int = 0) -> bytes:
    return event("content_block_delta", index=index, delta={"type": "text_delta", "text": text})


def closing(output: int = 5, **usage: Any) -> bytes:
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    return (
        event("content_block_stop", index=0)
        + event("message_delta", delta=delta, usage={"output_tokens": output, **usage})
        + event("message_stop")
    )


ANSWER = started() + opened() + text("Hello") + event("ping") + text(" wörld") + closing()


def head(status: str = "200 OK", kind: str = "text/event-stream", **headers: str) -> bytes:
    """The head of a response whose body ends with the connection."""
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", "request-id: req_test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def whole(
    body: bytes | Mapping[str, Any], status: str = "200 OK", kind: str = "application/json", **headers: str
) -> bytes:
    """A whole response with its length."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head(status, kind, content_length=str(len(raw)), **headers) + raw


def refusal(status: str, kind: str, message: str = "no", **headers: str) -> bytes:
    """A refusal in the API's shape."""
    return whole({"type": "error", "error": {"type": kind, "message": message}}, status, **headers)


class ScriptedServer:
    """Plays one script a request, in order, the last one again and again."""

    def __init__(self, scripts: list[list[Step]]) -> None:
        self._scripts = scripts
        self.url = ""
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.asked = asyncio.Event()
        self.said = asyncio.Event()
        self.peer_closed = asyncio.Event()
        self.idle = asyncio.Event()
        self.connections = 0
        self._running: set[asyncio.Task[None]] = set()

    @property
    def open_connections(self) -> int:
        return len(self._running)

    async def stop(self) -> None:
        """End what is still being said."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new connection in a task of its own."""
        self.connections += 1
        self.idle.clear()
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not self._running:
            self.idle.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one_request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.peer_closed.set()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _one_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        raw = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in raw.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        self.bodies.append(await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0))
        script = self._scripts[min(len(self.heads), len(self._scripts) - 1)]
        self.heads.append(raw)
        self.asked.set()
        for step in script:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, float):
                await asyncio.sleep(step)
            elif step == HOLD:
                self.said.set()
                await reader.read()
                self.peer_closed.set()
            elif step == RESET:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            elif step == KEEP:
                return True
        return False


@asynccontextmanager
async def scripted(*scripts: list[Step]) -> AsyncIterator[ScriptedServer]:
    """A scripted server, listening until the context is left."""
    server = ScriptedServer(list(scripts))
    listening = await asyncio.start_server(server.accept, "127.0.0.1", 0, limit=2**26)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        await server.stop()
