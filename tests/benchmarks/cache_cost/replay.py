"""The replayer: a policy marks each turn of a workload, the endpoint's model prices it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cmt_lsp.api.models import price_in_force

from .endpoint import RefusedError, serve
from .prompt import prompt_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cmt_lsp.api.price_list import PriceRow

    from .endpoint import Entries
    from .policies import Policy
    from .prompt import Prompt, Turn


@dataclass(frozen=True, slots=True)
class Sent:
    """A turn with its prompt and the prices of its moment."""

    turn: Turn
    prompt: Prompt
    rates: PriceRow


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy's marks came to."""

    nano_usd: int
    refused: int
    foreseen: int
    """Turns whose reads were foreseen to the token."""
    turns: int


def sent_of(turns: Iterable[Turn]) -> list[Sent]:
    """Count and price the turns once, for all policies."""
    return [_sent(turn) for turn in turns]


def replay(sent: Sequence[Sent], policy: Policy) -> Outcome:
    """Drive a policy through a workload; a refused request costs what no caching would."""
    entries: Entries = {}
    cost = refused = foreseen = 0
    for one in sent:
        turn, prompt = one.turn, one.prompt
        marks = policy.ask(turn, prompt)
        try:
            split, entries = serve(prompt, marks, entries, turn.at)
        except RefusedError:
            refused += 1
            split, entries = serve(prompt, (), entries, turn.at)
        foreseen += policy.foreseen == split.read
        policy.hear(split, turn.output_tokens)
        cost += split.cost(one.rates)
    return Outcome(cost, refused, foreseen, len(sent))


def _sent(turn: Turn) -> Sent:
    prompt = prompt_of(turn)
    row = price_in_force(turn.model, datetime.fromtimestamp(turn.at, UTC), prompt.tokens)
    if row is None:
        raise ValueError(f"{turn.model} has no price")
    return Sent(turn, prompt, row)
