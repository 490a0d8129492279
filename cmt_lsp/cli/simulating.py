"""The command that serves simulated answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.cli.arguments import command, positive

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def _simulate(options: Namespace) -> int:
    from cmt_lsp.simulator import Fault, Simulator
    from cmt_lsp.terminal.simulate import serve

    simulator = Simulator(chunk_delay=options.chunk_delay)

    def fail(status: int) -> None:
        simulator.fail_next(Fault.status(status, retry_after=options.retry_after))

    for status in options.fail:
        fail(status)
    return serve(simulator, port=options.port, fail=fail, follow_stdin=options.follow_stdin)


def add_simulate(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Define `simulate`."""
    simulate = command(commands, "simulate", "serve simulated answers on this machine, until Ctrl-C")
    simulate.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    simulate.add_argument(
        "--chunk-delay", type=float, default=0.02, metavar="SECONDS", help="between two pieces of an answer"
    )
    simulate.add_argument(
        "--fail",
        type=positive,
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
