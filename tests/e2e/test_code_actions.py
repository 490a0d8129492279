"""Code actions through the pipe: from the menu to the changed text or the transcript, in editors of all manners."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault, Simulator, simulator_in_thread

from .acting_editor import CAPABLE, ActingEditor, Manners
from .conftest import MakeEditor, close
from .editor import CANARY, Editor, wait_until

TEXT = "import os\n\n\ndef one(x):\n    return x\n\n\ndef two(y):\n    return y\n"
ONE, TWO = "def one(x):\n    return x", "def two(y):\n    return y"
NEW = "def one(x: int) -> int:\n    return x"
BLOCK = f"```python\n{NEW}\n```"
WIDE_LINE = 's = "日本 😀 é"; t = "😀"  # 😀'
WIDE = f"class A:\r\n    {WIDE_LINE}\r\n    u = 2\r\n"
PROBLEM = {
    "range": {"start": {"line": 4, "character": 4}, "end": {"line": 4, "character": 10}},
    "severity": 1,
    "source": "ruff",
    "code": "RET504",
    "message": "needless return",
}
TITLES = ["ask about", "explain", "improve", "document", "tests"]


class Bench:
    """A window, its endpoint, and a fresh document for each test."""

    def __init__(self, acting: ActingEditor, sim: Simulator, world: Path) -> None:
        self.acting = acting
        self.sim = sim
        self.world = world
        self._count = 0

    def document(self, text: str = TEXT, language: str = "python") -> str:
        """A new document; its uri."""
        self._count += 1
        return self.acting.open(self.world / f"file{self._count}.py", text, language)

    def answer(self, *answers: str | Answer) -> None:
        """Script the endpoint."""
        self.sim.reply_with(*answers)

    def sent(self) -> list[str]:
        """The texts of the newest request's last message."""
        return [block["text"] for block in self.sim.requests[-1].body["messages"][-1]["content"]]

    def streaming(self) -> None:
        """Wait until the newest answer has begun and hangs."""
        wait_until(lambda: any(request.stalled for request in self.sim.requests[-1:]), 20)

    def transcript(self) -> str:
        """The newest transcript."""
        return self.acting.shown[-1].read_text()


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A good editor on one server for the module."""
    world = tmp_path_factory.mktemp("world")
    with simulator_in_thread(api_key=CANARY) as sim, Editor(world, sim.base_url) as editor:
        editor.open(CAPABLE, rootUri=world.as_uri())
        yield Bench(ActingEditor(editor), sim, world)
        close(editor)


@pytest.fixture
def bench(window: Bench) -> Bench:
    """The module's window with good manners."""
    window.acting.manners = Manners()
    window.acting.edits.clear()
    window.acting.shown.clear()
    window.acting.told.clear()
    return window


def own_bench(
    make_editor: MakeEditor, sim: Simulator, world: Path, capabilities: dict[str, Any], **more: Any
) -> Bench:
    """A window of the test's own."""
    units = capabilities.get("general", {}).get("positionEncodings", ["utf-16"])[0]
    editor = make_editor(**more)
    editor.open(capabilities, rootUri=world.as_uri())
    return Bench(ActingEditor(editor, units), sim, world)


def titles(actions: list[dict[str, Any]]) -> list[str]:
    """Without the name that all have."""
    return [action["title"].removeprefix("Claude: ") for action in actions]


# --- the menu


def test_what_is_offered_says_what_it_is_about(bench: Bench) -> None:
    """A selection by its lines, a cursor by what encloses it; nothing is sent for it."""
    uri, before = bench.document(), len(bench.sim.requests)
    for selected, about in [
        (ONE, "lines 4-5"),
        ("return x", "line 5"),
        ("one", "one, lines 4-5"),
        (None, "line 1"),
    ]:
        found = bench.acting.actions(uri, selected)
        assert titles(found) == [f"{name} {about}" for name in TITLES]
    assert [action["kind"] for action in found] == [
        "claude",
        "claude",
        "refactor.rewrite",
        "refactor.rewrite",
        "claude",
    ]
    assert len(bench.sim.requests) == before


def test_problems_are_offered_to_be_fixed(bench: Bench) -> None:
    """First, as a quick fix, with the problems it belongs to."""
    uri = bench.document()
    fix, *others = bench.acting.actions(uri, "return", [PROBLEM])
    assert (fix["title"], fix["kind"]) == ("Claude: fix needless return", "quickfix")
    assert fix["diagnostics"] == [PROBLEM]
    assert titles(others)[0] == "ask about one, lines 4-5"
    two = bench.acting.actions(uri, "return", [PROBLEM, PROBLEM | {"message": "x" * 200}])
    assert two[0]["title"] == "Claude: fix 2 problems: needless return"


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (["refactor"], ["improve", "document"]),
        (["quickfix"], ["fix"]),
        (["claude"], ["ask", "explain", "tests"]),
        (["source.organizeImports"], []),
        (["source"], []),
        (["refactor.rewrite.more"], []),
        ([""], ["fix", "ask", "explain", "improve", "document", "tests"]),
        ([], ["fix", "ask", "explain", "improve", "document", "tests"]),
    ],
)
def test_the_editor_gets_the_kinds_it_asks_for(only: list[str], expected: list[str], bench: Bench) -> None:
    """Nothing of ours is `source`: editors run those by themselves when a file is saved, and ours cost money."""
    found = bench.acting.actions(bench.document(), "return", [PROBLEM], only=only)
    assert [title.split()[0] for title in titles(found)] == expected


def test_a_cursor_that_only_moves_is_offered_nothing(bench: Bench) -> None:
    """An editor that asks by itself would show a sign on every line; a selection and a problem are reasons."""
    uri = bench.document()
    assert bench.acting.actions(uri, triggerKind=2) == []
    assert bench.acting.actions(uri, ONE, triggerKind=2) != []
    assert bench.acting.actions(uri, None, [PROBLEM], triggerKind=2) != []
    assert bench.acting.actions(uri, triggerKind=1) != []


def test_nothing_is_offered_for_a_document_that_is_not_open(bench: Bench) -> None:
    """Not even where a file of that name exists."""
    path = bench.world / "closed.py"
    path.write_text(TEXT)
    start = {"line": 0, "character": 0}
    params = {
        "textDocument": {"uri": path.as_uri()},
        "range": {"start": start, "end": start},
        "context": {"diagnostics": []},
    }
    assert bench.acting.editor.result("textDocument/codeAction", params) == []
    assert bench.acting.actions(bench.document("\n \n")) == []
    assert bench.acting.actions(bench.document("")) == []


def test_ranges_that_make_no_sense_do_no_harm(bench: Bench) -> None:
    """The wrong way round, or beyond the text."""
    uri = bench.document()
    start, end, far = (
        {"line": 4, "character": 3},
        {"line": 3, "character": 0},
        {"line": 2**31 - 1, "character": 2**31 - 1},
    )
    assert titles(bench.acting.actions(uri, {"start": start, "end": end}))[0] == "ask about lines 4-5"
    assert titles(bench.acting.actions(uri, {"start": end, "end": far}))[0] == "ask about lines 4-9"
    assert titles(bench.acting.actions(uri, {"start": far, "end": far}))[0] == "ask about this file"


def test_an_editor_that_resolves_gets_the_command_when_it_is_chosen(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """In UTF-32, as Emacs counts; the edit is annotated with model and cost. Its options switch the menu off."""
    support = CAPABLE["textDocument"]["codeAction"] | {
        "dataSupport": True,
        "resolveSupport": {"properties": ["edit", "command"]},
    }
    edits = {"documentChanges": True, "changeAnnotationSupport": {}}
    capabilities = {
        "general": {"positionEncodings": ["utf-32"]},
        "textDocument": {"codeAction": support},
        "workspace": {"applyEdit": True, "workspaceEdit": edits},
    }
    bench = own_bench(make_editor, sim, world, CAPABLE | capabilities)
    uri = bench.document(WIDE)
    action = bench.acting.find(bench.acting.actions(uri, WIDE_LINE), "improve")
    assert "command" not in action
    resolved = bench.acting.editor.result("codeAction/resolve", action)
    assert resolved["command"]["command"] == "cmt.act"
    bench.answer('```python\ns = "naïve 😀"\n```')
    bench.acting.run(resolved)
    assert "done" in bench.acting.told_last()
    assert bench.acting.text(uri) == WIDE.replace(WIDE_LINE, 's = "naïve 😀"')
    edit = bench.acting.edits[-1]["edit"]
    (note,) = edit["changeAnnotations"].values()
    assert note["label"] == "Claude: improve line 2"
    assert "$" in note["description"]
    assert edit["documentChanges"][0]["edits"][0]["annotationId"] in edit["changeAnnotations"]
    options = {"settings": {"cmt": {"codeActions": False}}}
    bench.acting.editor.notify("workspace/didChangeConfiguration", options)
    assert bench.acting.actions(uri) == []


def test_initialize_tells_what_there_is(bench: Bench) -> None:
    """Kinds, that actions are resolved, and the commands, beside the operations."""
    told = next(
        m["result"] for m in bench.acting.editor.messages if "capabilities" in (m.get("result") or {})
    )
    kinds = ["quickfix", "refactor.rewrite", "claude"]
    capabilities = told["capabilities"]
    assert capabilities["codeActionProvider"] == {"codeActionKinds": kinds, "resolveProvider": True}
    commands = set(capabilities["executeCommandProvider"]["commands"])
    assert {"cmt.ask", "cmt.act", "cmt.stop", "cmt.allow", "cmt.chat"} <= commands


# --- edits


def test_an_answer_takes_the_place_of_what_was_selected(bench: Bench) -> None:
    """One edit, with label and version; then a last message with the cost; what was asked holds file, part and rule."""
    uri = bench.document()
    bench.answer(BLOCK)
    bench.acting.choose(uri, ONE + "\n", "improve")
    told = bench.acting.told_last()
    assert bench.acting.text(uri) == TEXT.replace(ONE, NEW)
    assert "Claude: improve lines 4-5: done." in told
    assert "$" in told
    (edit,) = bench.acting.edits
    assert edit["label"] == "Claude: improve lines 4-5"
    assert edit["edit"]["documentChanges"][0]["textDocument"] == {"uri": uri, "version": 0}
    file, part, question = bench.sent()
    assert TEXT in file
    assert part.startswith(
        f"Selection from {Path(uri).name}, lines 4 to 5 in one (python), document version 0, the part to replace\n"
    )
    assert ONE in part
    assert "one code block, fenced by ```," in question
    assert bench.acting.shown == []


def test_the_command_is_answered_before_anything_else_is_said(bench: Bench) -> None:
    """One editor loses a question that comes first, and another freezes until the answer.

    A token that came with the command ends with its answer, so nothing is told on it.
    """
    uri = bench.document()
    bench.answer(BLOCK)
    editor = bench.acting.editor
    command = bench.acting.find(bench.acting.actions(uri, ONE), "improve")["command"]
    start = len(editor.messages)
    params = {"command": command["command"], "arguments": command["arguments"], "workDoneToken": "theirs"}
    request = editor.ask("workspace/executeCommand", params)
    assert "done" in bench.acting.told_last()
    since = editor.messages[start:]
    answered = next(at for at, message in enumerate(since) if message.get("id") == request)
    offered = next(at for at, message in enumerate(since) if "workDoneProgress" in message.get("method", ""))
    assert answered < offered
    assert editor.values("theirs") == []
    assert editor.values(bench.acting.tokens[-1])[-1]["kind"] == "end"


def test_problems_go_along_with_the_code_around_them(bench: Bench) -> None:
    """Message, source and line; the whole function is what is replaced."""
    uri = bench.document()
    bench.answer(BLOCK)
    bench.acting.choose(uri, "return", "fix", problems=[PROBLEM])
    assert "done" in bench.acting.told_last()
    *_, problems, question = bench.sent()
    assert "line 5: error: needless return [ruff RET504]" in problems
    assert question.startswith("Fix the reported problems.")
    assert bench.acting.text(uri) == TEXT.replace(ONE, NEW)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_lines_that_vanish_leave_no_empty_line(ends: str, bench: Bench) -> None:
    text = ends.join(["import os", "import re", "", "x = re"])
    uri = bench.document(text)
    bench.answer("```\n```")
    problem = PROBLEM | {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 9}}}
    bench.acting.choose(uri, "import os" + ends, "fix", problems=[problem])
    assert "done" in bench.acting.told_last()
    assert bench.acting.text(uri) == ends.join(["import re", "", "x = re"])


def test_positions_count_in_utf_16(bench: Bench) -> None:
    """As VS Code counts; CRLF stays, and indentation that the model left away comes back."""
    change_a_wide_line(bench)


def test_an_edit_lands_in_an_editor_that_knows_no_versions(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """In UTF-8, as Helix and Kakoune count."""
    capabilities = {"general": {"positionEncodings": ["utf-8"]}, "workspace": {"applyEdit": True}}
    bench = own_bench(make_editor, sim, world, CAPABLE | capabilities)
    change_a_wide_line(bench)
    assert set(bench.acting.edits[-1]["edit"]) == {"changes"}


def change_a_wide_line(bench: Bench) -> None:
    """Beside characters of one, two, three and four bytes: a line, and then a part of two."""
    uri = bench.document(WIDE)
    bench.answer('```python\ns = "naïve 😀"\n```')
    bench.acting.choose(uri, WIDE_LINE, "improve")
    assert "done" in bench.acting.told_last()
    assert bench.acting.text(uri) == WIDE.replace(WIDE_LINE, 's = "naïve 😀"')
    bench.answer("```python\nt\n```")
    bench.acting.choose(uri, '"naïve 😀"\r\n    u', "improve")
    assert "done" in bench.acting.told_last()
    assert bench.acting.text(uri) == "class A:\r\n    s = t = 2\r\n"


def test_an_unsaved_document_is_worked_on_like_any_other(bench: Bench) -> None:
    """It has no path, and nothing of a disk is read for it."""
    uri = bench.acting.open_uri("untitled:Untitled-1", TEXT)
    bench.answer(BLOCK, "Fine.")
    bench.acting.choose(uri, ONE, "improve")
    assert "done" in bench.acting.told_last()
    assert bench.acting.text(uri) == TEXT.replace(ONE, NEW)
    bench.acting.choose(uri, TWO, "explain")
    bench.acting.told_last()
    assert "Fine." in bench.transcript()


# --- texts that change meanwhile


def held(text: str = BLOCK) -> Answer:
    """An answer that hangs in its middle until it is released."""
    chunks = tuple(text[at : at + 6] for at in range(0, len(text), 6))
    return Answer(chunks=chunks, fault=Fault.stall(after_events=6))


def test_what_was_typed_elsewhere_moves_the_edit(bench: Bench) -> None:
    """Above and below the part, and by a whole new text: the edit lands where the part now is."""
    uri = bench.document()
    bench.answer(held())
    bench.acting.choose(uri, ONE, "improve")
    bench.streaming()
    start = {"line": 0, "character": 0}
    bench.acting.type(uri, {"start": start, "end": start}, "# é\nimport re\n")
    bench.acting.type(uri, bench.acting.documents[uri].range_of("return y"), "return -y")
    bench.acting.documents[uri].text = "#!\n" + bench.acting.text(uri)
    bench.acting.documents[uri].version += 1
    bench.acting.tell_change(uri, [{"text": bench.acting.text(uri)}])
    expected = bench.acting.text(uri).replace(ONE, NEW)
    bench.sim.release()
    assert "done" in bench.acting.told_last()
    assert bench.acting.text(uri) == expected


@pytest.mark.parametrize("how", ["inside", "around", "closed", "reopened"])
def test_a_changed_part_is_never_overwritten_and_the_answer_is_kept(how: str, bench: Bench) -> None:
    """The transcript holds the answer and the reason; no edit is even sent."""
    uri = bench.document()
    bench.answer(held())
    bench.acting.choose(uri, ONE, "improve")
    bench.streaming()
    if how == "inside":
        bench.acting.type(uri, bench.acting.documents[uri].range_of("return x"), "return 2 * x")
    elif how == "around":
        bench.acting.type(uri, bench.acting.documents[uri].range_of(TEXT), "")
    else:
        bench.acting.close(uri)
        if how == "reopened":
            bench.acting.open_uri(uri, "# new\n" + TEXT)
    bench.sim.release()
    told = bench.acting.told_last()
    assert "not applied, since" in told
    assert ("closed" if how == "closed" else "changed meanwhile") in told
    assert bench.acting.edits == []
    assert NEW in bench.transcript()
    assert "> Not applied, since" in bench.transcript()


def test_a_document_closed_and_opened_again_as_it_was_is_the_same(bench: Bench) -> None:
    uri = bench.document()
    bench.answer(held())
    bench.acting.choose(uri, ONE, "improve")
    bench.streaming()
    bench.acting.close(uri)
    bench.acting.open_uri(uri, TEXT, version=7)
    bench.sim.release()
    assert "done" in bench.acting.told_last()
    assert bench.acting.text(uri) == TEXT.replace(ONE, NEW)


def test_what_was_typed_while_the_menu_was_open_is_counted_too(bench: Bench) -> None:
    """The selection moved: it is found. It was changed: the person is asked to select again."""
    uri = bench.document()
    start = {"line": 0, "character": 0}
    action = bench.acting.find(bench.acting.actions(uri, TWO), "improve")
    bench.acting.type(uri, {"start": start, "end": start}, "\n\n")
    bench.answer("```\ndef two(): ...\n```")
    bench.acting.run(action)
    assert "done" in bench.acting.told_last()
    assert bench.acting.text(uri) == "\n\n" + TEXT.replace(TWO, "def two(): ...")
    before = len(bench.sim.requests)
    action = bench.acting.find(bench.acting.actions(uri, ONE), "improve")
    bench.acting.type(uri, bench.acting.documents[uri].range_of("return x"), "pass")
    bench.acting.run(action)
    assert bench.acting.told_last() == "Claude: The text was changed since it was selected; select it again."
    assert len(bench.sim.requests) == before


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"result": {"applied": False}}, "the editor refused it (without a reason)"),
        ({"result": {"applied": False, "failureReason": "read only."}}, "the editor refused it (read only)"),
        ({"error": {"code": -32603, "message": "Edits require version 3"}}, "Edits require version 3"),
        ({"result": None}, "the editor refused it"),
        ({"result": 5}, "the editor refused it"),
    ],
)
def test_a_refused_edit_becomes_a_transcript(answer: dict[str, Any], told: str, bench: Bench) -> None:
    """Whatever the shape of the refusal."""
    uri = bench.document()
    bench.acting.manners.edit = lambda _: answer
    bench.answer(BLOCK)
    bench.acting.choose(uri, ONE, "improve")
    assert told in bench.acting.told_last()
    assert NEW in bench.transcript()
    assert bench.acting.text(uri) == TEXT


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("Better leave it.", "the answer holds no code block"),
        (f"{BLOCK}\nor\n{BLOCK}", "which one is meant is not clear"),
        (Answer(text=BLOCK, stop_reason="max_tokens"), "it reached its limit of tokens"),
        (Answer(chunks=("```python\n", "def one", "(x)"), fault=Fault.cut(after_events=6)), "it was cut off"),
    ],
)
def test_an_answer_that_is_no_clear_and_whole_edit_is_shown(
    answer: str | Answer, told: str, bench: Bench
) -> None:
    """Without a block, with several, too long, or cut by the network."""
    uri = bench.document()
    bench.answer(answer)
    bench.acting.choose(uri, ONE, "improve")
    assert told in bench.acting.told_last()
    assert len(bench.acting.shown) == 1
    assert bench.acting.text(uri) == TEXT


def test_an_answer_that_changes_nothing_is_no_edit(bench: Bench) -> None:
    uri = bench.document()
    bench.answer(f"```python\n{ONE}\n```")
    bench.acting.choose(uri, ONE, "improve")
    assert "nothing to change" in bench.acting.told_last()
    assert (bench.acting.edits, bench.acting.shown) == ([], [])


# --- transcripts


def test_an_explanation_is_a_private_file_that_is_shown(bench: Bench) -> None:
    """With the place it speaks of, the answer and the cost; a session of its own, named after what was done."""
    uri = bench.document()
    bench.answer("It returns x.")
    bench.acting.choose(uri, "return x", "explain")
    told = bench.acting.told_last()
    assert "Claude: explain line 5" in told
    page = bench.transcript()
    assert "It returns x." in page
    assert f"{uri}#L5" in page
    assert "$" in page
    assert bench.acting.shown[0].stat().st_mode & 0o077 == 0
    names = [
        session["name"]
        for session in bench.acting.editor.result("cmt/session/list", {"scope": "window"})["sessions"]
    ]
    assert names[0] == f"explain one in {Path(uri).name}"
    assert bench.acting.edits == []


def test_actions_do_not_drag_a_chat_along(bench: Bench) -> None:
    """Each asks in a session of its own; the window's current session is another."""
    uri = bench.document()
    for _ in range(2):
        bench.answer("Fine.")
        bench.acting.choose(uri, ONE, "explain")
        bench.acting.told_last()
        assert len(bench.sim.requests[-1].body["messages"]) == 1


def test_a_file_that_cannot_be_shown_is_named(bench: Bench) -> None:
    """An editor that fails, or has never heard of it."""
    for answer in ({"result": {"success": False}}, {"error": {"code": -32601, "message": "what?"}}):
        bench.acting.manners.show = lambda _, answer=answer: answer
        bench.answer("Fine.")
        bench.acting.choose(bench.document(), ONE, "explain")
        bench.acting.until(lambda m: m["method"] == "window/showMessage" and "$" in m["params"]["message"])
        assert any(str(bench.acting.shown[-1]) in told["message"] for told in bench.acting.told)


@pytest.mark.parametrize(
    "arguments",
    [
        ["why is it?"],
        ["why", "is", "it?"],
        [{"prompt": "why is it?"}],
        [
            {
                "words": "why is it?",
                "range": {"start": {"line": 3, "character": 0}, "end": {"line": 4, "character": 0}},
            }
        ],
        [["why is it?"]],
        [None, "why is it?"],
    ],
)
def test_words_with_the_command_are_asked_at_once(arguments: list[Any], bench: Bench) -> None:
    """In every shape that editors send them; about what the editor last asked for actions on."""
    uri = bench.document()
    bench.acting.actions(uri, ONE)
    bench.answer("Because.")
    bench.acting.command("cmt.ask", *arguments)
    bench.acting.told_last()
    assert bench.sent()[-1] == "why is it?"
    assert TEXT in bench.sent()[0]
    assert "why is it?" in bench.transcript()


def test_ask_without_words_opens_a_place_to_write_them(bench: Bench) -> None:
    """A transcript with the code quoted; nothing is sent. What is written there is sent with the file it speaks of."""
    uri, before = bench.document(), len(bench.sim.requests)
    bench.acting.choose(uri, ONE, "ask about")
    bench.acting.until(lambda m: m["method"] == "window/showDocument")
    page = bench.transcript()
    assert f"```python\n{ONE}\n```" in page
    assert len(bench.sim.requests) == before
    draft = bench.acting.open(bench.acting.shown[-1], page + "\nWhat for?\n", "markdown")
    bench.answer("For one.")
    bench.acting.choose(draft, None, "send")
    bench.acting.told_last()
    file, question = bench.sent()
    assert TEXT in file
    assert question.endswith("What for?")
    assert "For one." in bench.acting.text(draft)
    listed = bench.acting.editor.result("cmt/session/list", {"scope": "window"})["sessions"]
    assert listed[0]["name"] == f"ask one in {Path(uri).name}"


def test_commands_by_name_take_what_there_is(bench: Bench) -> None:
    """An action by its name about the last selection; an object with everything; more words with a prompt."""
    uri = bench.document()
    bench.acting.actions(uri, TWO)
    bench.answer("```\ndef two(): ...\n```", BLOCK)
    bench.acting.command("cmt.act", "IMPROVE", "make", "it", "short")
    assert "done" in bench.acting.told_last()
    assert "make it short" in bench.sent()[-1]
    assert bench.acting.text(uri) == TEXT.replace(TWO, "def two(): ...")
    bench.acting.command(
        "cmt.act", {"action": "improve", "uri": uri, "range": bench.acting.documents[uri].range_of(ONE)}
    )
    assert "done" in bench.acting.told_last()
    assert NEW in bench.acting.text(uri)


@pytest.mark.parametrize(
    ("command", "arguments", "told"),
    [
        ("cmt.act", [], "Nothing is no action; name one of ask, fix, explain"),
        ("cmt.act", ["dance"], "dance is no action"),
        ("cmt.act", [{"action": 3}], "action must be a text."),
        ("cmt.act", [{"action": "improve", "uri": "file:///nowhere.py"}], "not open in the editor"),
        ("cmt.act", [{"action": "improve", "range": 5}], "range must have"),
        (
            "cmt.act",
            [{"action": "improve", "range": {"start": {"line": -1, "character": 0}}}],
            "counted from 0",
        ),
        ("cmt.stop", [], "nothing is running"),
        ("cmt.allow", [], "nothing waits to be allowed"),
    ],
)
def test_a_command_that_makes_no_sense_is_told_in_a_sentence(
    command: str, arguments: list[Any], told: str, bench: Bench
) -> None:
    """As a message: some editors show the error of a command to nobody."""
    bench.acting.command(command, *arguments)
    assert told in bench.acting.told_last()


def test_fix_by_its_name_is_about_the_problems_last_seen(bench: Bench) -> None:
    """The editor has them from others and tells them with the menu alone; without any, there is nothing to fix."""
    uri = bench.document()
    bench.acting.actions(uri, "return", [PROBLEM])
    bench.answer(BLOCK)
    bench.acting.command("cmt.act", "fix")
    assert "done" in bench.acting.told_last()
    assert "needless return" in bench.sent()[2]
    bench.acting.actions(uri, TWO)
    bench.acting.command("cmt.act", "fix")
    assert "No problem is known here" in bench.acting.told_last()


def test_a_document_without_a_range_is_meant_whole(bench: Bench) -> None:
    uri = bench.document()
    bench.answer("```python\nx = 1\n```")
    bench.acting.command("cmt.act", {"action": "improve", "uri": uri})
    assert "Claude: improve this file: done" in bench.acting.told_last()
    assert bench.acting.text(uri) == "x = 1\n"


def test_words_go_on_in_a_session_that_is_named(bench: Bench) -> None:
    """With its history; it keeps its name."""
    session = bench.acting.editor.session(name="mine")
    for number in range(2):
        bench.answer(f"Answer {number}.")
        bench.acting.command("cmt.ask", {"words": "why?", "sessionId": session})
        bench.acting.told_last()
    assert len(bench.sim.requests[-1].body["messages"]) == 3
    assert bench.acting.editor.result("cmt/session/get", {"sessionId": session})["session"]["name"] == "mine"


def test_a_version_that_is_old_is_refused(bench: Bench) -> None:
    """Zero is a version."""
    uri = bench.document()
    start = {"line": 0, "character": 0}
    bench.acting.type(uri, {"start": start, "end": start}, "#\n")
    bench.acting.command("cmt.act", {"action": "improve", "uri": uri, "version": 0})
    assert "select it again" in bench.acting.told_last()


# --- stopping


def test_a_stop_keeps_what_came_and_applies_nothing(bench: Bench) -> None:
    """By the menu, by the command, by the progress line: the partial answer is in a transcript."""
    for way in ("menu", "command", "progress"):
        uri = bench.document()
        bench.answer(held())
        bench.acting.choose(uri, ONE, "improve")
        bench.acting.until(lambda m: m["method"] == "$/progress" and m["params"]["value"]["kind"] == "begin")
        bench.streaming()
        bench.acting.until(
            lambda m: m["method"] == "$/progress" and "tok" in m["params"]["value"].get("message", "")
        )
        if way == "menu":
            actions = bench.acting.actions(uri)
            assert titles(actions)[0] == "stop (improve lines 4-5)"
            bench.acting.run(actions[0])
        elif way == "command":
            bench.acting.command("cmt.stop")
        else:
            bench.acting.editor.notify("window/workDoneProgress/cancel", {"token": bench.acting.tokens[-1]})
        told = bench.acting.told_last()
        assert "not applied, since the answer is not complete: it was stopped" in told
        assert bench.acting.text(uri) == TEXT
        assert "def" in bench.transcript()
        assert not any("stop" in title for title in titles(bench.acting.actions(uri)))
    assert bench.acting.edits == []


def test_progress_tells_tokens_time_and_price(bench: Bench) -> None:
    """At most four times a second, with a percentage that only grows, for an editor that shows nothing but that."""
    chunks = tuple(f"word {n} " for n in range(60))
    bench.answer(Answer(chunks=chunks, chunk_delay=0.02))
    bench.acting.choose(bench.document(), ONE, "explain")
    bench.acting.told_last()
    values = bench.acting.editor.values(bench.acting.tokens[-1])
    assert (values[0]["title"], values[0]["percentage"]) == ("Claude: explain lines 4-5", 0)
    reports = [value for value in values if value["kind"] == "report"]
    assert any("tok" in value["message"] and " s, $" in value["message"] for value in reports)
    percentages = [value["percentage"] for value in reports]
    assert percentages == sorted(percentages)
    assert len(reports) <= 12
    assert values[-1]["kind"] == "end"


# --- failures and questions


def test_a_failure_is_told_with_the_way_out(bench: Bench) -> None:
    """No transcript, no edit, and no session stays of it."""

    def sessions() -> int:
        return len(bench.acting.editor.result("cmt/session/list", {"scope": "all"})["sessions"])

    uri, before = bench.document(), sessions()
    bench.sim.fail_next(Fault.status(400, message="no"))
    bench.acting.choose(uri, ONE, "improve")
    bench.acting.told_last()
    assert bench.acting.told[-1]["type"] == 1
    assert (bench.acting.shown, bench.acting.edits) == ([], [])
    wait_until(lambda: sessions() == before)


SECRET_TEXT = 'KEY = "sk-ant-api03-' + "q7Xw2LmZp0" * 6 + '"\n'


@pytest.mark.parametrize("answer", [{"result": None}, {"result": {"title": "Do not send"}}, {"error": {"code": -32601, "message": "?"}}])  # fmt: skip
def test_what_was_held_may_be_allowed_from_the_menu(answer: dict[str, Any], bench: Bench) -> None:
    """For editors whose dialog can only say no: the next menu has an entry that sends exactly this one."""
    bench.acting.manners.question = lambda _: answer
    uri, before = bench.document(SECRET_TEXT), len(bench.sim.requests)
    bench.acting.choose(uri, SECRET_TEXT, "explain")
    told = bench.acting.told_last()
    assert 'choose "Claude: allow this one"' in told
    assert len(bench.sim.requests) == before
    allow = bench.acting.find(bench.acting.actions(uri), "allow this one")
    assert "Anthropic key" in allow["title"]
    assert SECRET_TEXT[7:50] not in str(allow)
    bench.answer("A key.")
    bench.acting.run(allow)
    bench.acting.told_last()
    assert "A key." in bench.transcript()
    assert "allow" not in str(titles(bench.acting.actions(uri)))


def test_a_dialog_that_is_never_answered_can_be_answered_from_the_menu(bench: Bench) -> None:
    """While it is open."""
    bench.acting.manners.question = lambda _: None
    uri = bench.document(SECRET_TEXT)
    bench.acting.choose(uri, SECRET_TEXT, "explain")
    bench.acting.until(lambda m: m["method"] == "window/showMessageRequest")
    bench.answer("A key.")
    bench.acting.choose(uri, None, "allow this one")
    bench.acting.told_last()
    assert "A key." in bench.transcript()


def test_a_question_that_is_open_can_be_stopped(bench: Bench) -> None:
    """Nothing is sent."""
    bench.acting.manners.question = lambda _: None
    uri, before = bench.document(SECRET_TEXT), len(bench.sim.requests)
    bench.acting.choose(uri, SECRET_TEXT, "explain")
    bench.acting.until(lambda m: m["method"] == "window/showMessageRequest")
    bench.acting.command("cmt.stop")
    bench.acting.told_last()
    assert len(bench.sim.requests) == before


def test_a_budget_refuses_until_the_person_lets_one_pass(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """The safe answer is the first one; what was let pass is one question, by the menu or by the dialog."""
    bench = own_bench(make_editor, sim, world, CAPABLE)
    bench.acting.editor.result("cmt/budget/set", {"scope": "day", "limitUsd": 0.000001})
    asked: list[list[str]] = []
    answers: list[dict[str, Any] | None] = [None, {"title": "Send this one"}]

    def answer(params: dict[str, Any]) -> dict[str, Any]:
        asked.append([action["title"] for action in params["actions"]])
        return {"result": answers.pop(0)}

    bench.acting.manners.question = answer
    uri = bench.document()
    bench.acting.choose(uri, ONE, "improve")
    assert "allow this one" in bench.acting.told_last()
    assert sim.requests == []
    assert bench.acting.text(uri) == TEXT
    bench.answer(BLOCK, "```\ndef two(): ...\n```")
    bench.acting.choose(uri, None, "allow this one")
    assert "done" in bench.acting.told_last()
    assert bench.acting.text(uri) == TEXT.replace(ONE, NEW)
    bench.acting.choose(uri, TWO, "improve")
    assert "done" in bench.acting.told_last()
    assert asked == [["Do not send", "Send this one"]] * 2


def test_own_prompts_are_in_the_menu(make_editor: MakeEditor, sim: Simulator, world: Path) -> None:
    """With their text, their model and what becomes of the answer; one may want the whole file."""
    (world / "config" / "cmt-lsp").mkdir(parents=True)
    (world / "config" / "cmt-lsp" / "config.toml").write_text(
        '[[prompt]]\nname = "types"\ntext = "Add types."\nresult = "edit"\nmodel = "claude-haiku-5-5"\n'
        '[[prompt]]\nname = "summary"\ntext = "Sum it up."\nscope = "file"\n'
    )
    bench = own_bench(make_editor, sim, world, CAPABLE)
    uri = bench.document()
    assert titles(bench.acting.actions(uri, ONE))[-2:] == ["types lines 4-5", "summary this file"]
    bench.answer(BLOCK, "Two functions.")
    bench.acting.choose(uri, ONE, "types")
    assert "done" in bench.acting.told_last()
    assert sim.requests[-1].body["model"] == "claude-haiku-5-5"
    assert bench.sent()[-1].startswith("Add types.\n\nYour answer takes the place")
    bench.acting.choose(uri, TWO, "summary")
    bench.acting.told_last()
    assert bench.sent()[-1] == "Sum it up."
    assert len(bench.sent()) == 2


def test_an_answer_that_no_file_can_hold_is_in_the_message(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    (world / "state").mkdir(mode=0o700)
    (world / "state" / "transcripts").write_text("in the way")
    bench = own_bench(make_editor, sim, world, CAPABLE)
    bench.answer("It returns x.")
    bench.acting.choose(bench.document(), ONE, "explain")
    told = bench.acting.told_last()
    assert "is not a folder" in told
    assert "It returns x." in told


def test_an_editor_that_cannot_do_anything_is_told_where_the_answer_is(
    make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """Bare commands for a menu; no edits, no showing, no progress, no dialogs: the path in a message."""
    bench = own_bench(make_editor, sim, world, {})
    bench.answer(BLOCK)
    commands = bench.acting.actions(bench.document(), ONE)
    assert [set(command) for command in commands] == [{"title", "command", "arguments"}] * 5
    command = bench.acting.find(commands, "improve")
    bench.acting.command(command["command"], *command["arguments"])
    told = bench.acting.told_last() + bench.acting.told_last()
    assert ".md" in told
    assert "does not let a server change its text" in told
