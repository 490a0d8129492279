"""The commands with the real server and the simulator: the whole way from a shell to an answer."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from shell import CMT, cmt

from cmt_lsp.simulator import Answer, Fault, Simulator

SUMMARY = re.compile(r"claude-\S+ · ~?\S+ in, ~?\S+ out(?: · cached \S+ \(\d+%\))? · \S+.* · \d.*s\n\Z")


def prompts(simulator: Simulator) -> str:
    """Everything that was sent in questions, as JSON text."""
    return json.dumps([r.body["messages"] for r in simulator.requests if r.path == "/v1/messages"])


def test_an_answer_goes_to_standard_output_and_its_price_to_standard_error(endpoint: Simulator) -> None:
    endpoint.reply_with("Forty-two.")

    done = cmt("ask", "What is the answer?")

    assert (done.stdout, done.returncode) == ("Forty-two.\n", 0)
    assert SUMMARY.search(done.stderr), done.stderr


def test_json_is_a_turn_result_of_the_contract(endpoint: Simulator) -> None:
    endpoint.reply_with("Forty-two.")

    result = json.loads(cmt("ask", "What is the answer?", "--json", "--max-tokens", "300").stdout)

    assert (result["text"], result["stopReason"]) == ("Forty-two.", "end_turn")
    assert result["cost"]["priced"] is True
    assert result["usage"]["outputTokens"] > 0


def test_files_lines_and_the_question_from_a_pipe_arrive(
    endpoint: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")
    outside = tmp_path / "outside.py"
    outside.write_text("first_line = 1\nsecond_line = 2\nthird_line = 3\n")
    Path("inside.rs").write_text("fn inside_the_folder() {}\n")

    done = cmt("ask", "-", "--file", f"{outside}:2-2", "--file", "inside.rs", stdin=b"From the pipe: \xff?\n")

    assert done.returncode == 0, done.stderr
    sent = prompts(endpoint)
    assert all(word in sent for word in ("second_line", "fn inside_the_folder", "From the pipe"))
    assert "first_line" not in sent
    assert "third_line" not in sent


def test_a_picture_goes_along(endpoint: Simulator, tmp_path: Path) -> None:
    Image.new("RGB", (20, 10), "red").save(tmp_path / "red.png")

    done = cmt("ask", "What is this?", "--image", str(tmp_path / "red.png"))

    assert done.returncode == 0, done.stderr
    assert '"type": "image"' in prompts(endpoint)


def test_a_named_session_goes_on_where_it_was_and_can_be_shown_exported_and_deleted(
    endpoint: Simulator,
) -> None:
    endpoint.reply_with("A first answer.", "A second answer.")
    cmt("ask", "One?", "--session", "talk")
    cmt("ask", "Two?", "--session", "talk")

    assert [m["role"] for m in endpoint.requests[-1].body["messages"]] == ["user", "assistant", "user"]
    assert len(re.findall(r"\btalk\b", cmt("sessions").stdout)) == 1
    shown = cmt("sessions", "show", "talk").stdout
    assert [shown.index(t) for t in ("> One?", "A first answer.", "> Two?", "A second answer.")] == sorted(
        shown.index(t) for t in ("> One?", "A first answer.", "> Two?", "A second answer.")
    )
    assert "A second answer." in cmt("sessions", "export", "talk").stdout
    assert json.loads(cmt("sessions", "export", "talk", "--format", "json").stdout)
    assert cmt("sessions", "delete", "talk").returncode == 0
    assert cmt("sessions", "show", "talk").returncode == 1


def test_the_same_name_in_another_folder_is_another_session(
    endpoint: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cmt("ask", "One?", "--session", "talk")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    cmt("ask", "Two?", "--session", "talk")

    assert len(endpoint.requests[-1].body["messages"]) == 1
    assert len(re.findall(r"\btalk\b", cmt("sessions", "--all").stdout)) == 2


def test_models_are_compared_with_a_file_and_a_session_and_each_has_its_figures(endpoint: Simulator) -> None:
    Path("inside.rs").write_text("fn inside_the_folder() {}\n")
    cmt("ask", "Before?", "--session", "talk")
    models = ("claude-haiku-5-5", "claude-opus-5-5", "claude-of-the-moon")
    named = [word for model in models for word in ("-m", model)]

    done = cmt("compare", "Which?", *named, "-f", "inside.rs", "--session", "talk")
    as_json = json.loads(cmt("compare", "Which?", *named[:4], "--json", "--session", "talk").stdout)

    assert done.returncode == 1, done.stderr
    assert [done.stdout.index(f"── {model} ──") for model in models] == sorted(
        done.stdout.index(f"── {model} ──") for model in models
    )
    assert re.search(r"^ claude-haiku-5-5 +\d.* \$0\.000\d ", done.stdout, re.MULTILINE)
    assert re.search(r"^ claude-of-the-moon +0 +0 +0 .* error *$", done.stdout, re.MULTILINE)
    assert "fn inside_the_folder" in prompts(endpoint)
    assert len(endpoint.requests[-1].body["messages"]) == 3
    assert [row["model"] for row in as_json["rows"]] == [*models[:2]]


def test_no_key_is_a_sentence_that_says_how_to_set_one(
    endpoint: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")

    done = cmt("ask", "Anybody there?")

    assert (done.stdout, done.returncode) == ("", 1)
    assert "ANTHROPIC_API_KEY" in done.stderr
    assert endpoint.requests == []


def test_a_model_that_nobody_knows_is_a_sentence(endpoint: Simulator) -> None:
    done = cmt("ask", "Hi", "--model", "claude-of-the-moon")

    assert (done.stdout, done.returncode) == ("", 1)
    assert done.stderr.startswith("cmt-lsp: ")
    assert "claude-of-the-moon" in done.stderr


def test_a_refused_key_is_a_sentence_and_never_shows_the_key(endpoint: Simulator) -> None:
    endpoint.fail_next(Fault.status(401))

    done = cmt("ask", "Hi")

    assert done.returncode == 1
    assert "sk-test" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_escape_sequences_of_a_model_do_not_reach_the_terminal(endpoint: Simulator) -> None:
    endpoint.reply_with("\x1b]0;owned\x07\x1b[2Jhello")

    assert cmt("ask", "Hi").stdout == "␛]0;owned␇␛[2Jhello\n"


def test_an_overloaded_endpoint_is_asked_again(endpoint: Simulator) -> None:
    endpoint.fail_next(Fault.status(529, retry_after=0.1))
    endpoint.reply_with("At last.")

    done = cmt("ask", "Hi")

    assert (done.stdout, done.returncode) == ("At last.\n", 0)


def test_ctrl_c_stops_paying_and_says_what_was_paid(endpoint: Simulator, terminal: Any) -> None:
    endpoint.reply_with(Answer(text="A long story. " * 500, chunk_delay=0.02))
    screen = terminal([*CMT, "ask", "Tell me a story"])
    screen.wait_for("A long story. A long story.")

    screen.type("\x03")

    assert screen.wait() == 130
    endpoint.wait_closed()
    assert "cancelled · claude-" in screen.screen
    assert screen.screen.count("A long story.") < 500
    assert "cancelled" in cmt("sessions", "show", cmt("sessions").stdout.split("\n")[-3].split()[0]).stdout


def test_a_killed_server_leaves_the_text_and_a_sentence(endpoint: Simulator) -> None:
    endpoint.reply_with(Answer(text="A long story. " * 500, chunk_delay=0.02))
    program = subprocess.Popen([*CMT, "ask", "Hi"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert program.stdout.read(14) == "A long story. "
    (server,) = children_of(program.pid)

    os.kill(server, signal.SIGKILL)
    assert program.stderr is not None
    with program.stdout, program.stderr:
        rest, err = program.stdout.read(), program.stderr.read()

    assert ("A long story. " * 3).startswith(rest.strip()[:20])
    assert rest.endswith("\n")
    assert "The server ended unexpectedly" in err
    assert program.wait(20) == 1


def children_of(pid: int) -> list[int]:
    """The processes that a process started."""
    import psutil

    return [child.pid for child in psutil.Process(pid).children()]


def test_models_and_doctor_need_no_key_and_send_nothing(
    endpoint: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")

    models, doctor = cmt("models"), cmt("doctor")

    assert models.returncode == 0, models.stderr
    assert re.search(r"claude-\S+ \* +\d", models.stdout)
    assert "key" in doctor.stdout
    assert endpoint.requests == []
