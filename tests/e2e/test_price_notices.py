"""A window is told what is wrong with the person's own prices: one message, beside the questions."""

from __future__ import annotations

from pathlib import Path

from cmt_lsp.simulator import Simulator

from .conftest import MakeEditor


def test_a_bad_row_is_one_message_and_chat_goes_on(
    make_editor: MakeEditor, sim: Simulator, tmp_path: Path
) -> None:
    path = tmp_path / "config" / "cmt-lsp" / "prices.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[[price]]\nmodel = "mine"\ninput = -1\noutput = 2\n')
    editor = make_editor()
    editor.open()
    assert editor.chat("x", 30)["stopReason"] == "end_turn"
    message = editor.call("window/showMessage")["params"]
    assert message["message"].startswith(f"cmt-lsp: {path}: row 1 (mine) is not used: ")
    assert editor.chat("y", 30)["stopReason"] == "end_turn"
    assert len(editor.popups()) == 1
