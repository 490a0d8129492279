"""Sessions: made, listed, found, changed, forked, exported and really deleted."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from live_turns import Listener, ask, new_session, start
from PIL import Image

from cmt_lsp.api import VisionHandler
from cmt_lsp.api.errors import (
    BadImageError,
    BadParamsError,
    SessionBusyError,
    UnknownSessionError,
    UnknownTurnError,
)
from cmt_lsp.core import APISessionManager
from cmt_lsp.core.context.items import NamedText, WholeFile
from cmt_lsp.core.images import image_sources
from cmt_lsp.core.records import TurnRecord
from cmt_lsp.core.shelf import SessionShelf
from cmt_lsp.core.turn import TurnRequest
from cmt_lsp.simulator import Answer, Fault, Simulator


async def test_a_session_is_named_by_its_first_question(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager)
    assert (await manager.sessions.load(session)).name == "New session"

    await ask(manager, session, "\n  Why does   this fail?\nmore text")
    await ask(manager, session, "another question")

    assert (await manager.sessions.load(session)).name == "Why does this fail?"
    assert [info.name for info in await manager.sessions.list("all")] == ["Why does this fail?"]


async def test_ids_are_opaque_and_sort_by_birth(manager: APISessionManager) -> None:
    ids = [await new_session(manager) for _ in range(5)]

    stamps = [name.split("-")[0] for name in ids]
    assert stamps == sorted(stamps)
    assert len({name.split("-")[1] for name in ids}) == 5
    assert all(len(name.split("-")[1]) == 16 for name in ids)


async def test_the_list_knows_window_workspace_and_all(simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo-fork").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "repo")
    first = APISessionManager()
    one = await new_session(first, name="one", workspace=str(tmp_path / "repo"))
    two = await new_session(first, name="two", workspace=str(tmp_path / "repo-fork"))
    three = await new_session(first, name="three")
    second = APISessionManager()
    four = await new_session(second, name="four", workspace=str(tmp_path / "link"))

    async def ids(manager: APISessionManager, *arguments: object) -> set[str]:
        return {info.id for info in await manager.sessions.list(*arguments)}  # type: ignore[arg-type]

    assert await ids(first, "window") == {one, two, three}
    assert await ids(second, "window") == {four}
    assert await ids(second, "workspace", tmp_path / "repo") == {one, four}
    assert await ids(second, "workspace", tmp_path / "link" / ".." / "repo") == {one, four}
    assert await ids(second, "workspace", tmp_path / "rep") == set()
    assert await ids(second, "workspace") == {three}
    assert await ids(second, "all") == {one, two, three, four}
    with pytest.raises(BadParamsError, match="scope"):
        await second.sessions.list("planet")  # type: ignore[arg-type]
    await first.aclose()
    await second.aclose()


async def test_a_session_that_was_never_named_nor_used_is_shown_to_its_own_process_only(
    manager: APISessionManager, simulator: Simulator
) -> None:
    unused = await new_session(manager)
    named = await new_session(manager, name="kept")
    other = APISessionManager()

    assert {info.id for info in await manager.sessions.list("all")} == {unused, named}
    assert {info.id for info in await other.sessions.list("all")} == {named}
    await other.aclose()


async def test_a_search_finds_names_questions_and_answers_in_any_case(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.reply_with("Die Straße ist gesperrt", "nothing here")
    one, two = await new_session(manager, name="First"), await new_session(manager, name="ÜBER zwei")
    await ask(manager, one, "Is the road open?")
    await ask(manager, two, "100% sure")

    async def found(query: str) -> list[str]:
        return [info.id for info in await manager.sessions.list("all", None, query)]

    assert await found("STRASSE") == [one]
    assert await found("road OPEN") == [one]
    assert await found("über") == [two]
    assert await found("100%") == [two]
    assert await found("%") == [two]
    assert await found("absent") == []


async def test_a_listed_session_carries_the_sums_of_its_turns(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager)
    results = [await ask(manager, session, f"question {n}") for n in range(3)]

    for info in (await manager.sessions.load(session), (await manager.sessions.list("all"))[0]):
        assert info.turns == 3
        assert info.usage.total_tokens == sum(result.usage.total_tokens for result in results)
        assert info.cost.nano_usd == sum(result.cost.nano_usd or 0 for result in results)
    assert manager.get_session_usage(session)["total_tokens"] == info.usage.total_tokens
    with pytest.raises(UnknownSessionError):
        manager.get_session_usage("nope")


async def test_another_process_resumes_with_the_same_bytes(simulator: Simulator) -> None:
    simulator.reply_with(Answer(text="first", thinking="deep"))
    first = APISessionManager()
    session = await new_session(first, system_prompt="Be kind.")
    await ask(first, session, "one")
    await ask(first, session, "two")
    await first.aclose()

    second = APISessionManager()
    await second.sessions.load(session)
    await ask(second, session, "three")
    await second.aclose()

    before, after = simulator.requests[1].body["messages"], simulator.requests[2].body["messages"]
    assert after[: len(before)] == before
    assert simulator.requests[2].body["system"] == simulator.requests[1].body["system"]


@pytest.mark.parametrize("change", [{"model": "claude-opus-5-5"}, {"system_prompt": "Now be brief."}])
async def test_after_a_switch_the_history_stays_and_old_thinking_is_not_replayed(
    manager: APISessionManager, simulator: Simulator, change: dict[str, str]
) -> None:
    simulator.reply_with(*[Answer(text=f"answer {n}", thinking=f"thought {n}") for n in range(4)])
    session = await new_session(manager, system_prompt="Be kind.")
    await ask(manager, session, "one")

    await manager.sessions.update(session, **change)
    await ask(manager, session, "two")
    await ask(manager, session, "three")

    third = simulator.requests[2].body
    kinds = [[block["type"] for block in message["content"]] for message in third["messages"]]
    assert kinds == [["text"], ["text"], ["text"], ["thinking", "text"], ["text"]]
    assert third["model"] == change.get("model", "claude-sonnet-5-5")
    assert third["system"][0]["text"] == change.get("system_prompt", "Be kind.")


async def test_a_model_for_one_turn_leaves_the_session_on_its_own(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.reply_with(*[Answer(text=f"answer {n}", thinking=f"thought {n}") for n in range(3)])
    session = await new_session(manager)
    await ask(manager, session, "one")
    await ask(manager, session, "two", model="claude-haiku-4-5")
    await ask(manager, session, "three")

    assert [r.body["model"] for r in simulator.requests] == [
        "claude-sonnet-5-5", "claude-haiku-4-5", "claude-sonnet-5-5",
    ]  # fmt: skip
    assert "thinking" not in simulator.requests[1].body
    kinds = {
        block["type"] for message in simulator.requests[2].body["messages"] for block in message["content"]
    }
    assert kinds == {"text"}


async def test_effort_and_limits_reach_the_request(manager: APISessionManager, simulator: Simulator) -> None:
    session = await new_session(manager)
    result = await ask(manager, session, "one", effort="low", max_tokens=999_999)

    body = simulator.requests[0].body
    assert body["output_config"] == {"effort": "low"}
    assert body["max_tokens"] == 128_000
    assert "128000" in " ".join(result.notices)
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    result = await ask(manager, session, "two", model="claude-haiku-4-5", effort="low")
    assert "knows no effort" in " ".join(result.notices)
    assert "output_config" not in simulator.requests[1].body


async def test_a_wrong_model_id_is_mended_and_told(manager: APISessionManager) -> None:
    info = await manager.sessions.create(model="claude-haiku-4-5-20250124")

    assert info.model == "claude-haiku-4-5-20251001"
    assert "is used instead" in manager.take_notices()[0]
    assert manager.take_notices() == ()


async def test_update_changes_only_what_is_named(manager: APISessionManager) -> None:
    session = await new_session(manager, name="old", system_prompt="prompt")

    info = await manager.sessions.update(session, name=" new\nname ")
    assert (info.name, info.system_prompt) == ("new name", "prompt")
    assert (await manager.sessions.update(session, system_prompt="")).system_prompt is None
    for wrong in ({"name": " "}, {"name": "x" * 300}, {"model": ""}, {"system_prompt": 5}):
        with pytest.raises(BadParamsError):
            await manager.sessions.update(session, **wrong)  # type: ignore[arg-type]
    assert (await manager.sessions.load(session)).name == "new name"


async def test_a_fork_has_the_history_up_to_its_turn_and_ids_of_its_own(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.reply_with(*[Answer(text=f"answer {n}", thinking=f"thought {n}") for n in range(5)])
    session = await new_session(manager, name="origin")
    first = await ask(manager, session, "one")
    await ask(manager, session, "two")

    fork = await manager.sessions.fork(session, first.turn_id)
    await ask(manager, fork.id, "other two")

    assert fork.turns == 1
    sent = [request.body["messages"] for request in simulator.requests]
    assert sent[2][:2] == sent[1][:2]
    assert sent[2][1]["content"][0]["type"] == "thinking"
    _, turns = await manager.sessions.get(fork.id)
    assert {turn.id for turn in turns}.isdisjoint(
        {turn.id for turn in (await manager.sessions.get(session))[1]}
    )
    assert (await manager.sessions.load(session)).turns == 2
    assert (await manager.sessions.fork(session)).turns == 2
    with pytest.raises(UnknownTurnError):
        await manager.sessions.fork(session, "nope")


async def test_turns_can_be_read_from_one_on(manager: APISessionManager, simulator: Simulator) -> None:
    session = await new_session(manager)
    ids = [(await ask(manager, session, f"q{n}")).turn_id for n in range(3)]

    _, turns = await manager.sessions.get(session, ids[0])

    assert [turn.id for turn in turns] == ids[1:]
    with pytest.raises(UnknownTurnError):
        await manager.sessions.get(session, "nope")


async def test_clear_starts_afresh_and_keeps_the_old(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager, name="old", system_prompt="prompt", model="claude-opus-5-5")
    await ask(manager, session)

    fresh = await manager.sessions.clear(session)

    assert (fresh.name, fresh.turns, fresh.model, fresh.system_prompt) == (
        "New session", 0, "claude-opus-5-5", "prompt",
    )  # fmt: skip
    assert (await manager.sessions.load(session)).turns == 1


def contents_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_deleting_leaves_nothing_of_a_session_in_any_file(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    simulator.reply_with("CANARY-ANSWER " * 300)
    session = await new_session(manager, name="CANARY-NAME", system_prompt="CANARY-SYSTEM")
    other = await new_session(manager)
    await ask(manager, session, "CANARY-QUESTION " * 300)
    await ask(manager, other)

    await manager.sessions.delete(session)

    with pytest.raises(UnknownSessionError):
        await manager.sessions.load(session)
    contents = await asyncio.to_thread(contents_of, state_dir)
    assert [path for path, content in contents.items() if b"CANARY" in content] == []
    assert not [path for path in contents if session in path.name]
    assert (await manager.sessions.load(other)).turns == 1


async def test_a_busy_session_is_neither_deleted_nor_cleared(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.fail_next(Fault.stall(after_events=2))
    session = await new_session(manager)
    turn, _ = start(manager, session)
    await simulator.stalled()

    for refused in (manager.sessions.delete, manager.sessions.clear):
        with pytest.raises(SessionBusyError):
            await refused(session)
    with pytest.raises(SessionBusyError):
        await manager.retry(await _with_a_turn(manager, session), None, Listener())
    simulator.release()

    assert (await turn.result()).stop_reason == "end_turn"


async def _with_a_turn(manager: APISessionManager, session: str) -> str:
    """A busy session that has a turn to ask again."""
    fork = await manager.sessions.fork(session)
    await ask(manager, fork.id)
    manager.start_turn(fork.id, TurnRequest("x"), Listener())
    return fork.id


def recorded(turn: TurnRecord) -> dict[str, Any]:
    """A turn without the digests that only explain the cache of the next one."""
    return {name: value for name, value in asdict(turn).items() if name != "sent"}


async def test_an_export_reads_well_and_loses_nothing(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.reply_with(
        Answer(text="Use `map`.", thinking="hm"), Answer(text="cut", stop_reason="max_tokens")
    )
    session = await new_session(manager, name="A/B: test?", system_prompt="Be kind.")
    await ask(manager, session, "How?", context=(NamedText("log", "```\nx\n```"),))
    await ask(manager, session, "More")

    text, name = await manager.sessions.export(session, "markdown")
    lines = text.splitlines()
    assert name == "A-B-test.md"
    assert lines[0] == "# A/B: test?"
    assert [line for line in lines if line.startswith("## ")][1:] == [
        line for line in lines if line.startswith(("## 1.", "## 2."))
    ]
    assert "````" in text
    assert "tokens in" in text
    assert "cut off at the token limit" in text
    assert "<summary>Thinking</summary>\n\nhm\n" in text
    document, name = await manager.sessions.export(session, "json")
    assert name == "A-B-test.json"
    _, turns = await manager.sessions.get(session)
    assert json.loads(document)["turns"] == json.loads(json.dumps([recorded(turn) for turn in turns]))
    with pytest.raises(BadParamsError, match="format"):
        await manager.sessions.export(session, "pdf")  # type: ignore[arg-type]


async def test_images_come_as_objects_paths_or_mappings_and_stand_before_the_text(
    manager: APISessionManager, simulator: Simulator, tmp_path: Path
) -> None:
    path = tmp_path / "shot.png"
    await asyncio.to_thread(Image.new("RGB", (40, 30), "red").save, path)
    loaded = VisionHandler().load_image(path)
    session = await new_session(manager)

    result = await ask(
        manager,
        session,
        "look",
        images=image_sources([loaded, path, str(path), {"path": str(path)}, {"data": loaded.data}]),
        context=(WholeFile("file:///a.py", "print(1)\n", "python"),),
    )

    content = simulator.requests[0].body["messages"][0]["content"]
    assert [block["type"] for block in content] == ["image"] * 5 + ["text"] * 2
    assert content[-1]["text"] == "look"
    assert "print(1)" in content[-2]["text"]
    assert result.stop_reason == "end_turn"
    await ask(manager, session, "again")
    assert simulator.requests[1].body["messages"][0]["content"][0] == content[0]


async def test_a_bad_image_sends_nothing_and_leaves_no_trace(
    manager: APISessionManager, simulator: Simulator, tmp_path: Path
) -> None:
    session = await new_session(manager)
    bad = tmp_path / "bad.png"
    await asyncio.to_thread(bad.write_text, "no image")

    for image in (str(bad), str(tmp_path / "absent.png"), {"data": "%%%"}):
        with pytest.raises(BadImageError):
            await manager.send_message(session, "look", [image])
    for image in (5, {}, {"path": "a", "data": "b"}, {"path": 7}):
        with pytest.raises(BadParamsError, match=r"images\[0\]"):
            await manager.send_message(session, "look", [image])  # type: ignore[list-item]

    assert simulator.requests == []
    assert (await manager.sessions.load(session)).turns == 0


async def test_a_preview_names_each_block_and_sends_nothing(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager, system_prompt="Be kind. " * 400)
    await ask(manager, session, "one")
    request = TurnRequest("two", context=(NamedText("log", "line\n" * 10),))

    blocks = (await manager.foresight.preview(session, request)).pieces

    shown = [(block.kind, block.origin, block.cached) for block in blocks if block.kind != "history"]
    assert shown[:2] == [("system", "system prompt", True), ("text", "log", True)]
    assert [block[:2] for block in shown[2:]] == [("prompt", "question")]  # marked where that pays
    assert blocks[-1].text == "two"
    assert all(block.tokens > 0 for block in blocks)
    assert len(simulator.requests) == 1
    await ask(manager, session, "two", context=request.context)
    sent = simulator.requests[1].body
    flat = [*sent["system"], *[block for message in sent["messages"] for block in message["content"]]]
    for block in flat:
        block.pop("cache_control", None)
    assert [block.content_block for block in blocks] == flat
    assert [block.kind for block in (await manager.foresight.preview(None, TurnRequest("hi"))).pieces] == [
        "prompt"
    ]


async def test_long_prompts_are_cached_and_the_verdict_says_so(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager, system_prompt="Rules matter. " * 600)

    first = await ask(manager, session, "one")
    second = await ask(manager, session, "two")

    assert first.cache.written_tokens > 0
    assert second.cache.state == "hit"
    assert second.cache.read_tokens >= first.cache.written_tokens
    assert second.usage.hit_ratio > 0.8


async def test_what_does_not_fit_the_window_is_pruned_whole_and_said(
    manager: APISessionManager, simulator: Simulator
) -> None:
    simulator.reply_with(*["ok"] * 12)
    session = await new_session(manager, model="claude-haiku-4-5")
    number = 0
    while not (result := await ask(manager, session, f"{number} " + "word " * 30_000)).notices:
        number += 1
        assert number < 10

    assert "context window" in result.notices[0]
    assert number >= 2
    sent = simulator.requests[number].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant"] * (len(sent) // 2) + ["user"]
    firsts = [message["content"][0]["text"].split()[0] for message in sent[::2]]
    assert firsts == [str(n) for n in range(number - len(firsts) + 1, number + 1)]
    assert 1 < len(firsts) <= number
    assert (await ask(manager, session, "a short one")).notices == ()
    assert simulator.requests[number + 1].body["messages"][0]["content"][0]["text"].split()[0] == firsts[0]
    assert (await manager.sessions.load(session)).turns == number + 2


async def test_a_prompt_the_endpoint_finds_too_large_goes_out_once_more_with_less_history(
    manager: APISessionManager, simulator: Simulator
) -> None:
    session = await new_session(manager)
    for name in ("first", "second"):
        await ask(manager, session, f"{name} " + "word " * 3000)
    simulator.fail_next(Fault.status(400, message="prompt is too long: 1200000 tokens > 1000000 maximum"))

    result = await ask(manager, session, "third")

    assert result.stop_reason == "end_turn"
    assert "context window" in " ".join(result.notices)
    assert len(simulator.requests[3].body["messages"]) < len(simulator.requests[2].body["messages"])


async def test_histories_leave_memory_when_they_are_many_and_come_back(
    manager: APISessionManager, simulator: Simulator
) -> None:
    shelf = SessionShelf(manager._store, memory_limit=400_000)
    manager._shelf._memory_limit = 400_000
    sessions = [await new_session(manager) for _ in range(8)]
    for session in sessions:
        await ask(manager, session, "x" * 100_000)

    held = [conversation for conversation in manager._shelf._known.values() if conversation.loaded]
    assert sum(conversation.weight for conversation in held) <= 400_000
    await ask(manager, sessions[0], "again")
    assert len(simulator.requests[-1].body["messages"]) == 3
    assert (await shelf.load(sessions[1])).loaded[0].prompt_text == "x" * 100_000


async def test_a_refresh_that_comes_late_undoes_nothing(
    manager: APISessionManager, simulator: Simulator
) -> None:
    """The disk's answer was asked for before a change of ours: it is older than what memory holds."""
    session = await new_session(manager, name="old")
    manager._store.write(
        lambda c: c.execute("UPDATE sessions SET name='theirs', revision=revision+1").close()
    )
    hold = threading.Event()
    manager._store.submit(lambda _: hold.wait(20))
    loading = asyncio.create_task(manager.sessions.load(session))
    await asyncio.sleep(0)
    conversation = manager._shelf.at_once(session)
    conversation.change(name="ours", model=None, system_prompt=None, at=1.0)

    hold.set()

    assert (await loading).name == "ours"


async def test_a_store_that_vanishes_under_a_running_session_is_made_anew_with_it(
    manager: APISessionManager, simulator: Simulator, state_dir: Path
) -> None:
    session = await new_session(manager)
    await ask(manager, session, "one")
    await asyncio.to_thread((state_dir / "sessions.sqlite3").unlink)

    assert (await ask(manager, session, "two")).notices == ()

    with closing(sqlite3.connect(state_dir / "sessions.sqlite3")) as connection:
        rows = connection.execute("SELECT prompt_text FROM turns ORDER BY seq").fetchall()
    assert rows == [("one",), ("two",)]


async def test_what_is_told_in_debug_logs_holds_no_question(
    manager: APISessionManager, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    simulator.reply_with("CANARY-ANSWER")
    simulator.fail_next(Fault.status(529, retry_after=0))
    asyncio.get_running_loop().set_debug(True)
    asyncio.get_running_loop().slow_callback_duration = 0.0

    await ask(manager, await new_session(manager, system_prompt="CANARY-SYSTEM"), "CANARY-QUESTION")

    assert "CANARY" not in caplog.text
    assert "sk-test-key" not in caplog.text
