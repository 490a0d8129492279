"""An editor of bad manners: it speaks LSP as far as the plugins for Vim and Kakoune do, and answers what it likes.

It does just what those were seen to do: edits are applied whatever their version says, questions stay open or are
answered with an error, null or the first choice, and nobody says goodbye.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

sys.path[:0] = [str(Path(__file__).parents[1])]

from e2e.editor import Editor  # noqa: E402

UNKNOWN = {"code": -32601, "message": "method not found"}
REFUSED = {"code": -32603, "message": "Edits on `file` require version 1, you have 2"}
LITERALS = {
    "codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["", "quickfix", "refactor", "source"]}}
}
LAZY = {**LITERALS, "dataSupport": True, "resolveSupport": {"properties": ["edit", "command"]}}


@dataclass(frozen=True, slots=True)
class Manners:
    """What an editor advertises and how it answers; an answer is a result, `{"error": ...}`, or None for silence."""

    name: str
    encoding: Literal["utf-8", "utf-16", "utf-32"]
    first_version: int
    code_action: Mapping[str, Any] = field(default_factory=dict)
    document_changes: bool = False
    show_document: Any = None
    """The capability."""
    shown: Any = None
    """The answer to window/showDocument."""
    question: Callable[[list[dict[str, str]]], Any] | None = None
    """The answer to window/showMessageRequest by its choices; None never answers."""
    stale: Any = None
    """The answer to an edit of an older version; None applies it all the same."""
    line_end: Literal["next line", "end of line"] = "next line"
    """Where a selection of whole lines ends."""
    shutdown: bool = False

    @property
    def capabilities(self) -> dict[str, Any]:
        """As sent with `initialize`."""
        window: dict[str, Any] = {"workDoneProgress": True, "showMessage": {}}
        if self.show_document is not None:
            window["showDocument"] = self.show_document
        edits = {"workspaceEdit": {"documentChanges": True}} if self.document_changes else {}
        return {
            "general": {"positionEncodings": [self.encoding]},
            "workspace": {"applyEdit": True, "executeCommand": {}, **edits},
            "textDocument": {"codeAction": dict(self.code_action)},
            "window": window,
        }


VIM_LSP = Manners(
    "vim-lsp", "utf-8", 1, LITERALS, line_end="end of line",
    question=lambda choices: choices[0],
)  # fmt: skip
YEGAPPAN = Manners(
    "yegappan/lsp", "utf-32", 3, LAZY, line_end="end of line", shown={"error": UNKNOWN},
    question=lambda choices: None if not choices else {"error": UNKNOWN}, shutdown=True,
)  # fmt: skip
KAK_LSP = Manners(
    "kak-lsp", "utf-8", 1, LAZY, document_changes=True, line_end="end of line", shown={"error": UNKNOWN}
)
STRICT = Manners(
    "strict", "utf-16", 0, LITERALS, document_changes=True, show_document={"support": True}, shown={"result": None},
    question=lambda choices: {"result": None}, stale={"error": REFUSED},
)  # fmt: skip
BARE = Manners("bare", "utf-16", 0)
ALL = (VIM_LSP, YEGAPPAN, KAK_LSP, STRICT, BARE)


class RudeClient(Editor):
    """One window of such an editor; it answers only while somebody waits in `until`."""

    def __init__(self, world: Path, base_url: str, manners: Manners, **popen: Any) -> None:
        """Start the server and shake hands."""
        super().__init__(world, base_url, **popen)
        self.manners = manners
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.edits: list[dict[str, Any]] = []
        """Every edit that was applied."""
        self.asked: list[dict[str, Any]] = []
        """Every question to the person."""
        self.told: list[str] = []
        """Every message that was shown."""
        self.open(manners.capabilities, rootUri=(world / "work").as_uri())

    # --- the person

    def edit(self, path: Path, text: str) -> str:
        """Open a file that holds a text; its URI."""
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
        return self.show(path.as_uri(), text)

    def show(self, uri: str, text: str) -> str:
        """Open a text under any URI."""
        self.texts[uri], self.versions[uri] = text, self.manners.first_version
        document = {"uri": uri, "languageId": "python", "version": self.versions[uri], "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})
        return uri

    def type(self, uri: str, text: str) -> None:
        """Change the whole text, and tell the server."""
        self.texts[uri] = text
        self.versions[uri] += 1
        named = {"uri": uri, "version": self.versions[uri]}
        self.notify("textDocument/didChange", {"textDocument": named, "contentChanges": [{"text": text}]})

    def lines(self, uri: str, first: int, last: int) -> dict[str, Any]:
        """The range that this editor sends for whole lines, from 0, both inside."""
        if self.manners.line_end == "next line":
            return _range(first, 0, last + 1, 0)
        line = self.texts[uri].split("\n")[last]
        return _range(first, 0, last, self.width(line))

    def width(self, text: str) -> int:
        """The length of a text in the units of the agreed encoding."""
        unit = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[self.manners.encoding]
        return len(text.encode(self.manners.encoding + ("" if unit == 1 else "-le"))) // unit

    def actions(self, uri: str, place: Mapping[str, Any], **context: Any) -> dict[str, dict[str, Any]]:
        """What the menu offers, by title."""
        found = self.result(
            "textDocument/codeAction",
            {"textDocument": {"uri": uri}, "range": place, "context": {"diagnostics": [], **context}},
        )
        return {action["title"]: action for action in found or []}

    def choose(self, action: Mapping[str, Any]) -> None:
        """Run an entry of the menu as this editor does; the command answers at once."""
        if isinstance(action.get("command"), str):
            command: Mapping[str, Any] = action
        else:
            if "command" not in action:
                action = self.result("codeAction/resolve", action)
            command = action["command"]
        self.run(command["command"], *command.get("arguments", ()))

    def run(self, command: str, *arguments: object) -> Any:
        """Run a command; its result."""
        return self.result("workspace/executeCommand", {"command": command, "arguments": list(arguments)})

    # --- the editor

    def until(self, holds: Callable[[], object], patience: float = 20.0) -> None:
        """Answer the server in this editor's manner until a condition holds."""
        deadline = time.monotonic() + patience
        while not holds():
            left = deadline - time.monotonic()
            try:
                self._react(self.expect(lambda _: True, left))
            except TimeoutError:
                raise TimeoutError(
                    f"not within {patience} s; told: {self.told}, asked: {self.asked}"
                ) from None

    def until_told(self, words: str) -> None:
        """Answer the server until it has shown a message with these words."""
        self.until(lambda: any(words in told for told in self.told))

    def _react(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params") or {}
        if method == "window/showMessage":
            self.told.append(params["message"])
        if method is None or "id" not in message:
            return
        answer = self._answer(method, params)
        if answer is not None:
            self.send({"jsonrpc": "2.0", "id": message["id"], **answer})

    def _answer(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        if method == "workspace/applyEdit":
            return self._apply(params["edit"])
        if method == "window/showDocument":
            shown: dict[str, Any] | None = self.manners.shown
            return shown
        if method == "window/showMessageRequest":
            self.asked.append(params)
            return self._choice(params.get("actions") or [])
        if method == "window/workDoneProgress/create":
            return {"result": None}
        return {"error": UNKNOWN}

    def _choice(self, choices: list[dict[str, str]]) -> dict[str, Any] | None:
        if self.manners.question is None:
            return None
        chosen = self.manners.question(choices)
        return (
            chosen if isinstance(chosen, dict) and chosen.keys() & {"error", "result"} else {"result": chosen}
        )

    def _apply(self, edit: dict[str, Any]) -> dict[str, Any]:
        """Change the texts, last place first, and tell the server as after any change."""
        changes = [(uri, None, edits) for uri, edits in (edit.get("changes") or {}).items()]
        for change in edit.get("documentChanges") or ():
            named = change["textDocument"]
            changes.append((named["uri"], named.get("version"), change["edits"]))
        for uri, version, _ in changes:
            if self.manners.stale is not None and version not in (None, self.versions[uri]):
                refusal: dict[str, Any] = self.manners.stale
                return refusal
        for uri, _, edits in changes:
            text = self.texts[uri]
            for one in sorted(edits, key=lambda e: _key(e["range"]["start"]), reverse=True):
                start, end = (self._offset(text, one["range"][side]) for side in ("start", "end"))
                text = text[:start] + one["newText"] + text[end:]
            self.type(uri, text)
        self.edits.append(edit)
        return {"result": {"applied": True}}

    def _offset(self, text: str, place: Mapping[str, int]) -> int:
        """A position in characters."""
        lines = text.split("\n")
        before = sum(len(line) + 1 for line in lines[: place["line"]])
        if place["line"] >= len(lines):
            return len(text)
        line, units = lines[place["line"]], 0
        for index, character in enumerate(line):
            if units >= place["character"]:
                return before + index
            units += self.width(character)
        return before + len(line)

    def vanish(self) -> None:
        """End as these editors do: without shutdown, or by just closing the pipe."""
        if self.manners.shutdown:
            self.leave()
            return
        self.close_input()
        self.exit_code()


def _range(line: int, character: int, end_line: int, end_character: int) -> dict[str, Any]:
    return {
        "start": {"line": line, "character": character},
        "end": {"line": end_line, "character": end_character},
    }


def _key(place: Mapping[str, int]) -> tuple[int, int]:
    return place["line"], place["character"]
