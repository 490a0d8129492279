"""Every request gets exactly one answer, through both doors, whatever is sent and whatever happens inside."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from raw_client import INITIALIZE, RawClient, frame, frame_bytes

BAD_PARAMS = {"kind": "bad_params", "retryable": False}


def error(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["error"]
    return found


# --- the shape of messages


@pytest.mark.parametrize(
    "body", [b"{", b"", b"nonsense", b'{"a": NaN}', b"\xff\xfe", b"[" * 5000, b"1" * 5000]
)
def test_what_is_no_json_is_a_parse_error(body: bytes, shared: RawClient) -> None:
    """The id cannot be known, so it is null."""
    shared.send_bytes(frame_bytes(body))

    assert error(shared.answer(None))["code"] == -32700


@pytest.mark.parametrize(
    ("message", "request_id"),
    [
        ([{"jsonrpc": "2.0", "id": 1, "method": "cmt/echo"}], None),
        ([], None),
        ("text", None),
        (17, None),
        (None, None),
        ({}, None),
        ({"jsonrpc": "2.0"}, None),
        ({"jsonrpc": "1.0", "id": "v1", "method": "cmt/echo"}, "v1"),
        ({"id": "v0", "method": "cmt/echo"}, "v0"),
        ({"jsonrpc": "2.0", "id": "m", "method": 5}, "m"),
        ({"jsonrpc": "2.0", "id": "bare"}, "bare"),
        ({"jsonrpc": "2.0", "id": None, "method": "cmt/echo"}, None),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "cmt/echo"}, None),
        ({"jsonrpc": "2.0", "id": True, "method": "cmt/echo"}, None),
        ({"jsonrpc": "2.0", "id": [1], "method": "cmt/echo"}, None),
    ],
)
def test_a_message_of_the_wrong_shape_is_an_invalid_request(
    message: object, request_id: object, shared: RawClient
) -> None:
    """Answered with the id where it can be read."""
    shared.send(message)

    assert error(shared.answer(request_id))["code"] == -32600


def test_keys_of_the_protocol_inside_params_are_data(shared: RawClient) -> None:
    """A chat may hold a whole JSON-RPC log."""
    value = {
        "jsonrpc": "2.0",
        "id": 4,
        "method": "initialize",
        "params": [{"jsonrpc": 1, "error": {}, "result": 2}],
    }

    assert {"value": value} == shared.result("cmt/echo", {"value": value})
    assert {"value": value} == shared.command("cmt.echo", {"value": value})["result"]


def test_text_comes_back_byte_for_byte(shared: RawClient) -> None:
    """Line separators, controls and emoji are kept."""
    value = "a\u2028b\u0000c\x7f😀é\\u0041\ufeff"

    assert value == shared.result("cmt/echo", {"value": value})["value"]


def test_lone_surrogates_become_replacement_characters(shared: RawClient) -> None:
    """Half a pair cannot be sent on; a whole pair, and an escape that only looks like half a pair, stay."""
    body = (
        rb'{"jsonrpc":"2.0","id":"s","method":"cmt/echo","params":{"value":'
        rb'["\ud800","x\udc00y","\ud83d\ude00","\\ud800","\uD83D\\ude00","\ud800\ud800\udc00"]}}'
    )
    shared.send_bytes(frame_bytes(body))

    expected = ["\ufffd", "x\ufffdy", "😀", "\\ud800", "\ufffd\\ude00", "\ufffd\U00010000"]
    assert expected == shared.answer("s")["result"]["value"]


def test_an_unknown_method_is_refused_by_name(shared: RawClient) -> None:
    """Also under `$/`, where only notifications may be ignored."""
    assert error(shared.request("cmt/nothing"))["code"] == -32601
    assert error(shared.request("$/nothing"))["code"] == -32601
    assert "cmt/nothing" in error(shared.request("cmt/nothing"))["message"]


def test_unknown_notifications_are_ignored(shared: RawClient) -> None:
    """Whether LSP allows it or not."""
    for method in ("$/setTrace", "$/progress", "$/whatever", "cmt/nothing", "workspace/nothing", ""):
        shared.notify(method, {"value": "off", "token": 1})

    assert shared.result("cmt/echo", {"value": 1}) == {"value": 1}
    assert shared.popups() == []


# --- params


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ({}, "$.text is required."),
        ({"text": None}, "$.text must be a string, not null."),
        ({"text": 5}, "$.text must be a string, not a number."),
        ({"text": {"a": 1}}, "$.text must be a string, not an object."),
        ({"text": "", "maxTokens": "5"}, "$.maxTokens must be a whole number, not a string."),
        ({"text": "", "maxTokens": 1.9}, "$.maxTokens must be a whole number."),
        ({"text": "", "maxTokens": True}, "$.maxTokens must be a whole number, not a boolean."),
        ({"text": "", "max_tokens": 5}, "$.max_tokens is not a known field."),
        ({"text": "", "Text": ""}, "$.Text is not a known field."),
        ({"text": "", "a b": ""}, '$["a b"] is not a known field.'),
        ({"text": "", "wait": "false"}, "$.wait must be a boolean, not a string."),
        ({"text": "", "wait": 0}, "$.wait must be a boolean, not a number."),
        ({"text": "", "ratio": "1"}, "$.ratio must be a number, not a string."),
        ({"text": "", "ratio": 10**400}, "$.ratio must be a smaller number."),
        ({"text": "", "mode": "quick"}, '$.mode must be one of "fast" or "slow".'),
        ({"text": "", "pairs": {}}, "$.pairs must be an array, not an object."),
        ({"text": "", "pairs": [{"left": 1}, 5]}, "$.pairs[1] must be an object, not a number."),
        ({"text": "", "pairs": [{"left": "x"}]}, "$.pairs[0].left must be a whole number, not a string."),
        ({"text": "", "shape": {}}, "$.shape.kind is required."),
        ({"text": "", "shape": {"kind": "line"}}, '$.shape.kind must be one of "circle" or "square".'),
        ({"text": "", "shape": {"kind": ["line"]}}, '$.shape.kind must be one of "circle" or "square".'),
        ({"text": "", "shape": {"kind": "square"}}, "$.shape.sideLength is required."),
        ({"text": "", "shape": "circle"}, "$.shape must be an object, not a string."),
        ([], "$ must be an object, not an array."),
        ("text", "$ must be an object, not a string."),
        (None, "$.text is required."),
        (
            {"text": "", "partialResultToken": {}},
            "$.partialResultToken must be a string or a number, not an object.",
        ),
    ],
)
def test_bad_params_are_refused_with_the_place(params: object, complaint: str, shared: RawClient) -> None:
    """The path uses the names of the wire, and the command door says the same one step deeper."""
    assert {"code": -32602, "message": complaint, "data": BAD_PARAMS} == error(
        shared.request("cmt/typed", params)
    )
    deeper = complaint.replace("$", "$.arguments[0]", 1)
    assert {"code": -32602, "message": deeper, "data": BAD_PARAMS} == error(
        shared.command("cmt.typed", params)
    )


def test_good_params_are_taken_and_results_leave_none_out(shared: RawClient) -> None:
    """Whole floats are integers, integers are floats, null is absent where null means nothing."""
    given = {
        "text": "t",
        "maxTokens": 1e3,
        "ratio": 1,
        "mode": None,
        "pairs": [{"left": 1, "right": None}],
        "shape": {"kind": "square", "sideLength": 2},
    }
    expected = {
        "text": "t",
        "maxTokens": 1000,
        "ratio": 1.0,
        "wait": False,
        "mode": "fast",
        "pairs": [{"left": 1}],
        "shape": {"kind": "square", "sideLength": 2},
    }

    assert expected == shared.result("cmt/typed", given)


def test_params_may_be_left_out(shared: RawClient) -> None:
    """Some clients send no `params` at all where there are none."""
    shared.send({"jsonrpc": "2.0", "id": "none", "method": "cmt/who"})

    assert shared.answer("none")["result"]["door"] == "request"


def test_bad_params_of_lsp_itself_are_refused_with_the_place(shared: RawClient) -> None:
    """Also in the names of the wire."""
    answer = shared.request(
        "textDocument/hover", {"textDocument": {"uri": "file:///a"}, "position": {"line": 1}}
    )

    assert error(answer)["code"] == -32602
    assert "$.position.character" in error(answer)["message"]
    assert error(shared.request("textDocument/hover"))["code"] == -32602
    assert error(shared.request("textDocument/hover", "text"))["code"] == -32602


def test_lsp_itself_stays_lenient(shared: RawClient) -> None:
    """Editors put keys of their own into LSP's messages."""
    params = {"textDocument": {"uri": "file:///a"}, "position": {"line": 3, "character": 0}, "mine": 1}

    assert shared.result("textDocument/hover", params) == {"contents": "line 3"}


# --- both doors


def test_both_doors_lead_to_the_same_operation(shared: RawClient) -> None:
    """The tokens arrive through both."""
    asked = shared.ask("cmt/who", {"partialResultToken": "p", "workDoneToken": 7})
    told = shared.command("cmt.who", {"partialResultToken": "p"}, workDoneToken=7)
    inside = shared.command("cmt.who", {"partialResultToken": 1, "workDoneToken": "w"})

    tokens = {"partialResultToken": "p", "workDoneToken": 7}
    assert {"door": "request", "requestId": asked} | tokens == shared.answer(asked)["result"]
    assert {"door": "command", "requestId": told["id"]} | tokens == told["result"]
    assert {"partialResultToken": 1, "workDoneToken": "w"}.items() <= inside["result"].items()


@pytest.mark.parametrize(
    "params", [{}, {"arguments": None}, {"arguments": []}, {"arguments": [None]}, {"arguments": [{}]}]
)
def test_a_command_needs_no_argument(params: dict[str, Any], shared: RawClient) -> None:
    """Clients differ in how they say nothing."""
    answer = shared.request("workspace/executeCommand", {"command": "cmt.echo"} | params)

    assert answer["result"] == {"value": None}


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        (
            {"command": "cmt.echo", "arguments": [{}, {}]},
            "$.arguments must hold at most one object, not 2 values.",
        ),
        ({"command": "cmt.echo", "arguments": {}}, "$.arguments must be an array, not an object."),
        ({"command": "cmt.echo", "arguments": ["x"]}, "$.arguments[0] must be an object, not a string."),
        ({"command": "cmt.nothing"}, "$.command must name a command of this server."),
        ({"command": 5}, "$.command must name a command of this server."),
        ({}, "$.command must name a command of this server."),
        ([], "$.command must name a command of this server."),
        (None, "$.command must name a command of this server."),
        (
            {"command": "cmt.echo", "workDoneToken": []},
            "$.workDoneToken must be a string or a number, not an array.",
        ),
    ],
)
def test_a_bad_command_is_refused(params: object, complaint: str, shared: RawClient) -> None:
    """As bad params, never with silence."""
    answer = shared.request("workspace/executeCommand", params)

    assert {"code": -32602, "message": complaint, "data": BAD_PARAMS} == error(answer)


def test_initialize_advertises_every_operation() -> None:
    """As command and under `experimental.cmt`."""
    with RawClient() as client:
        capabilities = client.initialize()["capabilities"]

    operations = capabilities["experimental"]["cmt"]["operations"]
    assert "cmt/background/exit" in operations
    assert [o.replace("/", ".") for o in operations] == capabilities["executeCommandProvider"]["commands"]


# --- faults of handlers


@pytest.mark.parametrize("door", ["request", "command"])
@pytest.mark.parametrize(
    "how",
    [
        "SystemExit",
        "KeyboardInterrupt",
        "MemoryError",
        "ValueError",
        "recursion",
        "hook",
        "nan",
        "set",
        "deep",
    ],
)
def test_a_fault_of_a_handler_is_one_error_and_tells_nothing(how: str, door: str, shared: RawClient) -> None:
    """No text of the exception, no path, no traceback: an id that the log knows. The session goes on."""
    params = {"how": how}
    answer = shared.request("cmt/fail", params) if door == "request" else shared.command("cmt.fail", params)

    told = error(answer)
    error_id = told["data"]["errorId"]
    assert told["code"] == -32603
    assert {"kind": "internal", "retryable": False, "errorId": error_id} == told["data"]
    assert f"Internal error {error_id}; the log of the server says more." == told["message"]
    assert shared.result("cmt/echo", {"value": 1}) == {"value": 1}


def test_an_error_meant_for_the_editor_is_sent_as_it_is(shared: RawClient) -> None:
    """Raised by the operation, or made by the one mapping."""
    assert error(shared.request("cmt/fail", {"how": "rpc"})) == {
        "code": -32803,
        "message": "This is meant for you.",
        "data": {"kind": "network", "retryable": True},
    }
    assert error(shared.command("cmt.fail", {"how": "mapped"}))["message"] == "The hook says so."


def test_a_handler_that_cancels_itself_is_answered(shared: RawClient) -> None:
    """Some library inside may raise CancelledError."""
    assert error(shared.request("cmt/fail", {"how": "cancelled"}))["code"] == -32800
    assert error(shared.command("cmt.fail", {"how": "cancelled"}))["code"] == -32800


def test_sys_exit_in_background_work_does_not_end_the_server(client: RawClient) -> None:
    """Nor any request that runs meanwhile."""
    running = client.ask("cmt/nap", {"seconds": 0.3})

    assert client.result("cmt/background/exit") == {}
    assert client.answer(running)["result"] == {"stopReason": "end"}


# --- order and state


def test_requests_before_initialize_are_refused() -> None:
    """And notifications ignored; the session then begins as ever."""
    with RawClient() as client:
        client.notify("textDocument/didOpen", {"textDocument": {}})
        client.notify("initialized", {})

        assert error(client.request("cmt/echo"))["code"] == -32002
        assert error(client.request("shutdown"))["code"] == -32002
        assert "capabilities" in client.initialize()
        assert client.result("cmt/told") == {"events": ["initialized"]}


def test_a_refused_initialize_may_be_tried_again() -> None:
    """Bad params leave the server uninitialized."""
    with RawClient() as client:
        assert error(client.request("initialize", {"capabilities": 5}))["code"] == -32602
        assert error(client.request("cmt/echo"))["code"] == -32002
        assert "capabilities" in client.initialize()
        assert error(client.request("initialize", INITIALIZE))["code"] == -32600
        assert client.result("cmt/echo", {}) == {"value": None}


def test_a_client_that_does_not_wait_for_initialize_is_served() -> None:
    """Messages are acted on in their order, also when all come at once."""
    with RawClient() as client:
        document = {"uri": "file:///a", "languageId": "x", "version": 1, "text": "hello"}
        change = {"textDocument": {"uri": "file:///a", "version": 2}, "contentChanges": [{"text": "bye"}]}
        client.send_bytes(
            frame({"jsonrpc": "2.0", "id": "i", "method": "initialize", "params": INITIALIZE})
            + frame({"jsonrpc": "2.0", "method": "initialized", "params": {}})
            + frame(
                {"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": document}}
            )
            + frame({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": change})
            + frame({"jsonrpc": "2.0", "id": "d", "method": "probe/document", "params": {"uri": "file:///a"}})
        )

        assert client.answer("d")["result"] == {"text": "bye", "version": 2}
        assert "capabilities" in client.answer("i")["result"]


def test_an_id_in_use_is_refused_and_the_first_request_is_answered(shared: RawClient) -> None:
    """The number 1 and the text "1" are two ids."""
    for request_id in (100, "100"):
        shared.send({"jsonrpc": "2.0", "id": request_id, "method": "cmt/nap", "params": {"seconds": 0.3}})
    shared.send({"jsonrpc": "2.0", "id": 100, "method": "cmt/echo", "params": {}})

    assert error(shared.answer(100))["code"] == -32600
    assert shared.answer(100)["result"] == {"stopReason": "end"}
    assert shared.answer("100")["result"] == {"stopReason": "end"}


# --- cancelling


@pytest.mark.parametrize("door", ["request", "command"])
@pytest.mark.parametrize("on_cancel", ["obey", "answer", "slowly"])
def test_cancelling_stops_the_work(door: str, on_cancel: str, client: RawClient) -> None:
    """A handler that answers all the same is heard, and a second cancel does not disturb it."""
    params = {"onCancel": on_cancel}
    if door == "request":
        request_id = client.ask("cmt/nap", params)
    else:
        request_id = client.ask("workspace/executeCommand", {"command": "cmt.nap", "arguments": [params]})
    client.result("cmt/echo", {})  # the nap has begun
    for _ in range(3):
        client.notify("$/cancelRequest", {"id": request_id})
        client.result("cmt/echo", {})
    answer = client.answer(request_id)

    if on_cancel == "obey":
        assert error(answer)["code"] == -32800
    else:
        assert answer["result"] == {"stopReason": "cancelled"}
    assert client.result("cmt/told")["events"] == ["initialized", "nap began", "nap cancelled"]
    assert sum(m.get("id") == request_id for m in client.messages) == 1


def test_cancelling_at_once_is_answered_too(shared: RawClient) -> None:
    """Before the handler took its first step."""
    nap = {"jsonrpc": "2.0", "id": "early", "method": "cmt/nap", "params": {}}
    cancel = {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": "early"}}
    shared.send_bytes(frame(nap) + frame(cancel))

    assert error(shared.answer("early"))["code"] == -32800


@pytest.mark.parametrize(
    "params", [None, {}, {"id": None}, {"id": [1]}, {"id": "never"}, {"id": True}, 5, []]
)
def test_cancelling_nothing_is_ignored(params: object, shared: RawClient) -> None:
    """Late cancels are the rule, not the exception."""
    shared.notify("$/cancelRequest", params)

    assert shared.result("cmt/echo", {}) == {"value": None}


# --- asking the editor


def test_progress_is_shown_cancelled_and_forgotten() -> None:
    """One begin, reports, one end, on a token that the editor accepted."""
    with RawClient() as client:
        client.initialize(capabilities={"window": {"workDoneProgress": True}})
        asked = client.ask("cmt/progress")
        create = client.call("window/workDoneProgress/create")
        token = create["params"]["token"]
        client.send({"jsonrpc": "2.0", "id": create["id"], "result": None})
        begin, report = client.call("$/progress"), client.call("$/progress")
        client.notify("window/workDoneProgress/cancel", {"token": token})
        client.notify("window/workDoneProgress/cancel", {"token": token})
        end = client.call("$/progress")

        assert client.answer(asked)["result"] == {"shown": True, "cancelled": True, "open": 0}
        assert begin["params"]["value"] == {"kind": "begin", "title": "Probing", "cancellable": True}
        assert report["params"]["value"] == {
            "kind": "report",
            "message": "half way",
            "cancellable": True,
            "percentage": 50,
        }
        assert {"token": token, "value": {"kind": "end", "message": "done"}} == end["params"]
        assert sum(m.get("method") == "$/progress" for m in client.messages) == 3


def test_progress_that_nobody_shows_is_left_out() -> None:
    """Neither asked for without the capability, nor begun when the editor refuses."""
    with RawClient() as client:
        client.initialize()
        assert client.result("cmt/progress") == {"shown": False}
    with RawClient() as client:
        client.initialize(capabilities={"window": {"workDoneProgress": True}})
        asked = client.ask("cmt/progress")
        create = client.call("window/workDoneProgress/create")
        client.send({"jsonrpc": "2.0", "id": create["id"], "error": {"code": 1, "message": "no"}})
        assert client.answer(asked)["result"] == {"shown": False}
        assert client.result("cmt/tables")["tokens"] == 0


def test_a_question_to_the_editor_ends_in_every_way(client: RawClient) -> None:
    """With a typed answer, an error, an answer that does not fit, or silence; nothing is left behind."""
    message = {"type": 1, "message": "Spend it?", "actions": [{"title": "Yes"}]}

    def ask(timeout: float = 5.0) -> tuple[int, dict[str, Any]]:
        params = {"method": "window/showMessageRequest", "params": message, "timeout": timeout}
        return client.ask("cmt/ask", params), client.call("window/showMessageRequest")

    asked, question = ask()
    client.send({"jsonrpc": "2.0", "id": question["id"], "result": {"title": "Yes"}})
    assert client.answer(asked)["result"]["type"] == "MessageActionItem"

    asked, question = ask()
    client.send({"jsonrpc": "2.0", "id": question["id"], "error": {"code": -32601, "message": "Not here."}})
    assert error(client.answer(asked)) == {"code": -32601, "message": "Not here."}

    asked, question = ask()
    client.send({"jsonrpc": "2.0", "id": question["id"], "result": 5})
    assert error(client.answer(asked))["code"] == -32603

    asked, question = ask()
    client.send({"jsonrpc": "2.0", "id": question["id"]})
    assert client.answer(asked)["result"]["type"] == "NoneType"

    asked, question = ask(timeout=0.1)
    assert client.answer(asked)["result"] == {"timeout": True}
    assert question["id"] == client.call("$/cancelRequest")["params"]["id"]
    client.send({"jsonrpc": "2.0", "id": question["id"], "result": None})
    assert client.result("cmt/tables")["questions"] == 0


# --- nothing is left behind


def test_nothing_is_kept_of_a_message(client: RawClient) -> None:
    """20,000 notifications and 3,000 commands: the tables are empty and the memory is where it was."""
    uri = "file:///leak.txt"
    client.notify(
        "textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "x", "version": 0, "text": ""}}
    )
    change = {"textDocument": {"uri": uri, "version": 1}, "contentChanges": [{"text": "some text"}]}
    one = frame({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": change})

    def burst(changes: int, commands: int) -> None:
        for _ in range(changes // 500):
            client.send_bytes(one * 500)
        for _ in range(commands):
            client.command("cmt.echo", {"value": 1})

    burst(5_000, 500)
    before = client.memory()
    burst(20_000, 3_000)

    assert {0} == set(client.result("cmt/tables").values())
    assert client.memory() - before < 3 * 2**20


def mutated(rng: random.Random, body: bytes) -> bytes:
    """A body with a few bytes, or one value, replaced."""
    if rng.random() < 0.5:
        message = json.loads(body)
        place = (
            message
            if rng.random() < 0.4 or not isinstance(message.get("params"), dict)
            else message["params"]
        )
        junk: list[Any] = [
            None,
            5,
            -1,
            "x",
            [],
            {},
            True,
            1e300,
            "initialize",
            {"jsonrpc": "2.0"},
            [[[]]],
            "\ud800",
        ]
        place[rng.choice([*place, "extra"])] = rng.choice(junk)
        return json.dumps(message).encode()
    changed = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_mutated_bodies_get_one_answer_for_each_readable_id(
    campaign_size: Callable[[int, int], int], client: RawClient
) -> None:
    """No popup, no exit, no growth, next to nothing on stderr."""
    rng = random.Random(20261122)
    position = {"textDocument": {"uri": "file:///a"}, "position": {"line": 1, "character": 2}}
    change = {"textDocument": {"uri": "file:///a", "version": 2}, "contentChanges": [{"text": "bye"}]}
    seeds: list[tuple[str, Any]] = [
        ("cmt/typed", {"text": "t", "maxTokens": 5, "pairs": [{"left": 1}]}),
        ("cmt/echo", {"value": {"a": [1]}}),
        ("workspace/executeCommand", {"command": "cmt.typed", "arguments": [{"text": "t"}]}),
        ("textDocument/hover", position),
        ("textDocument/didChange", change),
        ("$/setTrace", {"value": "off"}),
    ]
    owed: Counter[object] = Counter()
    for index in range(campaign_size(600, 10_000)):
        method, params = rng.choice(seeds)
        message = {"jsonrpc": "2.0", "id": f"m{index}", "method": method, "params": params}
        body = mutated(rng, json.dumps(message).encode())
        client.send_bytes(frame_bytes(body))
        owed[readable_id(body)] += 1
        if index % 200 == 199:
            check = f"check {index}"  # no mutation makes such an id
            client.send({"jsonrpc": "2.0", "id": check, "method": "cmt/echo", "params": {"value": index}})
            assert client.answer(check, patience=1)["result"] == {"value": index}
    client.send({"jsonrpc": "2.0", "id": "last check", "method": "cmt/echo"})
    client.answer("last check")

    answered = Counter(m["id"] for m in client.messages if "method" not in m)
    for request_id in owed.keys() - {None}:
        assert owed[request_id] == answered[request_id], request_id
    assert client.popups() == []
    assert len(client.stderr()) < 4096


def readable_id(body: bytes) -> object:
    """The id of a request that must be answered under it; None where there is none to be read."""
    try:
        message = json.loads(body.decode(), parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return None
    found = message.get("id") if isinstance(message, dict) else None
    if not isinstance(found, (str, int)) or isinstance(found, bool) or "\ud800" in str(found):
        return None
    bare_answer = "method" not in message and ("result" in message or "error" in message)
    return None if bare_answer else found
