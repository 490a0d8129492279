"""A recorded workload: the questions of some days of work on code, and the answers they got, the same at every run.

Lengths follow heavy tails, as those of real answers do: most are short, some are a hundred times as long.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from streams import pictures, prose

MODELS = ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5")
NAMES = [
    "load",
    "parse",
    "render",
    "cache",
    "index",
    "token",
    "budget",
    "window",
    "session",
    "editor",
    "buffer",
    "frame",
    "client",
    "stream",
    "reader",
    "writer",
    "ledger",
    "price",
    "model",
    "query",
    "filter",
    "sorted",
    "merge",
    "split",
    "apply",
    "settle",
    "reserve",
    "cancel",
    "retry",
    "resume",
    "report",
    "total",
    "count",
    "limit",
]
SESSIONS = 40


@dataclass(frozen=True, slots=True)
class Turn:
    """One question with what it carries, and the answer it gets."""

    text: str
    code: str
    """A file or a selection that goes with it; often none."""
    image: str | None
    thinking: str
    answer: str
    pause: float
    """Seconds since the answer before."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One session's turns, all with one model."""

    model: str
    system_prompt: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Habit:
    """How somebody works: the usual length of answers in words, how widely they vary, and how much is thought."""

    words: float
    spread: float
    thought: float


HABITS = (Habit(90, 0.8, 40), Habit(220, 0.9, 120), Habit(450, 1.0, 200))
"""Quick questions; explanations; whole files."""


def conversations(seed: int = 1122) -> Iterator[Conversation]:
    """All of the workload, in the order in which the conversations began."""
    rng = random.Random(seed)
    for number in range(SESSIONS):
        habit = rng.choice(HABITS)
        system = "" if rng.random() < 0.3 else prose(rng, rng.randint(30, 400))
        turns = tuple(_turn(rng, habit, first=turn == 0) for turn in range(rng.randint(4, 14)))
        yield Conversation(MODELS[number % len(MODELS)], system, turns)


def _turn(rng: random.Random, habit: Habit, *, first: bool) -> Turn:
    with_code = first or rng.random() < 0.25
    answer = _words(rng, habit.words, habit.spread, 4_000)
    thought = _words(rng, habit.thought, 1.0, 3_000) if rng.random() < 0.6 else 0
    return Turn(
        text=prose(rng, _words(rng, 25, 0.8, 400)),
        code=code(rng, _words(rng, 60, 0.9, 900)) if with_code else "",
        image=rng.choice(pictures()) if rng.random() < 0.06 else None,
        thinking=prose(rng, thought) if thought else "",
        answer=_answer(rng, answer),
        pause=rng.choice((15.0, 60.0, 200.0, 900.0)),
    )


def _words(rng: random.Random, median: float, spread: float, most: int) -> int:
    return max(3, min(most, int(median * rng.lognormvariate(0.0, spread))))


def _answer(rng: random.Random, words: int) -> str:
    """Words around a block of code, which takes a growing part of longer answers."""
    if words < 60 or rng.random() < 0.25:
        return prose(rng, words)
    lines = words // rng.choice((10, 15, 25))
    return f"{prose(rng, words // 3)}\n\n```python\n{code(rng, lines)}\n```\n\n{prose(rng, words // 4)}"


def code(rng: random.Random, lines: int) -> str:
    """Python as it might be, so many lines of it."""
    made: list[str] = []
    while len(made) < max(2, lines):
        one, two, three = rng.sample(NAMES, 3)
        made += rng.choice(
            (
                [f"def {one}_{two}({three}: list[int], most: int = {rng.randint(1, 99)}) -> int:",
                 f'    """The {two} of every {three}, at most."""',
                 f"    return sum(min(each, most) for each in {three} if each is not None)",
                 ""],
                [f"    for index, {one} in enumerate(self._{two}s):",
                 f"        if {one}.{three} is None or index > {rng.randint(2, 50)}:",
                 "            continue",
                 f"        self._{three}[{one}.id] = {one}.{three}(index, timeout={rng.random():.2f})"],
                ["@dataclass(frozen=True, slots=True)",
                 f"class {one.title()}{two.title()}:",
                 f"    {two}_id: str",
                 f"    {three}s: tuple[str, ...] = ()",
                 ""],
                [f"async def test_{one}_{two}(tmp_path: Path) -> None:",
                 f"    {three} = await {one}({rng.randint(1, 500)}, path=tmp_path)",
                 f"    assert {three}.{two} == [{rng.randint(1, 9)}, {rng.randint(10, 99)}]",
                 ""],
            )
        )  # fmt: skip
    return "\n".join(made[: max(2, lines)])
