"""A person's own prices: they come first, say so in the row's id, and a wrong one costs itself and a sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmt_lsp.api import models
from cmt_lsp.api.models import (
    Cost,
    cost_of,
    find_model,
    limits_of,
    model_to_price,
    own_models,
    price_in_force,
    price_notices,
    prices_checked_on,
    prices_in_force,
    unlisted_models,
)
from cmt_lsp.api.own_prices import read_own_prices
from cmt_lsp.api.price_list import model_of_row
from cmt_lsp.api.usage import Usage

Write = Callable[[str], Path]

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EACH = Usage(1, 1, 1, 1, 1)
GOOD = '[[price]]\nmodel = "good"\ninput = 1\noutput = 2\n'


@pytest.fixture
def prices(tmp_path: Path) -> Iterator[Write]:
    """Write `prices.toml` where the person's settings are, as if this process had just begun."""

    def forget() -> None:
        models._own.cache_clear()
        models._flat_pricing.cache_clear()

    def write(text: str) -> Path:
        path = tmp_path / "config" / "cmt-lsp" / "prices.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        forget()
        return path

    forget()
    yield write
    forget()


def rates(model: str, at: datetime = NOW, prompt_tokens: int = 1000) -> tuple[int, ...] | None:
    """Input, output, both writes and read, in nano-dollars per token."""
    row = price_in_force(model, at, prompt_tokens)
    return row and (row.input, row.output, row.write_5m, row.write_1h, row.read)


def test_without_a_file_nothing_is_changed_and_nothing_said(prices: Write) -> None:
    assert rates("claude-opus-5-5") == (4000, 20_000, 5000, 8000, 200)
    assert (own_models(), price_notices(NOW.date())) == ((), ())


def test_a_row_of_ones_own_comes_first_from_its_day_on(prices: Write) -> None:
    prices('[[price]]\nmodel = "claude-opus-5-5"\nfrom = 2026-11-01\ninput = 3.6\noutput = 18\nread = 0.18\n')
    day = datetime(2026, 11, 1, tzinfo=UTC)

    assert rates("claude-opus-5-5", day) == (3600, 18_000, 4500, 7200, 180)
    assert rates("claude-opus-5-5", day - timedelta(seconds=1)) == (4000, 20_000, 5000, 8000, 200)
    assert cost_of("claude-opus-5-5", EACH, NOW) == Cost(
        3600 + 4500 + 7200 + 180 + 18_000, (4 * 3600 + 18_000) - 33_480, "prices.toml:claude-opus-5-5@2026-11-01", False
    )  # fmt: skip


def test_a_list_of_ones_own_replaces_every_tier_of_the_packaged_one(prices: Write) -> None:
    prices('[[price]]\nmodel = "claude-haiku-5-5"\ninput = 0.2\noutput = 1\n')
    assert rates("claude-haiku-5-5", prompt_tokens=500_000) == (200, 1000, 250, 400, 200)


def test_a_row_is_found_under_every_name_of_its_model_and_a_slug_only_under_itself(prices: Write) -> None:
    prices(
        '[[price]]\nmodel = "claude-opus-5-5"\ninput = 3\noutput = 15\n'
        '[[price]]\nmodel = "anthropic/claude-sonnet-5.5"\ninput = 9\noutput = 90\n'
        '[[price]]\nmodel = "claude-haiku-4-5-20251001"\ninput = 0.9\noutput = 4\n'
        '[[price]]\nmodel = "claude-opus-4-6-20250118"\ninput = 7\noutput = 8\n'
    )
    for name in ("claude-opus-5-5", "anthropic/claude-opus-5.5", "us.anthropic.claude-opus-5-5-v1:0"):
        assert rates(name) == (3000, 15_000, 3750, 6000, 3000)
    for name in ("claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-haiku-4-5-20250124"):
        assert (rates(name) or ())[:2] == (900, 4000)
    assert (rates("claude-opus-4-6") or ())[:2] == (7000, 8000)
    assert (rates("anthropic/claude-sonnet-5.5") or ())[:2] == (9000, 90_000)
    assert (rates("claude-sonnet-5-5") or ())[:2] == (2000, 10_000)
    assert unlisted_models() == ("anthropic/claude-sonnet-5.5",)
    assert len(own_models()) == 4


def test_what_a_row_leaves_out_follows_from_its_input_and_never_costs_too_little(prices: Write) -> None:
    prices('[[price]]\nmodel = "mine"\ninput = 0.4\noutput = 1.2\n')
    assert rates("mine") == (400, 1200, 500, 800, 400)
    told = price_in_force("mine", datetime(1990, 1, 1, tzinfo=UTC), 1)
    assert told is not None
    assert (told.id, told.own, told.valid_from) == ("prices.toml:mine", True, date(1970, 1, 1))
    assert not cost_of("mine", EACH, datetime(1990, 1, 1, tzinfo=UTC)).estimated


def test_a_fraction_of_the_smallest_unit_is_rounded_up(prices: Write) -> None:
    prices('[[price]]\nmodel = "mine"\ninput = 0.0375\noutput = 0.001\nread = 0.0011\n')
    assert rates("mine") == (38, 1, 47, 75, 2)


def test_tiers_and_dates_make_lists_like_the_packaged_ones(prices: Write) -> None:
    prices(
        '[[price]]\nmodel = "mine"\ninput = 1\noutput = 2\n'
        '[[price]]\nmodel = "mine"\nabove = 1000\ninput = 10\noutput = 20\n'
        '[[price]]\nmodel = "mine"\nfrom = 2026-10-01\ninput = 3\noutput = 4\n'
    )
    before = datetime(2026, 9, 30, tzinfo=UTC)
    assert [rates("mine", before, size)[:2] for size in (1000, 1001)] == [(1000, 2000), (10_000, 20_000)]  # type: ignore[index]
    assert [(rates("mine", NOW, size) or ())[:2] for size in (1000, 1001)] == [(3000, 4000)] * 2
    assert [row.id for row in prices_in_force("mine", before)] == [
        "prices.toml:mine",
        "prices.toml:mine>1000",
    ]


def test_a_request_before_every_list_takes_the_first_one_and_is_an_estimate(prices: Write) -> None:
    prices('[[price]]\nmodel = "mine"\nfrom = 2026-10-01\ninput = 3\noutput = 4\n')
    cost = cost_of("mine", Usage(1), datetime(2026, 9, 1, tzinfo=UTC))
    assert (cost.nano_usd, cost.estimated) == (3000, True)
    prices('[[price]]\nmodel = "claude-opus-5-5"\nfrom = 2030-01-01\ninput = 3\noutput = 4\n')
    assert cost_of("claude-opus-5-5", Usage(1), datetime(1990, 1, 1, tzinfo=UTC)).nano_usd == 4000


def test_a_price_of_nothing_is_a_price(prices: Write) -> None:
    """Only the person can say so; it lets a local model pass a budget."""
    prices('[[price]]\nmodel = "local"\ninput = 0\noutput = 0.0\n')
    cost = cost_of("local", Usage(1000, output_tokens=1000), NOW)
    assert (cost.nano_usd, cost.unpriced, cost.display) == (0, 0, "$0.0000")


def test_a_batch_of_ones_own_costs_half_and_an_odd_speed_is_an_estimate(prices: Write) -> None:
    prices('[[price]]\nmodel = "mine"\ninput = 3\noutput = 4\n')
    assert cost_of("mine", Usage(2), NOW, batch=True).nano_usd == 3000
    assert cost_of("mine", Usage(2), NOW, speed="fast").estimated


def test_limits_may_stand_in_any_row_and_come_before_the_packaged_ones(prices: Write) -> None:
    prices(
        '[[price]]\nmodel = "mine"\ninput = 1\noutput = 2\ncontext_window = 32_000\n'
        '[[price]]\nmodel = "mine"\nabove = 9\ninput = 1\noutput = 2\nmax_output = 4_000\n'
        '[[price]]\nmodel = "claude-opus-5-5"\ninput = 1\noutput = 2\ncontext_window = 200_000\n'
        '[[price]]\nmodel = "claude-opus-5"\ninput = 1\noutput = 2\nmax_output = 64_000\n'
    )
    names = ("mine", "claude-opus-5-5", "claude-opus-5", "claude-haiku-4-5", "unknown")
    found = {name: limits_of(name) for name in names}
    assert {name: (one.context_window, one.max_output) for name, one in found.items()} == {
        "mine": (32_000, 4_000),
        "claude-opus-5-5": (200_000, 128_000),
        "claude-opus-5": (1_000_000, 64_000),
        "claude-haiku-4-5": (200_000, 64_000),
        "unknown": (None, None),
    }
    assert find_model("mine") is None, "what it can do is still not known"


def test_the_name_that_was_asked_for_has_the_price_where_the_person_gave_it_one(prices: Write) -> None:
    prices(
        '[[price]]\nmodel = "anthropic/claude-opus-5.5"\ninput = 1\noutput = 2\n'
        '[[price]]\nmodel = "served-here"\ninput = 1\noutput = 2\n'
    )
    assert model_to_price("anthropic/claude-opus-5.5", "claude-opus-5-5") == "anthropic/claude-opus-5.5"
    assert model_to_price("some-alias", "claude-opus-5-5") == "claude-opus-5-5"
    assert model_to_price("some-alias", "served-here") == "served-here"
    assert model_to_price("claude-opus-5-5", "nobody-knows") == "claude-opus-5-5"
    assert model_to_price("claude-opus-5-5", None) == "claude-opus-5-5"


def test_the_dictionary_for_scripts_has_ones_own_prices(prices: Write) -> None:
    prices('[[price]]\nmodel = "mine"\ninput = 1\noutput = 2\n[[price]]\nmodel = "claude-opus-5-5"\ninput = 3\noutput = 4\n')  # fmt: skip
    assert models.MODEL_PRICING["mine"] == {"input": 1.0, "output": 2.0, "cached_input": 1.0}
    assert models.MODEL_PRICING["claude-opus-5-5"]["input"] == 3.0
    assert models.MODEL_PRICING["claude-haiku-5-5"]["input"] == 0.1


@pytest.mark.parametrize(
    ("what", "row"),
    [
        ("model is missing", "input = 1\noutput = 2"),
        ("model is missing", 'model = ""\ninput = 1\noutput = 2'),
        ("model is missing", "model = 5\ninput = 1\noutput = 2"),
        ("model must be an id without spaces", 'model = "my model"\ninput = 1\noutput = 2'),
        ("model must be an id without spaces", 'model = "my\\u001bmodel"\ninput = 1\noutput = 2'),
        ("input is missing", 'model = "bad"\noutput = 2'),
        ("output is missing", 'model = "bad"\ninput = 2'),
        ("input must be a number", 'model = "bad"\ninput = "3"\noutput = 2'),
        ("input must be a number", 'model = "bad"\ninput = true\noutput = 2'),
        ("output must be 0 or between 0.001 and 1000", 'model = "bad"\ninput = 1\noutput = -2'),
        ("input must be 0 or between", 'model = "bad"\ninput = 0.000003\noutput = 2'),
        ("input must be 0 or between", 'model = "bad"\ninput = 1001\noutput = 2'),
        ("input must be 0 or between", 'model = "bad"\ninput = nan\noutput = 2'),
        ("read must be 0 or between", 'model = "bad"\ninput = 1\noutput = 2\nread = inf'),
        ("read must be 0 or between", 'model = "bad"\ninput = 1\noutput = 2\nread = 1e99999999999999999999'),
        ("write_1h must be a number", 'model = "bad"\ninput = 1\noutput = 2\nwrite_1h = [1]'),
        ("ouput is no field", 'model = "bad"\ninput = 1\nouput = 2'),
        ("from must be a day", 'model = "bad"\ninput = 1\noutput = 2\nfrom = "2026-11-01"'),
        ("from must be a day", 'model = "bad"\ninput = 1\noutput = 2\nfrom = 2026-11-01T10:00:00'),
        ("from must be a day", 'model = "bad"\ninput = 1\noutput = 2\nfrom = 1969-12-31'),
        ("above must be a whole number", 'model = "bad"\ninput = 1\noutput = 2\nabove = 0.5'),
        ("above must be a whole number", 'model = "bad"\ninput = 1\noutput = 2\nabove = -1'),
        ("max_output must be a whole number", 'model = "bad"\ninput = 1\noutput = 2\nmax_output = 0'),
        ("context_window must be", 'model = "bad"\ninput = 1\noutput = 2\ncontext_window = 9_000_000_000'),
        ("no good row of the same model and day is without above", 'model = "bad"\ninput = 1\noutput = 2\nabove = 5'),
        ("a row above has the same model, from and above", 'model = "good"\ninput = 9\noutput = 9'),
    ],
)  # fmt: skip
def test_a_bad_row_costs_itself_and_one_sentence(prices: Write, what: str, row: str) -> None:
    path = prices(f'{GOOD}[[price]]\n{row}\n[[price]]\nmodel = "last"\ninput = 3\noutput = 4\n')

    notices = price_notices(NOW.date())

    assert own_models() == ("good", "last")
    assert (rates("good") or ())[:2] == (1000, 2000)
    assert len(notices) == 1
    assert notices[0].startswith(f"{path}: row 2")
    assert what in notices[0]
    assert notices[0].count(": ") >= 2
    assert notices[0].endswith(".")


def test_each_bad_row_has_its_own_sentence_that_names_it(prices: Write) -> None:
    path = prices('[[price]]\nmodel = "one"\ninput = 1\n[[price]]\nmodel = "two"\noutput = 1\n' + GOOD)
    assert price_notices(NOW.date()) == (
        f"{path}: row 1 (one) is not used: output is missing; write it in USD per million tokens.",
        f"{path}: row 2 (two) is not used: input is missing; write it in USD per million tokens.",
    )
    assert own_models() == ("good",)


def test_a_tier_whose_base_is_bad_is_left_out_too_so_that_no_short_prompt_is_priced_by_it(
    prices: Write,
) -> None:
    prices(
        '[[price]]\nmodel = "claude-opus-5-5"\ninput = -1\noutput = 2\n'
        '[[price]]\nmodel = "claude-opus-5-5"\nabove = 1000\ninput = 9\noutput = 9\n'
    )
    assert len(price_notices(NOW.date())) == 2
    assert rates("claude-opus-5-5", prompt_tokens=5000) == (4000, 20_000, 5000, 8000, 200)


@pytest.mark.parametrize(
    ("why", "text"),
    [
        ("Invalid", "[[price]\n"),
        ("cannot be decoded", b"\xff\xfe\x00"),
        ("over a megabyte", "#" * (1024 * 1024 + 1)),
        ("Invalid", "\x00"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence_and_the_packaged_prices(
    tmp_path: Path, why: str, text: str | bytes
) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())

    found = read_own_prices(path)

    assert not found.models
    assert len(found.notices) == 1
    assert found.notices[0].startswith(f"{path} is not used: ")
    assert found.notices[0].endswith("; mend or remove it.")


def test_a_folder_or_a_pipe_in_its_place_is_a_sentence_and_no_wait(tmp_path: Path) -> None:
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    for path in (folder, pipe):
        assert read_own_prices(path).notices == (
            f"{path} is not used: it is no regular file; mend or remove it.",
        )


@pytest.mark.parametrize(
    ("text", "named"),
    [("[price.mine]\ninput = 1\n", "price"), ("price = 5\n", "price"), ("[[prices]]\ninput = 1\n", "prices")],
)
def test_rows_in_another_place_are_told_where_to_stand(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    assert read_own_prices(path).notices == (
        f"{path}: {named} is not used: write each row under a line [[price]].",
    )


def test_a_mark_of_the_byte_order_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert list(read_own_prices(path).models) == ["good"]


@given(
    st.binary(max_size=200)
    | st.text(alphabet='[]="\n.#price modelinput0123456789e-', max_size=300).map(str.encode)
)
def test_no_content_makes_it_fail(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any-prices.toml"
    path.write_bytes(content)
    found = read_own_prices(path)
    assert all(str(path) in notice for notice in found.notices)


VALUES = ("1", "-1", "0", "1e400", "nan", '"x"', "true", "[]", "{}", "2026-11-01", "10:00:00", "0.5", "99999999999999999999")  # fmt: skip


@given(st.dictionaries(st.sampled_from(("input", "output", "read", "write_5m", "from", "above", "max_output")), st.sampled_from(VALUES)))  # fmt: skip
def test_a_row_of_any_values_is_taken_whole_or_left_out_whole(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any-row.toml"
    lines = "".join(f"{name} = {value}\n" for name, value in values.items())
    path.write_text(f'[[price]]\nmodel = "m"\n{lines}')

    found = read_own_prices(path)

    assert len(found.models) + len(found.notices) == 1
    for model in found.models.values():
        for row in model.prices:
            assert min(row.input, row.output, row.write_5m, row.write_1h, row.read) >= 0


def test_the_example_of_the_documentation_is_good_and_means_what_it_says(prices: Write) -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page.split("## Prices")[1], re.DOTALL)
    prices(example)
    assert price_notices(NOW.date()) == ()
    assert rates("qwen3-coder:30b") == (200, 800, 250, 400, 200)
    assert rates("claude-opus-5-5", prompt_tokens=200_000) == (3600, 18_000, 4500, 7200, 180)
    assert rates("claude-opus-5-5", prompt_tokens=200_001) == (7200, 27_000, 9000, 14_400, 360)
    long = price_in_force("claude-opus-5-5", NOW, 200_001)
    assert long is not None
    assert f"`{long.id}`" in page


def test_an_old_table_says_so_with_the_place_for_newer_prices(prices: Write) -> None:
    path = prices(GOOD)
    assert price_notices(prices_checked_on() + timedelta(days=90)) == ()
    (told,) = price_notices(prices_checked_on() + timedelta(days=91))
    assert told == (
        f"The price table was last checked on {prices_checked_on()}: update cmt-lsp, or put newer prices into {path}."
    )
    prices("x = 1\n" + GOOD)
    assert len(price_notices(prices_checked_on() + timedelta(days=91))) == 2


@pytest.mark.parametrize(
    ("model", "row"),
    [
        ("claude-opus-5-5", "claude-opus-5-5@2026-09-22"),
        ("claude-haiku-5-5", "claude-haiku-5-5@2026-10-07>100000"),
        ("mine", "prices.toml:mine"),
        ("mine", "prices.toml:mine>1000"),
        ("claude-haiku-4-5@20251001", "prices.toml:claude-haiku-4-5@20251001@2026-11-01>5"),
        ("unknown", "unknown"),
    ],
)
def test_a_row_tells_its_model(model: str, row: str) -> None:
    assert model_of_row(row) == model


def test_the_files_are_read_once_and_not_before_a_price_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "cmt-lsp"
    folder.mkdir(parents=True)
    (folder / "prices.toml").write_text(GOOD)
    code = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda e, a: e == 'open' and str(a[0]).endswith('.toml') and opened.append(str(a[0]).rpartition('/')[2]))\n"
        "from cmt_lsp.api import models, TokenUsage; print(opened)\n"
        "for _ in range(3): TokenUsage(5).calculate_cost('good'); models.price_notices()\n"
        "print(sorted(opened))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines() == ["[]", "['models.toml', 'prices.toml']"]
