"""The Message Batches API of the simulator: what it takes, how time moves it, and what the official SDK reads."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from sim_client import HEADERS, Clock, Seen, ask, message

from cmt_lsp.simulator import Answer, Fault, Simulator

BATCHES = "/v1/messages/batches"
DAY = 24 * 3600.0


def request(custom_id: str, text: str = "Hello", **fields: Any) -> dict[str, Any]:
    """One request of a batch."""
    return {"custom_id": custom_id, "params": message(text, **fields)}


def create(sim: Simulator, *requests: dict[str, Any]) -> dict[str, Any]:
    """A new batch."""
    seen = ask(sim.base_url, {"requests": list(requests)}, BATCHES)
    assert seen.status == 200, seen.body
    made: dict[str, Any] = seen.json
    return made


def get(sim: Simulator, path: str, method: str = "GET") -> Seen:
    """What a path below the batches answers."""
    return ask(sim.base_url, None, f"{BATCHES}{path}", method)


def lines(sim: Simulator, batch: dict[str, Any]) -> dict[str, Any]:
    """The results of an ended batch, by custom id."""
    seen = get(sim, f"/{batch['id']}/results")
    assert seen.status == 200, seen.body
    found = [json.loads(line) for line in seen.body.decode().splitlines()]
    return {line["custom_id"]: line["result"] for line in found}


def counts(**some: int) -> dict[str, int]:
    """The tallies of a batch."""
    return dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0) | some


def test_a_batch_is_processed_by_the_clock_and_its_results_are_there_at_its_end(
    sim: Simulator, clock: Clock
) -> None:
    sim.batches.rate = 1.0
    batch = create(sim, *(request(f"r{i}") for i in range(3)))
    assert (batch["processing_status"], batch["request_counts"]) == ("in_progress", counts(processing=3))
    assert (batch["results_url"], batch["ended_at"]) == (None, None)

    clock.now += 2.9
    seen = get(sim, f"/{batch['id']}").json
    assert (seen["processing_status"], seen["request_counts"]) == ("in_progress", counts(processing=3))
    assert get(sim, f"/{batch['id']}/results").status == 404

    clock.now += 10
    seen = get(sim, f"/{batch['id']}").json
    assert (seen["processing_status"], seen["request_counts"]) == ("ended", counts(succeeded=3))
    assert seen["ended_at"] == "2027-01-15T08:00:03Z"
    assert set(lines(sim, batch)) == {"r0", "r1", "r2"}


def test_results_do_not_come_in_the_order_of_the_requests(sim: Simulator) -> None:
    sim.batches.rate = math.inf
    batch = create(sim, *(request(f"r{i}") for i in range(4)))

    assert list(lines(sim, batch)) == ["r2", "r3", "r0", "r1"]


def test_each_request_is_answered_and_charged_as_its_own_with_the_batch_tier(sim: Simulator) -> None:
    sim.batches.rate = math.inf
    sim.reply_with("one", Answer(text="two", thinking="Hm."))
    batch = create(sim, request("a"), request("b"))
    found = lines(sim, batch)

    assert [found[i]["message"]["content"][-1]["text"] for i in "ab"] == ["one", "two"]
    usage = found["b"]["message"]["usage"]
    assert usage == sim.batches.accounts[batch["id"], "b"]
    assert (usage["service_tier"], usage["output_tokens"] > 1) == ("batch", True)
    assert all(entry.usage is None for entry in sim.requests)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"model": "claude-nobody"}, "model: claude-nobody"),
        ({"max_tokens": 0}, "max_tokens: 0 is not supported in a batch"),
        ({"stream": True}, "stream: streaming is not supported in a batch"),
        ({"speed": "fast"}, "speed: 'fast' is not supported in a batch"),
        ({"temperature": 0.5}, "temperature: sampling parameters are not supported since 2026-10-21"),
    ],
)
def test_bad_params_fail_that_request_alone_and_cost_nothing(
    sim: Simulator, fields: dict[str, Any], fault: str
) -> None:
    sim.batches.rate = math.inf
    batch = create(sim, request("good"), request("bad", **fields))
    found = lines(sim, batch)

    assert found["good"]["type"] == "succeeded"
    assert found["bad"]["type"] == "errored"
    assert found["bad"]["error"]["error"]["message"] == fault
    assert list(sim.batches.accounts) == [(batch["id"], "good")]
    assert get(sim, f"/{batch['id']}").json["request_counts"] == counts(succeeded=1, errored=1)


def test_a_scripted_failure_is_an_errored_result(sim: Simulator) -> None:
    sim.batches.rate = math.inf
    sim.reply_with("fine", Answer(fault=Fault.status(529, message="Overloaded")))
    found = lines(sim, create(sim, request("a"), request("b")))

    assert found["a"]["type"] == "succeeded"
    error = found["b"]["error"]
    assert (error["type"], error["error"]) == (
        "error",
        {"type": "overloaded_error", "message": "Overloaded"},
    )


BAD_ENVELOPES: list[tuple[Any, str]] = [
    ([], "Input should be a valid dictionary"),
    ({}, "requests: Field required"),
    ({"requests": {}}, "requests: Input should be a valid list"),
    ({"requests": []}, "requests: List should have at least 1 item"),
    ({"requests": [request("a")], "name": "x"}, "name: Extra inputs are not permitted"),
    ({"requests": [{"params": message()}]}, "requests.0.custom_id: Field required"),
    ({"requests": [{"custom_id": "a"}]}, "requests.0.params: Field required"),
    ({"requests": [request("a") | {"x": 1}]}, "requests.0.x: Extra inputs are not permitted"),
    ({"requests": [request("a"), request("")]}, "requests.1.custom_id: String should have at least 1 character"),
    ({"requests": [request("a" * 65)]}, "requests.0.custom_id: String should have at most 64 characters"),
    ({"requests": [request("a.b")]}, "requests.0.custom_id: String should match pattern"),
    ({"requests": [request("a"), request("a")]}, "requests.1.custom_id: 'a' is used twice"),
    ({"requests": [{"custom_id": str(i), "params": {}} for i in range(100_001)]}, "at most 100000 items"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "fault"), BAD_ENVELOPES, ids=[fault for _, fault in BAD_ENVELOPES])
def test_a_bad_envelope_is_refused_whole(sim: Simulator, body: Any, fault: str) -> None:
    seen = ask(sim.base_url, body, BATCHES)

    assert seen.status == 400
    assert fault in seen.json["error"]["message"]
    assert get(sim, "").json["data"] == []


def test_a_body_may_be_larger_than_a_message_s(sim: Simulator) -> None:
    long = "word " * (7 * 2**20)

    assert ask(sim.base_url, message(long)).status == 413
    assert create(sim, request("a", long))["request_counts"] == counts(processing=1)


def test_a_cancelled_batch_answers_what_is_under_way_and_no_more(sim: Simulator, clock: Clock) -> None:
    sim.batches.rate = 1.0
    batch = create(sim, *(request(f"r{i}") for i in range(5)))
    clock.now += 2.5
    seen = get(sim, f"/{batch['id']}/cancel", "POST").json
    assert seen["processing_status"] == "canceling"
    assert seen["cancel_initiated_at"] == "2027-01-15T08:00:02.500000Z"

    clock.now += 1
    seen = get(sim, f"/{batch['id']}").json
    assert (seen["processing_status"], seen["request_counts"]) == ("ended", counts(succeeded=3, canceled=2))
    assert {name for name, result in lines(sim, batch).items() if result["type"] == "canceled"} == {
        "r3",
        "r4",
    }
    assert len(sim.batches.accounts) == 3
    assert get(sim, f"/{batch['id']}/cancel", "POST").status == 400


def test_what_is_not_answered_within_a_day_expires(sim: Simulator, clock: Clock) -> None:
    sim.batches.rate = 1 / DAY
    batch = create(sim, request("a"), request("b"), request("c"))
    assert batch["expires_at"] == "2027-01-16T08:00:00Z"
    clock.now += 3 * DAY
    seen = get(sim, f"/{batch['id']}").json

    assert (seen["request_counts"], seen["ended_at"]) == (counts(succeeded=1, expired=2), batch["expires_at"])
    assert {result["type"] for result in lines(sim, batch).values()} == {"succeeded", "expired"}


def test_results_are_kept_for_29_days(sim: Simulator, clock: Clock) -> None:
    sim.batches.rate = math.inf
    batch = create(sim, request("a"))
    clock.now += 29 * DAY - 1
    assert lines(sim, batch)
    clock.now += 1

    seen = get(sim, f"/{batch['id']}").json
    assert (seen["results_url"], seen["archived_at"]) == (None, "2027-02-13T08:00:00Z")
    assert get(sim, f"/{batch['id']}/results").status == 404


def test_batches_are_listed_newest_first_in_pages(sim: Simulator, clock: Clock) -> None:
    made = [create(sim, request("a"))["id"] for _ in range(5)][::-1]
    first = get(sim, "?limit=2").json
    assert ([b["id"] for b in first["data"]], first["has_more"]) == (made[:2], True)
    rest = get(sim, f"?limit=3&after_id={first['last_id']}").json
    assert ([b["id"] for b in rest["data"]], rest["has_more"]) == (made[2:], False)
    back = get(sim, f"?limit=1&before_id={made[2]}").json
    assert ([b["id"] for b in back["data"]], back["has_more"]) == ([made[1]], True)
    assert get(sim, "?limit=0").status == get(sim, "?limit=1001").status == 400
    assert get(sim, "?after_id=msgbatch_nobody").status == 400


def test_an_ended_batch_can_be_deleted_and_a_running_one_not(sim: Simulator) -> None:
    sim.batches.rate = 0.0
    batch = create(sim, request("a"))
    assert get(sim, f"/{batch['id']}", "DELETE").status == 400
    sim.batches.rate = math.inf
    get(sim, "")
    assert get(sim, f"/{batch['id']}", "DELETE").json == {"id": batch["id"], "type": "message_batch_deleted"}
    assert get(sim, f"/{batch['id']}").status == 404


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("", "PUT", 405), ("/x", "POST", 405), ("/x", "GET", 404), ("/x/cancel", "GET", 405), ("/x/cancel", "POST", 404),
     ("/x/results", "DELETE", 405), ("/x/results/y", "GET", 404), ("/x/other", "GET", 404)],
)  # fmt: skip
def test_there_are_no_other_doors(sim: Simulator, path: str, method: str, status: int) -> None:
    assert get(sim, path, method).status == status


def test_key_and_version_are_asked_for(sim: Simulator) -> None:
    assert ask(sim.base_url, {"requests": [request("a")]}, BATCHES, x_api_key="").status == 401
    assert ask(sim.base_url, None, BATCHES, "GET", anthropic_version="").status == 400
    assert HEADERS["anthropic-version"] == "2026-10-21"


def test_faults_strike_each_door_under_one_name(sim: Simulator) -> None:
    sim.batches.rate = math.inf
    sim.fail_next(Fault.status(529), path=BATCHES)
    sim.fail_next(Fault.hang_up(after_events=1), path=f"{BATCHES}/*/results")
    assert ask(sim.base_url, {"requests": [request("a")]}, BATCHES).status == 529
    batch = create(sim, *(request(f"r{i}") for i in range(3)))

    seen = get(sim, f"/{batch['id']}/results")

    assert (seen.end, len(seen.body.splitlines())) == ("closed", 1)
    assert len(lines(sim, batch)) == 3


def test_a_batch_whose_answer_is_lost_was_created_all_the_same(sim: Simulator) -> None:
    sim.fail_next(Fault.reset(), path=BATCHES)
    assert ask(sim.base_url, {"requests": [request("a")]}, BATCHES).end == "reset"

    assert len(get(sim, "").json["data"]) == 1


def test_servers_of_other_kinds_have_no_such_door() -> None:
    from cmt_lsp.simulator import DIALECTS, simulator_in_thread

    for name in DIALECTS:
        with simulator_in_thread(dialect=name) as server:
            assert (get(server, "").status == 200) == (name == "anthropic")


@pytest.fixture
async def local(clock: Clock) -> AsyncIterator[Simulator]:
    """A simulator on the test's own loop."""
    simulator = Simulator(clock=clock, gzip=True, batch_rate=1.0)
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def sdk(local: Simulator) -> AsyncIterator[anthropic.AsyncAnthropic]:
    client = anthropic.AsyncAnthropic(api_key="test", base_url=local.base_url, max_retries=0)
    yield client
    await client.close()


async def test_the_official_sdk_goes_the_whole_way(
    local: Simulator, sdk: anthropic.AsyncAnthropic, clock: Clock
) -> None:
    """Create, list, get, cancel, results of all four kinds, delete: every object is one that the SDK's types take."""
    local.reply_with("one", Answer(fault=Fault.status(500)), "three")
    batches = sdk.messages.batches
    asked: Any = [request(f"r{i}") for i in range(5)]
    made = await batches.create(requests=asked)
    expiring = await batches.create(requests=asked[:1])
    clock.now += 2
    cancelling = await batches.cancel(made.id)
    assert (cancelling.processing_status, made.request_counts.processing) == ("canceling", 5)
    clock.now += 1
    ended = await batches.retrieve(made.id)
    assert ended.results_url
    assert ended.results_url.endswith(f"{made.id}/results")
    results = {line.custom_id: line.result async for line in await batches.results(made.id)}

    assert [results[f"r{i}"].type for i in range(5)] == [
        "succeeded", "errored", "succeeded", "canceled", "canceled",
    ]  # fmt: skip
    first, second = results["r0"], results["r1"]
    assert first.type == "succeeded"
    assert (
        first.message.usage.model_dump(exclude={"server_tool_use"}) == local.batches.accounts[made.id, "r0"]
    )
    assert second.type == "errored"
    assert second.error.error.type == "api_error"
    listed = [batch async for batch in batches.list(limit=1)]
    assert [batch.id for batch in listed] == [expiring.id, made.id]
    for batch in listed:
        assert batch.__class__.model_validate(batch.model_dump(), strict=True)
    assert (await batches.delete(made.id)).id == made.id
    with pytest.raises(anthropic.NotFoundError):
        await batches.retrieve(made.id)


async def test_the_official_sdk_reads_an_expired_result(
    local: Simulator, sdk: anthropic.AsyncAnthropic, clock: Clock
) -> None:
    local.batches.rate = 0.0
    asked: Any = [request("a")]
    made = await sdk.messages.batches.create(requests=asked)
    clock.now += DAY

    lines_seen = [line async for line in await sdk.messages.batches.results(made.id)]

    assert [line.result.type for line in lines_seen] == ["expired"]
    assert (await sdk.messages.batches.retrieve(made.id)).ended_at is not None
