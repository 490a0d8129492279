"""What any program would do with a picture that is too large: open, resize, save. `bare_picture.py FILE WIDTH HEIGHT`."""

from __future__ import annotations

import io
import sys


def resized(path: str, width: int, height: int) -> bytes:
    """The picture at another size, in the format it had."""
    import PIL.Image

    with PIL.Image.open(path) as picture:
        small = picture.resize((width, height), PIL.Image.Resampling.LANCZOS)
        out = io.BytesIO()
        small.save(out, picture.format)
    return out.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(resized(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
