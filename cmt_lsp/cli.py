"""The command line: argv in, one function called, an exit code out.

An editor waits for `serve`, so that nothing is imported before the command is known, and not even an argument
parser where no argument needs one.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from typing import NoReturn

PLAIN_SERVE: tuple[list[str], ...] = ([], ["--stdio"], ["serve"], ["serve", "--stdio"])
SOCKETS = ("--tcp", "--ws", "--port", "--host", "--socket", "--pipe", "--node-ipc")
MISUSED = 2


def main() -> NoReturn:
    """Run the command that the arguments name, and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """The exit code of the command: 0 done, 1 failed, 2 misused, 130 interrupted."""
    if argv in PLAIN_SERVE or _is_an_editors_call(argv):
        return _serve()
    if (argv[:1] == ["serve"] or argv[0].startswith("--")) and (asked := _socket_in(argv)):
        sys.stderr.write(
            f"cmt-lsp: there is no {asked}: the server speaks over standard input and output only, since other "
            "users and web pages could reach a listening socket.\n"
        )
        return MISUSED
    options = _parser().parse_args(argv)
    code: int = options.command(options)
    return code


def _is_an_editors_call(argv: list[str]) -> bool:
    """Editors add the id of their process, which `initialize` says as well."""
    rest = [word for word in argv if not word.startswith("--clientProcessId=")]
    return len(rest) < len(argv) and rest in PLAIN_SERVE


def _socket_in(argv: list[str]) -> str | None:
    return next((word for word in argv if word.partition("=")[0] in SOCKETS), None)


def _serve(_options: Namespace | None = None) -> int:
    if sys.stdin is not None and sys.stdin.isatty():
        sys.stderr.write(
            'cmt-lsp: waiting for an editor on standard input; try `cmt-lsp ask "..."` or --help.\n'
        )
    from cmt_lsp.server.app import main as serve

    return serve()


def _ask(options: Namespace) -> int:
    from cmt_lsp.terminal.ask import run
    from cmt_lsp.terminal.question import Question

    return run(
        Question(
            prompt=options.prompt,
            files=tuple(options.file),
            images=tuple(options.image),
            session=options.session,
            model=options.model,
            max_tokens=options.max_tokens,
            effort=options.effort,
            over_budget=options.over_budget,
            as_json=options.json,
            no_color=options.no_color,
        )
    )


def _compare(options: Namespace) -> int:
    from cmt_lsp.terminal.compare import run
    from cmt_lsp.terminal.question import Question

    question = Question(
        prompt=options.prompt,
        files=tuple(options.file),
        images=tuple(options.image),
        session=options.session,
        max_tokens=options.max_tokens,
        effort=options.effort,
        as_json=options.json,
        no_color=options.no_color,
    )
    return run(question, options.model)


def _demo(options: Namespace) -> int:
    from cmt_lsp.terminal.demo import run

    return run(
        file=options.file, keep=options.keep, agreed=options.yes, svg=options.svg, no_color=options.no_color
    )


def _list_sessions(options: Namespace) -> int:
    from cmt_lsp.terminal.sessions import list_sessions

    return list_sessions(everywhere=options.all, query=options.query, no_color=options.no_color)


def _show_session(options: Namespace) -> int:
    from cmt_lsp.terminal.sessions import show_session

    return show_session(options.which)


def _export_session(options: Namespace) -> int:
    from cmt_lsp.terminal.sessions import export_session

    return export_session(options.which, options.format)


def _delete_session(options: Namespace) -> int:
    from cmt_lsp.terminal.sessions import delete_session

    return delete_session(options.which)


def _models(options: Namespace) -> int:
    from cmt_lsp.terminal.models import show_models

    return show_models(refresh=options.refresh, no_color=options.no_color)


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
    from cmt_lsp.ledger_commands import export_to

    return export_to(options.file)


def _import_ledger(options: Namespace) -> int:
    from cmt_lsp.ledger_commands import import_from

    return import_from(options.file)


def _check_ledger(options: Namespace) -> int:
    from cmt_lsp.ledger_commands import check

    return check(mend=options.mend)


def _usage(options: Namespace) -> int:
    from cmt_lsp.terminal.usage import Wish, run

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
    from cmt_lsp.terminal.batch import submit_batch

    return submit_batch(
        options.file,
        title=options.name,
        model=options.model,
        max_tokens=options.max_tokens,
        over_budget=options.over_budget,
        agreed=options.yes,
    )


def _list_batches(options: Namespace) -> int:
    from cmt_lsp.terminal.batch import list_batches

    return list_batches(everywhere=options.all, no_color=options.no_color)


def _batch_status(options: Namespace) -> int:
    from cmt_lsp.terminal.batch import show_status

    return show_status(options.which, wait=options.wait, no_color=options.no_color)


def _batch_results(options: Namespace) -> int:
    from cmt_lsp.terminal.batch import show_results

    return show_results(options.which, as_json=options.jsonl, out=options.out)


def _cancel_batch(options: Namespace) -> int:
    from cmt_lsp.terminal.batch import cancel_batch

    return cancel_batch(options.which)


def _doctor(options: Namespace) -> int:
    from cmt_lsp.terminal.doctor import examine

    return examine(no_color=options.no_color)


def _simulate(options: Namespace) -> int:
    from cmt_lsp.simulator import Fault, Simulator
    from cmt_lsp.terminal.simulate import serve

    simulator = Simulator(chunk_delay=options.chunk_delay)

    def fail(status: int) -> None:
        simulator.fail_next(Fault.status(status, retry_after=options.retry_after))

    for status in options.fail:
        fail(status)
    return serve(simulator, port=options.port, fail=fail, follow_stdin=options.follow_stdin)


def _parser() -> ArgumentParser:
    from argparse import ArgumentParser

    from cmt_lsp import __version__

    parser = ArgumentParser(
        prog="cmt-lsp", description="Direct access to Claude for every editor.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"cmt-lsp {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve = _command(commands, "serve", "speak LSP on standard input and output (the default)")
    serve.add_argument("--stdio", action="store_true", help="accepted, and the only transport")
    serve.add_argument("--clientProcessId", help="accepted; `initialize` says it")
    serve.set_defaults(command=_serve)
    _add_ask(commands)
    _add_compare(commands)
    _add_demo(commands)
    _add_sessions(commands)
    models = _command(commands, "models", "models with prices, limits and lifecycle")
    models.add_argument("--refresh", action="store_true", help="ask the endpoint which it serves (free)")
    _finish(models, _models)
    _add_budget(commands)
    _add_ledger(commands)
    _add_usage(commands)
    _add_batch(commands)
    _finish(_command(commands, "doctor", "check the installation; costs nothing"), _doctor)
    _add_simulate(commands)
    return parser


def _add_ask(commands: _SubParsersAction[ArgumentParser]) -> None:
    ask = _command(commands, "ask", "ask one question and stream the answer")
    ask.add_argument("prompt", help="the question; - reads it from standard input")
    ask.add_argument(
        "--file", action="append", default=[], metavar="PATH[:L1[-L2]]", help="send a file or lines of it"
    )
    ask.add_argument("--image", action="append", default=[], metavar="PATH", help="send a picture")
    ask.add_argument("--session", metavar="NAME", help="go on in this session of the folder, or begin it")
    ask.add_argument("--model", metavar="M")
    ask.add_argument("--max-tokens", type=_positive, metavar="N", help="longest answer")
    ask.add_argument("--effort", metavar="E", help="how hard the model thinks: low, medium, high, ...")
    ask.add_argument("--over-budget", metavar="REASON", help="send this once whatever the budgets say")
    ask.add_argument("--json", action="store_true", help="print the whole result as JSON, at the end")
    _finish(ask, _ask)


def _add_compare(commands: _SubParsersAction[ArgumentParser]) -> None:
    compare = _command(commands, "compare", "ask two to five models the same, side by side")
    compare.add_argument("prompt", help="the question; - reads it from standard input")
    compare.add_argument(
        "-m", "--model", action="append", required=True, metavar="M", help="a model to ask; name two to five"
    )
    compare.add_argument(
        "-f",
        "--file",
        action="append",
        default=[],
        metavar="PATH[:L1[-L2]]",
        help="send a file or lines of it",
    )
    compare.add_argument("--image", action="append", default=[], metavar="PATH", help="send a picture")
    compare.add_argument("--session", metavar="NAME", help="with what this session of the folder holds")
    compare.add_argument("--max-tokens", type=_positive, metavar="N", help="longest answer of each")
    compare.add_argument("--effort", metavar="E", help="how hard the models think: low, medium, high, ...")
    compare.add_argument("--json", action="store_true", help="print all results as JSON, at the end")
    _finish(compare, _compare)


def _add_demo(commands: _SubParsersAction[ArgumentParser]) -> None:
    demo = _command(commands, "demo", "see it work, on a simulator unless a key is set")
    demo.add_argument("--file", metavar="PATH", help="talk about this file")
    demo.add_argument("--keep", action="store_true", help="keep the demo's state and say where it is")
    demo.add_argument("--yes", action="store_true", help="agree to spend money when a key is set")
    demo.add_argument("--svg", metavar="PATH", help="write a picture of the screen")
    _finish(demo, _demo)


def _add_sessions(commands: _SubParsersAction[ArgumentParser]) -> None:
    sessions = _command(commands, "sessions", "list, show, export or delete sessions")
    sessions.add_argument("--all", action="store_true", help="of every folder")
    sessions.add_argument("--query", metavar="Q", help="those whose name or text holds Q")
    _finish(sessions, _list_sessions)
    verbs = sessions.add_subparsers(title="commands", metavar="COMMAND")
    show = _command(verbs, "show", "print questions and answers")
    show.set_defaults(command=_show_session)
    export = _command(verbs, "export", "print one document")
    export.add_argument("--format", choices=("markdown", "json"), default="markdown")
    export.set_defaults(command=_export_session)
    delete = _command(verbs, "delete", "delete for good")
    delete.set_defaults(command=_delete_session)
    for verb in (show, export, delete):
        verb.add_argument("which", metavar="ID|NAME")


def _add_budget(commands: _SubParsersAction[ArgumentParser]) -> None:
    budget = _command(commands, "budget", "what may be spent; set or clear a limit")
    _finish(budget, _show_budgets)
    verbs = budget.add_subparsers(title="commands", metavar="COMMAND")
    limit = _command(verbs, "set", "stop turns before they can pass this limit")
    clear = _command(verbs, "clear", "remove a limit")
    for verb in (limit, clear):
        verb.add_argument("scope", metavar="SCOPE", help="turn, session, window, workspace, day or month")
    limit.add_argument("usd", type=_dollars, metavar="USD", help="in US dollars")
    limit.add_argument("--warn", type=_percents, metavar="P,P", help="warn at these percentages")
    limit.set_defaults(command=_set_budget)
    clear.set_defaults(command=_clear_budget)


def _add_ledger(commands: _SubParsersAction[ArgumentParser]) -> None:
    ledger = _command(commands, "ledger", "carry what was used and paid into a file and back; check it")
    verbs = ledger.add_subparsers(title="commands", metavar="COMMAND", required=True)
    export = _command(verbs, "export", "write every request as JSON")
    export.add_argument("file", metavar="FILE", help="- writes to standard output")
    export.set_defaults(command=_export_ledger)
    take_in = _command(verbs, "import", "add the requests of such a file, each once")
    take_in.add_argument("file", metavar="FILE", help="- reads standard input")
    take_in.set_defaults(command=_import_ledger)
    check = _command(verbs, "check", "look whether the ledger is sound; 1 where it is not")
    check.add_argument("--mend", action="store_true", help="before that, take out what cannot be")
    check.set_defaults(command=_check_ledger)


def _add_usage(commands: _SubParsersAction[ArgumentParser]) -> None:
    usage = _command(commands, "usage", "what was spent, by day, model, workspace or session")
    usage.add_argument(
        "--by",
        choices=("day", "model", "workspace", "session"),
        help="this one table; in JSON and CSV the groups",
    )
    usage.add_argument("--from", type=_day, metavar="DAY", help="first day, as YYYY-MM-DD")
    usage.add_argument("--to", type=_day, metavar="DAY", help="last day, as YYYY-MM-DD")
    whose = usage.add_mutually_exclusive_group()
    whose.add_argument("--workspace", metavar="PATH", help="of this folder")
    whose.add_argument("--session", metavar="ID|NAME", help="of this session")
    form = usage.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the report as JSON")
    form.add_argument("--csv", action="store_true", help="print one line for each group")
    form.add_argument("--html", metavar="FILE", help="write a page with charts")
    _finish(usage, _usage)


def _add_batch(commands: _SubParsersAction[ArgumentParser]) -> None:
    batch = _command(commands, "batch", "many prompts within a day at half the price")
    verbs = batch.add_subparsers(title="commands", metavar="COMMAND", required=True)
    submit = _command(verbs, "submit", "price the prompts of a file, ask, and send them")
    submit.add_argument(
        "file",
        metavar="FILE",
        help='one prompt a line, a paragraph where there are empty lines, or {"id", "text", ...} a line; - is stdin',
    )
    submit.add_argument("--name", metavar="N", help="what to call the batch")
    submit.add_argument("--model", metavar="M")
    submit.add_argument("--max-tokens", type=_positive, metavar="N", help="longest answer")
    submit.add_argument("--over-budget", metavar="REASON", help="send it whatever the budgets say")
    submit.add_argument("--yes", action="store_true", help="agree to the price")
    _finish(submit, _submit_batch)
    listed = _command(verbs, "list", "batches of this folder")
    listed.add_argument("--all", action="store_true", help="of every folder")
    _finish(listed, _list_batches)
    status = _command(verbs, "status", "how a batch stands; fetches the answers once it has ended")
    status.add_argument("--wait", action="store_true", help="wait for its end; Ctrl-C leaves it to itself")
    results = _command(verbs, "results", "print the answers")
    shape = results.add_mutually_exclusive_group()
    shape.add_argument("--jsonl", action="store_true", help="one JSON object a line")
    shape.add_argument("--out", metavar="FILE", help="write them to a new file, one JSON object a line")
    cancel = _command(verbs, "cancel", "end it early; what is under way is still charged")
    for verb, command in ((status, _batch_status), (results, _batch_results), (cancel, _cancel_batch)):
        verb.add_argument("which", metavar="ID|NAME")
        _finish(verb, command)


def _add_simulate(commands: _SubParsersAction[ArgumentParser]) -> None:
    simulate = _command(commands, "simulate", "serve simulated answers on this machine, until Ctrl-C")
    simulate.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    simulate.add_argument(
        "--chunk-delay", type=float, default=0.02, metavar="SECONDS", help="between two pieces of an answer"
    )
    simulate.add_argument(
        "--fail",
        type=_positive,
        action="append",
        default=[],
        metavar="STATUS",
        help="let the next question fail; may be repeated",
    )
    simulate.add_argument(
        "--retry-after", type=float, default=None, metavar="SECONDS", help="what failures ask for"
    )
    simulate.add_argument(
        "--follow-stdin", action="store_true", help="obey `fail STATUS` lines; end with standard input"
    )
    simulate.set_defaults(command=_simulate)


def _command(commands: _SubParsersAction[ArgumentParser], name: str, about: str) -> ArgumentParser:
    """A command whose options are spelt out: an abbreviation would change its meaning with a later version."""
    return commands.add_parser(name, help=about, allow_abbrev=False)


def _finish(parser: ArgumentParser, command: object) -> None:
    parser.add_argument("--no-color", action="store_true", help="no colours, as with NO_COLOR")
    parser.set_defaults(command=command)


def _positive(text: str) -> int:
    from argparse import ArgumentTypeError

    if not text.isdigit() or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def _percents(text: str) -> list[int]:
    return [_positive(part.strip()) for part in text.split(",")]


def _dollars(text: str) -> float:
    """JSON has no word for what is no finite number."""
    from argparse import ArgumentTypeError
    from math import isfinite

    try:
        amount = float(text.removeprefix("$"))
    except ValueError:
        amount = float("nan")
    if not isfinite(amount):
        raise ArgumentTypeError(f"{text!r} is not an amount in US dollars; write one such as 5 or 0.50")
    return amount


def _day(text: str) -> str:
    from argparse import ArgumentTypeError
    from datetime import date

    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    raise ArgumentTypeError(f"{text!r} is not a day as YYYY-MM-DD")
