"""Tools made of a few lines of shell."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image


def png(size: tuple[int, int] = (40, 30), colour: tuple[int, int, int] = (230, 20, 30)) -> bytes:
    """A picture of one colour."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


class FakeTools:
    """Programs by name; each writes down its arguments, its environment and its process, then does as told."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made."""
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        self.picture = folder / "known.png"
        self.picture.write_bytes(png())

    def add(self, name: str, does: str = 'cp "$picture" "$file"') -> str:
        """The path of a new program. `$file` is its last argument, `$picture` the path of a picture."""
        path = self.bin / name
        for log in self.bin.glob(f"{name}.*"):
            log.unlink()
        path.write_text(
            f"""#!/bin/sh
for file; do :; done
picture={self.picture}
log={self.bin}/{name}
printf '%s\\n' "$@" > $log.argv
env > $log.env
stat -c %a "$file" "$(dirname "$file")" > $log.modes 2>&1
echo $$ > $log.new && mv $log.new $log.pid
{does}
"""
        )
        path.chmod(0o755)
        return str(path)

    def told(self, name: str, what: str = "argv") -> list[str]:
        """What a program wrote down: argv, env, modes or pid; empty before it ran."""
        path = self.bin / f"{name}.{what}"
        return path.read_text().splitlines() if path.exists() else []
