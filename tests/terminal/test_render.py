"""What reaches the terminal: no control gets through, figures are short, the status line leaves no trace."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_peer import turn_result

from cmt_lsp.terminal.render import (
    StatusLine,
    Wait,
    clean,
    dollars,
    one_line,
    seconds,
    summary,
    tokens,
    waiting,
)


@given(st.text(st.characters(codec=None)))
def test_no_control_bidi_or_lone_surrogate_survives(text: str) -> None:
    shown = clean(text)

    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    assert not {"LRO", "RLO", "LRE", "RLE", "PDF", "LRI", "RLI", "FSI", "PDI"} & {
        unicodedata.bidirectional(c) for c in shown
    }


@given(st.text(), st.integers(0, 50))
def test_a_stream_may_be_cut_anywhere(text: str, at: int) -> None:
    assert clean(text[:at]) + clean(text[at:]) == clean(text)


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇"),
        ("\x9b31m", "[U+009B]31m"),
        ("a\u202eb", "a[U+202E]b"),
        ("one\r\ntwo\ttabbed", "one\ntwo\ttabbed"),
        ("over\rwritten", "overwritten"),
        ("\ud800", "\ufffd"),
        ("👩\u200d💻 ü 漢字", "👩\u200d💻 ü 漢字"),
    ],
)
def test_foreign_text_is_shown_and_not_obeyed(foreign: str, shown: str) -> None:
    assert clean(foreign) == shown


def test_one_line_stays_one_line() -> None:
    assert one_line("a\n\n  b\u2028c") == "a b c"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (999, "999"),
        (1000, "1.0K"),
        (15_230, "15.2K"),
        (999_949, "999.9K"),
        (999_950, "1.0M"),
        (999_949_999, "999.9M"),
        (10**9, "1.0B"),
    ],
)
def test_token_counts_are_short(count: int, text: str) -> None:
    assert tokens(count) == text


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "$0"),
        (45_600_000, "$0.0456"),
        (1, "<$0.0001"),
        (-400_000, "-$0.0004"),
        (12_345_000_000, "$12.3450"),
    ],
)
def test_money_is_shown_in_dollars(nano: int, text: str) -> None:
    assert dollars(nano) == text


@pytest.mark.parametrize(("ms", "text"), [(6, "6 ms"), (3210, "3.2 s"), (125_000, "2 min 5 s")])
def test_durations_are_short(ms: int, text: str) -> None:
    assert seconds(ms) == text


def test_a_finished_turn_is_one_line_with_model_tokens_cache_cost_and_time() -> None:
    assert summary(turn_result("x")) == (
        "claude-test · 12.3K in, 2.9K out · cached 8.1K (66%) · $0.0456 (saved $0.0243) · 3.2 s"
    )


def test_a_cancelled_turn_says_so_and_an_estimate_is_called_one() -> None:
    result = turn_result("x", "cancelled")
    result["usage"] = {**result["usage"], "estimated": True}

    assert summary(result).startswith("cancelled · claude-test · ~12.3K in, ~2.9K out")


@pytest.mark.parametrize(
    ("cache", "said"),
    [
        (
            {"state": "miss", "cause": "model changed", "lostNanoUsd": 12_300_000},
            " · cache missed: model changed (lost $0.0123) · $0.0456",
        ),
        (
            {
                "state": "partial",
                "cause": "expired (idle 412 s)",
                "lostNanoUsd": 400_000,
                "toldCause": "tools changed",
            },
            " · cache partly missed: expired (idle 412 s), the endpoint says tools changed (lost $0.0004) · $0.0456",
        ),
        (
            {"state": "miss", "cause": "unknown", "expectedTokens": 900},
            " · cache missed: nothing changed, the endpoint forgot · $0.0456",
        ),
        ({"state": "miss", "cause": "first request in this session", "lostNanoUsd": 0}, "(66%) · $0.0456"),
        (
            {"state": "miss", "cause": "the endpoint reports no caching", "expectedTokens": 0},
            "(66%) · $0.0456",
        ),
        ({"state": "hit", "lostNanoUsd": 0}, "(66%) · $0.0456"),
    ],
)
def test_a_miss_says_why_and_what_it_cost_where_there_was_something_to_read(
    cache: dict[str, object], said: str
) -> None:
    assert said in summary({**turn_result("x"), "cache": cache})


def test_caching_that_did_not_pay_yet_is_not_called_a_saving() -> None:
    result = turn_result("x")
    result["cost"] = {**result["cost"], "savedNanoUsd": -500_000}

    assert "(caching cost $0.0005 more so far)" in summary(result)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"kind": "waiting", "phase": "warming_up"}, "warming up 1.0 s"),
        ({"kind": "thinking", "text": "hm"}, "thinking 1.0 s"),
        (
            {"kind": "retry", "attempt": 1, "maxAttempts": 3, "delayMs": 3000, "reason": "Over\nloaded."},
            "attempt 2 of 3 in 2.0 s: Over loaded.",
        ),
        ({"kind": "usage"}, None),
        ({"kind": "something new"}, None),
    ],
)
def test_each_wait_has_a_name(event: dict[str, object], text: str | None) -> None:
    wait = waiting(event)

    assert (wait and wait.line(1.0)) == text


class FakeTerminal(io.StringIO):
    """A stream that calls itself a terminal."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError


def test_the_status_line_is_dim_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = FakeTerminal()
    line = StatusLine(stream, colour=True)

    line.say(Wait("warming up"))
    line.clear()
    line.draw()

    assert stream.getvalue() == "\r\x1b[2K\x1b[2mwarming up 0.0 s\x1b[22m\r\x1b[2K"


def test_a_retry_counts_down_on_one_line_however_long_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = FakeTerminal()

    StatusLine(stream, colour=False).say(Wait("attempt 2 of 3 in", 4.0, "漢" * 60))

    assert stream.getvalue() == "\r\x1b[2Kattempt 2 of 3 in 4.0 s: " + "漢" * 27


def test_nothing_is_written_where_no_line_can_be_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    dumb, pipe = FakeTerminal(), io.StringIO()

    StatusLine(dumb, colour=True).say(Wait("thinking"))
    StatusLine(pipe, colour=True).say(Wait("thinking"))

    assert dumb.getvalue() == pipe.getvalue() == ""
