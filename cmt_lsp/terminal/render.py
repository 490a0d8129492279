"""What reaches the terminal: clean text, short figures, one line that says what is being waited for.

Models, session names and error messages are foreign text. Control characters in it could recolour, retitle or
rewrite the terminal, so that every one is shown as a visible sign instead, and nothing is silently removed.
"""

from __future__ import annotations

import os
import sys
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t\r"} | {0x7F: "\u2421"}
_CONTROLS = range(0x80, 0xA0)
_BIDI = (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_UNSEEN = (0x200B, 0x2060, 0xFEFF, *range(0xE0000, 0xE0080))
_NAMED = {code: f"[U+{code:04X}]" for code in (*_CONTROLS, *_BIDI, *_UNSEEN)}
_LONE_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")
_LINE_ENDS: dict[int, str | None] = {0x0D: None, 0x2028: "\n", 0x2029: "\n"}
_VISIBLE: dict[int, str | None] = {**_PICTURES, **_NAMED, **_LONE_SURROGATES, **_LINE_ENDS}

DIM, PLAIN, ERASE = "\x1b[2m", "\x1b[22m", "\r\x1b[2K"


def clean(text: object) -> str:
    """Foreign text with every control, bidi and invisible character made visible; newlines and tabs stay.

    Works character by character, so that a stream may be cut anywhere.
    """
    return str(text).translate(_VISIBLE)


def one_line(text: object) -> str:
    """Foreign text for a place that has one line."""
    return " ".join(clean(text).split())


def tokens(count: int) -> str:
    """A token count as people read it: 999, 12.3K, 1.2M, 6.9B."""
    if count < 1000:
        return str(count)
    if count < 999_950:
        return f"{count / 1000:.1f}K"
    return f"{count / 1_000_000:.1f}M" if count < 999_950_000 else f"{count / 1_000_000_000:.1f}B"


def dollars(nano_usd: int) -> str:
    """Nano-dollars as dollars: $0.0123, -$0.0004, <$0.0001 for a little, $0 for nothing."""
    size, sign = abs(nano_usd) / 1e9, "-" if nano_usd < 0 else ""
    if nano_usd == 0:
        return "$0"
    return f"<{sign}$0.0001" if size < 0.00005 else f"{sign}${size:.4f}"


def seconds(milliseconds: float) -> str:
    """A duration: 340 ms, 3.2 s, 2 min 5 s."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, rest = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {rest} s"


def summary(result: Mapping[str, Any]) -> str:
    """One line about a finished turn: model, tokens, cached, why not more, cost, time."""
    usage, cost = result.get("usage", {}), result.get("cost", {})
    total, read = usage.get("totalInputTokens", 0), usage.get("cacheReadInputTokens", 0)
    about = "~" if usage.get("estimated") else ""
    stop = result.get("stopReason", "end_turn")
    parts = [stop.replace("_", " ")] if stop not in ("end_turn", "stop_sequence") else []
    parts.append(str(result.get("model", "?")))
    parts.append(f"{about}{tokens(total)} in, {about}{tokens(usage.get('outputTokens', 0))} out")
    if read:
        parts.append(f"cached {tokens(read)} ({read / total:.0%})" if total else f"cached {tokens(read)}")
    parts += missed(result.get("cache", {}))
    parts.append(str(cost.get("display", "unpriced")) + saved(cost))
    parts.append(seconds(result.get("timing", {}).get("totalMs", 0)))
    return one_line(" · ".join(parts))


def missed(cache: Mapping[str, Any]) -> list[str]:
    """Why tokens that could have been read from the cache were not, and what that cost; nothing where none could."""
    lost = cache.get("lostNanoUsd")
    could = cache.get("expectedTokens", 0) if lost is None else lost
    if cache.get("state") not in ("miss", "partial") or not could:
        return []
    told = f", the endpoint says {cache['toldCause']}" if cache.get("toldCause") else ""
    price = f" (lost {dollars(lost)})" if lost else ""
    part = "partly missed" if cache["state"] == "partial" else "missed"
    cause = cache.get("cause", "unknown")
    known = "nothing changed, the endpoint forgot" if cause == "unknown" else cause
    return [f"cache {part}: {known}{told}{price}"]


def saved(cost: Mapping[str, Any]) -> str:
    """ ", saved $0.0123" where caching changed the price; a loss is called one."""
    amount = cost.get("savedNanoUsd", 0)
    if not amount:
        return ""
    return f" (saved {dollars(amount)})" if amount > 0 else f" (caching cost {dollars(-amount)} more so far)"


@dataclass(frozen=True, slots=True)
class Wait:
    """What is being waited for; `left` is in seconds, None where nobody knows."""

    text: str
    left: float | None = None
    reason: str = ""

    def line(self, passed: float) -> str:
        """One line after `passed` seconds of it: the seconds so far, or those that are left."""
        figure = passed if self.left is None else max(0.0, self.left - passed)
        return one_line(f"{self.text} {figure:.1f} s{f': {self.reason}' if self.reason else ''}")


def waiting(event: Mapping[str, Any]) -> Wait | None:
    """What a value of the stream says about waiting; None where it says nothing new."""
    kind = event.get("kind")
    if kind == "retry":
        attempt = f"attempt {event.get('attempt', 0) + 1} of {event.get('maxAttempts')} in"  # the event names the failed one
        return Wait(attempt, event.get("delayMs", 0) / 1000, str(event.get("reason", "")))
    if kind == "waiting":
        return Wait(str(event.get("phase", "waiting")).replace("_", " "))
    return {"started": Wait("sending"), "thinking": Wait("thinking")}.get(str(kind))


class StatusLine:
    """One dim line at the end of a terminal, redrawn as time passes and gone when text comes.

    Not a terminal: nothing is ever written.
    """

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        """`colour` chooses dim text; the line itself needs a terminal that can erase one."""
        self._stream = stream
        self._live = stream.isatty() and os.environ.get("TERM", "") != "dumb"
        self._dim, self._plain = (DIM, PLAIN) if colour else ("", "")
        self._wait: Wait | None = None
        self._since = 0.0
        self._shown = False

    def say(self, wait: Wait) -> None:
        """Show what is being waited for, its seconds counted from when it was first said."""
        if wait != self._wait:
            self._wait, self._since = wait, time.monotonic()
        self.draw()

    def draw(self) -> None:
        """Write the line again with the time as it is now."""
        if not self._live or self._wait is None:
            return
        line = _cut(self._wait.line(time.monotonic() - self._since), _columns(self._stream) - 1)
        self._stream.write(f"{ERASE}{self._dim}{line}{self._plain}")
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the line away; the cursor stands where it began."""
        self._wait = None
        if self._shown:
            self._stream.write(ERASE)
            self._stream.flush()
            self._shown = False


def _cut(line: str, columns: int) -> str:
    """As much of a line as fits, wide characters counted as two."""
    used = 0
    for at, character in enumerate(line):
        used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used > columns:
            return line[:at]
    return line


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return 80


def wants_colour(stream: TextIO, *, refused: bool) -> bool:
    """Whether `stream` shall get colour: a terminal, not refused by the option, NO_COLOR or a dumb terminal."""
    return (
        stream.isatty()
        and not refused
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "") != "dumb"
    )


def say_note(text: str) -> None:
    """Write something worth knowing to standard error."""
    sys.stderr.write(f"note: {one_line(text)}\n")


def say_trouble(message: str, hint: str | None = None) -> None:
    """Write one sentence about what went wrong, and what to do next, to standard error."""
    sys.stderr.write(f"cmt-lsp: {one_line(message)}\n")
    if hint:
        sys.stderr.write(f"         {one_line(hint)}\n")
