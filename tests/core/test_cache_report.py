"""Stats and advice about the prompt cache: each rule on a scripted history, beside a calculation by hand.

All prices are those of Claude Sonnet 4.6, in nano-dollars per token: 3,000 plain, 3,750 and 6,000 to write for five
minutes and for an hour, 300 to read. Its shortest cached prompt has 1,024 tokens.
"""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from cmt_lsp.api.cache.fingerprint import Fingerprint
from cmt_lsp.api.cache_manager import CacheVerdict, SentPrompt
from cmt_lsp.api.usage import Usage
from cmt_lsp.api.usage_fold import estimate_tokens
from cmt_lsp.core.cache.advice import Advice, advise
from cmt_lsp.core.cache.evidence import FIRST, CachedTurn
from cmt_lsp.core.cache.keeping import kept_warm, pauses_of
from cmt_lsp.core.cache.replay import paid
from cmt_lsp.core.cache.stats import stats_of
from cmt_lsp.core.cache.suggestion import Case, PinnedFiles, Suggestion
from cmt_lsp.core.cache.switch import Prefix, losing_nano, switch_to
from cmt_lsp.core.cache.warmth import Warmth, warmth_of

MODEL, OTHER = "claude-sonnet-4-6", "claude-opus-4-6"
PLAIN, WRITE, HOUR, READ = 3_000, 3_750, 6_000, 300
BEGIN = 1_790_000_000.0
MINUTE = 60.0


def turn(
    minute: float,
    *,
    read: int = 0,
    written: int = 0,
    hour: int = 0,
    plain: int = 0,
    state: str = "hit",
    cause: str | None = None,
    lost: int | None = 0,
    model: str = MODEL,
    session: str = "s",
    prefix: str = "p",
) -> CachedTurn:
    """A turn so many minutes after the beginning; the numbers of its answer are of no importance here."""
    at = BEGIN + minute * MINUTE
    total = read + written + hour + plain
    verdict = CacheVerdict(
        state=state,  # type: ignore[arg-type]
        read_tokens=read,
        written_tokens=written + hour,
        hit_ratio=read / total if total else 0.0,
        cause=cause,
        expires_at=at + 300 if read or written else None,
        written_1h_tokens=hour,
        lost_nano=lost,
    )
    usage = Usage(plain, written, hour, read, 100)
    return CachedTurn(f"t{minute}-{session}", session, int(minute * 60), model, prefix, at, usage, verdict)


def only(advice: Advice) -> Suggestion:
    """The one suggestion there is."""
    (found,) = advice.suggestions
    assert advice.reason is None
    return found


# --- stats


def test_turns_are_counted_by_state_and_causes_by_what_they_cost() -> None:
    stats = stats_of(
        [
            turn(0, written=5_000, state="miss", cause=FIRST),
            turn(1, read=5_000, written=500),
            turn(20, written=6_000, state="miss", cause="expired (idle 1140 s)", lost=7),
            turn(40, written=7_000, state="miss", cause="expired (idle 1200 s)", lost=8),
            turn(41, written=7_000, state="partial", cause="model changed", lost=40),
            turn(42, plain=9_000, state="off", lost=None),
        ]
    )

    assert stats.states == {"hit": 1, "miss": 3, "partial": 1, "off": 1}
    assert [(c.name, c.turns, c.lost_nano) for c in stats.causes] == [
        ("model changed", 1, 40),
        ("expired", 2, 15),
        (FIRST, 1, 0),
    ]
    assert stats.lost_nano == 55


def test_the_last_miss_is_one_that_had_something_to_lose() -> None:
    first = turn(0, written=5_000, state="miss", cause=FIRST)
    late = turn(20, written=6_000, state="miss", cause="expired (idle 1140 s)", lost=7)

    assert stats_of([first]).last_miss is None
    assert stats_of([late, turn(30, written=9, state="miss", cause=FIRST, session="new")]).last_miss is late


def test_the_loss_of_a_model_without_a_price_is_unknown_and_not_zero() -> None:
    (cause,) = stats_of([turn(9, written=9, state="miss", cause="expired (idle 500 s)", lost=None)]).causes

    assert (cause.lost_nano, cause.unpriced) == (0, 1)


# --- what is warm


def test_what_is_warm_goes_cold_at_its_last_moment_and_costs_writing_instead_of_reading() -> None:
    warmth = warmth_of("s", [turn(0, read=9_000, written=1_000)], MODEL, "p", BEGIN)

    assert warmth is not None
    assert warmth.tokens == 10_000
    assert warmth.cold_cost_nano == 10_000 * (WRITE - READ)
    assert warmth.is_warm(BEGIN + 299.9)
    assert not warmth.is_warm(BEGIN + 300)


def test_what_was_cached_under_another_model_or_system_prompt_is_not_warm() -> None:
    turns = [turn(0, read=9_000, written=1_000)]

    assert warmth_of("s", turns, OTHER, "p", BEGIN) is None
    assert warmth_of("s", turns, MODEL, "another", BEGIN) is None


def test_a_request_that_only_kept_the_cache_warm_counts() -> None:
    fingerprint = Fingerprint(MODEL, "", "", "", "", pictures=False, history="", messages=3)
    sent = SentPrompt(fingerprint, 12_000, BEGIN + 270, BEGIN + 570)

    warmth = warmth_of("s", [turn(0, read=9_000, written=1_000)], MODEL, "p", BEGIN, sent)

    assert warmth is not None
    assert (warmth.tokens, warmth.expires_at) == (12_000, BEGIN + 570)
    assert warmth_of("s", [], MODEL, "p", BEGIN, sent) == warmth, "and before the first question, too"


# --- advice


def test_without_turns_there_is_a_sentence_and_no_suggestion() -> None:
    assert advise(Case(())) == Advice((), "There is nothing to judge by yet: no question was answered.")


def test_where_all_goes_well_the_reason_says_so() -> None:
    turns = (turn(0, written=10_000, state="miss", cause=FIRST), turn(1, read=10_000))

    advice = advise(Case(turns))

    assert advice.suggestions == ()
    assert (
        advice.reason == "Nothing would have saved a cent: 2 turns read 50% of their prompts from the cache."
    )


def test_a_turn_of_several_attempts_is_not_priced_again() -> None:
    """Its usage is the sum of them, and its verdict that of the last one."""
    first, *late = late_turns(0, 20, 40)
    doubled = replace(late[1], usage=late[1].usage + late[1].usage)

    assert only(advise(Case((first, late[0], doubled)))) == only(advise(Case((first, late[0]))))
    assert doubled.context_tokens == 20_000 + 200


def test_without_prices_nothing_is_promised() -> None:
    unknown = turn(0, plain=10**6, state="off", model="somebodys-own")

    advice = advise(Case((unknown, replace(unknown, id="2")), caching=False))

    assert advice.suggestions == ()
    assert advice.reason is not None
    assert "prices are not known" in advice.reason


def test_caching_that_is_off_is_worth_what_it_would_have_read() -> None:
    """10,000, 11,000 and 12,000 tokens a minute apart: the second reads 10,000 and the third 11,000."""
    turns = tuple(turn(n, plain=10_000 + n * 1_000, state="off") for n in range(3))
    plain = (10_000 + 11_000 + 12_000) * PLAIN
    cached = 12_000 * WRITE + 21_000 * READ

    found = only(advise(Case(turns, caching=False)))

    assert (found.rule, found.turns) == ("caching-off", 3)
    assert found.value_nano == plain - cached == 47_700_000
    assert found.act is not None
    assert found.act.setting == "promptCaching = true"
    assert "$0.0477" in found.sentence


def test_caching_that_is_off_is_worth_nothing_where_every_question_came_too_late() -> None:
    turns = tuple(turn(n * 6, plain=100_000, state="off") for n in range(3))

    assert advise(Case(turns, caching=False)).suggestions == ()


def test_a_lifetime_that_is_off_is_switched_on_by_its_own_line() -> None:
    turns = tuple(turn(n, plain=20_000, state="off") for n in range(3))

    act = only(advise(Case(turns, wish="off"))).act

    assert act is not None
    assert act.setting == 'promptCache = "auto"'


def late_turns(*minutes: float, tokens: int = 20_000) -> tuple[CachedTurn, ...]:
    """Questions of this size that each came too late for five minutes."""
    first = turn(minutes[0], written=tokens, state="miss", cause=FIRST)
    lost = tokens * (WRITE - READ)
    late = (
        turn(at, written=tokens, state="miss", cause=f"expired (idle {(at - before) * 60:.0f} s)", lost=lost)
        for before, at in pairwise(minutes)
    )
    return (first, *late)


def test_pauses_within_an_hour_are_worth_an_hour_less_its_dearer_writes() -> None:
    """Three times 20,000 tokens written for five minutes, against one write for an hour and two reads."""
    turns = late_turns(0, 20, 40)
    value = 3 * 20_000 * WRITE - (20_000 * HOUR + 40_000 * READ)

    found = only(advise(Case(turns)))

    assert (found.rule, found.turns, found.value_nano) == ("lifetime", 2, value)
    assert value == 93_000_000
    assert found.act is not None
    assert found.act.setting == 'promptCache = "1h"'


def test_an_hour_is_not_suggested_where_it_is_set_or_where_pauses_are_longer() -> None:
    assert advise(Case(late_turns(0, 20, 40), wish="1h")).suggestions == ()
    assert advise(Case(late_turns(0, 61, 122))).suggestions == ()


def test_sessions_that_begin_alike_within_an_hour_are_worth_reading_their_instructions() -> None:
    """Three sessions of one question, 20 minutes apart: the instructions are written for an hour once and read twice."""
    prompt = "Follow the rule. " * 3_800
    size = estimate_tokens(len(prompt))
    turns = tuple(
        turn(20 * n, written=20_000, state="miss", cause=FIRST, session=name) for n, name in enumerate("abc")
    )
    value = 60_000 * WRITE - (60_000 * HOUR - 2 * size * (HOUR - READ))

    found = only(advise(Case(turns, system_prompts=dict.fromkeys("abc", prompt))))

    assert 18_000 < size < 20_000
    assert (found.rule, found.turns, found.value_nano) == ("lifetime", 2, value)
    assert found.sentence.startswith("2 sessions began so long after another")
    assert advise(Case(turns)).suggestions == (), "without instructions they share nothing"


def test_pauses_of_six_minutes_are_worth_one_refresh_each() -> None:
    """The first refresh after a question writes its answer of 100 tokens, too; the last one helps nobody."""
    turns = late_turns(0, 6, 12, 18, tokens=100_000)
    saved = 3 * (100_000 + 100) * (WRITE - READ)
    spent = 4 * (100_000 * READ + 100 * WRITE)

    found = only(advise(Case(turns)))

    assert (found.rule, found.turns, found.value_nano) == ("keep-warm", 3, saved - spent)
    assert found.act is not None
    assert found.act.setting == "keepWarm = 5"
    assert "4 refreshes" in found.sentence


def test_of_an_hour_and_keeping_warm_only_the_better_one_is_suggested() -> None:
    assert [
        one.rule for one in advise(Case(late_turns(0, 6, 12, 18, tokens=100_000), keep_warm=5)).suggestions
    ] == ["lifetime"]
    assert only(advise(Case(late_turns(0, 20, 40)))).rule == "lifetime"


def test_who_keeps_an_hour_already_is_not_told_to_keep_warm() -> None:
    assert advise(Case(late_turns(0, 6, 12, 18, tokens=100_000), wish="1h")).suggestions == ()


def test_keeping_warm_is_not_suggested_where_nobody_comes_back_within_minutes() -> None:
    kept = kept_warm(pauses_of([late_turns(0, 61, 122, tokens=100_000)]), 5)

    assert (kept.questions, kept.saved_nano, kept.refreshes) == (0, 0, 3)
    assert kept.value_nano < 0


def test_what_is_cached_for_an_hour_needs_no_keeping() -> None:
    assert (
        kept_warm(pauses_of([[turn(0, hour=100_000)], [turn(0, plain=100, state="off")], []]), 5).refreshes
        == 0
    )
    before_an_hour = [turn(0, written=100_000), turn(2, read=100_000, hour=9), turn(30, read=100_000)]
    assert [pause.following for pause in pauses_of([before_an_hour])] == [before_an_hour[1], None]


@pytest.mark.parametrize("words", [50, 10_000])
def test_instructions_too_short_to_be_cached_or_longer_than_what_was_share_nothing(words: int) -> None:
    turns = tuple(
        turn(20 * n, written=20_000, state="miss", cause=FIRST, session=name) for n, name in enumerate("abc")
    )

    assert (
        advise(Case(turns, system_prompts=dict.fromkeys("abc", "Follow the rule. " * words))).suggestions
        == ()
    )


def test_what_changed_in_between_is_written_under_every_lifetime() -> None:
    """The last turn's settings differ: it writes its 20,000 tokens for an hour where it paid for five minutes."""
    late = late_turns(0, 20, 40)
    changed = turn(41, written=20_000, state="miss", cause="settings changed", lost=20_000 * (WRITE - READ))

    values = [only(advise(Case(turns))).value_nano for turns in (late, (*late, changed))]

    assert values[0] - values[1] == 20_000 * (HOUR - WRITE)


def test_five_minutes_are_not_suggested_to_who_came_back_within_the_hour() -> None:
    turns = (turn(0, hour=20_000, state="miss", cause=FIRST), turn(20, read=20_000, hour=10))

    assert advise(Case(turns, wish="1h")).suggestions == ()


def test_an_hour_that_nobody_needed_is_worth_its_dearer_writes() -> None:
    """Twice 20,000 new tokens a minute apart, all written for an hour."""
    turns = (
        turn(0, hour=20_000, state="miss", cause=FIRST),
        turn(1, read=20_000, hour=20_000),
    )

    found = only(advise(Case(turns, wish="1h")))

    assert (found.rule, found.turns) == ("lifetime", 2)
    assert found.value_nano == 40_000 * (HOUR - WRITE)
    assert found.act is not None
    assert found.act.setting == 'promptCache = "5m"'


def test_going_back_and_forth_between_models_is_worth_what_the_switches_lost() -> None:
    turns = (
        turn(0, written=20_000, state="miss", cause=FIRST),
        turn(1, written=20_000, state="miss", cause="model changed", lost=69_000_000, model=OTHER),
        turn(2, written=20_000, state="miss", cause="model changed", lost=60_000_000),
    )

    found = only(advise(Case(turns)))

    assert (found.rule, found.turns, found.value_nano) == ("models", 2, 129_000_000)
    assert found.act is not None
    assert found.act.operation == "cmt/session/update"
    assert found.act.params == {"sessionId": "s", "model": MODEL}
    assert advise(Case(turns[:2])).suggestions == (), "one switch is somebody's choice"


@pytest.mark.parametrize(
    ("prompt", "shown", "without"),
    [
        ("Be brief. Today is 2026-11-22.", "2026-11-22", "Be brief."),
        ("It is 14:05. Be brief.", "14:05", "Be brief."),
        (
            "Rules that hold since Nov 22, 2026 are not to be questioned.",
            "Nov 22, 2026",
            "Rules that hold since  are not to be questioned.",
        ),
    ],
)
def test_a_date_in_a_system_prompt_that_changes_is_found_and_can_be_taken_out(
    prompt: str, shown: str, without: str
) -> None:
    turns = (
        turn(0, written=20_000, state="miss", cause=FIRST),
        turn(1, written=20_000, state="miss", cause="system prompt changed", lost=69_000_000),
    )

    found = only(advise(Case(turns, system_prompts={"s": prompt})))

    assert (found.rule, found.turns, found.value_nano) == ("system-prompt", 1, 69_000_000)
    assert f'"{shown}"' in found.sentence
    assert found.act is not None
    assert found.act.params == {"sessionId": "s", "systemPrompt": without}


def test_a_system_prompt_that_changes_without_a_date_is_the_persons_own_to_leave() -> None:
    turns = (turn(1, written=20_000, state="miss", cause="system prompt changed", lost=69_000_000),)

    found = only(advise(Case(turns, system_prompts={"s": "Version 1.2 of the rules."})))

    assert found.act is None
    assert "leave it as it is" in found.sentence


def test_a_pinned_file_that_is_edited_is_worth_writing_its_versions_behind_the_conversation() -> None:
    """Two edits of a file of 2,000 tokens, each losing 40,000; the first version is read again by one later turn."""
    lost = 40_000 * (WRITE - READ)
    changes = [
        turn(n, written=42_000, state="miss", cause="pinned context changed", lost=lost) for n in (1, 2)
    ]
    turns = (turn(0, written=42_000, state="miss", cause=FIRST), *changes)
    value = 2 * (lost - 2_000 * WRITE) - 2_000 * READ

    found = only(advise(Case(turns, pinned={"s": PinnedFiles(("file:///a.py",), 2_000)})))

    assert (found.rule, found.turns, found.value_nano) == ("pinned", 2, value)
    assert found.act is not None
    assert found.act.params == {"sessionId": "s", "unpin": ["file:///a.py"]}
    assert advise(Case(turns)).suggestions == (), "where it is not known what is pinned"


def test_prompts_just_under_the_minimum_are_worth_what_a_few_tokens_more_would_have_read() -> None:
    """900 tokens thirty times, of 1,024: padded, one write and 29 reads."""
    turns = tuple(
        turn(n, plain=900, state="below-minimum", cause="the prompt is under the model's 1024 tokens")
        for n in range(30)
    )
    value = 30 * 900 * PLAIN - (1_024 * WRITE + 29 * 1_024 * READ)

    found = only(advise(Case(turns)))

    assert (found.rule, found.turns, found.value_nano) == ("minimum", 30, value)
    assert "124 tokens more" in found.sentence
    assert found.act is None


def test_suggestions_come_by_value_and_none_is_under_a_cent() -> None:
    dear = late_turns(0, 20, 40)
    cheap = (turn(50, written=9, state="miss", cause="system prompt changed", lost=9_999_999, session="b"),)
    worth = (turn(50, written=9, state="miss", cause="system prompt changed", lost=10_000_000, session="c"),)

    found = advise(Case((*dear, *cheap, *worth))).suggestions

    assert [one.rule for one in found] == ["lifetime", "system-prompt"]
    assert found[1].session_id == "c"


CAUSES = (
    None,
    FIRST,
    "expired (idle 400 s)",
    "model changed",
    "system prompt changed",
    "settings changed",
    "unknown",
)


def any_history(rng: random.Random) -> tuple[CachedTurn, ...]:
    """Turns of any kind, in any order, of several sessions."""
    sizes = (0, 0, 5, 900, 20_000, 400_000)
    return tuple(
        turn(
            rng.uniform(0, 300),
            read=rng.choice(sizes),
            written=rng.choice(sizes),
            hour=rng.choice(sizes),
            plain=rng.choice(sizes),
            state=rng.choice(("hit", "partial", "miss", "off", "below-minimum")),
            cause=rng.choice(CAUSES),
            lost=rng.choice((None, 0, 10**7)),
            model=rng.choice((MODEL, OTHER, "somebodys-own")),
            session=rng.choice("abc"),
            prefix=rng.choice("pq"),
        )
        for _ in range(rng.randrange(12))
    )


def test_whatever_was_stored_advice_is_sorted_worth_a_cent_and_never_more_than_was_paid() -> None:
    rng = random.Random(7)
    for _ in range(300):
        turns = any_history(rng)
        wish = rng.choice(("auto", "5m", "1h", "off"))
        prompts = dict.fromkeys("abc", rng.choice(("", "It is 2026-11-22.", "Follow the rule. " * 3_000)))

        advice = advise(Case(turns, rng.random() < 0.8, wish, rng.choice((0, 5)), prompts))  # type: ignore[arg-type]

        values = [one.value_nano for one in advice.suggestions]
        assert values == sorted(values, reverse=True)
        assert all(value >= 10_000_000 for value in values)
        assert (advice.reason is None) == bool(values)
        spent = paid(turns)
        assert all(
            one.value_nano <= spent for one in advice.suggestions if one.rule in ("caching-off", "minimum")
        )


# --- the price of a switch


def prefix(tokens: int = 20_000, **warm: int) -> Prefix:
    """A session under MODEL whose next question carries so many tokens."""
    names = {"here": MODEL, "there": OTHER}
    held = {names[key]: Warmth("s", names[key], count, BEGIN + 300, 0) for key, count in warm.items()}
    return Prefix(MODEL, tokens, held, caching=True, at=BEGIN)


def test_a_switch_writes_there_what_is_read_here() -> None:
    """Opus 4.6 costs 6,250 to write and 500 to read."""
    told = switch_to(OTHER, prefix(here=19_000))

    assert told.cold_nano == 20_000 * 6_250
    assert told.stay_nano == 19_000 * READ + 1_000 * WRITE
    assert told.difference_nano == told.cold_nano - told.stay_nano
    assert losing_nano(OTHER, prefix(here=19_000)) == 19_000 * (6_250 - 500)
    assert told.note == "Losing the cache costs $0.1093 once."


def test_a_model_that_still_has_the_session_in_its_cache_loses_nothing() -> None:
    told = switch_to(OTHER, prefix(here=19_000, there=18_000))

    assert told.difference_nano == 18_000 * 500 + 2_000 * 6_250 - (19_000 * READ + 1_000 * WRITE)
    assert losing_nano(OTHER, prefix(here=19_000, there=18_000)) == 0
    assert "still warm" in told.note


def test_nothing_is_lost_where_nothing_is_warm_and_no_price_is_made_up() -> None:
    assert switch_to(OTHER, prefix()).note == "There is no cache to lose."
    strange = switch_to("somebodys-own", prefix(here=19_000))
    assert (strange.cold_nano, strange.difference_nano) == (None, None)
    assert strange.note == "Its price is not known."


def test_a_prefix_that_is_too_short_to_be_cached_is_priced_as_plain_input() -> None:
    assert switch_to(OTHER, prefix(tokens=500)).cold_nano == 500 * 5_000
