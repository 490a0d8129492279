"""The person's own prompts: `[[prompt]]` tables of their config.toml, checked one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from cmt_lsp.core.prompts.prompt import ASK, Prompt, Result, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST = 50
"""Prompts; more make a menu that nobody reads."""
NAME_LIMIT = 60
TEXT_LIMIT = 100_000
_KEYS = ("name", "text", "result", "model", "scope")


def own_prompts(
    value: object, check_model: Callable[[Any], str]
) -> tuple[tuple[Prompt, ...], tuple[tuple[str, str], ...]]:
    """The prompts that can be used, and for each other one its name and a sentence; ValueError where it is no list."""
    if not isinstance(value, list) or len(value) > MOST:
        raise ValueError(f"must be at most {MOST} tables, each under [[prompt]] with a name and a text")
    taken: dict[str, Prompt] = {}
    wrong: list[tuple[str, str]] = []
    for number, entry in enumerate(value, 1):
        place = _place(entry, number)
        try:
            prompt = _prompt(entry, check_model)
        except ValueError as error:
            wrong.append((place, str(error)))
            continue
        if taken.setdefault(prompt.name.lower(), prompt) is not prompt:
            wrong.append((place, "another one has this name; give it another."))
    return tuple(taken.values()), tuple(wrong)


def _place(entry: object, number: int) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    return name[:NAME_LIMIT] if isinstance(name, str) and name.strip() else f"number {number}"


def _prompt(entry: object, check_model: Callable[[Any], str]) -> Prompt:
    if not isinstance(entry, dict):
        raise ValueError("must be a table with a name and a text.")  # noqa: TRY004 - one kind of error for all
    if unknown := [str(key)[:NAME_LIMIT] for key in entry if key not in _KEYS]:
        raise ValueError(f"{unknown[0]} is not known; it may have {', '.join(_KEYS)}.")
    return Prompt(
        name=_text(entry, "name", NAME_LIMIT),
        text=_text(entry, "text", TEXT_LIMIT),
        result=_word(entry, "result", get_args(Result)),
        model=_model(entry, check_model),
        scope=_word(entry, "scope", get_args(Scope)),
        own=True,
    )


def _text(entry: Mapping[str, object], key: str, limit: int) -> str:
    given = entry.get(key)
    if not isinstance(given, str) or not given.strip() or len(given) > limit:
        raise ValueError(f"{key} must be a text of 1 to {limit} characters.")
    if key != "name":
        return given.strip()
    name = " ".join(given.split())
    if not name.isprintable() or name.lower() == ASK.name:
        raise ValueError(f"name must be printable and not {ASK.name}.")
    return name


def _word(entry: Mapping[str, object], key: str, words: tuple[Any, ...]) -> Any:
    """One of a few words; the last one where `result` is left out, since it changes nothing, else the first."""
    default = "transcript" if key == "result" else "selection"
    given = entry.get(key, default)
    if given not in words:
        raise ValueError(f"{key} must be one of {', '.join(words)}.")
    return given


def _model(entry: Mapping[str, object], check_model: Callable[[Any], str]) -> str | None:
    if "model" not in entry:
        return None
    try:
        return check_model(entry["model"])
    except ValueError as error:
        raise ValueError(f"model {error}.") from error
