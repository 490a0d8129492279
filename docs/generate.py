"""Writes the references in this folder, the JSON Schema and the editor clients' types from the tables in the code.

`python docs/generate.py` writes them, `python docs/generate.py --check` fails when one is stale.
"""

from __future__ import annotations

import sys
import typing
from pathlib import Path

import attrs
from wire_types import luacats, typescript
from wire_types.contract import Contract, contract_of

from cmt_lsp.core.settings import OPTIONS
from cmt_lsp.server import schema, wire
from cmt_lsp.server.operations.rows import TABLE
from cmt_lsp.server.rpc.convert import wire_name

HERE = Path(__file__).parent
CLIENTS = HERE.parent / "editor-clients"
MARK = "<!-- generated from here on by docs/generate.py -->\n"


def type_name(hint: object) -> str:
    """An annotation in the words of the wire."""
    if isinstance(hint, type):
        words = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
        return words.get(hint) or f"[{hint.__name__}](#{hint.__name__.lower()})"
    args = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return " \\| ".join(f'`"{choice}"`' for choice in args)
    if typing.get_origin(hint) is list:
        return f"array of {type_name(args[0])}"
    return " \\| ".join(type_name(arg) for arg in args if arg is not type(None))


def class_section(cls: type) -> str:
    """One type: what it is, and a row for each field."""
    hints = typing.get_type_hints(cls)
    lines = [f"### {cls.__name__}", "", (cls.__doc__ or "").strip().replace("\n    ", "\n"), ""]
    if fields := attrs.fields(cls):
        lines += ["| field | type | |", "| --- | --- | --- |"]
        for field in fields:
            need = "required" if field.default is attrs.NOTHING else ""
            lines.append(f"| `{wire_name(field.name)}` | {type_name(hints[field.name])} | {need} |")
        lines.append("")
    return "\n".join(lines)


def protocol_reference() -> str:
    """Every operation and every type of the wire."""
    lines = ["## Operations", "", "| request | command | params | result |", "| --- | --- | --- | --- |"]
    for row in TABLE:
        command = row.method.replace("/", ".")
        params, result = type_name(row.params), type_name(row.result)
        lines.append(f"| `{row.method}` | `{command}` | {params} | {result} |")
    lines += ["", "## Types", ""]
    return "\n".join(lines) + "\n" + "\n".join(class_section(cls) for cls in schema.wire_classes())


def settings_reference() -> str:
    """Every option, who may set it, and its default."""
    lines = ["| option | type | default | set by | environment | |", "| --- | --- | --- | --- | --- | --- |"]
    for option in OPTIONS:
        places = "user file, editor" if option.scope == "style" else "user file only"
        default = "" if option.default in (None, ()) else f"`{option.default}`"
        variable = f"`{option.variable}`" if option.variable else ""
        kind = option.type.replace("|", "\\|")
        lines.append(f"| `{option.name}` | {kind} | {default} | {places} | {variable} | {option.sentence} |")
    return "\n".join(lines) + "\n"


def contract() -> Contract:
    """What the editor clients declare in their own languages."""
    unions = {name: schema.schema_of(getattr(wire, name)) for name in ("ContextItem", "StreamValue")}
    return contract_of(schema.build_schema(), unions)


def with_reference(path: Path, reference: str) -> str:
    """The hand-written head of a page, followed by its generated part."""
    head = path.read_text(encoding="utf-8").split(MARK)[0]
    return f"{head}{MARK}\n{reference}"


def pages() -> dict[Path, str]:
    """Every generated file with the text it should have."""
    return {
        HERE / "protocol.md": with_reference(HERE / "protocol.md", protocol_reference()),
        HERE / "settings.md": with_reference(HERE / "settings.md", settings_reference()),
        schema.SCHEMA_FILE: schema.render(),
        CLIENTS / "neovim" / "lua" / "cmt" / "types.lua": luacats.render(contract()),
        CLIENTS / "neovim" / "lua" / "cmt" / "requests.lua": luacats.render_requests(contract()),
        CLIENTS / "vscode" / "src" / "wire.ts": typescript.render(contract()),
    }


def main(check: bool) -> int:
    """Write what is stale, or only name it; 1 when something was stale and may not be written."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if not check:
            path.write_text(pages()[path], encoding="utf-8")
        sys.stdout.write(f"{'stale' if check else 'written'}: {path.name}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
