"""The command line: argv in, one function called, an exit code out.

An editor waits for `serve`, so that nothing is imported before the command is known, and not even an argument
parser where no argument needs one.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
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
    options = parser_of_all().parse_args(argv)
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


def parser_of_all() -> ArgumentParser:
    """The parser of every command; the options it finds name the function to call as `command`."""
    from argparse import ArgumentParser

    from cmt_lsp import __version__
    from cmt_lsp.cli.arguments import command
    from cmt_lsp.cli.asking import ASKING
    from cmt_lsp.cli.caching import CACHING
    from cmt_lsp.cli.looking import LOOKING
    from cmt_lsp.cli.simulating import add_simulate
    from cmt_lsp.cli.spending import SPENDING

    parser = ArgumentParser(
        prog="cmt-lsp", description="Direct access to Claude for every editor.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"cmt-lsp {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve = command(commands, "serve", "speak LSP on standard input and output (the default)")
    serve.add_argument("--stdio", action="store_true", help="accepted, and the only transport")
    serve.add_argument("--clientProcessId", help="accepted; `initialize` says it")
    serve.set_defaults(command=_serve)
    for add in (*ASKING, *LOOKING, *SPENDING, *CACHING, add_simulate):
        add(commands)
    return parser
