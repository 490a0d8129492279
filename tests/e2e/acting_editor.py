"""An editor of the tests that holds documents, applies edits and answers what a server asks, well or badly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .editor import Editor

CAPABLE: dict[str, Any] = {
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "workspace": {"applyEdit": True, "workspaceEdit": {"documentChanges": True}},
    "textDocument": {"codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}}}},
}
"""What a good editor says it can do."""

Handler = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Gets the params of a request and gives the members of its answer; None never answers."""


@dataclass
class Document:
    """A text as the editor holds it; positions are in UTF-16 units unless the editor agreed on others."""

    text: str
    version: int = 0
    units: str = "utf-16"

    def offset(self, position: dict[str, int]) -> int:
        """The character that a position stands before."""
        lines = self.text.split("\n")
        before = sum(len(line) + 1 for line in lines[: position["line"]])
        line, units = lines[position["line"]], position["character"]
        for index in range(len(line) + 1):
            if self._length(line[:index]) >= units:
                return before + index
        raise AssertionError(f"{position} lies beyond its line")

    def position(self, offset: int) -> dict[str, int]:
        """Where a character stands."""
        head = self.text[:offset]
        return {"line": head.count("\n"), "character": self._length(head.rpartition("\n")[2])}

    def range_of(self, part: str) -> dict[str, Any]:
        """The first place of a text."""
        start = self.text.index(part)
        return {"start": self.position(start), "end": self.position(start + len(part))}

    def replace(self, place: dict[str, Any], new: str) -> None:
        """Change a range."""
        start, end = self.offset(place["start"]), self.offset(place["end"])
        self.text = self.text[:start] + new + self.text[end:]
        self.version += 1

    def _length(self, text: str) -> int:
        if self.units == "utf-32":
            return len(text)
        return len(text.encode(self.units + ("-le" if self.units == "utf-16" else ""))) // (
            2 if self.units == "utf-16" else 1
        )


@dataclass
class Manners:
    """How the editor answers; each may be replaced by a test."""

    edit: Handler | None = None
    """None applies an edit whose version is right, and refuses any other."""
    question: Handler = field(default=lambda _: {"result": None})
    show: Handler = field(default=lambda _: {"result": {"success": True}})
    progress: Handler = field(default=lambda _: {"result": None})


class ActingEditor:
    """Works with one server as a person's editor would."""

    def __init__(self, editor: Editor, units: str = "utf-16") -> None:
        self.editor = editor
        self.units = units
        self.documents: dict[str, Document] = {}
        self.manners = Manners()
        self.edits: list[dict[str, Any]] = []
        self.shown: list[Path] = []
        self.tokens: list[Any] = []
        self.told: list[dict[str, Any]] = []

    # --- documents

    def open(self, path: Path, text: str, language: str = "python", version: int = 0) -> str:
        """Open a document; its uri."""
        return self.open_uri(path.as_uri(), text, language, version)

    def open_uri(self, uri: str, text: str, language: str = "python", version: int = 0) -> str:
        """As `open`, whatever the uri."""
        self.documents[uri] = Document(text, version, self.units)
        item = {"uri": uri, "languageId": language, "version": version, "text": text}
        self.editor.notify("textDocument/didOpen", {"textDocument": item})
        return uri

    def close(self, uri: str) -> None:
        """Close it."""
        del self.documents[uri]
        self.editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def type(self, uri: str, place: dict[str, Any], text: str) -> None:
        """Change a document as a person does."""
        document = self.documents[uri]
        document.replace(place, text)
        self.tell_change(uri, [{"range": place, "text": text}])

    def tell_change(self, uri: str, changes: list[dict[str, Any]]) -> None:
        """Tell the server of a change that is made."""
        named = {"uri": uri, "version": self.documents[uri].version}
        self.editor.notify("textDocument/didChange", {"textDocument": named, "contentChanges": changes})

    def text(self, uri: str) -> str:
        """The text as it stands here."""
        return self.documents[uri].text

    # --- actions

    def actions(
        self,
        uri: str,
        selected: str | dict[str, Any] | None = None,
        problems: list[dict[str, Any]] | None = None,
        **context: Any,
    ) -> list[dict[str, Any]]:
        """The menu for a selected text, a range, or a cursor at the start."""
        if selected is None:
            start = {"line": 0, "character": 0}
            selected = {"start": start, "end": start}
        place = self.documents[uri].range_of(selected) if isinstance(selected, str) else selected
        params = {
            "textDocument": {"uri": uri},
            "range": place,
            "context": {"diagnostics": problems or [], **context},
        }
        found: list[dict[str, Any]] = self.editor.result("textDocument/codeAction", params)
        return found

    def find(self, actions: list[dict[str, Any]], words: str) -> dict[str, Any]:
        """The entry of the menu whose title begins so."""
        titles = [action["title"] for action in actions]
        found = [action for action in actions if action["title"].startswith(f"Claude: {words}")]
        assert found, f"{words!r} is not among {titles}"
        return found[0]

    def choose(self, uri: str, selected: str | dict[str, Any] | None, words: str, **more: Any) -> None:
        """Choose an action from the menu."""
        self.run(self.find(self.actions(uri, selected, **more), words))

    def run(self, action: dict[str, Any]) -> None:
        """Run a chosen action's command; it is answered at once, with nothing."""
        command = action["command"]
        answer = self.editor.command(command["command"], *command["arguments"])
        assert answer["result"] is None

    def command(self, name: str, *arguments: Any) -> None:
        """Run a command by its name."""
        answer = self.editor.command(name, *arguments)
        assert answer["result"] is None

    # --- answering the server

    def until(self, wanted: Callable[[dict[str, Any]], bool], patience: float = 20.0) -> dict[str, Any]:
        """Take messages in order and answer them, up to one that is wanted."""
        while True:
            message = self.editor.expect(lambda m: "method" in m, patience)
            self.take(message)
            if wanted(message):
                return message

    def told_last(self, patience: float = 20.0) -> str:
        """The next message to the person."""
        message = self.until(lambda m: m["method"] == "window/showMessage", patience)
        return str(message["params"]["message"])

    def take(self, message: dict[str, Any]) -> None:
        """Act on one message of the server."""
        method, params = message["method"], message.get("params")
        if method == "window/showMessage":
            self.told.append(params)
        if "id" not in message:
            return
        answer = self._answer(method, params)
        if answer is not None:
            self.editor.send({"jsonrpc": "2.0", "id": message["id"], **answer})

    def _answer(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        match method:
            case "workspace/applyEdit":
                self.edits.append(params)
                return self.apply(params) if self.manners.edit is None else self.manners.edit(params)
            case "window/showDocument":
                self.shown.append(path_of(params["uri"]))
                return self.manners.show(params)
            case "window/showMessageRequest":
                return self.manners.question(params)
            case "window/workDoneProgress/create":
                self.tokens.append(params["token"])
                return self.manners.progress(params)
        return {"error": {"code": -32601, "message": f"unknown method {method}"}}

    def apply(self, params: dict[str, Any], *, rude: bool = False) -> dict[str, Any]:
        """Apply an edit if its version is right, or whatever it is, and tell of the change."""
        for uri, version, edits in _changes(params["edit"]):
            document = self.documents.get(uri)
            if document is None or (not rude and version not in (None, document.version)):
                return {"result": {"applied": False, "failureReason": "it has changed"}}
            (edit,) = edits
            document.replace(edit["range"], edit["newText"])
            self.tell_change(uri, [{"range": edit["range"], "text": edit["newText"]}])
        return {"result": {"applied": True}}


def _changes(edit: dict[str, Any]) -> list[tuple[str, int | None, list[dict[str, Any]]]]:
    plain = [(uri, None, edits) for uri, edits in edit.get("changes", {}).items()]
    return plain + [
        (one["textDocument"]["uri"], one["textDocument"]["version"], one["edits"])
        for one in edit.get("documentChanges", [])
    ]


def path_of(uri: str) -> Path:
    """The path of a file's uri."""
    return Path(unquote(urlsplit(uri).path))
