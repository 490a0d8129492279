"""A client that speaks bytes, so that it can say what no proper client would."""

from __future__ import annotations

import itertools
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

PROBE = [sys.executable, str(Path(__file__).with_name("probe_server.py"))]
PATIENCE = 10.0
"""Seconds after which an answer that has not come will not come."""

INITIALIZE = {"processId": None, "rootUri": None, "capabilities": {}}


def frame(message: object) -> bytes:
    """A well-formed frame."""
    return frame_bytes(json.dumps(message).encode())


def frame_bytes(body: bytes) -> bytes:
    """A frame around any bytes."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class RawClient:
    """A server process, its bytes, and what came back."""

    def __init__(self, command: list[str] | None = None, **popen: Any) -> None:
        environment = os.environ | popen.pop("env", {})
        self.process = subprocess.Popen(
            command or PROBE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=popen.pop("stderr", subprocess.PIPE),
            bufsize=0,
            env=environment,
            **popen,
        )
        self.messages: list[dict[str, Any]] = []
        """Everything that was received, in order."""
        self._ids = itertools.count(1)
        self._inbox: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._unread: list[dict[str, Any]] = []
        self._reading = threading.Event()
        self._reading.set()
        self.violation: str | None = None
        """What the server wrote that is no frame; a test that expects it sets this back to None."""
        self._closed_output = threading.Event()
        self._stderr: list[bytes] = []
        self._threads = [threading.Thread(target=self._read, daemon=True)]
        if self.process.stderr is not None:
            self._threads.append(threading.Thread(target=self._read_stderr, daemon=True))
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._reading.set()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        assert self.violation is None, self.violation

    # --- sending

    def send_bytes(self, data: bytes) -> None:
        """Write as it is; a server that is gone is no error here."""
        assert self.process.stdin is not None
        try:
            view = memoryview(data)
            while view:
                view = view[self.process.stdin.write(view) :]
        except BrokenPipeError:
            pass

    def send(self, message: object) -> None:
        """Write one frame."""
        self.send_bytes(frame(message))

    def notify(self, method: str, params: object = None) -> None:
        """Send a notification."""
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def ask(self, method: str, params: object = None) -> int:
        """Send a request; its id."""
        request_id = next(self._ids)
        self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return request_id

    # --- receiving

    def answer(self, request_id: object, patience: float = PATIENCE) -> dict[str, Any]:
        """The answer to one request."""
        return self.expect(lambda m: m.get("id") == request_id and "method" not in m, patience)

    def request(self, method: str, params: object = None, patience: float = PATIENCE) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        return self.answer(self.ask(method, params), patience)

    def result(self, method: str, params: object = None, patience: float = PATIENCE) -> Any:
        """The result of a request that succeeds."""
        answer = self.request(method, params, patience)
        assert "result" in answer, answer
        return answer["result"]

    def command(self, name: str, *arguments: object, **more: object) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        return self.request(
            "workspace/executeCommand", {"command": name, "arguments": list(arguments)} | more
        )

    def call(self, method: str, patience: float = PATIENCE) -> dict[str, Any]:
        """A notification or request that the server sends."""
        return self.expect(lambda m: m.get("method") == method, patience)

    def expect(self, wanted: Any, patience: float = PATIENCE) -> dict[str, Any]:
        """The first message not yet taken that fits; others stay for later."""
        deadline = time.monotonic() + patience
        for index, message in enumerate(self._unread):
            if wanted(message):
                return self._unread.pop(index)
        while (left := deadline - time.monotonic()) > 0:
            try:
                message = self._inbox.get(timeout=left)
            except queue.Empty:
                break
            if message is None:
                raise EOFError(f"the server closed its output: {self.stderr()[-2000:]!r}")
            if wanted(message):
                return message
            self._unread.append(message)
        raise TimeoutError(f"no such message in {patience} s; unread: {self._unread[-5:]}")

    def initialize(self, **params: Any) -> dict[str, Any]:
        """The handshake; the result of `initialize`."""
        result: dict[str, Any] = self.result("initialize", INITIALIZE | params)
        self.notify("initialized", {})
        return result

    def popups(self) -> list[dict[str, Any]]:
        """Every message that an editor would show as a dialog."""
        return [
            m for m in self.messages if m.get("method") in ("window/showMessage", "window/showMessageRequest")
        ]

    def stop_reading(self) -> None:
        """Leave the server's output in the pipe."""
        self._reading.clear()

    def go_on_reading(self) -> None:
        """Read again."""
        self._reading.set()

    # --- the process

    def exit_code(self, patience: float = PATIENCE) -> int:
        """Wait for the end of the process."""
        return self.process.wait(patience)

    def close_input(self) -> None:
        """Close the pipe to the server."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def close_output(self) -> None:
        """Stop reading for good and close the pipe from the server."""
        self._closed_output.set()
        self.ask("cmt/echo", {})  # wakes the reader
        self._threads[0].join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stderr(self) -> bytes:
        """What the server wrote to stderr so far."""
        return b"".join(self._stderr)

    def wait_until_idle(self) -> None:
        """Wait until every thread of the server sleeps, and goes on sleeping."""
        quiet_for = 0
        while quiet_for < 20:
            stats = [stat.read_text() for stat in Path(f"/proc/{self.process.pid}/task").glob("*/stat")]
            quiet_for = quiet_for + 1 if all(stat.rpartition(") ")[2][0] == "S" for stat in stats) else 0
            time.sleep(0.002)

    def cpu_seconds(self) -> float:
        """Processor time of all threads so far."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def memory(self) -> int:
        """Resident memory of the server in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def _read(self) -> None:
        try:
            self._read_frames()
        except (ValueError, AssertionError) as error:
            self.violation = str(error)
        finally:
            self._inbox.put(None)

    def _read_frames(self) -> None:
        """Parse the output strictly: the server has no excuse."""
        stream = self.process.stdout
        assert stream is not None
        buffer = bytearray()
        while True:
            self._reading.wait()
            data = os.read(stream.fileno(), 1 << 20)
            if not data or self._closed_output.is_set():
                return
            buffer += data
            while (end := buffer.find(b"\r\n\r\n", 0, 1000)) >= 0:
                found = _HEADER.fullmatch(buffer[:end])
                if found is None:
                    raise ValueError(f"not a header: {bytes(buffer[:end])!r}")
                length = int(found[1])
                if len(buffer) < end + 4 + length:
                    break
                message = json.loads(buffer[end + 4 : end + 4 + length], parse_constant=_refuse)
                del buffer[: end + 4 + length]
                self.messages.append(message)
                self._inbox.put(message)

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        while data := os.read(self.process.stderr.fileno(), 65536):
            self._stderr.append(data)


_HEADER = re.compile(rb"Content-Length: (\d+)(\r\nContent-Type: [^\r\n]+)?")


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def wait_for_line(path: Path, line: str, times: int = 1) -> None:
    """Wait until a file holds a line so many times."""
    deadline = time.monotonic() + 5
    while not path.exists() or path.read_text().splitlines().count(line) < times:
        assert time.monotonic() < deadline, f"no {line!r}"
        time.sleep(0.001)
