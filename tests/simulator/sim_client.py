"""A client that sees bytes: one socket, no library, nothing mended on the way. And a clock for the simulator."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MODEL = "claude-opus-5-5"
HEADERS = {"x-api-key": "test-key", "anthropic-version": "2026-10-21", "content-type": "application/json"}


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def message(text: Any = "Hello there", **fields: Any) -> dict[str, Any]:
    """A small valid request."""
    return {"model": MODEL, "max_tokens": 4096, "messages": [{"role": "user", "content": text}], **fields}


@dataclass(frozen=True)
class Seen:
    """What came back: `body` is the plain body as far as it arrived, `end` how it ended."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    end: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The data of all whole events."""
        blocks = self.body.split(b"\n\n")[:-1]
        return [json.loads(line[6:]) for b in blocks for line in b.split(b"\n") if line.startswith(b"data: ")]

    @property
    def text(self) -> str:
        """The text deltas joined."""
        deltas = [e["delta"] for e in self.events if e["type"] == "content_block_delta"]
        return "".join(d["text"] for d in deltas if d["type"] == "text_delta")


def encode(method: str, path: str, body: Any, headers: Mapping[str, str]) -> bytes:
    """A request as bytes."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: simulator", f"content-length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + data


class RawClient:
    """One connection to a simulator; blocking, for tests that run it in its own thread."""

    def __init__(self, base_url: str) -> None:
        host, port = base_url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self._buffer = b""

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = HEADERS) -> None:
        """Send a whole request."""
        self.socket.sendall(encode(method, path, body, headers))

    def ask(self, body: Any = None, path: str = "/v1/messages", method: str = "POST", **headers: str) -> Seen:
        """Send a request and read its whole response; header names are given with underscores."""
        self.send(method, path, body, {**HEADERS, **{k.replace("_", "-"): v for k, v in headers.items()}})
        return self.read()

    def _more(self) -> str:
        """Read on: empty when there is more, else how the connection ended."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return "reset"
        self._buffer += data
        return "" if data else "closed"

    def _until(self, mark: bytes) -> tuple[bytes, str]:
        while mark not in self._buffer:
            if end := self._more():
                rest, self._buffer = self._buffer, b""
                return rest, end
        head, self._buffer = self._buffer.split(mark, 1)
        return head, ""

    def _exactly(self, count: int) -> tuple[bytes, str]:
        while len(self._buffer) < count:
            if end := self._more():
                rest, self._buffer = self._buffer, b""
                return rest, end
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data, ""

    def read_head(self) -> tuple[int, dict[str, str], str]:
        """Status, headers, and how the connection ended if it did."""
        head, end = self._until(b"\r\n\r\n")
        if end:
            return 0, {}, end
        first, *lines = head.decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        return int(first.split(" ")[1]), {name.lower(): value for name, value in pairs}, ""

    def read(self) -> Seen:
        """The next response; `end` is `whole`, `closed` or `reset`."""
        status, headers, end = self.read_head()
        if end:
            return Seen(status, headers, b"", end)
        if headers.get("transfer-encoding") == "chunked":
            body, end = self._chunks()
        else:
            body, end = self._exactly(int(headers.get("content-length", "0")))
        return Seen(status, headers, body, end or "whole")

    def _chunks(self) -> tuple[bytes, str]:
        body = b""
        while True:
            line, end = self._until(b"\r\n")
            if end:
                return body, end
            size = int(line, 16)
            data, end = self._exactly(size)
            body += data
            if end:
                return body, end
            _, end = self._exactly(2)
            if end or size == 0:
                return body, end

    def close(self) -> None:
        """Leave."""
        self.socket.close()


def ask(
    base_url: str, body: Any = None, path: str = "/v1/messages", method: str = "POST", **headers: str
) -> Seen:
    """One request on a connection of its own."""
    client = RawClient(base_url)
    try:
        return client.ask(body, path, method, **headers)
    finally:
        client.close()
