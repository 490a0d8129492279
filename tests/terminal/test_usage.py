"""`cmt-lsp usage` with the real server and a real ledger: the screen, JSON, CSV and the page's file."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from reports import book, book_days, ledger_file, report
from shell import CMT, cmt

from cmt_lsp.simulator import Simulator
from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.usage.csv import HEAD, write_csv
from cmt_lsp.terminal.usage.file import write_page
from cmt_lsp.terminal.usage.page import GENERATOR
from cmt_lsp.terminal.usage.screen import LONGEST_BAR, Column, bar, fitting

OPUS, SONNET = "claude-opus-5-5", "claude-sonnet-5-5"
PAGE = f"<!doctype html>\n<html><head>{GENERATOR}</head></html>\n"
"""What counts as an older page."""


@pytest.fixture
def ledger() -> Iterator[sqlite3.Connection]:
    """The ledger that the commands of a test find: three folders, three models, marks of both kinds."""
    with ledger_file(Path(os.environ["CMT_STATE_DIR"])) as connection:
        book_days(connection, {"2025-03-01": {OPUS: 2 * 10**9, SONNET: 10**9}}, workspace="/home/me/a")
        book_days(connection, {"2025-03-02": {OPUS: 5 * 10**9}}, workspace="/home/me/b")
        book_days(connection, {"2025-03-05": {SONNET: 4 * 10**9}}, workspace="")
        book(
            connection,
            day="2025-03-05",
            model="mystery",
            nano_usd=None,
            saved_nano_usd=None,
            session_id="odd",
        )
        book(
            connection, day="2025-03-02", model=OPUS, nano_usd=10**9, cost_estimated=1, workspace="/home/me/b"
        )
        yield connection


@pytest.fixture
def no_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a past."""
    monkeypatch.chdir(tmp_path)


def cells(text: str) -> dict[str, list[str]]:
    """The rows of every table on a screen, by their first cell."""
    split = (re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if line.strip())
    return {row[0]: row[1:] for row in split if len(row) > 1}


def lines_of_csv(text: str) -> list[dict[str, str]]:
    """Rows by the names of the head."""
    return list(csv.DictReader(io.StringIO(text)))


def test_what_was_asked_is_what_is_shown(endpoint: Simulator) -> None:
    """The sum over the answers' own costs is today's, this month's and all there is."""
    results = [
        json.loads(cmt("ask", f"Question {n}?", "--json", "--session", "talk").stdout) for n in range(2)
    ]
    asked = sum(result["cost"]["nanoUsd"] for result in results)

    whole = json.loads(cmt("usage", "--json").stdout)
    by_session = json.loads(cmt("usage", "--json", "--by", "session").stdout)
    screen = cells(cmt("usage").stdout)

    assert (whole["totals"]["cost"]["nanoUsd"], whole["requests"], whole["sessions"]) == (asked, 2, 1)
    shown = f"${asked / 1e9:.4f}"
    assert (
        screen["today"][0]
        == screen[f"{date.fromisoformat(whole['today']):%B}"][0]
        == screen["all"][0]
        == shown
    )
    assert screen[results[0]["model"]][-1].endswith("%")
    assert [group["label"] for group in by_session["groups"]] == ["talk"]
    assert "Usage of session talk\n" in cmt("usage", "--session", "talk").stdout
    folder = cmt("usage", "--workspace", ".").stdout
    assert (cells(folder)["all"][0], cells(folder)["talk"][1]) == (shown, shown)
    assert ("By session" in folder, "By workspace" in folder) == (True, False)
    assert json.loads(cmt("usage", "--json", "--workspace", "..").stdout)["requests"] == 0


def test_a_deleted_session_is_still_paid_for(endpoint: Simulator) -> None:
    asked = json.loads(cmt("ask", "What is it?", "--json", "--session", "gone").stdout)
    cmt("sessions", "delete", "gone")

    kept = json.loads(cmt("usage", "--json", "--session", asked["sessionId"]).stdout)

    assert kept["totals"]["cost"]["nanoUsd"] == asked["cost"]["nanoUsd"]
    refused = cmt("usage", "--session", "gone")
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (1, "cmt-lsp: There is no session gone.")


def test_json_is_the_report_of_the_ledger(ledger: sqlite3.Connection) -> None:
    for arguments, wish in (
        ((), {}),
        (("--by", "day", "--from", "2025-03-02"), {"group_by": "day", "first_day": "2025-03-02"}),
        (("--workspace", "/home/me/b"), {"scope": "workspace", "key": "/home/me/b"}),
    ):
        shown = json.loads(cmt("usage", "--json", *arguments).stdout)
        wanted: dict[str, Any] = report(ledger, **wish)
        for own in ("today", "timeZone"):
            assert shown.pop(own)
            wanted.pop(own)
        assert shown == wanted, arguments


def test_csv_has_a_line_for_each_group_and_adds_up(ledger: sqlite3.Connection) -> None:
    whole = report(ledger)
    for by in ("workspace", "session"):
        done = cmt("usage", "--csv", "--by", by)
        rows = lines_of_csv(done.stdout)
        assert done.stdout.splitlines()[0] == ",".join(HEAD)
        assert sum(int(row["cost_nano_usd"] or 0) for row in rows) == whole["totals"]["cost"]["nanoUsd"]
        assert sum(int(row["requests"]) for row in rows) == whole["requests"]
        assert (
            sum(int(row["total_input_tokens"]) for row in rows)
            == whole["totals"]["usage"]["totalInputTokens"]
        )
        assert sum(int(row["unpriced_requests"]) for row in rows) == 1
        assert sum(int(row["estimated_requests"]) for row in rows) == 1
    assert [row["key"] for row in lines_of_csv(cmt("usage", "--csv").stdout)] == [
        "2025-03-01",
        "2025-03-02",
        "2025-03-05",
    ]


def test_the_head_of_the_csv_is_a_promise() -> None:
    assert ",".join(HEAD) == (
        "key,label,requests,sessions,input_tokens,cache_creation_5m_input_tokens,cache_creation_1h_input_tokens,"
        "cache_read_input_tokens,output_tokens,total_input_tokens,hit_ratio,cost_nano_usd,cost_usd,saved_nano_usd,"
        "saved_usd,cache_write_premium_nano_usd,unpriced_requests,estimated_requests"
    )


def test_csv_figures_are_plain_and_foreign_words_no_formulas(ledger: sqlite3.Connection) -> None:
    ledger.execute("DELETE FROM attempts")
    for words in ("=1+1", "+x", "-x", "@x", 'a,"b"', "\x1b[31mred", "plain"):
        book(ledger, workspace=words, nano_usd=1, saved_nano_usd=-1_500_000_001)
    book(ledger, workspace="free", nano_usd=None, saved_nano_usd=None)
    out = io.StringIO()

    write_csv(report(ledger, group_by="workspace", limit=7), out)

    rows = {row["key"]: row for row in lines_of_csv(out.getvalue())}
    assert set(rows) == {"'=1+1", "'+x", "'-x", "'@x", 'a,"b"', "␛[31mred", "plain", "(others)"}
    assert (rows["plain"]["cost_nano_usd"], rows["plain"]["cost_usd"]) == ("1", "0.000000001")
    assert rows["plain"]["saved_usd"] == "-1.500000001"
    assert (rows["(others)"]["cost_usd"], rows["(others)"]["unpriced_requests"]) == ("", "1")


def test_the_screen_has_totals_tables_and_one_explanation_of_each_mark(ledger: sqlite3.Connection) -> None:
    done = cmt("usage", "--from", "2025-03-01", "--to", "2025-03-31")
    shown = cells(done.stdout)

    assert done.returncode == 0
    assert shown["2025-03-01 to 2025-03-31"][0] == "≥~$13.00"
    assert shown["2025-03-01"][1] == "$3.0000"
    assert shown["2025-03-02"][1] == "~$6.0000"
    assert "2025-03-04" in done.stdout
    assert "2025-03-31" in done.stdout
    assert shown[OPUS][1:3] == ["~$8.0000", "62%"]
    assert shown["mystery"][0] == "unpriced"
    assert shown["no workspace"][1] == "≥$4.0000"
    assert [done.stdout.count(f" {'█' * LONGEST_BAR} "), "█" * (LONGEST_BAR + 1) in done.stdout] == [3, False]
    assert done.stdout.count("≥ 1 request went to") == 1
    assert done.stdout.count("~ 1 request is estimated") == 1
    assert "\x1b" not in done.stdout


def test_one_table_and_the_days_of_it_can_be_chosen(ledger: sqlite3.Connection) -> None:
    done = cmt("usage", "--by", "model", "--from", "2025-03-05", "--to", "2025-03-05")
    shown = cells(done.stdout)

    assert shown["2025-03-05"][0] == "≥$4.0000"
    assert (SONNET in shown, OPUS in shown) == (True, False)
    assert "By day" not in done.stdout
    assert "By workspace" not in done.stdout


def test_a_year_is_shown_in_weeks_from_the_first_one_with_spending(ledger: sqlite3.Connection) -> None:
    done = cmt("usage", "--by", "day", "--from", "2025-01-01", "--to", "2025-12-31")
    shown = cells(done.stdout)

    assert shown["2025-02-24 to 2025-03-02"][1] == "~$9.0000"
    assert shown["2025-03-03 to 2025-03-09"][1] == "≥$4.0000"
    assert "2025-02-17" not in done.stdout
    assert "2025-12-29 to 2025-12-31" in done.stdout


def test_old_spending_alone_says_how_to_see_it(ledger: sqlite3.Connection) -> None:
    done = cmt("usage")

    assert cells(done.stdout)["all"][0] == "≥~$13.00"
    assert "Nothing in the last 30 days; --from and --to show others." in done.stdout


def test_an_empty_ledger_gets_a_friendly_sentence(no_ledger: None) -> None:
    done = cmt("usage")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        'Nothing was spent yet. `cmt-lsp ask "..."` asks a first question, and its cost shows here.\n'
    )
    filtered = cmt("usage", "--from", "2025-01-01", "--to", "2025-01-31", "--workspace", "/nowhere")
    assert filtered.stderr == (
        "Nothing was spent in /nowhere from 2025-01-01 up to 2025-01-31. `cmt-lsp usage` shows everything.\n"
    )
    assert cmt("usage", "--csv").stdout == ",".join(HEAD) + "\n"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--from", "yesterday"), 2, "argument --from: 'yesterday' is not a day as YYYY-MM-DD"),
        (("--to", "20250301"), 2, "argument --to: '20250301' is not a day as YYYY-MM-DD"),
        (
            ("--from", "2025-03-02", "--to", "2025-03-01"),
            1,
            "cmt-lsp: $.from (2025-03-02) is after $.to (2025-03-01)",
        ),
        (("--json", "--csv"), 2, "argument --csv: not allowed with argument --json"),
        (
            ("--workspace", ".", "--session", "s"),
            2,
            "argument --session: not allowed with argument --workspace",
        ),
        (("--by", "colour"), 2, "argument --by: invalid choice: 'colour'"),
    ],
)
def test_a_wish_that_makes_no_sense_gets_one_sentence(
    no_ledger: None, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = cmt("usage", *arguments)

    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr.splitlines()[-1]


def test_a_name_cannot_steer_the_terminal(ledger: sqlite3.Connection) -> None:
    book(ledger, model="\x1b]0;own\x07[red]x\u202e", workspace="/\x1b[2J\n/w", nano_usd=10**9)

    done = cmt("usage", "--from", "2025-01-01")

    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", done.stdout)
    assert "␛]0;own␇[red]x[U+202E]" in done.stdout


@pytest.mark.parametrize("columns", [30, 60, 100])
def test_every_table_fits_the_terminal(
    ledger: sqlite3.Connection, terminal: Callable[..., Any], columns: int
) -> None:
    shown = terminal(
        [*CMT, "usage", "--no-color", "--from", "2025-03-01", "--to", "2025-03-20"], columns=columns
    )
    assert shown.wait() == 0

    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line.rstrip("\r")) for line in shown.screen.split("\n")]

    assert max(len(line) for line in lines) <= columns
    table = [line for line in lines if line.strip().startswith("2025-03-02")]
    assert "~$6.0000" in table[0]
    assert "…" not in shown.screen
    assert ("█" in shown.screen) == (columns > 30)


def test_the_page_is_written_for_its_owner_and_replaced_by_its_own_kind_only(
    ledger: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    for _ in range(2):
        done = cmt("usage", "--html", "usage.html")
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == f"Wrote {tmp_path / 'usage.html'}; open it in a browser.\n"
    made = Path("usage.html")
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert f'value="{report(ledger)["totals"]["cost"]["nanoUsd"]}"' in made.read_text("utf-8")
    assert "2025-03-01 to " in made.read_text("utf-8")

    Path("mine.html").write_text("<p>mine")
    refused = cmt("usage", "--html", "mine.html")
    assert (refused.returncode, Path("mine.html").read_text()) == (1, "<p>mine")
    assert "exists and is no usage page" in refused.stderr
    assert sorted(path.name for path in tmp_path.glob("*.html")) == ["mine.html", "usage.html"]


def test_a_page_replaces_a_page_and_nothing_else(tmp_path: Path) -> None:
    target, link, old = tmp_path / "target", tmp_path / "link.html", tmp_path / "old.html"
    target.write_text(PAGE)
    link.symlink_to(target)
    (tmp_path / "dangling.html").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder.html").mkdir()
    old.write_text(PAGE)

    for name in ("link.html", "dangling.html", "folder.html"):
        with pytest.raises(TroubleError, match="exists and is no usage page"):
            write_page(tmp_path / name, PAGE)
    write_page(old, PAGE + "<!-- new -->")

    assert target.read_text() == PAGE
    assert not (tmp_path / "nothing").exists()
    assert old.read_text().endswith("<!-- new -->")


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "usage.html"
    write_page(made, PAGE)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TroubleError, match="No space left on device"):
        write_page(made, PAGE + "more")
    with pytest.raises(TroubleError, match="No such file or directory"):
        write_page(tmp_path / "no" / "usage.html", PAGE)

    assert made.read_text() == PAGE
    assert [path.name for path in tmp_path.iterdir() if "usage" in path.name] == ["usage.html"]


def test_bars_are_as_long_as_their_share_and_never_vanish() -> None:
    assert bar(1.0, 8) == "████████"
    assert bar(0.5, 8) == "████"
    assert bar(0.51, 10) == "█████▏"
    assert bar(0.0001, 10) == "▏"
    assert bar(0.0, 10) == ""
    assert (bar(0.5, 8, plain=True), bar(0.001, 8, plain=True), bar(0.0, 8, plain=True)) == ("####", "#", "")


def test_the_least_important_columns_give_way_first() -> None:
    columns = [Column("=day", ["2025-03-01"]), Column(">cost", ["$1.00"]), Column(">in", ["1.0K"], 4), Column(">requests", ["7"], 1)]  # fmt: skip

    assert [one.head for one in fitting(columns, 80)] == ["=day", ">cost", ">in", ">requests"]
    assert [one.head for one in fitting(columns, 30)] == ["=day", ">cost", ">requests"]
    assert [one.head for one in fitting(columns, 20)] == ["=day", ">cost"]
    assert [one.head for one in fitting(columns, 1)] == ["=day", ">cost"]


def test_the_default_screen_looks_thirty_days_back(ledger: sqlite3.Connection) -> None:
    today = date.fromisoformat(json.loads(cmt("usage", "--json").stdout)["today"])
    for back in (0, 29, 30):
        book(ledger, day=str(today - timedelta(days=back)), nano_usd=10**9 + back, model=f"model-{back}")

    shown = cmt("usage").stdout
    month = report(ledger, first_day=str(today.replace(day=1)), last_day=str(today))

    assert cells(shown)["today"][0] == "$1.00"
    assert cells(shown)[f"{today:%B}"][0] == month["totals"]["cost"]["display"][:5]
    assert str(today - timedelta(days=29)) in shown
    assert str(today - timedelta(days=30)) not in shown
    assert ("model-29" in shown, "model-30" in shown) == (True, False)
    assert len([line for line in shown.splitlines() if re.match(r" \d{4}-\d\d-\d\d ", line)]) == 30
