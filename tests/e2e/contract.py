"""The contract as a check of one whole conversation: what was asked, and everything that came back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

import cmt_lsp.server

SCHEMA = json.loads(Path(cmt_lsp.server.__file__).with_name("schema.json").read_text())
ENDS = ("ended", "failed")

Sent = Mapping[object, tuple[str, Any]]
Messages = Sequence[dict[str, Any]]


@cache
def validator(pointer: str) -> Draft202012Validator:
    """The validator of one place of the schema, as `operations/cmt~1chat/result`."""
    return Draft202012Validator({"$ref": f"#/{pointer}", "$defs": SCHEMA["$defs"]} | SCHEMA)


def faults_of(pointer: str, value: object) -> list[str]:
    """Where a value differs from the schema."""
    return [f"{pointer} {e.json_path}: {e.message[:300]}" for e in validator(pointer).iter_errors(value)]


def complaints(sent: Sent, messages: Messages, finished: bool) -> list[str]:
    """Everything that broke the contract; `finished` where the server ended in order and so owes every answer."""
    return [
        *_answers(sent, messages, finished),
        *_results(sent, messages),
        *_notifications(messages),
        *_streams(sent, messages),
        *_work_done(messages),
        *_turns(messages),
    ]


def _answers(sent: Sent, messages: Messages, finished: bool) -> Iterator[str]:
    """Each request has exactly one answer."""
    answered = [m["id"] for m in messages if "id" in m and "method" not in m]
    for request_id, (method, _) in sent.items():
        count = answered.count(request_id)
        if count > 1 or (finished and count == 0):
            yield f"{method} (id {request_id}) has {count} answers"


def _results(sent: Sent, messages: Messages) -> Iterator[str]:
    """Each answer has the type that the table says."""
    for message in messages:
        if "method" in message or message.get("id") not in sent:
            continue
        if "error" in message:
            if message["error"].get("data") is not None:
                yield from faults_of("$defs/RpcErrorBody", message["error"])
        elif (operation := operation_of(*sent[message["id"]])) is not None:
            yield from faults_of(f"operations/{operation.replace('/', '~1')}/result", message["result"])


def operation_of(method: str, params: Any) -> str | None:
    """The operation that a request asks for, through either door."""
    if method == "workspace/executeCommand":
        method = str(params["command"]).replace(".", "/")
    return method if method in SCHEMA["operations"] else None


def _notifications(messages: Messages) -> Iterator[str]:
    for message in messages:
        method = str(message.get("method"))
        if method in SCHEMA["notifications"]:
            yield from faults_of(f"notifications/{method.replace('/', '~1')}/params", message["params"])


def params_of(method: str, params: Any) -> dict[str, Any]:
    """The operation's own params, through either door."""
    if method == "workspace/executeCommand" and isinstance(params, dict):
        params = (params.get("arguments") or [{}])[0]
    return params if isinstance(params, dict) else {}


def _streams(sent: Sent, messages: Messages) -> Iterator[str]:
    """Each stream is numbered, starts and ends once, ends before its answer, and adds up to the answer's text."""
    for request_id, (method, params) in sent.items():
        token = params_of(method, params).get("partialResultToken")
        if token is None or operation_of(method, params) not in ("cmt/chat", "cmt/retry", "cmt/compare"):
            continue
        mine = [
            (at, m["params"]["value"])
            for at, m in enumerate(messages)
            if m.get("method") == "$/progress" and m["params"]["token"] == token
        ]
        answers = [
            (at, m) for at, m in enumerate(messages) if m.get("id") == request_id and "method" not in m
        ]
        by_turn = _by_turn([value for _, value in mine])
        for turn, values in by_turn.items():
            yield from _stream(f"stream {token} of {turn}", values)
        if method == "workspace/executeCommand" and not params_of(method, params).get("wait"):
            continue
        for at, answer in answers:
            if mine and mine[-1][0] > at:
                yield f"stream {token}: a value came after the answer"
            result = answer.get("result")
            for row in [] if result is None else result.get("rows", [result]):
                yield from _agrees(f"stream {token}", by_turn.get(row["turnId"], []), row)
            if result is None and any(values[-1]["kind"] != "end" for values in by_turn.values()):
                yield f"stream {token}: no end before the error"


def _by_turn(values: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The values of each turn; a comparison has several on one token."""
    found: dict[str, list[dict[str, Any]]] = {}
    for value in values:
        found.setdefault(value["turnId"], []).append(value)
    return found


def _stream(name: str, values: list[dict[str, Any]]) -> Iterator[str]:
    for value in values:
        yield from (f"{name}: {fault}" for fault in faults_of("stream", value))
    kinds = [value["kind"] for value in values]
    if [value["seq"] for value in values] != list(range(len(values))):
        yield f"{name}: numbered {[value['seq'] for value in values]}"
    if kinds and (kinds[0] != "started" or kinds.count("started") != 1):
        yield f"{name}: starts as {kinds[:3]}"
    if kinds.count("end") > 1 or "end" in kinds[:-1]:
        yield f"{name}: ends as {kinds[-3:]}"
    offset = 0
    for value in values:
        if value["kind"] == "text":
            if value["offset"] != offset:
                yield f"{name}: offset {value['offset']} where {offset} characters came"
            offset += len(value["text"])


def _agrees(name: str, values: list[dict[str, Any]], result: dict[str, Any]) -> Iterator[str]:
    text = "".join(value["text"] for value in values if value["kind"] == "text")
    if text != result["text"]:
        yield f"{name}: {text[-60:]!r} is streamed and {result['text'][-60:]!r} is the result"
    if not values or values[-1]["kind"] != "end":
        yield f"{name}: no end before the result"
        return
    failed = "error" in result
    for field in ("stopReason", "error") if failed else ("stopReason", "usage", "cost", "cache", "turnId"):
        if values[-1].get(field) != result[field]:
            yield f"{name}: the end says {field} {values[-1].get(field)}, the result {result[field]}"


def _work_done(messages: Messages) -> Iterator[str]:
    """Each work-done progress begins once, ends at most once, and is silent after its end."""
    by_token: dict[object, list[str]] = {}
    for message in messages:
        if message.get("method") == "$/progress" and message["params"]["value"]["kind"] in (
            "begin",
            "report",
            "end",
        ):
            value = message["params"]["value"]
            if "turnId" not in value:
                by_token.setdefault(message["params"]["token"], []).append(value["kind"])
    for token, kinds in by_token.items():
        if kinds[0] != "begin" or kinds.count("begin") != 1 or "end" in kinds[:-1]:
            yield f"progress {token} went {kinds[:2]} ... {kinds[-2:]}"


def _turns(messages: Messages) -> Iterator[str]:
    """Each turn that `cmt/turn` speaks of ends at most once, and is silent after that."""
    phases: dict[str, list[str]] = {}
    for message in messages:
        if message.get("method") == "cmt/turn":
            phases.setdefault(message["params"]["turnId"], []).append(message["params"]["phase"])
    for turn, seen in phases.items():
        if any(phase in ENDS for phase in seen[:-1]) or seen[0] != "started":
            yield f"turn {turn} went {seen}"
