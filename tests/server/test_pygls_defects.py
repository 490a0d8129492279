"""What pygls does today that our own layer is there to undo.

Each test drives a bare pygls server and holds that the defect is still there. The day one of these fails, upstream
has mended it, and the override that it names may go.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.protocol import default_converter
from pygls.workspace import PositionCodec, TextDocument, Workspace
from raw_client import RawClient, frame, frame_bytes

BARE = """
import asyncio, sys, time, os
from lsprotocol import types
from pygls.lsp.server import LanguageServer

server = LanguageServer("bare", "1")
cancelled = []

@server.feature("probe/echo")
def echo(params): return {"value": 1}

@server.feature("probe/fail")
async def fail(params): raise ValueError("the secret prompt")

@server.feature("probe/exit")
async def leave(params): raise SystemExit(3)

@server.feature("probe/set")
def unserialisable(params): return {1, 2}

@server.feature("probe/nan")
def nan(params): return float("nan")

@server.feature("probe/flood")
async def flood(params):
    for _ in range(300): server.protocol.notify("probe/filler", {"x": "y" * 1000})

@server.feature("probe/tables")
def tables(params):
    return [len(server.protocol._request_futures), len(server.work_done_progress.tokens), cancelled]

@server.feature("probe/print")
def noise(params): print("stray", flush=True)

@server.feature("probe/sleep")
@server.thread()
def sleep(params): time.sleep(1.5)

@server.feature("probe/progress")
async def progress(params):
    server.work_done_progress.begin("t", types.WorkDoneProgressBegin(title="x"))
    server.work_done_progress.end("t", types.WorkDoneProgressEnd())

@server.feature(types.TEXT_DOCUMENT_HOVER)
def hover(params): return None

@server.command("probe.nap")
async def nap(*args):
    try: await asyncio.sleep(0.6)
    except asyncio.CancelledError: cancelled.append("command"); raise

@server.command("probe.cancelled")
async def self_cancelled(*args): raise asyncio.CancelledError

@server.command("probe.default")
async def default(ls, first: str = "x"): return first

server.start_io()
"""

SILENCE = 0.4
"""Seconds without an answer that count as no answer; the answers here take one or two milliseconds."""


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[RawClient]:
    """A pygls server with nothing of ours."""
    script = tmp_path / "bare.py"
    script.write_text(BARE)
    with RawClient([sys.executable, str(script)], env={"PYTHONWARNINGS": "ignore"}) as client:
        client.initialize()
        yield client


def is_silent(client: RawClient, request_id: object) -> bool:
    """True when a request gets no answer, though a later one does."""
    with contextlib.suppress(TimeoutError, EOFError):
        client.answer(request_id, SILENCE)
        return False
    return True


# --- frames.FrameReader


@pytest.mark.parametrize(
    "header", [b"content-length: %d\r\n\r\n", b"Content-Length:%d\r\n\r\n", b"Content-Length: %d\n\n"]
)
def test_other_ways_to_write_the_header_are_not_read(header: bytes, bare: RawClient) -> None:
    """`frames.FrameReader`: tolerant headers."""
    body = json.dumps({"jsonrpc": "2.0", "id": "odd", "method": "probe/echo", "params": {}}).encode()
    bare.send_bytes(header % len(body) + body)

    assert is_silent(bare, "odd")


def test_a_length_too_small_makes_the_server_deaf(bare: RawClient) -> None:
    """`frames.FrameReader`: finding the next frame."""
    bare.send_bytes(b"Content-Length: 10\r\n\r\n" + b'{"jsonrpc": "2.0"}')

    assert is_silent(bare, bare.ask("probe/echo", {}))


# --- messages.decode_body, messages.classify, CmtProtocol.receive


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b'{"jsonrpc":"2.0","id":"m"'])
def test_bad_json_and_bad_shapes_get_no_answer_and_popups(body: bytes, bare: RawClient) -> None:
    """`messages.classify` and `CmtProtocol.refuse`; `CmtLanguageServer.report_server_error`."""
    bare.send_bytes(frame_bytes(body))
    bare.result("probe/echo", {})

    assert [m for m in bare.messages if m.get("id", 0) is None] == []
    assert bare.popups() != []


def test_bad_params_get_no_answer(bare: RawClient) -> None:
    """`CmtProtocol._lsp_params`: -32602 under the id."""
    assert is_silent(bare, bare.ask("textDocument/hover", {"position": 5}))
    assert bare.popups() != []


def test_a_request_without_params_gets_no_answer(bare: RawClient) -> None:
    """`messages.classify`: params may be absent."""
    bare.send({"jsonrpc": "2.0", "id": "none", "method": "probe/echo"})

    assert is_silent(bare, "none")


def test_a_nested_jsonrpc_key_swallows_the_message(bare: RawClient) -> None:
    """`messages.decode_body`: only the top level is a message."""
    assert is_silent(bare, bare.ask("probe/echo", {"text": {"jsonrpc": "2.0"}}))


def test_requests_before_initialize_are_served(tmp_path: Path) -> None:
    """`CmtProtocol._refusal`: -32002."""
    script = tmp_path / "bare.py"
    script.write_text(BARE)
    with RawClient([sys.executable, str(script)]) as client:
        assert "result" in client.request("probe/echo", {})


def test_requests_after_shutdown_get_no_answer(bare: RawClient) -> None:
    """`CmtProtocol._refusal`: -32600."""
    bare.result("shutdown")

    assert is_silent(bare, bare.ask("probe/echo", {}))


# --- CmtProtocol._run, CmtProtocol._answer, faults


def test_an_exception_tells_its_text_and_its_paths(bare: RawClient) -> None:
    """`faults.rpc_error`: an id, and nothing else."""
    error = bare.request("probe/fail", {})["error"]

    assert "the secret prompt" in error["message"]
    assert "bare.py" in str(error["data"]["traceback"])


def test_sys_exit_in_a_handler_ends_the_session(bare: RawClient) -> None:
    """`CmtProtocol._run`: every exception is an answer, and the next request is served."""
    bare.ask("probe/exit", {})

    assert is_silent(bare, bare.ask("probe/echo", {}))


@pytest.mark.parametrize("method", ["probe/set", "probe/nan"])
def test_a_result_that_is_no_json_gets_no_answer_or_breaks_the_client(method: str, bare: RawClient) -> None:
    """`messages.encode_body` and `CmtProtocol._transmit_result`."""
    assert is_silent(bare, bare.ask(method, {}))
    assert (bare.violation is not None) == (method == "probe/nan")
    bare.violation = None


def test_an_id_in_use_is_taken_again(bare: RawClient) -> None:
    """`CmtProtocol._refusal`: one id, one request."""
    nap = {
        "jsonrpc": "2.0",
        "id": "twice",
        "method": "workspace/executeCommand",
        "params": {"command": "probe.nap", "arguments": []},
    }
    bare.send(nap)
    bare.send(nap)

    assert "result" in bare.answer("twice")
    assert "result" in bare.answer("twice")


# --- CmtProtocol._perform_command


def test_cancelling_a_command_does_not_stop_it(bare: RawClient) -> None:
    """`CmtProtocol._take_request`: one task under the request's id, for both doors."""
    nap = bare.ask("workspace/executeCommand", {"command": "probe.nap", "arguments": []})
    bare.notify("$/cancelRequest", {"id": nap})

    assert bare.answer(nap)["error"]["code"] == -32800
    assert bare.result("probe/tables", {})[2] == []


def test_a_command_that_cancels_itself_gets_no_answer(bare: RawClient) -> None:
    """`CmtProtocol._answer`: a cancelled task is answered."""
    assert is_silent(
        bare, bare.ask("workspace/executeCommand", {"command": "probe.cancelled", "arguments": []})
    )


def test_a_command_does_not_honour_defaults(bare: RawClient) -> None:
    """`table.OperationTable.decode_command`: no argument is an empty object."""
    answer = bare.request("workspace/executeCommand", {"command": "probe.default", "arguments": []})

    assert answer["error"]["code"] == -32602


def test_shutdown_fails_while_commands_run(bare: RawClient) -> None:
    """`CmtProtocol.lsp_shutdown`."""
    for _ in range(3):
        bare.ask("workspace/executeCommand", {"command": "probe.nap", "arguments": []})

    assert "dictionary changed size" in bare.request("shutdown")["error"]["message"]


# --- what is kept


def test_every_message_leaves_a_future_behind(bare: RawClient) -> None:
    """`CmtProtocol._take_notification`, `CmtProtocol._answer`: nothing is kept."""
    before = bare.result("probe/tables", {})[0]
    for _ in range(50):
        bare.notify("$/setTrace", {"value": "off"})

    assert bare.result("probe/tables", {})[0] >= before + 50


def test_a_progress_token_is_never_forgotten(bare: RawClient) -> None:
    """`peer.WorkDone.end`."""
    bare.result("probe/progress", {})

    assert bare.result("probe/tables", {})[1] == 1


# --- pipe_threads, transport


def test_a_client_that_does_not_read_stops_the_server(bare: RawClient) -> None:
    """`pipe_threads.PipeWriter`: the loop never writes."""
    bare.stop_reading()
    bare.ask("probe/flood", {})
    bare.notify("exit")
    with pytest.raises(subprocess.TimeoutExpired):
        bare.exit_code(1.0)


def test_a_print_breaks_the_stream(bare: RawClient) -> None:
    """`pipe_threads.claim_standard_streams`."""
    bare.ask("probe/print", {})
    with pytest.raises(EOFError):
        bare.expect(lambda _: False)

    assert "stray" in str(bare.violation)
    bare.violation = None


def test_busy_threads_stop_the_reader(tmp_path: Path) -> None:
    """`pipe_threads.PipeReader`: a thread of its own; pygls reads on the pool that handlers use."""
    script = tmp_path / "bare.py"
    script.write_text(BARE.replace('"bare", "1"', '"bare", "1", max_workers=2'))
    with RawClient([sys.executable, str(script)]) as client:
        client.initialize()
        for _ in range(2):
            client.ask("probe/sleep", {})
        began = time.monotonic()
        client.result("probe/echo", {})

        assert time.monotonic() - began > 1.0


def test_exit_without_shutdown_is_called_a_success(bare: RawClient) -> None:
    """`transport.serve`: exit code 1."""
    bare.notify("exit")

    assert bare.exit_code() == 0


def test_sigint_is_not_obeyed(bare: RawClient) -> None:
    """`transport._stop_signals`."""
    bare.result("probe/echo", {})
    bare.wait_until_idle()
    bare.process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        bare.exit_code(1.0)


def test_the_editors_death_is_not_noticed(tmp_path: Path) -> None:
    """`parent.ParentWatch`."""
    script = tmp_path / "bare.py"
    script.write_text(BARE)
    with subprocess.Popen(["sleep", "60"]) as editor, RawClient([sys.executable, str(script)]) as client:
        client.initialize(processId=editor.pid)
        editor.kill()
        editor.wait()
        with pytest.raises(subprocess.TimeoutExpired):
            client.exit_code(2.5)


def test_a_closed_output_is_not_noticed(bare: RawClient) -> None:
    """`transport.Connection._on_write_failure`."""
    bare.close_output()
    bare.ask("probe/echo", {})
    with pytest.raises(subprocess.TimeoutExpired):
        bare.exit_code(1.0)


def test_whole_messages_are_logged_at_info(tmp_path: Path) -> None:
    """`transport.serve` keeps the loggers of pygls at WARNING."""
    script = tmp_path / "bare.py"
    script.write_text("import logging; logging.basicConfig(level=logging.INFO)\n" + BARE)
    with RawClient([sys.executable, str(script)]) as client:
        client.initialize(initializationOptions={"apiKey": "sk-ant-secret"})
        client.result("probe/echo", {})
        client.notify("exit")
        client.exit_code()

    assert b"sk-ant-secret" in client.stderr()
    assert b'"result": {"value": 1}' in client.stderr()


# --- convert


def test_wrong_types_are_made_to_fit() -> None:
    """`convert.wire_converter`: strict scalars."""
    converter = default_converter()

    assert converter.structure("false", bool) is True
    assert converter.structure(None, str) == "None"
    assert converter.structure(1.9, int) == 1


def test_names_with_a_digit_are_spelt_wrong() -> None:
    """`convert.wire_name`."""
    import attrs

    @attrs.define
    class Usage:
        creation_5m_tokens: int

    assert default_converter().unstructure(Usage(1)) == {"creation5MTokens": 1}


# --- documents


@pytest.mark.parametrize("separator", ["\f", "\v", "\x1c", "\x85", "\u2028"])
def test_lines_end_where_lsp_has_none(separator: str) -> None:
    """`documents.OpenDocument.lines`."""
    assert len(TextDocument("file:///a", f"a{separator}b").lines) == 2


def test_a_column_beyond_the_last_line_is_one_short() -> None:
    """`documents.LineCodec`."""
    position = types.Position(0, 10)

    assert PositionCodec().position_from_client_units(["abc"], position).character == 2
    assert position.character == 2  # and the caller's own position was changed


def test_the_end_of_a_text_without_a_final_line_end_lies_beyond_it() -> None:
    """An edit of the last line would end on a line that is not there; an empty text has no end at all."""
    assert TextDocument("file:///x", "a\nb").client_position_at_offset(3) == types.Position(2, 0)
    with pytest.raises(UnboundLocalError):
        TextDocument("file:///x", "").client_position_at_offset(0)


def test_a_change_to_an_unopened_document_pops_up(bare: RawClient) -> None:
    """`documents.OpenDocuments.update_text_document`."""
    change: dict[str, Any] = {
        "textDocument": {"uri": "file:///x", "version": 1},
        "contentChanges": [{"text": ""}],
    }
    bare.send_bytes(frame({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": change}))
    bare.result("probe/echo", {})

    assert bare.popups() != []


def test_an_unopened_document_is_read_from_disk(tmp_path: Path) -> None:
    """`documents.OpenDocuments.get_text_document`."""
    (tmp_path / "secret").write_text("secret")

    assert Workspace(None).get_text_document(f"file://{tmp_path}/secret").source == "secret"
    assert Workspace(None).get_text_document("untitled:a").path == "a"
