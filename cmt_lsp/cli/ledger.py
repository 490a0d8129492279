"""`cmt-lsp ledger`: carry the ledger into a JSON file, take one in, and look whether it is sound.

These read the file itself, without a server, so that they work where nothing else does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cmt_lsp.api.errors import BadParamsError, CmtError
from cmt_lsp.api.usage_file import UsageFileError, private_file
from cmt_lsp.core.money.ledger_check import Finding, check_ledger, findings, mend_ledger
from cmt_lsp.core.money.ledger_json import export_ledger, import_ledger
from cmt_lsp.core.money.schema import FILE_NAME, SCHEMA
from cmt_lsp.core.money.spool import spool_folders, waiting_files
from cmt_lsp.core.storage.state_dir import find_state_dir
from cmt_lsp.core.storage.store_thread import Store
from cmt_lsp.terminal.outcome import exit_code
from cmt_lsp.terminal.render import say_trouble

SIGNS = {"ok": "✓", "warn": "!", "fail": "✗"}


def export_to(target: str) -> int:
    """Write every request to a file of mode 0600, or to standard output for `-`; the exit code."""

    def work(store: Store) -> int:
        if target == "-":
            export_ledger(store, sys.stdout)
            return 0
        try:
            with private_file(Path(target)) as file:
                count = export_ledger(store, file)
        except OSError as error:
            raise BadParamsError(f"{target} cannot be written ({error.strerror}); choose another.") from error
        _say(f"{count:,} requests are in {target}.")
        return 0

    return _with_ledger(work)


def import_from(source: str) -> int:
    """Add the requests of a file, or of standard input for `-`, to the ledger, each once; the exit code."""

    def work(store: Store) -> int:
        try:
            with open(0 if source == "-" else source, encoding="utf-8-sig", closefd=source != "-") as file:
                imported = import_ledger(store, file)
        except UsageFileError as error:
            raise BadParamsError(f"{source} cannot be imported: {error}; nothing was imported.") from error
        except OSError as error:
            raise BadParamsError(f"{source} cannot be read ({error.strerror}); choose another.") from error
        _say(f"{imported.added:,} requests were added; {imported.known:,} were in the ledger already.")
        return 0

    return _with_ledger(work)


def check(*, mend: bool) -> int:
    """Say what the ledger holds and whether it is sound; 1 where it is not, or was not until a moment ago.

    `mend` takes out of it before what cannot be, and makes its sums anew.
    """

    def work(store: Store) -> int:
        if mend:
            mend_ledger(store)
        spooled = len(waiting_files(spool_folders(os.environ), store.path))
        found = findings(store.path, check_ledger(store), spooled)
        found += tuple(Finding("fail", notice) for notice in store.take_notices())
        for finding in found:
            sys.stdout.write(f"{SIGNS[finding.state]} {finding.sentence}\n")
        return int(any(finding.state == "fail" for finding in found))

    path = find_state_dir(os.environ) / FILE_NAME
    if not path.exists():
        sys.stdout.write(f"There is no ledger yet; the first question begins {path}.\n")
        return 0
    return _with_ledger(work)


def _with_ledger(work: Callable[[Store], int]) -> int:
    """Run `work` on the ledger of this user; what happened to its file is said, and trouble is one sentence and 1."""

    def whole() -> int:
        with _open_ledger() as store:
            return work(store)

    try:
        return exit_code(whole)
    except CmtError as error:
        say_trouble(error.message, error.hint)
        return 1


@contextmanager
def _open_ledger() -> Iterator[Store]:
    store = Store(find_state_dir(os.environ), FILE_NAME, SCHEMA, noun="ledger")
    try:
        yield store
    finally:
        store.close()
        for notice in store.take_notices():
            _say(notice)


def _say(sentence: str) -> None:
    """Beside the document that may be on standard output."""
    sys.stderr.write(f"{sentence}\n")
