"""The JSON file of usage: a head and one entry for each request, written and read one entry at a time.

Version 1 held what a tracker counts; version 2 adds what a ledger knows of each request. Both are read.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

T = TypeVar("T")

FORMAT = "cmt-token-usage"
VERSIONS = (1, 2)

_CHUNK = 64 * 1024
_ENTRY_LIMIT = 1024 * 1024
"""Characters of one entry, a thousand times the usual; a file of another kind is not read whole into memory."""


class UsageFileError(ValueError):
    """The content is not a file of usage; the message says where and why, without the file's name."""


def write_usage(file: TextIO, entries: Iterable[Mapping[str, Any]]) -> int:
    """Write a whole document with an entry on each line; how many there were."""
    file.write(f'{{"format": "{FORMAT}", "version": {VERSIONS[-1]}, "requests": [')
    count = 0
    for count, entry in enumerate(entries, 1):
        file.write(f"{',' if count > 1 else ''}\n{json.dumps(entry, allow_nan=False)}")
    file.write("\n]}\n")
    return count


def read_usage(file: TextIO, parse: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    """What `parse` makes of each entry, in their order; UsageFileError where the document is broken or another's.

    It names the entry, also where `parse` raised it. What is wrong with an entry shows when the reader comes to it.
    """
    scan = _Scanner(file)
    head: dict[str, object] = {}
    scan.expect("{")
    while True:
        name = scan.value()
        scan.expect(":")
        if name == "requests":
            _check_head(head)
            yield from _entries(scan, parse)
        head[str(name)] = True if name == "requests" else scan.value()
        if scan.expect(",}") == "}":
            break
    if "requests" not in head or scan.peek():
        raise UsageFileError("it does not end as it should")


@contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """A new text file, mode 0600, that takes the place of `path` in one step when the block ends well.

    It is durable before it changes its name; the old content stays until then, and for good after an error.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _check_head(head: Mapping[str, object]) -> None:
    if head.get("format") != FORMAT or type(head.get("version")) is not int:
        raise UsageFileError(f"it does not begin with the format {FORMAT} and a version")
    if head["version"] not in VERSIONS:
        raise UsageFileError(f"it has version {head['version']}, which a newer cmt-lsp wrote")
    if "requests" in head:
        raise UsageFileError("it has requests twice")


def _entries(scan: _Scanner, parse: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    scan.expect("[")
    if scan.peek() == "]":
        scan.expect("]")
        return
    number = 0
    while True:
        number += 1
        scan.place = f"entry {number}: "
        entry = scan.value()
        if not isinstance(entry, dict):
            scan.fail("it is no object")
        try:
            parsed = parse(entry)
        except UsageFileError as error:
            scan.fail(str(error))
        yield parsed
        if scan.expect(",]") == "]":
            scan.place = ""
            return


class _Scanner:
    """JSON values out of a text file, one at a time, whatever the line breaks."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._ended = False
        self._decoder = json.JSONDecoder(parse_constant=self._no_number)
        self.place = ""

    def peek(self) -> str:
        """The next sign that is no space; '' at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in " \t\r\n":
                    return self._text[self._at]
                self._at += 1
            if self._ended:
                return ""
            self._fill()

    def expect(self, signs: str) -> str:
        """Take the next sign, one of these."""
        found = self.peek()
        if not found or found not in signs:
            self.fail(f"{' or '.join(signs)} is missing" if found else "it breaks off")
        self._at += 1
        return found

    def value(self) -> object:
        """Take one whole value."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
                # A number may go on behind what was read so far.
                if end < len(self._text) or self._ended:
                    self._at = end
                    return value
            except json.JSONDecodeError as error:
                if self._ended or len(self._text) - self._at > _ENTRY_LIMIT:
                    self.fail(f"it is no whole JSON ({error.msg})")
            except (ValueError, RecursionError):
                self.fail("it holds a value that is not usable")
            self._fill()

    def fail(self, why: str) -> NoReturn:
        """Give up, with the place in the file."""
        raise UsageFileError(self.place + why)

    def _fill(self) -> None:
        try:
            chunk = self._file.read(_CHUNK)
        except UnicodeDecodeError as error:
            raise UsageFileError("it is no UTF-8 text") from error
        self._text, self._at = self._text[self._at :] + chunk, 0
        self._ended = not chunk

    def _no_number(self, name: str) -> NoReturn:
        raise ValueError(f"{name} is no JSON")
