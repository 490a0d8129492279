"""Symbols: what encloses some lines of a source text, as a path such as `Class.method`; plain functions.

Rather nothing than something wrong: where a text cannot be told for sure, such as one whose braces do not match, there
is no symbol.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from cmt_lsp.core.context.braces import brace_spans
from cmt_lsp.core.context.fences import lines_of
from cmt_lsp.core.context.masking import masked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TEXT_LIMIT = 300_000
"""Characters; a larger text is not looked at, since somebody waits."""
_PARSED = 100_000
"""Characters of Python that are parsed whole, in some 30 ms; larger ones are told by their indentation."""
_INDENTED = {
    "python": re.compile(r"(?:async\s+def|def|class)\s+(\w+)"),
    "ruby": re.compile(r"(?:def|class|module)\s+((?:self\.)?[\w:]+[?!=]?)"),
    "lua": re.compile(r"(?:local\s+)?function\s+([\w.:]+)"),
}


@dataclass(frozen=True, slots=True)
class Span:
    """A named stretch of lines, counted from 1, both ends inside."""

    name: str
    first: int
    last: int


def symbol_at(text: str, language: str | None, first: int, last: int) -> str | None:
    """The innermost symbol that holds all lines from `first` to `last`, with those around it; None where none does."""
    return ".".join(span.name for span in around(spans_of(text, language), first, last)) or None


def around(spans: Iterable[Span], first: int, last: int) -> tuple[Span, ...]:
    """What holds all lines from `first` to `last`, outermost first; nothing where the spans do not nest."""
    found = [span for span in spans if span.first <= first and last <= span.last]
    found.sort(key=lambda span: (span.first, -span.last))
    nested = all(
        outer.last >= inner.last and (outer.first, outer.last) != (inner.first, inner.last)
        for outer, inner in pairwise(found)
    )
    return tuple(found) if nested else ()


def spans_of(text: str, language: str | None) -> Sequence[Span]:
    """Everything that is named and defined in a text, as far as its language is known."""
    if language is None or len(text) > TEXT_LIMIT:
        return ()
    if language == "python" and len(text) <= _PARSED:
        tree = _parsed(text)
        if tree is not None:
            return tuple(_python_spans(tree))
    if language in _INDENTED:
        return tuple(_indented_spans(masked(text, language), language))
    return tuple(Span(*found) for found in brace_spans(text, language))


def _parsed(text: str) -> ast.Module | None:
    """None for what is no Python, or not yet. What the parser warns of is for another reader."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _python_spans(tree: ast.Module) -> Iterator[Span]:
    """Definitions with their decorators."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield Span(node.name, first, node.end_lineno or node.lineno)
        waiting += [
            child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt | ast.excepthandler)
        ]


def _indented_spans(text: str, language: str) -> Iterator[Span]:
    """A definition holds the lines that are set further in, and the `end` where the language has one."""
    header, closed = _INDENTED[language], language != "python"
    is_open: list[tuple[int, str, int]] = []
    filled = 0
    for number, line in enumerate(lines_of(text), 1):
        stripped = line.strip()
        if not stripped:
            continue
        indent = len(line.expandtabs(8)) - len(line.expandtabs(8).lstrip())
        while is_open and indent <= is_open[-1][0]:
            depth, name, first = is_open.pop()
            ends_here = closed and indent == depth and re.match(r"end\b", stripped)
            yield Span(name, first, number if ends_here else filled)
        if found := header.match(stripped):
            is_open.append((indent, found[1], number))
        filled = number
    yield from (Span(name, first, filled) for _, name, first in is_open)
