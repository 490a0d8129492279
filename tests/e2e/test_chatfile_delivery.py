"""Transcripts through the pipe: where an answer goes, in editors that help and in editors that do not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.server.chatfile import COMMANDS
from cmt_lsp.simulator import Answer, Fault, Simulator, simulator_in_thread

from .acting_editor import CAPABLE, ActingEditor, Manners, path_of
from .conftest import MakeEditor, close
from .editor import CANARY, Editor, find_canary, wait_until

END = "## You\n\n"
ERROR = {"error": {"code": -32603, "message": "Edits require version 1, you have 2"}}
TOO_LATE: dict[str, Any] = {"result": {"applied": False, "failureReason": "it has changed"}}


class Reader:
    """A person with transcripts in one window."""

    def __init__(self, editor: Editor, sim: Simulator, world: Path) -> None:
        self.editor = editor
        self.acting = ActingEditor(editor)
        self.sim = sim
        self.world = world

    def session(self, *turns: str) -> str:
        """A session with a turn for each answer; no word of it is in any file yet."""
        session = self.editor.session(name="Why one")
        self.sim.reply_with(*(Answer(text=text) for text in turns))
        for number, _ in enumerate(turns):
            self.editor.chat(f"question {number}", sessionId=session)
        return session

    def transcript(self, session: str) -> Path:
        """Open the session's transcript by its command; its path."""
        self.acting.command("cmt.transcript", {"sessionId": session})
        return self.shown()

    def opened(self, session: str, typed: str = "") -> str:
        """The session's transcript, open in the editor, with something written at its end."""
        path = self.transcript(session)
        return self.acting.open(path, path.read_text() + typed, "markdown")

    def shown(self) -> Path:
        """The next file that the editor is asked to show."""
        return path_of(self.acting.until(lambda m: m["method"] == "window/showDocument")["params"]["uri"])

    def send(self, uri: str, *answers: str | Answer) -> None:
        """Send what is written at the end."""
        self.sim.reply_with(*answers)
        self.acting.command("cmt.send", {"uri": uri})

    def text_with(self, uri: str, words: str) -> str:
        """The text of a transcript once it holds some words."""
        if words not in self.acting.text(uri):
            self.acting.until(lambda m: m["method"] == "workspace/applyEdit")
        assert words in self.acting.text(uri)
        return self.acting.text(uri)

    def told(self, words: str) -> str:
        """The next message to the person that holds some words."""
        return str(
            self.acting.until(
                lambda m: m["method"] == "window/showMessage" and words in m["params"]["message"]
            )["params"]["message"]
        )

    def type_at_end(self, uri: str, text: str) -> None:
        """Go on writing."""
        document = self.acting.documents[uri]
        end = document.position(len(document.text))
        self.acting.type(uri, {"start": end, "end": end}, text)


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A good editor on one server for the module."""
    world = tmp_path_factory.mktemp("world")
    with simulator_in_thread(api_key=CANARY) as sim, Editor(world, sim.base_url) as editor:
        editor.open(CAPABLE, rootUri=world.as_uri())
        yield Reader(editor, sim, world)
        close(editor)
    assert find_canary(world) == []


@pytest.fixture
def reader(window: Reader) -> Reader:
    """The module's window with good manners and nothing open."""
    for uri in list(window.acting.documents):
        window.acting.close(uri)
    window.acting.manners = Manners()
    window.acting.told.clear()
    window.acting.shown.clear()
    window.acting.edits.clear()
    return window


def another(
    make_editor: MakeEditor, sim: Simulator, world: Path, capabilities: dict[str, Any] | None = None
) -> Reader:
    """Another window."""
    editor = make_editor()
    editor.open(CAPABLE if capabilities is None else capabilities, rootUri=world.as_uri())
    return Reader(editor, sim, world)


# --- files


def test_a_transcript_is_a_private_file_that_is_told_apart_by_its_name(reader: Reader) -> None:
    """Day, minute, name and the end of the session's id; a second one is another file."""
    session = reader.session("It is one.")
    paths = [reader.transcript(session), reader.transcript(session)]
    tag = session[-8:]
    names = [re.fullmatch(rf"20\d\d-\d\d-\d\d-\d{{4}}-why-one-{tag}(-\d)?\.md", path.name) for path in paths]
    assert all(names), paths
    assert paths[0] != paths[1]
    assert [path.stat().st_mode & 0o777 for path in (*paths, paths[0].parent)] == [0o600, 0o600, 0o700]
    text = paths[0].read_text()
    assert text.startswith(f"# Why one\n\n<!-- cmt session {session}. ")
    assert "## You\n\nquestion 0\n\n## Claude · " in text
    assert "\n\nIt is one.\n\n*" in text
    assert text.endswith(END)


def test_an_open_transcript_is_shown_again_as_long_as_it_has_every_turn(reader: Reader) -> None:
    """One that was left behind by a turn from elsewhere makes place for a new file."""
    session = reader.session("One.")
    uri = reader.opened(session)
    assert reader.transcript(session) == path_of(uri)
    reader.sim.reply_with("Two.")
    reader.editor.chat("from a panel", sessionId=session)
    path = reader.transcript(session)
    assert path != path_of(uri)
    assert "\nTwo.\n" in path.read_text()


def test_no_word_of_a_question_is_in_a_file_name(reader: Reader) -> None:
    """A session that nobody named has its first question as its name, and so has its fork."""
    reader.sim.reply_with("One.")
    session = reader.editor.result("cmt/session/create", {})["id"]
    reader.editor.chat("hunter2 is the word", sessionId=session)
    fork = reader.editor.result("cmt/session/fork", {"sessionId": session})["id"]
    for one in (session, fork):
        path = reader.transcript(one)
        assert "hunter2" not in path.name
        assert "hunter2 is the word" in path.read_text()


def test_a_deleted_session_leaves_no_text_behind(reader: Reader) -> None:
    """Its transcripts go with it, copies that an editor made beside them too; those of others stay."""
    session, other = reader.session("Secret one."), reader.session("Other.")
    path, kept = reader.transcript(session), reader.transcript(other)
    path.with_name(f"{path.name}~").write_text(path.read_text())
    path.with_name(f".{path.name}.swp").write_text(path.read_text())
    reader.editor.result("cmt/session/delete", {"sessionId": session})
    assert [one.name for one in path.parent.iterdir() if session[-8:] in one.name] == []
    assert kept.exists()


def test_a_transcript_whose_session_is_gone_says_so(reader: Reader) -> None:
    session = reader.session("One.")
    uri = reader.opened(session, "And?")
    reader.editor.result("cmt/session/delete", {"sessionId": session})
    reader.acting.command("cmt.send", {"uri": uri})
    reader.told("No session has this id")
    assert reader.acting.text(uri).endswith("And?")


def test_a_folder_that_is_somebody_elses_is_not_written_to(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """A link in the place of the folder: the answer stays in its session, and a sentence says so."""
    reader = another(make_editor, sim, world)
    session = reader.session("One.")
    (world / "elsewhere").mkdir()
    (world / "state" / "transcripts").symlink_to(world / "elsewhere")
    reader.acting.command("cmt.transcript", {"sessionId": session})
    reader.told("is a symbolic link")
    assert list((world / "elsewhere").iterdir()) == []


# --- sending


def test_what_is_written_at_the_end_is_sent_and_answered_below(reader: Reader) -> None:
    """In its session, as one insertion that carries the version; the place for the next question comes last."""
    session = reader.session("One.")
    uri = reader.opened(session, "And\n\nnow?\n")
    before = reader.acting.text(uri)
    reader.send(uri, "Two.")
    after = reader.text_with(uri, "\nTwo.\n")
    assert after.startswith(before.rstrip("\n") + "\n\n## Claude · ")
    assert after.endswith(END)
    assert [turn["prompt"] for turn in reader.editor.turns(session)] == ["question 0", "And\n\nnow?"]
    (edit,) = reader.acting.edits
    (change,) = edit["edit"]["documentChanges"]
    assert change["textDocument"]["version"] == 0
    assert change["edits"][0]["range"]["start"] == change["edits"][0]["range"]["end"]


def test_what_is_typed_while_it_runs_stays_below_the_answer(reader: Reader) -> None:
    session = reader.session("One.")
    uri = reader.opened(session, "Next?")
    reader.sim.fail_next(Fault.stall(after_events=2))
    reader.send(uri, Answer(text="Two."))
    wait_until(lambda: any(request.stalled for request in reader.sim.requests[-1:]), 20)
    reader.type_at_end(uri, "\n\nAnd one more thing")
    reader.sim.release()
    after = reader.text_with(uri, "\nTwo.\n")
    assert after.endswith(f"{END}\nAnd one more thing")
    reader.send(uri, "Three.")
    reader.text_with(uri, "\nThree.\n")
    assert reader.editor.turns(session)[-1]["prompt"] == "And one more thing"


def test_a_question_that_was_rewritten_while_it_ran_stays(reader: Reader) -> None:
    """The turn goes above it, with the question as it was sent."""
    session = reader.session("One.")
    uri = reader.opened(session, "Next?")
    reader.sim.fail_next(Fault.stall(after_events=2))
    reader.send(uri, Answer(text="Two."))
    wait_until(lambda: any(request.stalled for request in reader.sim.requests[-1:]), 20)
    reader.acting.type(uri, reader.acting.documents[uri].range_of("Next?"), "Something else")
    reader.sim.release()
    after = reader.text_with(uri, "\nTwo.\n")
    assert re.search(r"## You\n\nNext\?\n\n## Claude .*\n\nTwo\.\n\n\*.*\n\n## You\n\nSomething else$", after)


def test_history_is_what_the_store_holds(reader: Reader) -> None:
    """An answer that somebody changed in the file is sent as it was."""
    session = reader.session("It is one.")
    uri = reader.opened(session, "Sure?")
    reader.acting.type(uri, reader.acting.documents[uri].range_of("It is one."), "It is two.")
    reader.send(uri, "Yes.")
    reader.text_with(uri, "\nYes.\n")
    sent = str(reader.sim.requests[-1].body["messages"])
    assert "It is one." in sent
    assert "It is two." not in sent


def test_the_last_question_can_be_asked_again(reader: Reader) -> None:
    """The new answer stands below the one that it replaces in the session."""
    session = reader.session("One.", "Two.")
    uri = reader.opened(session)
    reader.sim.reply_with("Better.")
    last = reader.acting.documents[uri].range_of("Two.")
    reader.acting.choose(uri, last, "ask the last question again")
    after = reader.text_with(uri, "\nBetter.\n")
    assert "\nTwo.\n" in after
    assert "## You · Ask again\n\n## Claude" in after
    assert [(t["prompt"], t["text"]) for t in reader.editor.turns(session)] == [
        ("question 0", "One."),
        ("question 1", "Better."),
    ]
    reader.acting.close(uri)
    assert "## You · Ask again\n\nquestion 1\n\n## Claude" in reader.transcript(session).read_text()


def test_one_can_go_on_from_an_earlier_answer(reader: Reader) -> None:
    """In a new session whose transcript ends there; the old one stays."""
    session = reader.session("One.", "Two.")
    uri = reader.opened(session)
    first = reader.acting.documents[uri].range_of("One.")
    reader.acting.choose(uri, first, "go on from this answer")
    text = reader.shown().read_text()
    assert "\nOne.\n" in text
    assert "\nTwo.\n" not in text
    assert session not in text
    assert len(reader.editor.turns(session)) == 2


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [("", "Nothing is written below"), ("\n \n", "Nothing is written below")],
)
def test_nothing_to_send_is_told(typed: str, sentence: str, reader: Reader) -> None:
    uri = reader.opened(reader.session("One."), typed)
    asked = len(reader.sim.requests)
    assert "cmt.send" not in offered(reader, uri)
    reader.acting.command("cmt.send", {"uri": uri})
    reader.told(sentence)
    assert len(reader.sim.requests) == asked


def test_a_failed_question_changes_nothing_and_can_be_sent_again(reader: Reader) -> None:
    session = reader.session("One.")
    uri = reader.opened(session, "Next?")
    before = reader.acting.text(uri)
    reader.sim.fail_next(Fault.status(400, message="too bad"))
    reader.acting.command("cmt.send", {"uri": uri})
    reader.told("too bad")
    assert reader.acting.text(uri) == before
    reader.send(uri, "Two.")
    reader.text_with(uri, "\nTwo.\n")


def test_words_with_the_command_are_sent_to_the_open_transcript(reader: Reader) -> None:
    """As Helix and Kakoune send them; what is written at the end stays."""
    session = reader.session("One.")
    uri = reader.opened(session, "not yet")
    reader.sim.reply_with("Two.")
    reader.acting.command("cmt.send", "from the command line")
    after = reader.text_with(uri, "\nTwo.\n")
    assert after.endswith(f"{END}not yet")
    assert reader.editor.turns(session)[-1]["prompt"] == "from the command line"


def test_a_transcript_that_the_editor_does_not_tell_of_is_sent_as_it_was_saved(reader: Reader) -> None:
    """Where Markdown is none of the editor's business with us: by its command alone, and the answer is a new file."""
    session = reader.session("One.")
    path = reader.transcript(session)
    with path.open("a") as file:
        file.write("Saved?")
    reader.sim.reply_with("Two.")
    reader.acting.command("cmt.send")
    answered = reader.shown()
    assert answered != path
    assert re.search(r"## You\n\nSaved\?\n\n## Claude .*\n\nTwo\.\n", answered.read_text())
    for other in (reader.world / "x.md", path.with_name("missing.md"), path.with_name("..")):
        reader.acting.command("cmt.send", {"uri": other.as_uri()})
        reader.told("no transcript")


def test_without_a_transcript_the_commands_say_how_to_open_one(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    reader = another(make_editor, sim, world)
    for name in ("cmt.send", "cmt.again", "cmt.apply", "cmt.fork"):
        reader.acting.command(name)
        reader.told("cmt.transcript")


def test_without_a_session_the_command_opens_a_new_one(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """A place to write in a window that asked nothing yet; after a restart it is the same one."""
    reader = another(make_editor, sim, world)
    reader.acting.command("cmt.transcript")
    path = reader.shown()
    assert path.read_text().endswith(END)
    uri = reader.acting.open(path, path.read_text() + "Hello?", "markdown")
    reader.send(uri, "Hello.")
    reader.text_with(uri, "\nHello.\n")
    reader.editor.leave()
    later = another(make_editor, sim, world)
    later.acting.command("cmt.transcript")
    assert "\nHello.\n" in later.shown().read_text()


def test_another_window_goes_on_in_a_transcript_by_its_id(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """As after a restart: what the first window wrote is all that the second one knows."""
    first = another(make_editor, sim, world)
    session = first.session("One.")
    path = first.transcript(session)
    first.editor.leave()
    second = another(make_editor, sim, world)
    uri = second.acting.open(path, path.read_text() + "Next?", "markdown")
    second.send(uri, "Two.")
    second.text_with(uri, "\nTwo.\n")
    assert len(second.editor.turns(session)) == 2


# --- bad manners


@pytest.mark.parametrize("refusal", [TOO_LATE, ERROR, {"result": None}, {"result": "what"}])
def test_a_refused_edit_leaves_the_answer_in_a_new_file(refusal: dict[str, Any], reader: Reader) -> None:
    """The old file and its text stay as they are, and the message names both."""
    session = reader.session("One.")
    uri = reader.opened(session, "Next?")
    before = reader.acting.text(uri)
    reader.acting.manners.edit = lambda _: refusal
    reader.send(uri, "Two.")
    path = reader.shown()
    assert path != path_of(uri)
    assert "\nOne.\n" in path.read_text()
    assert re.search(r"## You\n\nNext\?\n\n## Claude .*\n\nTwo\.\n", path.read_text())
    assert reader.acting.text(uri) == before
    (told,) = [one["message"] for one in reader.acting.told if path.name in one["message"]]
    assert path_of(uri).name in told


def test_an_editor_that_takes_no_edits_gets_a_new_file_for_each_answer(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """And where it cannot show one either, a message it cannot hide names the path."""
    reader = another(make_editor, sim, world, {})
    session = reader.session("One.")
    reader.acting.command("cmt.transcript", {"sessionId": session})
    path = _named(reader.told(".md"))
    uri = reader.acting.open(path, path.read_text() + "Next?", "markdown")
    reader.send(uri, "Two.")
    told = reader.told(".md")
    assert "lets no server change a text" in told
    assert "\nTwo.\n" in _named(told).read_text()
    assert reader.acting.told[-1]["type"] == 2


@pytest.mark.parametrize("answer", [{"result": {"success": False}}, ERROR, {"result": None}])
def test_a_file_that_cannot_be_shown_is_named(answer: dict[str, Any], reader: Reader) -> None:
    reader.acting.manners.show = lambda _: answer
    path = reader.transcript(reader.session("One."))
    assert _named(reader.told(".md")) == path


def test_an_edit_that_is_applied_whatever_its_version_destroys_nothing(reader: Reader) -> None:
    """Half of the editors do so: the person typed, and the server did not know yet."""
    uri = reader.opened(reader.session("One."), "Next?")
    document = reader.acting.documents[uri]

    def rude(params: dict[str, Any]) -> dict[str, Any]:
        document.replace(document.range_of("One."), "One. A note of mine.")
        return reader.acting.apply(params, rude=True)

    reader.acting.manners.edit = rude
    before = document.text
    reader.send(uri, "Two.")
    after = reader.text_with(uri, "Two.")
    assert "A note of mine." in after
    kept = iter(after)
    assert all(char in kept for char in before), "every character is still there, in order"


def test_a_closed_transcript_is_never_written_again(reader: Reader) -> None:
    """It may be open in an editor that did not tell; its answers go to a new file."""
    session = reader.session("One.")
    uri = reader.opened(session, "Next?")
    path = path_of(uri)
    on_disk = path.read_bytes()
    reader.sim.fail_next(Fault.stall(after_events=2))
    reader.send(uri, Answer(text="Two."))
    wait_until(lambda: any(request.stalled for request in reader.sim.requests[-1:]), 20)
    reader.acting.close(uri)
    reader.sim.release()
    assert "\nTwo.\n" in reader.shown().read_text()
    assert path.read_bytes() == on_disk


def test_a_transcript_that_was_deleted_on_disk_is_still_added_to(reader: Reader) -> None:
    session = reader.session("One.")
    uri = reader.opened(session, "Next?")
    path_of(uri).unlink()
    reader.send(uri, "Two.")
    reader.text_with(uri, "\nTwo.\n")
    assert not path_of(uri).exists()


def test_a_forged_file_is_no_transcript(reader: Reader) -> None:
    """Wherever else it lies: nothing is offered for it, and the commands do not know it."""
    session = reader.session("One.")
    text = reader.transcript(session).read_text() + "Next?"
    for path in (reader.world / "x.md", reader.world / "state" / "transcripts" / "deep" / "x.md"):
        uri = reader.acting.open(path, text, "markdown")
        assert not offered(reader, uri) & set(COMMANDS)
        reader.acting.command("cmt.send", {"uri": uri})
        reader.told("no transcript")
    odd = path_of(uri).parents[1] / ".." / "transcripts" / ".." / "x.md"
    assert reader.editor.result("textDocument/documentSymbol", {"textDocument": {"uri": odd.as_uri()}}) == []


def test_a_transcript_without_its_first_lines_says_what_to_do(reader: Reader) -> None:
    path = reader.transcript(reader.session("One."))
    uri = reader.acting.open(path, "Next?", "markdown")
    reader.acting.command("cmt.send", {"uri": uri})
    reader.told("cmt.transcript")


# --- code


def test_a_block_of_an_answer_is_put_in_the_place_that_was_asked_about(reader: Reader) -> None:
    """By the person's choice, where the cursor stands; a place that was changed meanwhile is left alone."""
    uri = reader.acting.open(reader.world / "one.py", "def one():\n    return 1\n\n\nx = 2\n")
    reader.sim.reply_with(
        Answer(text="Like so:\n\n```python\ndef one():\n    return 11\n```\n\nOr\n\n```\npass\n```\n")
    )
    reader.acting.choose(uri, "def one():\n    return 1", "explain")
    path = reader.shown()
    transcript = reader.acting.open(path, path.read_text(), "markdown")
    assert "[one.py, lines 1 to 2](" in path.read_text()
    inside = reader.acting.documents[transcript].range_of("return 11")
    reader.acting.choose(transcript, inside, "put this code in its place")
    assert reader.text_with(uri, "return 11") == "def one():\n    return 11\n\n\nx = 2\n"
    reader.acting.choose(transcript, inside, "put this code in its place")
    reader.told("not put in its place")
    prose = reader.acting.documents[transcript].range_of("Like so")
    assert "cmt.apply" not in offered(reader, transcript, prose)


def test_code_without_a_known_place_is_not_offered_to_be_put_anywhere(reader: Reader) -> None:
    """As in a chat, or after a restart; the command says so."""
    uri = reader.opened(reader.session("So:\n\n```python\nx = 1\n```"))
    inside = reader.acting.documents[uri].range_of("x = 1")
    assert "cmt.apply" not in offered(reader, uri, inside)
    reader.acting.command("cmt.apply", {"uri": uri, "range": inside})
    reader.told("does not know the place")


def test_an_answer_goes_into_the_transcript_that_its_question_was_typed_in(reader: Reader) -> None:
    """Though another one of the session was opened later."""
    session = reader.session("One.")
    path = reader.transcript(session)
    first, second = (
        reader.acting.open(one, path.read_text() + "Next?", "markdown")
        for one in (path, reader.transcript(session))
    )
    reader.send(first, "Two.")
    reader.text_with(first, "\nTwo.\n")
    assert "Two." not in reader.acting.text(second)


def test_a_session_that_was_asked_elsewhere_grows_in_the_open_transcript(reader: Reader) -> None:
    """An answer to a question about code, in a session whose transcript is open: above what is being typed."""
    session = reader.session("One.")
    uri = reader.opened(session, "half a ques")
    code = reader.acting.open(reader.world / "two.py", "x = 2\n")
    reader.sim.reply_with("About two.")
    place = reader.acting.documents[code].range_of("x = 2")
    reader.acting.command("cmt.ask", {"uri": code, "range": place, "text": "What?", "sessionId": session})
    after = reader.text_with(uri, "About two.")
    assert after.endswith(f"{END}half a ques")
    assert reader.shown() == path_of(uri)


def offered(reader: Reader, uri: str, place: dict[str, Any] | None = None) -> set[str]:
    """The commands behind the menu."""
    return {action["command"]["command"] for action in reader.acting.actions(uri, place)}


def _named(told: str) -> Path:
    """The last path in a message."""
    return Path(re.findall(r"(/\S+\.md)", told)[-1])
