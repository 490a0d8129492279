"""JSON to the types of the wire contract and back, strictly.

The converter of `lsprotocol` turns `"false"` into True, null into `"None"` and drops unknown keys; that stays
for LSP's own messages, where clients differ. For our own operations a wrong type or a misspelt key is an error
that names the place, with the names of the wire: `$.context[2].range.end must be an object, not a string`.
"""

from __future__ import annotations

import collections.abc
import json
import math
import re
import types
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

import attrs
import cattrs

ROOT = "$"


class BadValueError(ValueError):
    """One value does not fit its type; `path` says where, in the names of the wire."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path

    def below(self, step: str) -> BadValueError:
        """The same complaint, seen from one level further up."""
        return BadValueError(self.reason, step + self.path)

    def __str__(self) -> str:
        return f"{ROOT}{self.path} {self.reason}"


def wire_name(name: str) -> str:
    """The camelCase of a snake_case name: `cache_creation_5m_tokens` is `cacheCreation5mTokens`."""
    head, *rest = name.rstrip("_").split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def wire_converter() -> cattrs.Converter:
    """A converter for attrs classes of the contract: strict on the way in, absent for None on the way out."""
    converter = cattrs.Converter(detailed_validation=False)
    for scalar, check in ((bool, _as_bool), (int, _as_int), (float, _as_float), (str, _as_str)):
        converter.register_structure_hook(scalar, check)
    converter.register_structure_hook_func(_is_literal, _as_literal)
    converter.register_structure_hook_factory(_is_list, _list_hook)
    converter.register_structure_hook_factory(_is_mapping, _mapping_hook)
    converter.register_structure_hook_factory(_is_union, _union_hook)
    converter.register_structure_hook_factory(attrs.has, _object_hook)
    converter.register_unstructure_hook_factory(attrs.has, _object_unhook)
    return converter


def kind_of(value: object) -> str:
    """What JSON calls a value, with its article."""
    if value is None:
        return "null"
    return _KINDS.get(type(value)) or ("an array" if isinstance(value, (list, tuple)) else "an object")


def _mismatch(wanted: str, value: object) -> BadValueError:
    return BadValueError(f"must be {wanted}, not {kind_of(value)}")


def _as_bool(value: object, _: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _mismatch("a boolean", value)


def _as_int(value: object, _: Any) -> int:
    """JSON has one kind of number, and some editors write 1e15 for a whole one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float):
        if value.is_integer():
            return int(value)
        raise BadValueError("must be a whole number")
    raise _mismatch("a whole number", value)


def _as_float(value: object, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _mismatch("a number", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isfinite(number):
        return number
    raise BadValueError("must be a smaller number")


def _as_str(value: object, _: Any) -> str:
    if isinstance(value, str):
        return value
    raise _mismatch("a string", value)


def _is_literal(wanted: Any) -> bool:
    return get_origin(wanted) is Literal


def _as_literal(value: object, wanted: Any) -> Any:
    for choice in get_args(wanted):
        if type(choice) is type(value) and choice == value:
            return choice
    raise BadValueError("must be " + _one_of(json.dumps(choice) for choice in get_args(wanted)))


def _one_of(choices: collections.abc.Iterable[str]) -> str:
    *most, last = choices
    return f"one of {', '.join(most)} or {last}" if most else last


def _is_list(wanted: Any) -> bool:
    return get_origin(wanted) in (list, tuple, collections.abc.Sequence)


def _list_hook(wanted: Any, converter: cattrs.Converter) -> Any:
    item, make = get_args(wanted)[0], tuple if get_origin(wanted) is tuple else list

    def structure(value: object, _: Any) -> Any:
        if not isinstance(value, list):
            raise _mismatch("an array", value)
        return make(_below(f"[{index}]", converter, entry, item) for index, entry in enumerate(value))

    return structure


def _is_mapping(wanted: Any) -> bool:
    return get_origin(wanted) in (dict, collections.abc.Mapping)


def _mapping_hook(wanted: Any, converter: cattrs.Converter) -> Any:
    item = get_args(wanted)[1]

    def structure(value: object, _: Any) -> Any:
        if not isinstance(value, dict):
            raise _mismatch("an object", value)
        return {key: _below(_step(key), converter, entry, item) for key, entry in value.items()}

    return structure


def _below(step: str, converter: cattrs.Converter, value: object, wanted: Any) -> Any:
    try:
        return value if wanted is Any else converter.structure(value, wanted)
    except BadValueError as error:
        raise error.below(step) from None


def _step(key: str) -> str:
    """A key as one step of a path; the text of a stranger is quoted and cut."""
    return f".{key}" if re.fullmatch(r"\w{1,60}", key) else f"[{json.dumps(key[:60])}]"


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a class, as both sides call it."""

    attribute: str
    argument: str
    wire: str
    type: Any
    required: bool
    nullable: bool


def _fields(cls: Any) -> tuple[_Field, ...]:
    resolved = attrs.resolve_types(cls)
    return tuple(
        _Field(
            attribute=field.name,
            argument=field.alias or field.name,
            wire=wire_name(field.name),
            type=field.type,
            required=field.default is attrs.NOTHING,
            nullable=field.type is Any or type(None) in get_args(field.type),
        )
        for field in attrs.fields(resolved)
        if field.init
    )


def _object_hook(cls: Any, converter: cattrs.Converter) -> Any:
    fields = {field.wire: field for field in _fields(cls)}

    def structure(value: object, _: Any) -> Any:
        if not isinstance(value, dict):
            raise _mismatch("an object", value)
        for key in value:
            if key not in fields:
                raise BadValueError("is not a known field", _step(key))
        arguments = {}
        for field in fields.values():
            if _is_given(field, value):
                arguments[field.argument] = _below(f".{field.wire}", converter, value[field.wire], field.type)
        return _construct(cls, arguments)

    return structure


def _is_given(field: _Field, value: dict[str, Any]) -> bool:
    """Whether to read the field; null stands for absent where absent is allowed and null is not."""
    if field.wire not in value:
        if field.required:
            raise BadValueError("is required", f".{field.wire}")
        return False
    return value[field.wire] is not None or field.required or field.nullable


def _construct(cls: Any, arguments: dict[str, Any]) -> Any:
    try:
        return cls(**arguments)
    except BadValueError:
        raise
    except (ValueError, TypeError) as error:  # a validator of the class speaks for itself
        raise BadValueError(str(error.args[0]) if error.args else "is not valid") from None


def _object_unhook(cls: Any, converter: cattrs.Converter) -> Any:
    fields = _fields(cls)

    def unstructure(value: Any) -> dict[str, Any]:
        given = ((field.wire, getattr(value, field.attribute)) for field in fields)
        return {name: converter.unstructure(entry) for name, entry in given if entry is not None}

    return unstructure


def _is_union(wanted: Any) -> bool:
    return get_origin(wanted) in (Union, types.UnionType)


def _union_hook(wanted: Any, converter: cattrs.Converter) -> Any:
    """Choose the member by the JSON kind of the value, and among classes by their Literal field."""
    nullable = type(None) in get_args(wanted)
    members = [member for member in get_args(wanted) if member is not type(None)]
    choose = _chooser([member for member in members if attrs.has(member)])

    def structure(value: object, _: Any) -> Any:
        if value is None and nullable:
            return None
        fitting = members if len(members) == 1 else [m for m in members if _is_of_kind(value, m)]
        if not fitting:
            raise _mismatch(" or ".join(dict.fromkeys(_kind_wanted(m) for m in members)), value)
        return converter.structure(value, choose(value) if attrs.has(fitting[0]) else fitting[0])

    return structure


_KINDS: dict[Any, str] = {bool: "a boolean", int: "a number", float: "a number", str: "a string"}


def _kind_wanted(member: Any) -> str:
    if _is_literal(member):
        return kind_of(get_args(member)[0])
    return _KINDS.get(member) or ("an array" if _is_list(member) else "an object")


def _is_of_kind(value: object, member: Any) -> bool:
    return member is Any or kind_of(value) == _kind_wanted(member)


def _chooser(classes: list[Any]) -> collections.abc.Callable[[Any], Any]:
    """Which of the classes a value is meant to be, told by the one field that holds a Literal in all of them."""
    if len(classes) < 2:
        return lambda _: classes[0]
    tag = next(field.wire for field in _fields(classes[0]) if _is_literal(field.type))
    by_value = {
        value: cls
        for cls in classes
        for field in _fields(cls)
        if field.wire == tag
        for value in get_args(field.type)
    }

    def choose(value: dict[str, Any]) -> Any:
        if tag not in value:
            raise BadValueError("is required", f".{tag}")
        given = value[tag]
        if isinstance(given, str) and given in by_value:
            return by_value[given]
        raise BadValueError(f"must be {_one_of(json.dumps(v) for v in by_value)}", f".{tag}")

    return choose


def lsp_complaint(error: Exception) -> BadValueError:
    """What the lenient converter found wrong with one of LSP's own messages, with the place in wire names."""
    notes = cattrs.transform_error(error, path=ROOT)
    reason, _, place = notes[0].rpartition(" @ ")
    reason = reason.partition(" (")[0]  # what follows quotes the value
    path = re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), place.removeprefix(ROOT))
    return BadValueError(f"is not valid ({reason})" if reason else "is not valid", path)
