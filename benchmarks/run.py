"""Run by `make bench`: starts servers of this checkout, measures them from outside, and prints a table."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from rich.console import Console

from benchmarks.plots import NoMatplotlib, check_plotting, plot
from benchmarks.report import WIDTH, print_changes, print_figures
from benchmarks.results import NotResults, Results, about_here, from_json, to_json
from benchmarks.runs import measure
from benchmarks.scenarios import names
from scripts.demo.programs import ProgramFailed

STDOUT = "-"


def main() -> None:
    """Measure what is named, or all."""
    options = arguments()
    try:
        before = from_json(options.against) if options.against else None
        if options.plot:
            check_plotting()
        results = from_json(options.kept) if options.kept else measured(options)
    except (NotResults, NoMatplotlib, ProgramFailed) as error:
        sys.exit(f"{error}")
    show(results, before, options)


def arguments() -> Namespace:
    """What the user wants."""
    parser = ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(names())}; else all")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="how often; figures are medians [default: 1]")
    parser.add_argument("--json", nargs="?", const=STDOUT, metavar="FILE", help="write the results there, or to stdout")
    parser.add_argument("--against", type=Path, metavar="FILE", help="results of --json: tell what changed since")
    parser.add_argument("--plot", type=Path, metavar="DIR", help="draw pictures there (PNG)")
    parser.add_argument(
        "--from", dest="kept", type=Path, metavar="FILE", help="measure nothing; show the results of --json again"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(names()):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    if options.runs < 1:
        parser.error("--runs must be 1 at least")
    return options


def measured(options: Namespace) -> Results:
    """Measure, and tell on standard error how far it is."""
    results = Results(about=about_here())
    try:
        measure(options.names or names(), options.runs, results, lambda line: print(line, file=sys.stderr, flush=True))
    except KeyboardInterrupt:
        results.miss("the rest: it was interrupted")
    return results


def show(results: Results, before: Results | None, options: Namespace) -> None:
    """Print the tables, and write the files that are wanted."""
    console = _console(to_stderr=options.json == STDOUT)
    print_figures(console, results)
    if before is not None:
        print_changes(console, before, results)
    if options.json == STDOUT:
        sys.stdout.buffer.write(to_json(results) + b"\n")
    elif options.json:
        Path(options.json).write_bytes(to_json(results) + b"\n")
    if options.plot:
        for path in plot(results, options.plot):
            console.print(f"Drawn: {path}", markup=False)


def _console(*, to_stderr: bool) -> Console:
    console = Console(stderr=to_stderr)
    return console if console.is_terminal else Console(stderr=to_stderr, width=WIDTH)


if __name__ == "__main__":
    main()
