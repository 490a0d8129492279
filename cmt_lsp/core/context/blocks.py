"""Context blocks: items ordered, deduplicated, cut where they must be, and fenced; plain functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.api.surrogates import mend
from cmt_lsp.api.usage_fold import estimate_tokens
from cmt_lsp.core.context.fences import cut_at_line, fenced, lines_of, one_line, without_escapes
from cmt_lsp.core.context.items import (
    Block,
    Diagnostics,
    NamedText,
    Selection,
    WholeFile,
    kind_of,
    origin_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cmt_lsp.core.context.items import ContextItem, Diagnostic

CONTEXT_LIMIT = 600_000
"""Characters of all pieces of one turn together, about 170,000 tokens."""
REPEATED = 400
"""Characters of a selection that are sent although a file around it is: pointing into the file costs as much."""

_ORDER: dict[type, int] = {WholeFile: 0, NamedText: 1, Selection: 2, Diagnostics: 3}
"""What changes least from turn to turn comes first, so that the cached part of the prompt is long."""


def context_blocks(items: Sequence[ContextItem], limit: int = CONTEXT_LIMIT) -> list[Block]:
    """Order, deduplicate and fence the items; what exceeds its share of `limit` characters is cut at a line's end.

    The same items give the same bytes, whatever turn they belong to. Of a long selection that stands in a file or a
    larger selection beside it only the place is told.
    """
    wanted = sorted(_once(items), key=lambda item: _ORDER[type(item)])
    texts = [text_of(item) for item in wanted]
    limits = shares([len(text) for text in texts], limit)
    kept = [cut_at_line(text, share) for text, share in zip(texts, limits, strict=True)]
    covers = [(item, text) for item, (text, _) in zip(wanted, kept, strict=True) if _may_cover(item)]
    return [
        _pointer(item) if _is_covered(item, covers) else _block(item, text, cut_lines)
        for item, (text, cut_lines) in zip(wanted, kept, strict=True)
    ]


def cut_notice(block: Block) -> str:
    """What was left out of a block, and what to do about it."""
    lines = "the last line was" if block.cut_lines == 1 else f"the last {block.cut_lines} lines were"
    return (
        f"{one_line(block.origin)}: {lines} left out to keep within the limit; select the part you mean and attach that, "
        "or attach less beside it."
    )


def block_of(item: ContextItem, limit: int = CONTEXT_LIMIT) -> Block:
    """One item alone."""
    return _block(item, *cut_at_line(text_of(item), limit))


def _once(items: Iterable[ContextItem]) -> Iterable[ContextItem]:
    """The first of those that would say the same."""
    found: dict[object, ContextItem] = {}
    for item in items:
        found.setdefault(_identity(item), item)
    return found.values()


def _identity(item: ContextItem) -> object:
    match item:
        case WholeFile():
            return WholeFile, item.uri, item.text
        case Selection():
            return Selection, item.uri, item.start_line, item.end_line, item.text
        case _:
            return item


def shares(sizes: Sequence[int], limit: int) -> list[int]:
    """Split the limit fairly: what a small piece leaves over goes to the larger ones."""
    found = [0] * len(sizes)
    left, waiting = limit, len(sizes)
    for index in sorted(range(len(sizes)), key=lambda i: sizes[i]):
        found[index] = min(sizes[index], left // waiting)
        left -= found[index]
        waiting -= 1
    return found


def _may_cover(item: ContextItem) -> bool:
    return isinstance(item, WholeFile | Selection)


def _is_covered(item: ContextItem, covers: Iterable[tuple[ContextItem, str]]) -> bool:
    """Whether a long selection stands, as it is and at its lines, in what is sent of something else."""
    if not isinstance(item, Selection) or len(item.text) <= REPEATED or item.remark:
        return False
    return any(_covers(cover, text, item) for cover, text in covers if cover is not item)


def _covers(cover: ContextItem, text: str, item: Selection) -> bool:
    if not isinstance(cover, WholeFile | Selection) or cover.uri != item.uri:
        return False
    if isinstance(cover, Selection) and (len(cover.text) <= len(item.text) or cover.remark):
        return False
    first = cover.start_line if isinstance(cover, Selection) else 1
    if item.start_line < first:
        return False
    lines = lines_of(text)[item.start_line - first : item.end_line - first + 1]
    return mend(item.text) in "".join(lines)


def _pointer(item: ContextItem) -> Block:
    lines = [line.strip() for line in lines_of(text_of(item)) if line.strip()]
    ends = f"from\n{lines[0]}\nto\n{lines[-1]}\n" if lines else ""
    return _sent(item, f"{_title(item)}; its text stands above", ends, 0)


def _block(item: ContextItem, text: str, cut_lines: int) -> Block:
    lines = "line is" if cut_lines == 1 else f"{cut_lines} lines are"
    left_out = f"; the last {lines} left out" if cut_lines else ""
    return _sent(item, _title(item) + left_out, text, cut_lines)


def _sent(item: ContextItem, title: str, text: str, cut_lines: int) -> Block:
    whole = fenced(title, text)
    return Block(
        origin=origin_of(item),
        kind=kind_of(item),
        text=whole,
        content_block={"type": "text", "text": whole},
        estimated_tokens=estimate_tokens(len(whole.encode())),
        cut_lines=cut_lines,
    )


def _title(item: ContextItem) -> str:
    match item:
        case WholeFile():
            empty = ", empty" if not item.text else ""
            return f"File {origin_of(item)}{_in_language(item.language)}{empty}"
        case Selection():
            return f"Selection from {_place(item)}"
        case Diagnostics():
            within = f", lines {item.within[0]} to {item.within[1]}" if item.within else ""
            return f"Diagnostics of {origin_of(item)}{within}"
        case NamedText():
            return item.title


def _place(item: Selection) -> str:
    """A file says nothing of its version, which changes more often than its text; a selection is new each time."""
    lines = f"lines {item.start_line} to {item.end_line}"
    if not item.text:
        lines = f"line {item.start_line}, where the cursor stands and nothing is selected"
    parts = [f"{origin_of(item)}, {lines}{f' in {item.symbol}' if item.symbol else ''}"]
    parts[0] += _in_language(item.language)
    parts += ["with unsaved changes"] if item.unsaved else []
    parts += [f"document version {item.version}"] if item.version is not None else []
    parts += [item.remark] if item.remark else []
    return ", ".join(parts)


def text_of(item: ContextItem) -> str:
    """What of an item stands between its marks, before anything is cut."""
    match item:
        case Diagnostics():
            return "".join(_finding(found) for found in item.items) or "no problems\n"
        case NamedText():
            return mend(without_escapes(item.text))
        case _:
            return mend(item.text)


def _finding(found: Diagnostic) -> str:
    source = " ".join(part for part in (found.source, found.code) if part)
    told = f"line {found.line}: {found.severity}: {found.message}{f' [{source}]' if source else ''}"
    code = "".join(
        f"{number:>7} | {mend(line).rstrip()}\n" for number, line in enumerate(found.code_lines, found.line)
    )
    return f"{one_line(told)}\n{code}"


def _in_language(language: str | None) -> str:
    return f" ({language})" if language else ""
