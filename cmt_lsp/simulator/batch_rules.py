"""Whether the service would take a batch: its envelope at once, each request only when its turn comes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cmt_lsp.simulator.failures import invalid
from cmt_lsp.simulator.shapes import a_list, a_string, an_object

MOST_REQUESTS = 100_000
BATCH_BYTES = 256 * 1024 * 1024
LONGEST_ID = 64
_ID = re.compile(r"[a-zA-Z0-9_-]+")


def check_envelope(body: Any) -> list[tuple[str, Any]]:
    """The requests of a new batch, each a custom id and params nobody has looked at yet; RefusalError."""
    an_object(body, "", allowed=("requests",), required=("requests",))
    requests = a_list(body["requests"], "requests")
    if not requests:
        raise invalid("requests", "List should have at least 1 item after validation, not 0")
    if len(requests) > MOST_REQUESTS:
        raise invalid(
            "requests",
            f"List should have at most {MOST_REQUESTS} items after validation, not {len(requests)}",
        )
    checked: dict[str, Any] = {}
    for i, request in enumerate(requests):
        path = f"requests.{i}"
        names = ("custom_id", "params")
        an_object(request, path, allowed=names, required=names)
        custom_id = _custom_id(request["custom_id"], f"{path}.custom_id")
        if custom_id in checked:
            raise invalid(f"{path}.custom_id", f"'{custom_id}' is used twice; it must be unique in the batch")
        checked[custom_id] = request["params"]
    return list(checked.items())


def check_in_batch(params: Any) -> None:
    """Raise RefusalError for what a single request may ask and one in a batch may not; the rest is looked at later."""
    if not isinstance(params, Mapping):
        raise invalid("params", "Input should be a valid dictionary")
    if params.get("stream"):
        raise invalid("stream", "streaming is not supported in a batch")
    if params.get("max_tokens") == 0:
        raise invalid("max_tokens", "0 is not supported in a batch")
    if params.get("speed") == "fast":
        raise invalid("speed", "'fast' is not supported in a batch")


def _custom_id(value: Any, path: str) -> str:
    custom_id = a_string(value, path)
    if len(custom_id) > LONGEST_ID:
        raise invalid(path, f"String should have at most {LONGEST_ID} characters")
    if not _ID.fullmatch(custom_id):
        raise invalid(path, "String should match pattern '^[a-zA-Z0-9_-]{1,64}$'")
    return custom_id
