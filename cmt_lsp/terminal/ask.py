"""`cmt-lsp ask`: one question from a shell, through a real server, streamed as it comes.

Standard output holds the answer and nothing else; everything about it goes to standard error.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.interrupt import EXIT_CODE, on_ctrl_c
from cmt_lsp.terminal.outcome import exit_code
from cmt_lsp.terminal.render import StatusLine, Wait, clean, say_note, summary, waiting, wants_colour
from cmt_lsp.terminal.window import Window, open_window, read_document

CANCEL_SECONDS = 5.0  # a server settles a cancelled turn in far less
CANCEL_AGAIN = 0.2  # seconds; a cancel may overtake the turn that it is meant for
TICK = 0.1  # seconds between two drawings of the status line
_LINES = re.compile(r"^(?P<path>.+?):(?P<first>[1-9]\d*)(?:-(?P<last>[1-9]\d*))?$")


@dataclass(frozen=True, slots=True)
class Question:
    """What the command line asked for. `files` are PATH, PATH:LINE or PATH:FIRST-LAST; `-` reads the prompt."""

    prompt: str
    files: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    session: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    effort: str | None = None
    as_json: bool = False
    no_color: bool = False


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


def run(question: Question, command: Sequence[str] | None = None) -> int:
    """Ask, print, and return the exit code: 0, 1 after a failure, 130 after Ctrl-C."""

    def ask() -> int:
        params, parts = _prepare(question)
        return asyncio.run(_Asking(question).run(params, parts, command))

    return exit_code(ask)


def _prepare(question: Question) -> tuple[dict[str, Any], list[FilePart]]:
    """What can be checked before a server is started: the params of the chat, and the files."""
    prompt = sys.stdin.read() if question.prompt == "-" else question.prompt
    if not prompt.strip():
        raise TroubleError(
            "There is no question.", hint='Try `cmt-lsp ask "What does this do?" --file PATH`.'
        )
    params: dict[str, Any] = {"text": prompt, "model": question.model, "effort": question.effort}
    params["maxTokens"] = question.max_tokens
    params["images"] = [{"path": str(_existing(name))} for name in question.images] or None
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


def _existing(name: str) -> Path:
    path = Path(name).absolute()
    if not path.is_file():
        raise TroubleError(f"There is no file {path}.", kind="bad_image")
    return path


class _Asking:
    """One question under way, and what Ctrl-C does to it."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._status = StatusLine(sys.stderr, colour=wants_colour(sys.stderr, refused=question.no_color))
        self._shown = 0
        self._at_line_start = True
        self._interrupted = False
        self._window: Window | None = None
        self._talk: asyncio.Task[int] | None = None
        self._helpers: list[asyncio.Task[None]] = []

    async def run(
        self, params: dict[str, Any], parts: Sequence[FilePart], command: Sequence[str] | None
    ) -> int:
        self._talk = asyncio.create_task(self._converse(params, parts, command))
        self._helpers.append(asyncio.create_task(self._tick()))
        with on_ctrl_c(self._interrupt):
            try:
                return await self._talk
            except asyncio.CancelledError:
                return EXIT_CODE
            finally:
                for task in self._helpers:
                    task.cancel()
                self._end_line()

    async def _converse(
        self, params: dict[str, Any], parts: Sequence[FilePart], command: Sequence[str] | None
    ) -> int:
        self._status.say(Wait("starting"))
        async with open_window(Path.cwd(), command=command, tell=self._tell) as window:
            if parts:
                uris = [window.open_document(part.path, part.text) for part in parts]
                params["context"] = [part.context_item(uri) for part, uri in zip(parts, uris, strict=True)]
            if (name := self._question.session) is not None:
                params["sessionId"] = (await window.named_session(name, self._question.model))["id"]
            self._window = window
            try:
                result = await window.chat(params, self._show)
            finally:
                self._window = None
            return self._finish(result)

    def _show(self, event: Mapping[str, Any]) -> None:
        """One value of the stream: text to standard output, anything else to the status line."""
        if event.get("kind") == "text":
            if self._question.as_json or not sys.stdout.isatty():
                self._status.say(Wait("receiving"))
            if not self._question.as_json:
                self._write(str(event.get("text", "")))
        elif (wait := waiting(event)) is not None:
            self._status.say(wait)

    def _tell(self, text: str) -> None:
        self._end_line()
        say_note(text)

    def _write(self, text: str) -> None:
        if sys.stdout.isatty():
            self._status.clear()
        sys.stdout.write(clean(text))
        sys.stdout.flush()
        self._shown += len(text)
        self._at_line_start = text.endswith("\n") if text else self._at_line_start

    def _end_line(self) -> None:
        self._status.clear()
        if not self._at_line_start:
            self._at_line_start = True
            with contextlib.suppress(BrokenPipeError):
                sys.stdout.write("\n")
                sys.stdout.flush()

    def _finish(self, result: Mapping[str, Any]) -> int:
        if self._question.as_json:
            sys.stdout.write(json.dumps(result, indent=2) + "\n")
        else:
            self._write(str(result.get("text", ""))[self._shown :])
        self._end_line()
        for notice in result.get("notices") or []:
            say_note(notice)
        sys.stderr.write(summary(result) + "\n")
        if self._interrupted:
            return EXIT_CODE
        return 1 if result.get("stopReason") == "truncated" else 0

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self._status.draw()

    def _interrupt(self, count: int) -> None:
        """The first Ctrl-C stops the turn and waits for its price; without a turn, or again, it is the end."""
        self._interrupted = True
        if count == 1 and self._window is not None:
            if sys.stdout.isatty():
                self._end_line()
            self._status.say(Wait("cancelling"))
            self._helpers.append(asyncio.create_task(self._stop_turn(self._window)))
        elif self._talk is not None:
            self._talk.cancel()

    async def _stop_turn(self, window: Window) -> None:
        """Cancel until the turn has ended; a server that cannot is left."""
        with contextlib.suppress(TroubleError, TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS):
                while self._window is not None:
                    await window.cancel()
                    await asyncio.sleep(CANCEL_AGAIN)
        if self._window is not None and self._talk is not None:
            self._talk.cancel()
