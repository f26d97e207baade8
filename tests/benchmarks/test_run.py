"""The command: what it takes, what it refuses, and what it does with results that are there already."""

import sys
from pathlib import Path
from typing import NoReturn

import orjson
import pytest

from benchmarks import s3_server, stores
from benchmarks.figures import FIGURES
from benchmarks.measured import Measured
from benchmarks.results import Results, to_json
from benchmarks.run import main
from benchmarks.server import MiB
from tests.s3.servers import CannotStartS3


def kept(path: Path, value: float) -> str:
    results = Results(about={"commit": "abc", "at": "some day"})
    for _ in range(3):
        results.add("SQLite", [Measured("told", value)])
    path.write_bytes(to_json(results))
    return str(path)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    main()


@pytest.mark.parametrize("arguments", [["nothing-like-it"], ["--runs", "0"], ["--runs", "many"]])
def test_what_cannot_be_done_is_refused_before_anything_is_measured(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as refused:
        run(monkeypatch, *arguments)

    assert refused.value.code == 2


def test_an_earlier_run_that_cannot_be_read_is_refused_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match=r"gone\.json holds no results"):
        run(monkeypatch, "--against", str(tmp_path / "gone.json"))


def test_kept_results_are_shown_and_compared_without_measuring(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = kept(tmp_path / "old.json", 9.0), kept(tmp_path / "new.json", 4.5)

    run(monkeypatch, "--from", new, "--against", old)

    said = capsys.readouterr().out
    assert FIGURES["told"].what in said
    assert "-50%" in said
    assert "1 of 1 figures changed" in said


def test_json_goes_to_standard_output_alone_and_the_table_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "--from", kept(tmp_path / "new.json", 4.5), "--json")

    said = capsys.readouterr()
    assert orjson.loads(said.out)["figures"][0]["values"] == [4.5] * 3
    assert FIGURES["told"].what in said.err


def test_json_goes_to_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run(monkeypatch, "--from", kept(tmp_path / "new.json", 4.5), "--json", str(tmp_path / "copy.json"))

    assert orjson.loads((tmp_path / "copy.json").read_bytes())["figures"][0]["name"] == "told"


def test_what_a_scenario_needs_and_this_machine_lacks_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_swift() -> NoReturn:
        raise CannotStartS3("swift is not installed; scripts/prepare s3 does it")

    monkeypatch.setattr(s3_server, "running_swift", no_swift)

    run(monkeypatch, "s3", "--json")

    results = orjson.loads(capsys.readouterr().out)
    assert results["figures"] == []
    assert results["missing"] == ["S3 was not measured: swift is not installed; scripts/prepare s3 does it"]


@pytest.mark.e2e
def test_a_scenario_measures_a_real_server(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "start", "--json")

    found = {each["name"]: each["values"] for each in orjson.loads(capsys.readouterr().out)["figures"]}
    assert found["processes"] == [1]
    assert 10 < found["idle"][0] < 1000
    assert found["start"][0] > 0


@pytest.mark.e2e
def test_what_is_written_for_a_file_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stores, "SIZE", MiB)

    run(monkeypatch, "disk", "--json")

    found = {each["name"]: each["values"] for each in orjson.loads(capsys.readouterr().out)["figures"]}
    assert found["bytes-written"][0] == pytest.approx(1, abs=0.05)
    assert found["scrub"][0] > 0
