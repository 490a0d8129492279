"""How batches look in a terminal, and how a person names one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.render import clean, dollars, one_line, tokens
from cmt_lsp.terminal.window import Window

OPEN = ("submitting", "in_progress", "canceling")
"""The states in which the endpoint may still have something to tell."""
SHORT_ID = 11  # characters of an id that a terminal shows: its birth, to the millisecond
FEWEST_ID = 8  # the fewest that name a batch
WORDS = {
    "processing": "waiting",
    "succeeded": "answered",
    "errored": "refused",
    "canceled": "canceled",
    "expired": "expired",
    "lost": "lost",
}


async def find(window: Window, which: str) -> dict[str, Any]:
    """The batch with this id, or beginning of one, or name."""
    batches = (await window.ask("cmt/batch/list", {"scope": "all"})).get("batches", [])
    begun = [one for one in batches if len(which) >= FEWEST_ID and str(one["id"]).startswith(which)]
    found = [one for one in batches if one["id"] == which] or begun
    found = found or [one for one in batches if one["name"] == which]
    if len(found) > 1:
        raise TroubleError(f"{len(found)} batches are called {which}.", hint="Name one by its id.")
    if not found:
        raise TroubleError(f"There is no batch {which}.", hint="`cmt-lsp batch list --all` lists them.")
    return dict(found[0])


def standing(batch: Mapping[str, Any]) -> str:
    """How a batch stands, in lines."""
    counts = [
        f"{batch['counts'][state]} {word}" for state, word in WORDS.items() if batch["counts"].get(state)
    ]
    lines = [f"{one_line(batch['name'])} ({one_line(batch['id'])})"]
    state = str(batch["state"]).replace("_", " ")
    lines.append(f"  {state}: {', '.join([*counts, *([cost(batch)] if cost(batch) else [])])}")
    lines.append(f"  submitted {moment(batch['createdAt'])}{_until(batch)}")
    if batch.get("problem"):
        lines.append(f"  {one_line(batch['problem'])}")
    return "\n".join(lines) + "\n"


def short(batch: Mapping[str, Any]) -> str:
    """As much of an id as names the batch."""
    return one_line(batch["id"])[:SHORT_ID]


def moment(told: str) -> str:
    """A time of the contract as people here say it: the hour today, else the day with it."""
    then = datetime.fromisoformat(told).astimezone()
    same_day = then.date() == datetime.now(UTC).astimezone().date()
    return f"{then:%H:%M}" if same_day else f"{then:%Y-%m-%d %H:%M}"


def _until(batch: Mapping[str, Any]) -> str:
    if batch.get("endedAt"):
        return f", ended {moment(batch['endedAt'])}"
    return f", ends by {moment(batch['expiresAt'])}" if batch.get("expiresAt") else ""


def cost(batch: Mapping[str, Any]) -> str:
    """What its answers cost; nothing while there are none, `~` before an estimate."""
    if batch["counts"]["processing"] == batch["requests"]:
        return ""
    about = "~" if batch["cost"]["estimated"] else ""
    return f"{about}{one_line(batch['cost']['display'])}"


def answer_text(answer: Mapping[str, Any]) -> str:
    """One prompt's name and its answer, or why there is none."""
    head = f"# {one_line(answer['id'])}"
    if answer["state"] == "succeeded":
        stop = answer.get("stopReason", "end_turn")
        told = "" if stop in ("end_turn", "stop_sequence") else f" ({one_line(stop).replace('_', ' ')})"
        return f"{head}{told}\n\n{clean(answer.get('text', '')).rstrip()}\n\n"
    why = f": {one_line(answer['error'])}" if answer.get("error") else ""
    return f"{head} ({WORDS.get(answer['state'], answer['state'])}{why})\n\n"


def price_lines(price: Mapping[str, Any]) -> str:
    """What the person agrees to: likely and worst case, each beside what the same prompts cost one by one."""
    models = ", ".join(one_line(model) for model in price["models"])
    count = "1 prompt" if price["requests"] == 1 else f"{price['requests']} prompts"
    first = (
        f"{count} for {models}, about {tokens(price['inputTokens'])} tokens in; answers within 24 hours.\n"
    )
    if not price["priced"]:
        return f"{first}The price is not known.\n"
    likely, normal = price["p50NanoUsd"], price["normalP50NanoUsd"]
    worst, normal_worst = price["maxNanoUsd"], price["normalMaxNanoUsd"]
    width = len(dollars(worst))
    return (
        f"{first}"
        f"  likely   {dollars(likely):>{width}}   one by one {dollars(normal)}: this saves {dollars(normal - likely)}\n"
        f"  at most  {dollars(worst):>{width}}   one by one {dollars(normal_worst)}\n"
    )
