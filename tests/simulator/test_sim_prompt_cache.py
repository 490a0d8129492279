"""The prompt cache reads and writes what the service's would, on a clock the test turns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sim_client import Clock, RawClient, ask, message

from cmt_lsp.simulator import Answer, Fault, Simulator

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
LONG = "def answer() -> int:\n    return 42\n" * 100
TOOL: dict[str, Any] = {
    "name": "read_file",
    "description": LONG,
    "input_schema": {"type": "object", "properties": {}},
}

Usage = dict[str, Any]


def block(text: str, mark: dict[str, str] | None = None) -> dict[str, Any]:
    return {"type": "text", "text": text, **({} if mark is None else {"cache_control": mark})}


def system(mark: dict[str, str] | None = MARK, text: str = LONG) -> list[dict[str, Any]]:
    return [block(text, mark)]


def chat(*texts: Any, **fields: Any) -> dict[str, Any]:
    messages = [{"role": ("user", "assistant")[i % 2], "content": t} for i, t in enumerate(texts)]
    return message(**{"system": system(), "messages": messages, **fields})


def usage(sim: Simulator, body: dict[str, Any]) -> Usage:
    seen = ask(sim.base_url, body)
    assert seen.status == 200, seen.json
    found: Usage = seen.json["usage"]
    return found


def read(found: Usage) -> int:
    return int(found["cache_read_input_tokens"])


def wrote(found: Usage) -> tuple[int, int]:
    split = found["cache_creation"]
    assert sum(split.values()) == found["cache_creation_input_tokens"]
    return split["ephemeral_5m_input_tokens"], split["ephemeral_1h_input_tokens"]


def total(found: Usage) -> int:
    return int(
        found["input_tokens"] + found["cache_creation_input_tokens"] + found["cache_read_input_tokens"]
    )


def test_the_second_request_reads_what_the_first_wrote(sim: Simulator) -> None:
    first, second = usage(sim, chat("one")), usage(sim, chat("two"))

    assert read(first) == 0
    assert wrote(first)[0] > 1000
    assert read(second) == wrote(first)[0]
    assert wrote(second) == (0, 0)
    assert total(first) == total(second)


def test_the_three_parts_of_the_prompt_add_up_to_the_counted_tokens(sim: Simulator) -> None:
    body = chat("one", "two", [block("three", MARK)], tools=[TOOL])
    counted = ask(
        sim.base_url, {k: v for k, v in body.items() if k != "max_tokens"}, "/v1/messages/count_tokens"
    )

    assert total(usage(sim, body)) == total(usage(sim, body)) == counted.json["input_tokens"]


@pytest.mark.parametrize(("mark", "alive", "dead"), [(MARK, 299, 300), (HOUR, 3599, 3600)])
def test_an_entry_lives_as_long_as_its_mark_says(
    sim: Simulator, clock: Clock, mark: dict[str, str], alive: float, dead: float
) -> None:
    body = chat("one", system=system(mark))
    written = sum(wrote(usage(sim, body)))
    clock.now += alive
    assert read(usage(sim, body)) == written
    clock.now += dead
    assert read(usage(sim, body)) == 0


def test_a_hit_starts_the_lifetime_anew(sim: Simulator, clock: Clock) -> None:
    written = sum(wrote(usage(sim, chat("one"))))

    for _ in range(4):
        clock.now += 200
        assert read(usage(sim, chat("one"))) == written


@pytest.mark.parametrize(
    ("model", "minimum"),
    [
        ("claude-opus-5-5", 512),
        ("claude-opus-4-8", 1024),
        ("claude-opus-4-7", 2048),
        ("claude-haiku-4-5", 4096),
    ],
)
def test_below_the_models_minimum_nothing_is_cached_and_nothing_said(
    sim: Simulator, model: str, minimum: int
) -> None:
    def written(words: int) -> int:
        return sum(wrote(usage(sim, chat("x", model=model, system=system(text="a " * words)))))

    words = 100
    while not (found := written(words)):
        words += 40
    assert minimum <= found < minimum + 60


CHANGES: list[tuple[str, dict[str, Any], str]] = [
    ("nothing", {}, "messages"),
    ("a stop sequence", {"stop_sequences": ["END"]}, "messages"),
    ("a further turn", {"messages": ["one", [block(LONG, MARK)], "three", "four", "five"]}, "messages"),
    ("the newest text", {"messages": ["one", [block(LONG, MARK)], "other"]}, "messages"),
    ("a text as a list of one block", {"messages": [[block("one")], [block(LONG, MARK)], "three"]}, "messages"),
    ("the order of a block's fields", {"system": [dict(reversed(block(LONG, MARK).items()))]}, "messages"),
    ("a mark moved", {"messages": ["one", [block(LONG)], [block("three", MARK)]]}, "messages"),
    ("an old turn", {"messages": ["uno", [block(LONG, MARK)], "three"]}, "system"),
    ("the thinking mode", {"thinking": {"type": "disabled"}}, "system"),
    ("the tool choice", {"tool_choice": {"type": "none"}}, "system"),
    ("a first picture", {"messages": ["one", [block(LONG, MARK)], [
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}]]}, "system"),
    ("the system text", {"system": [block(LONG + "x", MARK)]}, "tools"),
    ("the speed", {"speed": "fast"}, "tools"),
    ("a tool", {"tools": [{**TOOL, "description": LONG + "x", "cache_control": MARK}]}, "none"),
    ("the order inside a schema", {"tools": [{**TOOL, "cache_control": MARK, "input_schema": dict(reversed(
        TOOL["input_schema"].items()))}]}, "none"),
    ("the model", {"model": "claude-opus-5-5", "thinking": {"type": "adaptive"}}, "none"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "survives"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_a_change_costs_what_comes_after_it(sim: Simulator, change: dict[str, Any], survives: str) -> None:
    def asked(**changes: Any) -> Usage:
        fields = {"model": "claude-opus-5", "tools": [{**TOOL, "cache_control": MARK}], **changes}
        body = chat(*fields.pop("messages", ("one", [block(LONG, MARK)], "three")), **fields)
        seen = ask(sim.base_url, body, anthropic_beta="fast-mode-2026-02-01")
        assert seen.status == 200, seen.json
        found: Usage = seen.json["usage"]
        return found

    tools = sum(wrote(asked(system="", messages=["x"])))
    upto_system = tools + sum(wrote(asked(messages=["x"])))
    everything = upto_system + sum(wrote(asked()))
    assert 0 < tools < upto_system < everything

    ends = {"none": 0, "tools": tools, "system": upto_system, "messages": everything}
    assert read(asked(**change)) == ends[survives]


def test_another_model_reads_nothing(sim: Simulator) -> None:
    usage(sim, chat("one"))

    assert read(usage(sim, chat("one", model="claude-opus-5"))) == 0


@pytest.mark.parametrize(("added", "hit"), [(18, True), (19, True), (20, False), (30, False)])
def test_a_breakpoint_looks_at_twenty_positions_itself_included(
    sim: Simulator, added: int, hit: bool
) -> None:
    blocks = [block(LONG)]
    written = sum(wrote(usage(sim, chat([*blocks[:-1], block(LONG, MARK)], system=""))))
    more = [block(f"step {i}") for i in range(added)]
    more[-1] = block("last", MARK)

    found = usage(sim, chat([*blocks, *more], system=""))

    assert read(found) == (written if hit else 0)


def test_a_second_breakpoint_within_reach_saves_a_long_turn(sim: Simulator) -> None:
    written = sum(wrote(usage(sim, chat([block(LONG, MARK)], system=""))))
    more = [block(f"step {i}") for i in range(30)]
    more[14], more[29] = block("middle", MARK), block("last", MARK)

    assert read(usage(sim, chat([block(LONG), *more], system=""))) == written


def test_hour_and_minute_writes_are_told_apart(sim: Simulator) -> None:
    body = chat([block(LONG, MARK)], system=system(HOUR), tools=[TOOL])
    minutes, hours = wrote(usage(sim, body))
    only_hour = wrote(usage(sim, chat("x", system=system(HOUR, LONG + "y"), tools=[TOOL])))[1]

    assert hours == pytest.approx(only_hour, abs=2)
    assert minutes > 500


def test_a_mixed_prompt_keeps_its_hour_when_the_minutes_are_over(sim: Simulator, clock: Clock) -> None:
    body = chat([block(LONG, MARK)], system=system(HOUR))
    _, hours = wrote(usage(sim, body))
    clock.now += 400

    assert read(usage(sim, body)) == hours


def test_the_automatic_mark_moves_with_the_chat(sim: Simulator) -> None:
    first = usage(sim, chat("one " * 600, system="", cache_control=MARK))
    second = usage(sim, chat("one " * 600, "two", "three", system="", cache_control=MARK))

    assert first["input_tokens"] == 0
    assert read(second) == total(first)
    assert read(second) + sum(wrote(second)) == total(second)


def test_twins_sent_together_both_pay_until_the_first_has_begun_to_answer(sim: Simulator) -> None:
    sim.fail_next(Fault.stall(), Fault.stall())
    with ThreadPoolExecutor() as pool:
        twins = [pool.submit(usage, sim, chat("one")) for _ in range(2)]
        for n in range(2):
            sim.wait_stalled(n)
        sim.release()
        found = [twin.result(10) for twin in twins]

    assert [read(each) for each in found] == [0, 0]
    assert read(usage(sim, chat("one"))) == sum(wrote(found[0])) > 0


def test_an_entry_is_readable_while_its_first_answer_still_streams(sim: Simulator) -> None:
    sim.fail_next(Fault.stall(after_events=1))
    slow = RawClient(sim.base_url)
    slow.send("POST", "/v1/messages", chat("one", stream=True))
    sim.wait_stalled(0)

    assert read(usage(sim, chat("two"))) > 0
    sim.release()
    assert slow.read().end == "whole"
    slow.close()


def test_a_request_refused_by_overload_writes_nothing(sim: Simulator) -> None:
    sim.fail_next(Fault.status(529))
    ask(sim.base_url, chat("one"))

    assert read(usage(sim, chat("one"))) == 0


def test_no_tokens_asked_for_warms_the_cache_and_says_nothing(sim: Simulator) -> None:
    warm = ask(sim.base_url, chat("one", max_tokens=0)).json

    assert (warm["content"], warm["usage"]["output_tokens"], warm["stop_reason"]) == ([], 0, "max_tokens")
    assert read(usage(sim, chat("two"))) == warm["usage"]["cache_creation_input_tokens"] > 0


def test_a_forgotten_cache_is_a_miss(sim: Simulator) -> None:
    usage(sim, chat("one"))
    sim.cache.clear()

    assert read(usage(sim, chat("one"))) == 0


REASONS: list[tuple[str, dict[str, Any], str | None]] = [
    ("nothing", {}, None),
    ("model", {"model": "claude-opus-5"}, "model_changed"),
    ("speed", {"speed": "fast"}, "model_changed"),
    ("tools", {"tools": [TOOL]}, "tools_changed"),
    ("system", {"system": system(text=LONG + "x")}, "system_changed"),
    ("messages", {"messages": [{"role": "user", "content": "other"}]}, "messages_changed"),
    ("stop sequences, which are no prompt", {"stop_sequences": ["END"]}, None),
    ("thinking", {"output_config": {"format": {"type": "json_schema", "schema": {}}}}, "unavailable"),
]


@pytest.mark.parametrize(("change", "reason"), [r[1:] for r in REASONS], ids=[r[0] for r in REASONS])
def test_a_miss_is_explained_when_asked(sim: Simulator, change: dict[str, Any], reason: str | None) -> None:
    first = ask(sim.base_url, chat("one", diagnostics={"previous_message_id": None})).json
    assert first["diagnostics"] is None
    asked = {"diagnostics": {"previous_message_id": first["id"]}}
    second = ask(sim.base_url, {**chat("one", **asked), **change}).json["diagnostics"]

    assert (second and second["cache_miss_reason"]["type"]) == reason
    if reason in ("model_changed", "tools_changed", "system_changed"):
        assert second["cache_miss_reason"]["cache_missed_input_tokens"] > 500


def test_a_longer_chat_has_not_diverged(sim: Simulator) -> None:
    first = ask(sim.base_url, chat("one")).json
    asked = {"diagnostics": {"previous_message_id": first["id"]}}

    assert ask(sim.base_url, chat("one", "two", "three", **asked)).json["diagnostics"] is None


def test_an_unknown_previous_message_is_said_to_be_unknown(sim: Simulator) -> None:
    found = ask(sim.base_url, chat("one", diagnostics={"previous_message_id": "msg_other"})).json[
        "diagnostics"
    ]

    assert found == {"cache_miss_reason": {"type": "previous_message_not_found"}}


def test_the_journal_keeps_the_exact_account_of_every_request(sim: Simulator) -> None:
    sim.reply_with(Answer(text="words " * 50, thinking="hm"))
    reported = [usage(sim, chat("one")), usage(sim, chat("two")), usage(sim, chat("one", "two", "three"))]

    assert [r.usage for r in sim.requests] == reported
