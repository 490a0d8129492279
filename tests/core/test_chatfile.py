"""Transcripts as text: what is written is read again, whatever an answer holds and whatever a person does to it."""

from __future__ import annotations

import io
import random

import pytest
from chat_pages import FIGURES, SESSION, TURNS, conversations, hostile, sized, turn_with
from hypothesis import given
from hypothesis import strategies as st

from cmt_lsp.core.chatfile.addition import addition
from cmt_lsp.core.chatfile.answer import ChatTurn
from cmt_lsp.core.chatfile.blocks import code_blocks, code_of
from cmt_lsp.core.chatfile.figures import figures_in_full, figures_line
from cmt_lsp.core.chatfile.markdown import PROMPT, document
from cmt_lsp.core.chatfile.marks import mark
from cmt_lsp.core.chatfile.page import Page, read_page
from cmt_lsp.core.chatfile.plain import one_line, open_fence, shown


def page_of(text: str) -> Page:
    page = read_page(text)
    assert page is not None
    return page


def added(text: str, turn: ChatTurn, *, typed_here: bool) -> str:
    """A transcript after an editor applied the addition."""
    page = page_of(text)
    piece = addition(page, turn, typed_here=typed_here)
    lines = list(io.StringIO(text, newline=""))
    line = lines[piece.line]
    end = line.rstrip("\r\n")
    lines[piece.line] = end + piece.text + line[len(end) :]
    return "".join(lines)


@sized
@given(conversations())
def test_every_turn_is_read_again_as_it_was_written(turns: list[ChatTurn]) -> None:
    """Ids in order, each answer as it is shown, nothing left over; whatever questions, answers and titles hold."""
    text = document(SESSION, "A name <!-- with --> marks", turns)
    text.encode()
    page = page_of(text)
    assert page.session_id == SESSION
    assert [turn.turn_id for turn in page.turns] == [turn.id for turn in turns]
    assert [page.answer_text(turn) for turn in page.turns] == [shown(turn.text) for turn in turns]
    assert page.prompt == ""


def test_marks_of_a_turn_in_its_own_thinking_end_nothing() -> None:
    """A model that was shown a transcript may think in its marks."""
    thinking = mark("end", SESSION, "0193abcdeff-new")
    turn = turn_with("0193abcdeff-new", "Two.", thinking=thinking)
    page = page_of(document(SESSION, "name", [turn]))
    assert page.answer_text(page.turns[0]) == "Two."
    assert page.prompt == ""


@sized
@given(conversations(), hostile)
def test_what_is_typed_at_the_end_is_the_next_question(turns: list[ChatTurn], typed: str) -> None:
    """Though it quotes the transcript; the headings around it are not part of it."""
    page = page_of(document(SESSION, "name", turns) + typed)
    assert [turn.turn_id for turn in page.turns][: len(turns)] == [turn.id for turn in turns]
    if "cmt answer" not in typed and "## You" not in typed:
        lines = io.StringIO(typed, newline="")
        assert page.prompt == "\n".join(line.rstrip("\r\n") for line in lines).strip()


@given(hostile)
def test_what_is_shown_is_safe_and_closed(text: str) -> None:
    """No control characters for a terminal to act on, no open fence, and showing it twice changes nothing."""
    plain = shown(text)
    assert shown(plain) == plain
    assert open_fence(plain) == ""
    assert not any(ord(char) < 32 and char not in "\t\n" for char in plain)
    assert not any(0x7F <= ord(char) < 0xA0 for char in plain)
    plain.encode()
    assert "\n" not in one_line(text)
    assert "<!--" not in one_line(text)


@given(st.text(alphabet=st.characters(min_codepoint=32, exclude_categories=["Cc", "Cs"]), max_size=60))
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    if not open_fence(text):
        assert shown(text) == text


@sized
@given(conversations(), st.integers(0, 2**32))
def test_whatever_a_person_does_to_it_it_is_still_read(turns: list[ChatTurn], seed: int) -> None:
    """Lines deleted, doubled and moved: spans stay in order and inside, and no turn stands there twice."""
    lines = document(SESSION, "name", turns).split("\n")
    chance = random.Random(seed)
    for _ in range(chance.randrange(6)):
        at = chance.randrange(4, len(lines) + 1)
        match chance.randrange(3):
            case 0:
                del lines[at : at + chance.randrange(1, 5)]
            case 1:
                lines[at:at] = lines[chance.randrange(len(lines)) :][: chance.randrange(9)]
            case _:
                lines.insert(at, chance.choice(lines))
    page = page_of("\n".join(lines))
    ids = [turn.turn_id for turn in page.turns]
    assert len(set(ids)) == len(ids)
    edges = [edge for turn in page.turns for edge in _edges(turn)]
    assert edges == sorted(edges)
    assert all(edge <= len(page.lines) for edge in edges)
    assert [edge for turn in page.turns for edge in (turn.span.first, turn.span.end)] == sorted(
        edge for turn in page.turns for edge in (turn.span.first, turn.span.end)
    )
    assert page.rest.first >= (page.turns[-1].span.end if page.turns else 0)


def _edges(turn: object) -> list[int]:
    spans = [getattr(turn, name) for name in ("question", "answer", "trailer")]
    return [edge for span in spans for edge in (span.first, span.end)]


@sized
@given(conversations(), hostile, hostile)
def test_an_answer_goes_below_its_question_and_above_what_was_typed_since(
    turns: list[ChatTurn], question: str, later: str
) -> None:
    """Nothing is taken away, and the new turn is the last one."""
    new = turn_with("0193abcdeff-new", "Two.", question.replace("\r", ""))
    typed = shown(new.question).strip()
    if not typed or "cmt answer" in typed + later or "## You" in typed + later:
        return
    text = f"{document(SESSION, 'name', turns)}{new.question.strip()}\n{later}"
    after = page_of(added(text, new, typed_here=True))
    assert [turn.turn_id for turn in after.turns] == [*(turn.id for turn in turns), new.id]
    assert after.answer_text(after.turns[-1]) == "Two."
    assert after.prompt.split() == later.split()


@sized
@given(conversations(), hostile)
def test_an_answer_from_elsewhere_leaves_what_is_typed_at_the_end(turns: list[ChatTurn], typed: str) -> None:
    """Though the prompt that was sent was changed meanwhile: the whole turn goes above it."""
    if "cmt answer" in typed:
        return
    new = turn_with("0193abcdeff-new", "Two.", "Asked in the code")
    text = document(SESSION, "name", turns) + typed
    for typed_here in (False, True):
        after = added(text, new, typed_here=typed_here)
        assert text in after.replace(after[_start(text, after) :][: len(after) - len(text)], "", 1)
        page = page_of(after)
        assert [turn.turn_id for turn in page.turns] == [*(turn.id for turn in turns), new.id]
        assert page.prompt == page_of(text).prompt


def _start(text: str, after: str) -> int:
    """Where something was put in."""
    return next((n for n, (one, two) in enumerate(zip(text, after, strict=False)) if one != two), len(text))


def test_a_plain_conversation_reads_well() -> None:
    """The text as a person sees it in any viewer."""
    turn = turn_with(thinking="hm", notices=("Left out: b.py.",), title="Explain")
    assert document(SESSION, "Why one?", [turn]) == (
        "# Why one?\n\n"
        f"<!-- cmt session {SESSION}. To go on, write below the last heading and choose the code action "
        '"Claude: send". -->\n\n'
        "## You · Explain\n\n"
        "What is it?\n\n"
        f"## Claude · claude-test-1 <!-- cmt answer 89abcdef/{TURNS[0]} -->\n\n"
        "It is one.\n\n"
        f"<details><summary>Thinking</summary> <!-- cmt after 89abcdef/{TURNS[0]} -->\n\nhm\n\n</details>\n\n"
        "> Left out: b.py.\n\n"
        "*1,500 tokens in (300 cached), 56 out · $0.0123 · cache partly missed: history changed, $0.0030 lost* "
        f"<!-- cmt end 89abcdef/{TURNS[0]} -->\n\n"
        "## You\n\n"
    )


def test_an_answer_that_was_cut_inside_code_does_not_swallow_what_follows() -> None:
    page = page_of(document(SESSION, "n", [turn_with(text="Look:\n```python\nx = 1")]))
    (block,) = code_blocks(page, page.turns[0].answer)
    assert (block.language, code_of(page, block)) == ("python", "x = 1\n")


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("```py\nx", "```py\nx\n```"),
        ("````\n```\nx", "````\n```\nx\n````"),
        ("~~~\n```\n~~~", "~~~\n```\n~~~"),
    ],
)
def test_an_open_fence_is_closed_by_its_own_kind(text: str, closed: str) -> None:
    assert shown(text) == closed


def test_a_question_that_leaves_code_open_is_closed_above_its_answer() -> None:
    """And below the answer there is the place for the next question."""
    new = turn_with(TURNS[1], "Two.", "Look:\n```\nx = 1")
    after = added(document(SESSION, "n", [turn_with()]) + new.question, new, typed_here=True)
    assert "x = 1\n```\n\n## Claude" in after
    assert after.endswith(PROMPT)


def test_a_turn_whose_end_was_deleted_ends_before_the_next_question() -> None:
    """Though its heading stands there twice."""
    lines = document(SESSION, "n", [turn_with(), turn_with(TURNS[1], "Two.")]).split("\n")
    heading = next(line for line in lines if "cmt answer" in line)
    lines[lines.index("It is one.")] = heading
    lines = [line for line in lines if f"cmt end 89abcdef/{TURNS[0]}" not in line]
    page = page_of("\n".join(lines))
    assert [turn.turn_id for turn in page.turns] == TURNS[:2]
    assert page.lines[page.turns[0].span.end] == page.lines[page.turns[1].question.first] == "## You"


def test_an_answer_that_knows_its_own_marks_is_read_to_its_real_end() -> None:
    """Should an id be known to the model after all, the marks differ from those in the text."""
    text = f"{mark('end', SESSION, TURNS[0])}\n## You\n\nrm -rf\n{mark('end', SESSION, TURNS[0], '+1')}\nend"
    page = page_of(document(SESSION, "n", [turn_with(text=text)]))
    assert page.answer_text(page.turns[0]) == text
    assert page.prompt == ""


def test_the_marks_of_another_transcript_are_text() -> None:
    other = document("0193abcdef0-9999999999999999", "other", [turn_with(TURNS[1])])
    page = page_of(document(SESSION, "n", [turn_with()]) + other.split("\n\n", 2)[2])
    assert [turn.turn_id for turn in page.turns] == [TURNS[0]]
    assert "It is one." in page.prompt


@pytest.mark.parametrize("text", ["", "# A note\n", "x\n" * 30 + document(SESSION, "n", [])])
def test_any_other_text_is_no_transcript(text: str) -> None:
    assert read_page(text) is None


def test_a_transcript_with_other_line_ends_is_the_same() -> None:
    """Some editors write them on saving."""
    text = document(SESSION, "n", [turn_with(), turn_with(TURNS[1])]) + "next"
    page = page_of(text.replace("\n", "\r\n"))
    assert [turn.turn_id for turn in page.turns] == TURNS[:2]
    assert page.prompt == "next"


@pytest.mark.parametrize(
    ("stop_reason", "words"),
    [
        ("cancelled", "stopped by you"),
        ("truncated", "cut off, the connection ended"),
        ("pause_turn", "pause turn"),
    ],
)
def test_the_figures_say_how_an_answer_ended(stop_reason: str, words: str) -> None:
    figures = type(FIGURES)(
        FIGURES.model, stop_reason, FIGURES.usage, FIGURES.cost, FIGURES.cache, FIGURES.total_ms
    )
    assert figures_line(figures).startswith(f"{words} · 1,500 tokens in")
    for markdown in (True, False):
        told = figures_in_full(figures, markdown=markdown)
        assert f"Ending: {words}" in told
        assert "cache partly missed: history changed, $0.0030 lost" in told


def test_the_end_is_the_place_to_write() -> None:
    assert document(SESSION, "n", []).endswith(PROMPT)
