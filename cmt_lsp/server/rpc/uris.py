"""URIs of the editor as paths of this machine."""

from __future__ import annotations

from pathlib import Path

from pygls.uris import to_fs_path


def fs_path(uri: str) -> str | None:
    """The path that a URI stands for; None where it stands for none, however it is malformed."""
    try:
        path: str | None = to_fs_path(uri)
    except ValueError:  # the standard library's parser refuses some brackets
        return None
    return path or None


def folder(given: str) -> Path | None:
    """The existing folder that an absolute path or a `file:` URI names, links resolved; else None."""
    path = fs_path(given) if given.startswith("file:") else given
    try:
        named = Path(path or "")
        return named.resolve() if named.is_absolute() and named.is_dir() else None
    except (OSError, ValueError):  # too long a name, a NUL
        return None
