"""Masking: source text with its strings and comments blanked out, so that what is left is structure.

Every character keeps its place, and so does every line.
"""

from __future__ import annotations

import re

# A string that is not closed takes the rest of the text: what cannot be told has no structure, and the search stays linear.
_SLASHED = r"//[^\r\n]*|/\*.*?(?:\*/|\Z)"
_TRIPLE = r'"""(?:\\.|.)*?(?:"""|\Z)'
_DOUBLE = r'"(?:\\.|[^"\\\r\n])*"?'
_SINGLE = r"'(?:\\.|[^'\\\r\n])*'?"
_CHARACTER = r"'(?:\\[^\r\n']+|\\'|[^\\'\r\n])'"
_TEMPLATE = r"`(?:\\.|[^`\\])*`?"
_HASHED = r"\#[^\r\n]*"
_DIRECTIVE = r"^[ \t]*\#(?:\\\r?\n|[^\r\n])*"
_REGEX = r"(?:(?<=[(,=:!&|?{};\[])|(?<=return))[ \t]*/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\r\n]){0,80}\]|[^/\\\r\n\[]){1,200}/[a-z]*"

_SCRIPT = (_SLASHED, _REGEX, _DOUBLE, _SINGLE, _TEMPLATE)
_PLAIN = (_SLASHED, _TRIPLE, _DOUBLE, _SINGLE)
_C = (_DIRECTIVE, _SLASHED, r'R"(?P<d>[^(\s]{0,16})\(.*?(?:\)(?P=d)"|\Z)', _DOUBLE, _CHARACTER)

_PATTERNS: dict[str, tuple[str, ...]] = {
    "c": _C,
    "cpp": _C,
    "csharp": (_DIRECTIVE, _SLASHED, _TRIPLE, r'\$?@\$?"(?:""|[^"])*"?', r"\$?" + _DOUBLE, _CHARACTER),
    "go": (_SLASHED, _DOUBLE, r"`[^`]*`?", _CHARACTER),
    "java": _PLAIN,
    "javascript": _SCRIPT,
    "javascriptreact": _SCRIPT,
    "typescript": _SCRIPT,
    "typescriptreact": _SCRIPT,
    "kotlin": _PLAIN,
    "php": (
        _SLASHED,
        r"\#(?!\[)[^\r\n]*",
        r"<<<\s*(?P<q>['\"]?)(?P<w>\w+)(?P=q)\r?\n.*?(?:^[ \t]*(?P=w)\b|\Z)",
        _DOUBLE,
        _SINGLE,
    ),
    "rust": (_SLASHED, r'\br(?P<h>\#*)".*?(?:"(?P=h)|\Z)', _DOUBLE, _CHARACTER),
    "swift": (_SLASHED, _TRIPLE, _DOUBLE),
    "python": (_HASHED, _TRIPLE, r"'''(?:\\.|.)*?(?:'''|\Z)", _DOUBLE, _SINGLE),
    "ruby": (
        r"^=begin\b.*?(?:^=end\b|\Z)",
        _HASHED,
        r"<<[~-]?(?P<q>['\"]?)(?P<w>[A-Z]\w*)(?P=q).*?(?:^[ \t]*(?P=w)\b|\Z)",
        _DOUBLE,
        _SINGLE,
    ),
    "lua": (
        r"--\[(?P<a>=*)\[.*?(?:\](?P=a)\]|\Z)",
        r"\[(?P<b>=*)\[.*?(?:\](?P=b)\]|\Z)",
        r"--[^\r\n]*",
        _DOUBLE,
        _SINGLE,
    ),
}
LANGUAGES = frozenset(_PATTERNS)


def masked(text: str, language: str) -> str:
    """The text with each string and comment as blanks; unknown languages as they are."""
    patterns = _PATTERNS.get(language)
    if patterns is None:
        return text
    return re.sub("|".join(patterns), _blank, text, flags=re.DOTALL | re.MULTILINE)


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\r\n]", " ", found[0])
