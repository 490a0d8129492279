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
_ENDED_BY_LINES = frozenset(
    {"go", "javascript", "javascriptreact", "typescript", "typescriptreact", "kotlin", "swift"}
)
_CONTINUES = re.compile(r"\s*(?:extends|implements|where|=>|[:=.])")
_IS_ATTRIBUTE = re.compile(r"\s*@[\w.]+\s*(?:\(.*\))?\s*$")
_LABELS = re.compile(r"^(?:\s*(?:public|private|protected)\s*:(?!:))+")
_GOES_ON = re.compile(r"\s*[>,|&)\]{:=;]")
_INITIALIZED = re.compile(r"\(\)[^:]*:(?!:)")
_LONGEST = 2_000
"""Characters of a header; what is longer is none."""
_BESIDE_THE_NAME = re.compile(r"\b(?:noexcept|__attribute__|alignas|throw|requires|decltype)\s*\(\)")
_ATTRIBUTES = re.compile(r"@[\w.]+\s*(?:\(\))?|#?\[[^\[\]]*\]")


@dataclass(slots=True)
class _Open:
    start: int
    """Of the header's first word."""
    kind: _Kind
    name: str | None
    resumed: int | None
    """Where the header that it interrupts began: a literal, or a type between braces, is only a part of one."""


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
                first = max(header, sign.start() - _LONGEST)
                literal = parens[-1] or first > header or _is_literal(code[first : sign.start()], language)
                resumed = header if literal else None
                is_open.append(_opened(code, header, sign.start(), is_open, language, resumed))
                parens.append(0)
                header = sign.end()
            case _:
                if not is_open or parens.pop():
                    return []
                block = is_open.pop()
                found += [(block.name, block.start, sign.start())] if block.name else []
                goes_on = block.resumed is not None and (parens[-1] or _GOES_ON.match(code, sign.end()))
                header = block.resumed if block.resumed is not None and goes_on else sign.end()
    return [] if is_open or parens[0] else found


def _is_literal(header: str, language: str) -> bool:
    """Whether a brace opens a value or a type, and no block."""
    before = header.rstrip()
    if not before:
        return False
    if language == "cpp" and _INITIALIZED.search(_skeleton(before)):
        return bool(re.search(r"[\w>]$", before))
    return before.endswith(("<", ",", "=", "|", "&", ":", "[", "?")) and not before.endswith("::")


def _opened(
    code: str, first: int, end: int, around: Sequence[_Open], language: str, resumed: int | None
) -> _Open:
    if resumed is not None:
        return _Open(end, "other", None, resumed)
    header = code[first:end]
    if language in _ENDED_BY_LINES:
        header = _last_statement(header)
    header = _LABELS.sub("", header, count=1).lstrip()
    start = end - len(header)
    kind, name = _declared(header.strip(), around, language)
    return _Open(start, kind, name, None)


def _last_statement(header: str) -> str:
    """Without the lines of statements before it, where the end of a line ends a statement."""
    kept: list[str] = []
    depth = 0
    for line in reversed(re.split(r"(?<=[\r\n])", header)):
        goes_on = (
            depth > 0
            or not "".join(kept).strip()
            or _CONTINUES.match("".join(kept))
            or _IS_ATTRIBUTE.match(line)
        )
        if not goes_on:
            break
        kept.insert(0, line)
        depth += line.count(")") - line.count("(")
    return "".join(kept)


def _declared(header: str, around: Sequence[_Open], language: str) -> tuple[_Kind, str | None]:
    """What a header declares, and under which name."""
    if not header:
        return "other", None
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
    if language in _BY_KEYWORD_ONLY or any(block.kind != "type" for block in around):
        return "other", None
    bare = _BESIDE_THE_NAME.sub("", re.split(r"(?<=\))[^:()]*:(?!:)", bare)[0])
    names = _CALLED.findall(bare)
    if len(names) != 1 or _NO_NAME.match(names[0]):
        return "other", None
    before = bare[: bare.index("()")]
    if "=" in before or re.search(r"\b(?:new|return|else|throw|await)\b", before):
        return "other", None
    return "function", names[0]


def _skeleton(header: str) -> str:
    """A header with nothing between its parentheses and angle brackets, and without attributes and literals."""
    while True:
        bare = re.sub(r"\{[^{}]*\}", "", header)
        bare = re.sub(r"\((?:[^()]|\(\))*\)", "()", bare)
        bare = re.sub(r"<[^<>()]+>", "<>", bare)
        bare = _ATTRIBUTES.sub(" ", bare)
        if bare == header:
            return " ".join(bare.split())
        header = bare
