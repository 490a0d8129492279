"""What a meter charges for an attempt that broke off, from what it heard and what the ledger has seen before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest
from accounts import ledger_rows

from cmt_lsp.api.anthropic_client import MessageRequest
from cmt_lsp.api.request import ClientEvent, Completed
from cmt_lsp.api.stream import Message, MessageStarted, TextDelta, ThinkingDelta, UsageUpdated
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.money.attempt import Origin, Settled
from cmt_lsp.core.money.ledger import Ledger
from cmt_lsp.core.money.meter import Meter
from cmt_lsp.core.money.prediction import Outlook

MODEL = "claude-opus-5-5"
ASKED = MessageRequest(MODEL, 8_000, [{"role": "user", "content": "word " * 900}])
STARTED = MessageStarted("m", MODEL, Usage(input_tokens=1_000, output_tokens=1, estimated=True))
NOON = 1_795_348_800.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger at one moment."""
    made = Ledger(tmp_path, "w", clock=lambda: NOON, patience=30.0)
    yield made
    made.close()


async def attempt(ledger: Ledger, *events: ClientEvent, outlook: Outlook | None = None) -> Meter:
    """A meter that has heard these events of an attempt that left."""
    meter = Meter(ledger, Origin("turn", "s", "t", ""), lambda: NOON)
    meter.aim(ASKED, None, outlook or Outlook())
    await meter.admit(1)
    meter.departed(1)
    for event in events:
        meter.hear(event)
    return meter


async def settle(meter: Meter) -> Usage:
    """Charge what there is to charge, durably."""
    charged = meter.charged()
    meter.settle("truncated" if charged.estimated else "done", charged, meter.price(charged))
    loop = asyncio.get_running_loop()
    durable: asyncio.Future[None] = loop.create_future()
    meter.when_durable(partial(loop.call_soon_threadsafe, durable.set_result, None))
    await durable
    return charged


def whole(usage: Usage, *, counted: bool = True) -> Completed:
    """The end of an answer with this usage."""
    message = Message("m", MODEL, (), "", "end_turn", None, usage, counted, True, None, None, None)
    return Completed(message, None, 0)


async def test_thinking_that_is_shown_in_summary_counts_as_what_it_stood_for_before(ledger: Ledger) -> None:
    """Ten tokens of thinking for each byte of its summary, in all answers so far: so in the one that breaks off."""
    for _ in range(3):
        usage = Usage(1_000, output_tokens=4_000 + 100, thinking_tokens=4_000)
        answer = (ThinkingDelta("x" * 400), TextDelta("y" * 400))
        await settle(await attempt(ledger, STARTED, *answer, whole(usage)))

    charged = await settle(await attempt(ledger, STARTED, ThinkingDelta("x" * 90)))

    assert (charged.output_tokens, charged.estimated) == (900, True)
    charged = await settle(await attempt(ledger, STARTED, ThinkingDelta("x" * 90), TextDelta("y" * 40)))
    assert charged.output_tokens == 910


async def test_thinking_that_nobody_counted_apart_teaches_nothing_of_text(ledger: Ledger) -> None:
    """Four bytes of text to a token, whatever was thought before in answers whose thinking was not told."""
    await settle(await attempt(ledger, STARTED, TextDelta("y" * 400), whole(Usage(1_000, output_tokens=100))))
    for _ in range(3):
        usage = Usage(1_000, output_tokens=5_000)
        answer = (ThinkingDelta("x" * 400), TextDelta("y" * 400))
        await settle(await attempt(ledger, STARTED, *answer, whole(usage)))

    charged = await settle(await attempt(ledger, STARTED, TextDelta("y" * 400)))

    assert charged.output_tokens == 100


async def test_a_price_that_the_start_of_an_answer_tells_holds_for_what_broke_off(ledger: Ledger) -> None:
    """Twice for speed, a tenth more for the place, and as the model that answered: all of it is in the first event."""
    told = MessageStarted("m", "claude-fable-5-2", STARTED.usage, "standard", "fast", "us")
    meter = await attempt(ledger, told, TextDelta("y" * 35))
    charged = meter.charged()
    assert (
        meter.price(charged).nano_usd
        == (charged.input_tokens * 8_000 + charged.output_tokens * 40_000) * 22 // 10
    )


async def test_what_was_asked_holds_for_an_answer_that_says_nothing_of_itself(ledger: Ledger) -> None:
    meter = Meter(ledger, Origin("turn", "s", "t", ""), lambda: NOON)
    extra = {"speed": "fast", "inference_geo": "us"}
    meter.aim(MessageRequest(MODEL, 100, ASKED.messages, extra=extra), None, Outlook())
    await meter.admit(1)
    meter.departed(1)
    charged = meter.charged()
    assert (
        meter.price(charged).nano_usd
        == (charged.input_tokens * 4_000 + charged.output_tokens * 20_000) * 22 // 10
    )


@pytest.mark.parametrize(
    ("outlook", "classes"),
    [
        (Outlook(), "plain"),
        (Outlook(True, "5m"), "written"),
        (Outlook(True, "1h"), "written for an hour"),
        (Outlook(True, "5m", warm_tokens=900), "read and written"),
    ],
    ids=["no marks", "cold", "an hour", "warm"],
)
async def test_a_prompt_without_a_word_falls_into_the_classes_it_should(
    ledger: Ledger, outlook: Outlook, classes: str
) -> None:
    charged = (await attempt(ledger, outlook=outlook)).charged()
    prompt = charged.total_input_tokens
    assert prompt > 1_000
    assert (
        charged
        == {
            "plain": Usage(prompt, 0, 0, 0, 1, estimated=True),
            "written": Usage(0, prompt, 0, 0, 1, estimated=True),
            "written for an hour": Usage(0, 0, prompt, 0, 1, estimated=True),
            "read and written": Usage(0, prompt - 900, 0, 900, 1, estimated=True),
        }[classes]
    )


async def test_marks_under_the_models_minimum_have_no_effect(ledger: Ledger) -> None:
    meter = Meter(ledger, Origin("turn", "s", "t", ""), lambda: NOON)
    meter.aim(
        MessageRequest(MODEL, 100, [{"role": "user", "content": "few words"}]), None, Outlook(True, "5m")
    )
    await meter.admit(1)
    meter.departed(1)
    charged = meter.charged()
    assert charged.input_tokens == charged.total_input_tokens > 0


@pytest.mark.parametrize("silent", [Usage(estimated=True), Usage(output_tokens=1, estimated=True)])
async def test_an_answer_that_never_told_its_prompt_is_charged_the_expected_one(
    ledger: Ledger, silent: Usage
) -> None:
    """Nulls and zeros at the start are no word on the prompt; the last word on the answer stands where it came."""
    start = MessageStarted("m", None, silent)
    stopped = (await attempt(ledger, start, TextDelta("y" * 350))).charged()
    ended = (
        await attempt(ledger, start, TextDelta("y" * 350), whole(Usage(output_tokens=77, estimated=True)))
    ).charged()
    unsaid = whole(Usage(output_tokens=500, estimated=True), counted=False)
    untold = (await attempt(ledger, start, TextDelta("y" * 350), unsaid)).charged()

    assert stopped.total_input_tokens == ended.total_input_tokens == untold.total_input_tokens > 1_000
    assert (stopped.output_tokens, ended.output_tokens, untold.output_tokens) == (100, 77, 100)
    assert stopped.estimated
    assert ended.estimated
    assert untold.estimated


async def test_a_later_report_without_a_prompt_does_not_take_the_first_one_away(ledger: Ledger) -> None:
    meter = await attempt(ledger, STARTED, TextDelta("y"), whole(Usage(output_tokens=9, estimated=True)))
    assert meter.charged() == Usage(1_000, output_tokens=9, estimated=True)


async def test_the_final_word_is_exact_though_the_answer_was_stopped_after_it(ledger: Ledger) -> None:
    final = Usage(10, 20, 0, 30, 40, 5)
    assert (await attempt(ledger, STARTED, TextDelta("y"), UsageUpdated(final))).charged() == final
    assert (await attempt(ledger, STARTED, TextDelta("y"), whole(final))).charged() == final


async def test_what_never_left_or_was_refused_costs_nothing(ledger: Ledger) -> None:
    meter = Meter(ledger, Origin("turn", "s", "t", ""), lambda: NOON)
    meter.aim(ASKED, None, Outlook(True, "5m"))
    await meter.admit(1)
    assert meter.charged("unknown") == Usage()
    meter.departed(1)
    assert meter.charged("nothing") == Usage()


async def test_the_next_attempt_reads_what_the_one_before_left(ledger: Ledger) -> None:
    """The prompt is as long as was told, and in the cache from the moment an answer to it began."""
    told = MessageStarted("m", MODEL, Usage(0, 800, 0, 200, 1, estimated=True))
    meter = await attempt(ledger, told, outlook=Outlook(True, "5m", warm_tokens=200))
    meter.failed("told")
    await meter.admit(2)
    meter.departed(2)
    assert meter.charged() == Usage(0, 0, 0, 1_000, 1, estimated=True)

    meter = await attempt(ledger, outlook=Outlook(True, "5m"))
    prompt = meter.charged().cache_creation_5m_input_tokens
    meter.failed("begun")
    await meter.admit(2)
    meter.departed(2)
    assert meter.charged() == Usage(0, 0, 0, prompt, 1, estimated=True)

    meter = await attempt(ledger, outlook=Outlook(True, "5m"))
    meter.failed("unknown")
    await meter.admit(2)
    meter.departed(2)
    assert meter.charged().cache_read_input_tokens == 0


async def test_a_turn_that_is_stopped_while_its_prompt_is_counted_holds_nothing(ledger: Ledger) -> None:
    """The first reservation was too tight, so the endpoint is asked to count; until it has, money is held."""
    await ledger.set_limit("day", 12_000_000, None)
    meter = Meter(ledger, Origin("turn", "s", "t", ""), lambda: NOON)
    counting = asyncio.Event()

    async def count(_request: MessageRequest) -> int | None:
        counting.set()
        await asyncio.Event().wait()
        return 0

    meter.aim(
        MessageRequest("claude-sonnet-5-5", 8_000, [{"role": "user", "content": "x"}]), count, Outlook()
    )
    admitted = asyncio.create_task(meter.admit(1))
    await asyncio.wait_for(counting.wait(), 10)
    (held,) = await ledger.budgets(Origin("turn", "s", "t", ""))
    assert held.held_nano > 0

    admitted.cancel()
    with pytest.raises(asyncio.CancelledError):
        await admitted
    await settle(meter)

    (free,) = await ledger.budgets(Origin("turn", "s", "t", ""))
    assert (free.held_nano, free.spent_nano) == (0, 0)


async def test_a_first_word_that_is_silent_on_the_prompt_changes_nothing_in_the_row(
    ledger: Ledger, tmp_path: Path
) -> None:
    """Should this process die, the attempt is charged the prompt that was expected, not the none that was told."""
    await attempt(ledger, MessageStarted("m", MODEL, Usage(output_tokens=1, estimated=True)))
    await ledger.totals(Origin("turn", "s", "t", ""))  # behind all that was handed in before
    with ledger_rows(tmp_path) as connection:
        assert [row["state"] for row in connection.execute("SELECT state FROM attempts")] == ["reserved"]
    await attempt(ledger, STARTED)
    await ledger.totals(Origin("turn", "s", "t", ""))
    with ledger_rows(tmp_path) as connection:
        (row,) = connection.execute("SELECT * FROM attempts WHERE state = 'streaming'")
    assert row["input_tokens"] == 1_000


async def test_a_turn_is_durable_once_all_of_its_attempts_are(ledger: Ledger) -> None:
    """Whichever of them takes longest."""
    meter = await attempt(ledger)
    first, second = Future[Settled](), Future[Settled]()
    meter._settling = [first, second]
    told: list[bool] = []
    meter.when_durable(lambda: told.append(True))
    second.set_result(Settled(True))
    assert told == []
    first.set_result(Settled(True))
    assert told == [True]
