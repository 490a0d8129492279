"""What a turn will use and cost, told from own history: how often it holds, and that it says on what it rests."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest
from attempt_rows import book, ledger_file
from hypothesis import given
from hypothesis import strategies as st

from cmt_lsp.api.models import Cost, cost_of
from cmt_lsp.api.request import MessageRequest
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.attempt import Ceiling, Claim, Expected, Origin
from cmt_lsp.core.money.budget import BudgetState
from cmt_lsp.core.money.ceiling import prompt_estimate
from cmt_lsp.core.money.past import ENOUGH_ANSWERS, FIRST_GUESS_P50, FIRST_GUESS_P90, Past, expect, past_of
from cmt_lsp.core.money.prediction import (
    Calibration,
    Effect,
    Outlook,
    PredictionError,
    calibration,
    effects,
    error_of,
    expected_cost,
    predict,
)
from cmt_lsp.core.money.quantiles import Observed, next_quantile

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MODEL = "claude-sonnet-5-5"
HERE = Origin("turn", "s", "t", "")
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An empty ledger."""
    with ledger_file(tmp_path) as connection:
        yield connection


# The next value's quantile


def observed(*values: int) -> list[Observed]:
    return [Observed(value) for value in values]


def test_of_no_values_nothing_is_known() -> None:
    assert next_quantile([], 0.9) is None


def test_the_largest_value_stands_in_for_what_few_values_cannot_tell() -> None:
    assert next_quantile(observed(5), 0.9) == 5
    assert next_quantile(observed(5, 9, 7), 0.9) == 9


def test_of_values_of_one_age_the_next_one_ranks_like_any_of_them() -> None:
    """With 19 others the 18th is the 0.9 quantile of the next: it is exceeded by 2 of the 20 places."""
    assert next_quantile(observed(*range(19, 0, -1)), 0.9) in (18, 19)
    assert next_quantile(observed(*[7] * 19), 0.5) == 7


def test_new_values_count_more_than_old_ones() -> None:
    rising, falling = observed(*[1000] * 20, *[10] * 80), observed(*[10] * 20, *[1000] * 80)
    assert next_quantile(rising, 0.65) == 1000
    assert next_quantile(falling, 0.35) == 10


def test_a_value_that_was_cut_counts_as_a_larger_one() -> None:
    cut = [Observed(100, cut=n % 2 == 0) if n < 10 else Observed(500) for n in range(20)]
    assert next_quantile(cut, 0.5) == 500
    whole = [Observed(100) if n < 10 else Observed(500) for n in range(20)]
    assert next_quantile(whole, 0.5) == 100


def test_where_the_long_ones_were_all_cut_nobody_knows_how_long_they_get() -> None:
    answers = [Observed(100, cut=True), *observed(*[50] * 10)]
    assert next_quantile(answers, 0.8) == 50
    assert next_quantile(answers, 0.9) is None
    assert next_quantile([Observed(100, cut=True)] * 5, 0.5) is None
    assert next_quantile([*answers, Observed(200)], 0.9) == 200


@given(st.lists(st.tuples(st.integers(1, 99), st.booleans()), max_size=30))
def test_a_quantile_is_a_value_that_was_seen_and_grows_with_its_level(
    values: list[tuple[int, bool]],
) -> None:
    answers = [Observed(value, cut) for value, cut in values]
    found = [next_quantile(answers, level) for level in (0.1, 0.5, 0.9, 0.99)]
    sizes = [1000 if value is None else value for value in found]
    assert sizes == sorted(sizes)
    assert all(
        value is None or Observed(value) in answers or Observed(value, cut=True) in answers for value in found
    )


def walk(rng: random.Random) -> Callable[[int], float]:
    """Lengths whose scale wanders, by a factor of three up and down."""
    scale = [6.5]

    def draw(_: int) -> float:
        scale[0] += rng.gauss(0, 0.12) - 0.01 * (scale[0] - 6.5)
        return rng.lognormvariate(scale[0], 0.7)

    return draw


def bursts(rng: random.Random) -> Callable[[int], float]:
    """Some short answers in a row, then some long ones."""
    long = [False]

    def draw(_: int) -> float:
        long[0] ^= rng.random() < 0.15
        return rng.lognormvariate(7.4 if long[0] else 5.3, 0.5)

    return draw


WORKLOADS: dict[str, Callable[[random.Random], Callable[[int], float]]] = {
    "lognormal": lambda rng: lambda _: rng.lognormvariate(6.5, 1.0),
    "wide lognormal": lambda rng: lambda _: rng.lognormvariate(6.0, 1.6),
    "heavy tail": lambda rng: lambda _: 200 * rng.paretovariate(1.2),
    "three short for each long": lambda rng: (
        lambda _: rng.lognormvariate(5 if rng.random() < 0.75 else 8, 0.4)
    ),
    "nine short for each long": lambda rng: lambda _: rng.lognormvariate(5 if rng.random() < 0.9 else 8, 0.4),
    "wandering": walk,
    "in bursts": bursts,
    "growing fourfold": lambda rng: lambda t: rng.lognormvariate(6 + 1.5 * t / 200, 0.8),
    "shrinking fourfold": lambda rng: lambda t: rng.lognormvariate(7.5 - 1.5 * t / 200, 0.8),
    "seven times longer at once": lambda rng: lambda t: rng.lognormvariate(5.5 if t < 100 else 7.5, 0.6),
}


def coverage(workload: str, runs: int) -> tuple[float, float]:
    """The share of answers under their p90: in turns 31 to 200, and in the first ten of them."""
    inside: list[bool] = []
    early: list[bool] = []
    for seed in range(runs):
        draw = WORKLOADS[workload](random.Random(f"{workload} {seed}"))
        lengths = [max(1, round(draw(turn))) for turn in range(200)]
        for turn in range(30, 200):
            p90 = next_quantile(observed(*lengths[:turn][::-1]), 0.9)
            inside.append(p90 is not None and lengths[turn] <= p90)
            early += inside[-1:] if turn < 40 else []
    return mean(inside), mean(early)


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_after_thirty_turns_nine_of_ten_answers_stay_under_their_p90(
    workload: str, campaign_size: Callable[[int, int], int]
) -> None:
    inside, early = coverage(workload, campaign_size(10, 100))
    assert 0.80 <= inside <= 0.97
    assert 0.80 <= early <= 0.99


# What history expects


def answers(ledger: sqlite3.Connection, lengths: Sequence[int], **changes: Any) -> None:
    for length in lengths:
        book(ledger, output_tokens=length, **{"max_tokens": 16_000, **changes})


def test_before_any_answer_there_is_a_first_guess(ledger: sqlite3.Connection) -> None:
    assert expect(ledger, HERE, MODEL, 1_000) == Expected(
        1_000, False, FIRST_GUESS_P50, FIRST_GUESS_P90, "a first guess", 3.5
    )
    assert (FIRST_GUESS_P50, FIRST_GUESS_P90) == (800, 4_000)
    assert expect(ledger, HERE, MODEL, 1_000, max_tokens=300).output_p90 == 300


def test_the_first_guess_gives_way_one_answer_at_a_time(ledger: sqlite3.Connection) -> None:
    told = []
    for _ in range(ENOUGH_ANSWERS):
        answers(ledger, [80], session_id="other", model="other")
        told.append((expect(ledger, HERE, MODEL, 10).output_p50, expect(ledger, HERE, MODEL, 10).basis))
    assert [p50 for p50, _ in told] == [710, 620, 530, 440, 350, 260, 170, 80]
    assert [basis for _, basis in told] == ["a first guess"] * 7 + ["all models"]


def test_the_closest_kin_with_enough_answers_tells(ledger: sqlite3.Connection) -> None:
    answers(ledger, [10] * 8, session_id="other", model="other")
    assert (expect(ledger, HERE, MODEL, 10).basis, expect(ledger, HERE, MODEL, 10).output_p50) == (
        "all models",
        10,
    )
    answers(ledger, [200] * 8, session_id="other")
    assert (expect(ledger, HERE, MODEL, 10).basis, expect(ledger, HERE, MODEL, 10).output_p50) == (
        "this model",
        200,
    )
    answers(ledger, [3_000] * 8, model="other")
    answers(ledger, [40] * 7)
    assert expect(ledger, HERE, MODEL, 10).basis == "this model"
    answers(ledger, [40])
    assert (expect(ledger, HERE, MODEL, 10).basis, expect(ledger, HERE, MODEL, 10).output_p90) == (
        "this session",
        40,
    )


@pytest.mark.parametrize(
    "changes",
    [{"state": state} for state in ("cancelled", "failed", "truncated", "client_gone", "orphan", "reserved")]
    + [{"kind": "warm"}, {"output_tokens": 0}],
)
def test_only_answers_that_came_to_their_end_tell(
    ledger: sqlite3.Connection, changes: dict[str, Any]
) -> None:
    for _ in range(9):
        book(ledger, **{"output_tokens": 9_000, "max_tokens": 16_000, **changes})
    assert expect(ledger, HERE, MODEL, 10).basis == "a first guess"


def test_only_the_newest_answers_tell(ledger: sqlite3.Connection) -> None:
    answers(ledger, [9_000] * 50)
    answers(ledger, [100] * 200)
    assert past_of(ledger, "s", MODEL).largest == 100


def test_the_p50_and_the_p90_are_those_of_the_answers(ledger: sqlite3.Connection) -> None:
    answers(ledger, random.Random(1).sample(range(1, 201), 200))
    found = expect(ledger, HERE, MODEL, 10, max_tokens=16_000)
    assert 85 <= found.output_p50 <= 115
    assert 165 <= found.output_p90 <= 199
    answers(ledger, [90, 300], session_id="other", model="other", max_tokens=300)
    assert past_of(ledger, "other", "other").largest == 300


def test_answers_at_their_limit_leave_the_length_open(ledger: sqlite3.Connection) -> None:
    answers(ledger, [300] * 10, max_tokens=300)
    assert expect(ledger, HERE, MODEL, 10, max_tokens=8_000).output_p50 == 8_000
    assert expect(ledger, HERE, MODEL, 10).output_p90 == 300
    answers(ledger, [299] * 30, max_tokens=300)
    assert expect(ledger, HERE, MODEL, 10, max_tokens=8_000).output_p50 == 299


def test_the_endpoints_count_is_taken_as_it_is(ledger: sqlite3.Connection) -> None:
    book(ledger, input_tokens=2_000, raw_input_tokens=1_000, output_tokens=1)
    found = expect(ledger, HERE, MODEL, 1_000, 1_234)
    assert (found.input_tokens, found.exact) == (1_234, True)


def test_the_prompt_is_corrected_by_what_the_model_made_of_others(ledger: sqlite3.Connection) -> None:
    for actual in (1_100, 1_200, 1_300, 9_000):
        book(ledger, session_id="other", input_tokens=actual - 300, cache_read_input_tokens=100,
             cache_creation_5m_input_tokens=100, cache_creation_1h_input_tokens=100, raw_input_tokens=1_000)  # fmt: skip
    book(ledger, session_id="other", model="other", input_tokens=700, raw_input_tokens=1_000)
    found = expect(ledger, HERE, MODEL, 10_000)
    assert (found.input_tokens, found.exact) == (12_500, False)
    assert expect(ledger, HERE, "third", 10_000).input_tokens == 12_000


def test_only_the_newest_prompts_of_a_model_correct_the_others(ledger: sqlite3.Connection) -> None:
    for actual, count in ((2_000, 60), (1_000, 25), (1_400, 25)):
        for _ in range(count):
            book(ledger, session_id="other", input_tokens=actual, raw_input_tokens=1_000)
    assert expect(ledger, HERE, MODEL, 1_000).input_tokens == 1_200


def test_the_sessions_last_prompt_is_known_and_its_ratio_holds_for_what_is_new(
    ledger: sqlite3.Connection,
) -> None:
    book(ledger, session_id="other", input_tokens=1_000, raw_input_tokens=1_000)
    book(ledger, input_tokens=5_000, raw_input_tokens=9_000)
    book(ledger, input_tokens=14_000, raw_input_tokens=10_000)
    assert expect(ledger, HERE, MODEL, 10_000).input_tokens == 14_000
    # the session's ratio of 1.4 counts fifty times as much as the median of the model, 1
    ratio = (14_000 + 200) / (10_000 + 200)
    assert expect(ledger, HERE, MODEL, 10_100).input_tokens == round(14_000 + 100 * ratio)
    assert expect(ledger, HERE, MODEL, 110_000).input_tokens == round(14_000 + 100_000 * ratio)
    assert expect(ledger, HERE, MODEL, 5_000).input_tokens == round(5_000 * ratio)


def test_the_last_answers_text_is_known_too(ledger: sqlite3.Connection) -> None:
    book(
        ledger,
        input_tokens=10_000,
        raw_input_tokens=10_000,
        output_tokens=5_000,
        thinking_tokens=3_000,
        answer_bytes=3_500,
    )
    ratio = (12_000 + 200) / (11_000 + 200)
    assert expect(ledger, HERE, MODEL, 11_000).input_tokens == 12_000
    assert expect(ledger, HERE, MODEL, 11_500).input_tokens == round(12_000 + 500 * ratio)
    # asked again, the prompt has no answer behind it
    assert expect(ledger, HERE, MODEL, 10_000).input_tokens == 10_000
    assert expect(ledger, HERE, MODEL, 10_500).input_tokens == round(10_000 + 500 * ratio)


def test_another_models_tokens_say_nothing_of_this_ones(ledger: sqlite3.Connection) -> None:
    book(ledger, model="other", input_tokens=2_000, raw_input_tokens=1_000, output_tokens=9, answer_bytes=9)
    assert past_of(ledger, "s", MODEL).known == ()


@pytest.mark.parametrize(
    "changes", [{"usage_estimated": 1}, {"raw_input_tokens": 0}, {"raw_input_tokens": None}]
)
def test_prompts_that_nobody_counted_correct_nothing(
    ledger: sqlite3.Connection, changes: dict[str, Any]
) -> None:
    book(ledger, **{"input_tokens": 2_000, "raw_input_tokens": 1_000, **changes})
    assert expect(ledger, HERE, MODEL, 1_000).input_tokens == 1_000


def test_what_a_gateway_adds_to_a_short_question_is_not_multiplied(ledger: sqlite3.Connection) -> None:
    book(ledger, session_id="other", input_tokens=5_020, raw_input_tokens=20)
    assert expect(ledger, HERE, MODEL, 10_000).input_tokens == 30_000
    book(ledger, input_tokens=5_020, raw_input_tokens=20)
    assert (
        expect(ledger, HERE, MODEL, 1_020).input_tokens == 8_020
    )  # what is behind the last prompt has 3 at most
    book(ledger, model="third", input_tokens=1, raw_input_tokens=1_000)
    assert expect(ledger, Origin("turn", "x", "t", ""), "third", 1_000).input_tokens == 300


def test_bytes_a_token_are_learned_from_the_models_own_answers(ledger: sqlite3.Connection) -> None:
    for size in (4_000, 4_400, 30_000):
        book(ledger, output_tokens=1_500, thinking_tokens=500, answer_bytes=size)
    book(ledger, output_tokens=500, thinking_tokens=500, answer_bytes=9)
    book(ledger, output_tokens=500, answer_bytes=0)
    book(ledger, output_tokens=500, answer_bytes=500, usage_estimated=1)
    book(ledger, output_tokens=500, answer_bytes=500, model="other")
    assert expect(ledger, HERE, MODEL, 1).bytes_per_token == 4.4
    assert expect(ledger, HERE, "other", 1).bytes_per_token == 1.0
    assert expect(ledger, HERE, "third", 1).bytes_per_token == 3.5
    book(ledger, model="third", output_tokens=10, answer_bytes=9_000)
    assert expect(ledger, HERE, "third", 1).bytes_per_token == 12.0


# Real text, cut into tokens in another way than by its bytes

TOKEN = re.compile(r"[A-Za-z]+|\d{1,3}| +|\n\s*|[^\w\s]+|[^\x00-\x7f]|_")
CJK = "上限は送信前に決まり、予算を超えることはない。この関数は何をしますか。エラーの原因を説明してください。"


def tokens_of(text: str) -> int:
    """Tokens about as the common tokenizers make them: words whole or in two or three pieces, digits by three, signs in
    pairs, blanks with their word, other scripts letter by letter."""
    total = 0.0
    for found in TOKEN.finditer(text):
        piece = found.group()
        if piece[0].isascii() and piece[0].isalpha():
            total += 1 if len(piece) <= 6 else 2 if len(piece) <= 11 else 3
        elif piece[0] == " ":
            total += len(piece) > 1
        elif piece[0].isspace() or piece[0].isdigit() or piece[0] == "_":
            total += 1
        else:
            total += (len(piece) + 1) // 2 if piece[0].isascii() else 1.3
    return round(total)


class Talk:
    """A session about code, prose or Japanese, its history sent again each time."""

    def __init__(self, rng: random.Random, code: Sequence[str], prose: Sequence[str]) -> None:
        self.rng, self.code, self.prose = rng, code, prose
        self.kind = rng.choice(("code", "code", "mixed", "mixed", "prose", "japanese"))
        self.messages: list[dict[str, Any]] = []

    def ask(self) -> MessageRequest:
        """The next question, on its first turn or now and then with a piece of a file."""
        parts = [CJK[: self.rng.randrange(9, 50)] if self.kind == "japanese" else self.some_prose()[:250]]
        if self.kind in ("code", "mixed") and (not self.messages or self.rng.random() < 0.3):
            parts.append(self.some_code(self.rng.choice((800, 5_000, 20_000))))
        if self.kind == "mixed" and self.rng.random() < 0.3:
            parts.append(self.some_prose() * 3)
        self.messages.append({"role": "user", "content": [{"type": "text", "text": part} for part in parts]})
        return MessageRequest(MODEL, 1_000, list(self.messages))

    def answer(self) -> str:
        text = (
            CJK * self.rng.randrange(1, 9)
            if self.kind == "japanese"
            else self.some_prose() * self.rng.randrange(1, 4)
        )
        if self.kind in ("code", "mixed") and self.rng.random() < 0.7:
            text += self.some_code(3_000)
        self.messages.append({"role": "assistant", "content": text})
        return text

    def some_prose(self) -> str:
        return self.rng.choice(self.prose)

    def some_code(self, most: int) -> str:
        file = self.rng.choice(self.code)
        start = self.rng.randrange(max(1, len(file) - most))
        return file[start : start + most]

    @property
    def real_tokens(self) -> int:
        contents = [m["content"] for m in self.messages]
        texts = [t for c in contents for t in ([c] if isinstance(c, str) else [block["text"] for block in c])]
        return sum(tokens_of(text) for text in texts) + 5 * len(self.messages)


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_prompts_of_real_text_are_estimated_within_a_tenth(
    ledger: sqlite3.Connection, campaign_size: Callable[[int, int], int]
) -> None:
    """Once there is history: all but a few prompts of a session that has an answer, and most first ones."""
    rng = random.Random(20261122)
    code = [path.read_text("utf-8") for path in sorted((REPOSITORY / "cmt_lsp").rglob("*.py"))]
    pages = [*sorted((REPOSITORY / "docs").glob("*.md")), REPOSITORY / "README.md"]
    prose = [part for page in pages for part in page.read_text("utf-8").split("\n\n") if len(part) > 80]
    first: list[float] = []
    later: list[float] = []
    for number in range(campaign_size(30, 300)):
        talk = Talk(rng, code, prose)
        for turn in range(rng.randrange(2, 9)):
            raw = prompt_estimate(talk.ask())
            expected = expect(ledger, Origin("turn", f"s{number}", "t", ""), MODEL, raw)
            real = talk.real_tokens
            if number >= 5:
                (later if turn else first).append(abs(expected.input_tokens / real - 1))
            text = talk.answer()
            book(
                ledger,
                session_id=f"s{number}",
                input_tokens=real,
                raw_input_tokens=raw,
                output_tokens=tokens_of(text),
                answer_bytes=len(text.encode()),
            )
    assert mean(error <= 0.1 for error in later) >= 0.98
    assert median(later) <= 0.02
    assert median(first) <= 0.15


# What a turn will cost


def expecting(tokens: int = 10_000, p50: int = 500, p90: int = 2_000) -> Expected:
    return Expected(tokens, False, p50, p90, "this session", 3.5)


def test_without_caching_a_prompt_costs_plain_input() -> None:
    found = predict(MODEL, expecting(), 4_000, Outlook(), NOW)

    assert (found.cold_nano, found.warm_nano, found.p50_nano) == (25_000_000,) * 3
    assert (found.p90_nano, found.max_nano) == (40_000_000, 60_000_000)
    assert (found.cache_state, found.warm_tokens, found.basis, found.exact) == (
        "off",
        0,
        "this session",
        False,
    )
    assert (found.output_p50, found.output_p90, found.output_max) == (500, 2_000, 4_000)
    assert found.context_fill == pytest.approx(0.0105)
    assert found.display == "$0.0250, up to $0.0400"


def test_what_the_cache_holds_is_read_and_the_rest_is_written() -> None:
    marked = Outlook(enabled=True, lifetime="5m", warm_tokens=8_000, readable_tokens=8_000)
    found = predict(MODEL, expecting(), 4_000, marked, NOW)

    assert found.cold_nano == 10_000 * 2_500 + 500 * 10_000
    assert found.warm_nano == found.p50_nano == 8_000 * 100 + 2_000 * 2_500 + 500 * 10_000
    assert found.max_nano == 8_000 * 100 + 2_000 * 2_500 + 4_000 * 10_000
    assert (found.cache_state, found.warm_tokens) == ("warm", 8_000)
    for_an_hour = predict(MODEL, expecting(), 4_000, Outlook(True, "1h", 8_000), NOW)
    assert for_an_hour.cold_nano == 10_000 * 4_000 + 500 * 10_000


def test_no_more_is_read_than_the_prompt_has() -> None:
    found = predict(MODEL, expecting(), 4_000, Outlook(True, "5m", 10**9, 10**9), NOW)
    assert found.p50_nano == found.warm_nano == 10_000 * 100 + 500 * 10_000


def test_a_cold_cache_is_told_with_what_a_warm_one_would_cost() -> None:
    found = predict(MODEL, expecting(), 4_000, Outlook(True, "5m", 0, 8_000), NOW)

    assert found.cache_state == "cold"
    assert found.p50_nano == found.cold_nano == 30_000_000
    assert found.warm_nano == 10_800_000


@pytest.mark.parametrize(
    ("outlook", "state", "warm"),
    [
        (Outlook(), "off", 0), (Outlook(enabled=False, lifetime="5m", warm_tokens=9), "off", 9),
        (Outlook(enabled=True), "below-minimum", 0), (Outlook(True, None, 9), "below-minimum", 0),
        (Outlook(True, "5m"), "cold", 0), (Outlook(True, "5m", 9, 9), "warm", 9), (Outlook(True, "5m", 9), "warm", 9),
        (Outlook(True, "1h", 9, 10), "partial", 9), (Outlook(True, "5m", 10**9), "warm", 10_000),
    ],
)  # fmt: skip
def test_the_cache_is_told_in_one_word(outlook: Outlook, state: str, warm: int) -> None:
    found = predict(MODEL, expecting(), 4_000, outlook, NOW)
    assert (found.cache_state, found.warm_tokens) == (state, warm)


def test_no_answer_is_predicted_longer_than_its_limit() -> None:
    found = predict(MODEL, expecting(), 300, Outlook(), NOW)
    assert (found.output_p50, found.output_p90, found.output_max) == (300, 300, 300)
    assert found.p50_nano == found.max_nano == 23_000_000


def test_speed_and_place_count() -> None:
    fast = predict("claude-opus-5-5", expecting(), 4_000, Outlook(), NOW, speed="fast", geo="us")
    plain = predict("claude-opus-5-5", expecting(), 4_000, Outlook(), NOW)
    assert fast.max_nano is not None
    assert plain.max_nano is not None
    assert fast.max_nano == plain.max_nano * 22 // 10


def test_a_model_without_a_price_has_tokens_and_no_money() -> None:
    found = predict("local-llama", expecting(), 4_000, Outlook(), NOW)
    assert (found.cold_nano, found.warm_nano, found.p50_nano, found.p90_nano, found.max_nano) == (None,) * 5
    assert (found.input_tokens, found.output_p90, found.context_fill, found.display) == (
        10_000,
        2_000,
        None,
        "unpriced",
    )


def a_claim(**changes: Any) -> Claim:
    fields: dict[str, Any] = {
        "attempt_id": "a", "origin": HERE, "model": MODEL, "number": 1, "max_tokens": 4_000,
        "ceiling": Ceiling(50_000_000, 10_000), "raw_input_tokens": 10_000, **changes,
    }  # fmt: skip
    return Claim(**fields)


def test_the_likely_cost_is_that_of_the_median_answer() -> None:
    assert expected_cost(a_claim(), expecting(), NOW).nano_usd == 25_000_000
    assert expected_cost(a_claim(max_tokens=100), expecting(), NOW).nano_usd == 21_000_000
    assert expected_cost(a_claim(lifetime="5m", warm_tokens=8_000), expecting(), NOW).nano_usd == 10_800_000
    batch = Origin("batch", "s", "t", "")
    assert expected_cost(a_claim(origin=batch), expecting(), NOW).nano_usd == 12_500_000
    assert expected_cost(a_claim(model="local-llama"), expecting(), NOW).nano_usd is None


def state(limit: int, spent: int = 0) -> BudgetState:
    return BudgetState("day", "2026-11-22", limit, spent, 0, (50,), "user")


def test_each_budget_tells_what_the_turn_does_to_it() -> None:
    prediction = predict(
        MODEL, expecting(), 4_000, Outlook(), NOW
    )  # $0.025, $0.04; at most $0.09 with the ceiling
    wide, tight, over = state(250_000_000, 125_000_000), state(80_000_000), state(40_000_000, 50_000_000)

    assert effects(a_claim(), prediction, [wide, tight, over]) == (
        Effect(wide, 60, 66, "fits", 4_000),
        Effect(tight, 31, 50, "shrinks", 3_000),
        Effect(over, 187, 225, "refused", None),
    )
    assert effects(a_claim(override="yes"), prediction, [over])[0].outcome == "fits"


def test_a_model_without_a_price_is_refused_by_any_budget() -> None:
    prediction = predict("local-llama", expecting(), 4_000, Outlook(), NOW)
    wide = state(250_000_000, 125_000_000)
    assert effects(a_claim(ceiling=None), prediction, [wide]) == (Effect(wide, 50, 50, "refused", None),)


# How good predictions were


def test_the_error_is_signed_and_relative() -> None:
    prediction = predict(MODEL, expecting(), 4_000, Outlook(), NOW)
    usage = Usage(input_tokens=4_000, cache_read_input_tokens=4_000, output_tokens=2_000)
    missed = error_of(prediction, usage, Cost(50_000_000, 0, None, estimated=False))

    assert missed == PredictionError(pytest.approx(0.25), pytest.approx(-0.5), True)
    assert error_of(
        prediction, Usage(8_000, output_tokens=2_001), cost_of("x", usage, NOW)
    ) == PredictionError(pytest.approx(0.25), None, False)


def test_against_an_estimate_nothing_is_measured() -> None:
    prediction = predict(MODEL, expecting(), 4_000, Outlook(), NOW)
    nothing = PredictionError(None, None, None)
    assert error_of(prediction, Usage(8_000, estimated=True), Cost(1, 0, None, estimated=True)) == nothing
    free = Cost(0, 0, None, estimated=False)
    assert error_of(prediction, Usage(output_tokens=1), free) == PredictionError(None, None, True)


def predicted(ledger: sqlite3.Connection, tokens: int, actual: int, p90: int = 100, **changes: Any) -> None:
    book(ledger, **{
        "input_tokens": actual, "output_tokens": 100, "nano_usd": 1_000, "expected_input": tokens, "expected_p50": 50,
        "expected_p90": p90, "expected_nano": 1_100, **changes,
    })  # fmt: skip


def test_calibration_is_the_median_over_the_answers_of_a_scope(ledger: sqlite3.Connection) -> None:
    predicted(ledger, 1_100, 1_000)
    predicted(ledger, 1_300, 1_000, p90=99)
    predicted(ledger, 900, 1_000, expected_nano=900)
    predicted(
        ledger, 800, 1_000, session_id="other", workspace="/a", window_id="w2", turn_id="t2", day="2026-11-23"
    )

    whole = calibration(ledger, "all", "")
    assert whole == Calibration(4, pytest.approx(0.0), pytest.approx(0.1), 0.75)
    mine = Calibration(3, pytest.approx(0.1), pytest.approx(0.1), pytest.approx(2 / 3))
    for scope, key in (("turn", "t"), ("session", "s"), ("window", "w"), ("workspace", "")):
        assert calibration(ledger, scope, key) == mine
    assert calibration(ledger, "all", "", last_day="2026-11-22") == mine
    assert calibration(ledger, "all", "", first_day="2026-11-23").turns == 1
    assert calibration(ledger, "all", "", "2026-11-22", "2026-11-23") == whole
    assert calibration(ledger, "session", "nobody") == Calibration(0, None, None, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "cancelled"},
        {"state": "reserved"},
        {"usage_estimated": 1},
        {"expected_p90": None},
        {"kind": "warm"},
    ],
)
def test_only_predictions_that_met_the_truth_count(
    ledger: sqlite3.Connection, changes: dict[str, Any]
) -> None:
    predicted(ledger, 1_000, 1_000, **changes)
    assert calibration(ledger, "all", "").turns == 0


def test_what_had_no_price_or_no_tokens_is_left_out_of_that_median_alone(ledger: sqlite3.Connection) -> None:
    predicted(ledger, 1_000, 0, nano_usd=None)
    assert calibration(ledger, "all", "") == Calibration(1, None, None, 1.0)


def test_the_newest_thousand_predictions_count(ledger: sqlite3.Connection) -> None:
    ledger.execute("BEGIN")
    for number in range(1_500):
        predicted(ledger, 2_000 if number < 600 else 1_000, 1_000)
    ledger.execute("COMMIT")
    found = calibration(ledger, "all", "")
    assert (found.turns, found.median_input_error, found.inside_p90) == (1_000, 0.0, 1.0)


def test_one_past_serves_many_attempts(ledger: sqlite3.Connection) -> None:
    answers(ledger, [100] * 8)
    past = past_of(ledger, "s", MODEL)
    assert isinstance(past, Past)
    assert past.expect(10, None, 50) == expect(ledger, HERE, MODEL, 10, None, 50)
    assert past.expect(9_000, 8_000) == expect(ledger, HERE, MODEL, 9_000, 8_000)
