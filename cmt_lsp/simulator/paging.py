"""Lists in pages, as the service gives them: newest first, with an id as the cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from cmt_lsp.simulator.failures import invalid

T = TypeVar("T")


def page_of(
    rows: Sequence[T],
    query: Mapping[str, Sequence[str]],
    id_of: Callable[[T], str],
    describe: Callable[[T], Mapping[str, Any]],
) -> dict[str, Any]:
    """The page that a query string asks for: `limit`, `after_id` and `before_id`; RefusalError for a bad one."""
    given = {key: values[-1] for key, values in query.items()}
    limit = given.get("limit", "20")
    if not limit.isdecimal() or not 1 <= int(limit) <= 1000:
        raise invalid("limit", "Input should be between 1 and 1000")
    after, before = given.get("after_id"), given.get("before_id")
    ids = [id_of(row) for row in rows]
    for name, cursor in (("after_id", after), ("before_id", before)):
        if cursor is not None and cursor not in ids:
            raise invalid(name, "nothing in the list has this id")
    start = 0 if after is None else ids.index(after) + 1
    end = len(ids) if before is None else ids.index(before)
    backwards = before is not None and after is None
    if backwards:
        start = max(0, end - int(limit))
    shown = rows[start:end][: int(limit)]
    return {
        "data": [describe(row) for row in shown],
        "first_id": id_of(shown[0]) if shown else None,
        "last_id": id_of(shown[-1]) if shown else None,
        "has_more": start > 0 if backwards else start + len(shown) < end,
    }
