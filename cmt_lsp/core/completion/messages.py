"""Messages of a conversation that its caller keeps, as a history and a question: plain functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cmt_lsp.api.cache.verdict import CacheVerdict
from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.api.models import Cost
from cmt_lsp.api.surrogates import mend
from cmt_lsp.api.usage import Usage
from cmt_lsp.core.history import prompt_content
from cmt_lsp.core.records import TurnRecord
from cmt_lsp.core.turn import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmt_lsp.core.records import SessionRecord
    from cmt_lsp.core.turn import ImageSource


@dataclass(frozen=True, slots=True)
class Said:
    """One message: its text, and the images before it."""

    role: Literal["user", "assistant"]
    text: str
    images: tuple[ImageSource, ...] = ()


def taking_turns(messages: Sequence[Said]) -> list[Said]:
    """The messages with neighbours of one role joined, from a user's to a user's; BadParamsError.

    What an assistant said without words leaves no trace, since the endpoint refuses empty messages.
    """
    joined: list[Said] = []
    for said in messages:
        if said.role == "assistant" and said.images:
            raise BadParamsError("$.messages: only the user shows images; leave those of the assistant out.")
        if not said.text.strip() and not said.images:
            continue
        if joined and joined[-1].role == said.role:
            before = joined.pop()
            text = "\n\n".join(part for part in (before.text, said.text) if part)
            joined.append(Said(said.role, text, before.images + said.images))
        else:
            joined.append(Said(said.role, mend(said.text), said.images))
    if not joined or joined[0].role != "user" or joined[-1].role != "user":
        raise BadParamsError("$.messages must begin and end with something that the user says.")
    return joined


def blocks_of(said: Said, images: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """A message's content, with its images as the endpoint takes them."""
    return prompt_content(images, (), said.text)


def history_of(
    session: SessionRecord, messages: Sequence[Said], contents: Sequence[tuple[Mapping[str, Any], ...]]
) -> tuple[TurnRecord, ...]:
    """All but the last message as settled turns, which nobody keeps; `contents` are the messages' blocks."""
    pairs = range(0, len(messages) - 1, 2)
    return tuple(
        _turn(session, at // 2, messages[at].text, contents[at], contents[at + 1], messages[at + 1].text)
        for at in pairs
    )


def _turn(
    session: SessionRecord,
    seq: int,
    question: str,
    prompt: tuple[Mapping[str, Any], ...],
    answer: tuple[Mapping[str, Any], ...],
    text: str,
) -> TurnRecord:
    return TurnRecord(
        id=f"{session.id}-{seq}",
        session_id=session.id,
        seq=seq,
        model=session.model,
        stop_reason="end_turn",
        prompt=prompt,
        answer=answer,
        prompt_text=question,
        text=text,
        in_history=True,
        prefix="",
        started_at=session.created_at,
        usage=Usage(),
        cost=Cost.sum(()),
        cache=CacheVerdict("off", 0, 0, 0.0, None, None),
        timing=Timing(None, 0, 0),
    )
