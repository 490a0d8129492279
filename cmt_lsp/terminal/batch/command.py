"""`cmt-lsp batch`: many prompts at once, answered within a day at half the price."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cmt_lsp.terminal.batch.file import read_prompts
from cmt_lsp.terminal.batch.view import (
    OPEN,
    answer_text,
    cost,
    find,
    moment,
    price_lines,
    short,
    standing,
)
from cmt_lsp.terminal.batch.wait import wait_for_end
from cmt_lsp.terminal.connection import TroubleError
from cmt_lsp.terminal.keyboard import typed_lines
from cmt_lsp.terminal.outcome import exit_code
from cmt_lsp.terminal.render import one_line, say_note
from cmt_lsp.terminal.tables import console, run_in_window, table
from cmt_lsp.terminal.window import Window

SUBMIT_SECONDS = 3600.0  # uploading and booking a very large batch
PAGE = 500  # answers in one request


def submit_batch(
    name: str,
    *,
    title: str | None,
    model: str | None,
    max_tokens: int | None,
    over_budget: str | None,
    allow_secrets: bool,
    agreed: bool,
    command: Sequence[str] | None = None,
) -> int:
    """Price the prompts of a file, ask whether to go on, send them, and print the batch's id. The exit code."""

    async def talk(window: Window) -> int:
        return await _submit(window, params, agreed=agreed, asked_already=name == "-")

    params: dict[str, Any] = {}

    def run() -> int:
        given: dict[str, Any] = {
            "name": title,
            "model": model,
            "maxTokens": max_tokens,
            "budgetOverride": over_budget,
        }
        given["allowSecrets"] = allow_secrets or None
        params.update({key: value for key, value in given.items() if value is not None})
        params["prompts"] = read_prompts(name)
        return run_in_window(talk, command)

    return exit_code(run)


async def _submit(window: Window, params: Mapping[str, Any], *, agreed: bool, asked_already: bool) -> int:
    _check_size(window, params)
    priced = await _ask_long(window, "cmt/batch/submit", {**params, "dryRun": True})
    sys.stderr.write(price_lines(priced["price"]))
    for notice in priced.get("notices") or []:
        say_note(notice)
    if not agreed and not await _agrees(asked_already):
        sys.stderr.write("Nothing was sent.\n")
        return 1
    made = await _ask_long(window, "cmt/batch/submit", params)
    for notice in made.get("notices") or []:
        if notice not in (priced.get("notices") or []):
            say_note(notice)
    batch = made["batch"]
    sys.stdout.write(f"{one_line(batch['id'])}\n")
    sys.stderr.write(f"Submitted. `cmt-lsp batch status {short(batch)} --wait` waits for the answers.\n")
    return 0


def _check_size(window: Window, params: Mapping[str, Any]) -> None:
    limits = window.capabilities.get("experimental", {}).get("cmt", {}).get("limits", {})
    size, limit = len(json.dumps(params)) + 1000, limits.get("messageBytes", 0)
    if limit and size > limit:
        raise TroubleError(
            f"These prompts make a message of {-(-size // 2**20)} MB, and the server takes {limit // 2**20} MB.",
            hint="Split the file.",
            kind="bad_params",
        )


async def _agrees(asked_already: bool) -> bool:
    """Where nobody can be asked, only `--yes` agrees."""
    if asked_already or not sys.stdin.isatty():
        raise TroubleError("Nobody is there to agree to the price, so nothing was sent.", hint="Say --yes.")
    sys.stderr.write("Submit? [y/N] ")
    sys.stderr.flush()
    answer = await anext(typed_lines(), "")
    return answer.strip().lower() in ("y", "yes")


def list_batches(*, everywhere: bool, no_color: bool, command: Sequence[str] | None = None) -> int:
    """Print a table of this folder's batches, or of all folders'; the exit code."""

    async def talk(window: Window) -> int:
        found = await window.ask("cmt/batch/list", {"scope": "all" if everywhere else "workspace"})
        batches = found.get("batches", [])
        if not batches:
            sys.stderr.write("No batch yet. `cmt-lsp batch submit FILE` sends one.\n")
            return 0
        made = table("=id", "name", "=state", ">answered", ">cost", "=submitted")
        for batch in batches:
            identity = short(batch) if sys.stdout.isatty() else batch["id"]
            answered = f"{batch['counts']['succeeded']} of {batch['requests']}"
            row = [identity, batch["name"], batch["state"].replace("_", " "), answered]
            row += [cost(batch), moment(batch["createdAt"])]
            made.add_row(*(one_line(cell) for cell in row))
        console(no_color=no_color).print(made)
        return 0

    return run_in_window(talk, command)


def show_status(which: str, *, wait: bool, no_color: bool, command: Sequence[str] | None = None) -> int:
    """Look how a batch stands, or wait for its end; 0 unless it failed or was lost."""
    if wait:
        return exit_code(lambda: asyncio.run(wait_for_end(which, no_color=no_color, command=command)))

    async def talk(window: Window) -> int:
        batch = await find(window, which)
        batch = await _ask_long(window, "cmt/batch/status", {"batchId": batch["id"]})
        sys.stdout.write(standing(batch))
        return int(batch["state"] in ("failed", "lost"))

    return run_in_window(talk, command)


def show_results(which: str, *, as_json: bool, out: str | None, command: Sequence[str] | None = None) -> int:
    """Print the answers of a batch that are here, or write them to a file as JSON lines; the exit code."""

    async def talk(window: Window) -> int:
        batch = await find(window, which)
        if batch["state"] in OPEN:
            batch = await _ask_long(window, "cmt/batch/status", {"batchId": batch["id"]})
        if batch["state"] in OPEN:
            say_note(f"The batch is {batch['state'].replace('_', ' ')}; no answer is there before its end.")
            return 1
        if out is not None:
            count = await _write_answers(window, batch, Path(out))
            sys.stderr.write(f"Wrote {count} answers to {out}.\n")
            return 0
        async for answer in _answers(window, batch):
            sys.stdout.write(f"{json.dumps(answer)}\n" if as_json else answer_text(answer))
        return 0

    return run_in_window(talk, command)


def cancel_batch(which: str, command: Sequence[str] | None = None) -> int:
    """End a batch early; what is under way is still answered and charged. The exit code."""

    async def talk(window: Window) -> int:
        batch = await find(window, which)
        sys.stdout.write(standing(await _ask_long(window, "cmt/batch/cancel", {"batchId": batch["id"]})))
        return 0

    return run_in_window(talk, command)


async def _answers(window: Window, batch: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Every answer, in the order of the prompts."""
    start: int | None = 0
    while start is not None:
        wanted = {"batchId": batch["id"], "from": start, "limit": PAGE}
        page = await window.ask("cmt/batch/results", wanted)
        for answer in page["results"]:
            yield answer
        start = page.get("next")


async def _write_answers(window: Window, batch: Mapping[str, Any], path: Path) -> int:
    """Write a new file; how many answers it has. TroubleError where there is one already."""
    count = 0
    try:
        with path.open("x", encoding="utf-8") as file:
            async for answer in _answers(window, batch):
                file.write(f"{json.dumps(answer)}\n")
                count += 1
    except FileExistsError:
        raise TroubleError(
            f"{path} is there already.", hint="Name another file.", kind="bad_params"
        ) from None
    except OSError as refused:
        raise TroubleError(f"{path} cannot be written: {refused.strerror}.", kind="bad_params") from refused
    return count


async def _ask_long(window: Window, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    result = await window.connection.request(operation, params, seconds=SUBMIT_SECONDS)
    return dict(result)
