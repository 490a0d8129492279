"""What an editor waits for while eight turns stream: nothing that is no chat may take longer than 100 ms, p99.

Eight answers come at a model's pace; meanwhile one request after the other is asked, each kind beside itself on the same
server when it is idle. A menu of code actions is asked after each change of a document of a thousand lines, which is
when nothing of it is known. Where the machine is busy with other things, all of it is late: the ratio tells which.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from .endpoint import question
from .figures import Figure, percentile, rounds
from .processes import world

if TYPE_CHECKING:
    from .figures import Scale
    from .processes import Server

STREAMS = 8
PACE = 0.02
"""Seconds between two deltas."""
GAP = 0.003
"""Seconds between an answer and the next request."""
LIMIT = 100.0
"""Milliseconds that nobody notices."""
CODE = "".join(f"class Shop{n}:\n    def price(self, x):\n        return x * {n}\n\n\n" for n in range(200))
URI = "file:///workspace/shop.py"

Times = dict[str, list[float]]


@dataclass
class Asker:
    """Asks one kind of request after the other, and keeps how long each took, in milliseconds."""

    server: Server
    transcript: str
    version: int = 0
    times: Times = field(default_factory=dict)

    def requests(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Everything that an editor asks often, or wants answered at once."""
        page = {"textDocument": {"uri": self.transcript}}
        start = {"line": 0, "character": 0}
        cursor = {"line": 502, "character": 8}
        code = {"textDocument": {"uri": URI}, "context": {"diagnostics": []}}
        return {
            "code actions": ("textDocument/codeAction", code | {"range": {"start": cursor, "end": cursor}}),
            "hover": ("textDocument/hover", page | {"position": start}),
            "outline of a transcript": ("textDocument/documentSymbol", page),
            "code lenses of a transcript": ("textDocument/codeLens", page),
            "list of sessions": ("cmt/session/list", {"scope": "window"}),
            "usage": ("cmt/usage", {"scope": "window"}),
            "budgets": ("cmt/budget/get", {}),
            "cancel": ("cmt/cancel", {"turnId": "none"}),
        }

    def change(self) -> None:
        """Type one character."""
        self.version += 1
        start = {"line": 0, "character": 0}
        change = {"range": {"start": start, "end": start}, "text": "#" if self.version % 80 else "#\n"}
        named = {"uri": URI, "version": self.version}
        self.server.notify("textDocument/didChange", {"textDocument": named, "contentChanges": [change]})

    def ask(self, waiting: set[int], count: int) -> Times:
        """Until all of `waiting` are answered; at least `count` of each kind where nothing is waited for."""
        self.times = {name: [] for name in self.requests()}
        kinds = cycle(self.requests().items())
        left, beside = count * len(self.times), bool(waiting)
        while waiting if beside else left:
            name, (method, params) = next(kinds)
            if name == "code actions":
                self.change()
            began = time.perf_counter()
            number = self.server.ask(method, params)
            while True:
                found = self.server.until(lambda message: "id" in message and "method" not in message)
                waiting.discard(found["id"])
                if found["id"] == number:
                    break
            self.times[name].append((time.perf_counter() - began) * 1000)
            left -= 1
            time.sleep(GAP)
        return self.times


def measure(scale: Scale) -> list[Figure]:
    """The slowest of a hundred, idle and beside the streams, for each kind of request and over all."""
    busy: list[Times] = []
    idle: list[Times] = []
    with world() as w:
        server = w.ready_server()
        asker = Asker(server, opened(server))
        asker.ask(set(), 3)
        for _ in rounds(scale, 5):
            idle.append(asker.ask(set(), max(3, scale.requests)))
            sessions = [server.new_session() for _ in range(STREAMS)]
            pieces = max(30, scale.deltas // 40)
            waiting = {server.chat(question(pieces, PACE), sessionId=session) for session in sessions}
            busy.append(asker.ask(waiting, 0))
    return [
        Figure(
            "the slowest kind, p99 beside 8 streams", "ms", [max(p99(times).values()) for times in busy],
            "no time", [0.0] * len(busy), "difference", LIMIT,
        ),
        *(
            Figure(
                f"{name}, p99", "ms", [p99(times)[name] for times in busy],
                "idle", [p99(times)[name] for times in idle], "ratio",
            )
            for name in asker.requests()
        ),
    ]  # fmt: skip


def p99(times: Times) -> dict[str, float]:
    """By kind; a kind that was never asked, in the smallest of runs, took no time."""
    return {name: percentile(taken, 0.99) if taken else 0.0 for name, taken in times.items()}


def opened(server: Server) -> str:
    """Open the code, and a transcript; the latter's uri."""
    item = {"uri": URI, "languageId": "python", "version": 0, "text": CODE}
    server.notify("textDocument/didOpen", {"textDocument": item})
    server.ask("workspace/executeCommand", {"command": "cmt.ask", "arguments": [question(200)]})
    while True:
        asked = server.until(lambda message: "method" in message and "id" in message)
        server.reply(asked["id"], {"success": True} if asked["method"] == "window/showDocument" else None)
        if asked["method"] == "window/showDocument":
            break
    uri: str = asked["params"]["uri"]
    text = Path(unquote(urlsplit(uri).path)).read_text(encoding="utf-8")
    page = {"uri": uri, "languageId": "markdown", "version": 0, "text": text}
    server.notify("textDocument/didOpen", {"textDocument": page})
    return uri
