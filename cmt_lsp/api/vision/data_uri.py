"""Images given as text: plain base64, or a `data:` URI as clipboards and web pages make them."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from cmt_lsp.api.errors import BadImageError

_URI = re.compile(r"data:[^,]{0,200},", re.IGNORECASE)


def is_data_uri(text: str) -> bool:
    """Whether a text is a `data:` URI rather than the name of a file."""
    return _URI.match(text) is not None


def bytes_of(text: str, name: str) -> bytes:
    """The bytes in base64 or in a `data:` URI of any media type; BadImageError where they are not to be had."""
    head = _URI.match(text)
    if head is not None and not head[0].lower().endswith(";base64,"):
        return unquote_to_bytes(text[head.end() :])
    try:
        return base64.b64decode(text[head.end() :] if head else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadImageError(f"{name} is not valid base64; attach the file itself.") from error
