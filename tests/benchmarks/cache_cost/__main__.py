"""`python -m tests.benchmarks.cache_cost`: print the study; `--markdown FILE` and `--svg FILE` write it as well."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .report import markdown, svg
from .study import study

FIRST_SEED = 1000
"""The policy's priors were chosen on seeds below."""


def main(argv: list[str]) -> int:
    """0 however the figures are."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.cache_cost", description=__doc__)
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the plot")
    parser.add_argument("--seeds", type=int, default=16, metavar="COUNT", help="how many of each class")
    parser.add_argument("--first", type=int, default=FIRST_SEED, metavar="SEED", help="the first seed")
    options = parser.parse_args(argv)
    seeds = range(options.first, options.first + max(1, options.seeds))
    rows, total, steady = study(seeds)
    page = markdown(rows, total, steady, seeds)
    sys.stdout.write(page)
    if options.markdown:
        options.markdown.write_text(page, "utf-8")
    if options.svg:
        options.svg.write_text(svg([*rows, total, steady]), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
