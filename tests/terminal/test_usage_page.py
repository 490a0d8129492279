"""The usage page: its figures are the report's, it needs nothing else, and nothing foreign becomes markup."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reports import book, book_days, ledger_file, page_data, report

from cmt_lsp.terminal.markup import Markup, element
from cmt_lsp.terminal.usage.charts import nice_ticks
from cmt_lsp.terminal.usage.figures import Figures, decimals_for, grain_of, name_of, periods, spent, usd
from cmt_lsp.terminal.usage.page import PageData, render

Element = ET.Element

MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-4-5-20251001")
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><style>*{display:none}",
    "</title><svg onload=alert(1)>",
    "'; background: url(//evil/?x)",
    "javascript:alert(1)",
    "<!--",
    "]]>&lt;b&gt;&amp;",
    "+cmd|' /C calc'!A0",
    "\x1b]0;own\x07\x00\u202ereversed\u2028",
    "x" * 4000,
    "\ud800",
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An empty ledger on the disk."""
    with ledger_file(tmp_path) as connection:
        yield connection


def parsed(data: PageData) -> Element:
    """The page as a tree; it is well-formed XML but for its first line."""
    first, _, rest = render(data).partition("\n")
    assert first == "<!doctype html>"
    return ET.fromstring(rest)  # noqa: S314  our own text


def text_of(node: Element) -> str:
    """All text in an element."""
    return "".join(node.itertext())


def table(page: Element, title: str) -> tuple[list[list[Element]], list[Element] | None]:
    """The cells of the rows of a table, by its caption, and those of its foot."""
    found = next(one for one in page.iter("table") if text_of(one.find("caption")) == title)  # type: ignore[arg-type]
    rows = [list(row) for row in found.findall("tbody/tr")]
    foot = found.find("tfoot/tr")
    return rows, None if foot is None else list(foot)


def value(cell: Element) -> int | None:
    """The exact figure of a cell."""
    data = cell if cell.tag == "data" else cell.find("data")
    assert data is not None, text_of(cell)
    return int(data.get("value", "-1")) if data.get("value") is not None else None


def a_year(ledger: sqlite3.Connection, days: int = 365) -> tuple[str, str]:
    """Spending on about half of the days, by three models; the first and the last day."""
    rng = random.Random(5)
    last = date(2026, 11, 22)
    spending = {}
    for back in range(days):
        if rng.random() < 0.5 or back in (0, days - 1):
            chosen = rng.sample(MODELS, rng.randrange(1, 4))
            spending[str(last - timedelta(days=back))] = {model: rng.randrange(10**10) for model in chosen}
    book_days(ledger, spending)
    return str(last - timedelta(days=days - 1)), str(last)


@pytest.mark.parametrize(
    ("days", "grain"), [(30, "day"), (92, "day"), (93, "week"), (365, "week"), (800, "month")]
)
def test_every_table_over_time_adds_up_to_the_report(
    ledger: sqlite3.Connection, days: int, grain: str
) -> None:
    first, last = a_year(ledger, days)
    data = page_data(ledger, first, last)
    page, total = parsed(data), data.whole["totals"]

    rows, foot = table(page, f"Spending by {grain}")
    by_model = {one["key"]: one["totals"]["cost"]["nanoUsd"] for one in data.models["groups"]}
    assert sum(value(row[1]) or 0 for row in rows) == total["cost"]["nanoUsd"] == value(foot[1])  # type: ignore[index]
    assert sum(value(row[2]) or 0 for row in rows) == data.whole["requests"] == value(foot[2])  # type: ignore[index]
    assert [value(cell) for cell in foot[3:]] == list(by_model.values())  # type: ignore[index]
    for column, model in enumerate(by_model, start=3):
        assert sum(value(row[column]) or 0 for row in rows if text_of(row[column])) == by_model[model]

    rows, foot = table(page, f"Tokens by {grain}")
    names = (
        "cacheReadInputTokens",
        "inputTokens",
        "cacheCreation5mInputTokens",
        "cacheCreation1hInputTokens",
        "outputTokens",
    )
    wanted = [total["usage"][name] for name in names]
    assert [sum(value(row[place]) or 0 for row in rows) for place in range(1, 6)] == wanted
    assert [value(cell) for cell in foot[1:]] == wanted  # type: ignore[index]

    saved, premium = data.whole["savedNanoUsd"], data.whole["cacheWritePremiumNanoUsd"]
    title = next(text_of(h2) for h2 in page.iter("h2") if "aching" in text_of(h2))
    rows, foot = table(page, title)
    assert usd(saved, 2) in title
    assert [sum(value(row[place]) or 0 for row in rows) for place in (1, 2, 3)] == [
        saved + premium,
        premium,
        saved,
    ]
    assert [value(cell) for cell in foot[1:4]] == [saved + premium, premium, saved]  # type: ignore[index]


def test_a_day_is_a_row_with_the_report_s_own_figures(ledger: sqlite3.Connection) -> None:
    first, last = a_year(ledger, 20)
    data = page_data(ledger, first, last)

    rows, _ = table(parsed(data), "Spending by day")

    assert [(text_of(row[0]), value(row[1]), value(row[2])) for row in reversed(rows)] == [
        (group["key"], group["totals"]["cost"]["nanoUsd"], group["requests"])
        for group in data.whole["groups"]
    ]


def test_models_and_workspaces_have_the_report_s_figures_and_the_rest_is_named(
    ledger: sqlite3.Connection,
) -> None:
    for number in range(5):
        book_days(
            ledger, {"2026-11-20": {MODELS[number % 3]: 10**9 * (number + 1)}}, workspace=f"/w/{number}"
        )
    data = page_data(ledger, "2026-11-01", "2026-11-22", workspaces=3)
    page = parsed(data)

    for title, source in (("Models", data.models), ("Workspaces", data.workspaces)):
        groups = [*source["groups"], *([source["rest"]] if "rest" in source else [])]
        rows, foot = table(page, title)
        assert foot is None
        assert [
            (value(row[1]), value(row[3]), value(row[4]), value(row[5])) for row in rows
        ] == [
            (one["totals"]["cost"]["nanoUsd"], one["requests"], one["totals"]["usage"]["totalInputTokens"],
             one["totals"]["usage"]["outputTokens"]) for one in groups
        ]  # fmt: skip
    assert [text_of(row[0]) for row in table(page, "Workspaces")[0]] == ["/w/4", "/w/3", "/w/2", "all others"]


def test_columns_are_as_high_as_what_they_show(ledger: sqlite3.Connection) -> None:
    """By the scale at the left; the parts stand on each other, and an empty day has its place."""
    book_days(
        ledger, {"2026-11-19": {MODELS[0]: 10**9}, "2026-11-21": {MODELS[0]: 2 * 10**9, MODELS[1]: 10**9}}
    )
    page = parsed(page_data(ledger, "2026-11-18", "2026-11-21"))
    chart = next(one for one in page.iter("div") if one.findtext("svg/title") == "Spending by day")
    axis, plot = chart.findall("svg")
    places = {text_of(label): float(label.get("y", "")) for label in axis.findall("text")}
    dollar = (places["$0"] - places["$3"]) / 3

    columns = [one for one in plot.findall("g") if one.get("class") == "column"]
    drawn = [
        {rect.get("class"): _place(rect) for rect in one.findall("rect") if rect.get("class") != "hit"}
        for one in columns
    ]

    assert len(columns) == 14
    assert drawn[:11] == [{}] * 11
    assert drawn[12] == {}
    zero = places["$0"] - 4  # text stands on its line, four pixels below the middle
    assert drawn[11] == {"m0": pytest.approx((zero, zero - dollar), abs=0.02)}
    assert drawn[13]["m0"] == pytest.approx((zero, zero - 2 * dollar), abs=0.02)
    assert drawn[13]["m1"] == pytest.approx((zero - 2 * dollar, zero - 3 * dollar), abs=0.02)
    assert columns[13].findtext("title") == (
        "2026-11-21: $3.0000\nclaude-opus-5-5 $2.0000\nclaude-sonnet-5-5 $1.0000"
    )


def _place(rect: Element) -> tuple[float, float]:
    """Lower and upper edge in pixels."""
    top, height = float(rect.get("y", "")), float(rect.get("height", ""))
    return top + height, top


def test_what_writing_cost_hangs_below_the_line(ledger: sqlite3.Connection) -> None:
    book(ledger, nano_usd=10**9, saved_nano_usd=3 * 10**8, cache_creation_5m_input_tokens=400_000)
    page = parsed(page_data(ledger, "2026-11-20", "2026-11-22"))
    chart = next(one for one in page.iter("div") if one.findtext("svg/title") == "Caching by day")
    axis, plot = chart.findall("svg")
    places = {text_of(label): float(label.get("y", "")) - 4 for label in axis.findall("text")}
    column = plot.findall("g")[-1]
    drawn = {rect.get("class"): _place(rect) for rect in column.findall("rect") if rect.get("class") != "hit"}
    net = next(line for line in column.findall("line") if line.get("class") == "net")
    per_dollar = (places["$0"] - places["$0.20"]) / 0.2

    assert drawn["c-saved"] == pytest.approx((places["$0"], places["$0"] - 0.5 * per_dollar), abs=0.02)
    assert drawn["c-written"] == pytest.approx((places["$0"] + 0.2 * per_dollar, places["$0"]), abs=0.02)
    assert float(net.get("y1", "")) == pytest.approx(places["$0"] - 0.3 * per_dollar, abs=0.02)


def test_unpriced_and_estimated_are_marked_and_explained_once(ledger: sqlite3.Connection) -> None:
    book_days(ledger, {"2026-11-20": {MODELS[0]: 10**9}, "2026-11-22": {MODELS[0]: 10**9}})
    book(ledger, day="2026-11-20", model="mystery", nano_usd=None, saved_nano_usd=None)
    book(ledger, day="2026-11-22", model=MODELS[0], nano_usd=10**9, usage_estimated=1)
    page = parsed(page_data(ledger, "2026-11-01", "2026-11-22"))
    rows, foot = table(page, "Spending by day")
    notes = [text_of(note) for note in page.iterfind("body/footer/p")]

    assert [text_of(row[1]) for row in rows] == ["~$2.0000", "≥$1.0000"]
    assert text_of(foot[1]) == "≥~$3.0000"  # type: ignore[index]
    assert [text_of(row[1]) for row in table(page, "Models")[0]] == ["~$3.0000", "unpriced"]
    assert (
        sum("≥ 1 request went to a model without a known price and is in no sum" in note for note in notes)
        == 1
    )
    assert sum("~ 1 request is estimated in part" in note for note in notes) == 1
    assert (
        len([line for line in page.iter("line") if line.get("class") == "open"]) == 2
    )  # one day, and the legend


def test_nothing_marked_leaves_nothing_to_explain(ledger: sqlite3.Connection) -> None:
    book_days(ledger, {"2026-11-22": {MODELS[0]: 10**9}})

    notes = text_of(parsed(page_data(ledger, "2026-11-01", "2026-11-22")).find("body/footer"))  # type: ignore[arg-type]

    assert "≥" not in notes
    assert "~" not in notes


def test_the_page_needs_nothing_and_may_fetch_nothing(ledger: sqlite3.Connection) -> None:
    first, last = a_year(ledger)
    page = parsed(page_data(ledger, first, last))
    style = text_of(page.find("head/style"))  # type: ignore[arg-type]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(
        meta.get("content")
        for meta in page.iter("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )

    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert {node.tag for node in page.iter()}.isdisjoint(
        {"script", "link", "img", "iframe", "object", "form", "a"}
    )
    for node in page.iter():
        for name in node.attrib:
            assert name not in ("style", "src", "href", "srcset", "action", "ping"), (node.tag, name)
            assert not name.startswith(("on", "xlink")), (node.tag, name)
    assert not re.search(r"url\(|@import|expression|//", style)


def test_hostile_names_stay_text(ledger: sqlite3.Connection) -> None:
    """Models and folders are foreign words: none adds an element or an attribute to those of a harmless page."""

    def shape(page: Element) -> set[tuple[str, tuple[str, ...]]]:
        return {(node.tag, tuple(sorted(node.attrib))) for node in page.iter()}

    for number, _ in enumerate(HOSTILE):
        book_days(ledger, {"2026-11-20": {f"model-{number}": 10**9 + number}}, workspace=f"/folder/{number}")
    harmless = parsed(page_data(ledger, "2026-11-01", "2026-11-22"))
    ledger.execute("DELETE FROM attempts")
    for number, words in enumerate(HOSTILE):
        name = words.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        book_days(ledger, {"2026-11-20": {name: 10**9 + number}}, workspace=f"/{name}")
    data = page_data(ledger, "2026-11-01", "2026-11-22")
    page = parsed(data)

    assert shape(page) == shape(harmless)
    shown = [text_of(row[0]) for row in table(page, "Models")[0]]
    assert "<script>alert(1)</script>" in shown
    assert "␛]0;own␇␀[U+202E]reversed\n" in shown
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", render(data))


@given(words=st.text(st.characters(codec=None, exclude_characters="\ufffe\uffff"), max_size=40))
def test_any_text_survives_as_text(words: str) -> None:
    made = element("p", words, element("b", "x"), title=words)

    assert isinstance(made, Markup)
    tree = ET.fromstring(made)  # noqa: S314  our own text
    assert [node.tag for node in tree.iter()] == ["p", "b"]
    assert list(tree.attrib) == ["title"]


def test_the_page_can_be_read_without_seeing_it(ledger: sqlite3.Connection) -> None:
    """Every picture says what it is or is hidden beside words, every table has its caption and its heads."""
    first, last = a_year(ledger)
    page = parsed(page_data(ledger, first, last))

    assert page.get("lang") == "en"
    for svg in page.iter("svg"):
        if svg.get("aria-hidden") != "true":
            assert svg.get("role") == "img"
            assert text_of(svg.find("title"))  # type: ignore[arg-type]
    for one in page.iter("table"):
        assert text_of(one.find("caption"))  # type: ignore[arg-type]
        assert {th.get("scope") for th in one.iter("th")} <= {"col", "row"}
    drawn = [text_of(svg.find("title")) for svg in page.iter("svg") if svg.get("class") == "plot"]  # type: ignore[arg-type]
    assert drawn == ["Spending by week", "Tokens by week", "Caching by week"]
    assert len(list(page.iter("table"))) == len(drawn) + 2
    ids = [node.get("id") for node in page.iter() if node.get("id")]
    assert len(ids) == len(set(ids))


def test_predictions_are_drawn_where_there_were_some(ledger: sqlite3.Connection) -> None:
    book_days(ledger, {"2026-11-20": {MODELS[0]: 10**9}, "2026-11-22": {MODELS[0]: 10**9}})
    data = page_data(ledger, "2026-11-01", "2026-11-22")
    section = next(one for one in parsed(data).iter("section") if text_of(one.find("h2")) == "Predictions")  # type: ignore[arg-type]

    assert f"newest {data.whole['calibration']['turns']} predictions" in text_of(section)
    assert "100.0% within p90" in text_of(section)
    assert "median exact" in text_of(section)

    ledger.execute("UPDATE attempts SET expected_p90 = NULL, expected_input = NULL, expected_nano = NULL")
    assert "Predictions" not in render(page_data(ledger, "2026-11-01", "2026-11-22"))


def test_more_models_than_colours_share_one(ledger: sqlite3.Connection) -> None:
    book_days(ledger, {"2026-11-20": {f"model-{n:02}": 10**9 * (12 - n) for n in range(12)}})
    page = parsed(page_data(ledger, "2026-11-01", "2026-11-22"))
    rows, foot = table(page, "Spending by day")

    assert [value(cell) for cell in foot[3:]] == [n * 10**9 for n in (12, 11, 10, 9, 8, 7, 6, 15)]  # type: ignore[index]
    assert [value(cell) for cell in rows[0][3:]] == [n * 10**9 for n in (12, 11, 10, 9, 8, 7, 6, 15)]


def test_a_loss_by_caching_is_called_one(ledger: sqlite3.Connection) -> None:
    book(ledger, nano_usd=10**9, saved_nano_usd=-(10**8), cache_creation_5m_input_tokens=400_000)

    page = parsed(page_data(ledger, "2026-11-01", "2026-11-22"))

    assert "Caching cost $0.1000 more than it saved" in [text_of(h2) for h2 in page.iter("h2")]


def test_an_empty_ledger_makes_a_page_that_says_what_to_do(ledger: sqlite3.Connection) -> None:
    page = parsed(page_data(ledger, "2026-11-22", "2026-11-22"))

    assert "Ask something in your editor" in text_of(page.find("body/main"))  # type: ignore[arg-type]
    assert list(page.iter("svg")) == []


@given(low=st.floats(-1e12, 0), high=st.floats(0, 1e12))
def test_scales_have_few_round_figures_and_hold_what_is_drawn(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)

    assert 0.0 in ticks
    assert len(ticks) <= 8
    assert ticks == sorted(set(ticks))
    assert ticks[-1] >= high * (1 - 1e-9)
    assert ticks[0] >= low * (1 + 1e-9)


@given(
    first=st.dates(date(2020, 1, 1), date(2026, 12, 31)), days=st.integers(1, 2500), seed=st.integers(0, 99)
)
def test_periods_leave_no_day_out_and_count_none_twice(first: date, days: int, seed: int) -> None:
    last = first + timedelta(days=days - 1)
    rng = random.Random(seed)
    picked = sorted({first + timedelta(days=rng.randrange(days)) for _ in range(12)})
    groups = [{"key": str(day), **_group(10**number)} for number, day in enumerate(picked)]

    found = periods(groups, first, last)

    assert found[-1].last == last
    assert found[0].first == (
        first if grain_of(first, last) != "day" else min(first, last - timedelta(days=13))
    )
    assert all(one.last + timedelta(days=1) == after.first for one, after in pairwise(found))
    assert len(found) <= 120
    for group in groups:
        holders = [one for one in found if one.first <= date.fromisoformat(group["key"]) <= one.last]
        assert len(holders) == 1
        assert holders[0].total.cost // group["totals"]["cost"]["nanoUsd"] % 10 == 1
    assert sum(one.total.cost for one in found) == sum(group["totals"]["cost"]["nanoUsd"] for group in groups)


def _group(nano: int) -> dict[str, Any]:
    usage = dict.fromkeys(
        (
            "inputTokens",
            "cacheCreation5mInputTokens",
            "cacheCreation1hInputTokens",
            "cacheReadInputTokens",
            "outputTokens",
        ),
        1,
    )
    counts = {
        "requests": 1,
        "unpricedRequests": 0,
        "estimatedRequests": 0,
        "savedNanoUsd": 0,
        "cacheWritePremiumNanoUsd": 0,
    }
    return {"totals": {"usage": usage, "cost": {"nanoUsd": nano}}, **counts}


@pytest.mark.parametrize(
    ("nano", "decimals", "shown", "floored"),
    [
        (0, 2, "$0.00", "$0.00"),
        (4_999_999, 2, "<$0.01", "$0.00"),
        (5_000_000, 2, "$0.01", "$0.00"),
        (1_234_567_890_000, 2, "$1,234.57", "$1,234.56"),
        (49_999, 4, "<$0.0001", "$0.0000"),
        (123_450_000, 4, "$0.1235", "$0.1234"),
        (-1_500_000_000, 2, "-$1.50", "-$1.50"),
        (-1, 4, "-<$0.0001", "-$0.0000"),
    ],
)
def test_money_is_rounded_once_and_a_lower_bound_never_up(
    nano: int, decimals: int, shown: str, floored: str
) -> None:
    assert usd(nano, decimals) == shown
    assert usd(nano, decimals, floor=True) == floored


def test_a_long_name_is_shown_by_its_two_ends() -> None:
    """A path is known by its last folders, and a short name is left alone."""
    assert name_of({"key": "/" * 40 + "b" * 40}, "workspace") == "/" * 24 + "…" + "/" * 7 + "b" * 40
    assert len(name_of({"key": "x" * 5000}, "model")) == 72
    assert name_of({"key": "x" * 72}, "model") == "x" * 72
    assert name_of({"key": "s1", "label": "review"}, "session") == "review"
    assert name_of({"key": "s1"}, "session") == "s1"
    assert name_of({"key": ""}, "workspace") == "no workspace"


def test_a_folder_of_one_s_own_begins_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")

    names = [name_of({"key": key}, "workspace") for key in ("/home/me", "/home/me/a", "/home/mean/a", "/srv")]

    assert names == ["~", "~/a", "/home/mean/a", "/srv"]


def test_a_column_of_money_has_one_number_of_decimals() -> None:
    assert decimals_for([1, 9_999_999_999]) == 4
    assert decimals_for([1, 10**10]) == 2
    assert decimals_for([-(10**10)]) == 2
    assert decimals_for([]) == 4


def test_a_cost_tells_what_is_missing_in_it() -> None:
    assert spent(Figures(requests=2, cost=1_239_999_999), 2) == "$1.24"
    assert spent(Figures(requests=2, unpriced=1, cost=1_239_999_999), 2) == "≥$1.23"
    assert spent(Figures(requests=2, estimated=1, cost=1_239_999_999), 2) == "~$1.24"
    assert spent(Figures(requests=2, unpriced=2), 2) == "unpriced"


def test_a_report_of_the_server_adds_up_in_the_terminal(ledger: sqlite3.Connection) -> None:
    first, last = a_year(ledger, 40)
    days = report(ledger, group_by="day", first_day=first, last_day=last)

    assert sum((Figures.of(group) for group in days["groups"]), Figures()) == Figures.of(days)
