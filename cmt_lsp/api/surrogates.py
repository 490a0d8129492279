"""Text that is always valid Unicode: UTF-16 halves are joined where they pair and replaced where they do not.

Editors and servers written in JavaScript cut strings between the halves of a pair, and one lone half makes
UTF-8 encoding fail for the whole request.
"""

from __future__ import annotations


def is_whole(text: str) -> bool:
    """True where `text` holds no surrogate and can be encoded."""
    if text.isascii():  # constant time in CPython, and the usual case
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def mend(text: str) -> str:
    """`text` with paired surrogates joined and lone ones replaced by U+FFFD; unchanged where it is whole."""
    if is_whole(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def split_open_half(text: str) -> tuple[str, str]:
    """Cut off a trailing high half that may pair with what comes next: (rest, half or "")."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        return text[:-1], text[-1]
    return text, ""
