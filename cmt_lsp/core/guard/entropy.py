"""How much a text looks like chance: random keys do, words and code do not."""

from __future__ import annotations

import math
from collections import Counter

_STAND_INS = (
    "example", "sample", "placeholder", "changeme", "change-me", "change_me", "your", "xxxx", "****", "....",
    "dummy", "redacted", "insert", "replace", "secret", "password", "passwd", "passphrase", "not-a", "notreal",
    "fake", "todo", "none", "null", "undefined", "test", "foobar", "foo", "1234", "abcd", "letmein", "qwerty", "token",
)  # fmt: skip
_OPENERS = ("$", "<", "{{", "%(", "%{", "@", "#{", "env:", "os.environ", "process.env", "vault:", "op://")


def bits_per_character(text: str) -> float:
    """Shannon's entropy of a text's own characters: 0 for one letter repeated, about 4 for random hex, 5 for base64."""
    length = len(text)
    return -sum(n / length * math.log2(n / length) for n in Counter(text).values()) if length else 0.0


def looks_random(text: str) -> bool:
    """Whether a value is more like a key than like a name or a word: long, of mixed kinds, and without a pattern."""
    kinds = any(c.isdigit() for c in text) + any(c.islower() for c in text) + any(c.isupper() for c in text)
    if len(text) < 16 or kinds < 2 or not any(c.isdigit() for c in text):
        return False
    return bits_per_character(text) >= min(3.0, 0.75 * math.log2(len(text)))


def is_stand_in(text: str) -> bool:
    """Whether a value only holds the place of a secret: a variable, a template, an obvious word, one letter again and again."""
    lowered = text.lower()
    return (
        len(set(lowered)) <= 2
        or lowered.startswith(_OPENERS)
        or any(word in lowered for word in _STAND_INS)
        or lowered
        in ("pass", "user", "username", "default", "guest", "admin", "root", "true", "false", "hidden")
    )
