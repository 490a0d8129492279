"""A picture of a screen, for people: `python tests/neovim/picture.py folder` makes those of the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from screen import Screen

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
    image.save(path)
