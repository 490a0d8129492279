"""The signature of a thinking block: proof of who made it, of what, and after which words.

Stateless: the seal carries its facts and a keyed hash over them, so that a conversation survives a restart of
the simulator. The key is no secret, it only tells this simulator's seals from anybody else's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass

_KEY = b"cmt_lsp simulator, thinking block seal, version 1"
_MAC_SIZE = 16


@dataclass(frozen=True, slots=True)
class Seal:
    """What a signature vouches for: model, digest of everything before the block, its text, its tokens."""

    model: str
    prefix: str
    text: str
    tokens: int


def text_digest(text: str) -> str:
    """The digest of a thinking text as a seal carries it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def issue(seal: Seal) -> str:
    """The signature for a seal."""
    payload = json.dumps([seal.model, seal.prefix, seal.text, seal.tokens]).encode()
    return base64.b64encode(_mac(payload) + payload).decode()


def read(signature: str) -> Seal | None:
    """The seal behind a signature; None when this simulator never issued it."""
    try:
        data = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return None
    mac, payload = data[:_MAC_SIZE], data[_MAC_SIZE:]
    if not hmac.compare_digest(mac, _mac(payload)):
        return None
    model, prefix, text, tokens = json.loads(payload)
    return Seal(model, prefix, text, tokens)


def _mac(payload: bytes) -> bytes:
    return hmac.new(_KEY, payload, hashlib.sha256).digest()[:_MAC_SIZE]
