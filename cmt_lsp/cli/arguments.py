"""What every command's arguments have in common, and what the words of a person may be."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def command(commands: _SubParsersAction[ArgumentParser], name: str, about: str) -> ArgumentParser:
    """A command whose options are spelt out: an abbreviation would change its meaning with a later version."""
    return commands.add_parser(name, help=about, allow_abbrev=False)


def finish(parser: ArgumentParser, command: object) -> None:
    """Give a command its last option and the function that runs it."""
    parser.add_argument("--no-color", action="store_true", help="no colours, as with NO_COLOR")
    parser.set_defaults(command=command)


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdigit() or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def delay(text: str) -> int:
    """Whole seconds, at most a minute."""
    if not text.isdigit() or int(text) > 60:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 60")
    return int(text)


def percents(text: str) -> list[int]:
    """Percentages with commas between them."""
    return [positive(part.strip()) for part in text.split(",")]


def dollars(text: str) -> float:
    """JSON has no word for what is no finite number."""
    try:
        amount = float(text.removeprefix("$"))
    except ValueError:
        amount = float("nan")
    if not isfinite(amount):
        raise ArgumentTypeError(f"{text!r} is not an amount in US dollars; write one such as 5 or 0.50")
    return amount


def day(text: str) -> str:
    """A day as YYYY-MM-DD."""
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    raise ArgumentTypeError(f"{text!r} is not a day as YYYY-MM-DD")
