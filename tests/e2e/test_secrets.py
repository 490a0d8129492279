"""The key and the words: where they may be, and the many places where they may not."""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path
from typing import Any

import psutil

from cmt_lsp.simulator import Fault, Simulator

from .conftest import MakeEditor
from .editor import CANARY, SLOW, Editor, Listener, find_canary, is_gone

WORDS = "zebra-canary-prompt-8842"
NOTE = "zebra-canary-attachment-8842"
FAULTS: list[Fault] = [
    Fault.status(400, message=f"bad: {WORDS}"),
    Fault.status(401, message=f"invalid x-api-key {CANARY}"),
    Fault.status(403),
    Fault.redirect(307, "http://127.0.0.1:9/steal"),
    Fault.error_event("api_error", after_events=0, message=WORDS),
    Fault.reset(after_events=9),
    Fault.cut(after_events=9),
    Fault.junk_stream("bad_json"),
    Fault.junk_body("html"),
    Fault.status(500, body=f"<pre>{CANARY} {WORDS}</pre>".encode()),
]


def test_a_verbose_run_full_of_faults_tells_no_secret(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """logLevel debug, trace verbose, every kind of fault: the key is nowhere, the words are in the session alone."""
    editor = make_editor(env={"CMT_LOG_LEVEL": "debug", "ANTHROPIC_LOG": "debug", "PYTHONASYNCIODEBUG": "1"})
    editor.open(initializationOptions={"logLevel": "debug"})
    editor.notify("$/setTrace", {"value": "verbose"})
    context = [{"kind": "text", "title": NOTE, "text": NOTE}]
    for fault in FAULTS:
        sim.reply_with(SLOW)
        sim.fail_next(fault)
        editor.request(
            "cmt/chat", {"text": WORDS, "context": context, "partialResultToken": editor.token()}, 30
        )
        sim._answers.clear()
    for params in (
        {"text": 5, WORDS: 1},
        {"text": WORDS, "maxTokens": 0},
        {"text": WORDS, "sessionId": WORDS},
    ):
        editor.request("cmt/chat", params)
    editor.request(f"cmt/{WORDS}", {"text": WORDS})
    editor.notify(f"$/{WORDS}", {"text": WORDS})
    editor.notify("textDocument/didOpen", {"textDocument": {"uri": WORDS, "text": WORDS}})
    editor.request("cmt/auth/set", {"apiKey": f"{CANARY} with a space"})
    for line in _command_lines(editor):
        assert CANARY not in line
    editor.leave()
    assert find_canary(world) == []
    assert CANARY not in str(editor.messages)
    logs = list((world / "state").rglob("*.log*"))
    assert logs, "the run wrote a log, or the test proves nothing"
    for log in logs:
        assert log.stat().st_mode & 0o077 == 0
        for secret in (WORDS, NOTE, CANARY):
            assert secret not in log.read_text(), f"{secret} is in {log.name}"
    assert editor.stderr() == b""


def _command_lines(editor: Editor) -> list[str]:
    """Of the server and of every child it has while it decodes a picture; the environment of these as well."""
    tiny = base64.b64encode(
        b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
    )
    request = editor.ask("cmt/preview", {"text": "x", "images": [{"data": tiny.decode()}]})
    server = psutil.Process(editor.process.pid)
    lines = [" ".join(server.cmdline())]
    while not any(m.get("id") == request for m in editor.messages):
        for child in server.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                lines.append(" ".join(child.cmdline()))
                if lines[-1] != lines[0]:  # until it is itself, a new process is a copy of the server
                    lines.append(str(child.environ()))
    return lines


def test_files_of_the_server_are_private(editor: Editor, world: Path) -> None:
    """Whatever the umask: nobody else reads a folder or a file of the state."""
    editor.chat("x")
    for path in [world / "state", *(world / "state").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_server_never_listens(editor: Editor) -> None:
    """No socket that another user or a web page could reach."""
    editor.chat("x")
    server = psutil.Process(editor.process.pid)
    assert [c for c in server.net_connections() if c.status == psutil.CONN_LISTEN] == []
    assert not is_gone(editor.process.pid)


def test_a_pushed_key_goes_to_the_configured_endpoint_alone(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """With `ANTHROPIC_BASE_URL` and the editor's own `baseUrl` pointing elsewhere, and after a change of options."""
    _configure(world, sim.base_url)
    with Listener() as evil:
        editor = make_editor(evil.url, key=None)
        editor.open(initializationOptions={"baseUrl": evil.url})
        assert editor.result("cmt/auth/set", {"apiKey": CANARY}) == {}
        status = editor.result("cmt/auth/status")
        assert (status["origin"], CANARY in str(status)) == (sim.base_url, False)
        assert editor.chat("x", 30)["stopReason"] == "end_turn"
        settings = {"cmt": {"baseUrl": evil.url, "apiKeyCommand": "cat /etc/passwd"}}
        editor.notify("workspace/didChangeConfiguration", {"settings": settings})
        assert editor.chat("y", sessionId=editor.session())["stopReason"] == "end_turn"
        assert evil.connections == 0
    assert len(sim.requests) == 2
    editor.messages[:] = [m for m in editor.messages if m.get("method") != "window/showMessage"]


def test_the_key_of_the_environment_goes_to_its_own_endpoint(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """The user file's `baseUrl` is for other keys."""
    with Listener() as other:
        _configure(world, other.url)
        editor = make_editor()
        editor.open()
        assert editor.chat("x", 30)["stopReason"] == "end_turn"
        assert other.connections == 0


def test_without_a_key_everything_works_but_asking(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """`missing_key` with the way out; sessions, models, doctor and preview as ever; a pushed key mends it."""
    _configure(world, sim.base_url)
    editor = make_editor(None, key=None)
    editor.open()
    session = editor.session(name="Kept")
    stream = editor.streaming_chat("x", sessionId=session)
    error: dict[str, Any] = stream.answer()["error"]
    assert (error["code"], error["data"]["kind"]) == (-32803, "missing_key")
    assert "ANTHROPIC_API_KEY" in error["message"]
    assert error["data"]["command"] == "cmt.auth.set"
    assert stream.kinds == ["started", "end"]
    assert editor.turns(session) == []
    assert editor.result("cmt/auth/status")["source"] == "none"
    key = next(c for c in editor.result("cmt/doctor")["checks"] if c["name"] == "key")
    assert (key["state"], "ANTHROPIC_API_KEY" in key["advice"]) == ("fail", True)
    assert len(editor.result("cmt/models")["models"]) > 3
    assert editor.refused("cmt/models", {"refresh": True})["data"]["kind"] == "missing_key"
    assert editor.result("cmt/preview", {"text": "x"})["blocks"]
    assert "Kept" in editor.result("cmt/session/export", {"sessionId": session})["text"]
    assert sim.requests == []
    editor.result("cmt/auth/set", {"apiKey": CANARY + "\n"})
    assert editor.chat("x", 30, sessionId=session)["stopReason"] == "end_turn"
    editor.result("cmt/auth/set", {"apiKey": ""})
    assert editor.refused("cmt/chat", {"text": "x"})["data"]["kind"] == "missing_key"


def test_a_key_that_can_be_none_is_refused_and_not_repeated(editor: Editor) -> None:
    """Spaces, control codes, other alphabets, far too long: one sentence without the text that was given."""
    for odd in (f"{CANARY} x", f"{CANARY}\x00", "Bearer\n\nx", "ключ", '"quoted key"', "k" * 10_000):
        error = editor.refused("cmt/auth/set", {"apiKey": odd})
        assert error["data"]["kind"] in ("auth", "bad_params"), odd[:40]
        assert odd[:12] not in str(error)
    assert editor.result("cmt/auth/status")["source"] == "environment"


def test_a_wrong_key_is_said_to_be_wrong(make_editor: MakeEditor, sim: Simulator) -> None:
    """401 with a hint; the key is not in it."""
    editor = make_editor(key="sk-ant-wrong-key-000")
    editor.open()
    error = editor.refused("cmt/chat", {"text": "x"}, 30)
    assert error["data"]["kind"] == "auth"
    assert "sk-ant-wrong" not in str(editor.messages)


def _configure(world: Path, base_url: str) -> None:
    folder = world / "config" / "cmt-lsp"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(f'baseUrl = "{base_url}"\n')
