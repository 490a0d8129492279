"""A stored session in a chat: by pages, with the view held, and with what is under way."""

from __future__ import annotations

from typing import Any

from nvim_child import NvimChild

from cmt_lsp.simulator import Answer, Fault, Simulator

TRANSCRIPT = "require('cmt.chat').current().transcript"
TEXT = f"table.concat(vim.api.nvim_buf_get_lines({TRANSCRIPT}.buf, 0, -1, true), '\\n')"
TOP = "vim.api.nvim_buf_get_lines(0, vim.fn.line('w0') - 1, vim.fn.line('w0') + 12, false)"
QUESTIONS = f"vim.tbl_map(function(at) return at.turn.asked.text end, {TRANSCRIPT}:shown())"


def ask(nvim: NvimChild, question: str) -> None:
    nvim.command(f"Cmt ask {question}")
    nvim.wait("#require('cmt.turn').running() == 0")


def opened(nvim: NvimChild, sim: Simulator, turns: int) -> None:
    """A session of some turns, opened anew, of which two are shown; the cursor is in its transcript."""
    nvim.lua("vim.g.cmt = { history_turns = 2 }")
    sim.reply_with(*(f"Answer {n}.\n\n" + "more\n" * 8 + "last line" for n in range(turns)))
    for n in range(turns):
        ask(nvim, f"question {n}")
    nvim.command("Cmt fork")
    nvim.screen.wait_for("cmt://chat/2", f"Answer {turns - 1}.")
    nvim.command("wincmd k")
    nvim.command("wincmd l")
    nvim.command("wincmd k")


def shown(nvim: NvimChild) -> list[Any]:
    """The questions that stand in the transcript."""
    found: list[Any] = nvim.lua(f"return {QUESTIONS}")
    return found


def test_earlier_turns_come_at_the_top_and_the_view_stays(nvim: NvimChild, sim: Simulator) -> None:
    """By going up to it; what was at the top of the window is there still, and the cursor on its line."""
    opened(nvim, sim, 5)
    assert shown(nvim) == ["question 3", "question 4"]
    assert "3 earlier turns are not shown" in nvim.lua(f"return {TEXT}")
    nvim.keys("gg")
    nvim.wait(f"#{QUESTIONS} == 4")
    nvim.screen.wait_for("question 3")
    assert nvim.lua(f"return {TOP}")[2:5] == nvim.lua(f"return {TOP}")[2:5]
    assert "## You" in nvim.lua(f"return {TOP}")[2]
    assert "question 3" in nvim.lua(f"return {TOP}")[4]
    assert "1 earlier turn is not shown" in nvim.lua(f"return {TEXT}")


def test_a_key_brings_them_and_the_beginning_is_told(nvim: NvimChild, sim: Simulator) -> None:
    """Nothing tells of earlier turns where there are none; code and usage of them are as those of the newest."""
    opened(nvim, sim, 3)
    nvim.keys("go")
    nvim.wait(f"#{QUESTIONS} == 3")
    assert shown(nvim) == ["question 0", "question 1", "question 2"]
    assert "not shown" not in nvim.lua(f"return {TEXT}")
    nvim.keys("go")
    nvim.screen.wait_for("This is the beginning of the session.")


def test_going_back_from_question_to_question_brings_earlier_ones(nvim: NvimChild, sim: Simulator) -> None:
    """`[[` above the first question that is shown goes to the one before it."""
    opened(nvim, sim, 4)
    for n in (3, 2, 1):
        nvim.keys("[[")
        nvim.wait("vim.fn.getline(vim.fn.line('.') + 2) == ...", f"question {n}")


def test_earlier_turns_come_while_an_answer_streams(nvim: NvimChild, sim: Simulator) -> None:
    """Its code block is coloured all the same, and nothing of it is lost."""
    opened(nvim, sim, 3)
    code = tuple(f"local x{n} = {n}\n" for n in range(6))
    sim.reply_with(Answer(chunks=("```lua\n", *code, "```\n", "after")))
    sim.fail_next(Fault.stall(after_events=6))
    nvim.command("Cmt ask stream")
    nvim.screen.wait_for("local x1")
    nvim.keys("go")
    nvim.wait(f"#{QUESTIONS} == 4")
    sim.release()
    nvim.wait("#require('cmt.turn').running() == 0")
    text = nvim.lua(f"return {TEXT}")
    assert "```lua\n" + "".join(code) + "```\nafter" in text
    marks = nvim.lua(
        f"return vim.api.nvim_buf_get_extmarks({TRANSCRIPT}.buf, vim.api.nvim_create_namespace('cmt.markdown'), 0, -1,"
        " { details = true })"
    )
    keywords = {mark[1] for mark in marks if mark[3].get("hl_group") == "@keyword.lua"}
    assert keywords == {n for n, line in enumerate(text.split("\n")) if line.startswith("local")}


def test_an_answer_under_way_goes_on_in_a_chat_that_is_opened_meanwhile(
    nvim: NvimChild, sim: Simulator
) -> None:
    """Its buffers were wiped; nothing that came before or after is missing or twice, and it can be stopped there."""
    words = tuple(f"word{n} " for n in range(40))
    sim.reply_with(Answer(chunks=words, thinking="Let me think of words."), "Second.")
    sim.fail_next(Fault.stall(after_events=16))
    nvim.command("Cmt ask count")
    nvim.screen.wait_for("word3")
    nvim.command("bwipeout! cmt://chat/1")
    nvim.wait("#require('cmt.chat').all() == 0")
    nvim.command("Cmt sessions")
    nvim.screen.wait_for("Sessions", "busy")
    nvim.keys("<CR>")
    nvim.screen.wait_for("count", "word3", "stops")
    sim.release()
    nvim.screen.wait_for("word39", "out ")
    text = nvim.lua(f"return {TEXT}")
    assert "".join(words) in text
    assert text.count("word3 ") == 1
    assert text.count("Thinking") == 1
    ask(nvim, "next")
    nvim.screen.wait_for("Second.")


def test_nothing_is_stored_where_nothing_was_answered(nvim: NvimChild, sim: Simulator) -> None:
    """Neither by typing, nor by a new chat with a name, nor by a question that failed once its chat is gone."""
    sessions = "require('cmt.client').get():request_sync('cmt/session/list', { scope = 'all' }, 3000).result.sessions"
    nvim.command("Cmt new with a name")
    nvim.keys("ityped")
    nvim.wait("(require('cmt.client').get() or {}).initialized")
    before = nvim.lua(f"return #{sessions}")
    sim.fail_next(Fault.status(400, message="no such thing"))
    nvim.keys("<C-s>")
    nvim.screen.wait_for("[failed:")
    assert nvim.lua(f"return #{sessions}") == before + 1
    nvim.command("bwipeout! cmt://chat/1")
    nvim.wait(f"#{sessions} == {before}")


def test_a_name_given_before_the_first_question_is_that_of_its_session(
    nvim: NvimChild, sim: Simulator
) -> None:
    sim.reply_with("Yes.")
    nvim.command("Cmt new harvest")
    nvim.screen.wait_for("new chat · harvest")
    ask(nvim, "is it named?")
    assert nvim.wait("require('cmt.chat').current().session.name") == "harvest"
