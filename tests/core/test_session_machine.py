"""Whatever happens to a session, its next request is one the endpoint accepts, and its history only grows."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from live_turns import Listener

from cmt_lsp.api.anthropic_client import AnthropicClient
from cmt_lsp.api.errors import CmtError
from cmt_lsp.core import APISessionManager, Settings
from cmt_lsp.core.turn import AnswerText, Turn, TurnRequest
from cmt_lsp.simulator import Answer, Fault, Simulator, simulator_in_thread

MODELS = ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5", "some-unknown-model")
TOO_LONG = Fault.status(400, message="prompt is too long: 1200000 tokens > 1000000 maximum")


class SessionMachine(RuleBasedStateMachine):
    """One session and all that can happen to it; its simulator is set by the test, since hypothesis makes the objects."""

    simulator: Simulator

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        os.environ["CMT_STATE_DIR"] = self.folder.name
        self.client = AnthropicClient("sk-test", base_url=self.simulator.base_url)
        self.seen = len(self.simulator.requests)
        self.refusals = 0
        self.last: list[str] = []
        self.may_shrink = True
        self.expected: list[tuple[str, str]] = []
        self.count = 0
        self.open()

    def teardown(self) -> None:
        self.runner.run(self.manager.aclose())
        self.runner.run(self.client.aclose())
        self.runner.close()
        self.folder.cleanup()

    @initialize(prompt=st.sampled_from([None, "Be kind."]))
    def begin(self, prompt: str | None) -> None:
        self.session = self.runner.run(self.manager.sessions.create(system_prompt=prompt)).id

    def open(self) -> None:
        self.manager = APISessionManager(settings=Settings(), client=self.client)

    def next_text(self) -> str:
        self.count += 1
        return f"question {self.count}"

    async def run_turn(self, begin: Callable[[Listener], Any], cancel_at: type | None = None) -> Any:
        heard = Listener()
        turn: Turn = await begin(heard)
        if cancel_at is not None:
            if cancel_at is AnswerText:
                await heard.heard(AnswerText)
            turn.cancel()
        return await turn.result()

    def ask(self, text: str, *, cancel_at: type | None = None, **options: Any) -> Any:
        async def begin(heard: Listener) -> Turn:
            await self.manager.sessions.load(self.session)
            return self.manager.start_turn(self.session, TurnRequest(text, **options), heard)

        return self.runner.run(self.run_turn(begin, cancel_at))

    @rule(thinking=st.booleans(), reason=st.sampled_from([None, "max_tokens", "refusal", "pause_turn"]))
    def send(self, thinking: bool, reason: str | None) -> None:
        self.simulator.reply_with(
            Answer(f"answer {self.count}", "a thought" if thinking else None, stop_reason=reason)
        )
        text = self.next_text()
        result = self.ask(text)
        self.expected.append((text, result.stop_reason))

    @rule()
    def send_and_get_nothing(self) -> None:
        self.simulator.reply_with(Answer("", "only thoughts"))
        text = self.next_text()
        self.expected.append((text, self.ask(text).stop_reason))

    @rule(model=st.sampled_from(MODELS[:3]))
    def send_to_another_model(self, model: str) -> None:
        self.simulator.reply_with(Answer("elsewhere", "a thought"))
        text = self.next_text()
        self.expected.append((text, self.ask(text, model=model).stop_reason))

    @rule(events=st.integers(12, 20))
    def send_and_cancel(self, events: int) -> None:
        self.simulator.reply_with(Answer("words that go on and on " * 9, "a thought", chunk_chars=4))
        self.simulator.fail_next(Fault.stall(after_events=events))
        text = self.next_text()
        assert self.ask(text, cancel_at=AnswerText).stop_reason == "cancelled"
        self.expected.append((text, "cancelled"))

    @rule()
    def cancel_at_once(self) -> None:
        assert self.ask("never sent", cancel_at=object).stop_reason == "cancelled"

    @rule(events=st.integers(2, 14))
    def send_and_be_cut(self, events: int) -> None:
        self.simulator.reply_with(Answer("words that go on and on", "a thought", chunk_chars=4))
        self.simulator.fail_next(Fault.hang_up(after_events=events))
        text = self.next_text()
        with contextlib.suppress(CmtError):  # cut before any text: nothing is kept
            self.expected.append((text, self.ask(text).stop_reason))

    @rule(status=st.sampled_from([400, 401, 404, 413]))
    def send_and_fail(self, status: int) -> None:
        self.simulator.fail_next(Fault.status(status))
        self.refusals += 1
        with pytest.raises(CmtError):
            self.ask("refused")

    @precondition(lambda self: self.sent_turns >= 2)
    @rule()
    def send_more_than_fits(self) -> None:
        self.simulator.fail_next(TOO_LONG)
        self.refusals += 1
        self.may_shrink = True
        text = self.next_text()
        self.expected.append((text, self.ask(text).stop_reason))

    @precondition(lambda self: self.expected)
    @rule(fails=st.booleans())
    def ask_again(self, fails: bool) -> None:
        async def begin(heard: Listener) -> Turn:
            return await self.manager.retry(self.session, None, heard)

        self.may_shrink = True
        if fails:
            self.simulator.fail_next(Fault.status(400))
            self.refusals += 1
            with pytest.raises(CmtError):
                self.runner.run(self.run_turn(begin))
            return
        self.simulator.reply_with(Answer("better", "a better thought"))
        result = self.runner.run(self.run_turn(begin))
        self.expected[-1] = (self.expected[-1][0], result.stop_reason)

    @rule(at=st.integers(0, 20))
    def fork(self, at: int) -> None:
        _, turns = self.runner.run(self.manager.sessions.get(self.session))
        at = at % len(turns) if turns else 0
        turn_id = turns[at].id if turns else None
        self.session = self.runner.run(self.manager.sessions.fork(self.session, turn_id)).id
        self.expected = self.expected[: at + 1] if turns else []
        self.last = []

    @rule(model=st.sampled_from(MODELS[:3]))
    def switch_model(self, model: str) -> None:
        self.runner.run(self.manager.sessions.update(self.session, model=model))

    @rule(prompt=st.sampled_from(["", "Be brief.", "Be long."]))
    def change_system_prompt(self, prompt: str) -> None:
        self.runner.run(self.manager.sessions.update(self.session, system_prompt=prompt))

    @rule()
    def go_on_in_another_process(self) -> None:
        self.runner.run(self.manager.aclose())
        self.open()

    @property
    def sent_turns(self) -> int:
        return len(self.last) // 2

    @invariant()
    def every_request_was_accepted(self) -> None:
        fresh = self.simulator.requests[self.seen :]
        self.seen += len(fresh)
        refused = [request for request in fresh if (request.status or 200) >= 400]
        assert len(refused) <= self.refusals, [request.body for request in refused]
        self.refusals = 0
        for request in fresh:
            self.check_growth(texts_of(request.body["messages"]))
        self.may_shrink = self.may_shrink and not fresh

    def check_growth(self, texts: list[str]) -> None:
        if not self.may_shrink:
            history = self.last[:-1]  # without the question, whose turn may have left nothing
            assert texts[: len(history)] == history
        self.last = texts

    @invariant()
    def the_record_is_what_happened(self) -> None:
        if not hasattr(self, "session"):
            return
        _, turns = self.runner.run(self.manager.sessions.get(self.session))
        assert [(turn.prompt_text, turn.stop_reason) for turn in turns] == self.expected


def texts_of(messages: list[dict[str, Any]]) -> list[str]:
    """One text for each message, without thinking."""
    return ["".join(b["text"] for b in message["content"] if b["type"] == "text") for message in messages]


@contextlib.contextmanager
def kept_environment() -> Iterator[None]:
    before = os.environ["CMT_STATE_DIR"]
    try:
        yield
    finally:
        os.environ["CMT_STATE_DIR"] = before


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_the_next_request_is_always_accepted_and_history_only_grows(
    campaign_size: Callable[[int, int], int], tmp_path: Path
) -> None:
    with simulator_in_thread() as simulator, kept_environment():
        SessionMachine.simulator = simulator
        run_state_machine_as_test(
            SessionMachine,
            settings=settings(
                max_examples=campaign_size(40, 2000),
                stateful_step_count=campaign_size(20, 30),
                deadline=None,
                derandomize=True,
                database=None,
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            ),
        )
