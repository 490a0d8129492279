"""Suggestions about how a session is used: switches of the model, a system prompt that changes, prompts that are short."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmt_lsp.api.models import display_usd, find_model
from cmt_lsp.core.cache.replay import paid, replayable, replayed, steps_of
from cmt_lsp.core.cache.suggestion import Act, Suggestion, questions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmt_lsp.core.cache.evidence import CachedTurn
    from cmt_lsp.core.cache.suggestion import PinnedFiles

_DATE = re.compile(
    r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?)?\b"
    r"|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b"
    r"|\b\d{1,2}:\d\d(?::\d\d)?\b"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.? \d{1,2}(?:, \d{4})?\b"
)


def pinned_edits(
    session_id: str, turns: Sequence[CachedTurn], files: PinnedFiles | None
) -> Iterator[Suggestion]:
    """Pinned files that are edited: each version attached to a question is written once, and read from then on."""
    changes = [place for place, turn in enumerate(turns) if turn.cause == "pinned context changed"]
    if not changes or files is None or not files.ids:
        return
    value = _lost([turns[place] for place in changes])
    for place in changes:
        if (row := turns[place].price) is not None:
            value -= files.tokens * (row.write_5m + row.read * (len(turns) - place - 1))
    times = "once" if len(changes) == 1 else f"{len(changes)} times"
    yield Suggestion(
        "pinned",
        value,
        len(changes),
        f"Pinned files changed {times}, and what follows them was written anew: attached to the questions instead, "
        f"each version behind the conversation, all would have cost {display_usd(value)} less.",
        Act("Unpin the files", "cmt/session/update", {"sessionId": session_id, "unpin": list(files.ids)}),
        session_id,
    )


_SENTENCE_END = re.compile(r"(?<=[.!?])(?=\s)|(?<=\n)")
_WORDS_AROUND = 6
"""As in `The current date and time is`: words that mean nothing without what follows."""


def model_switches(session_id: str, turns: Sequence[CachedTurn]) -> Iterator[Suggestion]:
    """Going back and forth between models: a single switch is somebody's choice."""
    switches = [turn for turn in turns if turn.cause == "model changed"]
    if len(switches) < 2:
        return
    value = _lost(switches)
    used = [turn.model for turn in turns]
    most = max(sorted(set(used)), key=used.count)
    yield Suggestion(
        "models",
        value,
        len(switches),
        f"{len(switches)} switches of the model wrote the conversation anew for {display_usd(value)}: stay with {most} "
        "here, and ask another model in a session of its own.",
        Act(f"Stay with {most}", "cmt/session/update", {"sessionId": session_id, "model": most}),
        session_id,
    )


def system_prompt_changes(
    session_id: str, turns: Sequence[CachedTurn], prompt: str | None
) -> Iterator[Suggestion]:
    """A system prompt that changes loses all that follows it."""
    changes = [turn for turn in turns if turn.cause == "system prompt changed"]
    if not changes:
        return
    value = _lost(changes)
    times = "once" if len(changes) == 1 else f"{len(changes)} times"
    cost = (
        f"The system prompt changed {times}, and the conversation was written anew for {display_usd(value)}"
    )
    dates = _DATE.findall(prompt or "")
    if not prompt or not dates:
        sentence, act = f"{cost}: leave it as it is, and put what changes into the question.", None
    else:
        sentence = f'{cost}: it holds "{dates[0]}"; say the date in the question where it matters.'
        params = {"sessionId": session_id, "systemPrompt": _undated(prompt)}
        act = Act("Take dates and times out of the system prompt", "cmt/session/update", params)
    yield Suggestion("system-prompt", value, len(changes), sentence, act, session_id)


def _undated(prompt: str) -> str:
    """A prompt without its dates and times, and without the sentences that say nothing else."""
    kept = []
    for sentence in _SENTENCE_END.split(prompt):
        without = _DATE.sub("", sentence)
        if without == sentence or len(re.findall(r"\w+", without)) > _WORDS_AROUND:
            kept.append(without)
    return "".join(kept).strip()


def short_prompts(session_id: str, turns: Sequence[CachedTurn]) -> Iterator[Suggestion]:
    """Prompts under the model's minimum that would have been cheaper a little longer."""
    short = replayable(turn for turn in turns if turn.cache.state == "below-minimum")
    known = find_model(short[-1].model) if short else None
    if known is None or any(turn.model != short[-1].model for turn in short):
        return
    best, missing = 0, 0
    for padding in sorted({known.cache_minimum - turn.usage.total_input_tokens for turn in short}):
        value = paid(short) - replayed(steps_of(short, padding), "5m")
        if padding > 0 and value > best:
            best, missing = value, padding
    if missing:
        yield Suggestion(
            "minimum",
            best,
            len(short),
            f"{questions(len(short))} stayed under the {known.cache_minimum:,} tokens that {known.id} needs to cache: "
            f"{missing:,} tokens more at the front, a file or fuller instructions, would have cost "
            f"{display_usd(best)} less in all.",
            None,
            session_id,
        )


def _lost(turns: Sequence[CachedTurn]) -> int:
    return sum(turn.cache.lost_nano or 0 for turn in turns)
