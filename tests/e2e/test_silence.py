"""Silence at either end: an endpoint that says nothing more, an editor that reads nothing more.

The server's own limits are minutes, so these servers are started with limits of a moment.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cmt_lsp.simulator import Fault, Simulator

from .editor import MIDWAY, SLOW, Editor, pipe_is_full, wait_until

IMPATIENT_WITH_THE_ENDPOINT = """
import sys
from cmt_lsp.api import anthropic_client, clocks
anthropic_client.Clocks = lambda: clocks.Clocks(silence=0.5, first_byte=0.5)
from cmt_lsp.server import app
sys.exit(app.main())
"""
IMPATIENT_WITH_THE_EDITOR = """
import sys
from cmt_lsp.server import app
app.STALL_LIMIT, app.STALL_POLL = 0.5, 0.1
sys.exit(app.main())
"""


def started_with(source: str, world: Path, sim: Simulator) -> Editor:
    """An editor on a server whose start is this program."""
    return Editor(world, sim.base_url, command=[sys.executable, "-P", "-c", source])


def test_an_endpoint_that_falls_silent_midway_leaves_a_marked_part(sim: Simulator, tmp_path: Path) -> None:
    """The text so far is kept as `truncated`, with the cause, and the connection is closed."""
    sim.reply_with(SLOW)
    sim.fail_next(MIDWAY)
    with started_with(IMPATIENT_WITH_THE_ENDPOINT, tmp_path, sim) as editor:
        editor.open()
        result = editor.chat("Tell me")
        assert result["stopReason"] == "truncated"
        assert result["text"].startswith("word 0 word 1 ")
        assert result["usage"]["estimated"] is True
        assert any("sent nothing for" in notice for notice in result["notices"])
        assert sim.wait_closed(0).closed_at is not None


def test_an_endpoint_that_never_answers_is_an_error_that_can_be_tried_again(
    sim: Simulator, tmp_path: Path
) -> None:
    """Every attempt has its limit; the session is as it was."""
    sim.fail_next(*[Fault.stall()] * 3)
    with started_with(IMPATIENT_WITH_THE_ENDPOINT, tmp_path, sim) as editor:
        editor.open()
        session = editor.session()
        error = editor.refused("cmt/chat", {"text": "Anybody?", "sessionId": session})
        assert error["data"]["kind"] == "timeout"
        assert error["data"]["retryable"] is True
        assert editor.turns(session) == []
        assert editor.chat("Now?", sessionId=session)["stopReason"] == "end_turn"


def test_the_turns_of_an_editor_that_does_not_read_are_stopped(sim: Simulator, tmp_path: Path) -> None:
    """What nobody sees is not paid for any longer: the connection closes, and the result says why."""
    sim.reply_with(SLOW)
    sim.fail_next(Fault.endless(text="and so on " * 200, every=0.002))
    with started_with(IMPATIENT_WITH_THE_EDITOR, tmp_path, sim) as editor:
        editor.open()
        stream = editor.streaming_chat("Go on for ever")
        stream.first_text()
        editor.stop_reading()
        wait_until(lambda: pipe_is_full(editor), 30)
        assert sim.wait_closed(0).closed_at is not None
        editor.go_on_reading()
        result = stream.result()
        assert result["stopReason"] == "cancelled"
        assert any("no longer took the answer" in notice for notice in result["notices"])
