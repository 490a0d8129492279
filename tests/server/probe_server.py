"""A language server with nothing but probes: operations that echo, hang, fail and flood."""

# ruff: noqa: E402 - the collector is told before anything heavy is imported

from __future__ import annotations

from cmt_lsp.server.rpc.collector import spare_startup

spare_startup()

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import time
from typing import Any, Literal

import attrs
from lsprotocol import types

from cmt_lsp.server.rpc.pipe_threads import claim_standard_streams
from cmt_lsp.server.rpc.protocol import Caller, Operation, RpcError, build_server
from cmt_lsp.server.rpc.transport import serve


@attrs.frozen(kw_only=True)
class Empty:
    """No fields."""


@attrs.frozen(kw_only=True)
class EchoParams:
    """Any JSON, given back as it came."""

    value: Any = None


@attrs.frozen(kw_only=True)
class Pair:
    """A nested object."""

    left: int
    right: str | None = None


@attrs.frozen(kw_only=True)
class Circle:
    """One of two shapes."""

    kind: Literal["circle"]
    radius: float


@attrs.frozen(kw_only=True)
class Square:
    """The other one."""

    kind: Literal["square"]
    side_length: int


@attrs.frozen(kw_only=True)
class TypedParams:
    """One field of every kind that the contract uses."""

    text: str
    max_tokens: int | None = None
    ratio: float = 0.5
    wait: bool = False
    mode: Literal["fast", "slow"] = "fast"
    pairs: list[Pair] | None = None
    shape: Circle | Square | None = None


@attrs.frozen(kw_only=True)
class FailParams:
    """Which exception to raise."""

    how: str


@attrs.frozen(kw_only=True)
class SleepParams:
    """Seconds, and what to do when cancelled."""

    seconds: float = 60.0
    on_cancel: Literal["obey", "answer", "slowly"] = "obey"


@attrs.frozen(kw_only=True)
class FloodParams:
    """How many notifications of which size."""

    count: int
    size: int
    droppable: bool = False


@attrs.frozen(kw_only=True)
class AskParams:
    """A request to the editor."""

    method: str
    params: Any = None
    timeout: float = 5.0


events: list[str] = []


async def echo(_: Caller, params: EchoParams) -> Any:
    return {"value": params.value}


async def typed(_: Caller, params: TypedParams) -> TypedParams:
    return params


async def who(caller: Caller, _: Empty) -> Any:
    return {
        "door": caller.door,
        "requestId": caller.request_id,
        "partialResultToken": caller.partial_result_token,
        "workDoneToken": caller.work_done_token,
    }


def note(event: str) -> None:
    """Tell an event, also to those who do not read our output."""
    events.append(event)
    if path := os.environ.get("PROBE_EVENT_FILE"):
        with open(path, "a") as out:  # noqa: PTH123
            out.write(event + "\n")


async def nap(_: Caller, params: SleepParams) -> Any:
    note("nap began")
    try:
        await asyncio.sleep(params.seconds)
    except asyncio.CancelledError:
        note("nap cancelled")
        if params.on_cancel == "obey":
            raise
        if params.on_cancel == "slowly":
            await asyncio.sleep(0.2)
        return {"stopReason": "cancelled"}
    return {"stopReason": "end"}


async def told(_: Caller, __: Empty) -> Any:
    return {"events": events}


async def fail(_: Caller, params: FailParams) -> Any:
    match params.how:
        case "nan":
            return {"value": float("nan")}
        case "set":
            return {"value": {1, 2}}
        case "deep":
            value: list[Any] = []
            for _ in range(100_000):
                value = [value]
            return value
        case "recursion":
            return await fail(_, params)
        case "cancelled":
            raise asyncio.CancelledError
        case "rpc":
            raise RpcError(-32803, "This is meant for you.", {"kind": "network", "retryable": True})
        case "mapped":
            raise LookupError("mapped by the hook")
        case "hook":
            raise OSError("the hook itself fails")
    raise {
        "SystemExit": SystemExit,
        "KeyboardInterrupt": KeyboardInterrupt,
        "MemoryError": MemoryError,
        "ValueError": ValueError,
        "GeneratorExit": ZeroDivisionError,
    }[params.how]("the secret prompt in /home/someone")


async def background_exit(_: Caller, __: Empty) -> Any:
    async def leave() -> None:
        raise SystemExit(3)

    task = asyncio.create_task(leave())
    await asyncio.wait([task])
    return {}


async def flood(caller: Caller, params: FloodParams) -> Any:
    for index in range(params.count):
        payload = {"index": index, "filler": "x" * params.size}
        caller.peer.notify("probe/flood", payload, droppable=params.droppable)
    return {"backlog": caller.peer.backlog}


async def stalled(caller: Caller, _: Empty) -> Any:
    return {"backlog": caller.peer.backlog, "stalledFor": caller.peer.stalled_for}


async def drained(caller: Caller, _: Empty) -> Any:
    empty = asyncio.Event()
    caller.peer.on_drained(empty.set)
    await empty.wait()
    return {"backlog": caller.peer.backlog}


async def progress(caller: Caller, _: Empty) -> Any:
    work = await caller.peer.create_progress("Probing", cancellable=True)
    if work is None:
        return {"shown": False}
    cancelled = asyncio.Event()
    work.on_cancel(cancelled.set)
    work.report("half way", 50)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            await cancelled.wait()
    work.end("done")
    work.report("never sent")
    work.end("never sent")
    return {"shown": True, "cancelled": cancelled.is_set(), "open": caller.peer.open_progress}


async def ask(caller: Caller, params: AskParams) -> Any:
    try:
        answer = await caller.peer.request(params.method, params.params, params.timeout)
    except TimeoutError:
        return {"timeout": True}
    return {"type": type(answer).__name__, "text": str(answer)}


async def noise(_: Caller, __: Empty) -> Any:
    print("a stray print")
    os.write(1, b"a stray write\n")
    child = subprocess.run(
        [sys.executable, "-c", "import sys; print('child'); print(len(sys.stdin.read()))"],
        check=True,
        stderr=subprocess.PIPE,
    )
    return {"child": child.returncode}


async def block(_: Caller, params: SleepParams) -> Any:
    note("blocked")
    time.sleep(params.seconds)  # noqa: ASYNC251 - a handler that holds up the loop is what is probed
    return {}


async def collector(_: Caller, __: Empty) -> Any:
    return {"frozen": gc.get_freeze_count(), "threshold": gc.get_threshold()}


async def tables(caller: Caller, _: Empty) -> Any:
    protocol = server.protocol
    return {
        "running": len(protocol._running) - 1,
        "notices": len(protocol._notices),
        "questions": len(protocol._outbox.questions),
        "futures": len(protocol._request_futures),
        "resultTypes": len(protocol._result_types),
        "tokens": len(protocol.progress.tokens) + caller.peer.open_progress,
    }


def error_of(error: BaseException) -> RpcError | None:
    if isinstance(error, (OSError, TypeError)):
        raise TypeError("the hook fails")
    if isinstance(error, LookupError):
        return RpcError(-32803, "The hook says so.", {"kind": "unknown_session", "retryable": False})
    return None


async def on_stop(reason: str) -> None:
    if path := os.environ.get("PROBE_STOP_FILE"):
        with open(path, "a") as out:  # noqa: ASYNC230, PTH123
            out.write(reason + "\n")
    await asyncio.sleep(float(os.environ.get("PROBE_STOP_SECONDS", "0")))


OPERATIONS = [
    Operation("cmt/echo", EchoParams, None, echo),
    Operation("cmt/typed", TypedParams, TypedParams, typed),
    Operation("cmt/who", Empty, None, who),
    Operation("cmt/nap", SleepParams, None, nap),
    Operation("cmt/told", Empty, None, told),
    Operation("cmt/fail", FailParams, None, fail),
    Operation("cmt/background/exit", Empty, None, background_exit),
    Operation("cmt/flood", FloodParams, None, flood),
    Operation("cmt/stalled", Empty, None, stalled),
    Operation("cmt/drained", Empty, None, drained),
    Operation("cmt/progress", Empty, None, progress),
    Operation("cmt/ask", AskParams, None, ask),
    Operation("cmt/noise", Empty, None, noise),
    Operation("cmt/block", SleepParams, None, block),
    Operation("cmt/collector", Empty, None, collector),
    Operation("cmt/tables", Empty, None, tables),
]

server = build_server(
    name="probe",
    version="1",
    methods=[row.method for row in OPERATIONS],
    operations=lambda: OPERATIONS,
    error_of=error_of,
    experimental=lambda: {"version": 1, "operations": [row.method for row in OPERATIONS]},
    on_initialized=lambda: events.append("initialized"),
    on_stop=on_stop,
)


@server.feature("probe/document")
def document(params: Any) -> Any:
    """What the server holds of a document."""
    opened = server.workspace.text_documents.get(params["uri"])
    return None if opened is None else {"text": opened.source, "version": opened.version}


@server.feature(types.TEXT_DOCUMENT_HOVER)
async def hover(params: types.HoverParams) -> types.Hover:
    """An LSP feature beside the operations."""
    return types.Hover(contents=f"line {params.position.line}")


if __name__ == "__main__":
    code = serve(server, *claim_standard_streams())
    if hang := os.environ.get("PROBE_HANG_AFTER"):
        time.sleep(float(hang))
    sys.exit(code)
