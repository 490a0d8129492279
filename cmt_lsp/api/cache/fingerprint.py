"""Fingerprint: what a prompt consists of, as digests, for telling which part changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a prompt consists of, for telling which part changed; digests that outlive the process."""

    model: str
    tools: str
    system: str
    settings: str
    pinned: str
    pictures: bool
    history: str
    """Of all messages, the newest one included."""
    messages: int
    """How many there are."""
