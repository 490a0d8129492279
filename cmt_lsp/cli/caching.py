"""The command about the prompt cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.cli.arguments import command, finish, positive

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def _stats(options: Namespace) -> int:
    from cmt_lsp.terminal.cache.command import show_stats

    return show_stats(options.which, as_json=options.json, no_color=options.no_color)


def _advice(options: Namespace) -> int:
    from cmt_lsp.terminal.cache.command import apply_advice, show_advice

    if options.apply is not None:
        return apply_advice(options.which, options.apply)
    return show_advice(options.which, as_json=options.json, no_color=options.no_color)


def _warm(options: Namespace) -> int:
    from cmt_lsp.terminal.cache.command import warm

    return warm(options.which, dry_run=options.dry_run, as_json=options.json)


def add_cache(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Define `cache`."""
    cache = command(commands, "cache", "what the prompt cache did, what would be cheaper; warm it")
    verbs = cache.add_subparsers(title="commands", metavar="COMMAND", required=True)
    stats = command(verbs, "stats", "hits, misses with their causes, what was saved and what is warm")
    advice = command(verbs, "advice", "what would have cost less, in dollars, and how to do it")
    advice.add_argument("--apply", type=positive, metavar="N", help="do what the Nth suggestion says")
    warm = command(verbs, "warm", "have a session's next question read what it would write; costs money")
    warm.add_argument("--dry-run", action="store_true", help="say what it would cost, send nothing")
    for verb, run in ((stats, _stats), (advice, _advice), (warm, _warm)):
        verb.add_argument("which", nargs="?", metavar="ID|NAME", help=_WHICH[verb is warm])
        verb.add_argument("--json", action="store_true", help="print the answer as JSON")
        finish(verb, run)


_WHICH = {False: "a session; without it all of them", True: "a session; without it this folder's last one"}

CACHING = (add_cache,)
