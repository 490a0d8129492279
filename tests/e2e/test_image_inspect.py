"""Looking at a picture before it is sent: what it is, what it costs, and what is refused."""

from __future__ import annotations

import base64
import io
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from cmt_lsp.api.models import all_models
from cmt_lsp.api.vision_handler import image_tokens

from .conftest import Shared
from .test_images import BAD, picture


@pytest.fixture(scope="module")
def window(shared_window: Shared) -> Shared:
    """The module's window."""
    return shared_window


def inspect(window: Shared, **params: Any) -> dict[str, Any]:
    """The answer to one inspection."""
    answer: dict[str, Any] = window.editor.result("cmt/image/inspect", params)
    return answer


def shot(folder: Path, size: tuple[int, int] = (4000, 2000), kind: str = "PNG", **options: Any) -> Path:
    """A picture in a file of its own."""
    path = folder / f"shot {size[0]}.{kind.lower()}"
    Image.new("RGB", size, (200, 30, 30)).save(path, kind, **options)
    return path


def test_a_picture_is_told_as_it_is_as_it_would_be_sent_and_for_every_current_model(
    window: Shared, tmp_path: Path
) -> None:
    """By path and by URI, for the model that is named: what would be resized, and tokens and price on all of them."""
    path = shot(tmp_path)
    seen = inspect(window, path=str(path), model="claude-haiku-4-5")
    assert {name: seen[name] for name in ("name", "format", "width", "height", "bytes", "animated")} == {
        "name": "shot 4000.png", "format": "png", "width": 4000, "height": 2000,
        "bytes": path.stat().st_size, "animated": False,
    }  # fmt: skip
    assert seen["sent"]["changes"] == ["scaled from 4000 x 2000 to 1568 x 784"]
    assert (seen["sent"]["width"], seen["sent"]["height"]) == (1568, 784)
    told = {model["model"]: model for model in seen["models"]}
    assert seen["models"][0]["model"] == "claude-haiku-4-5"
    assert set(told) >= {model.id for model in all_models() if model.lifecycle == "active"}
    assert told["claude-opus-5-5"]["tokens"] == image_tokens(4000, 2000, "high")
    assert told["claude-opus-5-5"]["nanoUsd"] == image_tokens(4000, 2000, "high") * 4000
    assert inspect(window, path=path.as_uri(), model="claude-haiku-4-5") == seen


def test_the_thumbnail_is_a_small_picture_of_it(window: Shared, tmp_path: Path) -> None:
    """A `data:` URI that any page shows, and its own inspection accepts."""
    seen = inspect(window, path=str(shot(tmp_path)))
    small = Image.open(io.BytesIO(base64.b64decode(seen["thumbnail"].removeprefix("data:image/png;base64,"))))
    assert (small.size, small.format) == ((256, 128), "PNG")
    assert abs(small.convert("RGB").getpixel((9, 9))[0] - 200) < 8  # type: ignore[index]
    again = inspect(window, data=seen["thumbnail"], name="small")
    assert (again["name"], again["width"], again["sent"]["changes"]) == ("small", 256, [])


def test_an_animation_is_called_one(window: Shared, tmp_path: Path) -> None:
    """And only its first frame would leave."""
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    seen = inspect(window, path=str(path))
    assert (seen["animated"], "first frame only" in seen["sent"]["changes"]) == (True, True)


def test_what_inspection_tells_is_what_chat_sends(window: Shared, tmp_path: Path) -> None:
    """The bytes counted, the size, and the tokens of the preview."""
    path = shot(tmp_path, (3000, 1100), "JPEG")
    seen = inspect(window, path=str(path))
    window.editor.chat("x", images=[{"path": str(path)}], sessionId=window.editor.session())
    source = window.sim.requests[-1].body["messages"][-1]["content"][0]["source"]
    data = base64.b64decode(source["data"])
    assert (seen["sent"]["mediaType"], seen["sent"]["bytes"]) == (source["media_type"], len(data))
    assert Image.open(io.BytesIO(data)).size == (seen["sent"]["width"], seen["sent"]["height"])
    params = {"text": "x", "images": [{"path": str(path)}]}
    shown = window.editor.result("cmt/preview", params)["blocks"][0]["tokens"]
    assert 0 <= shown - seen["models"][0]["tokens"] <= 10  # a block has a frame


def test_an_unknown_model_has_tokens_and_no_price(window: Shared, tmp_path: Path) -> None:
    """It is taken for one that sees as much as the best."""
    first = inspect(window, path=str(shot(tmp_path)), model="my-own")["models"][0]
    assert (first["model"], first["tokens"], first["display"]) == ("my-own", 4232, "unpriced")
    assert "nanoUsd" not in first


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_an_error_with_a_sentence(name: str, window: Shared, tmp_path: Path) -> None:
    """By path, by data, and by `data:` URI."""
    (tmp_path / "bad.png").write_bytes(BAD[name])
    encoded = base64.b64encode(BAD[name]).decode()
    ways = [
        {"path": str(tmp_path / "bad.png")},
        {"data": encoded},
        {"data": f"data:image/png;base64,{encoded}"},
    ]
    for params in ways:
        error = window.editor.refused("cmt/image/inspect", params)
        assert error["data"]["kind"] == "bad_image", (params, error)


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({"path": "//evil.example/share/a.png"}, "bad_image"),
        ({"path": "file://evil.example/a.png"}, "bad_image"),
        ({"path": "https://evil.example/a.png"}, "bad_image"),
        ({"path": "/dev/zero"}, "bad_image"),
        ({"path": "/nowhere/at/all.png"}, "bad_image"),
        ({"path": "/"}, "bad_image"),
        ({"data": "%%%"}, "bad_image"),
        ({"path": "a.png"}, "bad_params"),
        ({}, "bad_params"),
        ({"path": "/a.png", "data": "QUJD"}, "bad_params"),
    ],
)
def test_what_is_no_file_here_is_refused(params: dict[str, str], kind: str, window: Shared) -> None:
    """Devices, folders, other computers and URLs are never opened."""
    error = window.editor.refused("cmt/image/inspect", params)
    assert error["data"]["kind"] == kind, error


def test_looking_sends_nothing(window: Shared, tmp_path: Path) -> None:
    """The endpoint is not asked."""
    before = len(window.sim.requests)
    inspect(window, path=str(shot(tmp_path)), model="claude-opus-5-5")
    inspect(window, data=base64.b64encode(picture()).decode())
    assert len(window.sim.requests) == before


def test_many_at_once_take_two_processes_at_a_time(window: Shared, tmp_path: Path) -> None:
    """Each may need half a gigabyte; all of them are answered, and no process is left."""
    path = str(shot(tmp_path, (2600, 2000)))
    server = psutil.Process(window.editor.process.pid)
    ids = [window.editor.ask("cmt/image/inspect", {"path": path}) for _ in range(4)]
    most = 0
    while not {message.get("id") for message in list(window.editor.messages)} >= set(ids):
        most = max(most, len(server.children()))
        time.sleep(0.005)
    assert 1 <= most <= 2
    answers = [window.editor.answer(one)["result"] for one in ids]
    assert all(answer == answers[0] for answer in answers)
    assert server.children() == []
