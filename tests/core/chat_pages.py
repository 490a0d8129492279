"""Conversations for tests of transcripts, harmless and hostile."""

from __future__ import annotations

import os

from hypothesis import settings
from hypothesis import strategies as st

from cmt_lsp.api.cache_manager import CacheVerdict
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.chatfile.answer import ChatTurn, Link, TurnFigures
from cmt_lsp.core.chatfile.marks import head_mark, mark

sized = settings(max_examples=200 if os.environ.get("CMT_CAMPAIGN") == "full" else 50)
"""How many conversations a property is tried on."""
SESSION = "0193abcdef0-1111456789abcdef"
OTHER_SESSION = "0193abcdef0-2222456700000000"
TURNS = [f"0193abcdef{n}-0123456789abcde{n}" for n in range(4)]

FIGURES = TurnFigures(
    "claude-test-1",
    "end_turn",
    Usage(1200, 0, 0, 300, 56),
    Cost(12_300_000, None, None, estimated=False),
    CacheVerdict("partial", 300, 0, 0.2, "history changed", None, lost_nano=3_000_000),
    1200,
)

PIECES = [
    *(mark(kind, SESSION, turn) for kind in ("answer", "after", "end") for turn in TURNS),
    *(mark("end", SESSION, turn, "+1") for turn in TURNS),
    mark("answer", OTHER_SESSION, TURNS[0]),
    head_mark(SESSION),
    *("# Top", "## You", "## You · Explain", "## Claude · x", "> quoted", "*1 token in*"),
    *("```", "```python", "````", "~~~", "    ```", "`", "<!--", "-->", "<details>", "</details>"),
    *("\r\n", "\r", "\n", "\n\n", "\u2028", "\u2029", "\x85", "\x0c", "\x00", "\x1b[31m", "\ufeff", "\ud800"),
    *("src/a.py:10", "../../etc/passwd:1", "[x](file:///etc/passwd#L1)", "é", "𝄞", "word", " ", "\t"),
]
hostile: st.SearchStrategy[str] = st.lists(
    st.one_of(st.sampled_from(PIECES), st.text(max_size=8), st.just("\n")), max_size=24
).map("".join)


def turn_with(
    turn_id: str = TURNS[0],
    text: str = "It is one.",
    question: str = "What is it?",
    *,
    figures: TurnFigures = FIGURES,
    thinking: str = "",
    notices: tuple[str, ...] = (),
    title: str = "",
    attached: tuple[Link, ...] = (),
) -> ChatTurn:
    """A turn of which only what is given differs from a plain one."""
    return ChatTurn(turn_id, question, text, figures, thinking, notices, title, attached)


@st.composite
def conversations(draw: st.DrawFn) -> list[ChatTurn]:
    """Up to four turns of hostile texts."""
    count = draw(st.integers(0, len(TURNS)))
    return [
        turn_with(
            turn_id,
            draw(hostile),
            draw(hostile),
            thinking=draw(hostile),
            notices=(draw(hostile),),
            title=draw(hostile),
            attached=(Link(draw(hostile), f"file:///w/{draw(hostile)}#L1"),),
        )
        for turn_id in TURNS[:count]
    ]
