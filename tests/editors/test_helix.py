"""Helix with ten lines of configuration: the guide's keys, the real server, and what stands on the screen and in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from answers import AFTER, CHANGED, SEVERAL, TALK, flowing, held
from desk import CODE, Desk, all_gone
from guide import configuration, lines_of
from helix_child import HelixChild

from cmt_lsp.simulator import Simulator


@pytest.fixture(scope="module")
def shared(helix_path: str, module_desk: Desk) -> Iterator[HelixChild]:
    """One Helix for the tests that leave it as it was."""
    module_desk.file("first.py")
    helix = HelixChild(helix_path, module_desk, "first.py")
    yield helix
    helix.close()


@pytest.fixture
def sim(module_sim: Simulator) -> Simulator:
    """The endpoint, with nothing scripted and nothing seen."""
    module_sim.forget()
    return module_sim


@pytest.fixture
def code(shared: HelixChild, module_desk: Desk) -> Path:
    """A file of this test's own, open, with its first function selected."""
    path = module_desk.new_file()
    shared.open(path)
    shared.type("ggxx")
    shared.shows("1 sel  2:13")
    return path


@pytest.fixture
def own(helix_path: str, desk: Desk) -> Iterator[Callable[[], HelixChild]]:
    """Start a Helix of the test's own, with main.py open."""
    started: list[HelixChild] = []

    def start() -> HelixChild:
        desk.file("main.py")
        started.append(HelixChild(helix_path, desk, "main.py"))
        return started[-1]

    yield start
    for helix in started:
        helix.close()


def test_the_guide_asks_for_ten_lines_at_most() -> None:
    assert lines_of(*(configuration("helix", f"helix {name}.toml") for name in ("languages", "config"))) <= 10


def test_a_selection_is_changed_and_one_undo_takes_it_back(
    shared: HelixChild, sim: Simulator, code: Path
) -> None:
    sim.reply_with(CHANGED)
    shared.menu("Claude: improve lines 1-2")
    shared.choose("Claude: improve")
    shared.shows("return 11", "done.", "$")
    shared.save(code, AFTER)

    shared.type("u")
    shared.shows("return 1\n")
    shared.save(code, CODE)


def test_an_answer_to_read_is_shown_and_is_a_private_file(
    shared: HelixChild, sim: Simulator, code: Path, module_desk: Desk
) -> None:
    sim.reply_with(TALK)
    shared.menu("Claude: explain lines 1-2")
    shared.choose("Claude: explain")
    shown = shared.shows(TALK, "## You · Explain", "$")
    (path,) = module_desk.transcripts(TALK)
    assert path.stat().st_mode & 0o777 == 0o600
    assert "tokens in" in shown
    assert code.read_text() == CODE
    assert len(shared.servers) == 1


def test_a_question_below_the_last_heading_is_sent_and_answered_in_the_same_buffer(
    shared: HelixChild, sim: Simulator, code: Path
) -> None:
    sim.reply_with("The first answer of two.", "The second answer of two.")
    shared.menu("Claude: explain")
    shared.choose("Claude: explain")
    shared.shows("The first answer of two.", "## You\n")
    shared.type("geAAnd then?")
    shared.escape()
    shared.menu("Claude: send")
    shared.choose("Claude: send")
    shown = shared.shows("The second answer of two.")
    assert shown.index("And then?") < shown.index("The second")
    assert [message["role"] for message in sim.requests[-1].body["messages"]] == ["user", "assistant", "user"]
    shared.command("write!")
    shared.shows("written")
    shared.command("buffer-close")


def test_a_block_of_an_answer_is_put_where_it_was_asked_about(
    shared: HelixChild, sim: Simulator, code: Path
) -> None:
    sim.reply_with(SEVERAL)
    shared.menu("Claude: explain")
    shared.choose("Claude: explain")
    shared.shows("return 12")
    shared.type("/return 12\r")
    shared.menu("Claude: put this code")
    shared.choose("Claude: put this code")
    shared.open(code)
    shared.shows("return 12", "def two")
    shared.save(code, AFTER.replace("11", "12"))


def test_a_buffer_without_a_file_is_refused_by_helix_itself(shared: HelixChild, sim: Simulator) -> None:
    shared.command("new")
    shared.shows("[scratch]")
    shared.type("ix = 1")
    shared.escape()
    shared.type(" a")
    shared.shows("No configured language server supports code actions")
    shared.command("buffer-close!")
    shared.hides("[scratch]")
    assert sim.requests == []


def test_words_typed_in_the_command_line_are_asked_about_the_selection(
    shared: HelixChild, sim: Simulator, code: Path
) -> None:
    sim.reply_with(TALK)
    shared.type(" q")
    shared.shows('""')
    shared.type("Why one?\r")
    shared.shows(TALK, "Why one?")
    sent = sim.requests[-1].body["messages"][-1]["content"]
    assert sent[-1]["text"].endswith("Why one?")
    assert "lines 1 to 2 in one (python)" in str(sent)


def test_text_that_no_file_holds_yet_is_what_is_sent(shared: HelixChild, sim: Simulator, code: Path) -> None:
    shared.type("o# typed just now")
    shared.escape()
    shared.type("gg")
    shared.menu("Claude: explain")
    shared.choose("Claude: explain")
    assert "# typed just now" in str(sim.wait_arrived().body)
    assert code.read_text() == CODE
    shared.shows("## Claude")


def test_stop_closes_the_connection_and_keeps_what_had_come(
    shared: HelixChild, sim: Simulator, code: Path, module_desk: Desk
) -> None:
    sim.reply_with(flowing("A long answer. "))
    shared.menu("Claude: explain")
    shared.choose("Claude: explain")
    shared.shows(" tok,")
    shared.menu("Claude: stop")
    shared.choose("Claude: stop")
    assert sim.wait_finished().outcome == "peer_closed"
    shared.shows("A long answer", "stopped by you")
    assert module_desk.transcripts("A long answer")


def test_an_edit_that_comes_too_late_is_kept_and_the_text_is_left_alone(
    shared: HelixChild, sim: Simulator, code: Path
) -> None:
    sim.reply_with(held(CHANGED))
    shared.menu("Claude: improve")
    shared.choose("Claude: improve")
    sim.wait_stalled()
    shared.type("ggAx, y, z")
    shared.escape()
    sim.release()
    shared.shows("Not applied", "return 11")
    shared.command("buffer-close")
    shared.shows("def one():x, y, z", "return 1\n")
    shared.save(code, CODE.replace("one():", "one():x, y, z"))


def test_an_edit_follows_its_place_when_the_text_moved(
    shared: HelixChild, sim: Simulator, code: Path
) -> None:
    sim.reply_with(held(CHANGED))
    shared.menu("Claude: improve")
    shared.choose("Claude: improve")
    sim.wait_stalled()
    shared.type("ggO# typed meanwhile")
    shared.escape()
    sim.release()
    shared.shows("return 11", "done.")
    shared.save(code, f"# typed meanwhile\n{AFTER}")


def test_a_refused_budget_asks_with_the_safe_answer_first_and_sends_nothing(
    own: Callable[[], HelixChild], desk: Desk
) -> None:
    desk.settings("[budgets]\nturn = 0.000001\n")
    helix = own()
    helix.menu("Claude: explain")
    helix.choose("Claude: explain")
    helix.shows("Do not send", "Send this one")
    helix.type("\r")
    helix.hides("Send this one")
    helix.menu("Claude: allow this one")
    assert desk.sim.requests == []

    desk.sim.reply_with(TALK)
    helix.choose("Claude: allow this one")
    helix.shows(TALK)
    assert len(desk.sim.requests) == 1


def test_a_helix_that_is_killed_leaves_no_server_and_no_connection(
    own: Callable[[], HelixChild], desk: Desk
) -> None:
    desk.sim.reply_with(held("An answer that nobody waits for any more."))
    helix = own()
    helix.menu("Claude: explain")
    helix.choose("Claude: explain")
    desk.sim.wait_stalled()
    servers = helix.servers
    assert len(servers) == 1
    helix.process.kill()
    assert all_gone(servers)
    assert desk.sim.wait_finished().outcome == "peer_closed"
