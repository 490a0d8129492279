"""Bad input for every operation of the table: a typed error that names the field, and nothing changed."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any, Literal

import attrs
import pytest

from cmt_lsp.server.operations.rows import TABLE
from cmt_lsp.server.rpc.convert import wire_name

from .conftest import MakeEditor, Shared
from .editor import Editor

ROWS = {row.method: row for row in TABLE}
MISFITS: dict[str, list[Any]] = {
    "string": [5, True, [], {}, 1.5],
    "integer": ["5", True, [], {}, 1.5],
    "number": ["5", True, [], {}],
    "boolean": ["true", 1, [], {}],
    "array": ["x", 5, {}, True],
    "object": ["x", 5, [], True],
}
SPENDING_OR_CHANGING = ("cmt/session/update", "cmt/chat", "cmt/complete", "cmt/retry", "cmt/compare")
"""What would leave its mark on the session that stays."""
HOSTILE = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ufffe",
    "../../../etc/passwd",
    "/etc/shadow",
    "file://[",
    "file:///%00",
    "file://server/share/x",
    "untitled:../../x",
    "http://127.0.0.1:9/x",
    "\x1b]0;owned\x07\x1b[31m",
    "\u202ereversed",
    "'; DROP TABLE sessions; --",
    "%s%n{0}{x.__class__}",
    "C:\\Windows\\system32",
    "\\\\server\\share",
    "~root",
    "x" * 1_000_000,
]


def kinds_of(hint: Any) -> set[str]:
    """The JSON kinds that an annotation takes."""
    scalars = {str: "string", int: "integer", bool: "boolean", float: "number"}
    if hint in scalars:
        return {scalars[hint]}
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return set().union(*(kinds_of(arg) for arg in args if arg is not type(None)))
    if origin is Literal:
        return {"string"}
    return {"array"} if origin is list else {"object"}


def fields_of(cls: Any) -> dict[str, tuple[Any, bool]]:
    """By wire name: the annotation, and whether it is required."""
    hints = typing.get_type_hints(cls)
    return {wire_name(f.name): (hints[f.name], f.default is attrs.NOTHING) for f in attrs.fields(cls)}


@pytest.fixture
def window(shared_window: Shared) -> Iterator[Shared]:
    """The module's window in a session with one turn; afterwards the session is as it was, and nobody saw a dialog."""
    editor = shared_window.editor
    session = editor.session(name="Stays", systemPrompt="Be brief.")
    editor.chat("hello", sessionId=session)
    before = editor.result("cmt/session/get", {"sessionId": session})
    yield shared_window
    assert editor.result("cmt/session/get", {"sessionId": session}) == before
    assert editor.popups() == []
    assert editor.chat("still there?", sessionId=session)["stopReason"] == "end_turn"


def session_of(editor: Editor) -> str:
    """The id of the session that stays."""
    found = editor.result("cmt/session/list", {"scope": "window"})["sessions"]
    return str(next(s["id"] for s in found if s["name"] == "Stays"))


def good_params(method: str, session: str) -> dict[str, Any]:
    """Params that the types accept."""
    given = {
        "text": "hi", "sessionId": session, "apiKey": "", "models": ["claude-haiku-5-5", "claude-sonnet-5-5"],
        "messages": [{"role": "user", "text": "t"}], "compareId": "c", "turnId": "t", "model": "claude-haiku-5-5", "scope": "day", "limitUsd": None, "batchId": "b", "prompts": [],
    }  # fmt: skip
    return {name: given[name] for name, (_, required) in fields_of(ROWS[method].params).items() if required}


def is_bad_params(error: dict[str, Any], field: str) -> bool:
    """-32602 with the place of the field in the message."""
    return error["code"] == -32602 and error["data"]["kind"] == "bad_params" and field in error["message"]


@pytest.mark.parametrize("method", ROWS)
def test_every_field_of_the_wrong_type_is_named(method: str, window: Shared) -> None:
    """Each field of each operation, given each JSON kind that it does not take, through both doors."""
    editor = window.editor
    session = session_of(editor)
    for name, (hint, required) in fields_of(ROWS[method].params).items():
        kinds = kinds_of(hint)
        for kind in kinds:
            for value in MISFITS[kind]:
                if {type(value)} & _python_kinds(kinds):
                    continue
                params = good_params(method, session) | {name: value}
                assert is_bad_params(editor.refused(method, params), f"$.{name}"), (params, method)
        command = method.replace("/", ".")
        answer = editor.command(command, good_params(method, session) | {name: [[]]})
        assert is_bad_params(answer["error"], f".{name}"), answer
        if required:
            missing = {k: v for k, v in good_params(method, session).items() if k != name}
            assert is_bad_params(editor.refused(method, missing), f"$.{name} is required")


def _python_kinds(kinds: set[str]) -> set[type]:
    fits: dict[str, set[type]] = {
        "string": {str},
        "integer": {int},
        "number": {int, float},
        "boolean": {bool},
        "array": {list},
        "object": {dict},
    }
    return set[type]().union(*(fits.get(kind, set()) for kind in kinds))


@pytest.mark.parametrize("method", ROWS)
def test_an_unknown_field_is_named(method: str, window: Shared) -> None:
    """A misspelt option is an error and not ignored, since the person meant something by it."""
    params = good_params(method, session_of(window.editor)) | {"maxTokenz": 5}
    assert is_bad_params(window.editor.refused(method, params), "$.maxTokenz is not a known field")


@pytest.mark.parametrize("method", ROWS)
def test_params_that_are_no_object_are_refused(method: str, window: Shared) -> None:
    """A list, a text, a number: one sentence."""
    for params in ([], [1], "x", 5, True):
        assert is_bad_params(window.editor.refused(method, params), "must be an object")


@pytest.mark.parametrize("method", [m for m in ROWS if m not in ("cmt/auth/set", "cmt/session/delete")])
def test_hostile_texts_are_answered_and_change_nothing(method: str, window: Shared) -> None:
    """NUL, control codes, paths, a megabyte: an answer each time, never an internal error, and short."""
    editor = window.editor
    session = session_of(editor)
    for name, (hint, _) in fields_of(ROWS[method].params).items():
        if kinds_of(hint) != {"string"} or typing.get_origin(hint) is Literal:
            continue
        for text in HOSTILE:
            if method in SPENDING_OR_CHANGING and name != "sessionId":
                params = good_params(method, session) | {"sessionId": "no-such-session", name: text}
            else:
                params = good_params(method, session) | {name: text}
            answer = editor.request(method, params, 30)
            if "error" in answer:
                assert answer["error"]["data"]["kind"] != "internal", (params, answer)
                assert len(answer["error"]["message"]) < 1_000
                assert "\x1b" not in answer["error"]["message"]


@pytest.mark.parametrize("scheme", ["path", "uri"])
def test_hostile_places_are_refused(scheme: str, window: Shared) -> None:
    """Files and images by path: outside, elsewhere, unreadable, no path at all."""
    for text in HOSTILE:
        if scheme == "path":
            error = window.editor.refused("cmt/preview", {"text": "x", "images": [{"path": text}]})
        else:
            error = window.editor.refused(
                "cmt/preview", {"text": "x", "context": [{"kind": "file", "uri": text}]}
            )
        assert error["data"]["kind"] in ("bad_params", "blocked_file", "bad_image"), (text[:50], error)
        assert len(error["message"]) < 1_000


def test_wrong_parts_of_a_context_are_named_with_their_place(window: Shared) -> None:
    """The path leads through lists and unions to the very field."""
    bad = {
        "$.context[1].kind": {"kind": "secret", "uri": "x"},
        "$.context[1].uri is required": {"kind": "file"},
        "$.context[1].range.start.line": {
            "kind": "selection",
            "uri": "file:///x",
            "range": {"start": {"line": "0", "character": 0}, "end": {"line": 0, "character": 0}},
        },
        "$.context[1].items[0].message": {
            "kind": "diagnostics",
            "uri": "file:///x",
            "items": [{"message": 5}],
        },
        "$.context[1].surprise": {"kind": "text", "title": "t", "text": "x", "surprise": 1},
    }
    for place, item in bad.items():
        context = [{"kind": "text", "title": "t", "text": "x"}, item]
        for method in ("cmt/chat", "cmt/preview"):
            assert is_bad_params(window.editor.refused(method, {"text": "x", "context": context}), place)


def test_ranges_that_cannot_be_are_refused(window: Shared) -> None:
    """Negative, backwards or beyond the document: bad_params, never other text than was selected."""
    editor = window.editor
    uri = "file:///anywhere/open.py"
    document = {"uri": uri, "languageId": "python", "version": 0, "text": "one\ntwo\nthree\n"}
    editor.notify("textDocument/didOpen", {"textDocument": document})
    for start, end in (((-1, 0), (1, 0)), ((0, -2), (1, 0)), ((0, 0), (-1, 0)), ((0, 1), (0, -1)), ((2, 0), (1, 0)), ((9, 0), (9, 1)), ((10**30, 0), (10**30, 1))):  # fmt: skip
        chosen = {"start": _position(*start), "end": _position(*end)}
        for item in ({"kind": "selection", "uri": uri, "range": chosen},):
            error = editor.refused("cmt/preview", {"text": "x", "context": [item]})
            assert is_bad_params(error, "$.context[0].range"), (start, end, error)
    negative = {"start": _position(-5, 0), "end": _position(-4, 0)}
    item = {"kind": "selection", "uri": uri, "range": negative, "text": "given"}
    assert is_bad_params(
        editor.refused("cmt/preview", {"text": "x", "context": [item]}), "$.context[0].range"
    )


def test_numbers_beyond_all_limits_are_refused(window: Shared) -> None:
    """Zero, negative and absurd limits of tokens."""
    for tokens in (0, -1, 10**30, 2_000_000):
        error = window.editor.refused("cmt/chat", {"text": "x", "maxTokens": tokens})
        assert is_bad_params(error, "maxTokens"), error


def test_what_does_not_exist_is_said_by_kind(window: Shared) -> None:
    """Sessions and turns that are not there."""
    editor = window.editor
    session = session_of(editor)
    for method in ROWS:
        fields = fields_of(ROWS[method].params)
        if "sessionId" in fields and method != "cmt/cancel":
            params = good_params(method, session) | {"sessionId": "nobody"}
            assert editor.refused(method, params)["data"]["kind"] == "unknown_session", method
    for method, name in (
        ("cmt/retry", "turnId"),
        ("cmt/session/fork", "turnId"),
        ("cmt/session/get", "fromTurn"),
        ("cmt/session/get", "before"),
        ("cmt/image/remove", "turnId"),
    ):
        error = editor.refused(method, {"sessionId": session, name: "nothing"})
        assert error["data"]["kind"] == "unknown_turn", (method, error)


def test_an_empty_question_is_refused(window: Shared) -> None:
    """Nothing is sent for nothing."""
    before = len(window.sim.requests)
    for text in ("", " ", "\n\t"):
        assert is_bad_params(window.editor.refused("cmt/chat", {"text": text}), "text")
    assert len(window.sim.requests) == before


def test_commands_that_are_none_are_refused(window: Shared) -> None:
    """Unknown names, and arguments of the wrong shape."""
    editor = window.editor
    for params in ({"command": "cmt.nothing"}, {"command": 5}, {}, {"command": "cmt/chat"}):
        assert is_bad_params(editor.refused("workspace/executeCommand", params), "$.command")
    shapes: list[Any] = ["x", {}, [1, 2], ["x"]]
    for arguments in shapes:
        error = editor.refused("workspace/executeCommand", {"command": "cmt.doctor", "arguments": arguments})
        assert is_bad_params(error, "$.arguments"), error


def test_documents_that_are_odd_disturb_nobody(window: Shared) -> None:
    """Changes to what is not open, impossible ranges and names, an open that is none: the next question works."""
    editor = window.editor
    for method, params in (
        ("textDocument/didChange", {"textDocument": {"uri": "file:///no", "version": 1}, "contentChanges": [{"text": "x"}]}),
        ("textDocument/didOpen", {"textDocument": {"uri": "file://[", "languageId": "x", "version": 0, "text": "x"}}),
        ("textDocument/didOpen", {"textDocument": {"uri": 5}}),
        ("textDocument/didOpen", None),
        ("textDocument/didClose", {"textDocument": {"uri": "file:///never"}}),
        ("workspace/didChangeConfiguration", {"settings": None}),
        ("workspace/didChangeConfiguration", {}),
        ("workspace/didChangeWorkspaceFolders", {"event": {"added": [{"uri": "file://[", "name": "x"}], "removed": []}}),
        ("$/cancelRequest", {"id": {}}),
        ("$/cancelRequest", None),
        ("window/workDoneProgress/cancel", {"token": "nobody"}),
        ("window/workDoneProgress/cancel", {}),
    ):  # fmt: skip
        editor.notify(method, params)
        assert editor.result("cmt/doctor")["checks"]
    assert editor.chat("Still there?", sessionId=editor.session())["stopReason"] == "end_turn"
    folders = {"added": [], "removed": [{"uri": "file://[", "name": "x"}]}
    editor.notify("workspace/didChangeWorkspaceFolders", {"event": folders})


def test_an_editor_with_impossible_folders_is_served(make_editor: MakeEditor) -> None:
    """Roots that are no folder of this machine: no workspace, and everything else works."""
    editor = make_editor()
    folders = [
        {"uri": uri, "name": "x"} for uri in ("vscode-remote://host/x", "file:///%00", "file:///nowhere")
    ]
    editor.open(rootUri="file:///" + "x" * 5000, workspaceFolders=folders)
    assert editor.chat("x")["stopReason"] == "end_turn"
    error = editor.refused(
        "cmt/preview", {"text": "x", "context": [{"kind": "file", "uri": "file:///etc/hosts"}]}
    )
    assert error["data"]["kind"] == "blocked_file"


def test_an_initialize_that_cannot_be_is_refused_and_may_be_repeated(make_editor: MakeEditor) -> None:
    """Wrong types, a root that no parser takes: an error each time, and the next try works."""
    editor = make_editor()
    for bad in ({"capabilities": 5}, {}, {"processId": "x", "capabilities": {}, "rootUri": 5}):
        assert "error" in editor.request("initialize", bad)
    assert "error" in editor.request(
        "initialize", {"processId": None, "rootUri": "file://[", "capabilities": {}}
    )
    editor.open()
    assert editor.result("cmt/doctor")["checks"]


def _position(line: int, character: int) -> dict[str, int]:
    return {"line": line, "character": character}
