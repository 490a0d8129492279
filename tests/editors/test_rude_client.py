"""Editors of bad manners: whatever they ignore, refuse or leave open, no text is lost and nothing is spent unasked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from answers import CHANGED, TALK, held
from rude_client import ALL, VIM_LSP, Manners, RudeClient

from cmt_lsp.simulator import Simulator, simulator_in_thread

CODE = "def one():\n    return 1\n\n\ndef two():\n    return '🐈 ä'  # two\n"
AFTER = CODE.replace("return 1", "return 11")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Simulator]:
    """One endpoint for all windows of the module."""
    with simulator_in_thread() as running:
        yield running


@pytest.fixture
def sim(endpoint: Simulator) -> Simulator:
    """The endpoint, with nothing scripted and nothing seen."""
    endpoint.forget()
    return endpoint


@pytest.fixture(scope="module")
def windows(endpoint: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RudeClient]]:
    """One window of each kind of editor, started when it is first wanted."""
    with ExitStack() as stack:
        started: dict[str, RudeClient] = {}

        class Windows(dict[str, RudeClient]):
            def __missing__(self, name: str) -> RudeClient:
                manners = next(one for one in ALL if one.name == name)
                world = tmp_path_factory.mktemp(re.sub(r"\W", "", name))
                self[name] = stack.enter_context(RudeClient(world, endpoint.base_url, manners))
                started[name] = self[name]
                return self[name]

        yield Windows()
        for window in started.values():
            window.vanish()
            window.check()


@pytest.fixture(params=ALL, ids=lambda manners: manners.name)
def window(request: pytest.FixtureRequest, windows: dict[str, RudeClient]) -> RudeClient:
    """Each kind of editor."""
    manners: Manners = request.param
    found = windows[manners.name]
    found.told.clear()
    found.asked.clear()
    found.edits.clear()
    return found


def opened(window: RudeClient, text: str = CODE) -> str:
    """A new file of the workspace, open."""
    return window.edit(window.world / "work" / f"code{len(window.texts)}.py", text)


def choose(window: RudeClient, uri: str, title: str, first: int = 0, last: int = 1) -> None:
    """Choose from the menu for some lines."""
    found = window.actions(uri, window.lines(uri, first, last))
    window.choose(next(action for name, action in found.items() if name.startswith(title)))


def test_whole_lines_are_changed_exactly_wherever_their_selection_ends(
    window: RudeClient, sim: Simulator
) -> None:
    uri = opened(window)
    sim.reply_with(CHANGED)
    choose(window, uri, "Claude: improve lines 1-2")
    window.until_told("done.")
    assert window.texts[uri] == AFTER
    assert len(window.edits) == 1


def test_wide_characters_are_counted_as_the_editor_counts(window: RudeClient, sim: Simulator) -> None:
    uri = opened(window, "x = '🐈🐈🐈 ä'; y = 1\nz = 2\n")
    sim.reply_with("```python\nx = '🐈🐈🐈 ö'; y = 1\n```")
    choose(window, uri, "Claude: improve line 1", 0, 0)
    window.until_told("done.")
    assert window.texts[uri] == "x = '🐈🐈🐈 ö'; y = 1\nz = 2\n"


def test_a_text_that_was_changed_is_left_alone_and_the_answer_is_kept(
    window: RudeClient, sim: Simulator
) -> None:
    uri = opened(window)
    sim.reply_with(held(CHANGED))
    choose(window, uri, "Claude: improve")
    sim.wait_stalled()
    mine = CODE.replace("return 1", "return 1 + 0")
    window.type(uri, mine)
    sim.release()
    window.until_told("not applied, since the text was changed")
    assert window.texts[uri] == mine
    assert window.edits == []
    assert "return 11" in transcript(window)


def test_a_text_that_moved_is_changed_where_it_now_stands(window: RudeClient, sim: Simulator) -> None:
    uri = opened(window)
    sim.reply_with(held(CHANGED))
    choose(window, uri, "Claude: improve")
    sim.wait_stalled()
    window.type(uri, f"# 🐈 typed meanwhile\n{CODE}")
    sim.release()
    window.until_told("done.")
    assert window.texts[uri] == f"# 🐈 typed meanwhile\n{AFTER}"


def test_an_answer_to_read_is_in_a_file_that_a_message_names(window: RudeClient, sim: Simulator) -> None:
    uri = opened(window)
    sim.reply_with(TALK)
    choose(window, uri, "Claude: explain")
    window.until_told("The answer is in")
    window.until_told(" out · $")
    assert TALK in transcript(window)
    assert window.texts[uri] == CODE


def test_a_budget_that_nobody_lifts_is_kept(window: RudeClient, sim: Simulator) -> None:
    uri = opened(window)
    window.run("cmt.budget.set", {"scope": "turn", "limitUsd": 0.000001})
    try:
        choose(window, uri, "Claude: explain")
        if window.manners.question is None:
            window.until(lambda: window.asked)
            choose(window, uri, "Claude: stop")
        window.until_told("nothing was sent")
        assert [asked["actions"][0]["title"] for asked in window.asked] in (
            [],
            ["Do not send"],
        )
        assert sim.requests == []

        sim.reply_with(TALK)
        choose(window, uri, "Claude: allow this one")
        window.until(lambda: sim.requests)
        window.until_told(" out · $")
        assert len(sim.requests) == 1
    finally:
        window.run("cmt.budget.set", {"scope": "turn", "limitUsd": None})


def test_a_document_without_a_file_is_asked_about_and_changed(window: RudeClient, sim: Simulator) -> None:
    uri = window.show(f"untitled:Untitled-{len(window.texts)}", CODE)
    sim.reply_with(CHANGED)
    choose(window, uri, "Claude: improve")
    window.until_told("done.")
    assert window.texts[uri] == AFTER


def test_a_file_outside_of_the_workspace_is_asked_about_when_it_is_open(
    window: RudeClient, sim: Simulator
) -> None:
    uri = window.edit(window.world / "elsewhere" / f"code{len(window.texts)}.py", CODE)
    sim.reply_with(TALK)
    choose(window, uri, "Claude: explain")
    window.until_told(" out · $")
    assert "def one" in str(sim.requests[0].body)


def test_an_empty_document_offers_nothing_and_its_command_says_why(
    window: RudeClient, sim: Simulator
) -> None:
    uri = opened(window, "")
    place = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
    assert not [title for title in window.actions(uri, place) if "allow" not in title]
    window.run("cmt.act", "improve", {"uri": uri, "range": place})
    window.until_told("There is no code")
    assert sim.requests == []


def test_a_place_that_was_sent_with_an_older_version_is_refused(window: RudeClient, sim: Simulator) -> None:
    uri = opened(window)
    version = window.versions[uri]
    window.type(uri, f"\n{CODE}")
    window.run("cmt.act", "improve", {"uri": uri, "range": window.lines(uri, 0, 1), "version": version})
    window.until_told("select it again")
    assert sim.requests == []


def test_a_window_that_just_goes_leaves_no_connection(sim: Simulator, tmp_path: Path) -> None:
    with RudeClient(tmp_path, sim.base_url, VIM_LSP) as window:
        uri = opened(window)
        sim.reply_with(held(TALK))
        choose(window, uri, "Claude: explain")
        sim.wait_stalled()
        window.close_input()
        window.exit_code()
    assert sim.wait_finished().outcome == "peer_closed"


def transcript(window: RudeClient) -> str:
    """The newest transcript of a window's world."""
    paths = (window.world / "state" / "transcripts").glob("*.md")
    return max(paths, key=lambda path: path.stat().st_mtime_ns).read_text(encoding="utf-8")
