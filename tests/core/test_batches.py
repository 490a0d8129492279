"""Batches in one process: sent once, paid at half price, brought home, cancelled, lost and found."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from batch_world import (
    BATCHES,
    RESULTS,
    Clock,
    account_nano,
    at_the_endpoint,
    attempts,
    foreign_batch,
    locked,
    order,
    spent,
    states,
    work,
)

from cmt_lsp.api.errors import (
    AuthError,
    BadParamsError,
    BudgetExceededError,
    CmtError,
    InvalidRequestError,
    NetworkError,
    OverloadedError,
    StoreUnavailableError,
    UnknownBatchError,
)
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.batch.batch import BatchInfo, BatchOrder, BatchPrompt, BatchRecord
from cmt_lsp.core.batch.batches import Batches
from cmt_lsp.core.money.attempt import Origin
from cmt_lsp.simulator import Answer, Fault, Simulator, simulator_in_thread

DAY = 24 * 3600.0


@pytest.fixture(autouse=True)
def own_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulator(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """The endpoint, on the test's clock; it answers batches when told to."""
    with simulator_in_thread(clock=clock, batch_rate=0.0) as running:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.base_url)
        yield running


@pytest.fixture
async def manager(simulator: Simulator, clock: Clock) -> AsyncIterator[APISessionManager]:
    """A manager on the same clock."""
    made = APISessionManager(clock=clock)
    yield made
    await made.aclose()


@pytest.fixture
def batches(manager: APISessionManager) -> Batches:
    return manager.batches


async def finish(batches: Batches, simulator: Simulator, info: BatchInfo) -> BatchInfo:
    """Let the endpoint end a batch, and look at it."""
    simulator.batches.rate = math.inf
    return await batches.status(info.record.id)


def sent(simulator: Simulator) -> list[dict[str, object]]:
    """The bodies of all batches that were posted."""
    return [r.body for r in simulator.requests if r.path == BATCHES and r.method == "POST"]


# The whole way


async def test_a_batch_is_sent_answered_and_paid_at_half_the_price_exactly(
    manager: APISessionManager, batches: Batches, simulator: Simulator
) -> None:
    simulator.reply_with("eins", "zwei", Answer(text="drei", thinking="Hm."))
    info, price, notices = await batches.submit(order(name="Numbers", system="Count in German."))
    assert (info.record.state, states(info), notices) == ("in_progress", {"processing": 3}, ())
    assert (info.record.name, info.record.model) == ("Numbers", "claude-sonnet-5-5")
    assert [row[1:3] for row in attempts(manager)] == [("reserved", "batch")] * 3
    assert spent(manager) == 0

    ended = await finish(batches, simulator, info)

    assert (ended.record.state, states(ended)) == ("ended", {"succeeded": 3})
    assert ended.sums.cost.nano_usd == spent(manager) == account_nano(simulator) > 0
    assert (ended.sums.requests, ended.sums.estimated) == (3, 0)
    assert [row[1] for row in attempts(manager)] == ["done"] * 3
    _, answers = await batches.results(info.record.id)
    assert [(a.prompt_id, a.prompt, a.answer.text) for a in answers] == [
        ("p0", "one", "eins"),
        ("p1", "two", "zwei"),
        ("p2", "three", "drei"),
    ]
    assert sum(a.answer.cost.nano_usd or 0 for a in answers if a.answer.cost) == account_nano(simulator)
    assert price.worst is not None
    assert price.worst >= sum(row[4] for row in attempts(manager)) >= account_nano(simulator)


async def test_what_is_sent_is_each_prompt_with_its_own_system_model_and_limit(
    batches: Batches, simulator: Simulator
) -> None:
    prompts = [
        BatchPrompt("a", "first"),
        BatchPrompt("b", "second", system="Be brief.", model="claude-opus-5-5", max_tokens=77),
        BatchPrompt("c", "third", system=""),
    ]
    info, _, _ = await batches.submit(BatchOrder(prompts, system="Be kind.", max_tokens=50))

    (body,) = sent(simulator)
    requests = body["requests"]
    assert isinstance(requests, list)
    assert [r["custom_id"] for r in requests] == [f"{info.record.id}-{i}" for i in range(3)]
    assert [(r["params"]["model"], r["params"]["max_tokens"], r["params"].get("system")) for r in requests] == [
        ("claude-sonnet-5-5", 50, "Be kind."),
        ("claude-opus-5-5", 77, "Be brief."),
        ("claude-sonnet-5-5", 50, None),
    ]  # fmt: skip
    assert [r["params"]["messages"] for r in requests] == [
        [{"role": "user", "content": text}] for text in ("first", "second", "third")
    ]
    assert all("stream" not in r["params"] for r in requests)


async def test_a_dry_run_says_what_it_would_cost_and_leaves_no_trace(
    manager: APISessionManager, batches: Batches, simulator: Simulator
) -> None:
    price, notices = await batches.price(order(max_tokens=1000))

    assert price.worst is not None
    assert price.likely is not None
    assert (price.worst_one_by_one, price.likely_one_by_one) == (2 * price.worst, 2 * price.likely)
    assert price.worst >= price.likely > 0
    assert price.worst >= 3 * 1000 * 5_000
    assert price.display.startswith("$0.0")
    assert (simulator.requests, attempts(manager), notices) == ([], [], ())
    assert await batches.listed("all") == []


async def test_a_batch_of_one_prompt_and_one_of_many_models(
    manager: APISessionManager, batches: Batches, simulator: Simulator
) -> None:
    simulator.batches.rate = math.inf
    one, _, _ = await batches.submit(order("alone"))
    assert one.record.name == "1 prompt: alone"
    mixed = [BatchPrompt(f"m{i}", "x", model="claude-opus-5-5" if i else None) for i in range(3)]
    many, price, _ = await batches.submit(BatchOrder(mixed))
    assert (many.record.model, price.models) == ("claude-opus-5-5", ("claude-sonnet-5-5", "claude-opus-5-5"))

    ended = await batches.status(many.record.id)

    usages = {
        name: usage
        for (batch, name), usage in simulator.batches.accounts.items()
        if batch == many.record.remote_id
    }
    prices = [(1_000, 5_000), (2_000, 10_000), (2_000, 10_000)]
    expected = sum(
        usages[many.record.custom_id(i)]["input_tokens"] * price_in
        + usages[many.record.custom_id(i)]["output_tokens"] * price_out
        for i, (price_in, price_out) in enumerate(prices)
    )  # fmt: skip
    assert ended.sums.cost.nano_usd == expected


async def test_errored_canceled_and_expired_prompts_cost_nothing(
    manager: APISessionManager, batches: Batches, simulator: Simulator
) -> None:
    simulator.reply_with("fine", Answer(fault=Fault.status(529, message="Overloaded")))
    info, _, _ = await batches.submit(order())
    assert (await batches.cancel(info.record.id)).record.state == "canceling"
    ended = await finish(batches, simulator, info)
    assert states(ended) == {"succeeded": 1, "canceled": 2}
    simulator.batches.rate = math.inf
    errored, _, _ = await batches.submit(order("x", "y"))
    errored = await batches.status(errored.record.id)

    assert states(errored) == {"succeeded": 1, "errored": 1}
    assert spent(manager) == account_nano(simulator)
    assert [row[1:4] for row in attempts(manager) if not row[3]] == [
        ("cancelled", "batch", 0), ("cancelled", "batch", 0), ("failed", "batch", 0),
    ]  # fmt: skip
    _, answers = await batches.results(errored.record.id)
    assert any(a.answer.error and "is overloaded" in a.answer.error for a in answers)


async def test_a_batch_that_the_endpoint_let_expire_is_ended_and_free(
    manager: APISessionManager, batches: Batches, clock: Clock
) -> None:
    info, _, _ = await batches.submit(order())
    assert info.record.expires_at is not None
    clock.ahead = info.record.expires_at - info.record.created_at + 1

    ended = await batches.status(info.record.id)

    assert (ended.record.state, states(ended), spent(manager)) == ("ended", {"expired": 3}, 0)


async def test_asking_again_of_an_ended_batch_changes_nothing_and_asks_nobody(
    manager: APISessionManager, batches: Batches, simulator: Simulator
) -> None:
    info, _, _ = await batches.submit(order())
    ended = await finish(batches, simulator, info)
    count, rows = len(simulator.requests), attempts(manager)

    assert await batches.status(info.record.id) == ended
    assert (await batches.cancel(info.record.id)).record == ended.record
    assert (len(simulator.requests), attempts(manager)) == (count, rows)


async def test_answers_come_in_parts_and_whoever_asked_hears_of_them(
    batches: Batches, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cmt_lsp.core.batch.lookout.AT_ONCE", 2)
    monkeypatch.setattr("cmt_lsp.core.batch.books.AT_ONCE", 2)
    info, _, _ = await batches.submit(order(*"abcde"))
    simulator.batches.rate = math.inf
    heard: list[tuple[int, int]] = []

    ended = await batches.status(info.record.id, lambda done, of: heard.append((done, of)))

    assert heard == [(2, 5), (4, 5), (5, 5)]
    assert ended.sums.cost.nano_usd == account_nano(simulator)


async def test_results_are_paged_in_the_order_of_the_prompts(batches: Batches, simulator: Simulator) -> None:
    info, _, _ = await batches.submit(order(*"abcdefg"))
    await finish(batches, simulator, info)

    pages = [(await batches.results(info.record.id, start, 3))[1] for start in (0, 3, 6, 9)]

    assert [[a.prompt for a in page] for page in pages] == [["a", "b", "c"], ["d", "e", "f"], ["g"], []]


async def test_batches_are_listed_by_window_workspace_and_all(
    manager: APISessionManager, batches: Batches, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    made = [
        (await batches.submit(order(name=name, workspace=folder)))[0].record.name
        for name, folder in (("one", str(here)), ("two", str(there)), ("three", None))
    ]
    other = APISessionManager()
    assert [i.record.name for i in await batches.listed("all")] == made[::-1]
    assert [i.record.name for i in await batches.listed("window")] == made[::-1]
    assert [i.record.name for i in await other.batches.listed("window")] == []
    assert [i.record.name for i in await other.batches.listed("workspace", here)] == ["one"]
    assert [i.record.name for i in await other.batches.listed("workspace", None)] == ["three"]
    await other.aclose()


async def test_a_batch_is_followed_until_it_has_ended(batches: Batches, simulator: Simulator) -> None:
    info, _, _ = await batches.submit(order())
    simulator.fail_next(Fault.status(529), Fault.reset(), path=f"{BATCHES}/*")
    seen: list[str] = []

    def changed(found: BatchInfo) -> None:
        seen.append(found.record.state)
        simulator.batches.rate = math.inf

    ended = await batches.follow(info.record.id, changed, looks=(0.01, 0.02))

    assert (seen, ended.record.state) == (["in_progress", "ended"], "ended")


async def test_following_ends_where_asking_again_cannot_help(batches: Batches, simulator: Simulator) -> None:
    info, _, _ = await batches.submit(order())
    simulator.fail_next(Fault.status(401), path=f"{BATCHES}/*")

    with pytest.raises(AuthError):
        await batches.follow(info.record.id, lambda _: None, looks=(0.01, 0.01))


# Budgets


async def test_a_budget_refuses_the_whole_batch_before_anything_is_sent(
    manager: APISessionManager, batches: Batches, simulator: Simulator
) -> None:
    await manager.ledger.set_limit("turn", 1_000_000, None)
    with pytest.raises(BudgetExceededError, match="turn budget"):
        await batches.submit(order(max_tokens=1000))

    assert simulator.requests == []
    assert await batches.listed("all") == []
    assert [row for row in attempts(manager) if row[1] == "reserved"] == []
    assert spent(manager) == 0


async def test_a_budget_that_is_nearly_spent_shortens_every_answer_alike(
    batches: Batches, manager: APISessionManager, simulator: Simulator
) -> None:
    price, _ = await batches.price(order(max_tokens=2000))
    assert price.worst is not None
    await manager.ledger.set_limit("day", price.worst * 6 // 10, None)

    _, _, notices = await batches.submit(order(max_tokens=2000))

    (body,) = sent(simulator)
    requests = body["requests"]
    assert isinstance(requests, list)
    limits = {r["params"]["max_tokens"] for r in requests}
    assert len(limits) == 1
    assert 256 <= limits.pop() < 2000
    assert any("limited to" in notice for notice in notices)
    assert sum(row[4] for row in attempts(manager)) <= price.worst * 6 // 10


async def test_the_person_may_let_a_batch_pass_the_budgets_once(
    manager: APISessionManager, batches: Batches, simulator: Simulator
) -> None:
    await manager.ledger.set_limit("day", 1_000, None)

    info, _, _ = await batches.submit(order(override="for the report"))

    assert info.record.state == "in_progress"
    reasons = manager.ledger.read(lambda c: c.execute("SELECT DISTINCT override FROM attempts").fetchall())
    assert reasons.result(10) == [("for the report",)]


async def test_a_batch_holds_its_worst_case_until_it_is_settled_and_no_longer(
    manager: APISessionManager, batches: Batches, simulator: Simulator
) -> None:
    await manager.ledger.set_limit("month", 10**12, None)
    info, price, _ = await batches.submit(order())
    origin = Origin("turn", "s", "t", "")
    (held,) = await manager.ledger.budgets(origin)
    assert held.held_nano == price.worst
    await finish(batches, simulator, info)

    (settled,) = await manager.ledger.budgets(origin)
    assert (settled.held_nano, settled.spent_nano) == (0, account_nano(simulator))


async def test_the_hold_outlives_the_window_and_becomes_an_estimate_that_the_results_correct(
    manager: APISessionManager, batches: Batches, simulator: Simulator, clock: Clock
) -> None:
    info, _, _ = await batches.submit(order())
    work(simulator)
    clock.ahead = 1.9 * DAY
    assert manager.ledger.sweep().result(10) == 0
    clock.ahead = 2.1 * DAY
    assert manager.ledger.sweep().result(10) == 3
    assert {row[1:3] for row in attempts(manager)} == {("orphan", "batch")}
    assert spent(manager) > 0

    ended = await batches.status(info.record.id)

    assert (ended.record.state, ended.sums.estimated) == ("ended", 0)
    assert spent(manager) == account_nano(simulator)


# What the endpoint says no to


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(Fault.status(401), AuthError), (Fault.status(400), InvalidRequestError), (Fault.status(529), OverloadedError)],
)  # fmt: skip
@pytest.mark.parametrize("at", [0, 1], ids=["the list", "the batch"])
async def test_a_refusal_leaves_nothing_behind(
    manager: APISessionManager,
    batches: Batches,
    simulator: Simulator,
    fault: Fault,
    kind: type[CmtError],
    at: int,
) -> None:
    simulator.fail_next(*[Fault()] * at, fault, path=BATCHES)
    with pytest.raises(kind):
        await batches.submit(order())

    assert await batches.listed("all") == []
    assert {row[1] for row in attempts(manager)} == {"cancelled"}
    assert spent(manager) == 0
    simulator.batches.rate = math.inf
    later = APISessionManager()
    again, _, _ = await later.batches.submit(order())
    assert (await later.batches.status(again.record.id)).record.state == "ended"
    assert later.take_notices() == ()
    await later.aclose()


async def test_an_endpoint_without_batches_is_told_and_nothing_is_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with simulator_in_thread(dialect="ollama") as local:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", local.base_url)
        manager = APISessionManager()
        with pytest.raises(InvalidRequestError, match="has no Message Batches API"):
            await manager.batches.submit(order())
        assert {row[1] for row in attempts(manager)} == {"cancelled"}
        assert await manager.batches.listed("all") == []
        await manager.aclose()


async def test_a_model_that_nobody_knows_is_refused_before_it_costs_a_day(
    manager: APISessionManager, batches: Batches, simulator: Simulator
) -> None:
    with pytest.raises(BadParamsError, match="claude-nobody is no model of"):
        await batches.submit(order(model="claude-nobody"))

    assert sent(simulator) == []
    assert await batches.listed("all") == []


async def test_a_batch_is_never_looked_for_at_another_endpoint(
    batches: Batches, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    info, _, _ = await batches.submit(order())
    with simulator_in_thread() as elsewhere:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", elsewhere.base_url)
        for asking in (batches.status, batches.cancel):
            with pytest.raises(InvalidRequestError, match="is set now"):
                await asking(info.record.id)
        assert elsewhere.requests == []


async def test_unknown_ids_are_told(batches: Batches, simulator: Simulator) -> None:
    for asking in (batches.status, batches.cancel, batches.results):
        with pytest.raises(UnknownBatchError):
            await asking("nobody")
    assert simulator.requests == []


# Receipts that are lost


@pytest.mark.parametrize("fault", [Fault.reset(), Fault.hang_up(after_bytes=0), Fault.cut(after_bytes=9)])
async def test_a_batch_whose_receipt_was_lost_is_found_by_the_names_of_its_requests(
    batches: Batches, simulator: Simulator, clock: Clock, fault: Fault
) -> None:
    await batches.submit(order("an anchor"))
    simulator.fail_next(Fault(), fault, path=BATCHES)
    info, _, notices = await batches.submit(order())
    assert (info.record.state, info.record.remote_id) == ("submitting", None)
    assert any("did not confirm the batch" in notice for notice in notices)
    decoy, _, _ = await batches.submit(order(*"xyz"))
    foreign_batch(simulator)
    clock.ahead = 700.0

    waiting = await batches.status(info.record.id)
    assert waiting.record.state == "submitting"
    assert waiting.record.problem is not None
    ended = await finish(batches, simulator, info)

    assert (ended.record.state, states(ended), ended.record.problem) == ("ended", {"succeeded": 3}, None)
    assert ended.record.remote_id != decoy.record.remote_id
    assert ended.sums.cost.nano_usd == account_nano(simulator, batch=ended.record.remote_id)
    assert len(sent(simulator)) == 4, "an anchor, the batch, a decoy of ours and one of somebody else"


async def test_a_lost_receipt_is_sought_as_far_back_as_it_takes(
    batches: Batches, simulator: Simulator
) -> None:
    simulator.batches.rate = math.inf
    simulator.fail_next(Fault(), Fault.reset(), path=BATCHES)
    info, _, _ = await batches.submit(order())
    for _ in range(120):
        foreign_batch(simulator, 1)

    assert (await batches.status(info.record.id)).record.state == "ended"


@pytest.mark.parametrize("anchored", [True, False])
async def test_a_batch_that_never_arrived_is_called_off_once_that_is_certain(
    manager: APISessionManager, batches: Batches, simulator: Simulator, clock: Clock, anchored: bool
) -> None:
    if anchored:
        await batches.submit(order("an anchor"))
    simulator.fail_next(Fault(), Fault.status(502), path=BATCHES)
    info, _, _ = await batches.submit(order())
    await batches.submit(order("as", "many", "prompts"))
    assert (await batches.status(info.record.id)).record.state == "submitting"
    clock.ahead = 700.0

    failed = await batches.status(info.record.id)

    assert (failed.record.state, states(failed)) == ("failed", {"canceled": 3})
    assert "never arrived" in str(failed.record.problem)
    of_it = [row[1] for row in attempts(manager) if row[0].startswith(info.record.id)]
    assert of_it == ["cancelled"] * 3
    assert (failed.sums.cost.nano_usd, spent(manager)) == (0, 0)


async def test_where_the_list_may_be_another_s_the_batch_is_booked_by_estimate_after_its_time(
    manager: APISessionManager, batches: Batches, simulator: Simulator, clock: Clock
) -> None:
    anchor, _, _ = await batches.submit(order("an anchor"))
    simulator.fail_next(Fault(), Fault.status(502), path=BATCHES)
    info, _, _ = await batches.submit(order())
    work(simulator)
    at_the_endpoint(simulator, f"/{anchor.record.remote_id}", "DELETE")
    clock.ahead = 700.0
    assert (await batches.status(info.record.id)).record.state == "submitting"
    clock.ahead = 2.1 * DAY

    lost = await batches.status(info.record.id)
    manager.ledger.sweep().result(10)

    assert (lost.record.state, states(lost)) == ("lost", {"lost": 3})
    assert (await batches.listed("all"))[0].sums.estimated == 3
    assert spent(manager) > 0
    assert "not known whether it arrived" in str(lost.record.problem)


async def test_a_lost_batch_that_turns_up_is_brought_home_and_its_estimate_corrected(
    manager: APISessionManager, batches: Batches, simulator: Simulator, clock: Clock
) -> None:
    simulator.fail_next(Fault(), Fault.reset(), path=BATCHES)
    info, _, _ = await batches.submit(order())
    work(simulator)
    clock.ahead = 2.1 * DAY
    simulator.fail_next(Fault.status(200, body=b'{"data":[],"has_more":false}'), path=BATCHES)
    assert (await batches.status(info.record.id)).record.state == "lost"
    manager.ledger.sweep().result(10)
    assert spent(manager) != account_nano(simulator)

    ended = await batches.status(info.record.id)

    assert (ended.record.state, states(ended)) == ("ended", {"succeeded": 3})
    assert (spent(manager), ended.sums.estimated) == (account_nano(simulator), 0)


async def test_a_batch_that_was_not_confirmed_cannot_be_cancelled_yet(
    batches: Batches, simulator: Simulator
) -> None:
    simulator.fail_next(Fault(), Fault.reset(), path=BATCHES)
    info, _, _ = await batches.submit(order())

    with pytest.raises(InvalidRequestError, match="not confirmed"):
        await batches.cancel(info.record.id)


# Results that do not come


@pytest.mark.parametrize(
    "fault", [Fault.reset(after_events=1), Fault.hang_up(after_bytes=40), Fault.cut(after_events=2)]
)
async def test_results_that_break_off_are_fetched_again_and_nothing_is_doubled(
    manager: APISessionManager, batches: Batches, simulator: Simulator, fault: Fault
) -> None:
    info, _, _ = await batches.submit(order(*"abcde"))
    simulator.fail_next(fault, path=RESULTS)
    with pytest.raises(NetworkError):
        await finish(batches, simulator, info)
    assert (await batches.listed("all"))[0].record.state == "in_progress"

    ended = await batches.status(info.record.id)

    assert states(ended) == {"succeeded": 5}
    assert spent(manager) == account_nano(simulator)
    assert [row[1] for row in attempts(manager)] == ["done"] * 5


async def test_what_came_before_a_break_is_kept_and_settled_already(
    manager: APISessionManager, batches: Batches, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cmt_lsp.core.batch.lookout.AT_ONCE", 2)
    info, _, _ = await batches.submit(order(*"abcde"))
    simulator.fail_next(Fault.reset(after_events=4), path=RESULTS)
    with pytest.raises(NetworkError):
        await finish(batches, simulator, info)

    assert sorted(row[1] for row in attempts(manager)) == ["done"] * 4 + ["reserved"]
    assert states((await batches.listed("all"))[0]) == {"succeeded": 4, "processing": 1}


async def test_the_first_result_of_a_prompt_counts(
    manager: APISessionManager, batches: Batches, simulator: Simulator
) -> None:
    info, _, _ = await batches.submit(order("alone"))
    line = b'{"custom_id":"%s","result":{"type":"%s"}}\n'
    name = info.record.custom_id(0).encode()
    simulator.fail_next(
        Fault.status(200, body=line % (name, b"expired") + line % (name, b"canceled")), path=RESULTS
    )

    ended = await finish(batches, simulator, info)

    assert (states(ended), [row[1] for row in attempts(manager)]) == ({"expired": 1}, ["failed"])


async def test_a_result_that_cannot_be_read_is_lost_and_left_to_the_ledger_s_estimate(
    manager: APISessionManager, batches: Batches, simulator: Simulator, clock: Clock
) -> None:
    info, _, _ = await batches.submit(order(*"abc"))
    name = info.record.custom_id(0)
    keep = b'{"custom_id":"%s","result":{"type":"expired"}}\n'
    lines = [
        keep % name.encode(),
        b"{not json\n",
        keep % info.record.custom_id(2).encode(),
        keep % b"stranger",
    ]
    simulator.fail_next(Fault.status(200, body=b"".join(lines)), path=RESULTS)

    ended = await finish(batches, simulator, info)

    assert (ended.record.state, states(ended)) == ("ended", {"expired": 2, "lost": 1})
    assert [row[1] for row in attempts(manager)] == ["failed", "reserved", "failed"]
    clock.ahead = 2.1 * DAY
    manager.ledger.sweep().result(10)
    assert [row[1] for row in attempts(manager)] == ["failed", "orphan", "failed"]


async def test_results_that_stay_short_are_given_up_a_day_after_the_end(
    batches: Batches, simulator: Simulator, clock: Clock
) -> None:
    info, _, _ = await batches.submit(order(*"abc"))
    line = b'{"custom_id":"%s","result":{"type":"canceled"}}\n' % info.record.custom_id(1).encode()
    simulator.fail_next(Fault.status(200, body=line), path=RESULTS)
    with pytest.raises(NetworkError, match="2 of 3 results did not come"):
        await finish(batches, simulator, info)
    clock.ahead = 1.1 * DAY
    simulator.fail_next(Fault.status(200, body=line), path=RESULTS)

    assert states(await batches.status(info.record.id)) == {"canceled": 1, "lost": 2}


@pytest.mark.parametrize(("days", "asked"), [(29.5, 1), (31, 0)])
async def test_results_that_nobody_fetched_in_time_are_lost(
    batches: Batches, simulator: Simulator, clock: Clock, days: float, asked: int
) -> None:
    info, _, _ = await batches.submit(order())
    work(simulator)
    clock.ahead = days * DAY
    count = len(simulator.requests)

    lost = await batches.status(info.record.id)

    assert (lost.record.state, states(lost), len(simulator.requests)) == ("lost", {"lost": 3}, count + asked)


# Broken off, and at the same time


async def test_cancelling_the_submission_before_it_leaves_undoes_it(
    manager: APISessionManager, batches: Batches, simulator: Simulator
) -> None:
    simulator.fail_next(Fault.stall(), path=BATCHES)
    submitting = asyncio.create_task(batches.submit(order()))
    await simulator.stalled(path=BATCHES)
    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting

    assert await batches.listed("all") == []
    assert {row[1] for row in attempts(manager)} == {"cancelled"}
    assert sent(simulator) == []


async def test_cancelling_the_submission_after_it_left_leaves_the_batch(
    batches: Batches, simulator: Simulator
) -> None:
    simulator.fail_next(Fault(), Fault.stall(), path=BATCHES)
    submitting = asyncio.create_task(batches.submit(order()))
    await simulator.stalled(1, path=BATCHES)
    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    (on_its_way,) = await batches.listed("all")
    assert on_its_way.record.state == "submitting"
    assert (await batches.status(on_its_way.record.id)).record.state == "submitting"
    simulator.release()
    await simulator.finished(1, path=BATCHES)
    while (await batches.listed("all"))[0].record.state == "submitting":
        await asyncio.sleep(0.005)

    assert (await finish(batches, simulator, on_its_way)).record.state == "ended"


async def test_a_manager_that_closes_gives_a_batch_a_moment_to_be_confirmed(
    manager: APISessionManager, batches: Batches, simulator: Simulator
) -> None:
    simulator.fail_next(Fault(), Fault.stall(), path=BATCHES)
    submitting = asyncio.create_task(batches.submit(order()))
    await simulator.stalled(1, path=BATCHES)
    closing = asyncio.create_task(manager.aclose())
    await asyncio.sleep(0)
    simulator.release()
    await closing
    await asyncio.wait([submitting])

    later = APISessionManager()
    assert [info.record.state for info in await later.batches.listed("all")] == ["in_progress"]
    await later.aclose()


async def test_two_looks_at_once_in_two_windows_settle_once(
    manager: APISessionManager, batches: Batches, simulator: Simulator
) -> None:
    info, _, _ = await batches.submit(order(*"abcdefgh"))
    simulator.batches.rate = math.inf
    other = APISessionManager()

    looks = await asyncio.gather(
        *(each.status(info.record.id) for each in (batches, other.batches, batches, other.batches))
    )

    assert {look.record.state for look in looks} == {"ended"}
    assert [row[1] for row in attempts(manager)] == ["done"] * 8
    assert spent(manager) == account_nano(simulator)
    await other.aclose()


async def test_a_second_look_in_one_window_waits_for_the_first_and_fetches_nothing_again(
    batches: Batches, simulator: Simulator
) -> None:
    info, _, _ = await batches.submit(order())
    simulator.batches.rate = math.inf
    simulator.fail_next(Fault.stall(after_events=1), path=RESULTS)
    first = asyncio.create_task(batches.status(info.record.id))
    await simulator.stalled(path=f"{BATCHES}/{info.record.remote_id}/results")
    second = asyncio.create_task(batches.status(info.record.id))
    await batches.listed("all")
    simulator.release()

    assert (await first).record.state == (await second).record.state == "ended"
    assert len([r for r in simulator.requests if r.path.endswith("/results")]) == 1


async def test_a_late_answer_of_the_endpoint_reopens_no_batch_that_has_ended(
    batches: Batches, simulator: Simulator
) -> None:
    info, _, _ = await batches.submit(order())
    other = APISessionManager()
    simulator.fail_next(Fault.stall(), path=f"{BATCHES}/*/cancel")
    cancelling = asyncio.create_task(other.batches.cancel(info.record.id))
    await simulator.stalled(path=f"{BATCHES}/{info.record.remote_id}/cancel")
    ended = await finish(batches, simulator, info)
    simulator.release()

    assert (await cancelling).record == ended.record
    await other.aclose()


async def test_a_window_killed_before_it_reserved_leaves_nothing_in_the_ledger(
    manager: APISessionManager, batches: Batches
) -> None:
    plan = await batches._plan(order())
    record = BatchRecord("b-1", "n", "m", None, "w", 0.0, 3)
    await batches._books.open(record, plan)

    await batches.tidy()

    assert (await batches.status(record.id)).record.state == "failed"
    assert attempts(manager) == []


async def test_a_batch_that_cannot_be_marked_as_sent_is_not_sent(
    manager: APISessionManager, batches: Batches, simulator: Simulator, state_dir: Path
) -> None:
    """Another process holds the file from the moment on at which the batch is about to leave."""
    simulator.fail_next(Fault.stall(), path=BATCHES)
    submitting = asyncio.create_task(batches.submit(order()))
    await simulator.stalled(path=BATCHES)
    with locked(state_dir / "sessions.sqlite3"):
        simulator.release()
        with pytest.raises(StoreUnavailableError):
            await submitting

    assert sent(simulator) == []
    assert {row[1] for row in attempts(manager)} == {"cancelled"}


async def test_what_the_ledger_did_not_take_is_settled_by_a_later_look(
    manager: APISessionManager, batches: Batches, simulator: Simulator, state_dir: Path
) -> None:
    info, _, _ = await batches.submit(order())

    def unsettled() -> int:
        query = "SELECT count(*) FROM batch_requests WHERE settled = 0"
        with closing(sqlite3.connect(state_dir / "sessions.sqlite3")) as connection:
            return int(connection.execute(query).fetchone()[0])

    with locked(state_dir / "ledger.sqlite3"):
        ended = await finish(batches, simulator, info)
        assert (ended.record.state, states(ended), unsettled()) == ("ended", {"succeeded": 3}, 3)
    manager.ledger.sweep().result(20)

    settled = await batches.status(info.record.id)

    assert (unsettled(), settled.sums.cost.nano_usd) == (0, account_nano(simulator))
    assert [row[1] for row in attempts(manager)] == ["done"] * 3


async def test_a_ledger_that_cannot_be_read_hides_no_batch_and_no_answer(
    manager: APISessionManager, batches: Batches, simulator: Simulator, state_dir: Path
) -> None:
    simulator.batches.rate = math.inf
    info, _, _ = await batches.submit(order())
    ended = await batches.status(info.record.id)
    later = APISessionManager()
    (state_dir / "ledger.sqlite3").rename(state_dir / "elsewhere")
    (state_dir / "ledger.sqlite3").mkdir()

    (listed,) = await later.batches.listed("all")

    assert (listed.record, listed.sums.usage) == (ended.record, ended.sums.usage)
    assert listed.sums.cost.nano_usd == ended.sums.cost.nano_usd
    (state_dir / "ledger.sqlite3").rmdir()
    (state_dir / "elsewhere").rename(state_dir / "ledger.sqlite3")
    await later.aclose()


async def test_prompts_that_cannot_be_kept_are_not_sent(
    simulator: Simulator, state_dir: Path, manager: APISessionManager, batches: Batches
) -> None:
    (state_dir / "sessions.sqlite3").mkdir(parents=True)
    with pytest.raises(StoreUnavailableError):
        await batches.submit(order())

    assert simulator.requests == []
    assert attempts(manager) == []
