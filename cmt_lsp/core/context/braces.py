"""Braces: the named blocks of languages that put them into `{` and `}`; plain functions.

A block's name is in its header, the text between the last `;`, `{` or `}` and its own brace. What is no declaration for
sure has no name.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmt_lsp.core.context.masking import LANGUAGES, masked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_Kind: TypeAlias = Literal["type", "function", "other"]

_NAME = r"~?[A-Za-z_$][\w$]*(?:(?:::|\.)~?[A-Za-z_$][\w$]*)*"
_GO_METHOD = re.compile(r"func\s*\(\s*(?:\w+\s+)?\*?\s*(\w+)[^)]*\)\s*(\w+)\s*[\[(]")
_GO_TYPE = re.compile(r"type\s+(\w+)\s*(?:\[[^\]]*\])?\s*(?:struct|interface)\s*$")
_IMPL = re.compile(rf"\bimpl\b(?:\s*<.*?>)?\s+(?:.*\bfor\s+)?(?:&\s*)?({_NAME})")
_NAMED_TYPE = re.compile(
    r"\b(?:class|interface|struct|enum|trait|namespace|mod|module|union|object|protocol|extension|actor|record)\s+"
    rf"({_NAME})\s*(?:<>)?\s*(?:\(\))?\s*(?:(?:extends|implements|final|where|with|permits|:)(?!\w).*)?$"
)
_NAMED_FUNCTION = re.compile(rf"\b(?:function|fn|fun|func)\b\s*\*?\s*(?:<>\s*)?({_NAME})\s*(?:<>)?\s*\(\)")
_ASSIGNED = re.compile(
    rf"\b(?:const|let|var)\s+({_NAME})\s*(?::[^=]*)?=\s*(?:async\s*)?(?:function\b.*|(?:\(\)|[\w$]+)\s*(?::.*)?=>)\s*$"
)
_CALLED = re.compile(rf"({_NAME})\s*(?:<>)?\s*\(\)")
_NO_NAME = re.compile(
    r"(?:if|for|while|switch|catch|return|else|do|synchronized|using|lock|foreach|with|when|match|elif|try|unless|sizeof"
    r"|new|throw|await|function|func|fn|fun|typeof|case|guard|defer|select|go|unsafe|loop|until|init)$"
)
_BY_KEYWORD_ONLY = frozenset({"go", "rust", "kotlin", "swift", "php"})
"""Languages in which every function is declared with a word for it."""
_ATTRIBUTES = re.compile(r"@[\w.]+\s*(?:\(\))?|#?\[[^\[\]]*\]")


@dataclass(slots=True)
class _Open:
    start: int
    """Of the header's first word."""
    kind: _Kind
    name: str | None


def brace_spans(text: str, language: str) -> Sequence[tuple[str, int, int]]:
    """Name, first and last line of every named block; none where the language is not known or braces do not match."""
    if language not in LANGUAGES:
        return ()
    found = _blocks(masked(text, language), language)
    if not found:
        return ()
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
    return [(name, bisect_right(starts, start), bisect_right(starts, end)) for name, start, end in found]


def _blocks(code: str, language: str) -> list[tuple[str, int, int]]:
    """Name, start and end in characters."""
    found: list[tuple[str, int, int]] = []
    is_open: list[_Open] = []
    parens: list[int] = [0]
    header = 0
    for sign in re.finditer(r"[{}();]", code):
        match sign[0]:
            case "(":
                parens[-1] += 1
            case ")":
                parens[-1] -= 1
            case ";":
                header = sign.end() if not parens[-1] else header
            case "{":
                is_open.append(_opened(code, header, sign.start(), is_open, language))
                parens.append(0)
                header = sign.end()
            case _:
                if not is_open or parens.pop():
                    return []
                block = is_open.pop()
                found += [(block.name, block.start, sign.start())] if block.name else []
                header = sign.end()
    return [] if is_open or parens[0] else found


def _opened(code: str, first: int, end: int, around: Sequence[_Open], language: str) -> _Open:
    header = code[first:end]
    start = first + len(header) - len(header.lstrip())
    kind, name = _declared(header.strip(), around, language)
    return _Open(start, kind, name)


def _declared(header: str, around: Sequence[_Open], language: str) -> tuple[_Kind, str | None]:
    """What a header declares, and under which name."""
    if language == "go" and (method := _GO_METHOD.match(header)):
        return "function", f"{method[1]}.{method[2]}"
    if language == "go" and (named := _GO_TYPE.match(header)):
        return "type", named[1]
    if language == "rust" and (named := _IMPL.search(header)):
        return "type", named[1]
    bare = _skeleton(header)
    if "(" in bare.replace("()", "") or ")" in bare.replace("()", ""):
        return "other", None  # an argument of a call, or a loop
    for pattern, kind in _patterns():
        if (named := pattern.search(bare)) and not _NO_NAME.match(named[1]):
            return kind, named[1]
    return _by_call(bare, around, language)


def _patterns() -> Iterator[tuple[re.Pattern[str], _Kind]]:
    yield _NAMED_FUNCTION, "function"
    yield _NAMED_TYPE, "type"
    yield _ASSIGNED, "function"


def _by_call(bare: str, around: Sequence[_Open], language: str) -> tuple[_Kind, str | None]:
    """A function that no word declares: `name(...) {`, directly in a type or at the top, and never in a function."""
    named = _CALLED.search(bare)
    if (
        named is None
        or language in _BY_KEYWORD_ONLY
        or _NO_NAME.match(named[1])
        or "=" in bare[: named.start()]
    ):
        return "other", None
    if re.search(r"\b(?:new|return|else|throw|await)\b", bare[: named.start()]):
        return "other", None
    if any(block.kind != "type" for block in around):
        return "other", None
    return "function", named[1]


def _skeleton(header: str) -> str:
    """A header with nothing between its parentheses and angle brackets, and without attributes."""
    while True:
        bare = re.sub(r"\([^()]+\)", "()", header)
        bare = re.sub(r"<[^<>()]+>", "<>", bare)
        bare = _ATTRIBUTES.sub(" ", bare)
        if bare == header:
            return " ".join(bare.split())
        header = bare
