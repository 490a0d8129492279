"""An image file that a person named: local, regular, opened once and not too large."""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from cmt_lsp.api.errors import BadImageError

if TYPE_CHECKING:
    from typing import BinaryIO

MAX_FILE_BYTES = 20 * 1000 * 1000

_HEAD = 64 * 1024
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


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file, open at its beginning, for the decoder to read; only its head was read here."""

    name: str
    file: BinaryIO
    size: int
    head: bytes

    def __enter__(self) -> Self:
        """Hold it open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.file.close()


def open_image_file(path: Path) -> ImageFile:
    """A regular file of at most 20 MB; BadImageError with what to do otherwise."""
    name = short_name(path.name)
    try:
        file = open(path, "rb", buffering=0, opener=_open)  # noqa: SIM115 - ImageFile closes it
    except IsADirectoryError:
        raise _not_regular(name) from None
    except OSError as error:
        raise BadImageError(f"{name} cannot be read: {_reason(error)}") from error
    try:
        return _looked_at(name, file, regular=True)
    except BaseException as error:
        file.close()
        if isinstance(error, OSError):
            raise BadImageError(f"{name} cannot be read: {_reason(error)}") from error
        raise


def hold_image_bytes(data: bytes, name: str) -> ImageFile:
    """Bytes as a file without a name, in memory where the platform can, for the decoder to read."""
    if len(data) > MAX_FILE_BYTES:
        raise _too_large(name)
    if hasattr(os, "memfd_create"):
        file: BinaryIO = os.fdopen(os.memfd_create("image"), "w+b", buffering=0)
    else:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - ImageFile closes it
    file.write(data)
    file.seek(0)
    return _looked_at(name, file, regular=False)


def _looked_at(name: str, file: BinaryIO, *, regular: bool) -> ImageFile:
    facts = os.fstat(file.fileno())
    if regular and not stat.S_ISREG(facts.st_mode):
        raise _not_regular(name)
    if facts.st_size > MAX_FILE_BYTES:
        raise _too_large(name)
    head = file.read(_HEAD) or b""
    file.seek(0)
    return ImageFile(name, file, facts.st_size, head)


def _not_regular(name: str) -> BadImageError:
    return BadImageError(f"{name} is not a regular file: choose an image file")


def _too_large(name: str) -> BadImageError:
    return BadImageError(f"{name} is larger than 20 MB: save a smaller copy and choose that")


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | _FLAGS)


def short_name(name: str) -> str:
    """A name fit for a sentence: valid Unicode, printable, at most 80 characters."""
    readable = "".join(c if c.isprintable() else "?" for c in name.encode("utf-8", "replace").decode("utf-8"))
    return readable if len(readable) <= 80 else f"{readable[:79]}…"


def _path_of_uri(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError as error:  # the standard library's parser refuses some brackets
        raise BadImageError(f"{short_name(uri)} is no path: give the path of a local file") from error
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
