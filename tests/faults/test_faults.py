"""A short run of ``make faults``, and of what tells it what a disk holds after a power cut."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from debusine.testing import Sources
from tests.disk import Disk, Flush, Mark, Write
from tests.faults.cuts import cuts_at_marks, cuts_by_chance
from tests.faults.kills import Killer
from tests.faults.power import cut_power, looked_at, written
from tests.faults.subjects import SUBJECTS
from tests.mounts import CannotMount, Mounts, private_mounts


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Mounts]:
    try:
        with private_mounts(tmp_path) as found:
            yield found
    except CannotMount as error:
        pytest.skip(str(error))


@pytest.fixture
def traced(tmp_path: Path) -> Path:
    """A directory whose stores may be traced and killed."""
    if os.geteuid() != 0 or shutil.which("strace") is None:
        pytest.skip("nobody can be traced: not root, or no strace (scripts/prepare faults)")
    return tmp_path


def disk_of(*events: Write | Flush | Mark) -> Disk:
    disk = Disk(bytes(4 * 4096))
    disk.events.extend(events)
    return disk


def block(number: int) -> Write:
    return Write(number * 4096, bytes([number]) * 4096)


class TestPowerCuts:
    def test_only_what_was_flushed_is_there_for_sure(self) -> None:
        disk = disk_of(block(1), Flush(), block(2), Mark("first"), Flush(), Mark("second"))

        first, second = cuts_at_marks(disk)

        assert (first.marks, second.marks) == (("first",), ("first", "second"))
        assert [first.content[number * 4096] for number in range(4)] == [0, 1, 0, 0]
        assert [second.content[number * 4096] for number in range(4)] == [0, 1, 2, 0]

    def test_what_was_not_flushed_may_be_there_in_any_part(self) -> None:
        disk = disk_of(Mark("first"), block(1), block(2), Write(3 * 4096, b"\3" * 4096), Mark("last"))

        seen = {bytes(cut.content[::4096]) for cut in cuts_by_chance(disk, 200, Random(1))}

        assert seen >= {bytes([0, 0, 0, 0]), bytes([0, 1, 2, 3]), bytes([0, 0, 2, 0]), bytes([0, 1, 0, 3])}

    def test_nothing_acknowledged_is_lost(self, mounts: Mounts) -> None:
        outcome = next(cut_power(SUBJECTS["store"], mounts, number=3, cuts=3, seed=1))

        assert outcome.as_it_should_be, str(outcome)

    def test_a_sync_that_is_left_out_is_seen(self, mounts: Mounts) -> None:
        disk = written(SUBJECTS["store"], mounts, "names", 3)

        outcome = looked_at(SUBJECTS["store"], mounts, cuts_at_marks(disk), "names", planted=True)

        assert outcome.as_it_should_be, str(outcome)


class TestKills:
    @pytest.mark.parametrize(("bug", "partial"), [("", False), ("hasty", True)])
    def test_a_store_that_is_killed_before_it_syncs_leaves_nothing_partial(
        self, traced: Path, bug: str, partial: bool
    ) -> None:
        (traced / "uploads").mkdir()
        killer = Killer(traced / "store", Sources(traced / "uploads"), "content", bug=bug)

        counts = killer.kill_at({"write"})

        assert counts.kills.total() == 2
        assert bool(counts.partial) is partial
        assert (counts.lost, counts.stuck, counts.failed) == (0, 0, 0)
