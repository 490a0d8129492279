"""ConversationManager: one session's message history, what of it is sent with the next question, and how it grows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cmt_lsp.api.cache.rhythm import REMEMBERED as RHYTHM_LENGTH
from cmt_lsp.api.cache.rhythm import Rhythm
from cmt_lsp.api.errors import UnknownTurnError
from cmt_lsp.api.models import find_model, limits_of
from cmt_lsp.api.request import MessageRequest
from cmt_lsp.core.context.pin_notices import pin_notices
from cmt_lsp.core.context.pins import NOTHING_PINNED, Pinned
from cmt_lsp.core.history import (
    content_tokens,
    fit_history,
    history_messages,
    prefix_digest,
    sent_turns,
)
from cmt_lsp.core.images import held_images, without_images
from cmt_lsp.core.transcripts import sums

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmt_lsp.api.cache_manager import CacheManager, PlannedPrompt, SentPrompt
    from cmt_lsp.api.models import Model
    from cmt_lsp.core.context.pins import Pin
    from cmt_lsp.core.draft import Draft
    from cmt_lsp.core.images import HeldImages
    from cmt_lsp.core.records import SessionRecord, TurnRecord
    from cmt_lsp.core.transcripts import SessionRow

_ADAPTIVE = ("adaptive", "adaptive-always")
_NAME_LENGTH = 60
_RECALLED_TURNS = 32
"""The last turns, by which a resumed session knows what its models left in the cache."""


@dataclass(frozen=True, slots=True)
class PlannedTurn:
    """A question in its place: the request as it goes out, and what the record will say of it."""

    request: MessageRequest
    prompt: PlannedPrompt
    model: Model | None
    prefix: str
    history_from: int
    estimated_tokens: int
    notices: tuple[str, ...]
    previous: SentPrompt | None = None
    """What the session's last request had left in the prompt cache."""
    pinned: Pinned = NOTHING_PINNED
    """What is pinned to the session, as this request carries it."""


class ConversationManager:
    """The history of one session in memory; `turns` is None while it is only on disk."""

    def __init__(self, record: SessionRecord, turns: tuple[TurnRecord, ...] | None = None) -> None:
        self.record = record
        self.turns = turns
        self._recalled = 0.0
        """When the last request was sent whose traces in the prompt cache this process knows of."""
        self.file_number = 0
        """Which of the store's files, counted, holds this session."""
        self.pinned = NOTHING_PINNED
        """What is pinned, as it was last read."""
        self.unsaved = False
        """True after a change of this session could not be written."""
        self._warmed: SentPrompt | None = None
        self._weighed: tuple[tuple[TurnRecord, ...] | None, int] = (None, 0)

    @property
    def loaded(self) -> tuple[TurnRecord, ...]:
        """The turns in memory."""
        return self.turns or ()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The history as the next request under the session's own model carries it."""
        return history_messages(self.loaded, self.record.history_from, self._prefix(self.record.model))

    @property
    def token_count(self) -> int:
        """Estimated tokens of the history that the next request carries."""
        return sum(
            content_tokens(turn.prompt) + content_tokens(turn.answer)
            for turn in sent_turns(self.loaded, self.record.history_from)
        )

    @property
    def held_images(self) -> HeldImages:
        """The images that the next request carries before its own."""
        return held_images(self.loaded, self.record.history_from)

    @property
    def weight(self) -> int:
        """About how many bytes the turns hold in memory; counted once, and on from there turn by turn."""
        if self._weighed[0] is not self.turns:
            self._weighed = (self.turns, sum(_weight(turn) for turn in self.loaded))
        return self._weighed[1]

    def note_warm(self, sent: SentPrompt) -> None:
        """A request that asked nothing left this in the prompt cache."""
        self._warmed = sent
        self._recalled = max(self._recalled, sent.sent_at)

    @property
    def last_sent(self) -> SentPrompt | None:
        """What the session's last request left in the prompt cache, in whichever window it was asked."""
        return self._kept[-1] if self._kept else None

    @property
    def _kept(self) -> list[SentPrompt]:
        """What its last requests left there, the newest one last."""
        kept = [turn.sent for turn in self.loaded[-_RECALLED_TURNS:] if turn.sent is not None]
        kept += [self._warmed] if self._warmed is not None else []
        return sorted(kept, key=lambda sent: sent.sent_at)

    def plan(
        self,
        draft: Draft,
        content: tuple[Mapping[str, Any], ...],
        cache: CacheManager,
        *,
        without: TurnRecord | None = None,
        room: int | None = None,
        warming: bool = False,
        pinned: Pinned | None = None,
    ) -> PlannedTurn:
        """Put a question behind the history, pruned where it does not fit; `content` is the user message's blocks.

        `without` is a turn that this one replaces; `room` (tokens) stands in for the model's own limit. `warming`: the
        content stands in for a question, and the request only writes what stands before it to the cache. `pinned` is what
        goes along of the pins, else as they were last read.
        """
        model = find_model(draft.model)
        turns = tuple(turn for turn in self.loaded if turn is not without)
        window = limits_of(draft.model).context_window
        if room is None and window is not None:
            room = window - draft.max_tokens
        system = self.record.system_prompt
        start = self.record.history_from
        pinned = self.pinned if pinned is None else pinned
        fit = fit_history(
            turns,
            start,
            system,
            content,
            room,
            prefix_digest(draft.model, system, start, pinned.digest),
            pinned.content,
        )
        prefix = prefix_digest(draft.model, system, fit.history_from, pinned.digest)
        previous = self._recall(cache)
        prompt = cache.plan(
            system,
            history_messages(turns, fit.history_from, prefix),
            content,
            model,
            draft.caching != "off",
            pinned=pinned.content,
            wish=draft.caching,
            rhythm=Rhythm.of_times(turn.started_at for turn in turns[-RHYTHM_LENGTH:]),
            settings=_kept_apart(model, draft),
            warming=warming,
        )
        return PlannedTurn(
            request=_request(draft, prompt, model, warming=warming),
            prompt=prompt,
            model=model,
            prefix=prefix,
            history_from=fit.history_from,
            estimated_tokens=fit.tokens,
            notices=(*_pruning_notice(fit.dropped), *pin_notices(pinned, prompt, cache, previous, model)),
            previous=previous,
            pinned=pinned,
        )

    def _recall(self, cache: CacheManager) -> SentPrompt | None:
        """Tell the cache what each model's last request left there, where another process or window sent it."""
        kept = self._kept
        for sent in {sent.fingerprint.model: sent for sent in kept}.values():
            if sent.sent_at > self._recalled:
                cache.recall(sent)
        if kept:
            self._recalled = max(self._recalled, kept[-1].sent_at)
        return kept[-1] if kept else None

    @property
    def head(self) -> str | None:
        """The last turn; None before the first one."""
        return self.loaded[-1].id if self.loaded else None

    @property
    def row(self) -> SessionRow:
        """The session with the sums over its turns."""
        return (self.record, *sums([(turn.usage, turn.cost) for turn in self.loaded]))

    def index_of(self, turn_id: str) -> int:
        """Where a turn stands among the turns; UnknownTurnError."""
        for index, turn in enumerate(self.loaded):
            if turn.id == turn_id:
                return index
        raise UnknownTurnError("The session has no turn with this id; get the session to see its turns.")

    def matches(self, workspaces: Sequence[str | None] | None, query: str | None) -> bool:
        """Whether a listing by workspace (None: all) and text shows this session."""
        if workspaces is not None and self.record.workspace not in workspaces:
            return False
        texts = [self.record.name, *(text for turn in self.loaded for text in (turn.prompt_text, turn.text))]
        return not query or any(query.casefold() in text.casefold() for text in texts)

    def change(
        self,
        *,
        name: str | None,
        model: str | None,
        system_prompt: str | None,
        at: float,
        pins: tuple[Pin, ...] | None = None,
    ) -> None:
        """Change what is not None; an empty system prompt is none."""
        record = self.record
        self.record = replace(
            record,
            name=name or record.name,
            named=record.named or name is not None,
            model=model or record.model,
            system_prompt=record.system_prompt if system_prompt is None else system_prompt or None,
            pins=record.pins if pins is None else pins,
            updated_at=max(record.updated_at, at),
            revision=record.revision + 1,
        )

    def next_seq(self, without: TurnRecord | None = None) -> int:
        """The place of the next turn, or of the turn that is replaced."""
        if without is not None:
            return without.seq
        return self.loaded[-1].seq + 1 if self.loaded else 0

    def append(
        self,
        turn: TurnRecord,
        history_from: int,
        without: TurnRecord | None = None,
        pinned: Pinned | None = None,
    ) -> None:
        """Take a settled turn into the history; the first one names a session that has no name.

        `pinned` is what was sent of the pins with it.
        """
        kept = tuple(known for known in self.loaded if known is not without)
        weight = self.weight if len(kept) == len(self.loaded) else sum(_weight(known) for known in kept)
        self.turns = (*kept, turn)
        self._weighed = (self.turns, weight + _weight(turn))
        if turn.sent is not None:
            self._recalled = max(self._recalled, turn.sent.sent_at)
        named = self._named_after(turn.prompt_text, turn.started_at)
        sent = named.pins_sent if pinned is None else pinned.sent
        self.record = replace(named, history_from=history_from, pins_sent=sent)

    def remove_images(self, turn_id: str, index: int | None, at: float) -> tuple[TurnRecord, ...]:
        """Take an image of a turn, or all, out of the history; the turns that changed. UnknownTurnError, BadParamsError.

        Whatever was thought before now stood beside the image, and is not replayed any more.
        """
        place = self.index_of(turn_id)
        changed = [without_images(self.loaded[place], index), *self.loaded[place + 1 :]]
        changed[-1] = replace(changed[-1], prefix="")
        self.turns = (*self.loaded[:place], *changed)
        self.record = replace(
            self.record, updated_at=max(self.record.updated_at, at), revision=self.record.revision + 1
        )
        return tuple({turn.id: turn for turn in (changed[0], changed[-1])}.values())

    def choose(self, turn: TurnRecord, history_from: int) -> None:
        """Take an answer that was given beside the history into it."""
        self.append(turn, history_from)

    def note_question(self, prompt_text: str, at: float) -> None:
        """Something was asked beside the history: it names a session that has no name."""
        self.record = self._named_after(prompt_text, at)

    def _named_after(self, prompt_text: str, at: float) -> SessionRecord:
        record = self.record
        return replace(
            record,
            name=record.name if record.named else name_from(prompt_text) or record.name,
            named=True,
            updated_at=max(record.updated_at, at),
            revision=record.revision + 1,
        )

    def _prefix(self, model: str) -> str:
        record = self.record
        return prefix_digest(model, record.system_prompt, record.history_from, self.pinned.digest)


def name_from(prompt: str) -> str:
    """A session's name from its first question: the first line, cut at a word's end."""
    line = " ".join(next((line for line in prompt.splitlines() if line.strip()), "").split())
    if len(line) <= _NAME_LENGTH:
        return line
    cut = line[:_NAME_LENGTH].rsplit(" ", 1)[0]
    return f"{cut} ..."


def _kept_apart(model: Model | None, draft: Draft) -> str:
    """What of a request, beside its prompt, the endpoint keeps apart in its cache: effort on older models alone."""
    thinking = _thinking(model)
    effort = draft.effort if model is None or model.caches_by_effort else None
    parts = [thinking["type"] if thinking else "", effort or ""]
    return " ".join(parts).strip()


def _request(draft: Draft, prompt: PlannedPrompt, model: Model | None, *, warming: bool) -> MessageRequest:
    """The prompt as it goes out; one that only warms the cache asks for no answer."""
    return MessageRequest(
        model=draft.model,
        max_tokens=0 if warming else draft.max_tokens,
        messages=prompt.messages,
        system=prompt.system,
        thinking=_thinking(model),
        effort=draft.effort,
    )


def _thinking(model: Model | None) -> dict[str, str] | None:
    """Summarised thinking, where the model decides by itself how much: without it the wait is silent."""
    if model is None or model.thinking not in _ADAPTIVE:
        return None
    return {"type": "adaptive", "display": "summarized"}


def _pruning_notice(dropped: int) -> tuple[str, ...]:
    if not dropped:
        return ()
    turns = "The oldest turn does" if dropped == 1 else f"The {dropped} oldest turns do"
    return (
        f"{turns} not fit the model's context window any more: left out of this request, kept in the session.",
    )


def _weight(turn: TurnRecord) -> int:
    """Text once in the blocks and once beside them; base64 is most of what an image weighs."""
    blocks = sum(_string_size(block) for block in (*turn.prompt, *turn.answer))
    return 1000 + blocks + len(turn.prompt_text) + len(turn.text)


def _string_size(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(_string_size(inner) for inner in value.values())
    return 0
