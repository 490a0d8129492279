"""What the endpoint answers in these tests."""

from __future__ import annotations

from cmt_lsp.simulator import Answer, Fault

CHANGED = "Here it is:\n\n```python\ndef one():\n    return 11\n```\n"
"""Code that takes the place of the first function."""
AFTER = "def one():\n    return 11\n\n\ndef two():\n    return 2\n"
"""The file with it."""
TALK = "It returns one, the smallest of the positive numbers."
SEVERAL = "Two ways:\n\n```python\ndef one():\n    return 11\n```\n\nor\n\n```python\ndef one():\n    return 12\n```\n"
"""No clear choice, so nothing is applied by itself."""


def held(text: str) -> Answer:
    """An answer that stops in its middle until it is released."""
    chunks = tuple(text[at : at + 2] for at in range(0, len(text), 2))
    return Answer(chunks=chunks, fault=Fault.stall(after_events=2 + len(chunks) // 2))


def flowing(text: str) -> Answer:
    """An answer that says the same again and again, for half a minute unless somebody stops it."""
    return Answer(chunks=(text,) * 600, chunk_delay=0.05)
