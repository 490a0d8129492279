"""The files of transcripts: private, each written once, gone with their session or after a while."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from chat_pages import SESSION, turn_with

from cmt_lsp.api.errors import StoreUnavailableError
from cmt_lsp.core.chatfile.answer import Link
from cmt_lsp.core.chatfile.folder import KEPT_DAYS, TranscriptFolder, file_stem, file_title

NOW = 1_790_000_000.0
WRITE = """
import sys
from pathlib import Path
from cmt_lsp.core.chatfile.folder import TranscriptFolder
folder = TranscriptFolder(Path(sys.argv[1]))
for number in range(40):
    print(folder.write(sys.argv[2], "name", f"{sys.argv[3]} {number}", float(sys.argv[4])))
"""


def test_processes_never_write_the_same_file(tmp_path: Path) -> None:
    """Three at once, in the same session and minute: each file has one writer, and all of its text."""
    command = [sys.executable, "-c", WRITE, str(tmp_path), SESSION]
    running = [
        subprocess.Popen([*command, name, str(NOW)], stdout=subprocess.PIPE, text=True) for name in "abc"
    ]
    paths = [process.communicate(timeout=60)[0].split() for process in running]
    found = [Path(path) for written in paths for path in written]
    assert len(set(found)) == 120
    texts = sorted(path.read_text() for path in found)
    assert texts == sorted(f"{name} {number}" for name in "abc" for number in range(40))


def test_files_are_private_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = TranscriptFolder(tmp_path / "state").write(SESSION, "n", "x", NOW)
    finally:
        os.umask(before)
    assert [one.stat().st_mode & 0o777 for one in (path, path.parent, path.parent.parent)] == [
        0o600,
        0o700,
        0o700,
    ]


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Why is x None?", "why-is-x-none"),
        ("../../etc/passwd", "etc-passwd"),
        ("explain one in a.py", "explain-one-in-a.py"),
        ("CON", "con"),
        ("é ü 漢字 / \x00 \n", "é-ü-漢字"),
        ("x" * 300, "x" * 40),
        ("...", ""),
    ],
)
def test_a_name_is_one_part_of_a_path(title: str, slug: str) -> None:
    stem = file_stem(SESSION, title, NOW)
    assert stem.startswith("2026-09-2")
    assert stem[16:] == "-".join(part for part in (slug, "89abcdef") if part)


def test_a_question_names_no_file() -> None:
    """Not the first question, nor a name that begins with it; what the person named does."""
    turn = turn_with(
        question="my secret plan\nand more", title="Explain", attached=(Link("src/a.py, line 1"),)
    )
    for name in ("my secret plan", "my secret plan (fork)"):
        assert file_title(name, [turn]) == "Explain a.py"
    assert file_title("Plans", [turn]) == "Plans"
    assert file_title("New session", []) == "New session"


def test_files_go_with_their_session_and_with_time(tmp_path: Path) -> None:
    """Copies of editors too; nothing else, and nothing through a link."""
    folder = TranscriptFolder(tmp_path)
    gone, kept = (
        folder.write(SESSION, "n", "x", NOW),
        folder.write("0193abcdef0-9999999999999999", "n", "x", NOW),
    )
    beside = [
        gone.with_name(f"{gone.name}~"),
        gone.with_name(f".{gone.name}.swp"),
        gone.with_name(f"#{gone.name}#"),
    ]
    for path in beside:
        path.write_text("x")
    outside = tmp_path / "outside.md"
    outside.write_text("x")
    link = folder.path / f"link-{SESSION[-8:]}.md"
    link.symlink_to(outside)
    folder.remove_session(SESSION)
    assert list(folder.path.iterdir()) == [kept]
    assert outside.exists()
    os.utime(kept, (NOW, NOW))
    folder.sweep(NOW + KEPT_DAYS * 86400 - 1)
    assert kept.exists()
    folder.sweep(NOW + KEPT_DAYS * 86400 + 1)
    assert not kept.exists()


def test_nothing_is_written_or_removed_through_a_link(tmp_path: Path) -> None:
    """Whoever planted it would choose where the words go, and what is deleted."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / f"mine-{SESSION[-8:]}.md").write_text("x")
    state = tmp_path / "state"
    state.mkdir()
    (state / "transcripts").symlink_to(elsewhere)
    folder = TranscriptFolder(state)
    with pytest.raises(StoreUnavailableError, match="is a symbolic link"):
        folder.write(SESSION, "n", "x", NOW)
    folder.remove_session(SESSION)
    folder.sweep(NOW * 2)
    assert len(list(elsewhere.iterdir())) == 1


def test_a_disk_that_takes_nothing_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(StoreUnavailableError, match="CMT_STATE_DIR"):
        TranscriptFolder(tmp_path / "state").write(SESSION, "n", "x", NOW)
