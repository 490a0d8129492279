"""Commands that ask: ask, compare, demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.cli.arguments import command, delay, finish, positive

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def _ask(options: Namespace) -> int:
    from cmt_lsp.terminal.ask import run
    from cmt_lsp.terminal.question import Question
    from cmt_lsp.terminal.shots import Shot

    return run(
        Question(
            prompt=options.prompt,
            files=tuple(options.file),
            images=tuple(options.image),
            shots=tuple(Shot(what, options.delay) for what in options.shots),
            session=options.session,
            pin=tuple(options.pin),
            unpin=tuple(options.unpin),
            dry_run=options.dry_run,
            model=options.model,
            max_tokens=options.max_tokens,
            effort=options.effort,
            over_budget=options.over_budget,
            allow_secrets=options.allow_secrets,
            as_json=options.json,
            no_color=options.no_color,
            no_picture=options.no_picture,
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
        allow_secrets=options.allow_secrets,
        as_json=options.json,
        no_color=options.no_color,
    )
    return run(question, options.model)


def _screenshot(options: Namespace) -> int:
    from cmt_lsp.terminal.question import Question
    from cmt_lsp.terminal.screenshot import run
    from cmt_lsp.terminal.shots import Shot

    question = Question(
        prompt=options.ask or "", session=options.session, model=options.model, no_color=options.no_color
    )
    return run(Shot(options.what, options.delay), question, options.save)


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
    for option, what, about in SHOTS:
        ask.add_argument(
            option, action="append_const", dest="shots", const=what, default=[], help=f"send {about}"
        )
    ask.add_argument(
        "--delay", type=delay, default=0, metavar="N", help="seconds before such a picture is taken"
    )
    ask.add_argument("--no-picture", action="store_true", help="do not draw the pictures on the terminal")
    ask.add_argument("--session", metavar="NAME", help="go on in this session of the folder, or begin it")
    ask.add_argument(
        "--pin",
        action="append",
        default=[],
        metavar="FILE",
        help="send it with every question of the session",
    )
    ask.add_argument("--unpin", action="append", default=[], metavar="FILE", help="send it no more")
    ask.add_argument("--dry-run", action="store_true", help="show each block and its price, and send nothing")
    ask.add_argument("--model", metavar="M")
    ask.add_argument("--max-tokens", type=positive, metavar="N", help="longest answer")
    ask.add_argument("--effort", metavar="E", help="how hard the model thinks: low, medium, high, ...")
    ask.add_argument("--over-budget", metavar="REASON", help="send this once whatever the budgets say")
    _add_allow_secrets(ask)
    ask.add_argument("--json", action="store_true", help="print the whole result as JSON, at the end")
    finish(ask, _ask)


def add_screenshot(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Define `screenshot`."""
    shot = command(commands, "screenshot", "take a picture of the screen and see what it would cost to send")
    which = shot.add_mutually_exclusive_group()
    for what, about in (
        ("screen", "all of it (the default)"),
        ("window", "one window"),
        ("region", "a part that you draw"),
    ):
        which.add_argument(
            f"--{what}", action="store_const", dest="what", const=what, default="screen", help=about
        )
    shot.add_argument(
        "--delay", type=delay, default=0, metavar="N", help="seconds before it is taken, at most 60"
    )
    shot.add_argument(
        "--ask", metavar="QUESTION", help="ask about it; - reads the question from standard input"
    )
    shot.add_argument("--save", metavar="FILE", help="keep it in a new file")
    shot.add_argument("--session", metavar="NAME", help="go on in this session of the folder, or begin it")
    shot.add_argument("--model", metavar="M")
    finish(shot, _screenshot)


def _add_allow_secrets(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--allow-secrets", action="store_true", help="send what looks secret, and ignored files, unasked"
    )


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
    _add_allow_secrets(compare)
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


SHOTS = (
    ("--screenshot", "screen", "a picture of the screen"),
    ("--window", "window", "a picture of a window"),
    ("--region", "region", "a picture of a region that you draw"),
    ("--clipboard", "clipboard", "the picture in the clipboard"),
)

ASKING = (add_ask, add_screenshot, add_compare, add_demo)
