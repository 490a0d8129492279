"""The arguments of commands, in every shape that editors were seen to send."""

from __future__ import annotations

from typing import Any

import pytest
from lsprotocol import types

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.server.actions.arguments import Asked, asked, entry_json, entry_of

PLACE = {"start": {"line": 1, "character": 2}, "end": {"line": 3, "character": 4}}
RANGE = types.Range(types.Position(1, 2), types.Position(3, 4))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (None, Asked()),
        ([], Asked()),
        ([None, {}], Asked()),
        ("why?", Asked(words="why?")),
        (["why?"], Asked(words="why?")),
        (["why", "not", 3], Asked(words="why not 3")),
        ([["why?"]], Asked(words="why?")),
        ([{"text": "why?"}], Asked(words="why?")),
        ([{"question": "why?"}, "now"], Asked(words="why? now")),
        ([{"textDocument": {"uri": "file:///a"}}], Asked(uri="file:///a")),
        ([{"path": "/a b.py", "lines": [3, 3]}], Asked(uri="file:///a%20b.py", range=types.Range(types.Position(2, 0), types.Position(2, 0)))),
        ([{"path": "a.py"}], Asked()),
        ([{"uri": "file:///a", "range": PLACE, "version": 0}], Asked(uri="file:///a", range=RANGE, version=0)),
        ([{"range": {"line": 1, "character": 2}}], Asked(range=types.Range(RANGE.start, RANGE.start))),
        ([{"range": {"start": {"line": 0, "character": 2**40}}}], Asked(range=types.Range(*[types.Position(0, 2**31 - 1)] * 2))),
        ([{"offsets": [1, 2], "revision": 3}], Asked(offsets=(1, 2), revision=3)),
        ([{"offsets": "no", "problems": 5}], Asked()),
        ([{"problems": [5, {"message": 3}, {"code": "x"}]}], Asked()),
    ],
)  # fmt: skip
def test_what_came_is_understood(arguments: object, expected: Asked) -> None:
    assert asked(arguments) == expected


def test_the_first_text_may_name_the_action() -> None:
    assert asked(["fix", "all", "of it"], first_is_action=True) == Asked(action="fix", words="all of it")
    assert asked([{"action": "fix"}, "all"], first_is_action=True) == Asked(action="fix", words="all")


@pytest.mark.parametrize(
    "fields",
    [
        {"uri": 5},
        {"words": ["x"]},
        {"version": "1"},
        {"version": True},
        {"range": "all"},
        {"range": {"start": {"line": "1", "character": 0}}},
        {"lines": [0, 1]},
        {"lines": [1]},
    ],
)
def test_a_field_that_makes_no_sense_is_named(fields: dict[str, Any]) -> None:
    with pytest.raises(BadParamsError, match=next(iter(fields))):
        asked([fields])


def test_a_problem_comes_back_as_it_left() -> None:
    """With a code action and its command; an editor may leave out all but the message."""
    whole = types.Diagnostic(RANGE, "boom", severity=types.DiagnosticSeverity.Warning, code=7, source="lint")
    for diagnostic in (whole, types.Diagnostic(RANGE, "boom")):
        told = entry_json(entry_of(diagnostic))
        (back,) = asked([{"problems": [told]}]).problems
        assert entry_json(back) == told
        assert told["message"] == "boom"
