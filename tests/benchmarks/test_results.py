"""Results of runs: what is taken in, and what comes back from a file."""

from pathlib import Path

import orjson
import pytest

from benchmarks.figures import FIGURES
from benchmarks.measured import Measured
from benchmarks.memory_meter import Curve
from benchmarks.results import Key, NotResults, Results, from_json, to_json


def test_each_run_adds_a_value_to_its_figure() -> None:
    results = Results()
    for value in (5.0, 6.0):
        results.add("SQLite", [Measured("told", value)])

    assert results.values == {Key("told", "SQLite"): [5.0, 6.0]}


def test_a_figure_that_is_in_no_table_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="no figure"):
        Results().add("SQLite", [Measured("tolled", 1.0)])


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    results = Results(about={"commit": "abc", "at": "now", "machine": {"processors": "2 x Z"}})
    results.add("SQLite", [Measured("told", 5.0)])
    results.draw("memory", "SQLite", Curve(points=[(0.0, 80.0), (0.1, 90.0)], marks=[(0.1, "it begins")]))
    results.miss("no nginx")
    (tmp_path / "results.json").write_bytes(to_json(results))

    found = from_json(tmp_path / "results.json")

    assert (found.values, found.about, found.missing) == (results.values, results.about, results.missing)
    (curve,) = found.series.values()
    assert (curve.points, curve.marks) == ([(0.0, 80.0), (0.1, 90.0)], [(0.1, "it begins")])


def test_json_says_what_each_figure_is_and_in_which_unit() -> None:
    results = Results()
    results.add("SQLite", [Measured("told", 5.0)])

    (figure,) = orjson.loads(to_json(results))["figures"]

    assert figure == {"name": "told", "on": "SQLite", "what": FIGURES["told"].what, "unit": "ms", "values": [5.0]}


def test_figures_that_are_known_no_more_are_left_out(tmp_path: Path) -> None:
    old = {"format": 1, "series": [], "missing": [], "figures": [{"name": "gone", "on": "", "values": [1.0]}]}
    (tmp_path / "old.json").write_bytes(orjson.dumps(old))

    assert from_json(tmp_path / "old.json").values == {}


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"format": 99, "figures": []}', b'{"format": 1, "figures": [{}]}', b"[]"]
)
def test_another_file_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.json").write_bytes(content)

    with pytest.raises(NotResults, match=r"other\.json holds no results"):
        from_json(tmp_path / "other.json")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotResults, match=r"missing\.json"):
        from_json(tmp_path / "missing.json")


def test_limits_and_baselines_name_figures_that_there_are() -> None:
    bounds = [bound for figure in FIGURES.values() for bound in (figure.floor, figure.goal) if bound is not None]
    named = {bound.of for bound in bounds if bound.of is not None}
    beside = {name for figure in FIGURES.values() for name in figure.beside}

    assert (named | beside) <= set(FIGURES)
