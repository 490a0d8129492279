"""Reading an image file that a person named: local, regular, opened once and not too large."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cmt_lsp.api.errors import BadImageError

MAX_FILE_BYTES = 20 * 1000 * 1000

_URI = re.compile(r"[a-z][a-z0-9+.-]+://|(file|data|https?):", re.IGNORECASE)
_FLAGS = (
    getattr(os, "O_NONBLOCK", 0)  # a FIFO with no writer must not hang the open
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def local_path(path: str | Path) -> Path:
    """The file behind a path or a `file:` URI; BadImageError for another host, a URL or a name that cannot be."""
    text = str(path)
    if "\x00" in text:
        raise BadImageError("an image path cannot hold a NUL character: give the path of a local file")
    if isinstance(path, str) and _URI.match(text):
        text = _path_of_uri(text)
    if text.startswith(("//", "\\\\")):
        raise BadImageError(
            f"{short_name(text)} is on another computer: copy the image here and give its local path"
        )
    return Path(text).expanduser()


def read_image_file(path: Path) -> bytes:
    """All bytes of a regular file of at most 20 MB; BadImageError with what to do otherwise."""
    name = short_name(path.name)
    try:
        with open(path, "rb", opener=_open) as file:
            facts = os.fstat(file.fileno())
            regular, size = stat.S_ISREG(facts.st_mode), facts.st_size
            data = file.read(MAX_FILE_BYTES + 1) if regular and size <= MAX_FILE_BYTES else b""
    except IsADirectoryError:
        regular, size, data = False, 0, b""
    except OSError as error:
        raise BadImageError(f"{name} cannot be read: {_reason(error)}") from error
    if not regular:
        raise BadImageError(f"{name} is not a regular file: choose an image file")
    if max(size, len(data)) > MAX_FILE_BYTES:
        raise BadImageError(f"{name} is larger than 20 MB: save a smaller copy and choose that")
    return data


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | _FLAGS)


def short_name(name: str) -> str:
    """A name fit for a sentence: valid Unicode, printable, at most 80 characters."""
    readable = "".join(c if c.isprintable() else "?" for c in name.encode("utf-8", "replace").decode("utf-8"))
    return readable if len(readable) <= 80 else f"{readable[:79]}…"


def _path_of_uri(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme.lower() != "file":
        raise BadImageError("an image at a URL is not fetched: save it and give the path of the file")
    if parts.netloc not in {"", "localhost"}:
        raise BadImageError(
            f"{short_name(parts.netloc)} is another computer: copy the image here and give its local path"
        )
    text = unquote(parts.path)
    if "\x00" in text:
        raise BadImageError("an image path cannot hold a NUL character: give the path of a local file")
    return text[1:] if re.match(r"/[A-Za-z]:", text) and os.name == "nt" else text


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "there is no such file; check the path"
    if error.errno == errno.EACCES:
        return "you may not read it; change its permissions"
    return f"{error.strerror}; choose another file"
