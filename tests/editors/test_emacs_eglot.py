"""Eglot with the guide's configuration, in an Emacs without a screen: what it does with edits, transcripts and a stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from answers import AFTER, CHANGED, SEVERAL, TALK, flowing, held
from desk import CODE, Desk, all_gone, servers_below
from emacs_child import EmacsChild, EmacsError
from guide import configuration, lines_of

from cmt_lsp.simulator import Simulator

CONFIGURATION = configuration("emacs") + configuration("emacs", "emacs commands")
FIRST = "1 25"
"""The region of the first function, its line end inside."""


@pytest.fixture(scope="module")
def emacs(emacs_path: str, module_desk: Desk) -> Iterator[EmacsChild]:
    """One Emacs for all tests here."""
    started = EmacsChild(emacs_path, module_desk, CONFIGURATION)
    yield started
    started.close()


@pytest.fixture
def sim(module_sim: Simulator) -> Simulator:
    """The endpoint, with nothing scripted and nothing seen."""
    module_sim.forget()
    return module_sim


@pytest.fixture
def code(emacs: EmacsChild, module_desk: Desk) -> Path:
    """A file of this test's own, in the only window."""
    path = module_desk.new_file()
    emacs.do(f'(progn (delete-other-windows) (bed-open "{path}") (bed-forget))')
    return path


def text_of(emacs: EmacsChild, path: Path) -> str:
    """What the buffer of a file holds."""
    text: str = emacs.do(f'(with-current-buffer (get-file-buffer "{path}") (buffer-string))')
    return text


def answer(emacs: EmacsChild, sim: Simulator, desk: Desk, text: str) -> Path:
    """The transcript of an answer about the first function."""
    known = set(desk.transcripts())
    sim.reply_with(text)
    emacs.do(f'(bed-choose "Claude: explain" {FIRST})')
    (path,) = emacs.until(lambda: set(desk.transcripts()) - known)
    emacs.wait(f'(get-file-buffer "{path}")')
    return path


def test_the_guide_asks_for_ten_lines_at_most() -> None:
    assert lines_of(configuration("emacs")) <= 10


def test_a_selection_is_changed_and_one_undo_takes_it_back(
    emacs: EmacsChild, sim: Simulator, code: Path
) -> None:
    sim.reply_with(CHANGED)
    emacs.do(f'(bed-choose "Claude: improve lines 1-2" {FIRST})')
    emacs.wait("(buffer-modified-p)")
    emacs.do("(save-buffer)")
    assert code.read_text() == AFTER

    emacs.do("(progn (undo-boundary) (undo) (save-buffer))")
    assert code.read_text() == CODE
    emacs.wait('(string-search "return 1" (buffer-string))')


def test_an_answer_to_read_is_shown_beside_the_code(
    emacs: EmacsChild, sim: Simulator, code: Path, module_desk: Desk
) -> None:
    sim.reply_with(TALK)
    emacs.do(f'(bed-choose "Claude: explain lines 1-2" {FIRST})')
    shown = emacs.wait(f'(bed-shown "{TALK}")')
    (path,) = module_desk.transcripts(TALK)
    assert shown == path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert emacs.do("(buffer-name (window-buffer))") == code.name
    assert emacs.do(f'(with-current-buffer (get-file-buffer "{path}") (eglot-managed-p))')
    assert len(servers_below(emacs.process.pid)) == 1
    emacs.told("Claude: explain lines 1-2", "$")


def test_a_question_below_the_last_heading_is_sent_and_answered_in_the_same_buffer(
    emacs: EmacsChild, sim: Simulator, code: Path, module_desk: Desk
) -> None:
    transcript = answer(emacs, sim, module_desk, "The first answer of two.")
    sim.reply_with("The second answer of two.")
    emacs.do(f'(progn (find-file "{transcript}") (goto-char (point-max)) (insert "And then?"))')
    emacs.do('(bed-choose "Claude: send" (point) (point))')
    shown = emacs.wait('(bed-shown "The second answer of two.")')
    assert shown.index("The first") < shown.index("And then?") < shown.index("The second")
    sent = sim.requests[-1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert "The second" not in transcript.read_text()
    emacs.do("(save-buffer)")
    assert "The second" in transcript.read_text()


def test_a_block_of_an_answer_is_put_where_it_was_asked_about(
    emacs: EmacsChild, sim: Simulator, code: Path, module_desk: Desk
) -> None:
    transcript = answer(emacs, sim, module_desk, SEVERAL)
    emacs.do(f'(progn (find-file "{transcript}") (goto-char 1) (search-forward "return 12"))')
    emacs.do('(bed-choose "Claude: put this code" (point) (point))')
    emacs.wait(
        f'(string-search "return 12" (with-current-buffer (get-file-buffer "{code}") (buffer-string)))'
    )
    assert text_of(emacs, code) == AFTER.replace("11", "12")


def test_typed_words_are_asked_about_the_region(emacs: EmacsChild, sim: Simulator, code: Path) -> None:
    sim.reply_with("Because two would be one too many.")
    emacs.do('(progn (push-mark 1 t t) (goto-char 25) (let ((transient-mark-mode t)) (cmt-ask "Why one?")))')
    emacs.wait('(bed-shown "Because two would be one too many.")')
    sent = sim.requests[-1].body["messages"][-1]["content"]
    assert sent[-1]["text"].endswith("Why one?")
    assert "lines 1 to 2 in one (python)" in str(sent)


def test_text_that_no_file_holds_yet_is_what_is_sent(emacs: EmacsChild, sim: Simulator, code: Path) -> None:
    emacs.do('(progn (goto-char 25) (insert "# typed just now\\n"))')
    emacs.do(f'(bed-choose "Claude: explain" {FIRST})')
    assert "# typed just now" in str(sim.wait_arrived().body)
    assert code.read_text() == CODE
    emacs.wait('(bed-shown "## Claude")')


@pytest.mark.parametrize("way", ['(bed-choose "Claude: stop" 1 1)', "(cmt-stop)"])
def test_stop_closes_the_connection_and_keeps_what_had_come(
    emacs: EmacsChild, sim: Simulator, code: Path, way: str
) -> None:
    sim.reply_with(flowing("A long answer. "))
    emacs.do(f'(bed-choose "Claude: explain" {FIRST})')
    emacs.wait('(bed-heard "tok,")')
    emacs.do(way)
    assert sim.wait_finished().outcome == "peer_closed"
    assert "A long answer" in emacs.wait('(bed-shown "stopped by you")')


def test_an_edit_that_comes_too_late_is_kept_and_the_text_is_left_alone(
    emacs: EmacsChild, sim: Simulator, code: Path
) -> None:
    sim.reply_with(held(CHANGED))
    emacs.do(f'(bed-choose "Claude: improve" {FIRST})')
    sim.wait_stalled()
    emacs.do('(progn (goto-char 9) (insert "x, y") (bed-idle))')
    sim.release()
    emacs.wait('(bed-shown "Not applied")')
    assert "return 11" in emacs.do('(bed-shown "Not applied")')
    assert text_of(emacs, code) == CODE.replace("()", "(x, y)", 1)


def test_an_edit_follows_its_place_when_the_text_moved(emacs: EmacsChild, sim: Simulator, code: Path) -> None:
    sim.reply_with(held(CHANGED))
    emacs.do(f'(bed-choose "Claude: improve" {FIRST})')
    sim.wait_stalled()
    emacs.do('(progn (goto-char 1) (insert "# typed meanwhile\\n") (bed-idle))')
    sim.release()
    emacs.wait('(string-search "return 11" (buffer-string))')
    assert text_of(emacs, code) == f"# typed meanwhile\n{AFTER}"


def test_a_buffer_without_a_file_is_refused_by_eglot_itself(emacs: EmacsChild, sim: Simulator) -> None:
    with pytest.raises(EmacsError):
        emacs.do('(with-temp-buffer (insert "x") (text-mode) (eglot-code-actions 1 1))')
    assert sim.requests == []


def test_an_emacs_that_is_killed_leaves_no_server_and_no_connection(emacs_path: str, desk: Desk) -> None:
    desk.sim.reply_with(held("An answer that nobody waits for any more."))
    emacs = EmacsChild(emacs_path, desk, CONFIGURATION)
    try:
        emacs.do(f'(bed-open "{desk.file("main.py")}")')
        emacs.do(f'(bed-choose "Claude: explain" {FIRST})')
        desk.sim.wait_stalled()
        servers = servers_below(emacs.process.pid)
        assert len(servers) == 1
        emacs.process.kill()
        assert all_gone(servers)
        assert desk.sim.wait_finished().outcome == "peer_closed"
    finally:
        emacs.close()
