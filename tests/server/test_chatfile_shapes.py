"""What an editor is shown of a transcript: valid whatever the text holds, and telling what it should."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from chat_pages import FIGURES, SESSION, TURNS, conversations, sized, turn_with

from cmt_lsp.core.chatfile.answer import ChatTurn, Link
from cmt_lsp.core.chatfile.figures import figures_line
from cmt_lsp.core.chatfile.markdown import document
from cmt_lsp.core.chatfile.page import Page, read_page
from cmt_lsp.server.chatfile import shapes
from cmt_lsp.server.chatfile.links import found_links
from cmt_lsp.server.chatfile.registration import FEATURES, fit, registrations

UNITS: dict[str, Callable[[str], int]] = {
    "utf-8": lambda line: len(line.encode()),
    "utf-16": lambda line: len(line.encode("utf-16-le")) // 2,
    "utf-32": len,
}


def page_of(text: str) -> Page:
    page = read_page(text)
    assert page is not None
    return page


def everything(symbols: Sequence[types.DocumentSymbol]) -> Iterator[types.DocumentSymbol]:
    for symbol in symbols:
        yield symbol
        yield from everything(symbol.children or ())


def key(place: types.Position) -> tuple[int, int]:
    return place.line, place.character


@sized
@given(conversations(), st.sampled_from(sorted(UNITS)))
def test_every_place_lies_in_the_document_and_in_its_parent(turns: list[ChatTurn], encoding: str) -> None:
    """As LSP demands: a symbol's name is not empty, its selection in its range, its range in that of its parent."""
    page, units = page_of(document(SESSION, "n", turns) + "typed"), UNITS[encoding]

    def check(symbols: Sequence[types.DocumentSymbol], first: tuple[int, int], last: tuple[int, int]) -> None:
        for symbol in symbols:
            start, end = key(symbol.range.start), key(symbol.range.end)
            assert symbol.name
            assert first <= start <= key(symbol.selection_range.start)
            assert key(symbol.selection_range.end) <= end <= last
            assert symbol.range.end.character <= units(page.lines[symbol.range.end.line])
            check(symbol.children or (), start, end)

    outline = shapes.outline(page, units)
    check(outline, (0, 0), (len(page.lines), 0))
    assert len(shapes.flat(outline, "file:///t.md")) == len(list(everything(outline)))
    folds = shapes.folds(page)
    assert all(0 <= fold.start_line < fold.end_line < len(page.lines) for fold in folds)
    lenses = shapes.lenses(page, {})
    assert [lens.range.start.line for lens in lenses] == [turn.heading for turn in page.turns]


@sized
@given(conversations())
def test_folds_lie_in_each_other_or_apart(turns: list[ChatTurn]) -> None:
    """Editors drop what overlaps."""
    folds = [
        (fold.start_line, fold.end_line) for fold in shapes.folds(page_of(document(SESSION, "n", turns)))
    ]
    for start, end in folds:
        for other, last in folds:
            assert (
                end < other
                or last < start
                or (start <= other and last <= end)
                or (other <= start and end <= last)
            )


def test_the_outline_tells_turns_and_code() -> None:
    answer = "Like so:\n\n```python\n\nx = 1\n```\n\n````\n```\n````\n"
    turn = turn_with(text=answer, title="Explain", attached=(Link("a.py, line 1", "file:///w/a.py#L1"),))
    page = page_of(document(SESSION, "n", [turn, turn_with(TURNS[1], question="")]) + "Next?")
    (first, second, prompt) = shapes.outline(page, len)
    assert (first.name, second.name, prompt.name) == ("1. What is it?", "2. asked again", "Not sent: Next?")
    assert first.detail == figures_line(FIGURES)
    question, told = first.children or ()
    assert (question.name, told.name, told.detail) == ("Question", "Answer", "claude-test-1")
    assert [(one.name, one.detail) for one in told.children or ()] == [("x = 1", "python"), ("```", None)]


def test_figures_are_the_stores_else_those_on_the_page() -> None:
    page = page_of(document(SESSION, "n", [turn_with()]))
    (read,) = shapes.lenses(page, {})
    (known,) = shapes.lenses(page, {TURNS[0]: FIGURES})
    assert read.command is not None
    assert known.command is not None
    assert read.command.title == known.command.title == figures_line(FIGURES)
    assert known.command.command == "cmt.usage"
    assert known.command.arguments == [{"scope": "turn", "id": TURNS[0]}]


def test_figures_belong_to_headings_and_the_last_line() -> None:
    """Elsewhere in a turn a hover tells nothing."""
    page = page_of(document(SESSION, "n", [turn_with()]))
    (turn,) = page.turns
    pointed = [n for n in range(len(page.lines)) if shapes.figures_turn(page, n)]
    assert pointed == [turn.question.first, turn.heading, turn.trailer.end - 1]


# --- links


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A folder with a file, links to inside and outside, and a file beside it."""
    folder = tmp_path / "work"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "a.py").write_text("x = 1\n")
    (folder / "b (1).py").write_text("x = 1\n")
    (tmp_path / "out.py").write_text("x = 1\n")
    (folder / "inner.py").symlink_to(folder / "src" / "a.py")
    (folder / "outer.py").symlink_to(tmp_path / "out.py")
    return folder


def targets(workspace: Path, text: str) -> list[tuple[str, str]]:
    """The text of each link and where it leads."""
    page = page_of(document(SESSION, "n", [turn_with(text=text, question="")]))
    found = found_links(page, [workspace])
    return [(page.lines[place.row][place.start : place.end], target) for place, target in found]


def test_places_in_files_of_the_workspace_are_links(workspace: Path) -> None:
    a, b = (workspace / "src" / "a.py").as_uri(), (workspace / "b (1).py").as_uri()
    text = (
        f"See src/a.py:10, `src/a.py:3`, {workspace}/src/a.py:7:2, src/a.py, lines 4 to 5, inner.py:1, "
        f"[it]({b}#L2-L3)"
    )
    assert targets(workspace, text) == [
        ("src/a.py:10", f"{a}#L10"),
        ("src/a.py:3", f"{a}#L3"),
        (f"{workspace}/src/a.py:7", f"{a}#L7"),
        ("src/a.py, lines 4", f"{a}#L4"),
        ("inner.py:1", f"{a}#L1"),
        (f"{b}#L2-L3", f"{b}#L2"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "/etc/passwd:1 /etc/hosts.conf:1",
        "../out.py:1 src/../../out.py:1 ./../out.py:1",
        "outer.py:1",
        "missing.py:1 src:1 src/:1 src/a:1",
        "[x](file:///etc/hosts#L1) [x](file://host/share/a.py#L1) [x](http://a.py:80/#L1)",
        "http://host/src/a.py:1 user@src/a.py:1",
        "x" * 3000 + " src/a.py:1",
    ],
)
def test_nothing_else_is_a_link(text: str, workspace: Path) -> None:
    """No file outside, whatever a path, a link or a URI says; none that is not there."""
    assert targets(workspace, text) == []


def test_a_page_full_of_paths_is_looked_through_once(workspace: Path) -> None:
    """Each file once, and no more than some hundred places."""
    found = targets(workspace, "\n".join(f"src/a.py:{n}" for n in range(1, 5000)))
    assert len(found) == 500
    assert found[-1][0] == "src/a.py:4999"


# --- who is told


def capabilities(dynamic: bool, *, ours: bool = False) -> types.ClientCapabilities:
    on: dict[str, Any] = {"dynamic_registration": dynamic}
    return types.ClientCapabilities(
        text_document=types.TextDocumentClientCapabilities(
            document_symbol=types.DocumentSymbolClientCapabilities(**on),
            folding_range=types.FoldingRangeClientCapabilities(**on),
            document_link=types.DocumentLinkClientCapabilities(**on),
            code_lens=types.CodeLensClientCapabilities(**on),
            hover=types.HoverClientCapabilities(**on),
        ),
        experimental={"cmt": {}} if ours else None,
    )


@pytest.mark.parametrize(
    ("client", "at_once", "later"),
    [
        (types.ClientCapabilities(), True, 0),
        (capabilities(dynamic=False), True, 0),
        (capabilities(dynamic=True), False, 5),
        (capabilities(dynamic=False, ours=True), False, 0),
        (types.ClientCapabilities(experimental=[1]), True, 0),
    ],
)
def test_an_editor_is_told_of_transcripts_alone_where_it_can_be(
    client: types.ClientCapabilities, at_once: bool, later: int
) -> None:
    """Else of everything, since there is no other way; one with a client of ours is told nothing."""
    advertised: dict[str, Any] = {feature.server: True for feature in FEATURES}
    server = types.ServerCapabilities(**advertised)
    fit(client, server)
    assert {getattr(server, feature.server) for feature in FEATURES} == {True if at_once else None}
    found = registrations(client)
    assert len(found) == later
    for one in found:
        assert isinstance(one.register_options, dict)
        (selector,) = one.register_options["documentSelector"]
        assert selector["pattern"] == "**/transcripts/*.md"
