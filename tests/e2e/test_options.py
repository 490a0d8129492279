"""Options from the editor: good ones are used, wrong ones are named once, dangerous ones are ignored."""

from __future__ import annotations

from typing import Any

from cmt_lsp.simulator import Simulator

from .conftest import MakeEditor
from .editor import Editor, Listener


def test_wrong_options_are_named_in_one_message_and_chat_works(
    make_editor: MakeEditor, sim: Simulator
) -> None:
    """Every kind of wrong value, a misspelt name, forbidden ones: one warning that names them all."""
    with Listener() as evil:
        editor = make_editor()
        wrong: dict[str, Any] = {
            "maxTokens": "many", "effort": "huge", "promptCaching": 5, "model": "", "modle": "x", "systemPrompt": [],
            "logLevel": "loud", "baseUrl": evil.url, "apiKeyCommand": ["touch", "/tmp/owned"],
        }  # fmt: skip
        editor.open(initializationOptions=wrong)
        message = editor.call("window/showMessage")["params"]
        assert message["type"] == 2
        assert all(name in message["message"] for name in wrong)
        assert editor.chat("x", 30)["stopReason"] == "end_turn"
        assert len(editor.popups()) == 1
        assert evil.connections == 0
    body = sim.requests[-1].body
    assert (body["max_tokens"], "system" in body) == (16_000, False)
    settings = next(c for c in editor.result("cmt/doctor")["checks"] if c["name"] == "settings")
    assert settings["state"] == "warn"


def test_options_of_any_shape_start_a_window(make_editor: MakeEditor) -> None:
    """Some editors send a list, or a section with nothing in it."""
    shapes: list[Any] = [[], {"cmt": None}, {"cmt": []}, {"cmt": {}}]
    for options in shapes:
        editor = make_editor()
        editor.open(initializationOptions=options)
        assert editor.result("cmt/doctor")["checks"]
        assert len(editor.popups()) <= 1


def test_options_are_used_with_and_without_a_section(make_editor: MakeEditor, sim: Simulator) -> None:
    """`{"cmt": {...}}` as VS Code has it, and the bare object as Neovim sends it."""
    options = {"model": "claude-haiku-5-5", "maxTokens": 77, "systemPrompt": "Short."}
    for given in (options, {"cmt": options}):
        editor = make_editor()
        editor.open(initializationOptions=given)
        assert editor.session() is not None
        result = editor.chat("x", 30)
        body = sim.requests[-1].body
        assert body["max_tokens"] == 77
        assert "Short." in str(body["system"])
        assert result["model"] == body["model"]
        assert editor.popups() == []


def test_a_change_of_options_counts_from_the_next_session(editor: Editor, sim: Simulator) -> None:
    """The model of new sessions changes; a session keeps its own; wrong values change nothing and are said."""
    old = editor.session()
    first = editor.chat("x", sessionId=old)["model"]
    _change(editor, {"model": "claude-opus-5", "maxTokens": 99})
    new = editor.session()
    second = editor.chat("y", sessionId=new)
    assert sim.requests[-1].body["max_tokens"] == 99
    assert second["model"] != first
    assert editor.chat("z", sessionId=old)["model"] == first
    _change(editor, {"model": 5})
    assert "model" in editor.call("window/showMessage")["params"]["message"]
    assert editor.chat("v", sessionId=editor.session())["model"] == first


def test_the_same_wrong_options_are_not_said_twice(editor: Editor) -> None:
    """Editors send all options at each change of any."""
    _change(editor, {"effort": "huge"})
    editor.call("window/showMessage")
    _change(editor, {"effort": "huge"})
    _change(editor, {"effort": "huge", "maxTokens": 500})
    editor.result("cmt/doctor")
    assert len(editor.popups()) == 1


def test_the_environment_wins_over_the_editor(make_editor: MakeEditor, sim: Simulator) -> None:
    """What the person exported is the last word."""
    editor = make_editor(env={"CMT_MAX_TOKENS": "55"})
    editor.open(initializationOptions={"maxTokens": 66})
    editor.chat("x", 30)
    assert sim.requests[-1].body["max_tokens"] == 55


def _change(editor: Editor, options: dict[str, Any]) -> None:
    editor.notify("workspace/didChangeConfiguration", {"settings": {"cmt": options, "other": {"x": 1}}})
