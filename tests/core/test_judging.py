"""What is known of an answer's cache is the last attempt's, and nothing where it told nothing."""

from __future__ import annotations

from cmt_lsp.api.cache_manager import CacheManager
from cmt_lsp.api.models import find_model
from cmt_lsp.api.request import MessageRequest, Retrying
from cmt_lsp.api.stream import CacheReport, MessageStarted
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.conversation import PlannedTurn
from cmt_lsp.core.ending import Ending
from cmt_lsp.core.flight import Flight
from cmt_lsp.core.judging import judged

MODEL = "claude-sonnet-5-5"
STARTED = MessageStarted(
    "msg_1", MODEL, Usage(5, cache_creation_5m_input_tokens=5000), cache=CacheReport(True, {})
)
STOPPED = Ending("cancelled", None, Usage(), ())


def planned(cache: CacheManager) -> PlannedTurn:
    prompt = cache.plan("rule " * 4000, [], [{"type": "text", "text": "q"}], find_model(MODEL), True)
    request = MessageRequest(MODEL, 100, prompt.messages, prompt.system)
    return PlannedTurn(request, prompt, find_model(MODEL), "", 0, 5000, ())


async def test_a_turn_that_was_stopped_after_its_answer_began_is_judged_and_kept() -> None:
    cache, flight = CacheManager(), Flight(lambda _: None)
    plan = planned(cache)
    flight.take(STARTED)
    cache.remember(plan.prompt, flight.reported, lifetimes_told=flight.cache_report.lifetimes_told)
    verdict, sent = judged(flight, STOPPED, plan, cache)
    assert (verdict.state, verdict.cause, verdict.written_tokens) == (
        "miss",
        "first request in this session",
        5000,
    )
    assert sent is not None
    assert (sent.cached_tokens, sent.message_id) == (5000, "msg_1")
    assert [entry.tokens for _, entry in sent.entries][-1] == 5000


async def test_what_a_failed_attempt_told_is_not_said_of_the_next_one() -> None:
    cache, flight = CacheManager(), Flight(lambda _: None)
    plan = planned(cache)
    flight.take(STARTED)
    flight.take(Retrying(1, 3, 0.0, "overloaded"))
    assert (flight.message_id, flight.cache_report) == (None, CacheReport())
    verdict, sent = judged(flight, STOPPED, plan, cache)
    assert (verdict.cause, verdict.saved_nano, sent) == ("no usage was reported", None, None)
