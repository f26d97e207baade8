"""Pictures of what was measured: drawn from whatever there is."""

import sys
from pathlib import Path

import pytest

from benchmarks.figures import BACKLOGS, BESIDE_ROWS
from benchmarks.memory_meter import Curve
from benchmarks.plots import NoMatplotlib, check_plotting, plot
from benchmarks.results import POSTGRESQL, SQLITE, Key, Results

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def matplotlib() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed; pip install -e '.[bench]' does it")


@pytest.mark.usefixtures("matplotlib")
@pytest.mark.parametrize("databases", [[SQLITE, POSTGRESQL], [SQLITE], []])
def test_there_are_three_pictures_however_much_was_measured(databases: list[str], tmp_path: Path) -> None:
    results = Results()
    for on in databases:
        results.values |= {Key(f"dispatch-{waiting}", on): [1.0, 1.2] for waiting in BACKLOGS}
        results.values |= {Key(f"{name}-{kind}", on): [2.0] for name in BESIDE_ROWS for kind in ("empty", "full")}
        results.draw("memory", on, Curve(points=[(0.0, 80.0), (1.0, 95.0)], marks=[(0.5, "it begins")]))

    drawn = plot(results, tmp_path / "new" / "pictures")

    assert len(drawn) == 3
    assert [path.read_bytes()[:8] for path in drawn] == [PNG] * 3


def test_without_the_library_one_hears_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(NoMatplotlib, match=r"pip install -c constraints\.txt -e '\.\[bench\]'"):
        check_plotting()
