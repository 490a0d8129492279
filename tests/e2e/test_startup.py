"""The start: quick, light, and silent on the network until the person asks something."""

from __future__ import annotations

import re
import sys

from cmt_lsp.simulator import Simulator

from .conftest import MakeEditor
from .editor import SERVER, Listener, wait_until

HEAVY = re.compile(rb"\| +(anthropic|httpx2?|PIL|sqlite3|pydantic)\b")
IMPORTS = [sys.executable, "-X", "importtime", *SERVER[1:]]


def test_initialize_is_answered_before_anything_heavy_is_imported(make_editor: MakeEditor) -> None:
    """At the answer neither the SDK nor SQLite nor Pillow is loaded; a moment later the SDK is, unasked."""
    editor = make_editor(command=IMPORTS)
    editor.result("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    assert HEAVY.search(editor.stderr()) is None, HEAVY.findall(editor.stderr())
    editor.notify("initialized", {})
    wait_until(lambda: b" anthropic\n" in editor.stderr(), 30)
    assert re.search(rb"\| +PIL\b", editor.stderr()) is None
    editor.result("shutdown")
    editor.notify("exit")
    assert editor.exit_code() == 0


def test_nothing_connects_before_the_first_question(make_editor: MakeEditor, sim: Simulator) -> None:
    """Doctor, models, preview, sessions and a warm SDK: not one connection; the question makes the first one."""
    with Listener() as endpoint:
        editor = make_editor(endpoint.url, command=IMPORTS)
        editor.open()
        wait_until(lambda: b" anthropic\n" in editor.stderr(), 30)
        editor.session()
        for method in ("cmt/doctor", "cmt/models", "cmt/auth/status", "cmt/session/list"):
            editor.result(method, {})
        editor.result("cmt/preview", {"text": "x"})
        wait_until(lambda: b"anthropic.types" in editor.stderr(), 30)
        assert endpoint.connections == 0
        editor.request("cmt/chat", {"text": "x"}, 30)
        assert endpoint.connections > 0
        editor.result("shutdown")
        editor.notify("exit")
        assert editor.exit_code() == 0


def test_questions_before_the_sdk_is_loaded_wait_and_are_answered(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    """All at once, in the first write after the handshake: each gets its answer, in its own session."""
    editor = make_editor()
    editor.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    editor.notify("initialized", {})
    sessions = [editor.ask("cmt/session/create", {"name": f"s{n}"}) for n in range(4)]
    made = [editor.answer(request)["result"]["id"] for request in sessions]
    streams = [editor.streaming_chat(f"question {n}", sessionId=session) for n, session in enumerate(made)]
    for n, stream in enumerate(streams):
        assert f"question {n}" in stream.result(30)["text"]


def test_a_client_that_does_not_wait_for_its_handshake_is_served(make_editor: MakeEditor) -> None:
    """initialize, initialized and a chat in one write."""
    editor = make_editor()
    frames = [
        editor.prepared("initialize", {"processId": None, "rootUri": None, "capabilities": {}}),
        editor.prepared("cmt/chat", {"text": "x"}),
    ]
    editor.send_bytes(b"".join(data for _, data in frames))
    assert editor.answer(frames[1][0], 30)["result"]["stopReason"] == "end_turn"
    assert "result" in editor.answer(frames[0][0])
