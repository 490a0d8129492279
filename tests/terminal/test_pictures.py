"""Pictures in a terminal: who is drawn for and how, who is asked, and that a pipe gets nothing but words."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from shell import CMT, cmt

from cmt_lsp.simulator import Simulator
from cmt_lsp.terminal.picture.drawing import drawing
from cmt_lsp.terminal.picture.indexed import read_indexed
from cmt_lsp.terminal.picture.protocol import protocol_in, told_by
from cmt_lsp.terminal.picture.sixel import sixel

QUESTION = "\x1b[c"
QUIET = {"KITTY_WINDOW_ID": "", "TERM_PROGRAM": "", "LC_TERMINAL": "", "TMUX": "", "STY": ""}


def indexed_png(width: int, height: int, colours: int = 200, **options: Any) -> bytes:
    """A colourful PNG with a palette."""
    picture = Image.new("P", (width, height))
    picture.putpalette([part for n in range(256) for part in (n, 255 - n, n // 2)][: 3 * colours])
    picture.putdata([(x * y + x) % colours for y in range(height) for x in range(width)])
    out = io.BytesIO()
    picture.save(out, "PNG", bits=8, **options)
    return out.getvalue()


def painted(escapes: bytes) -> tuple[tuple[int, int], list[list[int]], dict[int, tuple[int, ...]]]:
    """What a sixel terminal paints: size, colour numbers by row and column, colours in percent."""
    head = re.match(rb'\x1bPq"1;1;(\d+);(\d+)', escapes)
    assert head is not None
    width, height = int(head[1]), int(head[2])
    rows = [[-1] * width for _ in range(height)]
    colours: dict[int, tuple[int, ...]] = {}
    x = band = colour = 0
    body = escapes[head.end() : -2]
    for token in re.finditer(rb"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)(.)|([$-])|([?-~])", body):
        if token[1]:
            colour = int(token[1])
            if token[2]:
                colours[colour] = tuple(int(token[part]) for part in (2, 3, 4))
        elif token[7]:
            x, band = 0, band + (token[7] == b"-")
        else:
            count, letter = (int(token[5]), token[6]) if token[5] else (1, token[8])
            bits = [bit for bit in range(6) if (ord(letter) - 63) >> bit & 1]
            for bit in bits:
                assert set(rows[6 * band + bit][x : x + count]) == {-1}, "a pixel is painted twice"
                rows[6 * band + bit][x : x + count] = [colour] * count
            x += count
    return (width, height), rows, colours


# The bytes


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 6), (100, 43), (256, 256)])
def test_sixels_paint_every_pixel_once_in_its_colour(size: tuple[int, int]) -> None:
    png = indexed_png(*size)
    picture = read_indexed(png)
    assert picture is not None
    painted_size, rows, colours = painted(sixel(picture))
    assert painted_size == size
    assert [bytes(row) for row in rows] == list(picture.rows)
    for number, (red, green, blue) in enumerate(picture.colours):
        assert colours[number] == (round(red / 2.55), round(green / 2.55), round(blue / 2.55))


def test_the_reader_of_small_pngs_agrees_with_an_image_library() -> None:
    """With each of the five predictions, as other programs write them."""
    import zlib

    picture = Image.open(io.BytesIO(indexed_png(31, 20)))
    wanted = [bytes(picture.crop((0, y, 31, y + 1)).tobytes()) for y in range(20)]
    lines = b"".join(_predicted(y % 5, wanted[y], wanted[y - 1] if y else bytes(31)) for y in range(20))
    png = indexed_png(31, 20)
    at, end = png.index(b"IDAT") - 4, png.index(b"IEND") - 4
    body = zlib.compress(lines)
    chunk = len(body).to_bytes(4, "big") + b"IDAT" + body + zlib.crc32(b"IDAT" + body).to_bytes(4, "big")
    rewritten = png[:at] + chunk + png[end:]
    assert Image.open(io.BytesIO(rewritten)).tobytes() == picture.tobytes()
    read = read_indexed(rewritten)
    assert read is not None
    assert list(read.rows) == wanted


def _predicted(kind: int, row: bytes, above: bytes) -> bytes:
    def guess(x: int) -> int:
        left, up, corner = (row[x - 1], above[x], above[x - 1]) if x else (0, above[0], 0)
        aim = left + up - corner
        nearest = min((left, up, corner), key=lambda value: abs(aim - value))
        return (0, left, up, (left + up) // 2, nearest)[kind]

    return bytes([kind]) + bytes((value - guess(x)) & 0xFF for x, value in enumerate(row))


@pytest.mark.parametrize(
    "png", [b"", b"\x89PNG\r\n\x1a\n", indexed_png(9, 9)[:60], indexed_png(600, 2), b"GIF89a"]
)
def test_what_is_no_small_png_is_not_drawn(png: bytes) -> None:
    assert read_indexed(png) is None
    assert drawing(png, 9, "sixel", 80) == b""


@pytest.mark.parametrize("columns", [4, 10, 30, 200])
def test_no_picture_is_wider_than_the_terminal(columns: int) -> None:
    png = indexed_png(256, 100)
    (width, _), _, _ = painted(drawing(png, 256, "sixel", columns))
    assert width <= 8 * columns
    cells = re.search(rb"c=(\d+)", drawing(png, 256, "kitty", columns))
    assert cells is not None
    assert int(cells[1]) < columns
    cells = re.search(rb"width=(\d+);", drawing(png, 256, "iterm", columns))
    assert cells is not None
    assert int(cells[1]) < columns


def test_kitty_gets_the_png_in_pieces_that_it_takes() -> None:
    png = indexed_png(256, 256, compress_level=0)
    pieces = re.findall(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\", drawing(png, 256, "kitty", 80))
    assert base64.b64decode(b"".join(data for _, data in pieces)) == png
    assert all(len(data) <= 4096 for _, data in pieces)
    assert [form.endswith(b"m=1") for form, _ in pieces] == [True] * (len(pieces) - 1) + [False]


# The choice


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, None),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1", "TMUX": "/tmp/x"}, None),
        ({}, None),
    ],
)
def test_the_environment_names_a_protocol(environment: dict[str, str], protocol: str | None) -> None:
    assert told_by(environment) == protocol


@pytest.mark.parametrize(
    ("answer", "protocol"),
    [
        (b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c", "kitty"),
        (b"\x1b_Gi=31;ENOTSUPPORTED\x1b\\\x1b[?62;c", None),
        (b"\x1b[?62;4;22c", "sixel"),
        (b"\x1b[?4c", "sixel"),
        (b"\x1b[?64;14;44c", None),
        (b"\x1b[?6c", None),
        (b"typed\x1b[?63;4c", "sixel"),
        (b"", None),
    ],
)
def test_an_answer_names_a_protocol(answer: bytes, protocol: str | None) -> None:
    assert protocol_in(answer) == protocol


@pytest.fixture
def shot(tmp_path: Path) -> str:
    """A picture in a file."""
    path = tmp_path / "shot.png"
    Image.linear_gradient("L").resize((3000, 400)).convert("RGB").save(path)
    return str(path)


LOOKS = {
    "kitty": ("\x1b_Gi=31;OK\x1b\\\x1b[?62;c", "\x1b_Gf=100,a=T"),
    "sixel": ("\x1b[?62;4;22c", "\x1bPq"),
    "dumb": ("\x1b[?6c", None),
    "silent": ("", None),
}


@pytest.mark.parametrize("kind", LOOKS)
def test_a_terminal_is_asked_once_and_drawn_for_in_its_own_protocol(
    kind: str, terminal: Callable[..., Any], endpoint: Simulator, shot: str
) -> None:
    """The words come after it; a terminal that says nothing is waited for a moment and gets the words alone."""
    answer, picture = LOOKS[kind]
    endpoint.reply_with("A grey picture.")
    screen = terminal([*CMT, "ask", "What is this?", "--image", shot], columns=70, **QUIET)
    screen.wait_for(QUESTION)
    if answer:
        screen.type(answer)
    assert screen.wait() == 0, screen.screen
    assert screen.screen.count(QUESTION) == 1
    told = "scaled from 3000 x 400 to 2576 x 343"
    assert all(words in screen.screen for words in ("shot.png · PNG 3000 x 400", "tokens", told, "A grey"))
    if picture is None:
        assert "\x1bP" not in screen.screen
        assert "a=T" not in screen.screen
    else:
        assert screen.screen.index(picture) < screen.screen.index("shot.png ·")


def test_a_terminal_that_names_itself_is_not_asked(
    terminal: Callable[..., Any], endpoint: Simulator, shot: str
) -> None:
    """iTerm gets its own escape, with no name in it."""
    screen = terminal([*CMT, "image", shot], columns=70, **{**QUIET, "TERM_PROGRAM": "iTerm.app"})
    assert screen.wait() == 0, screen.screen
    assert "\x1b]1337;File=inline=1;size=" in screen.screen
    assert QUESTION not in screen.screen
    assert "claude-opus-5-5" in screen.screen


@pytest.mark.parametrize("how", ["--no-picture", "dumb"])
def test_no_picture_where_none_is_wanted(
    how: str, terminal: Callable[..., Any], endpoint: Simulator, shot: str
) -> None:
    """Neither drawn nor asked."""
    words = [*CMT, "image", shot, *(["--no-picture"] if how.startswith("-") else [])]
    screen = terminal(words, **{**QUIET, "TERM": "dumb" if how == "dumb" else "xterm-kitty"})
    assert screen.wait() == 0, screen.screen
    assert not any(sign in screen.screen for sign in ("\x1b_G", "\x1bP", "\x1b]1337", QUESTION))
    assert "shot.png" in screen.screen


def test_a_pipe_gets_words_alone(endpoint: Simulator, shot: str) -> None:
    """Standard output holds the answer; standard error the line about the picture."""
    endpoint.reply_with("A grey picture.")
    done = subprocess.run(
        [*CMT, "ask", "x", "--image", shot],
        capture_output=True,
        text=True,
        timeout=50,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stdout) == (0, "A grey picture.\n")
    assert "shot.png · PNG 3000 x 400" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


def test_the_tables_and_the_json_tell_the_same(endpoint: Simulator, shot: str) -> None:
    """For several files: each, and their tokens on each model together."""
    told = json.loads(cmt("image", shot, "--json", "--model", "claude-haiku-4-5").stdout)
    done = cmt("image", shot, shot, "--model", "claude-haiku-4-5")
    assert done.returncode == 0, done.stderr
    tokens = told[0]["models"][0]["tokens"]
    assert f"{tokens:,}" in done.stdout
    assert re.search(rf"claude-haiku-4-5 +{2 * tokens:,}", done.stdout)
    assert "scaled from 3000 x 400 to 1568 x 209" in done.stdout
    assert endpoint.requests == []


def test_a_bad_picture_ends_the_question_with_its_sentence(endpoint: Simulator, tmp_path: Path) -> None:
    """Nothing is sent."""
    (tmp_path / "a.png").write_bytes(b"8BPS no")
    for words in (("image", str(tmp_path / "a.png")), ("ask", "x", "--image", str(tmp_path / "a.png"))):
        done = cmt(*words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "a.png is in PSD format: save it as PNG" in done.stderr
    assert endpoint.requests == []


def test_drawing_needs_no_library() -> None:
    """The terminal's side of it stands on the standard library alone."""
    code = (
        "import sys; import cmt_lsp.terminal.picture.drawing, cmt_lsp.terminal.picture.protocol;"
        "print([name for name in ('PIL', 'rich', 'pygls') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
