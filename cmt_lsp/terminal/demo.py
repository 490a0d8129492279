"""`cmt-lsp demo`: the product in half a minute, on simulated answers unless a key is set.

The server is the real one, started as an editor starts it. Exit code 0 means that everything that was promised
on the screen happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmt_lsp.terminal import story
from cmt_lsp.terminal.connection import ServerGoneError, TroubleError
from cmt_lsp.terminal.interrupt import EXIT_CODE, on_ctrl_c
from cmt_lsp.terminal.keyboard import typed_lines
from cmt_lsp.terminal.outcome import exit_code
from cmt_lsp.terminal.render import dollars, one_line, seconds
from cmt_lsp.terminal.sample import Sample, choose
from cmt_lsp.terminal.stage import Stage
from cmt_lsp.terminal.window import Window, open_window

KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
SIMULATOR = (sys.executable, "-P", "-m", "cmt_lsp", "simulate", "--follow-stdin")
PACE = ("--chunk-delay", "0.06", "--retry-after", "3")  # seconds; slow enough to watch
START_SECONDS = 20.0
BYTES_PER_TOKEN = 2  # fewer than any text of a program has, so that the estimate is an upper bound


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the demo's questions go: the environment for the server, and a way to let a question fail."""

    env: Mapping[str, str]
    overload: Callable[[], Awaitable[None]] | None = None

    @property
    def simulated(self) -> bool:
        """Whether it costs nothing."""
        return self.overload is not None


def run(*, file: str | None, keep: bool, agreed: bool, svg: str | None, no_color: bool) -> int:
    """Tell the story; the exit code. `agreed`: money may be spent without asking; `svg`: a picture's path."""
    stage = Stage(no_color=no_color, picture=svg is not None)
    state = Path(tempfile.mkdtemp(prefix="cmt-lsp-demo-"))
    story_told = _demo(stage, state, file, agreed=agreed, keep=keep)
    try:
        return exit_code(lambda: asyncio.run(_interruptible(story_told)))
    finally:
        if svg is not None:
            stage.save_picture(svg)
        if not keep:
            shutil.rmtree(state, ignore_errors=True)


async def _interruptible(demo: Coroutine[Any, Any, int]) -> int:
    task = asyncio.create_task(demo)

    def stop(_count: int) -> None:
        task.cancel()

    with on_ctrl_c(stop):
        try:
            return await task
        except asyncio.CancelledError:
            return EXIT_CODE


async def _demo(stage: Stage, state: Path, file: str | None, *, agreed: bool, keep: bool) -> int:
    began = time.monotonic()
    sample = choose(Path.cwd(), file)
    stage.say("cmt-lsp: Claude in every editor, through one language server", "bold")
    async with contextlib.AsyncExitStack() as stack:
        real = any(os.environ.get(name) for name in KEYS)
        endpoint = _real(state) if real else await stack.enter_async_context(_simulated(state))
        _say_where(stage, endpoint)
        started = time.monotonic()
        window = await stack.enter_async_context(open_window(Path.cwd(), env=endpoint.env))
        _introduce(stage, window, sample, (time.monotonic() - started) * 1000)
        if real and not await _agree(stage, window, sample, agreed=agreed):
            return 1
        sessions = {name: (await window.named_session(name))["id"] for name in story.FIRST_QUESTIONS}
        await story.tell(story.Scene(stage, window, sample, sessions, endpoint.overload))
    _conclude(stage, time.monotonic() - began, state if keep else None)
    return 1 if stage.failures else 0


def _say_where(stage: Stage, endpoint: Endpoint) -> None:
    if endpoint.simulated:
        stage.say(
            "Runs on the embedded simulator: simulated answers, simulated tokens; prices are real list prices."
        )
        stage.say(
            "Nothing leaves this machine and nothing is charged. With a key in the environment it is real.",
            "dim",
        )
    else:
        stage.say("A key is set: this runs on the real endpoint and costs real money.", "bold")


def _introduce(stage: Stage, window: Window, sample: Sample, milliseconds: float) -> None:
    stage.chapter(1, "A server on a pipe, as an editor starts it")
    offer = window.capabilities.get("experimental", {}).get("cmt", {})
    stage.promise(
        bool(offer),
        f"ready {seconds(milliseconds)} after the start, contract version "
        f"{offer.get('version', '?')}, {len(offer.get('operations', []))} operations",
    )
    names = " and ".join(path.name for path, _ in sample.files)
    stage.say(
        f"It will talk about {names} ({sample.size / 1000:.1f} KB), sent from here as an open document."
    )
    if sample.word:
        stage.say(sample.word, "dim")


def _conclude(stage: Stage, took: float, kept: Path | None) -> None:
    stage.show()
    if stage.failures:
        stage.say(f"{stage.failures} of the promises above were not kept.", "bold red")
    else:
        stage.say(f"Everything that was promised happened, in {seconds(took * 1000)}.", "bold green")
    if kept is not None:
        stage.say(f"Its sessions are kept: CMT_STATE_DIR={kept} cmt-lsp sessions", "dim")
    stage.say('Next: cmt-lsp ask "What does this do?" --file PATH, or your editor.', "dim")


def _real(state: Path) -> Endpoint:
    return Endpoint({**os.environ, "CMT_STATE_DIR": str(state)})


async def _agree(stage: Stage, window: Window, sample: Sample, *, agreed: bool) -> bool:
    """Say what it may cost at most and let the person decide; where nobody can be asked, `--yes` decides."""
    origin = (await window.ask("cmt/auth/status")).get("origin", "the endpoint")
    models = (await window.ask("cmt/models")).get("models", [])
    model: dict[str, Any] = next((one for one in models if one.get("default")), {})
    worst = _worst_case(model, sample)
    price = "at a price that is not known" if worst is None else f"for at most about {dollars(worst)}"
    stage.say(f"It asks {model.get('id', 'the default model')} at {one_line(origin)} {price}.")
    if agreed:
        return True
    if not sys.stdin.isatty():
        raise TroubleError("Nobody is there to agree to the price.", hint="Say --yes, or unset the key.")
    sys.stdout.write("   Go on? [y/N] ")
    sys.stdout.flush()
    answer = await anext(typed_lines(), "")
    return answer.strip().lower() in ("y", "yes")


def _worst_case(model: Mapping[str, Any], sample: Sample) -> int | None:
    """Nano-dollars if no turn read anything from the cache and every answer were as long as it may be."""
    if not model.get("prices"):
        return None
    price = model["prices"][0]
    prompt = sample.size // BYTES_PER_TOKEN + story.TURNS * story.MAX_TOKENS
    return int(story.TURNS * (prompt * price["write1h"] + story.MAX_TOKENS * price["output"]))


@contextlib.asynccontextmanager
async def _simulated(state: Path) -> AsyncIterator[Endpoint]:
    """A simulator in a process of its own that ends when we do, and a server's environment that knows only it."""
    process = await asyncio.create_subprocess_exec(
        *SIMULATOR,
        *PACE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        env=_clean_environment(),
    )
    assert process.stdin is not None and process.stdout is not None  # noqa: S101  (pipes were asked for)
    stdin, stdout = process.stdin, process.stdout

    async def overload() -> None:
        stdin.write(b"fail 529\n")
        await _line(stdout)

    try:
        exports = [(await _line(stdout)).removeprefix("export ").partition("=") for _ in range(2)]
        settings = {name: value for name, _, value in exports}
        own = {"CMT_STATE_DIR": str(state), "XDG_CONFIG_HOME": str(state / "config")}
        yield Endpoint(_clean_environment() | settings | own, overload)
    finally:
        stdin.close()
        await process.wait()


async def _line(stream: asyncio.StreamReader) -> str:
    try:
        line = await asyncio.wait_for(stream.readline(), START_SECONDS)
    except TimeoutError:
        line = b""
    if not line:
        raise ServerGoneError("The simulator did not start.", hint="Run `cmt-lsp simulate` to see why.")
    return line.decode().strip()


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "CMT_"))}
