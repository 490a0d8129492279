"""The code blocks of an answer, where they stand on the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmt_lsp.core.chatfile.page import Span
from cmt_lsp.core.chatfile.plain import next_fence

if TYPE_CHECKING:
    from cmt_lsp.core.chatfile.page import Page


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced block; `span` holds both fences."""

    span: Span
    language: str
    """The first word behind the fence; empty where there is none."""

    @property
    def inside(self) -> Span:
        """The code without the fences."""
        return Span(self.span.first + 1, self.span.end - 1)


def code_blocks(page: Page, span: Span) -> list[CodeBlock]:
    """The blocks that begin and end within a span; one that somebody left open is none."""
    found: list[CodeBlock] = []
    fence, start = "", span.first
    for number in range(span.first, span.end):
        line = page.lines[number]
        before, fence = fence, next_fence(line, fence)
        if fence and not before:
            start = number
        elif before and not fence:
            words = page.lines[start].strip().lstrip("`~").split()
            found.append(CodeBlock(Span(start, number + 1), words[0] if words else ""))
    return found


def code_of(page: Page, block: CodeBlock) -> str:
    """The code itself; every line of it ends."""
    lines = page.lines[block.inside.first : block.inside.end]
    return "".join(f"{line}\n" for line in lines)
