"""The tables that people read."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, JustifyMethod
from rich.table import Table

from benchmarks.figures import FIGURES, Bound, Figure
from benchmarks.judgement import Change, Verdict, changes
from benchmarks.medians import median, spread
from benchmarks.results import Key, Results

#: What a console that is no terminal is taken for; narrower ones fold the lines.
WIDTH = 150
BESIDE = "Beside it, in the same run"
REACHED, MISSED, UNKNOWN = "✓", "✗", "?"


def print_figures(console: Console, results: Results) -> None:
    """Every figure, its limits, and what it is held against."""
    table = Table(title=_title(results), title_justify="left", caption=CAPTION, caption_justify="left")
    for heading in ("What", "On", "Figure", "±", "Unit", "At least", "Goal", BESIDE):
        justify: JustifyMethod = "right" if heading in {"Figure", "±", "At least", "Goal"} else "left"
        table.add_column(heading, justify=justify, no_wrap=heading != BESIDE)
    for row in rows(results):
        table.add_row(*row)
    console.print(table)
    for reason in results.missing:
        console.print(f"Missing: {reason}", markup=False)


def rows(results: Results) -> Iterator[Sequence[str]]:
    """A line for each figure that was measured, in the order of the table of figures."""
    baselines = {name for figure in FIGURES.values() for name in figure.beside}
    for name, figure in FIGURES.items():
        for key, values in results.values.items():
            if key.name == name and name not in baselines:
                yield row(key, figure, values, results)


def row(key: Key, figure: Figure, values: Sequence[float], results: Results) -> Sequence[str]:
    """One line."""
    middle = median(values)
    return (
        figure.what,
        key.on,
        number(middle),
        number(spread(values)) if len(values) > 1 else "",
        figure.unit,
        _limit(figure, figure.floor, middle, key, results),
        _limit(figure, figure.goal, middle, key, results),
        ", ".join(_beside(figure, middle, key, results)),
    )


def mark(value: float, limit: float, *, more_is_better: bool) -> str:
    """Whether a limit is reached."""
    return REACHED if (value >= limit if more_is_better else value <= limit) else MISSED


def number(value: float) -> str:
    """With as many digits as a reader can use."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def title(name: str) -> str:
    """What a figure is, also where it does not stand beside another one."""
    others = [figure.what for figure in FIGURES.values() if name in figure.beside]
    return f"{FIGURES[name].what}: {others[0].rpartition(': ')[2]}" if others else FIGURES[name].what


def print_changes(console: Console, before: Results, now: Results) -> None:
    """What is better and what is worse than before, beyond the noise."""
    found = sorted(changes(before, now), key=lambda change: list(Verdict).index(change.verdict))
    changed = [change for change in found if change.verdict is not Verdict.SAME]
    if changed:
        console.print(_table_of_changes(before, changed))
    same = len(found) - len(changed)
    console.print(f"{len(changed)} of {len(found)} figures changed beyond the noise; {same} did not.", markup=False)
    if len(found) and before.about.get("machine") != now.about.get("machine"):
        console.print("The two are not of the same machine, Python and kernel: compare with care.", markup=False)


def _table_of_changes(before: Results, changed: Iterable[Change]) -> Table:
    against = f"Against {before.about.get('commit', 'before')} of {before.about.get('at', 'some time')}"
    table = Table(title=against, title_justify="left", caption=CHANGES, caption_justify="left")
    for heading in ("What", "On", "Before", "Now", "Unit", "Difference", "Noise", ""):
        table.add_column(heading, justify="left" if heading in {"What", "On", "Unit", ""} else "right")
    for each in changed:
        figure = FIGURES[each.key.name]
        difference = f"{each.difference:+.0%}{' of its baseline' if each.paired else ''}"
        noise = f"{each.noise:.0%}"
        values = (number(each.before), number(each.now), figure.unit, difference, noise, each.verdict.value)
        table.add_row(title(each.key.name), each.key.on, *values)
    return table


def _limit(figure: Figure, bound: Bound | None, value: float, key: Key, results: Results) -> str:
    if bound is None:
        return ""
    limit = results.limit(bound, key.on)
    if limit is None:
        return f"{bound.limit:g} x {FIGURES[bound.of or ''].what} {UNKNOWN}"
    sign = "≥" if figure.more_is_better else "≤"
    return f"{sign} {number(limit)} {mark(value, limit, more_is_better=figure.more_is_better)}"


def _beside(figure: Figure, value: float, key: Key, results: Results) -> Iterator[str]:
    for name in figure.beside:
        if baselines := results.baseline(name, key.on):
            middle = median(baselines)
            yield f"{FIGURES[name].what} {number(middle)} ({value / middle:.2f}x)" if middle else FIGURES[name].what


def _title(results: Results) -> str:
    about, runs = results.about, max((len(values) for values in results.values.values()), default=0)
    described = ", ".join(filter(None, [about.get("commit"), about.get("machine", {}).get("processors")]))
    return f"One server and its clients on one machine: {described}; {runs} run{'s' if runs != 1 else ''}"


CAPTION = (
    f"{REACHED} reached, {MISSED} not reached, {UNKNOWN} its baseline is missing. ±: half of the runs' distance. "
    "With what shall be small, limits are upper ones."
)
CHANGES = (
    "Noise: what the runs of both sides differ among themselves, 5 % at least; 25 % where one side has a single run. "
    "“Of its baseline”: compared is the relation to the baseline of the same run."
)
