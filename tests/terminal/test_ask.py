"""`cmt-lsp ask` against a scripted server: what it sends, what it prints, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_peer import turn_result

from cmt_lsp.terminal.ask import run
from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.question import Question, read_part

Scripted = Callable[..., Any]
LINE = "claude-test · 12.3K in, 2.9K out · cached 8.1K (66%) · $0.0456 (saved $0.0243) · 3.2 s\n"
DRIVER = """
import sys
from cmt_lsp.terminal.ask import Question, run
sys.exit(run(Question(sys.argv[1], as_json=sys.argv[1] == "json"), sys.argv[2:]))
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def driver(server: Any, prompt: str = "Hello?") -> list[str]:
    """A program that asks the scripted server one question."""
    return [sys.executable, "-c", DRIVER, prompt, *server.command]


def test_standard_output_holds_the_answer_and_nothing_else(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server = scripted({"cmt/chat": [["text", "Hello, "], ["text", "you."], ["finish", ["Hello, you."]]]})

    assert run(Question("Hi"), server.command) == 0

    assert capsys.readouterr() == ("Hello, you.\n", LINE)


def test_an_answer_that_was_not_streamed_is_printed_all_the_same(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server = scripted({"cmt/chat": [["text", "Hello, "], ["finish", ["Hello, you.\n"]]]})

    assert run(Question("Hi"), server.command) == 0

    assert capsys.readouterr().out == "Hello, you.\n"


def test_controls_in_an_answer_reach_the_terminal_as_signs(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;owned\x07 \x1b[2J \u202e \x9b31m"
    server = scripted({"cmt/chat": [["text", evil[:1]], ["text", evil[1:]], ["finish", [evil]]]})

    run(Question("Hi"), server.command)

    assert capsys.readouterr().out == "␛]0;owned␇ ␛[2J [U+202E] [U+009B]31m\n"


def test_json_is_the_whole_result_in_ascii(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    server = scripted({"cmt/chat": [["text", "ü\x9b"], ["finish", ["ü\x9b"]]]})

    assert run(Question("Hi", as_json=True), server.command) == 0

    out = capsys.readouterr().out
    assert json.loads(out) == turn_result("ü\x9b")
    assert out.isascii()


def test_files_are_opened_in_the_server_and_sent_as_file_or_selection(
    scripted: Scripted, tmp_path: Path
) -> None:
    server = scripted({"cmt/chat": [["finish", ["ok"]]]})
    whole, part = tmp_path / "whole.rs", tmp_path / "part.py"
    whole.write_text("fn main() {}\n")
    part.write_text("one\ntwo = '😀'\nthree\n")

    run(Question("Hi", files=("whole.rs", "part.py:2-2", "part.py:3")), server.command)

    documents = [message["textDocument"] for message in server.received("textDocument/didOpen")]
    assert [(d["uri"], d["languageId"], d["text"]) for d in documents] == [
        (whole.as_uri(), "rust", "fn main() {}\n"),
        (part.as_uri(), "python", "one\ntwo = '😀'\nthree\n"),
    ]
    file, line_2, line_3 = server.received("cmt/chat")[0]["context"]
    assert file == {"kind": "file", "uri": whole.as_uri()}
    assert line_2["text"] == "two = '😀'"
    assert line_2["range"] == {"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 10}}
    assert (line_3["kind"], line_3["uri"], line_3["text"]) == ("selection", part.as_uri(), "three")


def test_options_become_params_and_absent_ones_are_absent(scripted: Scripted, tmp_path: Path) -> None:
    server = scripted({"cmt/chat": [["finish", ["ok"]]]})
    (tmp_path / "a.png").write_bytes(b"png")

    run(Question("Hi", images=("a.png",), model="m", max_tokens=9, effort="low"), server.command)
    run(Question("Hi"), server.command)

    full, bare = server.received("cmt/chat")
    full.pop("partialResultToken"), bare.pop("partialResultToken")
    image = {"path": str(tmp_path / "a.png")}
    assert full == {"text": "Hi", "images": [image], "model": "m", "maxTokens": 9, "effort": "low"}
    assert bare == {"text": "Hi"}


def test_a_session_is_found_by_its_name_or_made(scripted: Scripted, tmp_path: Path) -> None:
    known = {"sessions": [{"id": "s7", "name": "review"}]}
    server = scripted(
        {
            "cmt/session/list": [["result", known]],
            "cmt/session/create": [["result", {"id": "s8", "name": "new"}]],
            "cmt/chat": [["finish", ["ok"]]],
        }
    )

    run(Question("Hi", session="review"), server.command)
    run(Question("Hi", session="new"), server.command)

    assert [params["sessionId"] for params in server.received("cmt/chat")] == ["s7", "s8"]
    assert server.received("cmt/session/create") == [{"name": "new", "workspaceFolder": tmp_path.as_uri()}]


def test_a_lone_surrogate_in_a_prompt_arrives(scripted: Scripted) -> None:
    server = scripted({"cmt/chat": [["finish", ["ok"]]]})

    assert run(Question("bad byte: \udcff"), server.command) == 0

    assert server.received("cmt/chat")[0]["text"] == "bad byte: \udcff"


def test_a_missing_key_is_a_sentence_and_a_hint(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {"kind": "missing_key", "retryable": False, "hint": "Set ANTHROPIC_API_KEY."}
    error = {"code": -32803, "message": "No key is configured.", "data": data}

    assert run(Question("Hi"), scripted({"cmt/chat": [["error", error]]}).command) == 1

    assert capsys.readouterr() == ("", "cmt-lsp: No key is configured.\n         Set ANTHROPIC_API_KEY.\n")


def test_a_server_that_dies_mid_answer_leaves_the_text_and_a_sentence(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server = scripted({"cmt/chat": [["text", "Half an ans"], ["die", 9]]})

    assert run(Question("Hi"), server.command) == 1

    out, err = capsys.readouterr()
    assert out == "Half an ans\n"
    assert err == "cmt-lsp: The server ended unexpectedly (exit code 9).\n"


def test_a_server_that_cannot_start_is_a_sentence(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server = scripted({"initialize": [["say_on_stderr", "No module named x"], ["die", 1]]})

    assert run(Question("Hi"), server.command) == 1

    assert "Its last words: No module named x" in capsys.readouterr().err


def test_an_answer_that_was_cut_off_is_a_failure_with_its_text(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server = scripted({"cmt/chat": [["text", "Half"], ["finish", ["Half", "truncated"]]]})

    assert run(Question("Hi"), server.command) == 1

    out, err = capsys.readouterr()
    assert (out, err) == ("Half\n", "truncated · " + LINE)


def test_an_empty_question_starts_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Question("  \n"), ["/no/such/server"]) == 1

    assert "There is no question." in capsys.readouterr().err


@pytest.mark.parametrize("which", ["a.py:0", "a.py:3-2", "a.py:9"])
def test_lines_that_a_file_has_not_are_a_sentence(tmp_path: Path, which: str) -> None:
    (tmp_path / "a.py").write_text("1\n2\n3")
    with pytest.raises(TroubleError):
        read_part(which)


def test_a_file_that_is_called_like_a_line_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "odd:12").write_text("content")

    assert read_part("odd:12").text == "content"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None], ids=["binary", "folder"])
def test_what_is_no_text_is_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "thing"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(TroubleError) as caught:
        read_part("thing")
    assert caught.value.hint is not None


CANCELLED = {
    "cmt/chat": [["text", "Half an ans"], ["until", "cmt/cancel"], ["finish", ["Half an ans", "cancelled"]]],
    "cmt/cancel": [["result", {"cancelled": 1}]],
}


def test_ctrl_c_cancels_keeps_the_text_and_says_what_it_cost(scripted: Scripted, terminal: Any) -> None:
    screen = terminal(driver(scripted(CANCELLED)))
    screen.wait_for("Half an ans")

    screen.type("\x03")

    assert screen.wait() == 130
    assert "Half an ans^C\r\n" in screen.screen
    assert screen.screen.endswith("\r\x1b[2Kcancelled · " + LINE.replace("\n", "\r\n"))


def test_a_piped_answer_is_cancelled_in_the_same_way(scripted: Scripted) -> None:
    program = subprocess.Popen(
        driver(scripted(CANCELLED)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.read(11) == "Half an ans"

    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=20)

    assert (out, err, program.returncode) == ("\n", "cancelled · " + LINE, 130)


def test_a_second_ctrl_c_leaves_a_server_that_does_not_cancel(scripted: Scripted, terminal: Any) -> None:
    server = scripted({"cmt/chat": [["text", "Half"]], "cmt/cancel": []})
    screen = terminal(driver(server))
    screen.wait_for("Half")

    screen.type("\x03")
    screen.wait_for("cancelling")
    screen.type("\x03")

    assert screen.wait(within=4) == 130


def test_ctrl_c_before_the_question_was_sent_ends_at_once(scripted: Scripted, terminal: Any) -> None:
    server = scripted({"initialize": []})
    screen = terminal(driver(server))
    screen.wait_for("starting")

    screen.type("\x03")

    assert screen.wait(within=4) == 130
    assert server.received("cmt/chat") == []


def test_waiting_is_shown_on_a_terminal_and_gone_when_text_comes(scripted: Scripted, terminal: Any) -> None:
    retry = {"kind": "retry", "attempt": 1, "maxAttempts": 3, "delayMs": 1500, "reason": "overloaded"}
    acts = [
        ["progress", {"kind": "waiting", "phase": "warming_up", "elapsedMs": 0}],
        ["progress", retry],
        ["text", "Done."],
        ["finish", ["Done."]],
    ]
    screen = terminal(driver(scripted({"cmt/chat": acts})))

    assert screen.wait() == 0
    shown = screen.screen
    assert (
        shown.index("warming up 0.0 s")
        < shown.index("attempt 2 of 3 in 1.5 s: overloaded")
        < shown.index("Done.")
    )
    assert shown.endswith("\r\x1b[2KDone.\r\n" + LINE.replace("\n", "\r\n"))


def test_a_reader_that_has_seen_enough_ends_it_without_a_traceback(scripted: Scripted) -> None:
    many = [["text", "line\n" * 1000]] * 50
    program = subprocess.Popen(
        driver(scripted({"cmt/chat": [*many, ["finish", ["x"]]]})),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout is not None and program.stderr is not None
    os.read(program.stdout.fileno(), 10)
    program.stdout.close()

    assert program.wait(20) == 1
    assert program.stderr.read() == b""
    program.stderr.close()


def test_what_the_server_has_to_say_is_a_note(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    warning = {"type": 2, "message": "config.toml: unknown\nkey \x1b[31m"}
    acts = [["notify", ["window/showMessage", warning]], ["text", "Ok."], ["finish", ["Ok."]]]

    run(Question("Hi"), scripted({"cmt/chat": acts}).command)

    assert capsys.readouterr() == ("Ok.\n", "note: config.toml: unknown key ␛[31m\n" + LINE)
