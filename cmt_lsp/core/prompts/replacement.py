"""Replacements: how the answer to "change this" becomes exactly the text that takes its place; plain functions.

Nothing is guessed. Where the answer does not hold one piece of code that is clearly the new text, there is a sentence
that says why, and the answer is shown instead of applied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmt_lsp.core.context.fences import lines_of

if TYPE_CHECKING:
    from collections.abc import Sequence

COMPLETE = ("end_turn", "stop_sequence")
"""The ends of an answer that said all it had to say."""
_OPENING = re.compile(r"(?P<indent>[ \t]*)(?P<fence>`{3,}(?=[^`]*$)|~{3,})[ \t]*(?P<language>[^\s`{]*)")
_LEFT_OUT = re.compile(
    r"(?:#|//|--|;|/\*|<!--|%)+\s*"
    r"(?:(?:\.{3}|…)|.*\b(?:rest|existing|remaining|unchanged|same|previous|omitted|other)\b.*(?:\.{3}|…))",
    re.IGNORECASE,
)
"""A comment that stands for code, such as `# ... rest of the method unchanged ...`."""
_TELLING = 4
_REASONS = {
    "cancelled": "it was stopped",
    "truncated": "it was cut off",
    "max_tokens": "it reached its limit of tokens",
    "refusal": "the model refused",
}


@dataclass(frozen=True, slots=True)
class Part:
    """What is to be replaced, between what stands before and after it."""

    before: str
    text: str
    after: str

    @property
    def document(self) -> str:
        """All of it."""
        return self.before + self.text + self.after


@dataclass(frozen=True, slots=True)
class NewText:
    """What takes the place of the old text; the same where nothing has to change."""

    text: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why an answer is not applied, as the rest of a sentence that begins with "because"."""

    reason: str


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One fenced block of an answer, each line with its end."""

    lines: tuple[str, ...]
    closed: bool
    language: str = ""

    @property
    def text(self) -> str:
        """Its lines, joined."""
        return "".join(self.lines)


def fence_for(text: str) -> str:
    """A fence that no run of backticks in the text can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(3, longest + 1)


def replacement(answer: str, stop_reason: str, part: Part) -> NewText | Unusable:
    """The new text of a part: indented as that was, with the document's line ends.

    A part ends without the line end of its last line, and so does what comes back.
    """
    if stop_reason not in COMPLETE:
        why = _REASONS.get(stop_reason, f"it ended with {stop_reason.replace('_', ' ')}")
        return Unusable(f"the answer is not complete: {why}")
    found = _chosen(code_blocks(answer))
    if isinstance(found, Unusable):
        return found
    code = part_alone(found.text, part)
    if reason := _trouble(code, found.language, part):
        return Unusable(reason)
    return NewText(fitted(code, part.text, part.document))


def fitted(code: str, old: str, document: str) -> str:
    """Code as it takes the place of `old`: indented alike, with as many final line ends, each as in the document."""
    plain = _unix(old)
    text = indented_like(_unix(code).rstrip("\n"), plain) + "\n" * _final_ends(plain)
    return text.replace("\n", line_end(old, document))


def part_alone(code: str, part: Part) -> str:
    """Code without what it repeats of the text right before and after the part; a model may give the whole file."""
    lines = lines_of(code)
    filled = [index for index, line in enumerate(lines) if line.strip()]
    new, old = [lines[index].strip() for index in filled], _filled(part.text)
    head, tail = _filled(part.before), _filled(part.after)
    first = _overlap(head, new, old)
    last = _overlap(tail[::-1], new[::-1], old[::-1])
    inside = filled[first : len(filled) - last]
    if inside:
        return "".join(lines[inside[0] : inside[-1] + 1]) if first or last else code
    return "" if (first, last) == (len(head), len(tail)) else code


def code_blocks(answer: str) -> list[CodeBlock]:
    """The fenced blocks of a text; a fence is closed by one of its own kind that is at least as long."""
    blocks: list[CodeBlock] = []
    opening: re.Match[str] | None = None
    lines: list[str] = []
    for line in lines_of(answer):
        bare = line.rstrip()
        if opening is None:
            opening, lines = _OPENING.match(bare), []
        elif _closes(bare.strip(), opening["fence"]):
            blocks.append(CodeBlock(tuple(lines), closed=True, language=opening["language"]))
            opening = None
        else:
            lines.append(line.removeprefix(opening["indent"]))
    if opening is not None:
        blocks.append(CodeBlock(tuple(lines), closed=False))
    return blocks


def indented_like(new: str, old: str) -> str:
    """`new` moved as a whole to where `old` began, for models that leave the indentation of a part away."""
    new_lines, old_lines = new.split("\n"), old.split("\n")
    have, want = _first_indent(new_lines), _first_indent(old_lines)
    if have == want or have is None or want is None:
        return new
    if want.startswith(have):
        missing = want[len(have) :]
        if _only_first_moved(new_lines, old_lines):
            at = next(index for index, line in enumerate(new_lines) if line.strip())
            new_lines[at] = missing + new_lines[at]
            return "\n".join(new_lines)
        return "\n".join(missing + line if line.strip() else line for line in new_lines)
    if have.startswith(want):
        spare = have[len(want) :]
        if all(line.startswith(have) for line in new_lines if line.strip()):
            return "\n".join(line.removeprefix(spare) for line in new_lines)
    return new


def line_end(old: str, document: str) -> str:
    r"""The line end of a part, else the one that most lines of its document have; "\n" where there is none."""
    for text in (old, document):
        windows = text.count("\r\n")
        if ends := text.count("\n") + text.count("\r") - windows:
            if windows * 2 > ends:
                return "\r\n"
            return "\r" if text.count("\n") == 0 else "\n"
    return "\n"


def _chosen(blocks: Sequence[CodeBlock]) -> CodeBlock | Unusable:
    """The only block, or the one beside which the others are scraps."""
    if not blocks:
        return Unusable("the answer holds no code block")
    if not blocks[-1].closed:
        return Unusable("the last code block of the answer is not closed")
    by_size = sorted(blocks, key=lambda block: len(block.text), reverse=True)
    if len(by_size) > 1 and len(by_size[1].text) * 2 > len(by_size[0].text):
        return Unusable(f"the answer holds {len(blocks)} code blocks, and which one is meant is not clear")
    return by_size[0]


def _overlap(before: Sequence[str], new: Sequence[str], old: Sequence[str]) -> int:
    """How many lines `new` begins with that `before` ends with; 0 where they say little, or where `old` began so too."""
    for count in range(min(len(before), len(new)), 1, -1):
        lines = new[:count]
        if lines == before[-count:] and lines != old[:count] and sum(_tells(line) for line in lines) > 1:
            return count
    return 0


def _tells(line: str) -> bool:
    """A brace says nothing of where it stands."""
    return len(line) > _TELLING


def _trouble(code: str, language: str, part: Part) -> str | None:
    """Why code would destroy something in the place of the part."""
    if language.lower() in ("diff", "patch"):
        return "the answer is a diff"
    old = set(_filled(part.text))
    new = [line for line in _filled(code) if line not in old]
    if any(_LEFT_OUT.match(line) for line in new):
        return "the answer leaves code out"
    if any(_holds_most(new, side) for side in (part.before, part.after)):
        return "the answer holds more than the part that was asked about"
    return None


def _holds_most(new: Sequence[str], side: str) -> bool:
    """Whether most of what stands on one side of the part is among new lines, so that it would stand there twice."""
    lines = {line for line in _filled(side) if _tells(line)}
    repeated = lines.intersection(new)
    return len(repeated) > 1 and len(repeated) * 2 > len(lines)


def _filled(text: str) -> list[str]:
    """The lines with something in them, without the blanks around it."""
    return [line.strip() for line in lines_of(text) if line.strip()]


def _closes(bare: str, fence: str) -> bool:
    return len(bare) >= len(fence) and bare == fence[0] * len(bare)


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _final_ends(text: str) -> int:
    return len(text) - len(text.rstrip("\n"))


def _first_indent(lines: Sequence[str]) -> str | None:
    """What stands before the first word; None where there is none."""
    line = next((line for line in lines if line.strip()), None)
    return None if line is None else line[: len(line) - len(line.lstrip())]


def _only_first_moved(new: Sequence[str], old: Sequence[str]) -> bool:
    """Whether the first line alone lost its indentation: the rest of both begins equally far in."""
    depths = [_depth([line for line in lines if line.strip()][1:]) for lines in (new, old)]
    return depths[0] is not None and depths[0] == depths[1] and depths[0] > 0


def _depth(lines: Sequence[str]) -> int | None:
    return min((len(line) - len(line.lstrip()) for line in lines), default=None)
