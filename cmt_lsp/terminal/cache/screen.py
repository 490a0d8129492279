"""Stats and advice about the prompt cache as a terminal shows them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cmt_lsp.terminal.render import dollars, one_line, seconds, tokens
from cmt_lsp.terminal.tables import table

if TYPE_CHECKING:
    from rich.table import Table

STATES = {
    "hit": "read",
    "partial": "partly",
    "miss": "missed",
    "belowMinimum": "too short",
    "off": "not cached",
}


def stats_tables(found: Mapping[str, Any]) -> Iterator[Table]:
    """What there is to show of a report: figures, causes of misses, what is warm."""
    yield _figures(found)
    if found["causes"]:
        yield _causes(found["causes"])
    if found["warm"]:
        yield _warm(found["warm"])


def _figures(found: Mapping[str, Any]) -> Table:
    made = table("=what", "figure")
    made.show_header = False
    for name, said in _rows(found):
        made.add_row(name, one_line(said))
    return made


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    counts = [f"{found['turns'][key]:,} {word}" for key, word in STATES.items() if found["turns"][key]]
    yield "questions", ", ".join(counts)
    yield (
        "read",
        f"{tokens(found['readTokens'])} of {tokens(found['totalInputTokens'])} ({found['hitRatio']:.0%})",
    )
    written = (found["written5mTokens"], found["written1hTokens"])
    premium = dollars(found["writePremiumNanoUsd"])
    yield (
        "written",
        f"{tokens(written[0])} for five minutes, {tokens(written[1])} for an hour; {premium} over plain input",
    )
    yield "saved", f"{dollars(found['savedNanoUsd'])} against no caching, writing included"
    yield "lost", f"{dollars(found['lostNanoUsd'])} to misses"
    if found["unpricedRequests"]:
        yield "unpriced", f"{found['unpricedRequests']:,} requests, whose money is not in these figures"
    if miss := found.get("lastMiss"):
        price = "" if miss.get("lostNanoUsd") is None else f", which cost {dollars(miss['lostNanoUsd'])}"
        yield "last miss", f"{_clock(miss['startedAt'])}: {miss['cause']}{price}"


def _causes(causes: Sequence[Mapping[str, Any]]) -> Table:
    made = table("why it missed", ">times", ">cost")
    for cause in causes:
        more = "+?" if cause["unpricedTurns"] else ""
        made.add_row(
            one_line(cause["cause"]), f"{cause['turns']:,}", f"{dollars(cause['lostNanoUsd'])}{more}"
        )
    return made


def _warm(warm: Sequence[Mapping[str, Any]]) -> Table:
    made = table("warm now", ">tokens", ">until", ">left", ">cold costs")
    for one in warm:
        cold = one.get("coldCostNanoUsd")
        made.add_row(
            one_line(one.get("name") or one["sessionId"]),
            tokens(one["tokens"]),
            _clock(one["expiresAt"]),
            seconds(one["secondsLeft"] * 1000),
            "?" if cold is None else f"+{dollars(cold)}",
        )
    return made


def advice_lines(number: int, suggestion: Mapping[str, Any], which: str | None) -> Table:
    """One suggestion: its value, the sentence, and how to do it, set in from its number."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 1))
    made.add_column(no_wrap=True)
    made.add_column()
    price = Text(f"{suggestion['display']}", "bold green").append(
        " could have been saved", "not bold default"
    )
    made.add_row(f"\n{number}.", Text("\n") + price)
    made.add_row("", one_line(suggestion["text"]))
    for line in _ways(number, suggestion, which):
        made.add_row("", Text(line, "cyan"))
    return made


def _ways(number: int, suggestion: Mapping[str, Any], which: str | None) -> Iterator[str]:
    if act := suggestion.get("command"):
        name = f" {shlex.quote(one_line(which))}" if which else ""
        yield f"{one_line(act['title'])}: cmt-lsp cache advice{name} --apply {number}"
    if setting := suggestion.get("setting"):
        yield f"config.toml: {one_line(setting)}"


def warm_line(done: Mapping[str, Any]) -> str:
    """What warming a session did, what it cost, and until when it is warm; in one line."""
    facts = [one_line(done["reason"])]
    if done["writtenTokens"] or done["readTokens"]:
        facts.append(
            f"{tokens(done['writtenTokens'])} written, {tokens(done['readTokens'])} read, {one_line(done['cost']['display'])}."
        )
    if done.get("expiresAt"):
        facts.append(f"Warm until {_clock(done['expiresAt'])}.")
    return " ".join(facts)


def _clock(moment: str) -> str:
    """The time of day today, else the day as well."""
    then = datetime.fromisoformat(moment).astimezone()
    return f"{then:%H:%M}" if then.date() == datetime.now().astimezone().date() else f"{then:%Y-%m-%d %H:%M}"
