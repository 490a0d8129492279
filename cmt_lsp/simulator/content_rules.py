"""What may stand in a message: which blocks in which role, with which fields."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cmt_lsp.simulator import image_rules
from cmt_lsp.simulator.failures import RefusalError, invalid
from cmt_lsp.simulator.images import ImageFacts
from cmt_lsp.simulator.models import SimulatedModel
from cmt_lsp.simulator.shapes import a_list, a_string, an_object, one_of

FIELDS: Mapping[str, tuple[str, ...]] = {
    "text": ("type", "text", "cache_control", "citations"),
    "image": ("type", "source", "cache_control", "transformations"),
    "document": ("type", "source", "cache_control", "citations", "context", "title"),
    "tool_result": ("type", "tool_use_id", "content", "is_error", "cache_control"),
    "tool_use": ("type", "id", "name", "input", "cache_control", "caller"),
    "thinking": ("type", "thinking", "signature"),
    "redacted_thinking": ("type", "data"),
}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "text": ("text",),
    "image": ("source",),
    "document": ("source",),
    "tool_result": ("tool_use_id",),
    "tool_use": ("id", "name", "input"),
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
}
ALLOWED: Mapping[str, tuple[str, ...]] = {
    "user": ("text", "image", "document", "tool_result"),
    "assistant": ("text", "thinking", "redacted_thinking", "tool_use"),
    "system": ("text",),
    "tool_result": ("text", "image", "document"),
}
MAX_MESSAGES = 100_000


class ContentCheck:
    """Walks the messages of one request; collects the images it meets."""

    def __init__(self, model: SimulatedModel) -> None:
        """`model` decides about roles, prefill and image limits."""
        self._model = model
        self.images: dict[str, ImageFacts] = {}
        self._image_count = 0

    def messages(self, value: Any) -> None:
        """The whole `messages` field."""
        messages = a_list(value, "messages")
        if not messages:
            raise invalid("messages", "at least one message is required")
        if len(messages) > MAX_MESSAGES:
            raise invalid("messages", f"at most {MAX_MESSAGES} messages are allowed")
        for i, message in enumerate(messages):
            self._message(message, i, last=i == len(messages) - 1)
        if messages[0]["role"] != "user":
            raise invalid("messages.0.role", 'first message must use the "user" role')
        self._ending(messages[-1], len(messages) - 1)
        check_tool_pairs(messages)
        image_rules.check_all(self.images, self._image_count, self._model)

    def _message(self, message: Any, i: int, *, last: bool) -> None:
        path = f"messages.{i}"
        fields = an_object(message, path, allowed=("role", "content"), required=("role",))
        role = one_of(fields["role"], f"{path}.role", ("user", "assistant", "system"))
        if role == "system" and not self._model.system_turns:
            raise invalid(f"{path}.role", f"'system' messages are not supported by {self._model.id}")
        if "content" not in fields:
            raise invalid(f"{path}.content", "Field required")
        content = fields["content"]
        if content in ("", []) and not (last and role == "assistant"):
            raise invalid(f"{path}.content", "all messages must have non-empty content")
        self.content(content, f"{path}.content", role)
        if isinstance(content, list) and content and content[-1]["type"] == "thinking":
            raise invalid(path, "The final block in an assistant message cannot be `thinking`")

    def content(self, content: Any, path: str, role: str) -> None:
        """One content field: a string or a list of the blocks its role may hold."""
        if isinstance(content, str):
            if content and not content.strip():
                raise invalid(path, "text content blocks must contain non-whitespace text")
            return
        for i, block in enumerate(a_list(content, path)):
            self._block(block, f"{path}.{i}", role)

    def _block(self, block: Any, path: str, role: str) -> None:
        if not isinstance(block, dict):
            raise invalid(path, "Input should be a valid dictionary")
        kind = one_of(block.get("type"), f"{path}.type", ALLOWED[role])
        an_object(block, f"{path}.{kind}", allowed=FIELDS[kind])
        for name in REQUIRED[kind]:
            if name not in block:
                raise invalid(f"{path}.{kind}.{name}", "Field required")
        self._fields(kind, block, path, role)

    def _fields(self, kind: str, block: Mapping[str, Any], path: str, role: str) -> None:
        match kind:
            case "text":
                check_text(block, path, cited=role == "assistant")
            case "image":
                self._image(block, path)
            case "document":
                check_document(block["source"], f"{path}.source")
            case "tool_result":
                a_string(block["tool_use_id"], f"{path}.tool_use_id")
                if block.get("content") is not None:
                    self.content(block["content"], f"{path}.content", "tool_result")
            case "tool_use":
                if not isinstance(block["input"], dict):
                    raise invalid(f"{path}.input", "Input should be a valid dictionary")
                a_string(block["id"], f"{path}.id")
                a_string(block["name"], f"{path}.name")
            case _:
                for name in REQUIRED[kind]:
                    a_string(block[name], f"{path}.{name}", empty=name == "thinking")

    def _image(self, block: Mapping[str, Any], path: str) -> None:
        facts = image_rules.check_source(block, path)
        image_rules.check_fit(block, path, facts, self._model)
        self._image_count += 1
        if facts is not None:
            self.images[path] = facts

    def _ending(self, message: Mapping[str, Any], i: int) -> None:
        """The last message is the user's, or on older models the start of the answer."""
        if message["role"] != "assistant":
            return
        if not self._model.prefill:
            raise invalid(
                f"messages.{i}",
                f"{self._model.id} does not support assistant message prefill; the conversation must end with a user message",
            )
        text = last_text(message["content"])
        if text != text.rstrip():
            raise invalid(
                f"messages.{i}.content", "final assistant content cannot end with trailing whitespace"
            )


def last_text(content: str | Sequence[Mapping[str, Any]]) -> str:
    """The text a content field ends with; empty when it ends with something else."""
    if isinstance(content, str):
        return content
    text = content[-1].get("text", "") if content else ""
    return text if isinstance(text, str) else ""


def check_text(block: Mapping[str, Any], path: str, *, cited: bool) -> None:
    """A text block has visible text; only assistants cite."""
    text = a_string(block["text"], f"{path}.text", empty=True)
    if not text:
        raise invalid(f"{path}.text", "text content blocks must be non-empty")
    if not text.strip():
        raise invalid(f"{path}.text", "text content blocks must contain non-whitespace text")
    if block.get("citations") is not None and not cited:
        raise invalid(f"{path}.citations", "citations are not allowed here")


def check_document(source: Any, path: str) -> None:
    """A plain text or an inline PDF."""
    kind = source.get("type") if isinstance(source, dict) else None
    if kind not in ("text", "base64"):
        raise invalid(f"{path}.type", "Input should be 'base64' or 'text'")
    names = ("type", "media_type", "data")
    fields = an_object(source, path, allowed=names, required=names)
    one_of(
        fields["media_type"], f"{path}.media_type", ["text/plain" if kind == "text" else "application/pdf"]
    )
    data = a_string(fields["data"], f"{path}.data")
    if kind == "base64":
        try:
            pdf = base64.b64decode(data, validate=True).startswith(b"%PDF-")
        except (binascii.Error, ValueError):
            pdf = False
        if not pdf:
            raise invalid(f"{path}.data", "The PDF specified was not valid")


def check_tool_pairs(messages: Sequence[Mapping[str, Any]]) -> None:
    """Every tool use is answered in the next message, and every result answers one."""
    open_ids: list[str] = []
    for i, message in enumerate(messages):
        results = [block["tool_use_id"] for block in _blocks(message, "tool_result")]
        for found in results:
            if found not in open_ids:
                raise invalid(
                    f"messages.{i}.content", f"unexpected `tool_use_id` in `tool_result` blocks: {found}"
                )
        missing = [each for each in open_ids if each not in results]
        if missing:
            raise invalid(
                f"messages.{i}", f"`tool_use` ids without `tool_result` right after: {', '.join(missing)}"
            )
        open_ids = [str(block["id"]) for block in _blocks(message, "tool_use")]
    if open_ids:
        raise RefusalError(
            400, f"messages.{len(messages) - 1}: `tool_use` ids without `tool_result`: {', '.join(open_ids)}"
        )


def _blocks(message: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    content = message["content"]
    if isinstance(content, list):
        yield from (block for block in content if block.get("type") == kind)
