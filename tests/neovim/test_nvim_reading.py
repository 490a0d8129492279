"""What one does with answers and questions: apply code where it belongs, yank, go about, name and pin what goes along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nvim_child import NvimChild

from cmt_lsp.simulator import Simulator

SOURCE = "vim.api.nvim_buf_get_lines(vim.fn.bufnr('main.py'), 0, -1, true)"
PROMPT = "vim.fn.getbufline('cmt://prompt/1', 1, '$')"


def ask(nvim: NvimChild, command: str) -> None:
    nvim.command(command)
    nvim.wait("#require('cmt.turn').running() == 0")


def go_to(nvim: NvimChild, text: str) -> None:
    """Put the cursor on the last place of a text in the transcript."""
    nvim.lua("vim.api.nvim_set_current_win(vim.fn.bufwinid('cmt://chat/1'))")
    nvim.lua("vim.fn.cursor(1, 1); vim.fn.search(..., 'bw')", text)


def apply_all(nvim: NvimChild) -> list[str]:
    """Take the whole proposal; the lines of the file."""
    nvim.keys("gp")
    nvim.wait("#vim.api.nvim_list_tabpages() == 2 and vim.wo.diff")
    nvim.keys("ga")
    nvim.wait("#vim.api.nvim_list_tabpages() == 1")
    lines: list[str] = nvim.lua(f"return {SOURCE}")
    return lines


def test_code_goes_where_its_own_question_was_about(nvim: NvimChild, sim: Simulator) -> None:
    """Of two questions the first one's code, after the second one's was taken and lines came above."""
    sim.reply_with("```python\ndef one():\n    return 11\n```", "```python\ndef two():\n    return 22\n```")
    ask(nvim, "1,2Cmt ask one")
    ask(nvim, "5,6Cmt ask two")
    nvim.call("nvim_buf_set_lines", nvim.lua("return vim.fn.bufnr('main.py')"), 0, 0, True, ["import os", ""])
    go_to(nvim, "return 22")
    assert apply_all(nvim)[-2:] == ["def two():", "    return 22"]
    go_to(nvim, "return 11")
    assert apply_all(nvim) == [
        *("import os", "", "def one():", "    return 11", "", ""),
        *("def two():", "    return 22"),
    ]


def test_code_is_found_after_the_whole_buffer_was_written_anew(nvim: NvimChild, sim: Simulator) -> None:
    """As a formatter does, or `:edit!`: nothing can be followed through that, so its text is looked for."""
    sim.reply_with("```python\ndef two():\n    return 22\n```")
    ask(nvim, "5,6Cmt ask two")
    lines = ["# new", "# head", *nvim.lua(f"return {SOURCE}")]
    buffer = nvim.lua("return vim.fn.bufnr('main.py')")
    nvim.call("nvim_buf_set_lines", buffer, 0, -1, True, ["gone"])
    nvim.call("nvim_buf_set_lines", buffer, 0, -1, True, lines)
    go_to(nvim, "return 22")
    assert apply_all(nvim) == [*lines[:-1], "    return 22"]


@pytest.mark.parametrize(
    ("keys", "answer", "line"),
    [
        pytest.param("2G$viw", "22", "    return 22", id="a word of a line"),
        pytest.param("2G$viw", "    return 22", "    return 22", id="the whole line for a word"),
        pytest.param("2GV", "    return 22", "    return 22", id="a line"),
    ],
)
def test_characters_are_replaced_where_characters_were_selected(
    nvim: NvimChild, sim: Simulator, keys: str, answer: str, line: str
) -> None:
    """What stands before and after them in the line stays, once."""
    sim.reply_with(f"```\n{answer}\n```")
    nvim.keys(f"<Esc>{keys}:Cmt ask change<CR>")
    nvim.screen.wait_for("22", "out ")
    go_to(nvim, "22")
    assert apply_all(nvim)[1] == line


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        (["    return 3"], ["def one():", "    return 3", "", ""]),
        (["    # a", "    # b"], ["def one():", "    return 1", "    # a", "    # b"]),
    ],
)
def test_at_a_cursor_one_line_replaces_and_more_are_added(
    nvim: NvimChild, sim: Simulator, answer: list[str], lines: list[str]
) -> None:
    sim.reply_with("```\n" + "\n".join(answer) + "\n```")
    nvim.call("nvim_win_set_cursor", 0, [2, 0])
    ask(nvim, "Cmt ask change")
    go_to(nvim, answer[-1].strip())
    assert apply_all(nvim)[:4] == lines


def test_a_question_about_two_places_asks_which(nvim: NvimChild, sim: Simulator) -> None:
    """And a file that is gone is told of, with what to do."""
    sim.reply_with("```\n# changed\n```")
    nvim.command("1,2Cmt add!")
    nvim.command("5,6Cmt add!")
    nvim.screen.wait_for("main.py:1-2", "main.py:5-6")
    ask(nvim, "Cmt ask! change one")
    go_to(nvim, "# changed")
    nvim.keys("gp")
    nvim.screen.wait_for("Apply to")
    nvim.keys("<CR>")
    nvim.wait("vim.wo.diff")
    nvim.keys("q")
    nvim.wait("#vim.api.nvim_list_tabpages() == 1 and not vim.wo.diff")
    nvim.command("bwipeout! main.py")
    go_to(nvim, "# changed")
    nvim.keys("gp2G<CR>")
    nvim.screen.wait_for("is gone", "yank the code")


def test_an_answer_is_yanked_whole_and_the_outline_goes_to_headings(nvim: NvimChild, sim: Simulator) -> None:
    """Headings inside code are none."""
    sim.reply_with("# First part\n\n```sh\n# no heading\n```\n\n## Second part\n\nEnd.")
    ask(nvim, "Cmt ask parts")
    go_to(nvim, "End")
    nvim.keys("gY")
    nvim.wait("vim.fn.getreg('\"'):find('Second part')")
    nvim.keys("gO")
    text = nvim.screen.wait_for("Outline", "1  parts", "First part", "Second part")
    assert "4  " not in text
    nvim.keys("3G<CR>")
    nvim.wait("vim.api.nvim_get_current_line() == '## Second part'")


def test_what_can_be_done_is_offered(nvim: NvimChild, sim: Simulator) -> None:
    """Under the cursor of the transcript; going on from a turn makes a session that ends with it."""
    sim.reply_with("Answer one.", "Answer two.")
    ask(nvim, "Cmt ask first")
    ask(nvim, "Cmt ask second")
    go_to(nvim, "Answer one")
    nvim.keys("ga")
    text = nvim.screen.wait_for("Here", "go on from here in a new session")
    assert "ask this again" not in text
    nvim.keys("/go on<CR><CR>")
    nvim.screen.wait_for("cmt://chat/2", "Answer one.")
    assert "Answer two." not in nvim.screen.text


def test_earlier_questions_come_back_into_the_prompt(nvim: NvimChild, sim: Simulator) -> None:
    """At its edge; what was being written is there at the end."""
    sim.reply_with("One.", "Two.")
    ask(nvim, "Cmt ask first one")
    ask(nvim, "Cmt ask second one")
    nvim.lua("vim.api.nvim_set_current_win(vim.fn.bufwinid('cmt://prompt/1'))")
    nvim.keys("idraft<Up>")
    nvim.wait(f"{PROMPT}[1] == 'second one'")
    nvim.keys("<Up>")
    nvim.wait(f"{PROMPT}[1] == 'first one'")
    nvim.keys("<Up><Down><Down>")
    nvim.wait(f"{PROMPT}[1] == 'draft'")


def contents(sim: Simulator) -> str:
    """All text of the newest request's last message."""
    body: Any = sim.requests[-1].body
    return str(body["messages"][-1]["content"])


def test_an_at_sign_names_what_goes_along(nvim: NvimChild, sim: Simulator) -> None:
    """As the buffer has it, saved or not; a word that names nothing is a word."""
    nvim.call("nvim_buf_set_lines", 0, 0, 1, True, ["def unsaved():"])
    (Path(nvim.call("nvim_call_function", "getcwd", [])) / "notes.txt").write_text("From the disk.")
    nvim.lua(
        "vim.diagnostic.set(vim.api.nvim_create_namespace('t'), 0, { { lnum = 1, col = 0, message = 'odd return' } })"
    )
    nvim.command("Cmt")
    nvim.keys("isee @ma")
    nvim.wait(
        f"{PROMPT}[1] == 'see @ma' and vim.fn.pumvisible() == 1 and #vim.fn.complete_info({{ 'items' }}).items == 1"
    )
    nvim.keys("<C-n> and @notes.txt, @diagnostics or @nobody")
    nvim.screen.wait_for("+ main.py, notes.txt, diagnostics")
    nvim.keys("<C-s>")
    nvim.wait("#require('cmt.turn').running() == 0 and require('cmt.chat').current().last.settled")
    sent = contents(sim)
    assert all(words in sent for words in ("def unsaved():", "From the disk.", "odd return", "@nobody"))


def test_what_is_pinned_goes_along_as_it_is_at_that_moment(nvim: NvimChild, sim: Simulator) -> None:
    """Edits that are in no file too, before there is a session and after; unpinned it goes along no more."""
    nvim.command("Cmt pin")
    nvim.screen.wait_for("main.py goes along with every question")
    sim.reply_with("One.", "Two.", "Three.")
    ask(nvim, "Cmt ask! first")
    assert "return 1" in str(sim.requests[-1].body)
    nvim.call("nvim_buf_set_lines", 0, 1, 2, True, ["    return 77"])
    ask(nvim, "Cmt ask! second")
    assert "return 77" in str(sim.requests[-1].body)
    titles = nvim.lua("return vim.fn.getcompletion('Cmt unpin ', 'cmdline')")
    nvim.command(f"Cmt unpin {titles[0]}")
    nvim.screen.wait_for("goes along no more")
    ask(nvim, "Cmt ask! third")
    assert "return 77" not in str(sim.requests[-1].body)


def test_only_buffers_that_were_asked_about_are_followed(nvim: NvimChild, sim: Simulator) -> None:
    """Those of the chat never; after a restart the same ones again."""
    nvim.command("edit other.py")
    nvim.command("edit main.py")
    ask(nvim, "Cmt ask hello")
    followed = (
        "vim.tbl_map(function(b) return vim.fn.fnamemodify(vim.api.nvim_buf_get_name(b), ':t') end,"
        " vim.tbl_keys((vim.lsp.get_clients({ name = 'cmt_lsp' })[1] or { attached_buffers = {} }).attached_buffers))"
    )
    assert nvim.lua(f"return {followed}") == ["main.py"]
    nvim.command("Cmt restart")
    nvim.screen.wait_for("runs again")
    assert nvim.wait(f"#{followed} == 1 and {followed}") == ["main.py"]
