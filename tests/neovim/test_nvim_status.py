"""The state for other configuration: a struct, texts in three widths, events; budgets and costs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from nvim_child import NvimChild, Start

from cmt_lsp.simulator import Fault, Simulator

COLLECT = """
seen = {}
vim.api.nvim_create_autocmd('User', { group = vim.api.nvim_create_augroup('test', {}), pattern = 'Cmt*', callback = function(event)
  table.insert(seen, { event.match, event.data })
end })
"""


def test_status_is_a_struct_and_a_text_that_a_status_line_shows_whole(nvim: NvimChild) -> None:
    """Percent signs survive; the widest of three texts that fits is taken."""
    nvim.command("Cmt ask cost?")
    nvim.screen.wait_for("out ")
    nvim.wait("require('cmt').status().cost.turn ~= nil")
    status = nvim.lua("return require('cmt').status()")
    assert status["running"] and status["cost"]["session"]["priced"]
    shown = "return vim.api.nvim_eval_statusline(require('cmt').statusline(...), { maxwidth = 300 }).str"
    assert [nvim.lua(shown, width) for width in (30, 80, 200)] == [
        status["text"][width] for width in ("short", "medium", "long")
    ]
    assert "%" in status["text"]["long"]


def test_status_needs_no_server_and_asks_nobody(start: Start) -> None:
    """A status line may call it at every redraw, from the first one on."""
    nvim = start()
    assert nvim.lua("return require('cmt').statusline()") == ""
    assert nvim.lua("return require('cmt').status().running") is False
    assert nvim.children() == []


def test_events_carry_data(nvim: NvimChild, sim: Simulator) -> None:
    """Started, finished with usage, and failed."""
    nvim.lua(COLLECT)
    nvim.command("Cmt ask one")
    nvim.screen.wait_for("out ")
    sim.fail_next(Fault.status(400, message="no such thing"))
    nvim.command("Cmt ask two")
    nvim.screen.wait_for("[failed:")
    seen = nvim.lua("return seen")
    assert [name for name, _ in seen] == [
        "CmtTurnStarted", "CmtTurnFinished", "CmtUsage", "CmtTurnStarted", "CmtTurnFailed"
    ]  # fmt: skip
    assert seen[1][1]["result"]["stopReason"] == "end_turn"
    assert seen[2][1]["cost"]["priced"]
    assert seen[4][1]["error"]["data"]["kind"] == "invalid_request"


@pytest.fixture
def limited(nvim: NvimChild) -> Iterator[NvimChild]:
    """The day's limit is taken off again."""
    yield nvim
    nvim.command("Cmt budget day off")
    nvim.screen.wait_for("limit of the day is gone")


def test_a_budget_asks_before_more_is_spent(limited: NvimChild, sim: Simulator) -> None:
    """Through the person's own vim.ui.select where there is one; no keeps the question in the prompt."""
    limited.lua(
        "asked = nil; vim.ui.select = function(items, opts, choose) asked = { items, opts.prompt }; answer = choose end"
    )
    limited.command("Cmt budget day 0.000001")
    limited.screen.wait_for("Limit")
    limited.command("Cmt ask too dear")
    limited.wait("asked ~= nil")
    assert sim.requests == []
    limited.lua("answer(nil)")
    limited.wait("vim.api.nvim_buf_get_lines(vim.fn.bufnr('cmt://prompt/1'), 0, -1, true)[1] == 'too dear'")
    limited.lua("asked = nil")
    limited.command("wincmd l")
    limited.keys("<Esc><C-w>j<CR>")
    limited.wait("asked ~= nil")
    sim.reply_with("Worth it.")
    limited.lua("answer(asked[1][2])")
    limited.screen.wait_for("Worth it.", "out ")
    assert len(sim.requests) == 1


def test_a_retry_over_a_budget_is_retried_after_a_yes(limited: NvimChild, sim: Simulator) -> None:
    """Not asked as a further question: the old answer leaves the history."""
    sim.reply_with("First try.", "Second try.")
    limited.command("Cmt ask once")
    limited.screen.wait_for("First try.", "today ")
    limited.command("Cmt budget day 0.000001")
    limited.screen.wait_for("Limit")
    limited.command("Cmt retry")
    limited.screen.wait_for("Do not send", "Send this one all the same", "this turn once.")
    frame = [row for row in limited.screen.lines if "│ Even a short answer" in row]
    assert frame, "the question stands in its frame, whole"
    assert not limited.blocked()
    limited.keys("2<CR>")
    limited.screen.wait_for("Second try.")
    limited.wait("#require('cmt.turn').running() == 0")
    limited.wait("(require('cmt').status().session or {}).turns == 1")


def test_costs_at_three_scopes(nvim: NvimChild) -> None:
    """Turn, session and today in one float; one scope in detail."""
    nvim.command("Cmt ask one")
    nvim.screen.wait_for("out ", "today ")
    nvim.command("Cmt cost")
    nvim.screen.wait_for("turn      $0.0", "session   $0.0", "today     $0.0")
    nvim.keys("q")
    nvim.command("Cmt cost session")
    nvim.screen.wait_for("cache saved", "requests      1")


def test_models_with_prices_and_a_change(nvim: NvimChild) -> None:
    """The picker shows prices; a name changes the model of the session."""
    nvim.command("Cmt ask one")
    nvim.screen.wait_for("out ")
    nvim.command("Cmt model")
    nvim.screen.wait_for("Model", "per million")
    nvim.keys("q")
    assert "claude-haiku-4-5" in nvim.lua("return vim.fn.getcompletion('Cmt model claude-haiku', 'cmdline')")
    nvim.command("Cmt model claude-haiku-4-5")
    nvim.screen.wait_for("goes on with haiku-4-5")


def test_preview_shows_what_would_be_sent_and_sends_nothing(nvim: NvimChild, sim: Simulator) -> None:
    """Blocks with tokens and the expected price."""
    nvim.command("5,6Cmt add")
    nvim.command("Cmt preview what is it?")
    nvim.screen.wait_for("nothing was sent", "selection", "prompt", "expected cost")
    assert sim.requests == []


def test_one_question_to_two_models(nvim: NvimChild, sim: Simulator) -> None:
    """Side by side, each with its cost; the session goes on with the one that is chosen."""
    sim.reply_with("First says.", "Second says.")
    nvim.command("Cmt compare claude-haiku-4-5 claude-sonnet-4-5 -- who are you?")
    nvim.screen.wait_for("Go on with", "haiku-4-5")
    nvim.keys("<CR>")
    nvim.screen.wait_for("cmt://chat/1", "who are you?", "says.")


BAD = {
    "frobnicate": "has no `frobnicate`",
    "cost yesterday": "is no scope",
    "budget week 1": "dollars or off",
    "compare one -- question": "Cmt compare {model} {model}",
    "image nowhere.png": "nowhere.png",
    "retry": "ask something first",
    "edit": "ask something first",
    "rename x": "no session yet",
}


@pytest.mark.parametrize("args", BAD)
def test_bad_input_gets_one_sentence_with_the_way_out(nvim: NvimChild, args: str) -> None:
    """And no Lua error, and no prompt."""
    nvim.command(f"Cmt {args}")
    nvim.screen.wait_for(BAD[args])
    assert not nvim.blocked()
    assert "stack traceback" not in nvim.screen.text


def test_an_unknown_option_is_named(start: Start) -> None:
    """Once, when the server starts."""
    nvim = start(setup="vim.g.cmt = { widht = 3 }")
    nvim.command("Cmt ask hello")
    nvim.screen.wait_for("no option `widht`")
