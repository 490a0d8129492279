"""LuaCATS declarations read back from their file, by the letter, to hold real messages to them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ALIAS = re.compile(r"---@alias (\S+)$")
MEMBER = re.compile(r"---\| (.+)$")
RECORD = re.compile(r"---@class \(exact\) (\S+)$")
FIELD = re.compile(r"---@field (?:\[\"([^\"]+)\"\]|(\w+))(\??) (.+)$")
SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "vim.NIL": (type(None),),
}


@dataclass
class Declarations:
    """What a file declares: unions by name, and records with their fields as (needed, type)."""

    aliases: dict[str, list[str]] = field(default_factory=dict)
    records: dict[str, dict[str, tuple[bool, str]]] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)

    def unknown_names(self) -> set[str]:
        """Types that are used and not declared."""
        used = [member for members in self.aliases.values() for member in members]
        used += [kind for fields in self.records.values() for _, kind in fields.values()]
        names = {name for kind in used for name in re.findall(r"cmt\.[\w.]+", kind)}
        return names - set(self.aliases) - set(self.records)

    def faults(self, kind: str, value: Any, at: str = "$") -> list[str]:
        """Where a value is not of a type."""
        if len(options := _options(kind)) > 1:
            tried = [self.faults(option, value, at) for option in options]
            return min(tried, key=len)
        if kind.endswith("[]"):
            item = kind[:-2].removeprefix("(").removesuffix(")")
            if not isinstance(value, list):
                return [f"{at}: {value!r:.60} is no array"]
            return [f for n, entry in enumerate(value) for f in self.faults(item, entry, f"{at}[{n}]")]
        if kind in self.aliases:
            return self.faults("|".join(self.aliases[kind]), value, at)
        if kind in self.records:
            return self._record_faults(self.records[kind], value, at)
        if kind.startswith('"'):
            return [] if kind == f'"{value}"' else [f"{at}: {value!r:.60} is not {kind}"]
        fits = isinstance(value, SCALARS[kind]) and (kind == "boolean" or not isinstance(value, bool))
        return [] if fits else [f"{at}: {value!r:.60} is no {kind}"]

    def _record_faults(self, fields: dict[str, tuple[bool, str]], value: Any, at: str) -> list[str]:
        if not isinstance(value, dict):
            return [f"{at}: {value!r:.60} is no table"]
        found = [f"{at}.{name} is not declared" for name in value if name not in fields]
        found += [f"{at}.{name} is missing" for name, row in fields.items() if row[0] and name not in value]
        for name in value.keys() & fields.keys():
            found += self.faults(fields[name][1], value[name], f"{at}.{name}")
        return found


def _options(kind: str) -> list[str]:
    """The members of a union that stands outside brackets."""
    return re.findall(r"(?:\([^)]*\)|\{[^}]*\}|[^|(])+", kind)


def read(path: Path) -> Declarations:
    """Every declaration of a file; lines that are no annotation, comment or blank are `strange`."""
    found = Declarations()
    members: list[str] = []
    fields: dict[str, tuple[bool, str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := ALIAS.match(line):
            members = found.aliases.setdefault(match[1], [])
        elif match := MEMBER.match(line):
            members.append(match[1])
        elif match := RECORD.match(line):
            fields = found.records.setdefault(match[1], {})
        elif match := FIELD.match(line):
            fields[match[1] or match[2]] = (not match[3], match[4])
        elif line and (not line.startswith("--") or line.startswith("---@")) and line != "---@meta cmt.types":
            found.strange.append(line)
    return found
