"""What ``scripts/prepare`` finds out beside installing things."""

import subprocess
from pathlib import Path

import pytest

PREPARE = Path(__file__).parents[2] / "scripts/prepare"


@pytest.mark.parametrize(
    ("ranges", "free"),
    [
        (["", ""], "100000"),
        (["alice:1000:10\n", ""], "100000"),
        (["alice:100000:65536\nbob:165536:65536\n", "alice:100000:65536\n"], "231072"),
        (["alice:100000:65536\n", "alice:100000:65536\nbob:300000:1\n"], "300001"),
    ],
)
def test_subordinate_ids_are_offered_behind_all_that_are_taken(tmp_path: Path, ranges: list[str], free: str) -> None:
    for name, text in zip(("subuid", "subgid"), ranges, strict=True):
        (tmp_path / name).write_text(text)
    assert called("free_subordinate_id", tmp_path / "subuid", tmp_path / "subgid") == free


def test_subordinate_ids_are_offered_where_there_were_none_before(tmp_path: Path) -> None:
    assert called("free_subordinate_id", tmp_path / "not-there") == "100000"


def called(function: str, *arguments: Path) -> str:
    """What a function of the script prints."""
    definitions = PREPARE.read_text().removesuffix('main "$@"\n')
    command = ["sh", "-c", f'{definitions}\n{function} "$@"', str(PREPARE), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
