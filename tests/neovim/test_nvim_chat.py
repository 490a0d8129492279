"""A question and its answer, as the screen shows them."""

from __future__ import annotations

from nvim_child import NvimChild

from cmt_lsp.simulator import Answer, Fault, Simulator


def test_a_question_is_asked_and_its_answer_shown_with_what_it_cost(nvim: NvimChild, sim: Simulator) -> None:
    """Transcript above, prompt below; usage and cost stand under the answer's head."""
    sim.reply_with("The answer is forty-two.")
    nvim.command("Cmt ask what is it?")
    nvim.screen.wait_for("## You", "what is it?", "## Claude", "The answer is forty-two.", "out 8", "$0.0")
    assert "main.py:1" in nvim.screen.text


SLOW = Answer(chunks=tuple(f"word{n} " for n in range(40)))


def test_the_next_question_is_typed_while_the_answer_streams(nvim: NvimChild, sim: Simulator) -> None:
    """Its text is untouched by the stream, and goes out when it is sent after the end."""
    sim.reply_with(SLOW, "Second answer.")
    sim.fail_next(Fault.stall(after_events=12))
    nvim.command("Cmt")
    nvim.keys("ifirst question<C-s>")
    nvim.screen.wait_for("word3")
    nvim.keys("and the next")
    nvim.screen.wait_for("and the next")
    nvim.keys("<C-s>")
    nvim.screen.wait_for("still comes")
    sim.release()
    nvim.screen.wait_for("word39", "and the next", "out ")
    nvim.keys("<C-s>")
    nvim.screen.wait_for("Second answer.")
    assert sim.requests[-1].body["messages"][-1]["content"][-1]["text"] == "and the next"


def test_thinking_is_a_closed_fold_above_the_answer(nvim: NvimChild, sim: Simulator) -> None:
    """Its text is in the buffer, its lines are not on the screen."""
    sim.reply_with(Answer("Done.", thinking="First I weigh this.\nThen I weigh that."))
    nvim.lua("vim.lsp.config('cmt_lsp', { init_options = { model = 'claude-sonnet-4-5', effort = 'high' } })")
    nvim.command("Cmt ask think")
    nvim.screen.wait_for("Done.", "▸ Thinking · 8 words")
    assert "Then I weigh that." not in nvim.screen.text
    assert "Then I weigh that." in nvim.lua(
        "return table.concat(vim.api.nvim_buf_get_lines(vim.fn.bufnr('cmt://chat/1'), 0, -1, true), '\\n')"
    )


def test_a_chat_is_toggled_and_obeys_modifiers(nvim: NvimChild) -> None:
    """`:Cmt` shows and hides both windows; `:tab Cmt` opens them in a tab."""
    nvim.command("Cmt")
    nvim.screen.wait_for("cmt://chat/1", "cmt://prompt/1")
    nvim.command("Cmt")
    nvim.screen.wait_gone("cmt://")
    nvim.command("tab Cmt")
    nvim.screen.wait_for("cmt://chat/1")
    assert nvim.lua("return #vim.api.nvim_list_tabpages()") == 2
    assert nvim.lua("return #vim.api.nvim_tabpage_list_wins(0)") == 2


def test_code_is_yanked_and_coloured(nvim: NvimChild, sim: Simulator) -> None:
    """`gy` takes the block under the cursor; a closed block has the colours of its language."""
    sim.reply_with("See:\n\n```lua\nlocal answer = 42\n```\n\nThat is all.")
    nvim.command("Cmt ask code")
    nvim.screen.wait_for("That is all.", "out ")
    nvim.command("Cmt")
    nvim.command("Cmt")
    nvim.command("wincmd k")
    nvim.call("nvim_win_set_cursor", 0, [nvim.lua("return vim.fn.search('local answer')"), 0])
    nvim.keys("gy")
    assert nvim.wait("vim.fn.getreg('\"'):find('answer') and vim.fn.getreg('\"')") == "local answer = 42\n"
    marks = nvim.lua(
        "return vim.api.nvim_buf_get_extmarks(0, vim.api.nvim_create_namespace('cmt.markdown'), 0, -1, {details=true})"
    )
    assert "@keyword.lua" in {mark[3].get("hl_group") for mark in marks}


def test_a_code_block_is_applied_as_a_diff(nvim: NvimChild, sim: Simulator) -> None:
    """Against the range that was asked about; `ga` takes it all, and one `u` takes it back."""
    sim.reply_with("```python\ndef two():\n    return 22\n```")
    nvim.command("5,6Cmt ask make it 22")
    nvim.screen.wait_for("return 22", "out ")
    nvim.command("wincmd l")
    nvim.command("wincmd k")
    nvim.call("nvim_win_set_cursor", 0, [nvim.lua("return vim.fn.search('return 22')"), 0])
    nvim.keys("gp")
    nvim.wait("#vim.api.nvim_list_tabpages() == 2 and vim.wo.diff")
    nvim.keys("ga")
    nvim.wait("#vim.api.nvim_list_tabpages() == 1")
    source = "table.concat(vim.api.nvim_buf_get_lines(vim.fn.bufnr('main.py'), 0, -1, true), '\\n')"
    assert nvim.lua(f"return {source}") == "def one():\n    return 1\n\n\ndef two():\n    return 22"


def test_earlier_sessions_are_picked_and_searched(nvim: NvimChild, sim: Simulator) -> None:
    """The list is a float with age, turns and cost; nothing stops the editor."""
    sim.reply_with("Bananas are yellow.")
    nvim.command("Cmt ask about bananas")
    nvim.screen.wait_for("Bananas are yellow.", "out ")
    nvim.command("Cmt new")
    nvim.screen.wait_for("cmt://chat/2")
    nvim.command("Cmt sessions bananas")
    nvim.screen.wait_for("Sessions", "about bananas", "1 turn", "$0.0")
    assert not nvim.blocked()
    nvim.keys("<CR>")
    nvim.screen.wait_for("Bananas are yellow.")
    nvim.command("Cmt sessions nothing-like-it")
    nvim.screen.wait_for("No session holds these words")


def test_of_a_long_session_the_newest_turns_are_shown(nvim: NvimChild, sim: Simulator) -> None:
    """And how many are not; all of them go on counting for the model."""
    nvim.lua("vim.g.cmt = { history_turns = 1 }")
    sim.reply_with("Answer one.", "Answer two.")
    for question in ("one", "two"):
        nvim.command(f"Cmt ask {question}")
        nvim.screen.wait_for(f"Answer {question}.")
        nvim.wait("#require('cmt.turn').running() == 0")
    nvim.command("Cmt fork")
    nvim.screen.wait_for("1 earlier turn is not shown", "cmt://chat/2", "Answer two.")
    assert "Answer one." not in nvim.screen.text


def test_hunks_of_a_diff_are_taken_one_by_one(nvim: NvimChild, sim: Simulator) -> None:
    """`do` takes the one under the cursor; `q` leaves the rest as it was."""
    sim.reply_with("```python\ndef one():\n    return 11\n\n\ndef two():\n    return 22\n```")
    nvim.command("1,6Cmt ask larger")
    nvim.screen.wait_for("return 22", "today ")
    nvim.command("wincmd l")
    nvim.command("wincmd k")
    nvim.call("nvim_win_set_cursor", 0, [nvim.lua("return vim.fn.search('return 22')"), 0])
    nvim.keys("gp")
    nvim.wait("#vim.api.nvim_list_tabpages() == 2 and vim.wo.diff")
    nvim.screen.wait_for("return 11", "return 1 ")
    nvim.keys("6Gdo")
    nvim.wait("vim.api.nvim_buf_get_lines(0, 5, 6, true)[1] == '    return 22'")
    nvim.keys("q")
    nvim.wait("#vim.api.nvim_list_tabpages() == 1")
    source = "vim.api.nvim_buf_get_lines(vim.fn.bufnr('main.py'), 0, -1, true)"
    assert nvim.lua(f"return {source}") == [
        "def one():",
        "    return 1",
        "",
        "",
        "def two():",
        "    return 22",
    ]
    nvim.command("wincmd h")
    assert nvim.lua("return vim.fn.bufname() .. vim.fn.maparg('q', 'n')") == "main.py"


def test_a_diff_finds_code_that_has_moved(nvim: NvimChild, sim: Simulator) -> None:
    """Lines came above it since it was asked about."""
    sim.reply_with("```python\ndef two():\n    return 22\n```")
    nvim.command("5,6Cmt ask larger")
    nvim.screen.wait_for("return 22", "today ")
    nvim.call("nvim_buf_set_lines", 0, 0, 0, True, ["import os", ""])
    nvim.command("wincmd l")
    nvim.command("wincmd k")
    nvim.call("nvim_win_set_cursor", 0, [nvim.lua("return vim.fn.search('return 22')"), 0])
    nvim.keys("gp")
    nvim.wait("#vim.api.nvim_list_tabpages() == 2 and vim.wo.diff")
    nvim.keys("ga")
    nvim.wait("#vim.api.nvim_list_tabpages() == 1")
    source = "vim.api.nvim_buf_get_lines(vim.fn.bufnr('main.py'), 0, -1, true)"
    assert nvim.lua(f"return {source}")[-3:] == ["", "def two():", "    return 22"]
    assert nvim.lua(f"return {source}")[2:4] == ["def one():", "    return 1"]
