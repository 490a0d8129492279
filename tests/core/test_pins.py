"""Pins as values: kept as JSON, changed by name, read as they are, and in a file of an earlier version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_turns import ask, new_session

from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.core import APISessionManager, transcripts
from cmt_lsp.core.context.blocks import CONTEXT_LIMIT, context_blocks
from cmt_lsp.core.context.items import Diagnostic, Diagnostics, NamedText, Selection, WholeFile
from cmt_lsp.core.context.pins import (
    PIN_LIMIT,
    FileReference,
    beside_pinned,
    changed_pins,
    pin_id,
    pin_of,
    pin_to_json,
    pinned_now,
    pins_from_json,
)
from cmt_lsp.core.storage.store import Schema
from cmt_lsp.core.storage.store_thread import Store
from cmt_lsp.simulator import Simulator

TEXT = st.text(max_size=30)
PINS = st.one_of(
    st.builds(FileReference, TEXT, st.none() | TEXT, st.none() | TEXT),
    st.builds(NamedText, TEXT, TEXT),
    st.builds(Selection, TEXT, st.none() | TEXT, st.none(), st.integers(1, 9), st.integers(9, 99), TEXT),
    st.builds(
        Diagnostics,
        TEXT,
        st.lists(st.builds(Diagnostic, st.integers(1, 9), st.just("error"), TEXT, code_lines=st.tuples(TEXT))).map(tuple),
        st.none() | TEXT,
        st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9)),
    ),
)  # fmt: skip
A, B = FileReference("file:///w/a.py", "a.py"), FileReference("file:///w/b.py", "b.py")
NOTE = NamedText("rules", "be brief")


@given(st.lists(PINS, max_size=5))
def test_pins_survive_json_and_keep_their_ids(pins: list[FileReference]) -> None:
    text = json.dumps([pin_to_json(pin) for pin in pins])
    assert list(pins_from_json(text)) == pins
    assert [pin_id(pin) for pin in pins_from_json(text)] == [pin_id(pin) for pin in pins]


@pytest.mark.parametrize(
    "text", ["", "null", "[5]", '[{"kind": "file"}]', '[{"kind": "x"}]', "{", '[{"uri": "x"}]']
)
def test_damaged_pins_are_none(text: str) -> None:
    assert pins_from_json(text) == ()


def test_pins_change_by_id_uri_and_title_and_keep_their_order() -> None:
    assert changed_pins((A, B), added=[NOTE, A]) == (A, B, NOTE)
    for name in (pin_id(A), A.uri, "a.py"):
        assert changed_pins((A, B), removed=[name]) == (B,)
    assert changed_pins((A, B), pinned=[NOTE]) == (NOTE,)
    assert changed_pins((A,), added=[B], removed=["b.py"]) == (A,)
    with pytest.raises(BadParamsError, match=r"'c\.py', which is not pinned; pinned are: a\.py, b\.py\."):
        changed_pins((A, B), removed=["c.py"])
    with pytest.raises(BadParamsError, match=str(PIN_LIMIT)):
        changed_pins((), [FileReference(f"file:///{n}") for n in range(PIN_LIMIT + 1)])
    with pytest.raises(BadParamsError, match=str(CONTEXT_LIMIT)):
        changed_pins((), [NamedText("log", "x" * (CONTEXT_LIMIT + 1))])


def test_pins_are_as_they_are_read() -> None:
    """In their own order; what was never sent as it is now is told, and so is what is cut."""
    texts: dict[str, str | Exception | None] = {A.uri: "x = 1\n", B.uri: ValueError("it is gone.")}
    first = pinned_now((NOTE, A, B), texts.get, {})
    assert [block.origin for block in first.blocks] == ["rules", "a.py"]
    assert [state.state for state in first.states] == ["fresh", "fresh", "missing"]
    assert [type(item) for item in first.unsent] == [NamedText, WholeFile]
    assert first.notices == ("b.py is pinned but was left out, since it is gone. Put it back or unpin it.",)
    again = pinned_now((NOTE, A), texts.get, dict(first.sent))
    assert again.unsent == ()
    assert again.digest == first.digest
    changed = pinned_now((NOTE, A), {A.uri: "x = 2\n"}.get, dict(first.sent))
    assert changed.changed == ("a.py",)
    assert changed.digest != first.digest
    huge = pinned_now((A,), {A.uri: "line\n" * 200_000}.get, {})
    assert huge.blocks[0].cut_lines == 80_000
    assert "a.py: the last 80000 lines were left out" in huge.notices[0]


def test_what_is_pinned_goes_along_once_whatever_the_editor_knows_of_it() -> None:
    """An open document's title tells its language; another text of the same file is another piece."""
    pinned = pinned_now((A,), {A.uri: "x = 1\n"}.get, {})
    same, other = (WholeFile(A.uri, text, "python", "a.py") for text in ("x = 1\n", "x = 2\n"))
    assert beside_pinned(context_blocks([same]), pinned) == (
        (),
        ("a.py is pinned and goes along anyway: sent once.",),
    )
    assert len(beside_pinned(context_blocks([other]), pinned)[0]) == 1


def test_a_pinned_selection_says_that_it_keeps_its_text() -> None:
    chosen = Selection("file:///w/a.py", "a.py", "python", 1, 1, "x = 1\n")
    pin = pin_of(chosen)
    assert isinstance(pin, Selection)
    now = pinned_now((pin,), {A.uri: "y = 1\n"}.get, {})
    assert "as it was pinned" in now.blocks[0].text.split("\n")[0]
    assert [state.state for state in now.states] == ["changed"]
    assert pin_of(WholeFile(A.uri, "text that is not kept", "python", "a.py")) == FileReference(
        A.uri, "a.py", "python"
    )


async def test_sessions_of_an_earlier_version_have_no_pins_and_take_some(
    manager: APISessionManager, simulator: Simulator, tmp_path: Path
) -> None:
    """A file with the tables of before is taken over as it is opened."""
    old = transcripts.SCHEMA
    before = next(n for n, one in enumerate(old.migrations) if "pinned" in one.name)
    folder = tmp_path / "old"
    folder.mkdir(mode=0o700)
    store = Store(folder, transcripts.FILE_NAME, Schema(old.migrations[:before], old.tables, old.repair))
    statement = (
        "INSERT INTO sessions (id, name, named, model, created_at, updated_at)"
        " VALUES ('s-1', 'old', 1, 'claude-sonnet-5-5', 1.0, 1.0)"
    )
    store.write(lambda connection: connection.execute(statement).close()).result(10)
    store.close(5)
    (tmp_path / "a.py").write_text("x = 1\n")
    again = APISessionManager(store=Store(folder, transcripts.FILE_NAME, transcripts.SCHEMA))
    try:
        assert (await again.sessions.load("s-1")).pinned == ()
        info = await again.sessions.update("s-1", pin=[NOTE])
        assert [pin.title for pin in info.pinned] == ["rules"]
        await ask(again, "s-1", "one")
        assert "be brief" in str(simulator.requests[-1].body["messages"])
    finally:
        await again.aclose()


async def test_a_pin_that_changes_while_the_person_is_asked_is_not_sent_unseen(
    manager: APISessionManager, simulator: Simulator, tmp_path: Path
) -> None:
    """What the guard looked at is what leaves, though the session was read again meanwhile."""
    from cmt_lsp.core.guard.permission import Permission

    path = tmp_path / "a.py"
    path.write_text('first = "AKIAIOSFODNN7RQ4LPZW"\n')
    file = WholeFile(path.as_uri(), "", None, "a.py")
    session = (await manager.sessions.create(workspace=tmp_path, pinned=[file])).id

    async def agree(concern: object) -> bool:
        path.write_text('second = "AKIAIOSFODNN7RQ4LPZX"\n')
        await manager.sessions.load(session)
        return True

    await ask(manager, session, "one", permission=Permission(ask=agree))

    sent = str(simulator.requests[-1].body["messages"])
    assert "first = " in sent
    assert "second = " not in sent


async def test_a_session_without_a_workspace_reads_no_file_for_its_pins(
    manager: APISessionManager, simulator: Simulator, tmp_path: Path
) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    session = await new_session(manager)
    info = await manager.sessions.update(session, pin=[WholeFile((tmp_path / "a.py").as_uri(), "x = 1\n")])
    assert [pin.state for pin in info.pinned] == ["missing"]
