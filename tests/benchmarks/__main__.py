"""`python -m tests.benchmarks [name ...]`: measure and print; `--markdown` writes docs/performance.md as well."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from . import machine, table
from .figures import FULL, SMALLEST, Figure
from .suite import SUITE, Benchmark

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
MARK = "<!-- generated from here on by `python -m tests.benchmarks --markdown` -->\n"

Results = list[tuple[Benchmark, list[Figure]]]


def main(argv: list[str]) -> int:
    """Measure what is named, or everything; 0 however the figures are."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(one.name for one in SUITE))
    parser.add_argument("--markdown", action="store_true", help="write the figures into docs/performance.md")
    parser.add_argument("--quick", action="store_true", help="one round of each, to see whether it runs")
    options = parser.parse_args(argv)
    if unknown := set(options.names) - {one.name for one in SUITE}:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    if options.markdown and (options.names or options.quick):
        parser.error("the page holds the figures of all benchmarks at full size; leave the names out")
    facts = machine.facts()
    sys.stdout.write("\n".join(f"{name}: {value}" for name, value in facts) + "\n")
    results: Results = []
    for one in SUITE:
        if not options.names or one.name in options.names:
            began = time.monotonic()
            results.append((one, one.measure(SMALLEST if options.quick else FULL)))
            taken = time.monotonic() - began
            sys.stdout.write(f"\n{one.name}: {one.about} [{taken:.0f} s]\n{table.plain(results[-1][1])}\n")
            sys.stdout.flush()
    if options.markdown:
        head = PAGE.read_text(encoding="utf-8").split(MARK)[0]
        PAGE.write_text(f"{head}{MARK}\n{page([*facts, ('load after', machine.load())], results)}", "utf-8")
    return 0


def page(facts: list[tuple[str, str]], results: Results) -> str:
    """The generated part: the machine, what was missed, and a table for each benchmark."""
    missed = [figure for _, figures in results for figure in figures if figure.met is False]
    held = sum(figure.met is True for _, figures in results for figure in figures)
    lines = ["## Machine", "", *(f"- {name}: {value}" for name, value in facts), "", "## Figures", ""]
    lines.append(f"{held} targets met, {len(missed)} missed.")
    for figure in missed:
        row = table.cells(figure)
        lines.append(f"\nMissed: {row[0]}, {row[4]}, where {row[6]} was the target.")
    for one, figures in results:
        lines += ["", f"### {one.title}", "", one.about, "", table.markdown(figures)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
