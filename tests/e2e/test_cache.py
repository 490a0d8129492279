"""What the prompt cache did for each turn, told by the real server: its cause, its money, and both after a restart.

The simulator and the server share a clock that these tests move on.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault, Simulator, simulator_in_thread
from cmt_lsp.simulator.dialects import DIALECTS, Dialect

from .conftest import close
from .editor import CANARY, SLOW, Editor

ON_THIS_CLOCK = """
import sys, time
from pathlib import Path
real, ahead = time.time, Path(sys.argv.pop())
time.time = lambda: real() + float(ahead.read_text())
from cmt_lsp.server import app
sys.exit(app.main())
"""
RULES = "Rules matter, and they are long. " * 300
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

Cache = dict[str, Any]


class Room:
    """A simulator and windows on one state folder, all on one clock."""

    def __init__(self, world: Path, stack: ExitStack, dialect: str | Dialect) -> None:
        self._world, self._stack = world, stack
        self._ahead = world / "ahead"
        self._sessions = 0
        self.skip(0)
        self.sim: Simulator = stack.enter_context(
            simulator_in_thread(api_key=CANARY, dialect=dialect, clock=self._now)
        )
        self.window = self.open()

    def _now(self) -> float:
        return time.time() + self._seconds

    def skip(self, seconds: float) -> None:
        """Let so much time have passed in all."""
        self._seconds = seconds
        part = self._ahead.with_suffix(".new")
        part.write_text(str(seconds))
        part.replace(self._ahead)

    def wait(self, seconds: float) -> None:
        """Let more time pass."""
        self.skip(self._seconds + seconds)

    def open(self) -> Editor:
        """Another window."""
        command = [sys.executable, "-P", "-c", ON_THIS_CLOCK, str(self._ahead)]
        self.window = self._stack.enter_context(Editor(self._world, self.sim.base_url, command=command))
        self.window.open()
        return self.window

    def restart(self) -> None:
        """Close the window and open another one."""
        close(self.window)
        self.open()

    def set(self, **options: Any) -> None:
        """Change the editor's options; none: as they were."""
        self.window.notify("workspace/didChangeConfiguration", {"settings": {"cmt": options}})

    def ask(self, session: str, text: str = "and now?", **more: Any) -> Cache:
        """The verdict of one question, the same in the answer and in the record."""
        result = self.window.chat(text, sessionId=session, **more)
        recorded = self.window.turns(session)[-1]["cache"]
        assert recorded == result["cache"]
        cache: Cache = recorded
        return cache

    def session(self, **more: Any) -> str:
        """A session whose prompt is worth caching, and that shares nothing with others."""
        self._sessions += 1
        return self.window.session(**{"systemPrompt": f"{self._sessions}. {RULES}", **more})

    def begun(self, **more: Any) -> str:
        """A session with two turns, the second of which read all that the first left."""
        session = self.session(**more)
        assert told(self.ask(session, "one " * 300)) == ("miss", "first request in this session")
        assert told(self.ask(session, "two")) == ("hit", None)
        return session


def told(cache: Cache) -> tuple[str, str | None]:
    return cache["state"], cache.get("cause")


@pytest.fixture(scope="module")
def make_room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Room]]:
    with ExitStack() as stack:
        rooms: list[Room] = []

        def make(dialect: str | Dialect = "anthropic") -> Room:
            rooms.append(Room(tmp_path_factory.mktemp("world"), stack, dialect))
            return rooms[-1]

        yield make
        for room in rooms:
            close(room.window)


@pytest.fixture(scope="module")
def room(make_room: Callable[..., Room]) -> Room:
    return make_room()


# One server, a session for each cause


def test_a_hit_says_what_it_read_saved_and_when_it_ends(room: Room) -> None:
    session = room.begun()
    cache = room.ask(session)
    assert told(cache) == ("hit", None)
    assert cache["readTokens"] == cache["expectedTokens"] > 2000
    assert cache["written5mTokens"] + cache["written1hTokens"] == cache["writtenTokens"]
    assert cache["savedNanoUsd"] > 0 == cache["lostNanoUsd"]
    assert "five minutes" in cache["reason"]
    assert cache["expiresAt"].endswith("Z")
    assert "toldCause" not in cache


def test_another_model(room: Room) -> None:
    session = room.begun()
    room.window.result("cmt/session/update", {"sessionId": session, "model": "claude-haiku-5-5"})
    cache = room.ask(session)
    assert told(cache) == ("miss", "model changed")
    assert cache["lostNanoUsd"] > 0


def test_another_system_prompt(room: Room) -> None:
    session = room.begun()
    room.window.result("cmt/session/update", {"sessionId": session, "systemPrompt": "Be kind. " * 400})
    assert told(room.ask(session)) == ("miss", "system prompt changed")


def test_another_effort_counts_on_older_models_only(room: Room) -> None:
    old, new = room.begun(model="claude-sonnet-4-6"), room.begun(model="claude-sonnet-5-5")
    assert told(room.ask(old, effort="low")) == ("partial", "settings changed")
    assert told(room.ask(new, effort="low")) == ("hit", None)


def test_the_first_image(room: Room) -> None:
    session = room.begun()
    image = [{"data": PIXEL, "mediaType": "image/png"}]
    assert told(room.ask(session, images=image)) == ("partial", "first image added")
    assert told(room.ask(session)) == ("hit", None)


def test_asking_again_reads_all_that_was_asked(room: Room) -> None:
    session = room.begun()
    again = room.window.result("cmt/retry", {"sessionId": session})
    assert told(again["cache"]) == ("hit", None)
    assert told(room.ask(session)) == ("hit", None)


def test_a_fork_reads_what_the_session_left_up_to_there(room: Room) -> None:
    session = room.begun()
    first = room.window.turns(session)[0]["turnId"]
    fork = room.window.result("cmt/session/fork", {"sessionId": session, "turnId": first})["id"]
    assert told(room.ask(fork, "another second question")) == ("hit", None)


def test_a_pruned_history(room: Room) -> None:
    """The endpoint finds the prompt too long, and the oldest turns are left out."""
    session = room.begun()
    for _ in range(3):
        room.ask(session, "more " * 400)
    room.sim.fail_next(Fault.status(400, message="prompt is too long: 300000 tokens > 200000 maximum"))
    assert told(room.ask(session)) == ("partial", "history changed")


@pytest.mark.parametrize(("wait", "least"), [(310, 310), (4000, 4000)])
def test_what_idled_too_long_expired(room: Room, wait: int, least: int) -> None:
    session = room.begun()
    room.wait(wait)
    state, cause = told(room.ask(session))
    idle = re.fullmatch(r"expired \(idle (\d+) s\)", cause or "")
    assert idle is not None
    assert least <= int(idle[1]) < least + 60
    assert state == "miss" if wait > 3600 else state in ("partial", "miss")


def test_a_prompt_below_the_minimum(room: Room) -> None:
    session = room.window.session()
    cache = room.ask(session, "hi")
    assert cache["state"] == "below-minimum"
    assert cache["readTokens"] == cache["writtenTokens"] == 0
    assert "expiresAt" not in cache


def test_the_session_after_one_that_cached_nothing(room: Room) -> None:
    session = room.window.session()
    room.ask(session, "hi")
    assert told(room.ask(session, "long " * 3000)) == ("miss", "the earlier request cached nothing")


def test_what_the_endpoint_forgot_is_its_own_doing(room: Room) -> None:
    session = room.begun()
    room.sim.cache.clear()
    cache = room.ask(session)
    assert told(cache) == ("miss", "unknown")
    assert cache["expectedTokens"] > cache["readTokens"] == 0 < cache["lostNanoUsd"]


def test_the_endpoints_own_word_counts_where_ours_is_unknown_and_stands_beside_it_elsewhere(
    room: Room,
) -> None:
    session = room.begun()
    room.sim.cache.clear()
    room.sim.reply_with(Answer(text="yes", miss_reason="tools_changed"))
    assert told(room.ask(session)) == ("miss", "tools changed")
    room.window.result("cmt/session/update", {"sessionId": session, "systemPrompt": "Be brief. " * 400})
    room.sim.reply_with(Answer(text="yes", miss_reason="model_changed"))
    cache = room.ask(session)
    assert (cache["cause"], cache["toldCause"]) == ("system prompt changed", "model changed")


@pytest.mark.parametrize(
    ("usage", "states"),
    [
        ({"cache_read_input_tokens": -5}, {"miss"}),
        ({"cache_read_input_tokens": "many"}, {"miss"}),
        ({"cache_read_input_tokens": 10**12}, {"miss"}),
        ({"cache_read_input_tokens": 1.5, "cache_creation": "odd"}, {"miss"}),
        ({"cache_read_input_tokens": None, "cache_creation_input_tokens": None, "cache_creation": None}, {"miss"}),
        ({"input_tokens": None, "cache_read_input_tokens": 9000}, {"hit"}),
    ],
)  # fmt: skip
def test_odd_numbers_are_a_stated_cause_and_no_invention(
    room: Room, usage: dict[str, Any], states: set[str]
) -> None:
    session = room.begun()
    room.sim.reply_with(Answer(text="yes", usage=usage))
    cache = room.ask(session)
    assert cache["state"] in states
    assert cache["state"] == "hit" or cache["cause"]
    assert 0 <= cache["hitRatio"] <= 1
    assert min(cache["readTokens"], cache["writtenTokens"], cache["written5mTokens"]) >= 0


def test_a_stopped_turn_is_judged_by_what_was_told_and_the_next_one_reads_what_it_left(room: Room) -> None:
    session = room.begun()
    room.sim.reply_with(SLOW)
    room.sim.fail_next(Fault.stall(after_events=12))
    stream = room.window.streaming_chat("a long one", sessionId=session)
    stream.first_text()
    room.window.result("cmt/cancel", {"sessionId": session})
    stopped = stream.result()
    room.sim.release()
    assert stopped["stopReason"] == "cancelled"
    assert told(stopped["cache"]) == ("hit", None)
    assert told(room.ask(session)) == ("hit", None)


def test_models_that_are_compared_have_a_verdict_each_and_the_chosen_one_is_gone_on_from(room: Room) -> None:
    session = room.begun()
    models = ["claude-opus-5-5", "claude-haiku-5-5"]
    room.window.result("cmt/session/update", {"sessionId": session, "model": models[0]})
    room.ask(session)
    compared = room.window.result(
        "cmt/compare", {"text": "which?", "sessionId": session, "models": models}, 30
    )
    causes = [told(row["cache"]) for row in compared["rows"]]
    assert causes == [("hit", None), ("miss", "model changed")]
    chosen = {"sessionId": session, "compareId": compared["compareId"], "model": models[1]}
    room.window.result("cmt/compare/choose", chosen)
    room.restart()
    cache = room.ask(session, model=models[1])
    assert (told(cache), cache["readTokens"]) == (("hit", None), cache["expectedTokens"])


# A new process


def test_a_restarted_window_knows_that_what_its_session_left_is_still_there(room: Room) -> None:
    """It is foreseen before, and read to the token."""
    session = room.begun()
    room.restart()
    predicted = room.window.result("cmt/predict", {"sessionId": session, "text": "and now?"})
    assert predicted["cacheState"] == "warm"
    cache = room.ask(session)
    assert told(cache) == ("hit", None)
    assert cache["readTokens"] == cache["expectedTokens"] > 0


def test_a_restarted_window_knows_why_it_misses(room: Room) -> None:
    sessions = [room.begun() for _ in range(3)]
    room.restart()
    room.window.result("cmt/session/update", {"sessionId": sessions[0], "systemPrompt": "Be wise. " * 400})
    assert told(room.ask(sessions[0])) == ("miss", "system prompt changed")
    assert told(room.ask(sessions[1], model="claude-haiku-5-5")) == ("miss", "model changed")
    room.wait(400)
    predicted = room.window.result("cmt/predict", {"sessionId": sessions[2], "text": "and now?"})
    assert predicted["cacheState"] != "warm"
    state, cause = told(room.ask(sessions[2]))
    assert (state in ("partial", "miss"), (cause or "")[:13]) == (True, "expired (idle")


def test_two_windows_take_turns_in_one_session(room: Room) -> None:
    session = room.begun()
    first = room.window
    room.open()
    assert told(room.ask(session, "from the second window")) == ("hit", None)
    second, room.window = room.window, first
    cache = room.ask(session, "from the first again")
    assert told(cache) == ("hit", None)
    assert cache["readTokens"] == cache["expectedTokens"]
    close(second)


# Settings


def test_caching_switched_off_is_off_and_a_forced_lifetime_holds(room: Room) -> None:
    session = room.begun()
    room.set(promptCache="1h")
    room.ask(session, "for an hour")
    cache = room.ask(session, "more " * 300)
    assert cache["written1hTokens"] == cache["writtenTokens"] > 0
    assert cache["reason"] == "an hour, as asked"
    room.wait(400)
    assert told(room.ask(session)) == ("hit", None)
    room.set(promptCache="off")
    cache = room.ask(session)
    assert (told(cache), cache["reason"]) == (("off", None), "caching is off")
    assert "cache_control" not in str(room.sim.requests[-1].body)
    room.set(promptCache="1h", promptCaching=False)
    assert told(room.ask(session)) == ("off", None)
    room.set()


# Other endpoints


STRICT = replace(DIALECTS["anthropic"], name="strict")


def diagnosed(sim: Simulator) -> list[bool]:
    """Of each message request, whether it asked why the cache was missed."""
    return ["diagnostics" in r.body for r in sim.requests if r.path == "/v1/messages"]


def test_an_endpoint_that_shows_the_field_is_asked_from_then_on(make_room: Callable[..., Room]) -> None:
    room = make_room()
    session = room.begun()
    room.ask(session)
    assert diagnosed(room.sim) == [False, True, True]
    named = [
        r.body["diagnostics"]["previous_message_id"] for r in room.sim.requests if "diagnostics" in r.body
    ]
    assert named == [r.message_id for r in room.sim.requests if r.path == "/v1/messages"][:2]
    room.sim.fail_next(Fault.status(400, message="output_config: Extra inputs are not permitted"))
    refused = room.window.refused("cmt/chat", {"text": "x", "sessionId": session})
    assert refused["data"]["kind"] == "invalid_request"


def test_an_endpoint_that_refuses_the_field_loses_no_turn_and_is_not_asked_again(
    make_room: Callable[..., Room],
) -> None:
    """The refused attempt is booked and free; a real refusal still is one."""
    room = make_room(replace(STRICT, diagnostics="refused"))
    session = room.begun()
    assert told(room.ask(session)) == ("hit", None)
    assert diagnosed(room.sim) == [False, True, False, False]
    turns = room.window.turns(session)
    booked = room.window.result("cmt/usage", {"scope": "session", "id": session})["totals"]
    assert booked["cost"]["nanoUsd"] == sum(turn["cost"]["nanoUsd"] for turn in turns)
    assert booked["usage"]["totalInputTokens"] == sum(turn["usage"]["totalInputTokens"] for turn in turns)
    room.sim.fail_next(Fault.status(400))
    assert (
        room.window.refused("cmt/chat", {"text": "x", "sessionId": session})["data"]["kind"]
        == "invalid_request"
    )


def lifetimes_with_long_pauses(room: Room, session: str) -> set[str]:
    """All that are asked for in a chat whose questions come every 25 minutes."""
    for _ in range(10):
        room.wait(1500)
        room.ask(session, "and now, after a while?")
    bodies = [str(request.body) for request in room.sim.requests[-10:]]
    return {found for body in bodies for found in re.findall(r"'ttl': '(\w+)'", body)}


def test_an_endpoint_that_tells_lifetimes_apart_is_asked_for_an_hour_where_that_pays(room: Room) -> None:
    """What it keeps for an hour is foreseen by the next process too."""
    session = room.begun()
    assert "1h" in lifetimes_with_long_pauses(room, session)
    room.restart()
    room.wait(1500)
    cache = room.ask(session, "after a restart")
    assert cache["readTokens"] == cache["expectedTokens"] > 1000


def test_an_endpoint_that_ignores_the_field_is_never_asked(make_room: Callable[..., Room]) -> None:
    """Nor is one for an hour, as this one does not tell such writes from others."""
    room = make_room(
        replace(
            STRICT,
            diagnostics="ignored",
            cache_fields=("cache_creation_input_tokens", "cache_read_input_tokens"),
        )
    )
    session = room.begun()
    assert diagnosed(room.sim) == [False, False]
    assert not lifetimes_with_long_pauses(room, session) & {"1h"}


def test_an_endpoint_that_takes_no_marks_reports_no_caching(make_room: Callable[..., Room]) -> None:
    room = make_room(replace(STRICT, caching="none"))
    session = room.session()
    for _ in range(2):
        cache = room.ask(session)
        assert told(cache) == ("miss", "the endpoint reports no caching")
        assert "expiresAt" not in cache
        assert cache["savedNanoUsd"] == 0


@pytest.mark.parametrize("dialect", ["ollama", "llamacpp"])
def test_servers_that_know_no_caching_or_their_own(dialect: str, make_room: Callable[..., Room]) -> None:
    """What they read by themselves is told; nothing is said of lifetimes that nobody knows."""
    room = make_room(dialect)
    session = room.session(model="gpt-oss-20b")
    first, second = room.ask(session), room.ask(session)
    assert told(first)[1] in ("the endpoint reports no caching", "no usage was reported")
    assert "expiresAt" not in first
    assert "expiresAt" not in second
    assert second["state"] == ("hit" if dialect == "llamacpp" else "miss")
    assert '"ttl"' not in str(room.sim.requests[-1].body)
