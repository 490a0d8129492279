"""Orders of batches: what is refused in one sentence, what is completed, what it is said to cost; and the search."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmt_lsp.api.batch_parts import BatchPage, RemoteBatch
from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.core.batch.batch import HELD_FOR, BatchOrder, BatchPrompt, BatchRecord
from cmt_lsp.core.batch.plan import average_prompts, body_of, claims_of, plan_batch, price_of, refuse_unserved
from cmt_lsp.core.batch.search import (
    ARRIVES_WITHIN,
    CLOCKS_DIFFER,
    Listing,
    candidates,
    read_on,
    verdict,
)
from cmt_lsp.core.money.attempt import Expected
from cmt_lsp.core.settings import Settings

TODAY = date(2026, 11, 22)
AT = datetime(2026, 11, 22, tzinfo=UTC)
RECORD = BatchRecord("1a204cb360a-8c150dc246497ded", "n", "m", None, "w", 0.0, 3, sent_at=10_000.0)


def order(*prompts: BatchPrompt, **more: Any) -> BatchOrder:
    return BatchOrder(prompts or (BatchPrompt("a", "Hello"),), **more)


def many(count: int) -> list[BatchPrompt]:
    return [BatchPrompt(str(i), "x") for i in range(count)]


BAD: list[tuple[BatchOrder, str]] = [
    (BatchOrder([]), "prompts is empty; a batch needs at least one prompt."),
    (BatchOrder(many(100_001)), "prompts has 100001 entries and a batch takes at most 100000; split it."),
    (order(BatchPrompt("a", "x"), BatchPrompt("b", "y"), BatchPrompt("a", "z")),
     "Prompts 1 and 3 have the same id, 'a'; give each its own."),
    (order(BatchPrompt("", "x")), "Prompt 1 has no usable id: it must be a text of 1 to 200 printable characters."),
    (order(BatchPrompt("a\nb", "x")), "Prompt 1 has no usable id: it must be a text of 1 to 200 printable characters."),
    (order(BatchPrompt("a" * 201, "x")), "Prompt 1 has no usable id: it must be a text of 1 to 200 printable characters."),
    (order(BatchPrompt("a", "x"), BatchPrompt("b", "  \n")),
     "Prompt 2 ('b'): text is empty; write a question or attach something to ask about."),
    (order(BatchPrompt("a", "x" * 10_000_001)),
     "Prompt 1 ('a'): text must be a text of at most 10000000 characters; attach less."),
    (order(BatchPrompt("a", "x", model="not a model")), "Prompt 1 ('a'): model must be a model's id."),
    (order(BatchPrompt("a", "x", model="claude-opus-4-1")), "Prompt 1 ('a'): Claude Opus 4.1 was retired"),
    (order(model=""), "Prompt 1 ('a'): model must be a text that is not empty."),
    (order(max_tokens=0), "Prompt 1 ('a'): maxTokens must be a whole number from 1 to 1000000."),
    (order(BatchPrompt("a", "x", max_tokens=-1)), "Prompt 1 ('a'): maxTokens must be a whole number from 1 to 1000000."),
    (order(name=""), "name must be a text of 1 to 200 characters."),
    (order(system="s" * 2_000_000), "systemPrompt must be shorter than a megabyte."),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "sentence"), BAD, ids=[sentence[:60] for _, sentence in BAD])
def test_a_bad_order_is_refused_in_one_sentence(bad: BatchOrder, sentence: str) -> None:
    with pytest.raises(BadParamsError) as caught:
        plan_batch(bad, Settings(), TODAY)

    assert caught.value.message.startswith(sentence)
    assert caught.value.message.count(". ") == 0


def test_a_full_batch_is_planned() -> None:
    plan = plan_batch(BatchOrder(many(100_000)), Settings(), TODAY)
    assert len(plan.requests) == 100_000
    assert plan.name == "100000 prompts: x"


def test_an_order_is_completed_from_the_batch_and_then_the_settings() -> None:
    settings = Settings(model="claude-opus-5-5", max_tokens=900, system_prompt="Settings.", effort="low")
    prompts = (
        BatchPrompt("a", "x"),
        BatchPrompt("b", "y", "Own.", "claude-haiku-5-5", 5),
        BatchPrompt("c", "z", ""),
    )
    plain = plan_batch(BatchOrder(prompts), settings, TODAY)
    batch = plan_batch(
        BatchOrder(prompts, model="claude-sonnet-5-5", max_tokens=77, system="Batch."), settings, TODAY
    )

    def told(plan: Any) -> list[tuple[Any, ...]]:
        return [
            (r.request.model, r.request.max_tokens, r.request.system, r.request.effort) for r in plan.requests
        ]

    own = ("claude-haiku-5-5", 5, "Own.", "low")
    assert told(plain) == [
        ("claude-opus-5-5", 900, "Settings.", "low"), own, ("claude-opus-5-5", 900, None, "low"),
    ]  # fmt: skip
    assert told(batch) == [
        ("claude-sonnet-5-5", 77, "Batch.", "low"), own, ("claude-sonnet-5-5", 77, None, "low"),
    ]  # fmt: skip


def test_notices_of_many_prompts_are_told_once() -> None:
    plan = plan_batch(BatchOrder(many(5), model="claude-haiku-4-5", max_tokens=500_000), Settings(), TODAY)

    assert len(plan.notices) == 1
    assert {r.request.max_tokens for r in plan.requests} == {64_000}


def test_broken_characters_are_mended_before_anything_is_kept_or_sent() -> None:
    plan = plan_batch(order(BatchPrompt("a", "half \ud83d")), Settings(), TODAY)

    assert plan.requests[0].prompt == "half \ufffd"
    assert (
        json.loads(body_of(RECORD, plan, [5]))["requests"][0]["params"]["messages"][0]["content"]
        == "half \ufffd"
    )


def test_only_strangers_are_looked_up_and_only_a_list_can_refuse_them() -> None:
    known = plan_batch(order(), Settings(), TODAY)
    strange = plan_batch(order(model="my-model"), Settings(), TODAY)

    assert known.strangers == ()
    assert refuse_unserved(strange, {"my-model"}, "host") == ()
    assert refuse_unserved(strange, None, "host") == (
        "my-model is not known here, and host does not list its models.",
    )
    with pytest.raises(BadParamsError, match="my-model is no model of host"):
        refuse_unserved(strange, {"other"}, "host")


def test_the_body_is_json_with_the_limits_that_were_granted() -> None:
    plan = plan_batch(order(BatchPrompt("a", "x"), BatchPrompt("b", 'y "\n')), Settings(), TODAY)
    body = json.loads(body_of(RECORD, plan, [11, 22]))

    assert [r["custom_id"] for r in body["requests"]] == [f"{RECORD.id}-0", f"{RECORD.id}-1"]
    assert [r["params"]["max_tokens"] for r in body["requests"]] == [11, 22]


def test_a_body_over_the_endpoint_s_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_batch(BatchOrder(many(10)), Settings(), TODAY)
    size = len(body_of(RECORD, plan, [5] * 10))
    monkeypatch.setattr("cmt_lsp.core.batch.plan.MOST_BYTES", size)
    assert len(body_of(RECORD, plan, [5] * 10)) == size
    monkeypatch.setattr("cmt_lsp.core.batch.plan.MOST_BYTES", size - 1)

    with pytest.raises(BadParamsError, match="from prompt 10 on; split it"):
        body_of(RECORD, plan, [5] * 10)


def test_claims_are_half_of_what_the_same_requests_would_hold_alone() -> None:
    from cmt_lsp.core.money.ceiling import ceiling_of

    plan = plan_batch(order(BatchPrompt("a", "x" * 999), model="claude-haiku-5-5"), Settings(), TODAY)
    (claim,) = claims_of(RECORD, plan, AT, "why")
    alone = ceiling_of(plan.requests[0].request, None, AT)

    assert alone is not None
    assert claim.ceiling is not None
    assert claim.ceiling.of(claim.max_tokens) * 2 - alone.of(claim.max_tokens) in (0, 1)
    assert (claim.attempt_id, claim.lease, claim.override) == (f"{RECORD.id}-0", HELD_FOR, "why")
    assert (claim.origin.kind, claim.origin.turn_id) == ("batch", RECORD.id)


def test_the_price_rests_on_history_and_a_stranger_s_is_unknown() -> None:
    plan = plan_batch(order(*many(4), max_tokens=1000), Settings(), TODAY)
    average = average_prompts(plan)["claude-sonnet-5-5"]
    expected = Expected(3 * average, False, 100, 200, "this model", 3.5)
    price = price_of(plan, {"claude-sonnet-5-5": expected}, AT)

    assert price.input_tokens == 4 * 3 * average
    assert price.likely == price.input_tokens * 1_000 + 4 * 100 * 5_000
    assert (price.likely_one_by_one, price.requests) == (2 * price.likely, 4)
    strange = plan_batch(order(BatchPrompt("a", "x"), BatchPrompt("b", "y", model="mine")), Settings(), TODAY)
    told = price_of(strange, dict.fromkeys(strange.models, expected), AT)
    assert (told.worst, told.likely, told.worst_one_by_one, told.display) == (None, None, None, "unpriced")


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_custom_id_names_its_request_and_only_one(index: int, requests: int) -> None:
    record = BatchRecord("b-1", "n", "m", None, "w", 0.0, requests)
    found = record.index_of(record.custom_id(index))

    assert found == (index if index < requests else None)


@pytest.mark.parametrize(
    "name", ["", "b-1", "b-1-", "b-1-x", "b-1--1", "b-1-01", "b-1-1 ", "b-2-1", "x-b-1-1", "b-1-٣"]
)
def test_a_foreign_name_names_nothing(name: str) -> None:
    assert BatchRecord("b-1", "n", "m", None, "w", 0.0, 5).index_of(name) is None


# The search for a batch whose receipt was lost


def remote(name: str, requests: int = 3, created_at: float | None = 10_001.0, **more: Any) -> RemoteBatch:
    told: dict[str, Any] = {
        "status": "ended",
        "counts": {},
        "expires_at": None,
        "ended_at": None,
        "archived": False,
    }
    return RemoteBatch(id=name, requests=requests, created_at=created_at, **(told | more))


def page(*batches: RemoteBatch, after: str | None = None, organization: str | None = None) -> BatchPage:
    return BatchPage(batches, after, organization)


def with_anchor(anchor: str | None, organization: str | None = None) -> BatchRecord:
    from dataclasses import replace

    return replace(RECORD, anchor=anchor, organization=organization)


def test_what_stands_before_the_anchor_came_after_it() -> None:
    record = with_anchor("anchor")
    first = read_on(record, Listing(), page(remote("c"), remote("b"), after="b"))
    assert (first.complete, first.same_list) == (False, False)
    second = read_on(record, first, page(remote("a"), remote("anchor"), remote("old")))

    assert [batch.id for batch in second.batches] == ["c", "b", "a"]
    assert (second.complete, second.same_list) == (True, True)


@pytest.mark.parametrize(
    ("record", "last", "same"),
    [
        (with_anchor("gone"), page(remote("a")), False),
        (with_anchor("gone", "org"), page(remote("a"), organization="org"), False),
        (with_anchor(None, "org"), page(organization="org"), True),
        (with_anchor(None, "org"), page(organization="other"), False),
        (with_anchor(None), page(), False),
        (
            with_anchor("gone"),
            page(remote("old", created_at=10_000.0 - CLOCKS_DIFFER - 1), after="old"),
            False,
        ),
    ],
)
def test_a_list_is_ours_only_where_that_is_proven(record: BatchRecord, last: BatchPage, same: bool) -> None:
    listing = read_on(record, Listing(), last)

    assert (listing.complete, listing.same_list) == (True, same)


def test_candidates_have_our_size_and_no_other_owner() -> None:
    listing = Listing((remote("a"), remote("b", requests=4), remote("c"), remote("d", created_at=None)))

    assert [batch.id for batch in candidates(RECORD, listing, {"c"})] == ["a", "d"]


OURS = Listing((), same_list=True, complete=True)


@pytest.mark.parametrize(
    ("listing", "undecided", "waited", "expected"),
    [
        (OURS, 0, ARRIVES_WITHIN - 1, "wait"),
        (OURS, 0, ARRIVES_WITHIN + 1, "absent"),
        (OURS, 1, ARRIVES_WITHIN + 1, "wait"),
        (Listing((), same_list=False, complete=True), 0, ARRIVES_WITHIN + 1, "wait"),
        (Listing((), same_list=True, complete=False), 0, ARRIVES_WITHIN + 1, "wait"),
        (Listing((), same_list=False, complete=True), 0, HELD_FOR + 1, "lost"),
        (OURS, 1, HELD_FOR + 1, "lost"),
    ],
)
def test_a_batch_is_absent_only_where_its_own_list_lacks_it_for_good(
    listing: Listing, undecided: int, waited: float, expected: str
) -> None:
    assert verdict(RECORD, listing, undecided, 10_000.0 + waited) == expected
