"""A simulated endpoint that obeys a test: a JSON command a line on standard input, its answer a line on standard output.

A command is `{"id", "do", ...}` and its answer `{"id", "result"}` or `{"id", "error"}`; answers may come in another
order than the commands, since some of them wait. The first line says where the endpoint listens.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cmt_lsp.simulator import Answer, Fault, RecordedRequest, Simulator, simulator_in_thread


def fault(wanted: dict[str, Any]) -> Fault:
    """A fault from the name of its constructor and the arguments, `{"kind": "status", "code": 529}`."""
    options = dict(wanted)
    make: Callable[..., Fault] = getattr(Fault, options.pop("kind"))
    return make(**options)


def answer(wanted: dict[str, Any]) -> Answer:
    """A scripted answer; its fault is a fault's own object."""
    options = dict(wanted)
    if "fault" in options:
        options["fault"] = fault(options["fault"])
    if "chunks" in options:
        options["chunks"] = tuple(options["chunks"])
    return Answer(**options)


def record(request: RecordedRequest) -> dict[str, Any]:
    """A request as it came, with what became of it."""
    fields = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
    return {**fields, "headers": dict(request.headers), "usage": request.usage and dict(request.usage)}


def obey(simulator: Simulator, command: dict[str, Any]) -> Any:
    """Do one thing; waiting ones block this thread alone."""
    match command["do"]:
        case "reply":
            simulator.reply_with(*(answer(wanted) for wanted in command["answers"]))
        case "fail":
            simulator.fail_next(*(fault(wanted) for wanted in command["faults"]))
        case "release":
            simulator.release()
        case "forget":
            simulator.forget()
        case "cool":
            simulator.cache.clear()
        case "requests":
            return [record(request) for request in simulator.requests]
        case "wait":
            wait = getattr(simulator, f"wait_{command['state']}")
            return record(wait(command["n"], within=command["within"]))
        case other:
            raise ValueError(f"no command {other}")
    return None


def main() -> None:
    """Serve until standard input ends."""
    lock = threading.Lock()

    def say(line: dict[str, Any]) -> None:
        with lock:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    def run(command: dict[str, Any]) -> None:
        try:
            say({"id": command["id"], "result": obey(simulator, command)})
        except (ValueError, TypeError, KeyError, AttributeError, TimeoutError) as error:
            say({"id": command["id"], "error": f"{type(error).__name__}: {error}"})

    with simulator_in_thread(show_keys=True) as simulator, ThreadPoolExecutor(8) as pool:
        say({"id": 0, "result": simulator.base_url})
        for line in sys.stdin:
            pool.submit(run, json.loads(line))


if __name__ == "__main__":
    main()
