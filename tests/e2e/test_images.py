"""Images by path and by data; and what a bad one does, which is nothing."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cmt_lsp.simulator import Fault

from .conftest import Shared


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    """A small picture with a place and a comment in it, which must not leave."""
    image = Image.new("RGB", size, (200, 30, 30))
    image.putpixel((3, 3), (0, 0, 255))
    out = io.BytesIO()
    if kind == "JPEG":
        exif = Image.Exif()
        exif[0x010E] = "taken at home"
        image.save(out, kind, exif=exif)
    else:
        image.save(out, kind)
    return out.getvalue()


@pytest.fixture
def window(shared_window: Shared) -> Shared:
    """The module's window, in a session of the test's own."""
    shared_window.editor.session()
    return shared_window


def sent_image(window: Shared) -> dict[str, Any]:
    """The source of the image in the newest request."""
    content = window.sim.requests[-1].body["messages"][-1]["content"]
    source: dict[str, Any] = next(block["source"] for block in content if block["type"] == "image")
    return source


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_an_image_by_path_is_sent_before_the_question(kind: str, window: Shared, tmp_path: Path) -> None:
    """All four formats; the pixels arrive, and what a camera wrote beside them does not."""
    path = tmp_path / f"shot.{kind.lower()}"
    path.write_bytes(picture(kind))
    window.editor.chat("What is this?", images=[{"path": str(path), "name": "shot"}])
    content = window.sim.requests[-1].body["messages"][-1]["content"]
    assert [block["type"] for block in content] == ["image", "text"]
    data = base64.b64decode(sent_image(window)["data"])
    assert Image.open(io.BytesIO(data)).size == (40, 30)
    assert b"taken at home" not in data


def test_an_image_by_data_is_the_same_as_by_path(window: Shared, tmp_path: Path) -> None:
    """Base64 in the request, a data URI, a path, and a file URI: the same bytes leave."""
    (tmp_path / "a b.png").write_bytes(picture())
    data = base64.b64encode(picture()).decode()
    digests = set()
    path = tmp_path / "a b.png"
    ways = (
        {"data": data},
        {"data": f"data:image/png;base64,{data}"},
        {"path": str(path)},
        {"path": path.as_uri()},
    )
    for image in ways:
        window.editor.chat("x", images=[image], sessionId=window.editor.session())
        digests.add(hashlib.sha256(sent_image(window)["data"].encode()).hexdigest())
    assert len(digests) == 1


def test_the_preview_shows_the_image_and_its_tokens(window: Shared, tmp_path: Path) -> None:
    """The kind of each block and the name of the picture, without its bytes."""
    (tmp_path / "shot.png").write_bytes(picture(size=(800, 600)))
    image = {"path": str(tmp_path / "shot.png")}
    shown = window.editor.result("cmt/preview", {"text": "x", "images": [image]})["blocks"]
    assert [block["kind"] for block in shown] == ["image", "prompt"]
    assert shown[0]["mediaType"] == "image/png"
    assert "shot.png" in shown[0]["origin"]
    assert shown[0]["tokens"] > 100
    assert "text" not in shown[0]


BAD: dict[str, Any] = {
    "text": b"this is no picture",
    "cut": picture()[:40],
    "empty": b"",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("by", ["path", "data"])
def test_a_bad_image_is_refused_and_the_session_is_as_it_was(
    name: str, by: str, window: Shared, tmp_path: Path
) -> None:
    """A typed error, one end of the stream, nothing sent, nothing kept; the next question works."""
    editor = window.editor
    session = editor.session()
    editor.chat("before", sessionId=session)
    before = editor.result("cmt/session/get", {"sessionId": session})
    sent = len(window.sim.requests)
    (tmp_path / "bad.png").write_bytes(BAD[name])
    image = (
        {"path": str(tmp_path / "bad.png")}
        if by == "path"
        else {"data": base64.b64encode(BAD[name]).decode()}
    )
    stream = editor.streaming_chat("x", sessionId=session, images=[image])
    answer = stream.answer()
    assert answer["error"]["data"]["kind"] == "bad_image", answer
    assert len(window.sim.requests) == sent
    assert stream.values[-1]["kind"] == "end"
    assert stream.values[-1]["error"]["data"]["kind"] == "bad_image"
    assert editor.phases(stream.values[0]["turnId"]) == ["started", "failed"]
    assert editor.result("cmt/session/get", {"sessionId": session}) == before
    assert editor.chat("after", sessionId=session)["stopReason"] == "end_turn"
    assert "no picture" not in str(window.sim.requests[-1].body)


def test_odd_data_is_refused(window: Shared) -> None:
    """No base64, a data URI of nothing, a picture that says it is another: an error or the truth."""
    for data in ("%%%", "data:image/png;base64,", "QUJD", "\x00"):
        error = window.editor.refused("cmt/chat", {"text": "x", "images": [{"data": data}]})
        assert error["data"]["kind"] in ("bad_image", "bad_params"), (data, error)
    lying = {"data": base64.b64encode(picture("JPEG")).decode(), "mediaType": "image/png"}
    window.editor.request("cmt/chat", {"text": "x", "images": [lying]})
    assert window.editor.chat("x")["stopReason"] == "end_turn"


def test_an_image_needs_exactly_one_source(window: Shared) -> None:
    """Neither and both are bad params with the place."""
    for image in ({}, {"path": "/x.png", "data": "QUJD"}):
        error = window.editor.refused("cmt/chat", {"text": "x", "images": [{"path": "/y.png"}, image]})
        assert (error["code"], "$.images[1]" in error["message"]) == (-32602, True), error


def test_a_picture_that_unpacks_to_a_gigabyte_is_refused(window: Shared, tmp_path: Path) -> None:
    """A few kilobytes that claim 30,000 by 30,000 pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
        + chunk(b"IEND", b"")
    )
    (tmp_path / "bomb.png").write_bytes(bomb)
    before = window.editor.memory()
    error = window.editor.refused("cmt/chat", {"text": "x", "images": [{"path": str(tmp_path / "bomb.png")}]})
    assert error["data"]["kind"] == "bad_image"
    assert window.editor.memory() - before < 50_000_000


def test_an_image_stays_in_the_conversation(window: Shared, tmp_path: Path) -> None:
    """The next question sends it again from the history, and the session's listing names it."""
    (tmp_path / "shot.png").write_bytes(picture())
    session = window.editor.session()
    window.editor.chat("x", sessionId=session, images=[{"path": str(tmp_path / "shot.png")}])
    (tmp_path / "shot.png").unlink()
    window.editor.chat("y", sessionId=session)
    first = window.sim.requests[-1].body["messages"][0]["content"]
    assert [block["type"] for block in first] == ["image", "text"]
    assert window.editor.turns(session)[0]["attachments"] == ["image/png"]


def test_several_images_go_in_their_order(window: Shared, tmp_path: Path) -> None:
    """By their sizes, whichever is decoded first; all of them before the words."""
    sizes = [(900, 700), (10, 10), (500, 400), (20, 20), (600, 30)]
    images = []
    for number, size in enumerate(sizes):
        (tmp_path / f"{number}.png").write_bytes(picture(size=size))
        images.append({"path": str(tmp_path / f"{number}.png")})
    window.editor.chat("x", images=images)
    content = window.sim.requests[-1].body["messages"][-1]["content"]
    assert [block["type"] for block in content] == ["image"] * 5 + ["text"]
    sent = [Image.open(io.BytesIO(base64.b64decode(block["source"]["data"]))).size for block in content[:5]]
    assert sent == sizes


def test_one_bad_image_among_good_ones_stops_them_all(window: Shared, tmp_path: Path) -> None:
    """And is named."""
    (tmp_path / "good.png").write_bytes(picture())
    (tmp_path / "bad.png").write_bytes(b"BM no")
    images = [{"path": str(tmp_path / f"{name}.png")} for name in ("good", "bad", "good")]
    sent = len(window.sim.requests)
    error = window.editor.refused("cmt/chat", {"text": "x", "images": images})
    assert (error["data"]["kind"], "bad.png is in BMP format" in error["message"]) == ("bad_image", True)
    assert len(window.sim.requests) == sent


def test_among_many_images_none_is_so_large_that_the_endpoint_refuses_the_conversation(
    window: Shared, tmp_path: Path
) -> None:
    """More than 20 in one question are made smaller; a large one from before keeps the twenty-first out."""
    (tmp_path / "wide.png").write_bytes(picture(size=(2400, 30)))
    (tmp_path / "small.png").write_bytes(picture())
    wide, small = ({"path": str(tmp_path / f"{name}.png")} for name in ("wide", "small"))
    window.editor.chat("x", images=[wide] + [small] * 20, sessionId=window.editor.session())
    data = base64.b64decode(sent_image(window)["data"])
    assert Image.open(io.BytesIO(data)).size == (2000, 25)
    session = window.editor.session()
    window.editor.chat("x", images=[wide], sessionId=session)
    error = window.editor.refused("cmt/chat", {"text": "y", "images": [small] * 20, "sessionId": session})
    assert (error["data"]["kind"], "start a new session" in error["message"]) == ("bad_image", True)
    assert window.editor.chat("y", images=[small] * 19, sessionId=session)["stopReason"] == "end_turn"


def test_an_image_that_the_endpoint_refuses_leaves_the_session_as_it_was(
    window: Shared, tmp_path: Path
) -> None:
    """The error says what size works and which image is meant; the next question carries nothing of it."""
    (tmp_path / "shot.png").write_bytes(picture())
    session = window.editor.session()
    window.editor.chat("before", sessionId=session)
    before = window.editor.result("cmt/session/get", {"sessionId": session})
    details = {
        "error_code": "image_dimensions_too_large", "max_side_length_pixels": 1000, "paths": ["messages.2.content.0"],
    }  # fmt: skip
    refusal = {
        "type": "invalid_request_error",
        "message": "image dimensions exceed the maximum",
        "details": details,
    }
    window.sim.fail_next(Fault.status(400, body=json.dumps({"type": "error", "error": refusal}).encode()))
    params = {"text": "x", "images": [{"path": str(tmp_path / "shot.png")}], "sessionId": session}
    error = window.editor.refused("cmt/chat", params)
    assert error["data"]["kind"] == "bad_image"
    assert "at most 1000 pixels on a side (messages.2.content.0)" in error["data"]["hint"]
    assert window.editor.result("cmt/session/get", {"sessionId": session}) == before
    assert window.editor.chat("after", sessionId=session)["stopReason"] == "end_turn"
    assert "base64" not in str(window.sim.requests[-1].body)


def test_a_picture_is_taken_out_of_the_history_for_good(window: Shared, tmp_path: Path) -> None:
    """The record tells the pictures of a turn; a removed one is sent no more, and no file holds it."""
    editor, session = window.editor, window.editor.session()
    names = [tmp_path / f"{size}.png" for size in (43, 47)]
    for size, path in zip((43, 47), names, strict=True):
        path.write_bytes(picture(size=(size, 30)))
    editor.chat("Both?", sessionId=session, images=[{"path": str(path)} for path in names])
    first, second = (image["data"] for image in sent_images(window))
    editor.chat("And now?", sessionId=session)
    turn = editor.turns(session)[0]
    assert [(one["index"], one["width"], one["height"]) for one in turn["images"]] == [
        (0, 43, 30),
        (1, 47, 30),
    ]
    stored = {"sessionId": session, "turnId": turn["turnId"]}
    seen = editor.result("cmt/image/inspect", {"stored": {**stored, "index": 1}})
    assert (seen["width"], seen["format"], seen["thumbnail"][:22]) == (47, "png", "data:image/png;base64,")

    changed = editor.result("cmt/image/remove", {**stored, "index": 0})
    assert "without the picture" in changed["notices"][0]
    assert [one["width"] for one in editor.turns(session)[0]["images"]] == [47]
    editor.chat("And without?", sessionId=session)
    body = json.dumps(window.sim.requests[-1].body)
    assert (first in body, second in body, "was removed from the conversation" in body) == (False, True, True)
    editor.result("cmt/image/remove", stored)
    assert "images" not in editor.turns(session)[0]
    error = editor.refused("cmt/image/remove", stored)
    assert error["message"] == "The turn holds 0 images; get the session to see them."
    files = b"".join(path.read_bytes() for path in editor.world.rglob("sessions.sqlite3*"))
    assert files
    assert not any(data.encode() in files for data in (first, second))


def sent_images(window: Shared) -> list[dict[str, Any]]:
    """The sources of all images in the newest request."""
    content = window.sim.requests[-1].body["messages"][-1]["content"]
    return [block["source"] for block in content if block["type"] == "image"]
