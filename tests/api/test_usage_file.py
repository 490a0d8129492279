"""The JSON file of usage, an entry at a time: any layout, any break, and never the whole file in memory."""

from __future__ import annotations

import io
import json
import os
import stat
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmt_lsp.api.usage_file import UsageFileError, private_file, read_usage, write_usage

HEAD = '{"format": "cmt-token-usage", "version": 2, "requests": '

plain = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    plain | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6
)
entries = st.lists(st.dictionaries(st.text(max_size=9), values, max_size=5), max_size=6)


class Trickle(io.StringIO):
    """A file that gives a few characters at a time, as a pipe does."""

    def __init__(self, text: str, most: int) -> None:
        super().__init__(text)
        self.most = most

    def read(self, _size: int | None = -1) -> str:
        return super().read(self.most)


def read(text: str, most: int = 10**6) -> list[dict[str, Any]]:
    return list(read_usage(Trickle(text, most), lambda entry: entry))


@given(entries, st.sampled_from([None, 1, 4]), st.booleans(), st.integers(1, 40))
def test_any_layout_and_any_chunks_give_the_same_entries(
    entries: list[dict[str, Any]], indent: int | None, ascii_only: bool, most: int
) -> None:
    document = {"format": "cmt-token-usage", "version": 1, "requests": entries, "more": [1, {"a": None}]}
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    assert read(text, most) == entries


@given(entries)
def test_what_is_written_is_json_and_is_read_back(entries: list[dict[str, Any]]) -> None:
    file = io.StringIO()
    assert write_usage(file, iter(entries)) == len(entries)
    assert json.loads(file.getvalue())["requests"] == entries
    assert read(file.getvalue()) == entries
    assert len(file.getvalue().splitlines()) == len(entries) + 2, "one line each"


def test_a_file_that_breaks_off_is_refused_wherever_it_does() -> None:
    text = HEAD + '[{"a": 1.5e3, "b": "x\\u00e9"}, {"c": [true, {"d": null}]}], "n": 12}'
    assert len(read(text)) == len(read(text, 1)) == 2
    for end in range(len(text)):
        with pytest.raises(UsageFileError):
            read(text[:end])


@given(st.text(max_size=60), st.integers(0, 90))
def test_garbage_is_refused_or_read_and_nothing_else(garbage: str, place: int) -> None:
    text = HEAD + '[{"a": 1}, {"b": 2}], "n": 12}'
    broken = text[:place] + garbage + text[place:]
    try:
        expected = json.loads(broken)
    except ValueError:
        expected = None
    try:
        found = read(broken, 7)
    except UsageFileError:
        return
    assert expected is not None
    assert found == expected["requests"]


@pytest.mark.parametrize(
    ("why", "text"),
    [
        ("does not begin with the format", '{"requests": []}'),
        ("does not begin with the format", '{"format": "other", "version": 2, "requests": []}'),
        ("does not begin with the format", '{"format": "cmt-token-usage", "version": true, "requests": []}'),
        (
            "version 3, which a newer cmt-lsp wrote",
            '{"format": "cmt-token-usage", "version": 3, "requests": []}',
        ),
        ("requests twice", HEAD + '[], "requests": []}'),
        ("does not end as it should", HEAD + "[]} more"),
        ("does not end as it should", '{"format": "cmt-token-usage", "version": 2}'),
        ("entry 2: it is no object", HEAD + "[{}, 5]}"),
        ("entry 2: it is no whole JSON", HEAD + "[{}, {]}"),
        ("entry 2: it holds a value that is not usable", HEAD + '[{}, {"a": NaN}]}'),
        ("entry 1: it holds a value that is not usable", HEAD + "[" + '{"a": ' * 30_000 + "}"),
        ("entry 1: it holds a value that is not usable", HEAD + '[{"a": ' + "9" * 5000 + "}]}"),
        (r"entry 1: , or \] is missing", HEAD + "[{} {}]}"),
        ("it breaks off", HEAD + "[{}"),
    ],
)
def test_what_is_wrong_is_said_with_the_entry(why: str, text: str) -> None:
    with pytest.raises(UsageFileError, match=why):
        read(text)


def test_the_parsers_own_complaint_names_the_entry_too() -> None:
    def parse(entry: dict[str, Any]) -> None:
        if entry["n"] == 3:
            raise UsageFileError("n is 3")

    text = HEAD + json.dumps([{"n": n} for n in range(5)]) + "}"
    with pytest.raises(UsageFileError, match=r"^entry 4: n is 3$"):
        list(read_usage(io.StringIO(text), parse))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "usage.json"
    path.write_bytes(HEAD.encode() + b'[{"a": "\xff"}]}')
    with path.open(encoding="utf-8") as file, pytest.raises(UsageFileError, match=r"no UTF-8 text"):
        list(read_usage(file, lambda entry: entry))


def test_one_endless_entry_is_refused_before_it_fills_the_memory() -> None:
    class Endless(io.StringIO):
        given = 0

        def read(self, size: int | None = -1) -> str:
            self.given += size or 0
            return "x" * (size or 0)

    file = Endless()
    start = io.StringIO(HEAD + '[{"a": "')
    file.read = lambda size=-1, more=file.read: start.read(size) or more(size)  # type: ignore[method-assign]
    with pytest.raises(UsageFileError, match="entry 1: it is no whole JSON"):
        list(read_usage(file, lambda entry: entry))
    assert file.given < 2_000_000


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def many(count: int) -> Iterator[dict[str, Any]]:
        return ({"n": n, "text": "x" * 100} for n in range(count))

    peaks = []
    for count in (2_000, 40_000):
        path = tmp_path / f"{count}.json"
        tracemalloc.start()
        with private_file(path) as file:
            write_usage(file, many(count))
        with path.open(encoding="utf-8") as file:
            assert sum(1 for _ in read_usage(file, lambda entry: entry)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_a_private_file_is_private_under_any_umask_and_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "usage.json"
    before = os.umask(0)
    try:
        with private_file(path) as file:
            file.write("new")
            assert not path.exists()
    finally:
        os.umask(before)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)

    with pytest.raises(KeyboardInterrupt), private_file(path) as file:
        file.write("half")
        raise KeyboardInterrupt
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
