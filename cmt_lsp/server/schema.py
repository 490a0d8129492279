"""The JSON Schema of the wire contract, made from the types in `wire/` and the table of operations.

`docs/generate.py` writes `schema.json` beside this file; a test fails when it is stale. The types of the editor
clients are made from the same document.
"""

from __future__ import annotations

import json
import types
import typing
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from cmt_lsp.server import wire
from cmt_lsp.server.rpc.convert import wire_name

SCHEMA_FILE = Path(__file__).with_name("schema.json")

SCALARS: dict[type, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}


def wire_classes() -> list[type]:
    """Every class of the wire, in the order in which `wire/__init__.py` names them."""
    return [c for c in vars(wire).values() if isinstance(c, type) and attrs.has(c)]


def schema_of(hint: Any) -> dict[str, Any]:
    """The schema of one annotation; classes become references."""
    if hint in SCALARS:
        return SCALARS[hint]
    if isinstance(hint, type) and attrs.has(hint):
        return {"$ref": f"#/$defs/{hint.__name__}"}
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(args)} if len(args) > 1 else {"const": args[0]}
    if origin is list:
        return {"type": "array", "items": schema_of(args[0])}
    if origin in (Union, types.UnionType):
        options = [schema_of(a) for a in args if a is not type(None)]
        return options[0] if len(options) == 1 else {"anyOf": options}
    raise TypeError(f"no schema for {hint!r}")


def class_schema(cls: Any) -> dict[str, Any]:
    """The schema of one class: closed objects, so that a misspelt field is found."""
    hints = typing.get_type_hints(cls)
    fields = attrs.fields(cls)
    required = [wire_name(f.name) for f in fields if f.default is attrs.NOTHING]
    schema: dict[str, Any] = {
        "description": (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n", " "),
        "type": "object",
        "properties": {
            wire_name(f.name): _field_schema(hints[f.name], required=f.default is attrs.NOTHING)
            for f in fields
        },
        "additionalProperties": False,
    }
    if required:
        schema["required"] = required
    return schema


def _field_schema(hint: Any, *, required: bool) -> dict[str, Any]:
    """A field that must be there may still be null where that means something, such as no limit."""
    schema = schema_of(hint)
    if required and type(None) in get_args(hint):
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


def build_schema() -> dict[str, Any]:
    """The whole document: every type, and which types each operation and notification speaks."""
    from cmt_lsp.server.operations.rows import TABLE

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cmt_lsp wire contract, version 1",
        "$defs": {cls.__name__: class_schema(cls) for cls in wire_classes()},
        "operations": {
            row.method: {"params": schema_of(row.params), "result": _result_schema(row.result)}
            for row in TABLE
        },
        "notifications": {
            "cmt/status": {"params": schema_of(wire.Status)},
            "cmt/turn": {"params": schema_of(wire.TurnNotification)},
        },
        "stream": schema_of(wire.StreamValue),
    }


def _result_schema(result: Any) -> dict[str, Any]:
    return {"type": "null"} if result is None else schema_of(result)


def render() -> str:
    """The document as the file holds it."""
    return json.dumps(build_schema(), indent=2) + "\n"
