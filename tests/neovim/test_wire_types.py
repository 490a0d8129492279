"""The clients' types are those of the wire: they parse, name only what they declare, and hold for real messages."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.contract import SCHEMA
from e2e.editor import CANARY, Editor
from luacats_file import Declarations, read

from cmt_lsp.simulator import Answer, simulator_in_thread

CLIENTS = Path(__file__).parents[2] / "editor-clients"
LUA = CLIENTS / "neovim" / "lua" / "cmt" / "types.lua"
TYPESCRIPT = CLIENTS / "vscode" / "src" / "wire.ts"
COMPILER = CLIENTS / "tools" / "node_modules" / ".bin" / "tsc"

ASKED: list[tuple[str, dict[str, Any]]] = [
    ("cmt/predict", {"text": "What is this?"}),
    ("cmt/preview", {"text": "What is this?"}),
    ("cmt/session/list", {"scope": "all"}),
    ("cmt/budget/set", {"scope": "day", "limitUsd": 5.5, "warnAt": [50, 80]}),
    ("cmt/budget/get", {}),
    ("cmt/budget/set", {"scope": "day", "limitUsd": None}),
    ("cmt/usage", {"scope": "all", "groupBy": "model"}),
    ("cmt/cache/stats", {"scope": "window"}),
    ("cmt/cache/advice", {"scope": "window"}),
    ("cmt/models", {}),
    ("cmt/auth/status", {}),
    ("cmt/doctor", {}),
    ("cmt/batch/submit", {"prompts": [{"id": "a", "text": "Hello"}], "dryRun": True}),
    ("cmt/batch/list", {"scope": "all"}),
    ("cmt/compare", {"text": "Which?", "models": ["claude-haiku-4-5", "claude-sonnet-5"], "wait": True}),
    ("cmt/cancel", {}),
]
"""Requests that show most types; params are held to their types as well as results."""

Said = tuple[str, str, Any]
"""A method, `params`, `result`, `stream` or `notification`, and the value."""


def conversation(editor: Editor) -> Iterator[Said]:
    """Everything that was said in a session with questions, thinking, a comparison and reports."""
    session = editor.session(name="types")
    stream = editor.streaming_chat("Think first.", sessionId=session)
    yield "cmt/chat", "result", stream.result()
    for method, params in [*ASKED, *_about(session)]:
        yield method, "params", params
        yield method, "result", editor.result(method, params)
    for value in stream.values:
        yield "cmt/chat", "stream", value
    for method in ("cmt/status", "cmt/turn"):
        yield from ((method, "notification", value) for value in editor.notifications(method))


def _about(session: str) -> list[tuple[str, dict[str, Any]]]:
    note = {"kind": "text", "title": "note", "text": "Keep this."}
    return [
        ("cmt/session/update", {"sessionId": session, "name": "named", "pin": [note]}),
        ("cmt/chat", {"text": "Again.", "sessionId": session}),
        ("cmt/retry", {"sessionId": session}),
        ("cmt/session/get", {"sessionId": session}),
        ("cmt/session/fork", {"sessionId": session}),
        ("cmt/session/export", {"sessionId": session, "format": "markdown"}),
        ("cmt/session/delete", {"sessionId": session}),
    ]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[Said]:
    """One recorded conversation with the real server."""
    world = tmp_path_factory.mktemp("world")
    with simulator_in_thread(api_key=CANARY) as sim, Editor(world, sim.base_url) as editor:
        sim.reply_with(Answer(chunks=("One ", "two."), thinking="Let me see."))
        editor.open(rootUri=world.as_uri())
        found = list(conversation(editor))
        editor.leave()
        editor.check()
    return found


@pytest.fixture(scope="module")
def lua() -> Declarations:
    """The Lua client's types."""
    return read(LUA)


def test_lua_types_name_only_what_is_declared(lua: Declarations) -> None:
    """Every line is understood, every type that is used exists, and each class of the schema has one."""
    assert lua.strange == []
    assert lua.unknown_names() == set()
    assert {f"cmt.wire.{name}" for name in SCHEMA["$defs"]} <= set(lua.records)
    assert lua.records["cmt.wire.Methods"].keys() == SCHEMA["operations"].keys()
    assert lua.records["cmt.wire.Notifications"].keys() == SCHEMA["notifications"].keys()


def test_lua_types_hold_for_real_messages(lua: Declarations, said: list[Said]) -> None:
    """No message has a field, a kind or a word that its class does not declare, and none lacks a needed one."""
    assert [(m, fault) for m, role, v in said for fault in lua.faults(lua_type(lua, m, role), v)] == []
    assert {role for _, role, _ in said} == {"params", "result", "stream", "notification"}


def test_lua_types_refuse_what_the_schema_refuses(lua: Declarations) -> None:
    """The reader of this test is no rubber stamp: unknown, missing and wrong fields are found."""
    position = {"line": 1, "character": 2}
    span = {"start": position, "end": position}
    good = {"kind": "selection", "uri": "file:///a", "range": span}
    assert lua.faults("cmt.wire.ContextItem", good) == []
    for bad in ({**good, "rnage": 1}, {**good, "range": {"start": position}}, {**good, "version": 1.5}):
        assert lua.faults("cmt.wire.SelectionItem", bad) != []
    assert lua.faults("cmt.wire.BudgetSetParams", {"scope": "week", "limitUsd": None}) != []


def lua_type(lua: Declarations, method: str, role: str) -> str:
    """The type of a value by its place in the conversation."""
    if role == "stream":
        return "cmt.wire.StreamValue"
    if role == "notification":
        return lua.records["cmt.wire.Notifications"][method][1]
    row = re.search(rf"{role}: ([^,]+?)(?:,| \}})", lua.records["cmt.wire.Methods"][method][1])
    assert row, method
    return row[1]


def test_typescript_types_compile_and_hold_for_real_messages(tmp_path: Path, said: list[Said]) -> None:
    """The compiler finds each recorded message to be of its type, with no field too many."""
    (tmp_path / "wire.ts").write_text(TYPESCRIPT.read_text())
    lines = ['import type { Methods, Notifications, StreamValue } from "./wire";']
    for number, (method, role, value) in enumerate(said):
        place = {"stream": "StreamValue", "notification": f'Notifications["{method}"]'}.get(
            role, f'Methods["{method}"]["{role}"]'
        )
        lines.append(f"export const v{number}: {place} = {json.dumps(value)};")
    (tmp_path / "said.ts").write_text("\n".join(lines))
    assert compiled(tmp_path, "said.ts") == ""
    (tmp_path / "wrong.ts").write_text(
        'import type { Methods } from "./wire";\nexport const p: Methods["cmt/chat"]["params"] = { txet: "a" };\n'
    )
    assert "txet" in compiled(tmp_path, "wrong.ts")


def compiled(folder: Path, name: str) -> str:
    """What the compiler says of a file; it wants `npm ci --prefix editor-clients/tools`."""
    assert COMPILER.exists(), "no TypeScript compiler: run npm ci --prefix editor-clients/tools"
    strict = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "es2022"]
    done = subprocess.run(
        [COMPILER, *strict, name], cwd=folder, capture_output=True, text=True, check=False, timeout=50
    )
    return done.stdout + done.stderr


def test_the_plugin_names_only_types_that_are_declared() -> None:
    """Each `cmt.` type in an annotation of the plugin is declared in it, once."""
    lines = [
        line
        for path in sorted(LUA.parent.rglob("*.lua"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if "---@" in line
    ]
    named = re.compile(r"---@(?:class(?: \(exact\))?|alias) (cmt\.[\w.]+)")
    declared = [match[1] for line in lines if (match := named.match(line.strip()))]
    used = {
        name.rstrip(".")
        for line in lines
        for name in re.findall(r"(?<![\w\"'/.])cmt\.[A-Z][\w.]+|cmt\.wire\.\w+", line)
    }
    assert sorted(set(declared)) == sorted(declared)
    assert used - set(declared) == set()
