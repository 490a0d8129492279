"""Targets: which part of a document a person means by what an editor says is selected; plain functions."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmt_lsp.core.context.fences import lines_of
from cmt_lsp.core.context.symbols import around, spans_of
from cmt_lsp.core.prompts.drift import Stretch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmt_lsp.core.context.symbols import Span

TargetKind: TypeAlias = Literal["selection", "symbol", "lines", "file"]

_LONGEST_SYMBOL = 300
"""Lines of what encloses a cursor; of something longer only the paragraph is meant."""
_LONGEST_PARAGRAPH = 60
_CURSOR = re.compile(r"""\w+|\([^()\r\n]*\)|\[[^\[\]\r\n]*\]|\{[^{}\r\n]*\}|"[^"\r\n]*"|'[^'\r\n]*'|.""")
"""What editors select by themselves when nothing is: a character, the word or the bracketed piece at the cursor."""


@dataclass(frozen=True, slots=True)
class Target:
    """A stretch of a document with the lines it touches, counted from 1, both ends inside."""

    stretch: Stretch
    first: int
    last: int
    kind: TargetKind
    symbol: str | None = None
    """What encloses it, or what it is."""

    @property
    def label(self) -> str:
        """What a menu calls it."""
        if self.kind == "file":
            return "this file"
        lines = f"line {self.first}" if self.first == self.last else f"lines {self.first}-{self.last}"
        return f"{self.symbol}, {lines}" if self.kind == "symbol" else lines


class Outline:
    """One state of a document: its text, its lines and what is defined in it; looked at once, however often asked."""

    def __init__(self, text: str, language: str | None) -> None:
        """`language` is the editor's id of it."""
        self.text = text
        self.language = language

    @cached_property
    def lines(self) -> Sequence[str]:
        """The lines with their ends."""
        return lines_of(self.text)

    @cached_property
    def starts(self) -> Sequence[int]:
        """Where each line starts, and the end of the text."""
        return (0, *accumulate(len(line) for line in self.lines))

    @cached_property
    def spans(self) -> Sequence[Span]:
        """What is defined in it."""
        return spans_of(self.text, self.language)

    def line_at(self, offset: int) -> int:
        """The line of an offset, from 1; after a final line end that is one more line."""
        ends_open = bool(self.lines) and not self.lines[-1].endswith(("\r", "\n"))
        return max(
            1, min(bisect_right(self.starts, offset), len(self.lines) if ends_open else len(self.starts))
        )

    def line_stretch(self, first: int, last: int) -> Stretch:
        """Whole lines without the last line's end; both from 1."""
        if not self.lines or first > len(self.lines):
            return Stretch(len(self.text), len(self.text))
        ending = self.lines[last - 1]
        end = self.starts[last - 1] + len(ending.rstrip("\r\n"))
        return Stretch(self.starts[first - 1], end)


def target_of(outline: Outline, start: int, end: int, *, whole_file: bool = False) -> Target | None:
    """What is meant by a range, in characters: the selection, else what encloses the cursor, else its paragraph.

    None where there is nothing: an empty line with nothing around it, an empty document.
    """
    start, end = sorted((_within(start, outline.text), _within(end, outline.text)))
    if whole_file:
        return _whole(outline)
    if _is_cursor(outline.text[start:end]):
        return _at_cursor(outline, outline.line_at(start))
    return _selected(outline, start, end)


def symbol_of(outline: Outline, first: int, last: int) -> str | None:
    """What encloses some lines, such as `Class.method`."""
    found = around(outline.spans, first, last)
    return ".".join(span.name for span in found) or None


def stretch_with(outline: Outline, target: Target, first: int, last: int) -> Target:
    """A target that holds these lines too: what encloses all of them, else the lines themselves."""
    first, last = min(first, target.first), max(last, target.last)
    if (first, last) == (target.first, target.last):
        return target
    return _of_symbol(outline, first, last) or _of_lines(outline, first, min(last, len(outline.lines)))


def _within(offset: int, text: str) -> int:
    return max(0, min(offset, len(text)))


def _is_cursor(selected: str) -> bool:
    return not selected.strip() or _CURSOR.fullmatch(selected) is not None


def _whole(outline: Outline) -> Target | None:
    if not outline.text.strip():
        return None
    last = len(outline.lines)
    return Target(outline.line_stretch(1, last), 1, last, "file")


def _selected(outline: Outline, start: int, end: int) -> Target:
    """From the start of the line where only blanks stand before it, and without a final line end.

    So an answer needs no line end either, whether the editor selects to the end of a line or to the next one's start.
    """
    text = outline.text
    first = outline.line_at(start)
    line_start = outline.starts[first - 1]
    if not text[line_start:start].strip():
        start = line_start
    last = outline.line_at(end)
    if end == outline.starts[last - 1] and last > first:
        last -= 1
        end = outline.line_stretch(last, last).end
    return Target(Stretch(start, end), first, last, "selection", symbol_of(outline, first, last))


def _at_cursor(outline: Outline, line: int) -> Target | None:
    if line > len(outline.lines):
        return None
    if (target := _of_symbol(outline, line, line)) is not None:
        return target
    if not outline.lines[line - 1].strip():
        return None
    return _paragraph(outline, line)


def _of_symbol(outline: Outline, first: int, last: int) -> Target | None:
    found = around(outline.spans, first, last)
    if not found or found[-1].last - found[-1].first >= _LONGEST_SYMBOL:
        return None
    inner = found[-1]
    name = ".".join(span.name for span in found)
    return Target(outline.line_stretch(inner.first, inner.last), inner.first, inner.last, "symbol", name)


def _paragraph(outline: Outline, line: int) -> Target:
    """The lines around one up to the next empty ones; a long run of lines is cut down to the one."""
    first = last = line
    while first > 1 and outline.lines[first - 2].strip():
        first -= 1
    while last < len(outline.lines) and outline.lines[last].strip():
        last += 1
    if last - first >= _LONGEST_PARAGRAPH:
        first = last = line
    return _of_lines(outline, first, last)


def _of_lines(outline: Outline, first: int, last: int) -> Target:
    return Target(outline.line_stretch(first, last), first, last, "lines", symbol_of(outline, first, last))
