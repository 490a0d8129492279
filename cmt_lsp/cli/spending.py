"""Commands about money: usage, budget, ledger, batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.cli.arguments import command, day, dollars, finish, percents, positive

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def _show_budgets(options: Namespace) -> int:
    from cmt_lsp.terminal.budget import show_budgets

    return show_budgets(no_color=options.no_color)


def _set_budget(options: Namespace) -> int:
    from cmt_lsp.terminal.budget import set_budget

    return set_budget(options.scope, options.usd, options.warn or None, no_color=options.no_color)


def _clear_budget(options: Namespace) -> int:
    from cmt_lsp.terminal.budget import set_budget

    return set_budget(options.scope, None, None, no_color=options.no_color)


def _export_ledger(options: Namespace) -> int:
    from cmt_lsp.cli.ledger import export_to

    return export_to(options.file)


def _import_ledger(options: Namespace) -> int:
    from cmt_lsp.cli.ledger import import_from

    return import_from(options.file)


def _check_ledger(options: Namespace) -> int:
    from cmt_lsp.cli.ledger import check

    return check(mend=options.mend)


def _usage(options: Namespace) -> int:
    from cmt_lsp.terminal.usage.command import Wish, run

    return run(
        Wish(
            by=options.by,
            first=getattr(options, "from"),
            last=options.to,
            workspace=options.workspace,
            session=options.session,
            form="json" if options.json else "csv" if options.csv else "screen",
            page=options.html,
            no_color=options.no_color,
        )
    )


def _submit_batch(options: Namespace) -> int:
    from cmt_lsp.terminal.batch.command import submit_batch

    return submit_batch(
        options.file,
        title=options.name,
        model=options.model,
        max_tokens=options.max_tokens,
        over_budget=options.over_budget,
        allow_secrets=options.allow_secrets,
        agreed=options.yes,
    )


def _list_batches(options: Namespace) -> int:
    from cmt_lsp.terminal.batch.command import list_batches

    return list_batches(everywhere=options.all, no_color=options.no_color)


def _batch_status(options: Namespace) -> int:
    from cmt_lsp.terminal.batch.command import show_status

    return show_status(options.which, wait=options.wait, no_color=options.no_color)


def _batch_results(options: Namespace) -> int:
    from cmt_lsp.terminal.batch.command import show_results

    return show_results(options.which, as_json=options.jsonl, out=options.out)


def _cancel_batch(options: Namespace) -> int:
    from cmt_lsp.terminal.batch.command import cancel_batch

    return cancel_batch(options.which)


def add_budget(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Define `budget`."""
    budget = command(commands, "budget", "what may be spent; set or clear a limit")
    finish(budget, _show_budgets)
    verbs = budget.add_subparsers(title="commands", metavar="COMMAND")
    limit = command(verbs, "set", "stop turns before they can pass this limit")
    clear = command(verbs, "clear", "remove a limit")
    for verb in (limit, clear):
        verb.add_argument("scope", metavar="SCOPE", help="turn, session, window, workspace, day or month")
    limit.add_argument("usd", type=dollars, metavar="USD", help="in US dollars")
    limit.add_argument("--warn", type=percents, metavar="P,P", help="warn at these percentages")
    limit.set_defaults(command=_set_budget)
    clear.set_defaults(command=_clear_budget)


def add_ledger(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Define `ledger`."""
    ledger = command(commands, "ledger", "carry what was used and paid into a file and back; check it")
    verbs = ledger.add_subparsers(title="commands", metavar="COMMAND", required=True)
    export = command(verbs, "export", "write every request as JSON")
    export.add_argument("file", metavar="FILE", help="- writes to standard output")
    export.set_defaults(command=_export_ledger)
    take_in = command(verbs, "import", "add the requests of such a file, each once")
    take_in.add_argument("file", metavar="FILE", help="- reads standard input")
    take_in.set_defaults(command=_import_ledger)
    check = command(verbs, "check", "look whether the ledger is sound; 1 where it is not")
    check.add_argument("--mend", action="store_true", help="before that, take out what cannot be")
    check.set_defaults(command=_check_ledger)


def add_usage(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Define `usage`."""
    usage = command(commands, "usage", "what was spent, by day, model, workspace or session")
    usage.add_argument(
        "--by",
        choices=("day", "model", "workspace", "session"),
        help="this one table; in JSON and CSV the groups",
    )
    usage.add_argument("--from", type=day, metavar="DAY", help="first day, as YYYY-MM-DD")
    usage.add_argument("--to", type=day, metavar="DAY", help="last day, as YYYY-MM-DD")
    whose = usage.add_mutually_exclusive_group()
    whose.add_argument("--workspace", metavar="PATH", help="of this folder")
    whose.add_argument("--session", metavar="ID|NAME", help="of this session")
    form = usage.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the report as JSON")
    form.add_argument("--csv", action="store_true", help="print one line for each group")
    form.add_argument("--html", metavar="FILE", help="write a page with charts")
    finish(usage, _usage)


def add_batch(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Define `batch`."""
    batch = command(commands, "batch", "many prompts within a day at half the price")
    verbs = batch.add_subparsers(title="commands", metavar="COMMAND", required=True)
    submit = command(verbs, "submit", "price the prompts of a file, ask, and send them")
    submit.add_argument(
        "file",
        metavar="FILE",
        help='one prompt a line, a paragraph where there are empty lines, or {"id", "text", ...} a line; - is stdin',
    )
    submit.add_argument("--name", metavar="N", help="what to call the batch")
    submit.add_argument("--model", metavar="M")
    submit.add_argument("--max-tokens", type=positive, metavar="N", help="longest answer")
    submit.add_argument("--over-budget", metavar="REASON", help="send it whatever the budgets say")
    submit.add_argument("--allow-secrets", action="store_true", help="send what looks secret unasked")
    submit.add_argument("--yes", action="store_true", help="agree to the price")
    finish(submit, _submit_batch)
    listed = command(verbs, "list", "batches of this folder")
    listed.add_argument("--all", action="store_true", help="of every folder")
    finish(listed, _list_batches)
    status = command(verbs, "status", "how a batch stands; fetches the answers once it has ended")
    status.add_argument("--wait", action="store_true", help="wait for its end; Ctrl-C leaves it to itself")
    results = command(verbs, "results", "print the answers")
    shape = results.add_mutually_exclusive_group()
    shape.add_argument("--jsonl", action="store_true", help="one JSON object a line")
    shape.add_argument("--out", metavar="FILE", help="write them to a new file, one JSON object a line")
    cancel = command(verbs, "cancel", "end it early; what is under way is still charged")
    for verb, run in ((status, _batch_status), (results, _batch_results), (cancel, _cancel_batch)):
        verb.add_argument("which", metavar="ID|NAME")
        finish(verb, run)


SPENDING = (add_usage, add_budget, add_ledger, add_batch)
