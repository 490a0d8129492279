"""`cmt-lsp ledger` as a person meets it: files of mode 0600, one sentence for trouble, and an exit code."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.api import TokenTracker
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.schema import FILE_NAME

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def ledger(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "cmt_lsp", "ledger", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30)


def state() -> Path:
    return Path(os.environ["CMT_STATE_DIR"]) / FILE_NAME


def change(*statements: str) -> None:
    with closing(sqlite3.connect(state(), isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    """A tracker's file of three requests, one of them without a price."""
    tracker = TokenTracker()
    tracker.record("a", "claude-opus-5-5", Usage(1000, output_tokens=10), AT, workspace="/home/me")
    tracker.record("b", "claude-haiku-5-5", Usage(2000), AT)
    tracker.record("b", "local", Usage(3000), AT)
    tracker.save(tmp_path / "usage.json")
    return tmp_path / "usage.json"


def test_a_file_is_imported_once_and_exported_privately(usage: Path, tmp_path: Path) -> None:
    first, second = ledger("import", str(usage)), ledger("import", str(usage))
    target = tmp_path / "out.json"
    out = ledger("export", str(target))

    assert (first.returncode, first.stderr) == (0, "3 requests were added; 0 were in the ledger already.\n")
    assert (second.returncode, second.stderr) == (0, "0 requests were added; 3 were in the ledger already.\n")
    assert (out.returncode, out.stdout, out.stderr) == (0, "", f"3 requests are in {target}.\n")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert stat.S_IMODE(state().stat().st_mode) == 0o600
    totals = TokenTracker.load(target).totals
    assert (totals.requests, totals.cost.display, totals.usage.total_tokens) == (3, "≥$0.0044", 6010)


def test_standard_output_and_input_carry_the_document_and_nothing_else(
    usage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger("import", str(usage))
    piped = ledger("export", "-")
    assert (len(json.loads(piped.stdout)["requests"]), piped.stderr) == (3, "")

    monkeypatch.setenv("CMT_STATE_DIR", str(tmp_path / "elsewhere"))
    assert ledger("import", "-", stdin="\ufeff" + piped.stdout).stderr.startswith("3 requests were added")
    assert ledger("export", "-").stdout == piped.stdout


def test_an_empty_ledger_exports_an_empty_document(tmp_path: Path) -> None:
    assert json.loads(ledger("export", "-").stdout) == {
        "format": "cmt-token-usage",
        "version": 2,
        "requests": [],
    }


def broken(usage: Path) -> None:
    document = json.loads(usage.read_text())
    document["requests"][1]["output_tokens"] = "ten"
    usage.write_text(json.dumps(document))


def test_a_broken_file_is_one_sentence_that_names_the_entry_and_nothing_is_imported(usage: Path) -> None:
    broken(usage)

    done = ledger("import", str(usage))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"cmt-lsp: {usage} cannot be imported: entry 2: output_tokens must be a whole number from 0 to "
        "1000000000000; nothing was imported.\n"
    )
    assert json.loads(ledger("export", "-").stdout)["requests"] == []


@pytest.mark.parametrize(
    ("verb", "why"),
    [
        ("import", "cannot be read (No such file or directory)"),
        ("export", "cannot be written (No such file or directory)"),
    ],
)
def test_a_place_that_is_not_there_is_a_sentence(tmp_path: Path, verb: str, why: str) -> None:
    target = tmp_path / "no" / "usage.json"
    done = ledger(verb, str(target))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"cmt-lsp: {target} {why}; choose another.\n"


def test_an_export_that_fails_leaves_the_old_file(usage: Path, tmp_path: Path) -> None:
    ledger("import", str(usage))
    folder = tmp_path / "taken"
    folder.mkdir()
    assert ledger("export", str(folder)).returncode == 1
    assert list(folder.iterdir()) == []
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".taken")]


def test_a_reader_that_has_seen_enough_is_no_trouble(usage: Path) -> None:
    ledger("import", str(usage))
    command = f"{sys.executable} -P -m cmt_lsp ledger export - | head -c 10"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ('{"format":', "")


def lines(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Findings of a check by their sign and first words."""
    return {line[2:]: line[0] for line in done.stdout.splitlines()}


def test_a_sound_ledger_is_said_to_be_sound(usage: Path) -> None:
    ledger("import", str(usage))
    change("UPDATE attempts SET state = 'orphan' WHERE model = 'local'")

    done = ledger("check")

    assert (done.returncode, done.stderr) == (0, "")
    found = lines(done)
    assert set(found.values()) == {"✓"}
    assert [text.split(" (")[0] for text in found][1:] == [
        "every page fits the others",
        "every row is one that a request can leave",
        "the sums are those of the rows",
        "1 lost their process and are charged an estimate",
        "1 have no price; put one into prices.toml for those to come",
    ]
    assert next(iter(found)).startswith(f"{state()}: 3 requests, ")


def test_no_ledger_is_no_fault_and_none_is_made() -> None:
    done = ledger("check")
    assert (done.returncode, done.stdout) == (
        0,
        f"There is no ledger yet; the first question begins {state()}.\n",
    )
    assert not state().exists()


MADE_UP_SUM = (
    "INSERT INTO day_sums SELECT '2020-01-01', workspace, model, requests, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0 "
    "FROM day_sums LIMIT 1"
)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, usage: Path) -> None:
    """As if the file were too large to be looked at whole whenever it is opened."""
    ledger("import", str(usage))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "from cmt_lsp.core.storage import store\nstore.FULL_CHECK_BYTES = store.QUICK_CHECK_BYTES = 0\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)


INDEX_THAT_MISSES_ITS_ROWS = (
    "CREATE TABLE aside AS SELECT * FROM sqlite_master WHERE name = 'attempts_by_turn'",
    "PRAGMA writable_schema = 1",
    "DELETE FROM sqlite_master WHERE name = 'attempts_by_turn'",
    "PRAGMA writable_schema = RESET",
    "UPDATE attempts SET turn_id = turn_id || '-moved'",
    "PRAGMA writable_schema = 1",
    "INSERT INTO sqlite_master SELECT * FROM aside",
    "PRAGMA writable_schema = RESET",
    "DROP TABLE aside",
)
"""Damage in the pages alone: every definition is as it should be."""


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        ("1 sums are not those of the rows", "UPDATE day_sums SET requests = requests + 1 WHERE model = 'local'"),
        ("1 sums are not those of the rows", "DELETE FROM session_sums WHERE model = 'local'"),
        ("1 sums are not those of the rows", MADE_UP_SUM),
        ("1 rows hold what no request can leave", "UPDATE attempts SET output_tokens = -5 WHERE model = 'local'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_way_out_and_the_way_out_works(
    large: None, what: str, statement: str
) -> None:
    change(statement)

    done = ledger("check")
    assert (done.returncode, lines(done)[next(text for text in lines(done) if what in text)]) == (1, "✗")
    assert "`cmt-lsp ledger check --mend`" in done.stdout

    mended = ledger("check", "--mend")
    assert (mended.returncode, set(lines(mended).values())) == (0, {"✓"})


def test_a_row_of_nothing_but_zeros_is_no_wrong_sum(large: None) -> None:
    change("UPDATE attempts SET day = '2020-01-01' WHERE model = 'local'")
    assert ledger("check").returncode == 0


def test_damaged_pages_are_told_where_the_opening_did_not_see_them(large: None) -> None:
    change(*INDEX_THAT_MISSES_ITS_ROWS)
    done = ledger("check")
    assert done.returncode == 1
    assert "✗ pages are damaged" in done.stdout


def test_a_ledger_that_was_mended_on_the_way_is_told_and_fails_once(usage: Path) -> None:
    ledger("import", str(usage))
    change("UPDATE day_sums SET requests = 99")

    done = ledger("check")

    assert done.returncode == 1
    assert any(sign == "✗" and "was damaged; it is kept as" in text for text, sign in lines(done).items())
    assert (ledger("check").returncode, len(json.loads(ledger("export", "-").stdout)["requests"])) == (0, 3)


def test_a_ledger_of_a_newer_version_fails_the_check_and_is_still_exported(usage: Path) -> None:
    ledger("import", str(usage))
    change("PRAGMA user_version = 99")
    assert ledger("check").returncode == 1
    assert len(json.loads(ledger("export", "-").stdout)["requests"]) == 3
    done = ledger("import", str(usage))
    assert done.returncode == 1
    assert "newer cmt-lsp" in done.stderr


def test_what_waits_in_a_spool_is_counted(
    usage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cmt_lsp.core.money.entry import Closing
    from cmt_lsp.core.money.holder import this_holder
    from cmt_lsp.core.money.spool import Spool, spool_folders

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ledger("import", str(usage))
    entry: Any = Closing("x", "done", 1.0, Usage(1), booked_free(), 0)
    for place in (state(), tmp_path / "another-ledger"):
        assert Spool(spool_folders(os.environ), place, this_holder()).append([entry])

    done = ledger("check")

    assert done.returncode == 0
    assert lines(done)["1 files wait to be booked; the next question or window books them"] == "!"


def booked_free() -> Any:
    from cmt_lsp.api.models import Cost

    return Cost(0, 0, None, estimated=False)


@pytest.mark.parametrize("arguments", [[], ["export"], ["import"], ["check", "x"], ["mend"]])
def test_misuse_is_2(arguments: list[str]) -> None:
    assert ledger(*arguments).returncode == 2
