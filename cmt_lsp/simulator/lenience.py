"""What local servers make of a request: they read the text and ignore what they do not know."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cmt_lsp.simulator.failures import invalid
from cmt_lsp.simulator.models import lenient_model
from cmt_lsp.simulator.prompt import THINKING
from cmt_lsp.simulator.shapes import a_list, a_string, an_integer
from cmt_lsp.simulator.validation import Checked


def check_leniently(body: Any, *, counting: bool) -> Checked:
    """Messages that can be read and room for an answer are all it takes; the rest is dropped."""
    if not isinstance(body, dict):
        raise invalid("body", "Input should be a valid dictionary")
    model = lenient_model(a_string(body.get("model"), "model"))
    messages = [
        _message(each, f"messages.{i}") for i, each in enumerate(a_list(body.get("messages"), "messages"))
    ]
    stops = body.get("stop_sequences")
    kept = {
        "model": model.id,
        "max_tokens": 1 if counting else an_integer(body.get("max_tokens"), "max_tokens", least=1),
        "messages": messages,
        "system": list(_content(body.get("system") or [], "system")),
        "stream": body.get("stream") is True,
        "stop_sequences": [s for s in stops if isinstance(s, str) and s] if isinstance(stops, list) else [],
    }
    return Checked(model, {}, kept)


def _message(message: Any, path: str) -> dict[str, Any]:
    fields = message if isinstance(message, dict) else {}
    role = a_string(fields.get("role"), f"{path}.role")
    return {"role": role, "content": list(_content(fields.get("content"), f"{path}.content"))}


def _content(content: Any, path: str) -> Iterator[Mapping[str, Any]]:
    """Text as text, pictures as pictures, everything else as its JSON, thinking not at all."""
    if isinstance(content, str):
        yield {"type": "text", "text": content}
        return
    for i, block in enumerate(a_list(content, path)):
        kind = a_string(block.get("type") if isinstance(block, dict) else None, f"{path}.{i}.type")
        if kind == "text":
            yield {"type": "text", "text": a_string(block.get("text"), f"{path}.{i}.text", empty=True)}
        elif kind == "image":
            yield {"type": "image"}
        elif kind not in THINKING:
            yield {"type": "text", "text": json.dumps(block)}
