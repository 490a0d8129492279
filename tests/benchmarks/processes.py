"""The processes that are measured: servers on their pipes, scripts, callers and the endpoint.

CPU time and memory are read from /proc, so that the benchmarks run on Linux only.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from .caller import KEY, MODEL
from .editor import CAPABILITIES

HERE = Path(__file__).parent
PATIENCE = 60.0
"""Seconds after which a silent process counts as hung."""

Environment = Mapping[str, str]


def script(name: str, *arguments: str) -> list[str]:
    """The command of a program in this folder; -P keeps the folder from hiding the standard library."""
    return [sys.executable, "-P", str(HERE / name), *arguments]


def cmt_lsp() -> list[str]:
    """The command that editors start, or what does the same where it is not installed."""
    console = Path(sys.executable).with_name("cmt-lsp")
    return [str(console), "serve"] if console.exists() else [sys.executable, "-P", "-m", "cmt_lsp", "serve"]


class Pipe:
    """A process that is spoken to over its standard streams, from one thread."""

    def __init__(self, command: list[str], environment: Environment) -> None:
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, **environment},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._input, self._output = self.process.stdin, self.process.stdout
        self.buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End its input, which ends every process here, and wait."""
        self._input.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._output.close()

    def write(self, data: bytes) -> None:
        """Write all of it."""
        view = memoryview(data)
        while view:
            view = view[self._input.write(view) :]

    def more(self, patience: float = PATIENCE) -> bool:
        """Read what is there into the buffer; false when nothing came in time."""
        if not select.select([self._output], [], [], patience)[0]:
            return False
        data = os.read(self._output.fileno(), 1 << 18)
        if not data:
            raise EOFError(f"{self.process.args!r} ended")
        self.buffer += data
        return True

    def line(self) -> str:
        """The next line."""
        while b"\n" not in self.buffer:
            if not self.more():
                raise TimeoutError(f"{self.process.args!r} says nothing")
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()

    def cpu(self) -> float:
        """Seconds of CPU time of all its living threads, to the nanosecond."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def memory(self) -> float:
        """Resident memory in MiB."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024


class Server(Pipe):
    """A language server, and us as its editor."""

    def __init__(self, command: list[str], environment: Environment) -> None:
        super().__init__(command, environment)
        self._ids = itertools.count(1)

    def initialize(self) -> None:
        """Ask, and wait for the answer."""
        params = {"processId": os.getpid(), "rootUri": None, "capabilities": CAPABILITIES}
        self.answer(self.ask("initialize", params))

    def notify(self, method: str, params: object) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: object) -> int:
        """Send a request; its id."""
        number = next(self._ids)
        self._send({"id": number, "method": method, "params": params})
        return number

    def reply(self, number: object, result: object) -> None:
        """Answer a request of the server."""
        self._send({"id": number, "result": result})

    def request(self, method: str, params: object) -> Any:
        """Ask, and wait for the result."""
        return self.answer(self.ask(method, params))

    def answer(self, number: int) -> Any:
        """The result of a request; what comes before it is passed over."""
        return self.until(lambda message: message.get("id") == number)["result"]

    def until(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The next message that is wanted; the others are passed over."""
        while True:
            message = self.message()
            if message is None:
                raise TimeoutError(f"{self.process.args!r} says nothing")
            if wanted(message):
                return message

    def message(self, patience: float = PATIENCE) -> dict[str, Any] | None:
        """The next message, or None when none came in time."""
        while (end := self.buffer.find(b"\r\n\r\n") + 4) < 4 or len(self.buffer) < end + self._length(end):
            if not self.more(patience):
                return None
        length = self._length(end)
        body, self.buffer = self.buffer[end : end + length], self.buffer[end + length :]
        decoded: dict[str, Any] = json.loads(body)
        return decoded

    def chat(self, text: str, **more: object) -> int:
        """Ask the model; the id of the request, which is the token of its stream as well."""
        number = next(self._ids)
        params = {"text": text, "model": MODEL, "partialResultToken": number, **more}
        self._send({"id": number, "method": "cmt/chat", "params": params})
        return number

    def new_session(self) -> str:
        """The id of a session of its own."""
        session: str = self.request("cmt/session/create", {})["id"]
        return session

    def _length(self, end: int) -> int:
        found = re.search(rb"Content-Length: (\d+)", self.buffer[:end])
        assert found is not None
        return int(found[1])

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))


class Caller(Pipe):
    """One way to ask, in a process of its own; see `caller.py`."""

    def ask(self, question: str, streams: int = 1) -> dict[str, float]:
        """Ask, wait, and get what it took."""
        self.write(json.dumps({"question": question, "streams": streams}).encode() + b"\n")
        told: dict[str, float] = json.loads(self.line())
        return told


class World:
    """The endpoint, and an environment in which nothing of this machine's owner counts; ends all it started."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="cmt-benchmark-"))
        self.environment = {
            "CMT_STATE_DIR": str(Path(home) / "state"),
            "XDG_CONFIG_HOME": str(Path(home) / "config"),
            "ANTHROPIC_API_KEY": KEY,
        }
        endpoint = stack.enter_context(Pipe(script("endpoint.py"), self.environment))
        self.url = self.environment["ANTHROPIC_BASE_URL"] = endpoint.line()

    def bare_server(self, *arguments: str) -> Server:
        """A pygls server with nothing in it, just spawned; the caller ends it."""
        return Server(script("bare_server.py", *arguments), self.environment)

    def server(self) -> Server:
        """A cmt-lsp, just spawned; the caller ends it."""
        return Server(cmt_lsp(), self.environment)

    def ready_server(self, *, bare: bool = False) -> Server:
        """A server that has been initialized, and that has answered a question where it can; ended with the world."""
        server = self._stack.enter_context(self.bare_server() if bare else self.server())
        server.initialize()
        server.notify("initialized", {})
        if not bare:
            self.ask(server, question_of_three())
        return server

    def ask(self, server: Server, question: str) -> None:
        """Ask in a new session and wait for the end."""
        server.answer(server.chat(question, sessionId=server.new_session()))

    def caller(self, way: str) -> Caller:
        """A warm caller; ended with the world."""
        caller = self._stack.enter_context(Caller(script("caller.py", way, self.url), self.environment))
        caller.ask(question_of_three())
        return caller


@contextmanager
def world() -> Iterator[World]:
    """A world for one benchmark."""
    with ExitStack() as stack:
        yield World(stack)


def question_of_three() -> str:
    """The shortest question that an answer with a first and a last delta belongs to."""
    from .endpoint import question

    return question(3)
