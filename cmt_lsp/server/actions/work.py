"""Work: a prompt, what it is about and how it is asked, put together at the moment somebody chooses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmt_lsp.core.chatfile.answer import CodeOrigin
from cmt_lsp.core.context.items import Selection, WholeFile
from cmt_lsp.core.prompts.prompt import ASK
from cmt_lsp.core.prompts.replacement import fence_for
from cmt_lsp.core.turn import TurnRequest
from cmt_lsp.server import wire
from cmt_lsp.server.window.pieces import Source, piece, shown_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cmt_lsp.core.context.items import ContextItem
    from cmt_lsp.core.prompts.prompt import Prompt
    from cmt_lsp.server.actions.place import Place
    from cmt_lsp.server.rpc.documents import OpenDocument

FILE_LIMIT = 24_000
"""Characters, about 7,000 tokens: a file up to this size goes along whole with a question about a part of it."""
LINES_AROUND = 100
"""Of a larger file, before and after the part."""
_TO_REPLACE = "the part to replace"
_NAME_LIMIT = 120


@dataclass(frozen=True, slots=True)
class Work:
    """One thing to ask, and what becomes of the answer."""

    prompt: Prompt
    request: TurnRequest
    question: str
    """As the person put it; of a chosen action its own text."""
    name: str
    """For the session; empty where that keeps the name it has."""
    place: Place | None = None
    session_id: str | None = None
    """The session to ask in; None makes a new one, so that no long chat goes along with a small change."""
    sent_from: str | None = None
    """The transcript that the question was typed in."""
    again: bool = False
    """Whether the session's last question is asked once more, in place of what `request` asks."""

    @property
    def origin(self) -> CodeOrigin | None:
        """What it is about, for the transcript."""
        if self.place is None:
            return None
        start, end = self.place.range.start, self.place.range.end
        return CodeOrigin(
            uri=self.place.uri,
            start_line=start.line,
            end_line=end.line,
            end_character=end.character,
            language=self.place.outline.language,
        )


def work_about(
    prompt: Prompt,
    words: str,
    place: Place | None,
    document: OpenDocument | None,
    problems: Sequence[wire.DiagnosticEntry],
    folders: tuple[Path, ...],
    model: str | None = None,
) -> Work:
    """A prompt and the person's own words, asked about a place of an open document, or about nothing."""
    question = words or prompt.text
    text = f"{prompt.text}\n\n{words}" if words and prompt is not ASK else question
    if prompt.result == "edit" and place is not None:
        text = f"{text}\n\n{_rule(place)}"
    context: tuple[ContextItem, ...] = ()
    if place is not None and document is not None:
        context = _context(prompt, place, document, problems, folders)
    return Work(
        prompt=prompt,
        request=TurnRequest(text=text, context=context, model=model or prompt.model),
        question=question,
        name=_name(prompt, place, folders),
        place=place,
    )


def quoted(place: Place, folders: tuple[Path, ...]) -> str:
    """The code as the beginning of a question that a person goes on writing: where it is, and what stands there."""
    path = shown_path(place.uri, folders) or "an unsaved document"
    where = f"`{path}`, {place.target.label}:" if place.target.kind != "file" else f"`{path}`:"
    if place.target.kind == "file":
        return f"{where}\n"
    fence = fence_for(place.text)
    return f"{where}\n\n{fence}{place.outline.language or ''}\n{place.text}\n{fence}\n"


def _rule(place: Place) -> str:
    """How the answer must look, so that it can take the place of what it is about."""
    fence = fence_for(place.text)
    what = "file" if place.target.kind == "file" else f"part marked as {_TO_REPLACE} ({place.target.label})"
    return (
        f"Your answer takes the place of exactly the {what}. Answer with one code block, fenced by {fence}, and nothing "
        "else: all of the new text with its indentation as it stands in the file, and nothing of what stands before or "
        "after it. If nothing has to change, answer with the text as it is."
    )


def _context(
    prompt: Prompt,
    place: Place,
    document: OpenDocument,
    problems: Sequence[wire.DiagnosticEntry],
    folders: tuple[Path, ...],
) -> tuple[ContextItem, ...]:
    """The file or what is around, the part itself, and the problems in it."""
    path = shown_path(place.uri, folders)
    remark = _TO_REPLACE if prompt.result == "edit" else None
    items: list[ContextItem] = [surroundings(place, folders)]
    if place.target.kind != "file":
        target = place.target
        items.append(_lines(place, path, target.first, target.last, place.text, target.symbol, remark))
    if problems:
        item = wire.DiagnosticsItem(kind="diagnostics", uri=place.uri, items=list(problems))
        items.append(piece(item, Source(document, is_open=True), folders))
    return tuple(items)


def surroundings(place: Place, folders: tuple[Path, ...]) -> WholeFile | Selection:
    """The file that a place is in; of a large one the lines around it."""
    path, outline = shown_path(place.uri, folders), place.outline
    if place.target.kind == "file" or len(outline.text) <= FILE_LIMIT:
        return WholeFile(place.uri, outline.text, outline.language, path)
    first = max(1, place.target.first - LINES_AROUND)
    last = min(len(outline.lines), place.target.last + LINES_AROUND)
    return _lines(place, path, first, last, "".join(outline.lines[first - 1 : last]))


def _lines(
    place: Place,
    path: str | None,
    first: int,
    last: int,
    text: str,
    symbol: str | None = None,
    remark: str | None = None,
) -> Selection:
    return Selection(
        uri=place.uri,
        path=path,
        language=place.outline.language,
        start_line=first,
        end_line=last,
        text=text,
        version=place.version,
        symbol=symbol,
        remark=remark,
    )


def _name(prompt: Prompt, place: Place | None, folders: tuple[Path, ...]) -> str:
    """Of the session: what was done to what; of the code no more than the name of a symbol."""
    if place is None:
        return prompt.name
    path = (shown_path(place.uri, folders) or "an unsaved document").rsplit("/", 1)[-1]
    return f"{prompt.name} {place.target.symbol or place.target.label} in {path}"[:_NAME_LIMIT]
