"""Sessions through the wire: made, listed, renamed, forked, cleared, exported, deleted; kept over a restart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cmt_lsp.simulator import Answer, Fault, Simulator

from .conftest import MakeEditor, Shared
from .editor import Editor


@pytest.fixture
def window(shared_window: Shared) -> Shared:
    """The module's window, in a session of the test's own."""
    shared_window.editor.session()
    return shared_window


def talk(window: Shared, *answers: str, **params: Any) -> str:
    """A session with some turns."""
    session = window.editor.session(**params)
    for number, answer in enumerate(answers):
        window.sim.reply_with(answer)
        window.editor.chat(f"question {number}", sessionId=session)
    return session


def test_chats_without_a_session_go_to_the_current_one(make_editor: MakeEditor) -> None:
    """Made on first use, by two questions at once too; create, get, fork and clear move it."""
    editor = make_editor()
    editor.open()
    both = [
        editor.ask("cmt/preview", {"text": "a"}),
        editor.ask("cmt/chat", {"text": "a"}),
        editor.ask("cmt/chat", {"text": "b"}),
    ]
    answers = [editor.answer(request, 30) for request in both[1:]]
    first = next(a["result"]["sessionId"] for a in answers if "result" in a)
    assert all(
        a.get("error", {"data": {"kind": "session_busy"}})["data"]["kind"] == "session_busy" for a in answers
    )
    listed = editor.result("cmt/session/list", {"scope": "window"})["sessions"]
    assert [s["id"] for s in listed] == [first]
    second = editor.session()
    assert editor.chat("c")["sessionId"] == second
    editor.result("cmt/session/get", {"sessionId": first})
    assert editor.chat("d")["sessionId"] == first
    third = editor.result("cmt/session/fork", {"sessionId": first})["id"]
    assert editor.chat("e")["sessionId"] == third
    fourth = editor.result("cmt/session/clear", {"sessionId": third})["id"]
    assert editor.chat("f")["sessionId"] == fourth
    editor.result("cmt/session/delete", {"sessionId": fourth})
    assert editor.chat("g")["sessionId"] not in (first, second, third, fourth)


def test_a_long_session_is_read_page_by_page(window: Shared) -> None:
    """From its end backwards; each page tells how much is left before it."""
    session = talk(window, *"abcde")
    ids = [turn["turnId"] for turn in window.editor.turns(session)]

    def page(**params: Any) -> tuple[list[str], int]:
        got = window.editor.result("cmt/session/get", {"sessionId": session, **params})
        assert "running" not in got
        return [turn["turnId"] for turn in got["turns"]], got["earlier"]

    assert page() == (ids, 0)
    assert page(last=2) == (ids[3:], 3)
    assert page(last=2, before=ids[3]) == (ids[1:3], 1)
    assert page(last=2, before=ids[1]) == (ids[:1], 0)
    assert page(fromTurn=ids[0], before=ids[3]) == (ids[1:3], 1)
    assert page(fromTurn=ids[3], before=ids[1]) == ([], 1)
    refused = window.editor.refused("cmt/session/get", {"sessionId": session, "last": 0})
    assert refused["message"] == "$.last must be at least 1."


def test_a_session_that_is_opened_midway_tells_the_answer_so_far(window: Shared) -> None:
    """Whoever comes later has all that was told, and knows by its offset which value comes next."""
    session = talk(window)
    window.sim.reply_with(Answer(text="one two three four five six", thinking="Hm."))
    window.sim.fail_next(Fault.stall(after_events=10))
    stream = window.editor.streaming_chat("Count", sessionId=session)
    stream.first_text()
    got = window.editor.result("cmt/session/get", {"sessionId": session})
    (running,) = got["running"]
    told = {kind: [v for v in stream.values if v["kind"] == kind] for kind in ("thinking", "text")}
    assert got["turns"] == []
    assert running["turnId"] == stream.started()["turnId"]
    assert (running["question"], running["phase"]) == ("Count", "streaming")
    for kind, values in told.items():
        pieces = [running[kind][v["offset"] : v["offset"] + len(v["text"])] for v in values]
        assert pieces == [v["text"] for v in values] != []
    window.editor.result("cmt/cancel", {})
    stream.result()
    got = window.editor.result("cmt/session/get", {"sessionId": session})
    assert "running" not in got
    assert len(got["turns"]) == 1


def test_a_session_is_named_by_its_first_question(window: Shared) -> None:
    """Until somebody names it."""
    session = talk(window, "x")
    found = window.editor.result("cmt/session/get", {"sessionId": session})["session"]
    assert found["name"] == "question 0"
    named = talk(window, "x", name="Mine")
    assert window.editor.result("cmt/session/get", {"sessionId": named})["session"]["name"] == "Mine"


def test_a_restart_keeps_everything(make_editor: MakeEditor, sim: Simulator) -> None:
    """The next window finds the same sessions, turns, sums and history."""
    before = make_editor()
    before.open(rootUri=before.world.as_uri())
    session = before.session(systemPrompt="Be brief.")
    sim.reply_with("one", "two")
    before.chat("first", 30, sessionId=session)
    before.chat("second", sessionId=session)
    held = before.result("cmt/session/get", {"sessionId": session})
    before.leave()
    after = make_editor()
    after.open(rootUri=after.world.as_uri())
    listed = after.result("cmt/session/list", {})["sessions"]
    assert [s["id"] for s in listed] == [session]
    assert after.result("cmt/session/get", {"sessionId": session}) == held
    after.chat("third", 30, sessionId=session)
    body = sim.requests[-1].body
    assert [m["role"] for m in body["messages"]] == ["user", "assistant"] * 2 + ["user"]
    assert "Be brief." in str(body["system"])


def test_listing_by_scope_and_by_text(window: Shared) -> None:
    """Window and all; names and texts are searched, wildcards are plain characters."""
    editor = window.editor
    needle = talk(window, "the haystack holds a 100%_needle")
    for query in ("100%_needle", "HAYSTACK", "question 0"):
        found = editor.result("cmt/session/list", {"scope": "all", "query": query})["sessions"]
        assert needle in [s["id"] for s in found], query
    for query in ("100%needle", "%", "_n_", "no such words"):
        found = editor.result("cmt/session/list", {"scope": "all", "query": query})["sessions"]
        assert (needle in [s["id"] for s in found]) == (query == "%"), query


def test_only_new_turns_are_asked_for(window: Shared) -> None:
    """`fromTurn` answers what came after it."""
    session = talk(window, "a", "b", "c")
    turns = window.editor.turns(session)
    assert [t["index"] for t in turns] == [0, 1, 2]
    later = window.editor.result("cmt/session/get", {"sessionId": session, "fromTurn": turns[0]["turnId"]})
    assert later["turns"] == turns[1:]


def test_a_fork_goes_its_own_way(window: Shared) -> None:
    """From an earlier turn; the original is as it was, and both go on."""
    session = talk(window, "a", "b", "c")
    turns = window.editor.turns(session)
    fork = window.editor.result("cmt/session/fork", {"sessionId": session, "turnId": turns[0]["turnId"]})
    assert fork["turns"] == 1
    window.editor.chat("elsewhere", sessionId=fork["id"])
    assert len(window.sim.requests[-1].body["messages"]) == 3
    assert window.editor.turns(session) == turns


def test_a_new_model_and_prompt_count_from_the_next_question(window: Shared) -> None:
    """update changes what is sent, an empty prompt removes it, and the history stays."""
    editor, session = window.editor, talk(window, "a")
    editor.result(
        "cmt/session/update", {"sessionId": session, "model": "claude-opus-5", "systemPrompt": "Rhyme."}
    )
    editor.chat("x", sessionId=session)
    body = window.sim.requests[-1].body
    assert ("Rhyme." in str(body["system"]), len(body["messages"])) == (True, 3)
    editor.result("cmt/session/update", {"sessionId": session, "systemPrompt": ""})
    editor.chat("y", sessionId=session)
    assert "system" not in window.sim.requests[-1].body


def test_export_holds_the_conversation(window: Shared) -> None:
    """As Markdown and as JSON, under a name that is a file name."""
    session = talk(window, "answer *one*", "answer two", name="../../etc: a/b?")
    for form, ending in (("markdown", ".md"), ("json", ".json")):
        out = window.editor.result("cmt/session/export", {"sessionId": session, "format": form})
        assert "answer *one*" in out["text"]
        assert out["suggestedName"].endswith(ending)
        assert not set(out["suggestedName"]) & set('/\\:?*"<>|')
        assert not out["suggestedName"].startswith(".")
        if form == "json":
            assert json.loads(out["text"])


def test_a_deleted_session_is_gone_for_good(window: Shared) -> None:
    """From every list, and its words from every file of the state."""
    editor: Editor = window.editor
    session = talk(window, "walrus-secret-771", name="Gone")
    editor.result("cmt/session/delete", {"sessionId": session})
    for method in ("get", "export", "delete", "clear", "fork"):
        error = editor.refused(f"cmt/session/{method}", {"sessionId": session})
        assert error["data"]["kind"] == "unknown_session", method
    assert session not in str(editor.result("cmt/session/list", {"scope": "all"}))
    for path in (editor.world / "state").rglob("*"):
        assert not path.is_file() or b"walrus-secret-771" not in path.read_bytes(), path


def test_a_busy_session_is_neither_deleted_nor_cleared(window: Shared) -> None:
    """`session_busy`; reading, renaming and forking go on."""
    editor, session = window.editor, talk(window, "a")
    before = len(window.sim.requests)
    window.sim.fail_next(Fault.stall())
    stream = editor.streaming_chat("x", sessionId=session)
    window.sim.wait_stalled(before)
    for method in ("delete", "clear"):
        assert (
            editor.refused(f"cmt/session/{method}", {"sessionId": session})["data"]["kind"] == "session_busy"
        )
    assert editor.refused("cmt/retry", {"sessionId": session})["data"]["kind"] == "session_busy"
    assert editor.result("cmt/session/fork", {"sessionId": session})["turns"] == 1
    editor.result("cmt/session/update", {"sessionId": session, "name": "While it runs"})
    window.sim.release()
    stream.result()
    found = editor.result("cmt/session/get", {"sessionId": session})
    assert (found["session"]["name"], len(found["turns"])) == ("While it runs", 2)


def test_a_retry_that_fails_keeps_the_old_answer(window: Shared) -> None:
    """The old turn leaves only when the new one is settled."""
    editor, session = window.editor, talk(window, "good")
    window.sim.fail_next(Fault.status(401))
    assert editor.refused("cmt/retry", {"sessionId": session})["data"]["kind"] == "auth"
    assert [t["text"] for t in editor.turns(session)] == ["good"]


def test_there_is_nothing_to_retry_in_an_empty_session(window: Shared) -> None:
    """`unknown_turn` through both doors."""
    session = window.editor.session()
    assert window.editor.refused("cmt/retry", {"sessionId": session})["data"]["kind"] == "unknown_turn"
    error = window.editor.command("cmt.retry", {"sessionId": session})["error"]
    assert error["data"]["kind"] == "unknown_turn"


def test_thousands_of_sessions_do_not_hold_up_the_window(make_editor: MakeEditor) -> None:
    """While the list of two thousand is made, other requests are answered, one after the other."""
    editor = make_editor()
    editor.open()
    made = [editor.ask("cmt/session/create", {"name": f"s{n}"}) for n in range(2000)]
    ids = [editor.answer(request, 30)["result"]["id"] for request in made]
    locks = editor.world / "state" / "locks"
    locks.mkdir(mode=0o700, exist_ok=True)
    for session in ids:
        (locks / f"{session}.lock").touch(mode=0o600)  # as after a turn
    listing = editor.ask("cmt/session/list", {"scope": "all"})
    answered = 0
    while listing not in {m.get("id") for m in editor.messages[-50:]}:
        editor.result("cmt/auth/status")
        answered += 1
    assert len(editor.answer(listing)["result"]["sessions"]) == 2000
    assert (
        answered >= 5
    )  # each asked when the one before was answered; one at most where the list holds all up
