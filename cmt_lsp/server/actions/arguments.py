"""The arguments of a command as editors send them: nothing, a text, several values or one object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.server import wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WORDS = ("words", "text", "prompt", "question")
_FURTHEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command is to do, as far as its arguments say."""

    action: str = ""
    words: str = ""
    """What the person typed."""
    uri: str | None = None
    range: types.Range | None = None
    revision: int | None = None
    """The state of the document that the range belongs to, in our own count."""
    offsets: tuple[int, int] | None = None
    """The range in characters of that state."""
    version: int | None = None
    """The same in the editor's count."""
    problems: tuple[wire.DiagnosticEntry, ...] = ()
    session_id: str | None = None
    model: str | None = None
    id: str | None = None


def asked(arguments: object, *, first_is_action: bool = False) -> Asked:
    """Make the best of what came; BadParamsError names a field that makes no sense.

    Texts are joined to the person's words, the first of them names the action where the command wants one.
    """
    values = list(_flat(arguments))
    fields: dict[str, Any] = {}
    for value in values:
        if isinstance(value, dict):
            fields.update(value)
    texts = [_plain(value) for value in values if not isinstance(value, dict)]
    action = _text(fields, "action") or ""
    if first_is_action and not action and texts:
        action, *texts = texts
    given = [words for name in _WORDS if (words := _text(fields, name))]
    return Asked(
        action=action.strip(),
        words=" ".join([*given[:1], *texts]).strip(),
        uri=_text(fields, "uri") or _uri_of(fields),
        range=_range(fields.get("range")) or _lines(fields.get("lines")),
        revision=_number(fields, "revision"),
        offsets=_offsets(fields.get("offsets")),
        version=_number(fields, "version"),
        problems=tuple(_problems(fields.get("problems"))),
        session_id=_text(fields, "sessionId"),
        model=_text(fields, "model"),
        id=_text(fields, "id"),
    )


def entry_of(diagnostic: types.Diagnostic) -> wire.DiagnosticEntry:
    """A problem as the contract has it."""
    return wire.DiagnosticEntry(
        message=diagnostic.message,
        range=_wire_range(diagnostic.range),
        severity=None if diagnostic.severity is None else int(diagnostic.severity),
        source=diagnostic.source,
        code=diagnostic.code,
    )


def entry_json(entry: wire.DiagnosticEntry) -> dict[str, Any]:
    """A problem as it travels with a code action, and comes back."""
    place = entry.range
    found: dict[str, Any] = {"message": entry.message, "severity": entry.severity, "source": entry.source}
    if place is not None:
        found["range"] = {
            "start": {"line": place.start.line, "character": place.start.character},
            "end": {"line": place.end.line, "character": place.end.character},
        }
    found["code"] = entry.code
    return {key: value for key, value in found.items() if value is not None}


def _flat(arguments: object) -> Iterator[object]:
    """The values, with a list in the list opened: some editors wrap once more."""
    values = arguments if isinstance(arguments, list) else [arguments]
    for value in values:
        if isinstance(value, list):
            yield from (entry for entry in value if entry is not None)
        elif value is not None:
            yield value


def _plain(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    raise BadParamsError(f"{name} must be a text.")


def _number(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise BadParamsError(f"{name} must be a whole number.")


def _offsets(given: object) -> tuple[int, int] | None:
    match given:
        case [int() as start, int() as end]:
            return start, end
    return None


def _uri_of(fields: Mapping[str, Any]) -> str | None:
    """Some editors send a whole `textDocument`; those whose keys and commands know a path only send that as `path`."""
    document, path = fields.get("textDocument"), _text(fields, "path")
    if isinstance(document, dict):
        return _text(document, "uri")
    return Path(path).as_uri() if path and Path(path).is_absolute() else None


def _range(given: object) -> types.Range | None:
    """A range, or a lone position, in LSP's shape; beyond the largest number means the end."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise BadParamsError("range must have a start and an end.")
    start = given.get("start", given)
    return types.Range(_position(start), _position(given.get("end", start)))


def _lines(given: object) -> types.Range | None:
    """A range from a first and a last line, both counted from 1; one line alone is where the cursor is."""
    if given is None:
        return None
    if (
        not isinstance(given, list)
        or len(given) != 2
        or not all(type(line) is int and line > 0 for line in given)
    ):
        raise BadParamsError("lines must be a first and a last line, counted from 1.")
    first, last = (min(line, _FURTHEST) for line in sorted(given))
    return types.Range(types.Position(first - 1, 0), types.Position(last if last > first else first - 1, 0))


def _position(given: object) -> types.Position:
    line, character = (
        (given.get(key) for key in ("line", "character")) if isinstance(given, dict) else (None,) * 2
    )
    if not isinstance(line, int) or not isinstance(character, int) or min(line, character) < 0:
        raise BadParamsError("range must have positions with a line and a character, counted from 0.")
    return types.Position(min(line, _FURTHEST), min(character, _FURTHEST))


def _problems(given: object) -> Iterator[wire.DiagnosticEntry]:
    for entry in given if isinstance(given, list) else ():
        if isinstance(entry, dict) and isinstance(message := entry.get("message"), str):
            place, code, severity = _range(entry.get("range")), entry.get("code"), entry.get("severity")
            yield wire.DiagnosticEntry(
                message=message,
                range=None if place is None else _wire_range(place),
                severity=severity if isinstance(severity, int) else None,
                source=_text(entry, "source"),
                code=code if isinstance(code, int | str) else None,
            )


def _wire_range(place: types.Range) -> wire.Range:
    start, end = (wire.Position(line=p.line, character=p.character) for p in (place.start, place.end))
    return wire.Range(start=start, end=end)
