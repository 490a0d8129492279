"""What goes wrong at the endpoint: said in words, in time, and never taken for an answer."""

from __future__ import annotations

import re

import pytest
from nvim_child import NvimChild, Start

from cmt_lsp.simulator import Answer, Fault, Simulator

SLOW = Answer(chunks=tuple(f"word{n} " for n in range(40)))
AHEAD = "local now, by = vim.uv.now, ...; vim.uv.now = function() return now() + by end"
"""Puts the editor's clock forward by milliseconds, so that nobody has to wait for them."""


def seconds_left(nvim: NvimChild) -> int:
    """What the countdown shows."""
    shown = re.search(r"again in (\d+) s \(2 of \d+\)", nvim.screen.wait_for("again in "))
    assert shown
    return int(shown[1])


def test_overload_is_a_countdown(nvim: NvimChild, sim: Simulator) -> None:
    """The seconds go down on the screen, the editor is free, and the answer comes when they are over."""
    sim.fail_next(Fault.status(529, retry_after=50))
    nvim.command("Cmt ask busy?")
    first = seconds_left(nvim)
    assert 40 < first <= 50
    assert not nvim.blocked()
    nvim.lua(AHEAD, 20_000)
    nvim.screen.wait(lambda text: not re.search(r"again in (4|50)", text))
    assert seconds_left(nvim) <= first - 20
    nvim.command("Cmt stop")
    nvim.screen.wait_for("[stopped ")
    sim.forget()
    sim.fail_next(Fault.status(529, retry_after=1))
    sim.reply_with("At last.")
    nvim.command("Cmt ask busy still?")
    nvim.screen.wait_for("again in 1 s")
    nvim.screen.wait_for("At last.")


BROKEN = {
    "reset": Fault.reset(after_events=12),
    "cut": Fault.cut(after_events=12),
    "hung up": Fault.hang_up(after_events=12),
    "error event": Fault.error_event(after_events=12),
}


@pytest.mark.parametrize("way", BROKEN)
def test_an_answer_that_broke_off_is_never_shown_as_complete(
    nvim: NvimChild, sim: Simulator, way: str
) -> None:
    """Its text stays, marked on the screen and in the history; the next question is answered in the same session."""
    sim.reply_with(SLOW, "Whole again.")
    sim.fail_next(BROKEN[way])
    nvim.command("Cmt ask count")
    nvim.screen.wait_for("word3", "[partial: the connection broke")
    nvim.command("Cmt ask and now")
    nvim.screen.wait_for("Whole again.", "today ")
    texts = [m["content"] for m in sim.requests[-1].body["messages"] if m["role"] == "assistant"]
    assert "word3" in str(texts)
    nvim.command("Cmt fork")
    nvim.screen.wait_for("cmt://chat/2", "word3", "[partial: the connection broke", "Whole again.")


def test_an_answer_at_its_longest_is_marked(nvim: NvimChild, sim: Simulator) -> None:
    """On the screen and in the history."""
    sim.reply_with(Answer(text="Half a thought", stop_reason="max_tokens"))
    nvim.command("Cmt ask long")
    nvim.screen.wait_for("Half a thought", "[partial: the longest answer")
    nvim.command("Cmt fork")
    nvim.screen.wait_for("cmt://chat/2", "Half a thought", "[partial: the longest answer")


def test_partial_text_of_a_stopped_answer_stays_and_is_marked(nvim: NvimChild, sim: Simulator) -> None:
    """On the screen, and in the history when it is read anew."""
    sim.reply_with(SLOW)
    sim.fail_next(Fault.stall(after_events=12))
    nvim.command("Cmt ask count")
    nvim.screen.wait_for("word3", "stops")
    nvim.command("Cmt stop")
    nvim.screen.wait_for("[partial: stopped by you]", "word3")
    nvim.command("Cmt fork")
    nvim.screen.wait_for("cmt://chat/2", "[partial: stopped by you]", "word3")


def test_silence_is_shown(nvim: NvimChild, sim: Simulator) -> None:
    """An answer that stops coming says for how long nothing came; it ends with the next word."""
    sim.reply_with(SLOW)
    sim.fail_next(Fault.stall(after_events=12))
    nvim.command("Cmt ask count")
    nvim.screen.wait_for("word3")
    nvim.lua(AHEAD, 7000)
    nvim.screen.wait_for("silent for ")
    assert not nvim.blocked()
    sim.release()
    nvim.screen.wait_for("word39", "today ")
    assert "silent" not in nvim.screen.text


REFUSED = {
    "a wrong key": (Fault.status(401), "key"),
    "no credit": (Fault.status(400, message="Your credit balance is too low"), "credit"),
    "a request that is refused": (Fault.status(400, message="no such thing"), "no such thing"),
    "a page of a proxy": (
        Fault.status(403, body=b"<html>Blocked by the proxy</html>"),
        "The key may not do this",
    ),
}


@pytest.mark.parametrize("way", REFUSED)
def test_a_refusal_is_a_sentence_and_the_question_comes_back(
    nvim: NvimChild, sim: Simulator, way: str
) -> None:
    """In the transcript and in a notice; the next question goes out."""
    fault, word = REFUSED[way]
    sim.fail_next(fault)
    nvim.command("Cmt ask hello there")
    nvim.screen.wait_for("[failed:", word)
    assert nvim.lua("return require('cmt.chat').all()[1].prompt:text()") == "hello there"
    assert not nvim.blocked()
    sim.reply_with("Fine now.")
    nvim.command("Cmt ask again")
    nvim.screen.wait_for("Fine now.", "today ")


def test_a_dead_endpoint_is_a_countdown_and_a_sentence(start: Start) -> None:
    """Nobody listens there: it is tried again, and can be stopped."""
    nvim = start(base_url="http://127.0.0.1:1")
    nvim.command("Cmt ask hello")
    nvim.screen.wait_for("again in ")
    assert not nvim.blocked()
    nvim.command("Cmt stop")
    nvim.screen.wait_for("[stopped ")
