"""Random conversations with a window's CacheManager on one side and the simulated service's own cache on the other."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

from cmt_lsp.api.cache_manager import CacheManager, PlannedPrompt
from cmt_lsp.api.models import find_model
from cmt_lsp.api.usage import Usage
from cmt_lsp.simulator.accounting import charge
from cmt_lsp.simulator.prompt import build_prompt
from cmt_lsp.simulator.prompt_cache import PromptCache
from cmt_lsp.simulator.validation import Terms, check

MODELS = ("claude-opus-5-5", "claude-sonnet-4-6", "claude-opus-4-6", "claude-haiku-5-5", "claude-haiku-4-5")
PICTURE = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}

Block = dict[str, Any]


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


def text(value: str) -> Block:
    return {"type": "text", "text": value}


@dataclass(slots=True)
class Chat:
    """One conversation as a client holds it."""

    model: str
    system: str | None
    pinned: list[Block]
    history: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Block] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Answered:
    """One request with what became of it."""

    plan: PlannedPrompt
    usage: Usage
    body: dict[str, Any]
    expected: int


class World:
    """A window and the service; `send` is a whole request, refused ones raise RefusalError."""

    def __init__(self, *, hours: bool = True) -> None:
        self.clock = Clock()
        self.hours = hours
        self.further: dict[str, Any] = {}
        """More fields of the requests."""
        self.manager = CacheManager(self.clock, hours=hours)
        self.cache = PromptCache(self.clock)

    def plan(self, chat: Chat, **wishes: Any) -> PlannedPrompt:
        """The chat's question, planned."""
        model = find_model(chat.model)
        return self.manager.plan(
            chat.system, chat.history, chat.asked, model, True, pinned=chat.pinned, **wishes
        )

    def send(self, chat: Chat, **wishes: Any) -> Answered:
        """Plan the chat's question, have the service check and charge it, and remember that."""
        plan = self.plan(chat, **wishes)
        expected, _ = self.manager.expected(plan)
        body = {"model": chat.model, "max_tokens": 100, "messages": list(plan.messages)}
        body |= self.further
        if plan.system:
            body["system"] = list(plan.system)
        body = json.loads(json.dumps(body))
        checked = check(body, Terms())
        prompt = build_prompt(checked.body, checked.model, checked.images)
        use = self.cache.plan(prompt)
        self.cache.refresh(use)
        self.cache.commit(use)
        counts = charge(use, 50, 0, body)
        usage = Usage(
            counts["input_tokens"],
            counts["cache_creation"]["ephemeral_5m_input_tokens"],
            counts["cache_creation"]["ephemeral_1h_input_tokens"],
            counts["cache_read_input_tokens"],
            50,
        )
        self.manager.remember(plan, usage, lifetimes_told=self.hours)
        return Answered(plan, usage, body, expected)

    def converse(self, chat: Chat, questions: int, pause: float, answer: str = "yes") -> list[Answered]:
        """So many questions at this pace, each answered with the same words."""
        return [self.ask(chat, [text(f"question {n}")], pause, answer) for n in range(questions)]

    def ask(self, chat: Chat, question: list[Block], pause: float, answer: str = "yes") -> Answered:
        """One question after a pause, taken into the history with its answer."""
        self.clock.now += pause
        chat.asked = question
        answered = self.send(chat)
        chat.history = [
            *chat.history,
            {"role": "user", "content": question},
            {"role": "assistant", "content": [text(answer)]},
        ]
        return answered


class Author:
    """Random questions, answers, files and pauses."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def text(self, most: int) -> Block:
        """Up to so many words, no two texts the same."""
        words = self.rng.choices(
            ("def", "return", "x = 1", "because", "naïve", "→"), k=self.rng.randint(1, most)
        )
        return text(f"{self.rng.randrange(10**9)} {' '.join(words)}")

    def chat(self) -> Chat:
        """A new conversation."""
        rng = self.rng
        system = rng.choice((None, "Be brief.", f"Always the same. {'rule ' * 900}"))
        pinned = [self.text(2000) for _ in range(rng.choice((0, 0, 1, 3)))]
        return Chat(rng.choice(MODELS), system, pinned)

    def question(self) -> list[Block]:
        """Images, pieces and what was typed; now and then more pieces than a mark looks back."""
        rng = self.rng
        pictures = [PICTURE] * (rng.random() < 0.1)
        pieces = [self.text(300) for _ in range(rng.choice((0, 0, 1, 2, 30)))]
        return [*pictures, *pieces, self.text(rng.choice((5, 5, 200)))]

    def answer(self) -> list[Block]:
        """Mostly one text."""
        return [self.text(400) for _ in range(self.rng.choice((1, 1, 1, 2, 25)))]

    def pause(self) -> float:
        """From seconds to hours."""
        return self.rng.choice((1.0, 30.0, 100.0, 299.0, 301.0, 1500.0, 3599.0, 3601.0, 30_000.0))
