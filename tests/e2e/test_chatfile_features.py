"""What an editor asks about its documents, through the pipe: answered for transcripts, and at once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.protocol import default_converter

from cmt_lsp.simulator import Answer, Fault, Simulator

from .acting_editor import ActingEditor, path_of
from .conftest import MakeEditor
from .editor import wait_until

REQUESTS: dict[str, Any] = {
    "textDocument/documentSymbol": [],
    "textDocument/foldingRange": [],
    "textDocument/documentLink": [],
    "textDocument/codeLens": [],
    "textDocument/hover": None,
}
SHOWS: dict[str, Any] = {"window": {"showDocument": {"support": True}}, "workspace": {"applyEdit": True}}
HIERARCHY = {"documentSymbol": {"hierarchicalDocumentSymbolSupport": True}}


def asked(editor: Any, method: str, uri: str, line: int = 0) -> Any:
    """The result of a request, held to LSP's own types."""
    params: dict[str, Any] = {"textDocument": {"uri": uri}}
    if method == "textDocument/hover":
        params["position"] = {"line": line, "character": 0}
    result = editor.result(method, params)
    envelope = {"jsonrpc": "2.0", "id": 1, "result": result}
    default_converter().structure(envelope, types.METHOD_TO_TYPES[method][1])
    return result


def transcript(acting: ActingEditor, session: str, typed: str = "") -> str:
    """Open the transcript of a session; its uri."""
    acting.command("cmt.transcript", {"sessionId": session})
    path = path_of(acting.until(lambda m: m["method"] == "window/showDocument")["params"]["uri"])
    return acting.open(path, path.read_text() + typed, "markdown")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_a_transcript_is_answered_for_in_the_editors_units(
    encoding: str, make_editor: MakeEditor, sim: Simulator, world: Path
) -> None:
    """Outline, folds, links and usage; the hover tells what the ledger holds of the turn."""
    (world / "one.py").write_text("x = 1\n")
    editor = make_editor()
    general = {"positionEncodings": [encoding]}
    editor.open(SHOWS | {"general": general, "textDocument": HIERARCHY}, rootUri=world.as_uri())
    acting = ActingEditor(editor, encoding)
    sim.reply_with(Answer(text="𝄞é one.py:1\n\n```python\nx\n```"))
    session = editor.session(name="n")
    editor.chat("𝄞?", sessionId=session)
    uri = transcript(acting, session)
    document = acting.documents[uri]
    (link,) = asked(editor, "textDocument/documentLink", uri)
    assert link["range"] == document.range_of("one.py:1")
    assert link["target"] == f"{(world / 'one.py').as_uri()}#L1"
    (turn,) = asked(editor, "textDocument/documentSymbol", uri)
    assert turn["name"] == "1. 𝄞?"
    assert [child["name"] for child in turn["children"]] == ["Question", "Answer"]
    heading = document.range_of("## Claude")["start"]["line"]
    (lens,) = asked(editor, "textDocument/codeLens", uri)
    assert lens["range"]["start"]["line"] == heading
    assert "tokens in" in lens["command"]["title"]
    report = editor.command(lens["command"]["command"], *lens["command"]["arguments"])["result"]
    assert report["requests"] == 1
    assert len(asked(editor, "textDocument/foldingRange", uri)) == 3
    hover = asked(editor, "textDocument/hover", uri, heading)["contents"]["value"]
    assert "Prompt cache: not cached: too short to cache" in hover
    assert asked(editor, "textDocument/hover", uri, heading + 2) is None


def test_other_documents_are_answered_for_with_nothing(make_editor: MakeEditor, world: Path) -> None:
    """Open or not, files or not: nothing, and no error that an editor would show."""
    editor = make_editor()
    editor.open({}, rootUri=world.as_uri())
    acting = ActingEditor(editor)
    odd = world / "transcripts" / "x.md"
    uris = [
        acting.open(world / "a.py", "x = 1\n"),
        acting.open(odd, "# x\n", "markdown"),
        acting.open_uri("untitled:1", ""),
        acting.open_uri("file:///transcripts/[::1", ""),
        (world / "state" / "transcripts" / "not-open.md").as_uri(),
    ]
    for uri in uris:
        for method, nothing in REQUESTS.items():
            assert asked(editor, method, uri) == nothing, (method, uri)


def test_an_editor_that_can_be_told_later_is_told_of_transcripts_alone(
    make_editor: MakeEditor, world: Path
) -> None:
    """And one that refuses it goes without."""
    dynamic = {name: {"dynamicRegistration": True} for name in ("documentSymbol", "hover")}
    for answer in ({"result": None}, {"error": {"code": -32601, "message": "no"}}):
        editor = make_editor()
        told = editor.open({"textDocument": dynamic}, rootUri=world.as_uri())["capabilities"]
        assert "documentSymbolProvider" not in told
        assert "hoverProvider" not in told
        assert told["foldingRangeProvider"] is True
        request = editor.call("client/registerCapability")
        methods = [one["method"] for one in request["params"]["registrations"]]
        assert methods == ["textDocument/documentSymbol", "textDocument/hover"]
        editor.send({"jsonrpc": "2.0", "id": request["id"], **answer})
        assert asked(editor, "textDocument/hover", (world / "a.py").as_uri()) is None


def test_a_deleted_session_is_told_on_its_turns(make_editor: MakeEditor, sim: Simulator, world: Path) -> None:
    editor = make_editor()
    editor.open(SHOWS, rootUri=world.as_uri())
    acting = ActingEditor(editor)
    session = editor.session(name="n")
    editor.chat("one?", sessionId=session)
    uri = transcript(acting, session)
    editor.result("cmt/session/delete", {"sessionId": session})
    line = acting.documents[uri].range_of("## Claude")["start"]["line"]
    assert "was deleted" in asked(editor, "textDocument/hover", uri, line)["contents"]["value"]


def test_a_long_transcript_is_answered_for_quickly_while_a_turn_runs(
    make_editor: MakeEditor, sim: Simulator, world: Path, figure: Any
) -> None:
    """A hundred turns with code; the figure is noted, the bound is one that no editor would call slow."""
    (world / "a.py").write_text("x = 1\n")
    editor = make_editor()
    editor.open(SHOWS, rootUri=world.as_uri())
    acting = ActingEditor(editor)
    session = editor.session(name="n")
    sim.reply_with("One.")
    editor.chat("one?", sessionId=session)
    uri = transcript(acting, session)
    text = acting.text(uri)
    head, turn = text.index("## You"), text[text.index("## You") : text.rindex("## You")]
    name = editor.turns(session)[0]["turnId"]
    turn = turn.replace("One.", "See a.py:1.\n\n```python\n" + "x = 1\n" * 30 + "```")
    long = "".join(turn.replace(name, f"{n:03}{name[3:]}") for n in range(100))
    whole = {"start": {"line": 0, "character": 0}, "end": acting.documents[uri].position(len(text))}
    acting.type(uri, whole, f"{text[:head]}{long}## You\n\n")
    sim.fail_next(Fault.stall(after_events=2))
    editor.ask("cmt/chat", {"text": "two?", "sessionId": session})
    wait_until(lambda: any(request.stalled for request in sim.requests[-1:]), 20)
    slowest = 0.0
    for method in REQUESTS:
        asked(editor, method, uri)
        started = time.monotonic()
        assert (
            editor.result(method, {"textDocument": {"uri": uri}, "position": {"line": 5, "character": 0}})
            != []
        )
        slowest = max(slowest, time.monotonic() - started)
    sim.release()
    figure(
        "transcript of 100 turns, slowest of outline, folds, links, usage, hover", f"{slowest * 1000:.0f} ms"
    )
    assert slowest < 2
