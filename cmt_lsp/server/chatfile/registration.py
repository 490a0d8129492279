"""Which editors are told that we answer for outline, folds, links, usage and hover, and for which documents.

Editors ask one server only, or mind one that has no answer: the outline of a program is not to come from us. One that
can be told later is told of transcripts alone. The others are told of everything, and get no answer for what is no
transcript. An editor with a client of ours shows conversations by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsprotocol import types

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Feature:
    """One request, and its names among the capabilities of both sides."""

    method: str
    client: str
    server: str


FEATURES = (
    Feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, "document_symbol", "document_symbol_provider"),
    Feature(types.TEXT_DOCUMENT_FOLDING_RANGE, "folding_range", "folding_range_provider"),
    Feature(types.TEXT_DOCUMENT_DOCUMENT_LINK, "document_link", "document_link_provider"),
    Feature(types.TEXT_DOCUMENT_CODE_LENS, "code_lens", "code_lens_provider"),
    Feature(types.TEXT_DOCUMENT_HOVER, "hover", "hover_provider"),
)


_TRANSCRIPTS = {"language": "markdown", "scheme": "file", "pattern": "**/transcripts/*.md"}
"""The folder's name is said again here: this is imported before `initialize` is answered, and the folder is not."""


def fit(client: types.ClientCapabilities, server: types.ServerCapabilities) -> None:
    """Take out of what `initialize` advertises whatever this editor is told later, or not at all."""
    own = isinstance(client.experimental, dict) and isinstance(client.experimental.get("cmt"), dict)
    for feature in FEATURES:
        if own or _is_dynamic(client, feature):
            setattr(server, feature.server, None)


def registrations(client: types.ClientCapabilities) -> list[types.Registration]:
    """What this editor is told once it is ready: the requests that we answer for transcripts alone."""
    return list(_registrations(client))


def _registrations(client: types.ClientCapabilities) -> Iterator[types.Registration]:
    for feature in FEATURES:
        if _is_dynamic(client, feature):
            options = {"documentSelector": [_TRANSCRIPTS]}
            yield types.Registration(f"cmt-{feature.client}", feature.method, options)


def _is_dynamic(client: types.ClientCapabilities, feature: Feature) -> bool:
    wanted = getattr(client.text_document, feature.client, None)
    return getattr(wanted, "dynamic_registration", None) is True
