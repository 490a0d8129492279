"""The contract as plain values that a language can be written from: types, methods, notifications."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Scalar:
    """One of JSON's own kinds: string, integer, number, boolean or null."""

    name: str


@dataclass(frozen=True, slots=True)
class Named:
    """A type that is declared under a name of its own."""

    name: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some fixed strings; at most one where the field tells variants of a union apart."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """An array."""

    item: Type


@dataclass(frozen=True, slots=True)
class Either:
    """One of several types."""

    options: tuple[Type, ...]


Type = Scalar | Named | Choice | ListOf | Either


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record, by its name on the wire."""

    name: str
    type: Type
    required: bool


@dataclass(frozen=True, slots=True)
class Record:
    """A closed object: it has these fields and no others."""

    name: str
    says: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for a choice or a union."""

    name: str
    type: Choice | Either


@dataclass(frozen=True, slots=True)
class Method:
    """An operation: what it is sent and what it answers."""

    name: str
    params: Type
    result: Type


@dataclass(frozen=True, slots=True)
class Notification:
    """What the server sends by itself."""

    name: str
    params: Type


@dataclass(frozen=True, slots=True)
class Contract:
    """Everything that a client's language has to declare, in the order of the schema."""

    title: str
    aliases: tuple[Alias, ...]
    records: tuple[Record, ...]
    methods: tuple[Method, ...]
    notifications: tuple[Notification, ...]


def contract_of(document: dict[str, Any], unions: dict[str, dict[str, Any]]) -> Contract:
    """The contract that a schema holds; `unions` are the schemas of those unions that have a name."""
    names = {type_of(schema): name for name, schema in unions.items()}
    found: list[Alias] = [Alias(name, _union(schema)) for name, schema in unions.items()]
    records = tuple(_record(name, schema, names, found) for name, schema in document["$defs"].items())
    methods = tuple(
        Method(name, _renamed(type_of(row["params"]), names), _renamed(type_of(row["result"]), names))
        for name, row in document["operations"].items()
    )
    notifications = tuple(
        Notification(name, _renamed(type_of(row["params"]), names))
        for name, row in document["notifications"].items()
    )
    return Contract(document["title"], tuple(found), records, methods, notifications)


def type_of(schema: dict[str, Any]) -> Type:
    """One schema as a type; the generator of the schema makes no other shapes than these."""
    if "$ref" in schema:
        return Named(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return Either(tuple(type_of(option) for option in schema["anyOf"]))
    if "enum" in schema:
        return Choice(tuple(schema["enum"]))
    if "const" in schema:
        return Choice((schema["const"],))
    if schema["type"] == "array":
        return ListOf(type_of(schema["items"]))
    return Scalar(schema["type"])


def _union(schema: dict[str, Any]) -> Either:
    union = type_of(schema)
    if not isinstance(union, Either):
        raise TypeError(f"{schema} is no union")
    return union


def _record(name: str, schema: dict[str, Any], names: dict[Type, str], found: list[Alias]) -> Record:
    """One record; each field with a choice of words adds an alias, named after record and field."""
    required = set(schema.get("required", ()))
    fields = []
    for field, below in schema["properties"].items():
        kind = _renamed(type_of(below), names)
        if isinstance(kind, Choice) and len(kind.values) > 1:
            found.append(Alias(name + field[:1].upper() + field[1:], kind))
            kind = Named(found[-1].name)
        fields.append(Field(field, kind, field in required))
    return Record(name, _says(schema["description"]), tuple(fields))


def _renamed(kind: Type, names: dict[Type, str]) -> Type:
    """A type with each union that has a name replaced by that name."""
    if kind in names:
        return Named(names[kind])
    return ListOf(_renamed(kind.item, names)) if isinstance(kind, ListOf) else kind


def _says(description: str) -> str:
    """A docstring's claim, with the names that it quotes as the wire spells them."""
    return re.sub(
        r"`[a-z]+(?:_[a-z]+)+`",
        lambda quoted: re.sub(r"_([a-z])", lambda letter: letter[1].upper(), quoted[0]),
        " ".join(description.split()),
    )
