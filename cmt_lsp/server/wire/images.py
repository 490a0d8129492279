"""Looking at one picture before it is sent."""

from __future__ import annotations

from cmt_lsp.server.wire.shape import shape


@shape
class StoredImage:
    """A picture of a question that was asked: `index` counts the pictures of that turn from 0."""

    session_id: str
    turn_id: str
    index: int


@shape
class ImageRemoveParams:
    """Which picture to take out of a session's history for good; all of the turn's without `index`."""

    session_id: str
    turn_id: str
    index: int | None = None


@shape
class ImageInspectParams:
    """A picture by absolute path or `file:` URI, as base64 or a `data:` URI, by its handle, or out of a session's
    history; exactly one of the four.

    `model` is the one it would be sent to; without it the default one.
    """

    path: str | None = None
    data: str | None = None
    handle: str | None = None
    stored: StoredImage | None = None
    name: str | None = None
    model: str | None = None


@shape
class ImageForModel:
    """What the picture costs on one model, as plain input; `nanoUsd` is absent where the price is unknown."""

    model: str
    tokens: int
    display: str
    nano_usd: int | None = None


@shape
class SentImage:
    """The picture as it would leave for the chosen model; `changes` say what is done to it, in words."""

    media_type: str
    width: int
    height: int
    bytes: int
    changes: list[str]


@shape
class ImageInspection:
    """A picture as its file holds it, as it would be sent, and what that costs; sizes in pixels and bytes.

    `thumbnail` is a `data:` URI of a PNG with at most 256 pixels on its long side. `models` has the chosen one first,
    then every current one.
    """

    name: str
    format: str
    width: int
    height: int
    bytes: int
    animated: bool
    sent: SentImage
    models: list[ImageForModel]
    thumbnail: str | None = None
    notices: list[str] | None = None
