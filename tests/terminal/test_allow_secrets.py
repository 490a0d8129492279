"""A secret in a question from a shell: asked about at the keyboard, refused where nobody sits there."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shell import CMT, cmt

from cmt_lsp.simulator import Simulator

SECRET = "sk-ant-api03-" + "".join(random.Random(5).choices(string.ascii_letters + string.digits, k=60))


def test_without_a_keyboard_it_is_refused_with_the_option_that_works(endpoint: Simulator) -> None:
    """From a script or a pipe; nothing is sent, and nothing shows the secret."""
    Path("notes.txt").write_text(f"key: {SECRET}\n")
    refused = cmt("ask", "why?", "--file", "notes.txt")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "notes.txt: line 1: Anthropic key" in refused.stderr
    assert "--allow-secrets" in refused.stderr
    assert SECRET not in refused.stderr
    assert [r for r in endpoint.requests if r.path == "/v1/messages"] == []
    allowed = cmt("ask", "why?", "--file", "notes.txt", "--allow-secrets")
    assert allowed.returncode == 0, allowed.stderr
    assert SECRET in json.dumps(endpoint.requests[-1].body)


def test_a_comparison_and_a_batch_are_refused_too(endpoint: Simulator) -> None:
    """The same sentence and the same option."""
    Path("prompts.txt").write_text(f"{SECRET}\n")
    for command in (
        ["compare", SECRET, "-m", "claude-haiku-5-5", "-m", "claude-sonnet-5-5"],
        ["batch", "submit", "prompts.txt", "--yes"],
    ):
        refused = cmt(*command)
        assert refused.returncode == 1
        assert "--allow-secrets" in refused.stderr, refused.stderr
        assert SECRET not in refused.stderr


@pytest.mark.parametrize(("key", "sent"), [("2", True), ("", False)])
def test_at_a_keyboard_the_person_chooses_by_number(
    key: str, sent: bool, endpoint: Simulator, terminal: Callable[..., Any]
) -> None:
    """Only the number of a yes is one."""
    endpoint.reply_with("Forty-two.")
    screen = terminal([*CMT, "ask", f"is {SECRET} valid?"])
    screen.wait_for("Which? [1-2]")
    screen.type(f"{key}\n")
    if sent:
        screen.wait_for("Forty-two.")
    assert screen.wait() == (0 if sent else 1)
    assert ("Forty-two." in screen.screen) is sent
    assert "1  Do not send" in screen.screen
