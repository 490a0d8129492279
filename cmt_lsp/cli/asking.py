"""Commands that ask: ask, compare, demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.cli.arguments import command, finish, positive

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


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


def add_ask(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Define `ask`."""
    ask = command(commands, "ask", "ask one question and stream the answer")
    ask.add_argument("prompt", help="the question; - reads it from standard input")
    ask.add_argument(
        "--file", action="append", default=[], metavar="PATH[:L1[-L2]]", help="send a file or lines of it"
    )
    ask.add_argument("--image", action="append", default=[], metavar="PATH", help="send a picture")
    ask.add_argument("--session", metavar="NAME", help="go on in this session of the folder, or begin it")
    ask.add_argument("--model", metavar="M")
    ask.add_argument("--max-tokens", type=positive, metavar="N", help="longest answer")
    ask.add_argument("--effort", metavar="E", help="how hard the model thinks: low, medium, high, ...")
    ask.add_argument("--over-budget", metavar="REASON", help="send this once whatever the budgets say")
    ask.add_argument("--json", action="store_true", help="print the whole result as JSON, at the end")
    finish(ask, _ask)


def add_compare(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Define `compare`."""
    compare = command(commands, "compare", "ask two to five models the same, side by side")
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
    compare.add_argument("--max-tokens", type=positive, metavar="N", help="longest answer of each")
    compare.add_argument("--effort", metavar="E", help="how hard the models think: low, medium, high, ...")
    compare.add_argument("--json", action="store_true", help="print all results as JSON, at the end")
    finish(compare, _compare)


def add_demo(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Define `demo`."""
    demo = command(commands, "demo", "see it work, on a simulator unless a key is set")
    demo.add_argument("--file", metavar="PATH", help="talk about this file")
    demo.add_argument("--keep", action="store_true", help="keep the demo's state and say where it is")
    demo.add_argument("--yes", action="store_true", help="agree to spend money when a key is set")
    demo.add_argument("--svg", metavar="PATH", help="write a picture of the screen")
    finish(demo, _demo)


ASKING = (add_ask, add_compare, add_demo)
