"""Pictures: what a dispatch and a list cost before ever more work, and the memory over time."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import BACKLOGS, BESIDE_ROWS
from benchmarks.medians import median
from benchmarks.results import POSTGRESQL, SQLITE, Key, Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Blue and orange: told apart by everybody, and on grey paper.
COLOURS = {SQLITE: "#0b6fb8", POSTGRESQL: "#d9730d"}
LIMIT = 150.0
LABELS = {"memory": "many at once", "large": "one file of 1 GiB, up and down"}


class NoMatplotlib(Exception):
    """Nothing can be drawn without the library."""

    def __init__(self) -> None:
        super().__init__(
            "--plot needs matplotlib, which is not installed; install it with: "
            ".venv/bin/pip install -c constraints.txt -e '.[bench]'"
        )


def check_plotting() -> None:
    """Raise `NoMatplotlib` before minutes are spent on measuring."""
    try:
        import matplotlib
    except ImportError as error:
        raise NoMatplotlib from error
    matplotlib.use("agg")


def plot(results: Results, directory: Path) -> list[Path]:
    """Draw what the results have; returns the files."""
    check_plotting()
    directory.mkdir(parents=True, exist_ok=True)
    return [
        _saved(_backlog(results), directory / "dispatch-and-backlog.png"),
        _saved(_rows(results), directory / "a-million-rows.png"),
        _saved(_memory(results), directory / "memory-over-time.png"),
    ]


def _backlog(results: Results) -> "Figure":
    figure, axes = _picture("One dispatch before ever more that waits", "work requests that wait", "milliseconds")
    highest = 0.0
    for on, colour in COLOURS.items():
        runs = [results.values.get(Key(f"dispatch-{waiting}", on)) for waiting in BACKLOGS]
        found = [(waiting, values) for waiting, values in zip(BACKLOGS, runs, strict=True) if values]
        if found:
            middles = [median(values) for _, values in found]
            low = [middle - min(values) for middle, (_, values) in zip(middles, found, strict=True)]
            high = [max(values) - middle for middle, (_, values) in zip(middles, found, strict=True)]
            waiting = [number for number, _ in found]
            axes.errorbar(waiting, middles, yerr=[low, high], marker="o", capsize=3, color=colour, label=on)
            highest = max(highest, *middles)
    axes.set_xscale("log")
    axes.set_ylim(0, max(1.0, highest * 1.3))
    _legend(axes)
    return figure


def _rows(results: Results) -> "Figure":
    figure, axes = _picture("An empty farm and one with two million work requests", "", "milliseconds")
    places = {name: float(number) for number, name in enumerate(BESIDE_ROWS)}
    width = 0.2
    bars = [(on, kind) for on in COLOURS for kind in ("empty", "full")]
    for number, (on, kind) in enumerate(bars):
        found = {name: results.values.get(Key(f"{name}-{kind}", on)) for name in BESIDE_ROWS}
        heights = {name: median(values) for name, values in found.items() if values}
        if heights:
            at = [places[name] + (number - 1.5) * width for name in heights]
            alpha = 0.45 if kind == "empty" else 1.0
            axes.bar(at, list(heights.values()), width, color=COLOURS[on], alpha=alpha, label=f"{on}, {kind}")
    labels = [what.partition(": ")[2].replace(" of an ", "\nof an ") for what in BESIDE_ROWS.values()]
    axes.set_xticks(list(places.values()), labels)
    _legend(axes)
    return figure


def _memory(results: Results) -> "Figure":
    figure, axes = _picture("Resident memory of the server on SQLite", "seconds", "MB")
    for name, style in (("memory", "-"), ("large", "--")):
        if (curve := results.series.get(Key(name, SQLITE))) is not None:
            xs, ys = [x for x, _ in curve.points], [y for _, y in curve.points]
            axes.plot(xs, ys, style, color=COLOURS[SQLITE], label=LABELS[name])
            for place, what in curve.marks:
                axes.axvline(place, color="#bbbbbb", linewidth=1)
                axes.annotate(what, (place, 4), rotation=90, xytext=(3, 0), textcoords="offset points")
    axes.axhline(LIMIT, color="#b3261e", linewidth=1)
    words = f"{LIMIT:.0f} MB at most; with 500 workers 300"
    axes.text(0.01, LIMIT + 2, words, color="#b3261e", transform=axes.get_yaxis_transform())
    axes.set_ylim(bottom=0)
    _legend(axes)
    return figure


def _picture(title: str, x: str, y: str) -> "tuple[Figure, Axes]":
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5), layout="constrained")
    axes.set_title(title, loc="left")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(axis="y", color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend(axes: "Axes") -> None:
    handles: list[Any] = axes.get_legend_handles_labels()[0]
    if handles:
        axes.set_ylim(top=axes.get_ylim()[1] * 1.25)  # room for the legend
        axes.legend(frameon=False, loc="upper right")


def _saved(figure: "Figure", path: Path) -> Path:
    from matplotlib import pyplot

    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path
