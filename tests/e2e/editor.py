"""An editor for the tests: it speaks bytes to the real server and holds every message to the contract."""

from __future__ import annotations

import itertools
import os
import socket
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

from raw_client import RawClient, frame

from cmt_lsp.simulator import Answer, Fault

from .contract import complaints

CANARY = "sk-ant-canary-3xJ9wQ7uV2m"
"""The key of every editor here; no file, reply, log or error may ever hold it."""

SERVER = [sys.executable, "-P", "-m", "cmt_lsp"]
NOTIFIED = {"experimental": {"cmt": {"status": True, "turn": True}}}
TITLED = {"window": {"workDoneProgress": True}}

SLOW = Answer(chunks=tuple(f"word {n} " for n in range(40)))
"""An answer of many pieces, for faults that strike between them."""
BEFORE_HEADERS = Fault.stall()
MIDWAY = Fault.stall(after_events=12)


class Editor(RawClient):
    """One window: a server process with its own simulator's address, state folder and key."""

    def __init__(self, world: Path, base_url: str | None, *, key: str | None = CANARY, **popen: Any) -> None:
        """`world` holds state and settings; `base_url` None names no endpoint."""
        self.world = world
        self.sent: dict[object, tuple[str, Any]] = {}
        self.finished = False
        self._tokens = itertools.count(1)
        mine = {
            "ANTHROPIC_API_KEY": key or "",
            "ANTHROPIC_BASE_URL": base_url or "",
            "CMT_STATE_DIR": str(world / "state"),
            "XDG_CONFIG_HOME": str(world / "config"),
            "HOME": str(world),
            "DISPLAY": "",  # no test takes a picture of the screen of whoever runs it
            "WAYLAND_DISPLAY": "",
        }
        env = _nobody() | mine | popen.pop("env", {})
        super().__init__(popen.pop("command", SERVER), env=env, cwd=world, **popen)

    def __enter__(self) -> Editor:
        return self

    # --- shorthand

    def ask(self, method: str, params: object = None) -> int:
        """Send a request and remember it for the check at the end."""
        request_id = super().ask(method, params)
        self.sent[request_id] = (method, params)
        return request_id

    def open(self, capabilities: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
        """The handshake of an editor that wants to hear everything."""
        wanted = NOTIFIED if capabilities is None else capabilities
        return self.initialize(capabilities=wanted, **params)

    def prepared(self, method: str, params: object) -> tuple[int, bytes]:
        """The id and the frame of a request, for sending several in one write."""
        request_id = next(self._ids)
        self.sent[request_id] = (method, params)
        return request_id, frame({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})

    def chat(self, text: str, patience: float = 20.0, **more: Any) -> Any:
        """The result of a chat that succeeds."""
        return self.result("cmt/chat", {"text": text, **more}, patience)

    def refused(self, method: str, params: object, patience: float = 20.0) -> dict[str, Any]:
        """The error of a request that fails."""
        answer = self.request(method, params, patience)
        assert "error" in answer, answer
        error: dict[str, Any] = answer["error"]
        return error

    def session(self, **params: Any) -> str:
        """A new session's id."""
        made: str = self.result("cmt/session/create", params)["id"]
        return made

    def turns(self, session_id: str) -> list[dict[str, Any]]:
        """The history of a session."""
        found: list[dict[str, Any]] = self.result("cmt/session/get", {"sessionId": session_id})["turns"]
        return found

    def token(self) -> str:
        """A progress token that nobody used."""
        return f"stream-{next(self._tokens)}"

    def streaming_chat(self, text: str, **more: Any) -> Stream:
        """Send a chat whose answer is streamed."""
        token = self.token()
        return Stream(self, token, self.ask("cmt/chat", {"text": text, "partialResultToken": token, **more}))

    # --- what came

    def values(self, token: object) -> list[dict[str, Any]]:
        """All progress values of one token so far."""
        return [
            m["params"]["value"]
            for m in list(self.messages)
            if m.get("method") == "$/progress" and m["params"]["token"] == token
        ]

    def value(self, token: object, kind: str, patience: float = 20.0) -> dict[str, Any]:
        """The next progress value of a kind on a token."""
        found: dict[str, Any] = self.expect(
            lambda m: (
                m.get("method") == "$/progress"
                and m["params"]["token"] == token
                and m["params"]["value"]["kind"] == kind
            ),
            patience,
        )["params"]["value"]
        return found

    def notifications(self, method: str) -> list[dict[str, Any]]:
        """The params of every notification of a method so far."""
        return [m["params"] for m in list(self.messages) if m.get("method") == method and "id" not in m]

    def phases(self, turn_id: str) -> list[str]:
        """What `cmt/turn` said of one turn."""
        return [n["phase"] for n in self.notifications("cmt/turn") if n["turnId"] == turn_id]

    def final(self, turn_id: str, patience: float = 20.0) -> dict[str, Any]:
        """The last `cmt/turn` of a turn."""
        found: dict[str, Any] = self.expect(
            lambda m: (
                m.get("method") == "cmt/turn"
                and m["params"]["turnId"] == turn_id
                and m["params"]["phase"] in ("ended", "failed")
            ),
            patience,
        )["params"]
        return found

    def idle_status(
        self, holds: Callable[[dict[str, Any]], bool] = lambda _: True, patience: float = 20.0
    ) -> dict[str, Any]:
        """The newest status, once it says that nothing runs, that the session is idle, and what else must hold."""

        def idle(status: dict[str, Any]) -> bool:
            session = status.get("session")
            return not status["busy"] and (session is None or session["state"] == "idle")

        found: list[dict[str, Any]] = []

        def seen() -> bool:
            found[:] = [s for s in self.notifications("cmt/status")[-1:] if idle(s) and holds(s)]
            return bool(found)

        wait_until(seen, patience)
        return found[0]

    # --- the end

    def leave(self) -> None:
        """Say goodbye as an editor should; the server ends well and has nothing to complain about."""
        self.go_on_reading()
        self.result("shutdown")
        self.notify("exit")
        assert self.exit_code() == 0
        self.finished = True
        assert self.stderr() == b""

    def check(self) -> None:
        """Hold everything that was received to the contract, and search it for the key."""
        for thread in self._threads:
            thread.join(10)
        assert complaints(self.sent, self.messages, self.finished) == []


class Stream:
    """One streamed chat of an editor."""

    def __init__(self, editor: Editor, token: str, request_id: int) -> None:
        self.editor = editor
        self.token = token
        self.request_id = request_id

    def started(self) -> dict[str, Any]:
        """The first value."""
        return self.editor.value(self.token, "started")

    def first_text(self) -> dict[str, Any]:
        """The first piece of the answer."""
        return self.editor.value(self.token, "text")

    def answer(self, patience: float = 20.0) -> dict[str, Any]:
        """The answer to the request, whatever it is."""
        return self.editor.answer(self.request_id, patience)

    def result(self, patience: float = 20.0) -> dict[str, Any]:
        """The result of the request."""
        answer = self.answer(patience)
        assert "result" in answer, answer
        found: dict[str, Any] = answer["result"]
        return found

    @property
    def values(self) -> list[dict[str, Any]]:
        """All values so far."""
        return self.editor.values(self.token)

    @property
    def kinds(self) -> list[str]:
        """The kinds of all values, runs of the same kind as one."""
        return [kind for kind, _ in itertools.groupby(value["kind"] for value in self.values)]

    @property
    def text(self) -> str:
        """All text values joined."""
        return "".join(value["text"] for value in self.values if value["kind"] == "text")


class Listener:
    """A place that must hear nothing; counts who connects."""

    def __init__(self) -> None:
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _accept(self) -> None:
        try:
            while True:
                self._socket.accept()[0].close()
                self.connections += 1
        except OSError:
            return


def wait_until(holds: Any, patience: float = 10.0) -> None:
    """Poll a condition that nothing tells of, such as a process being gone."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, f"not within {patience} s"
        time.sleep(0.005)


def is_gone(process_id: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(") ")[2][0] in "ZX"


def pipe_is_full(editor: Editor) -> bool:
    """Whether the server's output fills the pipe that nobody reads."""
    import fcntl
    import termios

    assert editor.process.stdout is not None
    waiting = fcntl.ioctl(editor.process.stdout.fileno(), termios.FIONREAD, b"\0" * 4)
    return int.from_bytes(waiting, sys.byteorder) >= 60_000


def find_canary(folder: Path, needle: bytes = CANARY.encode()) -> list[str]:
    """The files under a folder that hold the key."""
    paths = (Path(root, name) for root, _, names in os.walk(folder) for name in names)
    return [str(path) for path in paths if _is_written(path.lstat()) and needle in path.read_bytes()]


def _is_written(found: os.stat_result) -> bool:
    """Whether a file has content of its own: some tests make one of 10 GB that is nothing but a hole."""
    return stat.S_ISREG(found.st_mode) and found.st_blocks > 0 and found.st_size < 2**30


def duplicates(items: list[Any]) -> list[Any]:
    """What occurs more than once."""
    return [item for item, count in Counter(items).items() if count > 1]


def _nobody() -> dict[str, str]:
    """Nothing of the person's own settings reaches a server under test."""
    return {
        name: "" for name in os.environ if name.startswith(("ANTHROPIC_", "CMT_")) and name != "CMT_CAMPAIGN"
    }
