"""What breaks naive clients of a language server that streams: each trap is set off here."""

from __future__ import annotations

import pytest
from nvim_child import NvimChild, Start

from cmt_lsp.simulator import Answer, Fault, Simulator

SLOW = Answer(chunks=tuple(f"word{n} " for n in range(40)))
TRANSCRIPT = "table.concat(vim.api.nvim_buf_get_lines(vim.fn.bufnr('cmt://chat/1'), 0, -1, true), '\\n')"


def test_nothing_is_loaded_at_start(start: Start) -> None:
    """The command and the maps are there, none of the plugin's modules is, and no process runs."""
    nvim = start()
    assert nvim.lua("return vim.fn.exists(':Cmt')") == 2
    assert nvim.lua("return vim.fn.maparg('<Plug>(cmt-ask)', 'x')") == ":Cmt ask "
    loaded = nvim.lua("return vim.tbl_keys(package.loaded)")
    assert [name for name in loaded if name == "cmt" or name.startswith("cmt.")] == []
    assert nvim.children() == []


def test_pieces_of_an_answer_disturb_no_listener_of_progress(nvim: NvimChild, sim: Simulator) -> None:
    """No LspProgress event and no message in the client's ring for a thousand pieces; joined they are the answer."""
    pieces = tuple(f"{n} " for n in range(1000))
    sim.reply_with(Answer(chunks=pieces, chunk_delay=0.001))
    nvim.lua(
        "heard = 0; vim.api.nvim_create_autocmd('LspProgress', { group = vim.api.nvim_create_augroup('test', {}), callback = function() heard = heard + 1 end })"
    )
    nvim.command("Cmt ask many")
    nvim.screen.wait_for("999", "today ")
    assert nvim.lua("return heard") == 0
    assert "".join(pieces) in nvim.lua(f"return {TRANSCRIPT}")


def test_streaming_makes_no_undo_entries_and_the_transcript_is_read_only(
    nvim: NvimChild, sim: Simulator
) -> None:
    """Nothing can be undone into a state that never was, and typing in it is refused."""
    sim.reply_with(SLOW)
    nvim.command("Cmt ask count")
    nvim.screen.wait_for("word39", "out ")
    buffer = "vim.fn.bufnr('cmt://chat/1')"
    assert nvim.lua(f"return #vim.fn.undotree({buffer}).entries") == 0
    assert nvim.lua(f"return vim.bo[{buffer}].modifiable") is False


def test_null_is_absent_whatever_the_version_makes_of_it(nvim: NvimChild) -> None:
    """Neovim 0.12 gives vim.NIL, which is true."""
    assert nvim.lua("return require('cmt.notice').present(vim.NIL) == nil") is True
    sentence = nvim.lua("return require('cmt.notice').sentence({ message = 'No.', data = vim.NIL })")
    assert sentence == "No."


SECRET = "AKIA" + "QYLPMN5HHHFPZAM2"  # the shape of a key, in two parts so that no scanner takes it for one


@pytest.mark.parametrize(("keys", "sent"), [("<CR>", 0), ("j<CR>", 1)])
def test_a_question_of_the_server_never_stops_the_editor(
    nvim: NvimChild, sim: Simulator, keys: str, sent: int
) -> None:
    """The first choice is no; while it is open the editor answers."""
    nvim.command(f"Cmt ask my key is {SECRET}, is it fine?")
    nvim.screen.wait_for("about to be sent")
    assert not nvim.blocked()
    nvim.keys(keys)
    nvim.wait("#require('cmt.turn').running() == 0")
    assert len(sim.requests) == sent


def test_stop_takes_an_open_question_away(nvim: NvimChild, sim: Simulator) -> None:
    """What it was about has ended, and nothing was sent."""
    nvim.command(f"Cmt ask my key is {SECRET}, is it fine?")
    nvim.screen.wait_for("about to be sent")
    nvim.command("Cmt stop")
    nvim.screen.wait_gone("about to be sent")
    nvim.wait("#require('cmt.turn').running() == 0")
    assert sim.requests == []


def test_two_chats_at_once_keep_their_answers_apart(nvim: NvimChild, sim: Simulator) -> None:
    """Each answer and each cost is under its own question."""
    sim.reply_with(Answer(chunks=("slow ", "one "), chunk_delay=0.1), "quick two")
    nvim.command("Cmt ask one")
    sim.wait_arrived(0, within=30)
    nvim.command("tab Cmt new")
    nvim.command("Cmt ask two")
    nvim.screen.wait_for("quick two", "out ")
    nvim.command("tabclose")
    nvim.screen.wait_for("slow one", "out ")
    assert "quick" not in nvim.lua(f"return {TRANSCRIPT}")


@pytest.mark.parametrize("way", ["bwipeout! cmt://chat/1", "only | tabnew | tabonly"])
def test_a_chat_that_is_closed_while_it_streams_breaks_nothing(
    nvim: NvimChild, sim: Simulator, way: str
) -> None:
    """The turn goes on and is kept; no error appears."""
    sim.reply_with(SLOW)
    sim.fail_next(Fault.stall(after_events=12))
    nvim.command("Cmt ask count")
    nvim.screen.wait_for("word3")
    nvim.lua("vim.cmd(...)", way)
    sim.release()
    sim.wait_finished(0, within=30)
    nvim.wait("#require('cmt.turn').running() == 0 and not require('cmt').status().busy")
    assert nvim.lua("return vim.v.errmsg") == ""
    nvim.command("Cmt sessions count")
    nvim.screen.wait_for("Sessions", "1 turn")


def test_a_long_message_never_asks_for_enter(start: Start) -> None:
    """In a narrow screen, in insert mode too."""
    nvim = start(columns=40, rows=16)
    nvim.lua("require('cmt.notice').fail(('a long sentence '):rep(12) .. 'END')")
    nvim.screen.wait_for("END")
    assert not nvim.blocked()
    nvim.keys("itext")
    nvim.lua("require('cmt.notice').say('short')")
    nvim.screen.wait_for("short", "text")
    assert not nvim.blocked()
