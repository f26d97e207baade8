"""The results of some runs, and their form as JSON."""

import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
from attrs import define, field, frozen

from benchmarks.figures import FIGURES, Bound
from benchmarks.measured import Measured
from benchmarks.medians import median
from benchmarks.memory_meter import Curve

FORMAT = 1
SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"


class NotResults(Exception):
    """A file holds no results that this version can read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} holds no results of `make bench ARGS=--json`: {reason}")


@frozen
class Key:
    """Which figure, on which database."""

    name: str
    on: str


@define
class Results:
    """The values of every figure, one for each run, in the order of the runs."""

    values: dict[Key, list[float]] = field(factory=dict)
    #: The server's memory over time, by scenario and database.
    series: dict[Key, Curve] = field(factory=dict)
    #: Why something was not measured.
    missing: list[str] = field(factory=list)
    about: dict[str, Any] = field(factory=dict)

    def add(self, on: str, found: Iterable[Measured]) -> None:
        """Take in what one run of a scenario found; a name that is in no table is a mistake."""
        for measured in found:
            assert measured.name in FIGURES, f"{measured.name} is no figure of benchmarks/figures.py"
            self.values.setdefault(Key(measured.name, on), []).append(measured.value)

    def draw(self, scenario: str, on: str, curve: Curve) -> None:
        """Keep a curve; that of the last run stays."""
        self.series[Key(scenario, on)] = curve

    def miss(self, reason: str) -> None:
        """Remember, once, why something is not there."""
        if reason not in self.missing:
            self.missing.append(reason)

    def baseline(self, name: str, on: str) -> Sequence[float] | None:
        """The values of a baseline: on the same database, or on whichever it was measured."""
        found = self.values.get(Key(name, on))
        return found or next((values for key, values in self.values.items() if key.name == name), None)

    def limit(self, bound: Bound, on: str) -> float | None:
        """A limit as a number; None: its baseline was not measured."""
        if bound.of is None:
            return bound.limit
        found = self.baseline(bound.of, on)
        return bound.limit * median(found) if found else None


def to_json(results: Results) -> bytes:
    """Everything, for a later comparison and for programs."""
    figures = [
        {
            "name": key.name,
            "on": key.on,
            "what": FIGURES[key.name].what,
            "unit": FIGURES[key.name].unit,
            "values": values,
        }
        for key, values in results.values.items()
    ]
    series = [
        {"name": key.name, "on": key.on, "points": curve.points, "marks": curve.marks}
        for key, curve in results.series.items()
    ]
    whole = {"format": FORMAT, **results.about, "figures": figures, "series": series, "missing": results.missing}
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2)


def from_json(path: Path) -> Results:
    """What `to_json` wrote; figures that this version does not know are left out."""
    try:
        whole = orjson.loads(path.read_bytes())
        assert whole["format"] == FORMAT, "it is of another version"
        values = {Key(each["name"], each["on"]): each["values"] for each in whole["figures"] if each["name"] in FIGURES}
        series = {Key(each["name"], each["on"]): _curve(each) for each in whole["series"]}
        about = {name: whole[name] for name in ("at", "commit", "machine") if name in whole}
        return Results(values=values, series=series, missing=whole["missing"], about=about)
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise NotResults(path, str(error) or type(error).__name__) from error


def about_here() -> dict[str, Any]:
    """When, what and where: two files are comparable if they are of one machine."""
    described = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    machine = {
        "processors": _processors(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "aiohttp": version("aiohttp"),
    }
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": described.stdout.strip(),
        "machine": machine,
    }


def _curve(told: Any) -> Curve:
    return Curve(points=[(x, y) for x, y in told["points"]], marks=[(x, what) for x, what in told["marks"]])


def _processors() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()
