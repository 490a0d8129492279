"""The file of a batch: prompts as JSON lines, as paragraphs or as lines of plain text.

A text whose first character is `{` is read as JSON lines: one object a line with `text`, and where wanted `id`,
`system`, `model` and `max_tokens`. Any other text that holds an empty line is one prompt a paragraph, and else one
prompt a line. A prompt without an id is named by its place, from 1.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmt_lsp.terminal.connection import TroubleError

MAX_FILE = 256 * 1024 * 1024  # bytes; no endpoint takes a larger batch
MAX_PROMPTS = 100_000

_FIELDS = {
    "id": "id",
    "text": "text",
    "system": "system",
    "model": "model",
    "max_tokens": "maxTokens",
    "maxTokens": "maxTokens",
}
_EMPTY_LINE = re.compile(r"\n[ \t]*\n\s*")


def read_prompts(name: str) -> list[dict[str, Any]]:
    """The prompts of a file, or of standard input for `-`, in the contract's shape. TroubleError."""
    text = _text(name).replace("\r\n", "\n")
    prompts = _json_lines(text, name) if text.lstrip().startswith("{") else _plain(text)
    if not prompts:
        raise TroubleError(
            f"There is no prompt in {_shown(name)}.",
            hint='Write one prompt a line, or {"id": "a", "text": "..."} in each.',
            kind="bad_params",
        )
    if len(prompts) > MAX_PROMPTS:
        raise TroubleError(
            f"{_shown(name)} has {len(prompts)} prompts, and a batch takes at most {MAX_PROMPTS}.",
            hint="Split it.",
            kind="bad_params",
        )
    return [{"id": str(number), **prompt} for number, prompt in enumerate(prompts, 1)]


def _text(name: str) -> str:
    try:
        if name != "-" and Path(name).stat().st_size > MAX_FILE:
            raise TroubleError(f"{name} is larger than 256 MB.", hint="Split it.", kind="bad_params")
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as refused:
        raise TroubleError(f"{name} cannot be read: {refused.strerror}.", kind="blocked_file") from refused
    except UnicodeDecodeError as broken:
        line = data[: broken.start].count(b"\n") + 1
        raise TroubleError(f"Line {line} of {_shown(name)} is not UTF-8 text.", kind="bad_params") from None


def _plain(text: str) -> list[dict[str, Any]]:
    body = text.strip()
    parts = _EMPTY_LINE.split(body) if _EMPTY_LINE.search(body) else body.split("\n")
    return [{"text": part.strip()} for part in parts if part.strip()]


def _json_lines(text: str, name: str) -> list[dict[str, Any]]:
    """Cut at line feeds alone: a JSON text may hold every other kind of line end."""
    return [
        _prompt(line, f"Line {number} of {_shown(name)}")
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip()
    ]


def _prompt(line: str, place: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as broken:
        why = f" ({broken.msg})" if isinstance(broken, json.JSONDecodeError) else ""
        raise TroubleError(
            f"{place} is not JSON{why}.", hint='Write {"id": "a", "text": "..."}.', kind="bad_params"
        ) from None
    if not isinstance(told, dict):
        raise TroubleError(f"{place} is no JSON object.", kind="bad_params")
    _check(told, place)
    prompt = {_FIELDS[key]: value for key, value in told.items() if value is not None}
    return {**prompt, "id": str(prompt["id"])} if "id" in prompt else prompt


def _check(told: Mapping[str, Any], place: str) -> None:
    for key in told:
        if key not in _FIELDS:
            known = ", ".join(name for name in _FIELDS if name != "maxTokens")
            raise TroubleError(f"{place} has a field {key!r}; known are {known}.", kind="bad_params")
    if not isinstance(told.get("text"), str) or not told["text"].strip():
        raise TroubleError(f"{place} has no text.", kind="bad_params")
    for key in ("system", "model"):
        if not isinstance(told.get(key), str | None):
            raise TroubleError(f"The {key} in {place[:1].lower()}{place[1:]} is no text.", kind="bad_params")
    if isinstance(told.get("id"), bool) or not isinstance(told.get("id"), str | int | None):
        raise TroubleError(
            f"The id in {place[:1].lower()}{place[1:]} is no text and no number.", kind="bad_params"
        )
    limit = told.get("max_tokens", told.get("maxTokens"))
    if isinstance(limit, bool) or not isinstance(limit, int | None):
        raise TroubleError(
            f"max_tokens in {place[:1].lower()}{place[1:]} is no whole number.", kind="bad_params"
        )


def _shown(name: str) -> str:
    return "standard input" if name == "-" else name
