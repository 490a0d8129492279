"""Workloads: how people use a chat in an editor, class by class, from a seed.

Sizes are in tokens and times in seconds. The figures are assumptions, stated here in one place: a system prompt of some
hundred to some thousand tokens, answers around 450, typed questions around 35, a selection or a file with every third
question, and a pause between question and question that is mostly a minute or two, sometimes a meeting, sometimes a
night. Each person has a tempo of his own, drawn once a session, so that there is something to learn.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .prompt import SIZE_DIGITS, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .prompt import Message, Pauses

START = 1_795_000_000.0
TOKENS_PER_SECOND = 70.0
_CHARACTERS_A_TOKEN = 3.3
_POOL = 1_000_000

MODELS = (
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "claude-sonnet-4-6",
    "claude-haiku-5-5",
    "claude-fable-5-2",
    "claude-opus-4-6",
)
_WEIGHTS = (30, 30, 15, 10, 10, 5)


@dataclass(frozen=True, slots=True)
class Tempo:
    """How somebody pauses between an answer and the next question."""

    usual: float
    """Median of the usual pause."""
    interrupted: float
    """Probability of a pause of minutes, around a quarter of an hour."""
    away: float
    """Probability of a pause of hours."""

    def within(self, seconds: float) -> float:
        """The odds that a pause is shorter."""
        away = min(1.0, max(0.0, (seconds / 3600 - 1.2) / 14.8))
        meeting = _below(seconds, 900, 0.7) if 200 <= seconds < 7200 else float(seconds >= 7200)
        usual = _below(seconds, self.usual, 0.8) if seconds < 3600 else 1.0
        shares = self.away, self.interrupted, 1.0 - self.away - self.interrupted
        return sum(share * part for share, part in zip(shares, (away, meeting, usual), strict=True))

    def pause(self, rng: random.Random) -> float:
        """One pause."""
        kind = rng.random()
        if kind < self.away:
            return rng.uniform(1.2, 16.0) * 3600
        if kind < self.away + self.interrupted:
            return min(7200.0, max(200.0, rng.lognormvariate(math.log(900), 0.7)))
        return min(3600.0, rng.lognormvariate(math.log(self.usual), 0.8))


@dataclass(frozen=True, slots=True)
class AnyPause:
    """Each order of magnitude as likely."""

    shortest: float = 5.0
    longest: float = 6 * 3600.0

    def within(self, seconds: float) -> float:
        """The odds that a pause is shorter."""
        share = math.log(max(seconds, self.shortest) / self.shortest) / math.log(self.longest / self.shortest)
        return min(1.0, share)

    def pause(self, rng: random.Random) -> float:
        """One pause."""
        return math.exp(rng.uniform(math.log(self.shortest), math.log(self.longest)))


def _below(value: float, median: float, sigma: float) -> float:
    """The share of a log-normal below a value."""
    return 0.5 * (1.0 + math.erf(math.log(value / median) / sigma / math.sqrt(2))) if value > 0 else 0.0


class Author:
    """Writes texts of a wanted size out of a pool of words; no two are the same."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        letters = "etaoinshrdlucmfwypvbgkjqxz_()=."
        words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(4000)]
        self._pool = " ".join(rng.choices(words, k=_POOL // 6))

    def text(self, tokens: float) -> str:
        """About so many tokens."""
        size = max(4, int(tokens * _CHARACTERS_A_TOKEN))
        start = self.rng.randrange(len(self._pool))
        pieces = [self._pool[start : start + size]]
        while (missing := size - sum(map(len, pieces))) > 0:
            pieces.append(self._pool[:missing])
        return f"{self.rng.randrange(16**8):08x} {''.join(pieces)}"

    def block(self, tokens: float) -> dict[str, Any]:
        """The same as a content block."""
        return {"type": "text", "text": self.text(tokens)}

    def picture(self) -> dict[str, Any]:
        """A screenshot."""
        width, height = self.rng.choice(((1280, 800), (1920, 1080), (800, 600), (640, 400), (2560, 1440)))
        tokens = min(4784, -(-width // 28) * -(-height // 28))
        data = f"{tokens:0{SIZE_DIGITS}d}{self.rng.randrange(16**26):026x}"
        return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}

    def size(self, median: float, sigma: float, most: float) -> float:
        """A log-normal size."""
        return min(most, self.rng.lognormvariate(math.log(median), sigma))


@dataclass(slots=True)
class Session:
    """A chat under way: `turn` asks the next question at a moment and takes its answer."""

    author: Author
    name: str
    model: str
    system: str
    pinned: tuple[Mapping[str, Any], ...] = ()
    history: tuple[Message, ...] = ()
    context: float = 0.35
    """Probability of a selection, file or list of findings beside the question."""
    pictures: float = 0.0
    long_turns: float = 0.0
    """Probability of a question with more pieces than the cache looks back."""
    answers: float = 450.0
    pauses: Pauses | None = None
    """How its questions follow on each other, where that is drawn."""
    edited: float = 0.0
    """Probability that the last pinned block changes before the next question."""

    def turn(self, at: float) -> Turn:
        """Ask at this moment."""
        new = tuple(self._question())
        output = self.author.size(self.answers, 0.8, 6000)
        said = self.name, self.model, self.system, self.pinned, self.history, new, int(output)
        asked = Turn(at, *said, 2.0 + int(output) / TOKENS_PER_SECOND, self.pauses, self.edited)
        answer = {"role": "assistant", "content": [self.author.block(output)]}
        self.history = (*self.history, {"role": "user", "content": list(new)}, answer)
        return asked

    def _question(self) -> Iterator[dict[str, Any]]:
        author, rng = self.author, self.author.rng
        if rng.random() < self.pictures:
            yield from (author.picture() for _ in range(rng.choice((1, 1, 1, 2, 3))))
        if rng.random() < self.long_turns:
            yield from (author.block(author.size(150, 0.5, 600)) for _ in range(rng.randint(18, 40)))
        elif rng.random() < self.context:
            yield from (author.block(author.size(500, 1.0, 8000)) for _ in range(rng.choice((1, 1, 2))))
        long_paste = rng.random() < 0.06
        yield author.block(author.size(800, 0.8, 6000) if long_paste else author.size(35, 0.9, 600))


def tempo_of(rng: random.Random) -> Tempo:
    """Somebody's tempo."""
    return Tempo(
        usual=rng.lognormvariate(math.log(70), 0.5),
        interrupted=rng.betavariate(1.2, 14),
        away=rng.betavariate(1.0, 45),
    )


def chat(session: Session, tempo: Tempo, turns: int, at: float) -> Iterator[Turn]:
    """So many turns, one after the other."""
    session.pauses = tempo
    for _ in range(turns):
        asked = session.turn(at)
        yield asked
        at += asked.takes + tempo.pause(session.author.rng)


def _model(rng: random.Random) -> str:
    return rng.choices(MODELS, _WEIGHTS)[0]


def one_shot(author: Author) -> list[Turn]:
    """One question a session, all day: explain this, name that. The system prompt is all they share."""
    rng, turns, at = author.rng, [], START
    model, system = _model(rng), author.text(author.size(400, 1.0, 4000))
    tempo = Tempo(rng.lognormvariate(math.log(240), 0.7), 0.35, 0.06)
    for number in range(40):
        session = Session(author, f"one{number}", model, system, context=0.8, answers=300)
        turns.append(session.turn(at))
        at += tempo.pause(rng)
    return turns


def short_chats(author: Author) -> list[Turn]:
    """Chats of one to ten questions, some hours apart or one right after the other."""
    rng, turns, at = author.rng, [], START
    model, system = _model(rng), author.text(author.size(1200, 0.8, 6000))
    for number in range(14):
        session = Session(author, f"short{number}", model, system)
        count = 1 + min(9, int(rng.expovariate(1 / 3.2)))
        turns += chat(session, tempo_of(rng), count, at)
        at = turns[-1].at + rng.choice((30.0, 400.0, 2400.0, 9000.0)) * rng.uniform(0.7, 1.5)
    return turns


def long_chat(author: Author) -> list[Turn]:
    """One chat of 200 questions over days."""
    rng = author.rng
    session = Session(author, "long", _model(rng), author.text(author.size(1500, 0.7, 6000)), long_turns=0.02)
    return list(chat(session, tempo_of(rng), 200, START))


def pinned_files(author: Author) -> list[Turn]:
    """Big files pinned for a chat of four to thirty questions; another chat about the same files now and then."""
    rng, turns, at = author.rng, [], START
    model, system = _model(rng), author.text(author.size(1500, 0.7, 6000))
    files: tuple[dict[str, Any], ...] = ()
    for number in range(5):
        if not files or rng.random() < 0.6:
            files = tuple(author.block(author.size(18_000, 0.8, 90_000)) for _ in range(rng.randint(1, 3)))
        session = Session(author, f"pinned{number}", model, system, files)
        turns += chat(session, tempo_of(rng), rng.randint(4, 30), at)
        at = turns[-1].at + rng.choice((60.0, 900.0, 5000.0, 40_000.0)) * rng.uniform(0.7, 1.5)
    return turns


def pauses(author: Author) -> list[Turn]:
    """Anything between five seconds and six hours between two questions, each order of magnitude as likely."""
    rng, at = author.rng, START
    session = Session(author, "pauses", _model(rng), author.text(author.size(1500, 0.7, 6000)))
    session.pinned = (author.block(author.size(6000, 0.8, 30_000)),) if rng.random() < 0.5 else ()
    session.pauses = any_pause = AnyPause()
    turns = []
    for _ in range(60):
        turns.append(session.turn(at))
        at += any_pause.pause(rng)
    return turns


def edited_file(author: Author) -> list[Turn]:
    """A pinned file that is worked on: it changes between questions, in some chats nearly always."""
    rng, turns, at = author.rng, [], START
    model, system = _model(rng), author.text(author.size(1500, 0.7, 6000))
    for number in range(4):
        steady = tuple(author.block(author.size(5000, 0.8, 20_000)) for _ in range(rng.randint(0, 1)))
        size, edits = author.size(6000, 0.8, 30_000), rng.choice((0.1, 0.25, 0.5, 0.95))
        session = Session(author, f"edited{number}", model, system, (*steady, author.block(size)))
        session.edited, session.pauses = edits, (tempo := tempo_of(rng))
        for _ in range(rng.randint(12, 40)):
            asked = session.turn(at)
            turns.append(asked)
            at += asked.takes + tempo.pause(rng)
            if rng.random() < edits:
                session.pinned = (*steady, author.block(size))
        at += rng.choice((60.0, 5000.0))
    return turns


def images(author: Author) -> list[Turn]:
    """Chats with screenshots; the first one often comes in the middle."""
    rng, turns, at = author.rng, [], START
    model, system = _model(rng), author.text(author.size(1500, 0.7, 6000))
    for number in range(4):
        session = Session(author, f"images{number}", model, system)
        session.pauses = tempo = tempo_of(rng)
        for place in range(rng.randint(5, 40)):
            session.pictures = 0.3 if place > 2 else 0.15
            asked = session.turn(at)
            turns.append(asked)
            at += asked.takes + tempo.pause(rng)
        at += rng.choice((60.0, 5000.0))
    return turns


def model_switches(author: Author) -> list[Turn]:
    """A chat that goes to another model and back, for some questions or for one."""
    rng, turns, at = author.rng, [], START
    system = author.text(author.size(1500, 0.7, 6000))
    for number in range(3):
        pair = rng.sample(MODELS, 2)
        session = Session(author, f"switch{number}", pair[0], system)
        session.pauses = tempo = tempo_of(rng)
        switching = rng.choice((0.08, 0.2, 0.6))
        for _ in range(rng.randint(15, 50)):
            asked = session.turn(at)
            turns.append(asked)
            at += asked.takes + tempo.pause(rng)
            if rng.random() < switching:
                session.model = pair[session.model == pair[0]]
        at += rng.choice((60.0, 5000.0))
    return turns


def side_by_side(author: Author) -> list[Turn]:
    """Four sessions at once that share the system prompt and the pinned files."""
    rng, turns = author.rng, []
    model, system = _model(rng), author.text(author.size(1500, 0.7, 6000))
    for group in range(2):
        files = tuple(author.block(author.size(15_000, 0.8, 60_000)) for _ in range(rng.randint(1, 3)))
        began = START + group * 90_000
        for number in range(4):
            session = Session(author, f"side{group}.{number}", model, system, files)
            at = began + number * rng.uniform(20, 900)
            turns += chat(session, tempo_of(rng), rng.randint(6, 24), at)
    return sorted(turns, key=lambda turn: turn.at)


CLASSES: Mapping[str, Callable[[Author], list[Turn]]] = {
    "one question each": one_shot,
    "short chats": short_chats,
    "long chat": long_chat,
    "big pinned files": pinned_files,
    "pauses of any length": pauses,
    "edited pinned file": edited_file,
    "images": images,
    "model switches": model_switches,
    "four side by side": side_by_side,
}


STEADY = "no pause over 5 minutes"


def steady(author: Author) -> list[Turn]:
    """Chats of 3 to 80 questions in which nobody ever pauses: there, whatever is paid for a longer lifetime is lost."""
    rng, turns, at = author.rng, [], START
    system = author.text(author.size(1500, 0.7, 6000))
    for number in range(6):
        session = Session(author, f"steady{number}", _model(rng), system)
        usual = rng.lognormvariate(math.log(50), 0.5)
        for _ in range(rng.choice((3, 10, 30, 80))):
            asked = session.turn(at)
            turns.append(asked)
            pause = min(200.0, rng.lognormvariate(math.log(usual), 0.6))
            at += asked.takes + pause
        at += 9000
    return turns


def workload(name: str, seed: int) -> list[Turn]:
    """The turns of one class, in order of time; the same seed gives the same bytes."""
    make = steady if name == STEADY else CLASSES[name]
    return make(Author(random.Random(f"{name}/{seed}")))
