"""Suggestion: one thing that would have made the prompt cache cheaper, and the case that it is judged on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from cmt_lsp.api.cache.choice import Wish
    from cmt_lsp.core.cache.evidence import CachedTurn

Rule: TypeAlias = Literal[
    "caching-off", "lifetime", "keep-warm", "models", "system-prompt", "pinned", "minimum"
]


@dataclass(frozen=True, slots=True)
class Act:
    """What applies a suggestion: an operation with its params, or a line of the settings."""

    title: str
    operation: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    setting: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing to do; `act` is None where only the person can do it."""

    rule: Rule
    value_nano: int
    turns: int
    """How many turns it rests on."""
    sentence: str
    act: Act | None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class PinnedFiles:
    """The files that are pinned to a session now: their ids and estimated tokens."""

    ids: tuple[str, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Case:
    """All that advice rests on."""

    turns: tuple[CachedTurn, ...]
    caching: bool = True
    """The setting promptCaching as it is now."""
    wish: Wish = "auto"
    """The setting promptCache."""
    keep_warm: int = 0
    """The setting keepWarm, in minutes."""
    system_prompts: Mapping[str, str] = field(default_factory=dict)
    """Of the sessions that have one."""
    pinned: Mapping[str, PinnedFiles] = field(default_factory=dict)
    """Of the sessions whose pins are in memory."""


def questions(count: int) -> str:
    """A number of questions, at the beginning of a sentence."""
    return "One question" if count == 1 else f"{count:,} questions"
