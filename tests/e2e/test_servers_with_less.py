"""Other servers that speak the Messages API: they work, and nothing is invented about them."""

from __future__ import annotations

import pytest

from cmt_lsp.simulator import Answer, Fault, simulator_in_thread

from .conftest import MakeEditor
from .editor import SLOW

MODELS = {
    "ollama": "qwen3-coder",
    "llamacpp": "gpt-oss-20b",
    "vllm": "Qwen/Qwen3-Coder-30B",
    "litellm": "claude-sonnet-5-5",
}


@pytest.mark.parametrize("dialect", MODELS)
def test_a_conversation_with_another_server(dialect: str, make_editor: MakeEditor) -> None:
    """Two turns, streamed, with what usage there is; no price for a stranger, and the models that it lists."""
    model = MODELS[dialect]
    with simulator_in_thread(dialect=dialect) as server:
        editor = make_editor(server.base_url, env={"CMT_MODEL": model})
        editor.open()
        session = editor.session()
        server.reply_with(Answer(text="first answer"), Answer(text="second answer"))
        stream = editor.streaming_chat("one", sessionId=session)
        result = stream.result(30)
        assert (result["text"], result["stopReason"]) == ("first answer", "end_turn")
        assert result["model"] == model
        assert result["usage"]["outputTokens"] > 0
        assert result["usage"]["totalInputTokens"] > 0
        known = dialect == "litellm"
        assert result["cost"]["priced"] is known
        assert ("nanoUsd" in result["cost"]) is known
        assert "$" not in result["cost"]["display"] or known
        assert editor.chat("two", sessionId=session)["text"] == "second answer"
        assert len(server.requests[-1].body["messages"]) == 3
        status = editor.idle_status(lambda s: s["session"]["turns"] == 2)
        assert status["cost"]["window"]["priced"] is known
        assert ("contextFill" in status) is known
        listed = editor.result("cmt/models", {"refresh": True})
        assert all(m["prices"] == [] for m in listed["models"] if m["lifecycle"] == "unknown")
        assert editor.result("cmt/doctor")["checks"]
        server.reply_with(SLOW)
        server.fail_next(Fault.cut(after_events=10))
        broken = editor.request("cmt/chat", {"text": "three", "sessionId": session}, 30)
        assert broken["result"]["stopReason"] == "truncated", broken
        assert editor.chat("four", sessionId=session)["stopReason"] == "end_turn"
