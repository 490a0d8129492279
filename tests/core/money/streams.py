"""Random streams for the test of the money's truth: what is asked, what the endpoint does, and when it is stopped.

A stream is told apart by a mark in its question, so that many can run at once: the endpoint finds by it what to do
next, and the test finds by it which requests, and so which account, belong to which rows of the ledger.
"""

from __future__ import annotations

import base64
import io
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, TypeAlias

from PIL import Image

from cmt_lsp.simulator import Answer, Fault, RecordedRequest, Simulator

Stop: TypeAlias = Literal["never", "at once", "predicted", "before headers", "thinking", "text", "retry wait"]

Kind: TypeAlias = "Callable[[random.Random, Stream, bool], Stream]"

MARK = re.compile(r"\[stream (\d+)\]")
WORDS = [
    "the",
    "cache",
    "value",
    "request",
    "model",
    "answer",
    "function",
    "returns",
    "when",
    "because",
    "which",
    "should",
    "list",
    "index",
    "error",
    "type",
    "test",
    "session",
    "window",
    "token",
    "price",
    "budget",
    "class",
    "method",
    "call",
    "loop",
    "thread",
    "lock",
    "file",
    "path",
    "read",
    "write",
    "before",
    "after",
    "every",
    "without",
    "only",
    "first",
    "last",
    "each",
    "other",
    "same",
    "new",
    "old",
    "long",
    "short",
    "fast",
    "slow",
    "safe",
    "check",
    "handle",
    "raise",
    "catch",
    "string",
    "number",
    "where",
    "this",
    "that",
    "with",
    "from",
    "into",
    "about",
    "under",
    "over",
    "again",
    "between",
    "inside",
    "outside",
    "is",
    "are",
    "was",
    "were",
    "has",
    "have",
    "can",
    "may",
    "must",
    "not",
    "and",
    "or",
    "but",
    "if",
    "then",
    "else",
    "a",
    "an",
    "of",
    "to",
    "in",
    "on",
    "at",
    "by",
    "for",
]
CODE = (
    "def load(path: Path) -> Settings:",
    "    with path.open('rb') as handle:",
    "        return tomllib.loads(handle.read().decode())",
    "for index, item in enumerate(items):",
    "    if item is None or item.closed:",
    "        continue",
    "class Session(Protocol):",
    "    async def close(self) -> None: ...",
    "const total = rows.reduce((sum, row) => sum + row.cost, 0);",
    'if err != nil { return nil, fmt.Errorf("open %s: %w", name, err) }',
    "SELECT day, sum(nano_usd) FROM attempts WHERE state = 'done' GROUP BY day;",
)
PIECE = 24
"""Characters in one delta of an answer."""


def prose(rng: random.Random, words: int) -> str:
    """English sentences of so many words."""
    chosen = rng.choices(WORDS, k=max(1, words))
    for at in range(0, len(chosen), 12):
        chosen[at] = chosen[at].capitalize()
        end = min(at + 11, len(chosen) - 1)
        chosen[end] += "."
    return " ".join(chosen)


def reply_text(rng: random.Random, words: int) -> str:
    """An answer about code: sentences, and among them some lines of it."""
    if words < 60:
        return prose(rng, words)
    code = "\n".join(rng.choices(CODE, k=max(2, words // 25)))
    return f"{prose(rng, words // 3)}\n\n```python\n{code}\n```\n\n{prose(rng, words // 3)}"


@dataclass(frozen=True, slots=True)
class Stream:
    """One question and all that becomes of it; `answers` are what the endpoint does with its requests in order."""

    number: int
    model: str
    text: str
    answers: tuple[Answer, ...]
    images: tuple[str, ...] = ()
    max_tokens: int | None = None
    stop: Stop = "never"
    stop_after: int = 0
    """Characters of thinking, or of text, after which it is stopped."""

    @property
    def marked_text(self) -> str:
        """The question as it is asked."""
        return f"{self.text}\n[stream {self.number}]"


def mark_of(body: Mapping[str, Any]) -> int:
    """Which stream a request belongs to: the mark in its newest question."""
    content = body["messages"][-1]["content"]
    newest = content if isinstance(content, str) else " ".join(b.get("text", "") for b in content)
    return int(MARK.findall(newest)[-1])


@dataclass
class Script:
    """What a simulator does with the requests of many streams at once."""

    answers: dict[int, list[Answer]] = field(default_factory=dict)
    arrived: dict[int, Callable[[], object]] = field(default_factory=dict)
    """Called on the simulator's thread when a request of the stream is there and its answer has not begun."""

    def expect(self, stream: Stream) -> None:
        """Have the answers to its requests ready."""
        self.answers[stream.number] = list(stream.answers)

    def drive(self, simulator: Simulator) -> None:
        """From now on the simulator asks here what to do."""
        vars(simulator)["take_answer"] = self._take_answer

    def _take_answer(self, body: Mapping[str, Any], _prompt: object) -> Answer:
        number = mark_of(body)
        if (told := self.arrived.get(number)) is not None:
            told()
        return self.answers[number].pop(0)


# The kinds of streams


def random_stream(
    rng: random.Random, number: int, model: str, *, first: bool, kinds: Mapping[Kind, float] | None = None
) -> Stream:
    """A question of any kind, or of these; `first` where the session has no history yet."""
    weights = kinds or KINDS
    make = rng.choices(list(weights), list(weights.values()))[0]
    return make(rng, _plain(rng, number, model), first)


def _plain(rng: random.Random, number: int, model: str) -> Stream:
    """A question that is answered in full."""
    size = int(min(4_000, rng.lognormvariate(4.5, 1.2)))
    thinking = prose(rng, rng.randint(3, 60)) if rng.random() < 0.5 else None
    answer = Answer(
        reply_text(rng, int(min(1_500, rng.lognormvariate(4.0, 1.0)))), thinking, chunk_chars=PIECE
    )
    return Stream(number, model, prose(rng, size), (answer,))


def _short_limit(rng: random.Random, stream: Stream, _first: bool) -> Stream:
    """Its answer reaches the limit."""
    return replace(stream, max_tokens=rng.randint(1, 60))


def _with_images(rng: random.Random, stream: Stream, _first: bool) -> Stream:
    return replace(stream, images=tuple(rng.sample(pictures(), rng.randint(1, 2))))


def _big(rng: random.Random, stream: Stream, _first: bool) -> Stream:
    """A prompt on either side of the length where a model's price changes."""
    words = rng.choice((40_000, 45_000, 75_000, 80_000))
    return replace(stream, model="claude-haiku-5-5", text=prose(rng, words))


def _retried(rng: random.Random, stream: Stream, _first: bool) -> Stream:
    """One or two requests fail before anything is shown."""
    failed = tuple(_with_fault(stream, _early_fault(rng)) for _ in range(rng.randint(1, 2)))
    return replace(stream, answers=(*failed, *stream.answers))


def _given_up(rng: random.Random, stream: Stream, _first: bool) -> Stream:
    """All three requests fail before anything is shown."""
    return replace(stream, answers=tuple(_with_fault(stream, _early_fault(rng)) for _ in range(3)))


def _refused(rng: random.Random, stream: Stream, _first: bool) -> Stream:
    fault = rng.choice(
        (Fault.status(400), Fault.status(403), Fault.status(404), Fault.status(429, retry_after=9999))
    )
    return replace(stream, answers=(_with_fault(stream, fault),))


def _broken(rng: random.Random, stream: Stream, _first: bool) -> Stream:
    """It breaks off somewhere after its beginning."""
    answer = stream.answers[0]
    at = rng.randint(2, events_before_text(answer) + max(1, len(answer.text) // PIECE))
    # Pings first: what a reset overtakes on its way never arrives, and was made all the same.
    last = Fault.ping_only(0.04, every=0.02, after_events=at)
    fault = rng.choice(
        (
            Fault.error_event(after_events=at),
            Fault.error_event("api_error", after_events=at),
            Fault.cut(after_events=at),
            last | Fault.hang_up(after_events=at),
            last | Fault.reset(after_events=at),
        )
    )
    return replace(stream, answers=(_with_fault(stream, fault), *_more_of(stream)))


def _stopped_early(rng: random.Random, stream: Stream, _first: bool) -> Stream:
    """Stopped before it is sent, or before the endpoint says a word."""
    stop = rng.choice(("at once", "predicted", "before headers"))
    return replace(stream, stop=stop, answers=(_with_fault(stream, Fault.stall()),))


def _stopped_in_text(rng: random.Random, stream: Stream, _first: bool) -> Stream:
    answer = stream.answers[0]
    pieces = rng.randint(1, -(-len(answer.text) // PIECE))
    fault = Fault.stall(after_events=events_before_text(answer) + pieces)
    heard = min(len(answer.text), pieces * PIECE)
    return replace(stream, stop="text", stop_after=heard, answers=(_with_fault(stream, fault),))


def _stopped_in_thinking(rng: random.Random, stream: Stream, _first: bool) -> Stream:
    answer = replace(stream.answers[0], thinking=prose(rng, rng.randint(5, 80)))
    assert answer.thinking is not None
    pieces = rng.randint(1, -(-len(answer.thinking) // PIECE))
    fault = Fault.stall(after_events=3 + pieces)
    heard = min(len(answer.thinking), pieces * PIECE)
    return replace(stream, stop="thinking", stop_after=heard, answers=(replace(answer, fault=fault),))


def _stopped_in_the_wait(_rng: random.Random, stream: Stream, _first: bool) -> Stream:
    waits = _with_fault(stream, Fault.status(529, retry_after=30))
    return replace(stream, stop="retry wait", answers=(waits,))


def _too_large(rng: random.Random, stream: Stream, first: bool) -> Stream:
    """The endpoint finds it too large; with some history it goes out once more without that."""
    refusal = Fault.status(400, message="prompt is too long: 1200000 tokens > 1000000 maximum")
    answers = (_with_fault(stream, refusal), *(() if first else stream.answers))
    return replace(stream, answers=answers)


def _odd_usage(rng: random.Random, stream: Stream, _first: bool) -> Stream:
    """The endpoint tells the usage late, or not at all; and perhaps it breaks off as well."""
    odd = rng.choice(({"usage_late": True}, {"usage_late": True}, {"usage_null": True}))
    answer: Answer = replace(stream.answers[0], **odd)
    if rng.random() < 0.5:
        return replace(stream, answers=(answer,))
    return _stopped_in_text(rng, replace(stream, answers=(answer,)), False)


def _served_by_another(_rng: random.Random, stream: Stream, _first: bool) -> Stream:
    """A name may stand for a newer model, and the price is that of the one that answered."""
    return replace(stream, answers=(replace(stream.answers[0], model="claude-opus-5-5"),))


def _kept(_rng: random.Random, stream: Stream, _first: bool) -> Stream:
    return stream


KINDS: dict[Kind, float] = {
    _kept: 36,
    _short_limit: 4,
    _with_images: 2,
    _big: 0.6,
    _retried: 12,
    _given_up: 2,
    _refused: 4,
    _broken: 12,
    _stopped_early: 6,
    _stopped_in_text: 8,
    _stopped_in_thinking: 4,
    _stopped_in_the_wait: 2,
    _too_large: 3,
    _odd_usage: 3,
    _served_by_another: 2,
}
"""What the endpoint of the chat may do, by how often it does."""
SIMPLE: dict[Kind, float] = {
    _kept: 6,
    _short_limit: 1,
    _retried: 2,
    _given_up: 1,
    _broken: 3,
    _stopped_early: 1,
    _stopped_in_text: 3,
}
"""What any server may do that speaks the same protocol."""


def _stalled(rng: random.Random, stream: Stream, _first: bool) -> Stream:
    """Silence, before its headers or in its text, until the client has had enough of it."""
    if rng.random() < 0.5:
        return replace(stream, answers=(_with_fault(stream, Fault.stall()), stream.answers[0]))
    return replace(_stopped_in_text(rng, stream, _first), stop="never")


STALLED: dict[Kind, float] = {_stalled: 1}


def _early_fault(rng: random.Random) -> Fault:
    """What goes wrong before any of the answer is shown."""
    return rng.choice(
        (
            Fault.status(529, retry_after=0),
            Fault.status(500),
            Fault.reset(),
            Fault.hang_up(),
            Fault.error_event(),
            Fault.error_event(after_events=1),
            Fault.cut(),
        )
    )


def _with_fault(stream: Stream, fault: Fault) -> Answer:
    return replace(stream.answers[0], fault=fault)


def _more_of(stream: Stream) -> tuple[Answer, ...]:
    """For the case that the break came before anything was shown, which is tried again."""
    return (stream.answers[0],) * 2


def events_before_text(answer: Answer) -> int:
    """How many events an answer has before its first piece of text, where all of its thinking is shown."""
    if not answer.thinking:
        return 3  # message_start, block start, ping
    return 3 + -(-len(answer.thinking) // PIECE) + 2 + 1  # and deltas, signature, block stop, block start


@cache
def pictures() -> tuple[str, ...]:
    """Some PNG images as base64."""
    found = []
    for size in ((64, 48), (400, 300), (900, 700), (1800, 1300)):
        data = io.BytesIO()
        Image.new("RGB", size, (size[0] % 256, 90, 30)).save(data, "PNG")
        found.append(base64.b64encode(data.getvalue()).decode())
    return tuple(found)


def requests_by_mark(requests: list[RecordedRequest]) -> dict[int, list[RecordedRequest]]:
    """The requests for messages of each stream, in order."""
    found: dict[int, list[RecordedRequest]] = {}
    for request in requests:
        if request.path == "/v1/messages" and request.body:
            found.setdefault(mark_of(request.body), []).append(request)
    return found
