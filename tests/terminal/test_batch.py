"""`cmt-lsp batch` with the real server and the simulator: priced, agreed to, waited for, read, and left alone."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault, Simulator, simulator_in_thread

CMT = [sys.executable, "-P", "-m", "cmt_lsp"]
BATCHES = "/v1/messages/batches"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Simulator]:
    """A simulator that every command of the test talks to, and a folder of its own with three prompts."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "prompts.txt").write_text("What is a monad?\nWhat is a ring?\nWhat is a group?\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with simulator_in_thread(batch_rate=0.0) as simulator:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.base_url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        yield simulator


def cmt(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    done = subprocess.run([*CMT, "batch", *arguments], input=stdin, capture_output=True, timeout=50)
    return subprocess.CompletedProcess(arguments, done.returncode, done.stdout.decode(), done.stderr.decode())


def posted(endpoint: Simulator) -> list[Any]:
    return [r.body for r in endpoint.requests if r.path == BATCHES and r.method == "POST"]


def submit(*more: str) -> str:
    """The id of a batch that was sent."""
    done = cmt("submit", "prompts.txt", "--yes", *more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_batch_goes_from_a_file_to_the_answers(endpoint: Simulator) -> None:
    endpoint.reply_with(
        "A monoid.", Answer(fault=Fault.status(529)), Answer(text="Inverses.", stop_reason="max_tokens")
    )
    done = cmt("submit", "prompts.txt", "--yes", "--name", "Algebra", "--max-tokens", "300")
    batch = done.stdout.strip()
    assert (done.returncode, re.fullmatch(r"[0-9a-f-]{28}", batch) is not None) == (0, True), done
    assert "3 prompts for claude-sonnet-5-5" in done.stderr
    assert re.search(r"likely +\$0\.\d+ +one by one \$0\.\d+: this saves \$0\.\d+", done.stderr)
    assert re.search(r"at most +\$0\.\d+ +one by one \$0\.\d+", done.stderr)
    (body,) = posted(endpoint)
    assert {r["params"]["max_tokens"] for r in body["requests"]} == {300}
    assert "in progress: 3 waiting\n" in cmt("status", batch[:11]).stdout
    assert cmt("results", "Algebra").returncode == 1

    endpoint.batches.rate = math.inf
    ended = cmt("status", "Algebra", "--wait")
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"ended: 2 answered, 1 refused, \$0\.\d+\n", ended.stdout)
    shown = cmt("results", batch).stdout
    assert shown.startswith("# 1\n\nA monoid.\n\n# 2 (refused: ")
    assert shown.endswith("# 3 (max tokens)\n\nInverses.\n\n")
    lines = [json.loads(line) for line in cmt("results", batch, "--jsonl").stdout.splitlines()]
    assert [(line["id"], line["state"], line.get("text")) for line in lines] == [
        ("1", "succeeded", "A monoid."), ("2", "errored", None), ("3", "succeeded", "Inverses."),
    ]  # fmt: skip


def test_results_go_to_a_new_file_only(endpoint: Simulator) -> None:
    endpoint.batches.rate = math.inf
    batch = submit()
    Path("there.jsonl").write_text("mine")
    refused = cmt("results", batch, "--out", "there.jsonl")
    assert (refused.returncode, Path("there.jsonl").read_text()) == (1, "mine")
    assert "is there already" in refused.stderr

    assert cmt("results", batch, "--out", "new.jsonl").returncode == 0
    assert len(Path("new.jsonl").read_text().splitlines()) == 3


def test_more_answers_than_fit_a_page_are_all_shown_in_order(endpoint: Simulator) -> None:
    endpoint.batches.rate = math.inf
    Path("prompts.txt").write_text("".join(f"prompt {i}\n" for i in range(1, 1102)))
    lines = cmt("results", submit("--max-tokens", "5"), "--jsonl").stdout.splitlines()

    assert [json.loads(line)["id"] for line in lines] == [str(i) for i in range(1, 1102)]


def test_answers_cannot_play_with_the_terminal(endpoint: Simulator) -> None:
    endpoint.batches.rate = math.inf
    endpoint.reply_with("red \x1b[31malert\u202e")
    shown = cmt("results", submit()).stdout

    assert "\x1b" not in shown
    assert "red ␛[31malert[U+202E]" in shown


def test_a_batch_is_listed_and_cancelled_by_its_name(endpoint: Simulator) -> None:
    assert "No batch yet" in cmt("list").stderr
    submit("--name", "Algebra")
    assert re.search(r"Algebra +in progress +0 of 3", cmt("list").stdout)

    assert "canceling: 3 waiting\n" in cmt("cancel", "Algebra").stdout
    endpoint.batches.rate = math.inf
    assert "1 answered, 2 canceled" in cmt("status", "Algebra").stdout


def test_a_batch_is_known_in_every_folder_and_listed_in_its_own(
    endpoint: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = submit("--name", "Algebra")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")

    assert "No batch yet" in cmt("list").stderr
    assert batch in cmt("list", "--all").stdout
    assert "in progress" in cmt("status", batch).stdout


def test_standard_input_is_read_and_needs_a_yes(endpoint: Simulator) -> None:
    refused = cmt("submit", "-", stdin=b"one\ntwo\n")
    assert (refused.returncode, posted(endpoint)) == (1, [])
    assert "Say --yes." in refused.stderr

    assert cmt("submit", "-", "--yes", stdin=b"one\ntwo\n").returncode == 0
    assert len(posted(endpoint)[0]["requests"]) == 2


@pytest.mark.parametrize(
    ("content", "arguments", "sentence"),
    [
        ("", (), "There is no prompt in prompts.txt."),
        ('{"text":"x"}\n{"text"', (), "Line 2 of prompts.txt is not JSON"),
        ('{"id":"a","text":"x"}\n{"id":"a","text":"y"}', (), "Prompts 1 and 2 have the same id, 'a'"),
        ("x\n" * 100_001, (), "prompts.txt has 100001 prompts, and a batch takes at most 100000."),
        ("one", ("--model", "no such model"), "model must be a model's id"),
        ("one", ("--model", "claude-nobody"), "claude-nobody is no model of"),
        ("one", ("--model", "claude-opus-4-1"), "was retired"),
    ],
)
def test_a_bad_file_or_model_is_one_sentence_and_nothing_is_submitted(
    endpoint: Simulator, content: str, arguments: tuple[str, ...], sentence: str
) -> None:
    Path("prompts.txt").write_text(content)
    done = cmt("submit", "prompts.txt", "--yes", *arguments)

    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.count("cmt-lsp: ") == 1
    assert (done.stdout, posted(endpoint)) == ("", [])


def test_what_cannot_go_in_one_message_is_told_before_it_is_sent(endpoint: Simulator) -> None:
    with Path("prompts.txt").open("w") as file:
        file.writelines(json.dumps({"text": "x" * 1_000_000}) + "\n" for _ in range(70))
    done = cmt("submit", "prompts.txt", "--yes")

    assert done.returncode == 1
    assert "the server takes 64 MB" in done.stderr


def test_a_budget_refuses_and_a_reason_passes_it_once(endpoint: Simulator) -> None:
    subprocess.run([*CMT, "budget", "set", "day", "0.0001"], check=True, capture_output=True, timeout=50)
    refused = cmt("submit", "prompts.txt", "--yes")
    assert (refused.returncode, posted(endpoint)) == (1, [])
    assert "day budget of" in refused.stderr

    assert cmt("submit", "prompts.txt", "--yes", "--over-budget", "needed today").returncode == 0


def test_what_names_no_batch_or_several_is_told(endpoint: Simulator) -> None:
    assert "There is no batch nobody." in cmt("status", "nobody").stderr
    submit("--name", "Algebra")
    submit("--name", "Algebra")

    assert "2 batches are called Algebra." in cmt("cancel", "Algebra").stderr


# In a real terminal


@pytest.mark.parametrize(("typed", "sent"), [("y\n", 1), ("YES\n", 1), ("n\n", 0), ("\n", 0), ("maybe\n", 0)])
def test_only_a_yes_submits(endpoint: Simulator, terminal: Callable[..., Any], typed: str, sent: int) -> None:
    screen = terminal([*CMT, "batch", "submit", "prompts.txt"])
    screen.wait_for("Submit? [y/N] ")
    screen.type(typed)

    assert screen.wait(40) == 1 - sent
    assert len(posted(endpoint)) == sent
    assert ("Nothing was sent." in screen.screen) == (sent == 0)


def test_waiting_counts_down_to_the_next_look_and_ctrl_c_leaves_the_batch_to_itself(
    endpoint: Simulator, terminal: Callable[..., Any]
) -> None:
    batch = submit("--name", "Algebra")
    first = terminal([*CMT, "batch", "status", "Algebra", "--wait"])
    first.wait_for("3 prompts in progress; next look in")
    first.type("\x03")
    assert first.wait(20) == 130
    assert "`cmt-lsp batch status Algebra --wait` waits again." in first.screen
    second = terminal([*CMT, "batch", "status", batch[:11], "--wait"])
    second.wait_for("next look in")
    endpoint.fail_next(Fault.status(529), path=f"{BATCHES}/*")
    endpoint.batches.rate = math.inf

    assert second.wait(40) == 0
    assert "is overloaded" in second.screen
    assert "fetching ████████████████████ 3 of 3 answers" in second.screen
    assert "ended: 3 answered, $0." in second.screen


def test_waiting_ends_where_asking_again_cannot_help(endpoint: Simulator) -> None:
    batch = submit()
    endpoint.fail_next(Fault.status(403), path=f"{BATCHES}/*")
    done = cmt("status", batch, "--wait")

    assert done.returncode == 1
    assert "may not do this" in done.stderr
