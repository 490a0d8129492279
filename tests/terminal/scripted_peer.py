"""A server made of a script: it reads frames and does, for each method, the acts that it was told.

Usage: scripted_peer.py SCRIPT LOG. SCRIPT is a JSON file, `{method: [[act, argument], ...]}`; every message that comes
in is appended to LOG, one JSON object a line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

USAGE = {
    "inputTokens": 12, "cacheCreation5mInputTokens": 0, "cacheCreation1hInputTokens": 0,
    "cacheReadInputTokens": 8100, "outputTokens": 2900, "totalInputTokens": 12300, "estimated": False,
}  # fmt: skip
COST = {
    "priced": True,
    "display": "$0.0456",
    "estimated": False,
    "nanoUsd": 45_600_000,
    "savedNanoUsd": 24_300_000,
}


def turn_result(text: str, stop: str = "end_turn") -> dict[str, Any]:
    """A TurnResult of the contract."""
    return {
        "turnId": "t1", "sessionId": "s1", "model": "claude-test", "stopReason": stop, "text": text, "usage": USAGE,
        "cost": COST, "cache": {"state": "hit", "readTokens": 8100, "writtenTokens": 0, "hitRatio": 0.66},
        "timing": {"totalMs": 3210, "retries": 0, "firstTokenMs": 300},
    }  # fmt: skip


class Peer:
    """The one conversation of this process."""

    def __init__(self, script: dict[str, list[list[Any]]], log: Path) -> None:
        """`script` maps a method to its acts."""
        self.script = script
        self.log = log
        self.seq = 0

    def run(self) -> None:
        """Answer until the input ends."""
        while (message := self.receive()) is not None:
            self.answer(message)

    def receive(self) -> dict[str, Any] | None:
        """The next message."""
        length = 0
        while line := sys.stdin.buffer.readline():
            if not line.strip():
                break
            length = int(line.split(b":")[1])
        body = sys.stdin.buffer.read(length)
        if not body:
            return None
        with self.log.open("a") as log:
            log.write(body.decode() + "\n")
        message: dict[str, Any] = json.loads(body)
        return message

    def answer(self, message: dict[str, Any]) -> None:
        """Do what the script says for this method; what it does not name gets an empty result."""
        method = message.get("method", "")
        if method == "exit":
            sys.exit(0)
        for act, argument in self.script.get(method, [["result", {}]]):
            getattr(self, "do_" + act)(message, argument)

    def send(self, message: dict[str, Any]) -> None:
        """One frame."""
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def do_result(self, message: dict[str, Any], result: Any) -> None:
        if "id" in message:
            self.send({"id": message["id"], "result": result})

    def do_error(self, message: dict[str, Any], error: Any) -> None:
        self.send({"id": message["id"], "error": error})

    def do_progress(self, message: dict[str, Any], value: dict[str, Any]) -> None:
        token = message["params"]["partialResultToken"]
        params = {"token": token, "value": {"turnId": "t1", "seq": self.seq, **value}}
        self.seq += 1
        self.send({"method": "$/progress", "params": params})

    def do_text(self, message: dict[str, Any], text: str) -> None:
        self.do_progress(message, {"kind": "text", "text": text, "offset": 0})

    def do_finish(self, message: dict[str, Any], how: list[str]) -> None:
        self.do_result(message, turn_result(*how))

    def do_until(self, _message: dict[str, Any], method: str) -> None:
        while (other := self.receive()) is not None:
            self.answer(other)
            if other.get("method") == method:
                return
        sys.exit(0)

    def do_ask(self, _message: dict[str, Any], method: str) -> None:
        self.send({"id": "from-server", "method": method, "params": {}})
        self.receive()

    def do_notify(self, _message: dict[str, Any], what: list[Any]) -> None:
        self.send({"method": what[0], "params": what[1]})

    def do_raw(self, _message: dict[str, Any], text: str) -> None:
        self.write(text.encode())

    def do_say_on_stderr(self, _message: dict[str, Any], text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def do_die(self, _message: dict[str, Any], code: int) -> None:
        os._exit(code)

    def do_close_output(self, _message: dict[str, Any], _argument: None) -> None:
        os.close(1)

    def do_leave_a_child_on_the_pipe(self, _message: dict[str, Any], pid_file: str) -> None:
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)"], stdin=subprocess.DEVNULL
        )
        Path(pid_file).write_text(str(child.pid))

    def do_hear_nothing_more(self, _message: dict[str, Any], _argument: None) -> None:
        while sys.stdin.buffer.read(4096):
            pass


if __name__ == "__main__":
    Peer(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])).run()
