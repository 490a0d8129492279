"""Prompts: what a person can have done with a piece of code by choosing it from a menu."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Result: TypeAlias = Literal["edit", "transcript"]
Scope: TypeAlias = Literal["selection", "file"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One entry of the menu: what is asked, and what becomes of the answer.

    An `edit` replaces what was asked about; a `transcript` is a file to read. `scope` says what is asked about: what
    is selected, or the whole file.
    """

    name: str
    text: str
    result: Result = "transcript"
    model: str | None = None
    """None stands for the model of new sessions."""
    scope: Scope = "selection"
    own: bool = False
    """Whether the person wrote it."""
    needs_problems: bool = False
    """Whether it is offered only where the editor shows problems."""


FIX = Prompt(
    "fix",
    "Fix the reported problems. Change only what they call for, and keep everything else as it is.",
    "edit",
    needs_problems=True,
)
EXPLAIN = Prompt(
    "explain",
    "Explain this code: what it does, how it does it, and what could surprise somebody who changes it. Be brief where "
    "the code is plain.",
)
IMPROVE = Prompt(
    "improve",
    "Improve this code: make it correct, clear and simple, and keep its names and what it does for its callers. Follow "
    "the style of the code around it.",
    "edit",
)
DOCUMENT = Prompt(
    "document",
    "Document this code in the way its language and the rest of the file do: add what is missing, mend what is wrong. "
    "Change nothing but documentation and comments.",
    "edit",
)
TESTS = Prompt(
    "tests",
    "Write tests for this code, with the test framework that its project seems to use: the normal case, the edges, and "
    "what must fail. Give them as one code block that can be saved as a file, and say where it belongs.",
)
ASK = Prompt("ask", "Tell me about this code.")

BUILT_IN = (FIX, EXPLAIN, IMPROVE, DOCUMENT, TESTS)
"""In the order of the menu; `ASK` stands before them, since it waits for the person's own words."""


def menu(own: Iterable[Prompt]) -> tuple[Prompt, ...]:
    """What is on offer: one of the person's own takes the place of the built-in one of its name, others come last."""
    by_name = {prompt.name: prompt for prompt in BUILT_IN}
    for prompt in own:
        known = by_name.get(prompt.name.lower(), prompt)
        by_name[prompt.name.lower()] = replace(prompt, needs_problems=known.needs_problems)
    return tuple(by_name.values())


def find_prompt(name: str, own: Iterable[Prompt]) -> Prompt | None:
    """The entry of a name, in any case."""
    wanted = name.strip().lower()
    if wanted == ASK.name:
        return ASK
    return next((prompt for prompt in menu(own) if prompt.name.lower() == wanted), None)
