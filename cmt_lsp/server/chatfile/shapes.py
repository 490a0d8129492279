"""What an editor shows of a transcript, in LSP's shapes: outline, folds and usage; plain functions over a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lsprotocol import types

from cmt_lsp.core.chatfile.blocks import code_blocks
from cmt_lsp.core.chatfile.figures import figures_line
from cmt_lsp.core.chatfile.markdown import CLAUDE
from cmt_lsp.core.chatfile.page import Span, is_question_heading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cmt_lsp.core.chatfile.answer import TurnFigures
    from cmt_lsp.core.chatfile.blocks import CodeBlock
    from cmt_lsp.core.chatfile.page import Page, PageTurn

    Units = Callable[[str], int]
    """How long a line is in the editor's units."""

_SHOWN = 60
_COMMENT = re.compile(r"<!--.*?-->")
_QUESTION = types.SymbolKind.String
_CODE = types.SymbolKind.Constant
_TURN = types.SymbolKind.Module


def outline(page: Page, units: Units) -> list[types.DocumentSymbol]:
    """A symbol for each turn, with its question, its answer and the answer's code below it."""
    symbols = [_turn(page, units, number, turn) for number, turn in enumerate(page.turns, start=1)]
    prompt = page.prompt_lines
    if prompt.first < prompt.end:
        name = f"Not sent: {_short(page.lines[prompt.first])}"
        symbols.append(_symbol(page, units, name, _QUESTION, prompt, prompt.first))
    return symbols


def flat(symbols: Sequence[types.DocumentSymbol], uri: str) -> list[types.SymbolInformation]:
    """The same for an editor that knows no hierarchy."""

    def below(
        found: Sequence[types.DocumentSymbol], container: str | None
    ) -> Iterator[types.SymbolInformation]:
        for symbol in found:
            place = types.Location(uri, symbol.range)
            yield types.SymbolInformation(place, symbol.name, symbol.kind, container_name=container)
            yield from below(symbol.children or (), symbol.name)

    return list(below(symbols, None))


def folds(page: Page) -> list[types.FoldingRange]:
    """Each turn, its answer, what stands behind the answer, and each block of code; whole lines."""
    spans: list[Span] = []
    for turn in page.turns:
        spans += [turn.span, Span(turn.heading, turn.answer.end), turn.trailer]
        spans += [block.span for block in code_blocks(page, turn.answer)]
    trimmed = (_without_blank_end(page, span) for span in spans)
    found = [types.FoldingRange(span.first, span.end - 1) for span in trimmed if span.end > span.first + 1]
    return sorted(found, key=lambda fold: (fold.start_line, -fold.end_line))


def lenses(page: Page, figures: Mapping[str, TurnFigures]) -> list[types.CodeLens]:
    """What each turn used and cost, above its answer; choosing it shows the same out of the ledger, and costs nothing."""
    return [
        types.CodeLens(
            _line(turn.heading),
            types.Command(title=told, command="cmt.usage", arguments=[{"scope": "turn", "id": turn.turn_id}]),
        )
        for turn in page.turns
        if (told := usage_of(page, turn, figures))
    ]


def usage_of(page: Page, turn: PageTurn, figures: Mapping[str, TurnFigures]) -> str:
    """A turn's line of figures: the store's, else the one on the page; empty where there is neither."""
    if turn.turn_id in figures:
        return figures_line(figures[turn.turn_id])
    if turn.trailer.first == turn.trailer.end:
        return ""
    return _COMMENT.sub("", page.lines[turn.trailer.end - 1]).strip().strip("*")


def figures_turn(page: Page, line: int) -> PageTurn | None:
    """The turn whose heading or line of figures a line is."""
    turn = page.turn_at(line)
    if turn is None:
        return None
    headings = {turn.heading, turn.trailer.end - 1}
    if turn.question.first < turn.heading and is_question_heading(page.lines[turn.question.first]):
        headings.add(turn.question.first)
    return turn if line in headings else None


def _turn(page: Page, units: Units, number: int, turn: PageTurn) -> types.DocumentSymbol:
    question = _question_line(page, turn)
    title = _short(page.lines[question]) if question is not None else "asked again"
    symbol = _symbol(page, units, f"{number}. {title}", _TURN, turn.span, turn.span.first)
    symbol.detail = usage_of(page, turn, {})
    children = []
    if turn.question.first < turn.question.end:
        span = _without_blank_end(page, turn.question)
        children.append(_symbol(page, units, "Question", _QUESTION, span, span.first))
    answer = Span(turn.heading, turn.answer.end)
    told = _symbol(page, units, "Answer", _QUESTION, _without_blank_end(page, answer), turn.heading)
    told.detail = _COMMENT.sub("", page.lines[turn.heading]).removeprefix(CLAUDE).strip(" ·") or None
    told.children = [_block(page, units, block) for block in code_blocks(page, turn.answer)]
    symbol.children = [*children, told]
    return symbol


def _block(page: Page, units: Units, block: CodeBlock) -> types.DocumentSymbol:
    lines = (line for line in page.lines[block.inside.first : block.inside.end] if line.strip())
    symbol = _symbol(
        page, units, _short(next(lines, "")) or "empty block", _CODE, block.span, block.span.first
    )
    symbol.detail = block.language or None
    return symbol


def _question_line(page: Page, turn: PageTurn) -> int | None:
    """The first line of the question itself: behind its heading, and behind what was attached where more follows."""
    filled = [n for n in range(turn.question.first, turn.question.end) if page.lines[n].strip()]
    filled = [n for n in filled if not is_question_heading(page.lines[n])]
    unlinked = [n for n in filled if not page.lines[n].startswith("[")]
    return next(iter(unlinked or filled), None)


def _short(line: str) -> str:
    text = " ".join(_COMMENT.sub("", line).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN].rstrip()}..."


def _symbol(
    page: Page, units: Units, name: str, kind: types.SymbolKind, span: Span, line: int
) -> types.DocumentSymbol:
    """`line` is what is gone to; it lies in `span`."""
    last = max(span.end - 1, span.first)
    end = types.Position(last, units(page.lines[last]))
    chosen = types.Range(types.Position(line, 0), types.Position(line, units(page.lines[line])))
    return types.DocumentSymbol(
        name or "?", kind, types.Range(types.Position(span.first, 0), end), chosen, children=[]
    )


def _without_blank_end(page: Page, span: Span) -> Span:
    end = span.end
    while end > span.first and not page.lines[end - 1].strip():
        end -= 1
    return Span(span.first, end)


def _line(line: int) -> types.Range:
    return types.Range(types.Position(line, 0), types.Position(line, 0))
