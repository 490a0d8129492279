"""What the table sets beside ours is what it says: bounds lie below every policy, and promises to people hold."""

from __future__ import annotations

import random

import pytest

from .bounds import bound
from .offline import search
from .policies import POLICIES
from .replay import replay, sent_of
from .workload import CLASSES, STEADY, AnyPause, Tempo, workload

SEED = 7


@pytest.mark.parametrize("name", ["short chats", "pauses of any length", "images"])
def test_nothing_is_below_the_bound_and_knowing_less_costs_more(name: str) -> None:
    sent = sent_of(workload(name, SEED))
    floor, odds, best = bound(sent), bound(sent, known=False), search(sent, 4)[0]
    assert floor <= best <= min(replay(sent, make()).nano_usd for make in POLICIES.values())
    assert floor <= odds


def test_whoever_never_pauses_for_five_minutes_pays_what_automatic_caching_costs() -> None:
    sent = sent_of(workload(STEADY, SEED))
    ours, automatic = (replay(sent, POLICIES[name]()) for name in ("ours", "automatic"))
    assert (ours.refused, ours.nano_usd) == (0, automatic.nano_usd)
    assert bound(sent, known=False) == bound(sent)  # there is nothing that one could not know


@pytest.mark.parametrize("pauses", [Tempo(70.0, 0.1, 0.03), AnyPause()], ids=["tempo", "any pause"])
def test_the_odds_that_a_bound_is_told_are_those_that_pauses_are_drawn_by(pauses: Tempo | AnyPause) -> None:
    rng = random.Random(SEED)
    drawn = [pauses.pause(rng) for _ in range(4000)]
    for limit in (60.0, 250.0, 300.0, 1500.0, 3600.0, 20_000.0):
        share = sum(pause < limit for pause in drawn) / len(drawn)
        assert share == pytest.approx(pauses.within(limit), abs=0.03)


def test_a_workload_is_the_same_bytes_for_the_same_seed() -> None:
    for name in (*CLASSES, STEADY):
        if name != "long chat":
            assert workload(name, SEED) == workload(name, SEED)
