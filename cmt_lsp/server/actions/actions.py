"""Actions: what the menu of code actions offers in one window, and what its commands do."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from lsprotocol import types

from cmt_lsp.api.errors import BadParamsError, CmtError
from cmt_lsp.core.prompts.drift import Stretch, follow
from cmt_lsp.core.prompts.prompt import ASK, find_prompt, menu
from cmt_lsp.core.prompts.target import Outline, stretch_with, target_of
from cmt_lsp.server.actions import CLAUDE, QUICK_FIX
from cmt_lsp.server.actions.arguments import Asked, asked, entry_of
from cmt_lsp.server.actions.edit import Editing
from cmt_lsp.server.actions.errand import ALLOW, Errand
from cmt_lsp.server.actions.offers import Offer, argument_of, code_actions, offers_for, wanted
from cmt_lsp.server.actions.place import place_in, range_of, stretch_of
from cmt_lsp.server.actions.work import quoted, surroundings, work_about

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from cmt_lsp.core.prompts.prompt import Prompt
    from cmt_lsp.server import wire
    from cmt_lsp.server.actions.place import Place
    from cmt_lsp.server.actions.word import Held
    from cmt_lsp.server.actions.work import Work
    from cmt_lsp.server.chatfile.desk import ChatFiles
    from cmt_lsp.server.rpc.documents import OpenDocument, OpenDocuments
    from cmt_lsp.server.rpc.peer import Peer
    from cmt_lsp.server.rpc.table import Caller
    from cmt_lsp.server.window.window import Window

CHANGED = "The text was changed since it was selected; select it again."
NOWHERE = types.Range(types.Position(0, 0), types.Position(0, 0))
DRAFTS = 32
OUTLINES = 8
"""Documents whose outline is kept; editors ask about the one in front again and again."""


class Home(Protocol):
    """What the actions stand on."""

    @property
    def window(self) -> Window: ...

    @property
    def chat_files(self) -> ChatFiles: ...


class Actions:
    """The code actions of one window; everything here is for the event loop's own thread."""

    def __init__(self, home: Home, peer: Peer) -> None:
        self._home = home
        self._peer = peer
        self._editing = Editing(home.window.documents)
        self._running: dict[str, Errand] = {}
        self._held: Errand | None = None
        """The newest errand that was not sent, which the menu may let pass."""
        self._ids = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._outlines: dict[str, Outline] = {}
        self._last: Asked | None = None
        """What the editor last asked for actions on: what a command without a place is about."""
        self._drafts: dict[str, Work] = {}
        """By session: what a transcript is about in which nothing was asked yet."""

    # --- the menu

    def offered(self, params: types.CodeActionParams) -> list[types.Command | types.CodeAction]:
        """What can be done here; looks at memory alone, since editors ask on every move of the cursor."""
        uri, chosen, context = params.text_document.uri, params.range, params.context
        document = self._documents.opened(uri)
        if document is None or not self._home.window.settings.code_actions:
            return []
        offers = [*self._running_offers(), *self._held_offers()]
        if self._home.chat_files.holds(uri):
            offers += self._home.chat_files.actions(uri, chosen)
        else:
            problems = tuple(entry_of(problem) for problem in context.diagnostics)
            self._last = Asked(uri=uri, range=chosen, problems=problems)
            automatic = context.trigger_kind == types.CodeActionTriggerKind.Automatic
            if not automatic or context.diagnostics or chosen.start != chosen.end:
                offers += self._code_offers(document, chosen, context.diagnostics)
        text_document = self._peer.capabilities.text_document
        return code_actions(
            wanted(offers, context.only), text_document.code_action if text_document else None
        )

    def _code_offers(
        self, document: OpenDocument, chosen: types.Range, diagnostics: Sequence[types.Diagnostic]
    ) -> list[Offer]:
        whole = self._place(document, chosen, whole_file=True)
        if whole is None:
            return []
        place = self._place(document, chosen, [entry_of(problem) for problem in diagnostics]) or whole
        argument = argument_of(document, chosen)
        return offers_for(place, whole, self._own_prompts, diagnostics, argument)

    def _running_offers(self) -> list[Offer]:
        """The only button to stop that most editors have."""
        running = list(self._running.values())
        turns = len(self._home.window.manager.running)
        if len(running) == 1 and turns <= 1:
            return [Offer(f"Claude: stop ({running[0].title})", QUICK_FIX, "cmt.stop", {"id": running[0].id})]
        count = max(len(running), turns)
        return (
            [Offer(f"Claude: stop all {count}" if count > 1 else "Claude: stop", QUICK_FIX, "cmt.stop", {})]
            if count
            else []
        )

    def _held_offers(self) -> list[Offer]:
        return [
            Offer(
                f"{ALLOW} ({errand.title}: {errand.word.held.reason[:100]})",
                CLAUDE,
                "cmt.allow",
                {"id": errand.id},
            )
            for errand in self._held_errands()
            if errand.word.held
        ]

    def _held_errands(self) -> list[Errand]:
        """Those that wait for the person's word, and the newest one that was not sent without it."""
        over = [self._held] if self._held else []
        return [errand for errand in (*over, *self._running.values()) if errand.word.held]

    # --- the commands

    async def run(self, name: str, caller: Caller, arguments: object) -> None:
        """Do what a command says, once it was answered; what is wrong with it is told in a message."""
        commands: dict[str, Callable[[Caller, object], None]] = {
            "cmt.ask": self._ask,
            "cmt.act": self._act,
            "cmt.stop": self._stop,
            "cmt.allow": self._allow,
        }
        try:
            commands[name](caller, arguments)
        except CmtError as error:
            self._tell(types.MessageType.Error, f"{error.message}")

    def _ask(self, caller: Caller, arguments: object) -> None:
        """With the person's words at once; without any in a transcript where they can be written."""
        wish = asked(arguments)
        work = self._work(ASK, wish)
        if wish.session_id is not None:
            work = replace(work, session_id=wish.session_id, name="")
        if wish.words:
            self.start(caller, work)
        else:
            self._begin(self._draft(work))

    async def _draft(self, work: Work) -> None:
        """A transcript with the code quoted in it, from where the person goes on and sends it."""
        window = self._home.window
        prompt = quoted(work.place, window.folders) if work.place else ""
        try:
            made = await window.manager.sessions.create(workspace=window.workspace)
            self._drafts[made.id] = work
            while len(self._drafts) > DRAFTS:
                del self._drafts[next(iter(self._drafts))]
            await self._home.chat_files.begin(made.id, work.name, prompt)
        except CmtError as error:
            self._tell(types.MessageType.Error, error.message)

    def _act(self, caller: Caller, arguments: object) -> None:
        wish = asked(arguments, first_is_action=True)
        prompt = find_prompt(wish.action, self._own_prompts)
        if prompt is None:
            names = ", ".join(entry.name for entry in (ASK, *menu(self._own_prompts)))
            raise BadParamsError(f"{wish.action[:60] or 'Nothing'} is no action; name one of {names}.")
        if prompt.needs_problems and wish.uri is None and not wish.problems and self._last is not None:
            wish = replace(wish, problems=self._last.problems)
        if prompt.needs_problems and not wish.problems:
            raise BadParamsError(
                "No problem is known here; choose this in the menu on a problem of the editor."
            )
        self.start(caller, self._work(prompt, wish))

    def _stop(self, _: Caller, arguments: object) -> None:
        """One errand by its id; else everything that runs in this window."""
        wanted_id = asked(arguments).id
        errands = [errand for errand in self._running.values() if wanted_id in (None, errand.id)]
        stopped = sum(errand.stop() for errand in errands)
        if wanted_id is None:
            stopped += self._home.window.manager.cancel_all("user")
        if not stopped:
            self._tell(types.MessageType.Info, "nothing is running.")

    def _allow(self, caller: Caller, arguments: object) -> None:
        """Let pass what was held: at once where it still waits, else by asking again."""
        wanted_id = asked(arguments).id
        found = [errand for errand in self._held_errands() if wanted_id in (None, errand.id)]
        if not found:
            self._tell(types.MessageType.Info, "nothing waits to be allowed.")
            return
        errand, held = found[-1], found[-1].word.held
        if held is not None and not errand.word.allow():
            errand.word.held = None  # what was passed on is not offered a second time
            self.start(caller, errand.work, errand.word.allowed | {held})

    def start(self, caller: Caller, work: Work, allowed: frozenset[Held] = frozenset()) -> None:
        """Ask, and deliver the answer; the first question of a draft takes the file it speaks of along."""
        draft = self._drafts.pop(work.session_id or "", None)
        if draft is not None and draft.place is not None:
            context = (*work.request.context, surroundings(draft.place, self._home.window.folders))
            request = replace(work.request, context=context)
            work = replace(work, name=draft.name, place=draft.place, request=request)
        self._held = None
        errand_id = str(next(self._ids))
        errand = Errand(
            errand_id, work, caller, self._home.window, self._editing, self._home.chat_files, allowed
        )
        self._running[errand.id] = errand
        self._begin(self._carry(errand))

    # --- inside

    @property
    def _documents(self) -> OpenDocuments:
        return self._home.window.documents

    @property
    def _own_prompts(self) -> tuple[Prompt, ...]:
        return self._home.window.settings.prompts

    def _work(self, prompt: Prompt, wish: Asked) -> Work:
        """What is asked about where, as everything now stands."""
        document, chosen = self._meant(wish)
        place = None
        if document is not None:
            whole = prompt.scope == "file" or chosen is None
            place = self._place(document, chosen or NOWHERE, wish.problems, whole_file=whole)
            if place is None and prompt.result == "transcript":
                place = self._place(document, NOWHERE, whole_file=True)
        if place is None and (prompt.result == "edit" or not wish.words):
            raise BadParamsError("There is no code to work on here; put the cursor on some, or select it.")
        return work_about(
            prompt, wish.words, place, document, wish.problems, self._home.window.folders, wish.model
        )

    def _meant(self, wish: Asked) -> tuple[OpenDocument | None, types.Range | None]:
        """The document and range that a command names, else those that the editor last asked about."""
        last = self._last
        if wish.uri is None:
            if last is None or last.uri is None or (document := self._documents.opened(last.uri)) is None:
                return None, None
            return document, wish.range or last.range
        document = self._documents.opened(wish.uri)
        if document is None:
            raise BadParamsError("This document is not open in the editor; open it and try again.")
        if wish.version not in (None, document.version):
            raise BadParamsError(CHANGED)
        return document, wish.range and _followed(document, wish, wish.range)

    def _place(
        self,
        document: OpenDocument,
        chosen: types.Range,
        problems: Iterable[wire.DiagnosticEntry] = (),
        *,
        whole_file: bool = False,
    ) -> Place | None:
        """What a range of a document means, together with the problems in it; None where nothing is."""
        outline = self._outline(document)
        stretch = stretch_of(document, chosen)
        target = target_of(outline, stretch.start, stretch.end, whole_file=whole_file)
        if target is None:
            return None
        lines = [entry.range for entry in problems if entry.range is not None]
        if lines and target.kind != "selection" and not whole_file:
            first = min(place.start.line for place in lines) + 1
            last = max(place.end.line for place in lines) + 1
            target = stretch_with(outline, target, first, last)
        return place_in(document, outline, target)

    def _outline(self, document: OpenDocument) -> Outline:
        known = self._outlines.pop(document.uri, None)
        if known is None or known.text is not document.source:
            known = Outline(document.source, document.language_id)
        self._outlines[document.uri] = known
        while len(self._outlines) > OUTLINES:
            del self._outlines[next(iter(self._outlines))]
        return known

    async def _carry(self, errand: Errand) -> None:
        try:
            await errand.run()
        finally:
            del self._running[errand.id]
            if errand.word.held is not None:
                self._held = errand

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, kind: types.MessageType, sentence: str) -> None:
        """After the command was answered."""
        told = types.ShowMessageParams(kind, f"Claude: {sentence}")
        asyncio.get_running_loop().call_later(0.05, self._peer.notify, types.WINDOW_SHOW_MESSAGE, told)


def _followed(document: OpenDocument, wish: Asked, chosen: types.Range) -> types.Range:
    """A range of an earlier state in the document as it now is; somebody typed while the menu was open."""
    if wish.revision is None or wish.offsets is None or wish.revision == document.revision:
        return chosen
    changes = document.changes_since(wish.revision)
    found = None if changes is None else follow(Stretch(*wish.offsets), changes)
    if found is None:
        raise BadParamsError(CHANGED)
    return range_of(document, found)
