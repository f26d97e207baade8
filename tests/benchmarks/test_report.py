"""The table that people read: limits, marks, and what stands beside a figure."""

import io

import pytest
from rich.console import Console

from benchmarks.figures import FIGURES
from benchmarks.report import WIDTH, mark, number, print_changes, print_figures, rows, title
from benchmarks.results import Key, Results


def row_of(name: str, values: dict[Key, list[float]]) -> list[str]:
    (found,) = (list(row) for row in rows(Results(values=values)) if row[0] == FIGURES[name].what)
    return found


def printed(print_it: object, *results: Results) -> str:
    console = Console(file=io.StringIO(), width=WIDTH)
    assert callable(print_it)
    print_it(console, *results)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_row_has_the_median_the_spread_and_both_limits() -> None:
    assert row_of("small", {Key("small", "SQLite"): [700.0, 720.0, 690.0]}) == [
        "small files, 8 at a time", "SQLite", "700", "15.0", "files/s", "≥ 600 ✓", "≥ 1,000 ✗", "",
    ]  # fmt: skip


def test_what_shall_be_small_has_upper_limits() -> None:
    assert row_of("told", {Key("told", "SQLite"): [5.25]})[2:7] == ["5.25", "", "ms", "≤ 10.0 ✓", "≤ 4.00 ✗"]


def test_a_limit_can_be_a_part_of_a_baseline_of_the_same_run() -> None:
    values = {Key("upload", "SQLite"): [300.0], Key("bare-upload", ""): [400.0]}

    found = row_of("upload", values)

    assert found[5:7] == ["≥ 280 ✓", "≥ 400 ✗"]
    assert found[7] == "bare aiohttp 400 (0.75x)"


def test_a_limit_whose_baseline_is_missing_is_neither_reached_nor_missed() -> None:
    assert row_of("download", {Key("download", "SQLite"): [3000.0]})[5:7] == ["1 x nginx ?", "2 x nginx ?"]


def test_a_baseline_of_the_same_database_goes_before_another_ones() -> None:
    values = {
        Key("create", "PostgreSQL"): [600.0],
        Key("inserts", "SQLite"): [1000.0],
        Key("inserts", "PostgreSQL"): [1200.0],
    }

    assert row_of("create", values)[7] == "database alone 1,200 (0.50x)"


def test_baselines_have_no_row_of_their_own_and_figures_stand_in_the_order_of_their_table() -> None:
    values = {Key("told", "SQLite"): [1.0], Key("bare-small", ""): [1.0], Key("start", "SQLite"): [1.0]}

    assert [row[0] for row in rows(Results(values=values))] == [FIGURES["start"].what, FIGURES["told"].what]


@pytest.mark.parametrize(
    ("value", "more", "marked"), [(10.0, True, "✓"), (10.0, False, "✓"), (9.0, True, "✗"), (9.0, False, "✓")]
)
def test_a_limit_itself_is_good_enough(value: float, more: bool, marked: str) -> None:
    assert mark(value, 10.0, more_is_better=more) == marked


@pytest.mark.parametrize(
    ("value", "text"), [(0.8, "0.80"), (12.34, "12.3"), (1234.5, "1,234"), (100.0, "100"), (0.0, "0.00")]
)
def test_numbers_have_as_many_digits_as_one_can_use(value: float, text: str) -> None:
    assert number(value) == text


def test_the_table_tells_the_machine_and_what_is_missing() -> None:
    results = Results(
        values={Key("told", "SQLite"): [1.0, 1.0]}, about={"commit": "abc", "machine": {"processors": "2 x Z"}}
    )
    results.miss("nginx was not measured")
    results.miss("nginx was not measured")

    text = printed(print_figures, results)

    assert "abc, 2 x Z; 2 runs" in text
    assert text.count("Missing: nginx was not measured") == 1


def test_changes_are_counted_and_only_what_changed_is_shown() -> None:
    before = Results(values={Key("told", "SQLite"): [9.0, 9.0], Key("start", "SQLite"): [1.0, 1.0]})
    now = Results(values={Key("told", "SQLite"): [4.0, 4.0], Key("start", "SQLite"): [1.0, 1.0]})

    text = printed(print_changes, before, now)

    assert "1 of 2 figures changed beyond the noise; 1 did not." in text
    assert FIGURES["told"].what in text
    assert "-56%" in text
    assert "better" in text
    assert FIGURES["start"].what not in text


def test_what_stands_beside_others_has_a_title_that_says_what_it_is() -> None:
    assert title("list-empty") == "empty farm: a list's first page"
    assert title("told") == FIGURES["told"].what


def test_two_machines_are_compared_with_a_warning() -> None:
    before = Results(values={Key("told", "SQLite"): [9.0]}, about={"machine": {"processors": "2 x A"}})
    now = Results(values={Key("told", "SQLite"): [9.0]}, about={"machine": {"processors": "8 x B"}})

    assert "compare with care" in printed(print_changes, before, now)
