"""Offers: which actions an editor shows for a place; plain functions, since editors ask on every move of the cursor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from cmt_lsp.core.context.fences import one_line
from cmt_lsp.core.prompts.prompt import menu
from cmt_lsp.server.actions import CLAUDE, QUICK_FIX, REWRITE
from cmt_lsp.server.actions.arguments import entry_json, entry_of
from cmt_lsp.server.actions.place import stretch_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cmt_lsp.core.prompts.prompt import Prompt
    from cmt_lsp.server.actions.place import Place
    from cmt_lsp.server.rpc.documents import OpenDocument

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Offer:
    """One entry of the menu and the command behind it."""

    title: str
    kind: str
    command: str
    argument: dict[str, Any]
    problems: tuple[types.Diagnostic, ...] = ()


def offers_for(
    place: Place,
    whole: Place,
    prompts: Sequence[Prompt],
    problems: Sequence[types.Diagnostic],
    argument: dict[str, Any],
) -> list[Offer]:
    """What can be asked about a place; `whole` is its document, for prompts that want all of it.

    `argument` tells the commands what the editor said is selected.
    """
    shown = [Offer(f"Claude: ask about {place.target.label}", CLAUDE, "cmt.ask", argument)]
    for prompt in menu(prompts):
        if not prompt.needs_problems:
            shown.append(_offer(prompt, whole if prompt.scope == "file" else place, argument))
        elif problems:
            shown.insert(0, _fix(prompt, problems, argument))
    return shown


def wanted(offers: Iterable[Offer], only: Sequence[str] | None) -> list[Offer]:
    """Those of the kinds that the editor asks for, sub-kinds included."""
    if not only:
        return list(offers)
    return [offer for offer in offers if any(_is_of(offer.kind, kind) for kind in only)]


def code_actions(
    offers: Iterable[Offer], capabilities: types.CodeActionClientCapabilities | None
) -> list[types.Command | types.CodeAction]:
    """As this editor takes them: bare commands, actions with their command, or actions that tell it when chosen."""
    if capabilities is None or capabilities.code_action_literal_support is None:
        return [_command(offer) for offer in offers]
    lazy = _resolves_commands(capabilities)
    return [_action(offer, lazy=lazy) for offer in offers]


def rehearsal() -> tuple[dict[str, Any], list[types.CodeAction]]:
    """A question for the menu and an answer, with everything in them that there may be."""
    start = {"line": 0, "character": 0}
    place = {"start": start, "end": start}
    problem = {"range": place, "message": "", "severity": 1, "code": "", "source": ""}
    params = {
        "textDocument": {"uri": ""},
        "range": place,
        "context": {"diagnostics": [problem], "only": [CLAUDE], "triggerKind": 1},
    }
    nowhere = types.Range(types.Position(0, 0), types.Position(0, 0))
    offer = Offer("", CLAUDE, "", {}, (types.Diagnostic(nowhere, ""),))
    return params, [_action(offer, lazy=False)]


def resolved(action: types.CodeAction) -> types.CodeAction:
    """A chosen action with its command."""
    data = action.data if isinstance(action.data, dict) else {}
    command, argument = data.get("command"), data.get("argument")
    if action.command is None and isinstance(command, str) and isinstance(argument, dict):
        action.command = types.Command(title=action.title, command=command, arguments=[argument])
    return action


def _is_of(kind: str, asked_for: str) -> bool:
    return asked_for in ("", kind) or kind.startswith(f"{asked_for}.")


def _offer(prompt: Prompt, place: Place, argument: dict[str, Any]) -> Offer:
    kind = REWRITE if prompt.result == "edit" else CLAUDE
    title = f"Claude: {prompt.name} {place.target.label}"
    return Offer(title, kind, "cmt.act", argument | {"action": prompt.name})


def _fix(prompt: Prompt, problems: Sequence[types.Diagnostic], argument: dict[str, Any]) -> Offer:
    told = one_line(problems[0].message)
    told = told if len(told) <= _SHOWN else f"{told[:_SHOWN]}..."
    count = f"{len(problems)} problems: " if len(problems) > 1 else ""
    argument = argument | {
        "action": prompt.name,
        "problems": [entry_json(entry_of(problem)) for problem in problems],
    }
    return Offer(f"Claude: {prompt.name} {count}{told}", QUICK_FIX, "cmt.act", argument, tuple(problems))


def argument_of(document: OpenDocument, chosen: types.Range) -> dict[str, Any]:
    """A selection and the state of the document that it belongs to, so that it is found again after more typing."""
    stretch = stretch_of(document, chosen)
    start, end = chosen.start, chosen.end
    return {
        "uri": document.uri,
        "range": {
            "start": {"line": start.line, "character": start.character},
            "end": {"line": end.line, "character": end.character},
        },
        "revision": document.revision,
        "offsets": [stretch.start, stretch.end],
    }


def _resolves_commands(capabilities: types.CodeActionClientCapabilities) -> bool:
    resolve = capabilities.resolve_support
    return bool(capabilities.data_support) and resolve is not None and "command" in resolve.properties


def _command(offer: Offer) -> types.Command:
    return types.Command(title=offer.title, command=offer.command, arguments=[offer.argument])


def _action(offer: Offer, *, lazy: bool) -> types.CodeAction:
    return types.CodeAction(
        title=offer.title,
        kind=offer.kind,
        diagnostics=list(offer.problems) or None,
        command=None if lazy else _command(offer),
        data={"command": offer.command, "argument": offer.argument} if lazy else None,
    )
