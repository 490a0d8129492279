"""A picture of a screen, for people: `python tests/neovim/picture.py docs/images` makes those of the documentation."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nvim_child import NvimChild
from nvim_world import begin
from PIL import Image, ImageDraw, ImageFont
from screen import Screen

from cmt_lsp.simulator import Answer, Simulator, simulator_in_thread

SIZE = 16
FONTS = Path("/usr/share/fonts/truetype/dejavu")


def _font(bold: bool) -> Any:
    path = FONTS / ("DejaVuSansMono-Bold.ttf" if bold else "DejaVuSansMono.ttf")
    return ImageFont.truetype(str(path), SIZE) if path.exists() else ImageFont.load_default(SIZE)


def _colour(value: int) -> tuple[int, int, int]:
    return (value >> 16 & 255, value >> 8 & 255, value & 255)


def draw(screen: Screen, path: Path) -> None:
    """Write the screen as it is now into a PNG."""
    fonts = {bold: _font(bold) for bold in (False, True)}
    width, height = round(fonts[False].getlength("m")), SIZE + 5
    image = Image.new("RGB", (width * screen.columns, height * screen.rows), _colour(screen.colours[1]))
    pen = ImageDraw.Draw(image)
    for row, line in enumerate(screen.cells):
        for column, text in enumerate(line):
            style = screen.styles.get(screen.highlights[row][column], {})
            front = style.get("foreground", screen.colours[0])
            back = style.get("background", screen.colours[1])
            if style.get("reverse") or (row, column) == screen.cursor:
                front, back = back, front
            x, y = column * width, row * height
            if back != screen.colours[1]:
                pen.rectangle((x, y, x + width, y + height - 1), fill=_colour(back))
            if text.strip():
                pen.text((x, y + 1), text, font=fonts[bool(style.get("bold"))], fill=_colour(front))
    image.quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)


CODE = '''"""Where a parcel is, by its number."""

import re

NUMBER = re.compile(r"[A-Z]{2}\\d{9}[A-Z]{2}")


def find_numbers(text):
    found = []
    for line in text.split("\\n"):
        for word in line.split(" "):
            if NUMBER.match(word) is not None:
                if word not in found:
                    found.append(word)
    return found


def is_home(parcel):
    if parcel["country"] == "DE":
        return True
    else:
        return False
'''
SHORTER = '''```python
def find_numbers(text):
    """The numbers in a text, each once, in their order."""
    return list(dict.fromkeys(NUMBER.findall(text)))
```'''
ANSWER = f"""Yes. The pattern can look for the numbers itself, and a `dict` keeps each one once, in order:

{SHORTER}

- **Faster**: one pass, no search in a growing list.
- **Not the same** for a number inside a word: add `\\b` on both sides if those must not count."""


def talk(nvim: NvimChild, sim: Simulator) -> None:
    """Ask about the function, and have an answer."""
    sim.reply_with(Answer(text=ANSWER, thinking="One pass of the pattern would do. What of duplicates? " * 4))
    nvim.command("8,15Cmt ask Can this be shorter?")
    nvim.screen.wait_for("must not count", "today ")
    nvim.command("Cmt rename parcels")
    nvim.screen.wait(
        lambda text: (
            "· sonnet-5-5 · parcels" in text and "today $0.00" in text and "today $0.0000" not in text
        )
    )


def chat(nvim: NvimChild, sim: Simulator) -> None:
    """An answer with code, and the next question half written."""
    talk(nvim, sim)
    nvim.command("wincmd b")
    nvim.keys("iAnd is_home, can it be one line")
    nvim.screen.wait_for("one line")


def light_chat(nvim: NvimChild, sim: Simulator) -> None:
    """The same on a light background."""
    nvim.command("set background=light")
    chat(nvim, sim)


def hunk(nvim: NvimChild, sim: Simulator) -> None:
    """The code of an answer beside the code it is for."""
    talk(nvim, sim)
    nvim.command("wincmd l | wincmd k")
    nvim.lua("vim.fn.search('dict.fromkeys', 'b')")
    nvim.keys("gp")
    nvim.wait("vim.wo.diff")
    nvim.screen.wait(lambda text: text.count("list(dict") == 1 and "found = []" in text)


def budget(nvim: NvimChild, sim: Simulator) -> None:
    """A question that would pass a limit."""
    talk(nvim, sim)
    nvim.command("Cmt budget day 0.001")
    nvim.screen.wait_for("Limit")
    nvim.lua(
        "vim.api.nvim_win_close(vim.iter(vim.api.nvim_list_wins()):find(function(win) return vim.api.nvim_win_get_config(win).zindex end), true)"
    )
    nvim.command("%Cmt ask Write tests for all of it.")
    nvim.screen.wait_for("Do not send")


SCENES: dict[str, Callable[[NvimChild, Simulator], None]] = {
    "neovim_chat.png": chat,
    "neovim_chat_light.png": light_chat,
    "neovim_hunk.png": hunk,
    "neovim_budget.png": budget,
}


def main(folder: Path) -> None:
    """Play each scene in a Neovim of its own and draw its screen."""
    nvim_path = str(Path(sys.executable).with_name("nvim"))
    for name, play in SCENES.items():
        with tempfile.TemporaryDirectory(prefix="cmt-picture-") as home, simulator_in_thread() as sim:
            work = Path(home) / "work"
            work.mkdir()
            (work / "parcels.py").write_text(CODE)
            nvim = begin(nvim_path, Path(home), sim.base_url, columns=118, rows=34)
            try:
                nvim.command("set background=dark laststatus=3 noruler")
                nvim.command("edit parcels.py")
                play(nvim, sim)
                draw(nvim.screen, folder / name)
            finally:
                nvim.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
