"""Where the view stands while an answer streams, and how fast it comes."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from nvim_child import KEY, NvimChild
from raw_client import RawClient

from cmt_lsp.simulator import Answer, Fault, Simulator

CHAT = "vim.fn.bufwinid('cmt://chat/1')"
LINES = Answer(chunks=tuple(f"line {n}\n\n" for n in range(60)))
PARAGRAPH = Answer(chunks=tuple(f"word{n} " for n in range(900)))


def processor_seconds(process: int) -> float:
    """User and system time of one process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_the_view_follows_a_long_answer(nvim: NvimChild, sim: Simulator) -> None:
    """Many lines: the end is on the screen, right above the prompt."""
    sim.reply_with(LINES)
    nvim.command("Cmt ask go")
    nvim.screen.wait_for("line 59", "today ")
    assert "line 48" in nvim.screen.text


def test_the_view_follows_one_paragraph_longer_than_the_window(nvim: NvimChild, sim: Simulator) -> None:
    """A single line of the buffer; Neovim counts it as one that is not wholly visible."""
    sim.reply_with(PARAGRAPH)
    nvim.command("Cmt ask go")
    nvim.screen.wait_for("word899", "today ")


def test_a_view_that_was_scrolled_away_stays(nvim: NvimChild, sim: Simulator) -> None:
    """Until the next question, or until the person goes back to the end."""
    sim.reply_with(LINES, LINES)
    sim.fail_next(Fault.stall(after_events=50))
    nvim.command("Cmt ask go")
    nvim.screen.wait_for("line 40")
    nvim.command("wincmd l")
    nvim.command("wincmd k")
    nvim.keys("gg")
    nvim.screen.wait_for("## You")
    nvim.command("wincmd h")
    sim.release()
    nvim.screen.wait_for("today ")
    assert "## You" in nvim.screen.text
    assert nvim.lua(f"return vim.api.nvim_win_get_cursor({CHAT})") == [1, 0]
    nvim.command("Cmt ask again")
    nvim.screen.wait(lambda text: "line 59" in text)


def test_the_persons_own_cursor_does_not_move(nvim: NvimChild, sim: Simulator) -> None:
    """It stands in the code, or in the transcript above the end."""
    sim.reply_with(LINES)
    sim.fail_next(Fault.stall(after_events=8))
    nvim.command("Cmt ask go")
    nvim.screen.wait_for("line 3")
    nvim.command("wincmd l")
    nvim.command("wincmd k")
    nvim.call("nvim_win_set_cursor", 0, [3, 1])
    sim.release()
    nvim.screen.wait_for("today ")
    assert nvim.call("nvim_win_get_cursor", 0) == [3, 1]


def test_a_chat_that_was_closed_meanwhile_opens_at_its_end(nvim: NvimChild, sim: Simulator) -> None:
    """The answer came while nothing showed it."""
    sim.reply_with(LINES)
    sim.fail_next(Fault.stall(after_events=8))
    nvim.command("Cmt ask go")
    nvim.screen.wait_for("line 3")
    nvim.command("Cmt")
    nvim.screen.wait_gone("cmt://")
    sim.release()
    nvim.wait("#require('cmt.turn').running() == 0")
    nvim.command("Cmt")
    nvim.screen.wait_for("line 59", "cmt://chat/1")


FILLER = """
local buf = vim.fn.bufnr('cmt://chat/1')
local lines = {}
for n = 1, 3600 do
  lines[n] = n % 40 == 5 and '```lua' or n % 40 == 20 and '```' or ('line ' .. n .. ' with `code` and **bold** words')
end
vim.bo[buf].modifiable = true
vim.api.nvim_buf_set_lines(buf, -1, -1, true, lines)
vim.bo[buf].modifiable = false
"""


def longest_gap(times: list[float]) -> float:
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


def test_a_long_transcript_streams_without_standing_still(
    nvim: NvimChild, sim: Simulator, figure: Callable[[str, str], None]
) -> None:
    """400 pieces at 15 ms below 3,600 lines, a fence left open over broken code among them."""
    sim.reply_with(
        "warm",
        Answer(chunks=("```lua\n", *(f"local x{n} = [[ {n}\n" for n in range(400))), chunk_delay=0.015),
    )
    nvim.command("Cmt ask warm")
    nvim.screen.wait_for("today ")
    nvim.lua(FILLER)
    before = processor_seconds(nvim.process.pid)
    seen = len(nvim.screen.flushes)
    nvim.command("Cmt ask long")
    nvim.screen.wait_for("x399", seconds=40)
    times = nvim.screen.flushes[seen + 2 :]
    spent = processor_seconds(nvim.process.pid) - before
    figure(
        "neovim, 400 pieces below 3,600 lines",
        f"{len(times)} updates, longest gap {longest_gap(times) * 1000:.0f} ms, {spent:.2f} s of processor time",
    )
    assert len(times) >= 60
    assert spent <= 1.0


def test_keys_are_answered_while_pieces_come_without_delay(
    nvim: NvimChild, sim: Simulator, figure: Callable[[str, str], None]
) -> None:
    """5,000 pieces; a person who types meanwhile sees each letter."""
    sim.reply_with("warm", Answer(chunks=tuple(f"w{n} " for n in range(5000))))
    nvim.command("Cmt")
    nvim.keys("iwarm<C-s>")
    nvim.screen.wait_for("today ")
    begun = time.monotonic()
    nvim.keys("go<C-s>")
    waits, pause = [], threading.Event()
    typed = ""
    while "w4999" not in nvim.screen.text:
        assert time.monotonic() - begun < 20
        typed += "xyz"[len(typed) % 3]
        sent = time.monotonic()
        nvim.keys(typed[-1])
        nvim.screen.wait_for(typed[-30:])
        waits.append(time.monotonic() - sent)
        pause.wait(0.005)
    took = time.monotonic() - begun
    waits.sort()
    at_95 = waits[int(len(waits) * 0.95)] * 1000
    figure(
        "neovim, 5,000 pieces at once",
        f"{took:.2f} s, a letter on the screen within {at_95:.1f} ms at the 95th percentile of {len(waits)}",
    )
    assert took < 5
    assert at_95 < 200


def first_text_bare(bare: RawClient, session: str, text: str) -> float:
    """Seconds from a question to its first text over the bare protocol."""
    begun = time.monotonic()
    request = bare.ask("cmt/chat", {"text": text, "sessionId": session, "partialResultToken": text})

    def came(kind: str) -> Callable[[dict[str, Any]], bool]:
        return lambda m: (
            m.get("method") == "$/progress"
            and m["params"]["token"] == text
            and m["params"]["value"]["kind"] == kind
        )

    bare.expect(came("text"))
    took = time.monotonic() - begun
    bare.expect(came("end"))
    bare.answer(request)
    return took


def test_first_text_on_the_screen(
    nvim: NvimChild, sim: Simulator, tmp_path: Path, figure: Callable[[str, str], None]
) -> None:
    """From the key that sends to the screen that shows, beside the bare protocol; editor and server warm."""
    nvim.command("Cmt")
    nvim.keys("i")
    shown, raw = [], []
    command = [sys.executable, "-P", "-m", "cmt_lsp"]
    env = {
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": sim.base_url,
        "CMT_STATE_DIR": str(tmp_path / "bare"),
    }
    with RawClient(command, env=env, cwd=tmp_path) as bare:
        bare.initialize()
        session = bare.result("cmt/session/create", {})["id"]
        for n in range(14):
            answer = Answer(chunks=(f"word-{n} ", "and ", "more."))
            sim.reply_with(answer, answer)
            nvim.keys(f"question {n}")
            nvim.screen.wait_for(f"question {n}")
            begun = time.monotonic()
            nvim.keys("<C-s>")
            nvim.screen.wait_for(f"word-{n}")
            shown.append(time.monotonic() - begun)
            nvim.wait("#require('cmt.turn').running() == 0")
            raw.append(first_text_bare(bare, session, f"question {n}"))
    ours, theirs = (sorted(times[2:])[6] * 1000 for times in (shown, raw))
    figure(
        "neovim, first text on the screen", f"{ours:.1f} ms, over the bare protocol {theirs:.1f} ms (medians)"
    )
    assert ours < theirs + 50
