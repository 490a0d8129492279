"""The file that the demo talks about is the person's own, and fits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.sample import DEPTH, LOOKED_AT, OWN, choose


def source(path: Path, size: int) -> Path:
    """A file of so many bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x = 1\n" * (size // 6))
    return path


def test_a_source_file_of_a_readable_size_is_taken(tmp_path: Path) -> None:
    source(tmp_path / "tiny.py", 500)
    source(tmp_path / "huge.py", 500_000)
    source(tmp_path / "notes.md", 8_000)
    chosen = source(tmp_path / "src/app.rs", 7_000)

    sample = choose(tmp_path, None)

    assert [path for path, _ in sample.files] == [chosen]
    assert (sample.size, sample.word) == (6_996, None)


@pytest.mark.parametrize("place", ["node_modules/a.js", ".git/a.py", ".venv/a.py", "a/b/c/d/e/deep.py"])
def test_what_is_not_the_persons_own_work_is_not_taken(tmp_path: Path, place: str) -> None:
    assert place.count("/") != DEPTH
    source(tmp_path / place, 8_000)

    assert choose(tmp_path, None).files[0][0] == OWN


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = source(tmp_path / "outside/a.py", 8_000)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.py").symlink_to(outside)
    (inside / "folder").symlink_to(outside.parent)

    assert choose(inside, None).files[0][0] == OWN


def test_without_a_fitting_file_one_of_the_package_is_taken_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "binary.py").write_bytes(b"\xff" * 8_000)

    sample = choose(tmp_path, None)

    assert [path for path, _ in sample.files] == [OWN]
    assert sample.word is not None


def test_a_named_file_is_taken_and_helped_where_it_is_too_short_to_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    short, long = source(tmp_path / "short.py", 100), source(tmp_path / "long.txt", 8_000)

    assert [path for path, _ in choose(tmp_path, "short.py").files] == [short, OWN]
    assert [path for path, _ in choose(tmp_path, "long.txt").files] == [long]
    with pytest.raises(TroubleError):
        choose(tmp_path, "missing.py")


def test_a_huge_folder_is_not_searched_to_its_end(tmp_path: Path) -> None:
    for number in range(LOOKED_AT + 10):
        (tmp_path / f"a{number:05}").touch()
    source(tmp_path / "z/late.py", 8_000)

    assert choose(tmp_path, None).files[0][0] == OWN


def test_an_unreadable_folder_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    found = source(tmp_path / "open.py", 8_000)
    try:
        assert choose(tmp_path, None).files[0][0] == found
    finally:
        os.chmod(tmp_path / "closed", 0o700)  # noqa: PTH101
