"""Text as a transcript can hold it: readable on any screen, and closed, so that what follows is not swallowed."""

from __future__ import annotations

import re

from cmt_lsp.api.surrogates import mend

_PICTURES = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}
_FENCE = re.compile(r" {0,3}(?:(`{3,})([^`]*)|(~{3,})(.*))")


def shown(text: str) -> str:
    """The text with line feeds as line ends, none at its end, no control characters, and every fence closed.

    A terminal acts on control characters, and one NUL makes an editor take a file for binary: each is shown by its
    own picture. Everything else stays as it is; `shown` of what it returns changes nothing.
    """
    plain = mend(text).replace("\r\n", "\n").replace("\r", "\n").translate(_PICTURES).rstrip("\n")
    fence = open_fence(plain)
    return f"{plain}\n{fence}" if fence else plain


def open_fence(text: str) -> str:
    """The fence that would close what the text leaves open; empty where nothing is open.

    An answer that was cut inside a code block would turn everything after it into code.
    """
    fence = ""
    for line in text.split("\n"):
        fence = next_fence(line, fence)
    return fence


def next_fence(line: str, fence: str) -> str:
    """The open fence behind a line, given the one before it; empty for none."""
    found = _FENCE.fullmatch(line)
    if found is None:
        return fence
    mark, info = found[1] or found[3], found[2] if found[1] else found[4]
    if not fence:
        return str(mark)
    closes = mark[0] == fence[0] and len(mark) >= len(fence) and not info.strip()
    return "" if closes else fence


def one_line(text: str) -> str:
    """Text as a part of a heading or a link: one line, without what would end a comment."""
    return " ".join(shown_inline(text).split())


def shown_inline(text: str) -> str:
    """As `shown`, for text that no fence begins in."""
    return mend(text).translate(_PICTURES).replace("<!--", "< !--").replace("-->", "-- >")
