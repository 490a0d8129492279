"""`cmt/cache/stats`, `cmt/cache/advice`, the warmth in `cmt/status` and the price of a switch, over the real pipe.

Advice is also followed: the same questions asked again as it says cost what it promised, within a tenth.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.core import APISessionManager
from cmt_lsp.core.cache.suggestion import Suggestion
from cmt_lsp.core.cache.warmth import Warmth
from cmt_lsp.core.settings import Settings
from cmt_lsp.server import wire
from cmt_lsp.server.window.status import WindowStatus
from cmt_lsp.simulator import simulator_in_thread

from .conftest import Shared
from .editor import Editor

RULES = "Follow the rule. " * 2000
"""A system prompt of about eight thousand tokens."""
OPUS = "claude-opus-5-5"


@pytest.fixture
def editor(shared_window: Shared) -> Editor:
    """The module's window, in a session of the test's own."""
    shared_window.editor.session()
    return shared_window.editor


def asked(editor: Editor, count: int = 2, **session: Any) -> tuple[str, list[dict[str, Any]]]:
    """A session with long instructions and so many answered questions."""
    made = editor.session(systemPrompt=f"{time.monotonic()} {RULES}", **session)
    return made, [editor.chat(f"question {n}") for n in range(count)]


# --- stats


def test_stats_of_a_session_add_up_to_its_turns(editor: Editor) -> None:
    session, turns = asked(editor, 3)

    stats = editor.result("cmt/cache/stats", {"sessionId": session})

    usages = [turn["usage"] for turn in turns]
    assert stats["turns"] == {"hit": 2, "partial": 0, "miss": 1, "off": 0, "belowMinimum": 0}
    assert stats["readTokens"] == sum(usage["cacheReadInputTokens"] for usage in usages) > 0
    assert stats["written5mTokens"] == sum(usage["cacheCreation5mInputTokens"] for usage in usages)
    assert stats["savedNanoUsd"] == sum(turn["cost"]["savedNanoUsd"] for turn in turns)
    assert stats["hitRatio"] == pytest.approx(
        stats["readTokens"] / sum(usage["totalInputTokens"] for usage in usages), abs=1e-4
    )
    assert stats["causes"] == [
        {"cause": "first request in this session", "turns": 1, "lostNanoUsd": 0, "unpricedTurns": 0}
    ]
    assert "lastMiss" not in stats
    (warm,) = stats["warm"]
    assert warm["expiresAt"] == turns[-1]["cache"]["expiresAt"]
    assert 250 < warm["secondsLeft"] <= 300


def test_without_an_id_the_current_session_is_meant_and_all_holds_it(editor: Editor) -> None:
    session, _ = asked(editor)

    current = editor.result("cmt/cache/stats", {})
    everything = editor.result("cmt/cache/stats", {"scope": "all"})
    window = editor.result("cmt/cache/stats", {"scope": "window"})

    assert (current["scope"], current["sessionId"]) == ("session", session)
    assert everything["readTokens"] >= window["readTokens"] >= current["readTokens"] > 0
    assert session in [warm["sessionId"] for warm in everything["warm"]]


def test_a_session_without_a_turn_has_stats_and_no_advice(editor: Editor) -> None:
    assert editor.result("cmt/cache/stats", {})["text"] == "No question was answered yet."
    advice = editor.result("cmt/cache/advice", {})
    assert advice["suggestions"] == []
    assert "no question was answered" in advice["reason"]


def test_an_unknown_session_and_an_id_beside_a_scope_are_refused(editor: Editor) -> None:
    assert editor.refused("cmt/cache/stats", {"sessionId": "nope"})["data"]["kind"] == "unknown_session"
    both = editor.refused("cmt/cache/advice", {"sessionId": "x", "scope": "all"})
    assert both["data"]["kind"] == "bad_params"
    assert "$.sessionId" in both["message"]


def test_a_change_of_the_system_prompt_is_the_last_miss_and_its_advice_can_be_carried_out(
    editor: Editor,
) -> None:
    """The command of the suggestion, sent as it came, takes the date out of the session's system prompt."""
    session, _ = asked(editor)
    dated = f"Today is 2026-11-22. {RULES}"
    editor.result("cmt/session/update", {"sessionId": session, "systemPrompt": dated})
    missed = editor.chat("and now?")

    last = editor.result("cmt/cache/stats", {"sessionId": session})["lastMiss"]
    (suggestion,) = editor.result("cmt/cache/advice", {"sessionId": session})["suggestions"]
    act = suggestion["command"]
    changed = editor.result("workspace/executeCommand", {k: act[k] for k in ("command", "arguments")})

    assert (last["turnId"], last["cause"]) == (missed["turnId"], "system prompt changed")
    assert last["lostNanoUsd"] == suggestion["valueNanoUsd"] > 10_000_000
    assert changed["systemPrompt"] == RULES.strip()


def test_an_edited_pinned_file_is_advised_on_and_unpinned_by_the_command(editor: Editor) -> None:
    file = editor.world / "pinned.py"
    file.write_text("x = 1\n")
    session = editor.session(pinned=[{"kind": "file", "uri": file.as_uri()}])
    editor.chat(f"{time.monotonic()} {RULES}")
    file.write_text("x = 2\n")
    missed = editor.chat("and now?")

    assert missed["cache"]["cause"] == "pinned context changed"
    (suggestion,) = editor.result("cmt/cache/advice", {"sessionId": session})["suggestions"]
    act = suggestion["command"]
    changed = editor.result("workspace/executeCommand", {k: act[k] for k in ("command", "arguments")})

    assert suggestion["kind"] == "pinned"
    assert 10_000_000 < suggestion["valueNanoUsd"] < missed["cache"]["lostNanoUsd"]
    assert not changed.get("pinned")


# --- the price of a switch


def test_a_switch_costs_what_the_list_of_models_and_the_notice_said(editor: Editor) -> None:
    session, _ = asked(editor)
    models = editor.result("cmt/models", {"sessionId": session})["models"]
    opus = next(model for model in models if model["id"] == OPUS)
    mine = next(model for model in models if model["id"] == editor.chat("and?")["model"])

    changed = editor.result("cmt/session/update", {"sessionId": session, "model": OPUS})
    turn = editor.chat("?")

    price = opus["prices"][0]
    paid = turn["usage"]["cacheCreation5mInputTokens"] * price["write5m"]
    assert opus["switch"]["coldNanoUsd"] == pytest.approx(paid, rel=0.1)
    assert opus["switch"]["differenceNanoUsd"] > 0
    assert mine["switch"]["differenceNanoUsd"] == 0
    assert "Losing the cache costs $" in opus["switch"]["note"]
    assert OPUS in changed["notices"][0]
    assert "switch" not in editor.result("cmt/models", {})["models"][0]
    assert "notices" not in editor.result("cmt/session/update", {"sessionId": session, "name": "x"})


# --- the status


def test_the_status_says_until_when_it_is_warm_and_what_losing_it_costs(editor: Editor) -> None:
    session, turns = asked(editor)

    status = editor.idle_status(lambda s: "warmth" in s and s["session"]["id"] == session)

    (warm,) = editor.result("cmt/cache/stats", {})["warm"]
    assert status["warmth"] == {
        "state": "warm",
        "model": turns[-1]["model"],
        "tokens": warm["tokens"],
        "expiresAt": turns[-1]["cache"]["expiresAt"],
        "coldCostNanoUsd": warm["coldCostNanoUsd"],
    }
    assert status["text"]["short"].endswith(" · warm")
    assert " · warm until " in status["text"]["medium"]
    assert ", then +$0.0" in status["text"]["long"]


def test_a_session_with_pins_is_warm_as_well(editor: Editor) -> None:
    note = {"kind": "text", "title": "rules", "text": RULES}
    session = editor.session(pinned=[note])
    editor.chat("what do the rules say?")

    (warm,) = editor.result("cmt/cache/stats", {"sessionId": session})["warm"]
    assert warm["tokens"] > 5_000

    editor.result("cmt/session/update", {"sessionId": session, "unpin": ["rules"]})
    assert editor.result("cmt/cache/stats", {"sessionId": session})["warm"] == []


def test_a_new_session_is_neither_warm_nor_cold(editor: Editor) -> None:
    asked(editor)
    fresh = editor.session()

    status = editor.idle_status(lambda s: s["session"]["id"] == fresh)

    assert "warmth" not in status
    assert "warm" not in status["text"]["long"]


async def test_when_it_goes_cold_one_more_status_says_so() -> None:
    """And with it nothing claims warmth any more; no status comes in between, nor after."""
    sent: list[wire.Status] = []
    cold = asyncio.Event()

    def publish(status: wire.Status) -> None:
        sent.append(status)
        if status.warmth is not None and status.warmth.state == "cold":
            cold.set()

    status = WindowStatus(publish)
    status.session_is(None, Warmth("s", OPUS, 10_000, time.time() + 0.5, 48_000_000))
    async with asyncio.timeout(5):
        await cold.wait()

    assert [one.warmth.state for one in sent if one.warmth] == ["warm", "cold"]
    assert sent[0].text.short.endswith("warm")
    assert sent[1].text.short.endswith("cold")
    assert "cache cold, +$0.0480" in sent[1].text.long


async def test_after_a_clock_that_jumped_the_snapshot_tells_the_truth() -> None:
    now = [1_000.0]
    status = WindowStatus(lambda _: None, lambda: now[0])
    status.session_is(None, Warmth("s", OPUS, 10_000, 1_300.0, None))
    assert status.snapshot().text.medium.count("warm until") == 1

    now[0] = 1_300.0

    told = status.snapshot()
    assert told.warmth is not None
    assert told.warmth.state == "cold"
    assert told.text.long.endswith("cache cold · window $0.0000 · today $0.0000")


# --- following the advice


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def world(
    clock: Clock, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Any]]:
    """Managers on one endpoint and one clock; made with the settings that are given."""
    made: list[APISessionManager] = []
    with simulator_in_thread(clock=clock) as sim:
        monkeypatch.setenv("CMT_STATE_DIR", str(folder))
        monkeypatch.setenv("ANTHROPIC_BASE_URL", sim.base_url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")

        async def run(
            pause: float, *, refresh_after: float = 0, **settings: Any
        ) -> tuple[int, Suggestion | None]:
            """Ask six questions at this pace; what they cost, and the best suggestion that follows from it.

            `refresh_after` seconds the cache is refreshed, as the keeper does it.
            """
            sim.cache.clear()
            sim.reply_with(*[f"answer {n} " * 60 for n in range(6)])
            manager = APISessionManager(settings=Settings(**settings), clock=clock)
            made.append(manager)
            session = manager.create_session(system_prompt=RULES)
            for n in range(6):
                await manager.send_message(session, f"question {n} " * 100)
                clock.now += refresh_after
                if refresh_after:
                    assert (await (await manager.warming.start(session)).result()).state == "refreshed"
                clock.now += pause - refresh_after
            told = await manager.cache_report.advice("session", session)
            cost = (await manager.sessions.load(session)).cost.nano_usd
            assert cost is not None
            return cost, next(iter(told.advice.suggestions), None)

        yield run
        for manager in made:
            await manager.aclose()


async def test_stats_name_what_is_warm_until_its_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    async with world(clock, tmp_path, monkeypatch) as run:
        await run(60.0)
        manager = APISessionManager(clock=clock)
        (warm,) = (await manager.cache_report.stats("all")).warm
        clock.now = warm.expires_at - 0.001
        assert (await manager.cache_report.stats("all")).warm == (warm,)

        clock.now = warm.expires_at

        assert (await manager.cache_report.stats("all")).warm == ()
        told = await manager.cache_report.warmth(warm.session_id)
        assert told is not None
        assert not told.is_warm(clock.now)
        await manager.aclose()


@pytest.mark.parametrize(
    ("rule", "pause", "before", "after"),
    [
        ("caching-off", 60.0, {"prompt_caching": False}, {"prompt_caching": True}),
        ("lifetime", 1_200.0, {"prompt_cache": "5m"}, {"prompt_cache": "1h"}),
        ("lifetime", 60.0, {"prompt_cache": "1h"}, {"prompt_cache": "5m"}),
        ("keep-warm", 360.0, {"prompt_cache": "5m"}, {"prompt_cache": "5m", "refresh_after": 270.0}),
    ],
)
async def test_who_follows_the_advice_saves_what_it_promised(
    rule: str,
    pause: float,
    before: dict[str, Any],
    after: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world(Clock(), tmp_path, monkeypatch) as run:
        paid, suggestion = await run(pause, **before)
        cheaper, _ = await run(pause, **after)

    assert suggestion is not None
    assert suggestion.rule == rule
    assert suggestion.value_nano == pytest.approx(paid - cheaper, rel=0.1)
