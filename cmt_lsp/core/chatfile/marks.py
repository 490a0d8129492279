"""Marks: comments at the end of a line that say where an answer begins and ends, and whose it is.

An answer may hold anything, marks included. A mark names session and turn, and a turn's id is not known to whoever
writes the answer; should the text hold it all the same, the mark gets a number that the text does not hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

Kind = Literal["answer", "after", "end"]
"""The heading of an answer; the first line behind its text, where that is not the last one; the last line."""

_HEAD = re.compile(r"<!-- cmt session ([A-Za-z0-9_-]{1,64})[.] .*-->\s*$")
_MARK = re.compile(
    rf"<!-- cmt ({'|'.join(get_args(Kind))}) ([A-Za-z0-9_-]{{1,8}})/([A-Za-z0-9_-]{{1,64}})((?:[+][0-9]+)?) -->\s*$"
)
_ADVICE = 'To go on, write below the last heading and choose the code action "Claude: send".'


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark as it was found."""

    kind: Kind
    session: str
    """The end of the session's id."""
    turn_id: str
    salt: str

    @property
    def key(self) -> tuple[str, str]:
        """What the marks of one turn have in common."""
        return self.turn_id, self.salt


def head_mark(session_id: str) -> str:
    """The comment that says whose transcript a file is, and how to go on."""
    return f"<!-- cmt session {session_id}. {_ADVICE} -->"


def session_in(line: str) -> str | None:
    """The session that a line's head mark names."""
    found = _HEAD.search(line) if "<!-- cmt session" in line else None
    return None if found is None else found[1]


def session_tag(session_id: str) -> str:
    """The end of a session's id: enough to tell the marks of one transcript from those of another."""
    return session_id[-8:]


def salt_for(session_id: str, turn_id: str, text: str) -> str:
    """What makes the marks of a turn differ from everything in its text; empty nearly always."""
    salt, number = "", 0
    while f"{session_tag(session_id)}/{turn_id}{salt} " in text:
        number += 1
        salt = f"+{number}"
    return salt


def mark(kind: Kind, session_id: str, turn_id: str, salt: str = "") -> str:
    """The comment itself."""
    return f"<!-- cmt {kind} {session_tag(session_id)}/{turn_id}{salt} -->"


def without_marks(text: str) -> str:
    """A question that quotes a transcript, with its marks as plain comments."""
    return text.replace("<!-- cmt ", "<!-- cmt: ")


def mark_in(line: str) -> Mark | None:
    """The mark at the end of a line."""
    found = _MARK.search(line) if "<!-- cmt " in line else None
    if found is None:
        return None
    kind: Any = found[1]  # the pattern holds the kinds alone
    return Mark(kind, found[2], found[3], found[4])
