"""What a person asks from a shell: a question, and the files and pictures that go with it."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.pins import change_pins, check_pins
from cmt_lsp.terminal.render import say_note
from cmt_lsp.terminal.shots import Shot, check_new
from cmt_lsp.terminal.window import Window, read_document

_LINES = re.compile(r"^(?P<path>.+?):(?P<first>[1-9]\d*)(?:-(?P<last>[1-9]\d*))?$")


@dataclass(frozen=True, slots=True)
class Question:
    """What the command line asked for. `files` are PATH, PATH:LINE or PATH:FIRST-LAST; `-` reads the prompt."""

    prompt: str
    files: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    shots: tuple[Shot, ...] = ()
    """Pictures to take before it is asked."""
    save_shots: str | None = None
    """The file to keep the picture in."""
    session: str | None = None
    pin: tuple[str, ...] = ()
    unpin: tuple[str, ...] = ()
    """Files to pin to the session before it is asked, and what to unpin."""
    dry_run: bool = False
    """Show what would be sent and what it would cost, and send nothing."""
    model: str | None = None
    max_tokens: int | None = None
    effort: str | None = None
    over_budget: str | None = None
    """The reason to send it whatever the budgets say."""
    allow_secrets: bool = False
    """Send what looks secret, and ignored files, without being asked."""
    as_json: bool = False
    no_color: bool = False
    no_picture: bool = False


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file that goes along, or lines `first` to `last` of it, counted from 1."""

    path: Path
    text: str
    first: int | None = None
    last: int | None = None

    def context_item(self, uri: str) -> dict[str, Any]:
        """The context item of the contract; columns count UTF-16 units, as agreed in `initialize`."""
        if self.first is None or self.last is None:
            return {"kind": "file", "uri": uri}
        lines = self.text.split("\n")[self.first - 1 : self.last]
        end = {"line": self.last - 1, "character": len(lines[-1].encode("utf-16-le", "surrogatepass")) // 2}
        span = {"start": {"line": self.first - 1, "character": 0}, "end": end}
        return {"kind": "selection", "uri": uri, "range": span, "text": "\n".join(lines), "version": 1}


def prepare(question: Question) -> tuple[dict[str, Any], list[FilePart]]:
    """What can be checked before a server is started: the params of the question, and the files.

    Raises TroubleError.
    """
    prompt = sys.stdin.read() if question.prompt == "-" else question.prompt
    if not prompt.strip():
        raise TroubleError(
            "There is no question.", hint='Try `cmt-lsp ask "What does this do?" --file PATH`.'
        )
    check_new(question.save_shots)
    check_pins(question.pin, question.unpin, question.session, dry_run=question.dry_run)
    params: dict[str, Any] = {"text": prompt, "model": question.model, "effort": question.effort}
    params["maxTokens"] = question.max_tokens
    params["budgetOverride"] = question.over_budget
    params["allowSecrets"] = question.allow_secrets or None
    params["images"] = [{"path": str(existing_file(name))} for name in question.images] or None
    parts = [read_part(text) for text in question.files]
    return {name: value for name, value in params.items() if value is not None}, parts


def read_part(text: str) -> FilePart:
    """Read what `--file` names. A file whose name ends like a line number wins over the line number."""
    lines = None if Path(text).exists() else _LINES.match(text)
    path = Path(lines["path"] if lines else text).absolute()
    content = read_document(path)
    if lines is None:
        return FilePart(path, content)
    first = int(lines["first"])
    last = int(lines["last"] or first)
    count = content.count("\n") + 1
    if not first <= last <= count:
        raise TroubleError(f"{path.name} has lines 1 to {count}, not {first} to {last}.", kind="bad_params")
    return FilePart(path, content, first, last)


def existing_file(name: str) -> Path:
    """The absolute path of a picture that is there; TroubleError."""
    path = Path(name).absolute()
    if not path.is_file():
        raise TroubleError(f"There is no file {path}.", kind="bad_image")
    return path


async def place(
    question: Question, params: dict[str, Any], parts: Sequence[FilePart], window: Window
) -> dict[str, Any]:
    """The params with the files, opened in the server, and with the session that is named, made where there is none.

    Pins are changed on the way. A dry run makes no session.
    """
    placed = dict(params)
    if parts:
        uris = [window.open_document(part.path, part.text) for part in parts]
        placed["context"] = [part.context_item(uri) for part, uri in zip(parts, uris, strict=True)]
    if question.session is not None and question.dry_run:
        if (found := await window.find_session(question.session)) is not None:
            placed["sessionId"] = found["id"]
    elif question.session is not None:
        session = await window.named_session(question.session, question.model)
        placed["sessionId"] = session["id"]
        await change_pins(session, question.pin, question.unpin, window, say_note)
    return placed
