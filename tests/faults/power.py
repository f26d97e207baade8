"""Power cuts: everything that a disk was told is known, so it can be had as it would be after a cut at any moment."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from random import Random

from tests.disk import Disk, served
from tests.faults.cuts import Cut, cuts_at_marks, cuts_by_chance
from tests.faults.outcomes import Outcome, Tally
from tests.faults.subjects import Seen, Subject
from tests.mounts import CannotMount, Mounts, make_ext4

CHECKOUT = Path(__file__).parents[2]
SIZE = 64 << 20
#: A small journal; and nothing gets to the disk just because time goes by.
JOURNAL, PATIENT = ("-J", "size=4"), "commit=300"

BLOCK = 1 << 20
#: Things written with a bug: it is there every time.
ENOUGH = 24


def cut_power(subject: Subject, mounts: Mounts, number: int, cuts: int, seed: int) -> Iterator[Outcome]:
    """Write so many things; cut the power after each of them, and at so many other moments; then once for each bug."""
    disk = written(subject, mounts, "", number)
    moments = chain(cuts_at_marks(disk), cuts_by_chance(disk, cuts, Random(seed)))
    yield looked_at(subject, mounts, moments, f"{subject.name}, {number + cuts} cuts")
    for bug, what in subject.bugs.items():
        disk = written(subject, mounts, bug, min(number, ENOUGH))
        yield looked_at(subject, mounts, cuts_at_marks(disk), f"planted: {what}", planted=True)


def written(subject: Subject, mounts: Mounts, bug: str, number: int) -> Disk:
    """A disk to which everything was written, and in its story what was acknowledged when."""
    place, image = mounts.directory(), mounts.directory() / "image"
    make_ext4(image, SIZE, *JOURNAL)
    disk = Disk(image.read_bytes())
    with served(disk, mounts) as device:
        options = f"loop,{PATIENT},barrier={0 if bug == 'barrier' else 1}"
        mounts.mount(device, place, "-o", options)
        try:
            _write(subject, mounts, bug, number, place, image.parent, disk)
        finally:
            mounts.unmount(place)
    image.unlink()
    return disk


def looked_at(subject: Subject, mounts: Mounts, cuts: Iterator[Cut], name: str, *, planted: bool = False) -> Outcome:
    """What is found after these power cuts."""
    lost, acknowledged, named, wrong = set[str](), set[str](), 0, 0
    for cut in cuts:
        seen = _look(subject, mounts, cut)
        lost |= seen.lost
        acknowledged |= set(cut.marks)
        named += seen.named
        wrong += seen.wrong
    tallies = [Tally("lost", len(lost), len(acknowledged), "acknowledged")]
    if subject.named:
        tallies.append(Tally("wrong", wrong, named, subject.named))
    return Outcome(name, tuple(tallies), planted)


def _write(subject: Subject, mounts: Mounts, bug: str, number: int, place: Path, elsewhere: Path, disk: Disk) -> None:
    program = ["env", f"--chdir={CHECKOUT}", sys.executable, "-m", "tests.faults.writing"]
    arguments = [subject.name, bug, number, mounts.seen_inside(place), mounts.seen_inside(elsewhere)]
    with subprocess.Popen(
        mounts.entered(*program, *map(str, arguments)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as writing:
        assert writing.stdin is not None
        assert writing.stdout is not None
        for line in writing.stdout:
            disk.mark(line.rstrip("\n"))
            writing.stdin.write("\n")
    assert writing.returncode == 0, f"{subject.name} could not be written"


def _look(subject: Subject, mounts: Mounts, cut: Cut) -> Seen:
    place = mounts.directory()
    image = place.with_suffix(".image")
    _write_sparsely(image, cut.content)
    try:
        mounts.mount(mounts.seen_inside(image), place, "-o", "loop")
    except CannotMount:  # it is no file system any more
        return Seen(set(cut.marks))
    try:
        return asyncio.run(subject.look(place, cut.marks))
    finally:
        mounts.unmount(place)
        image.unlink()
        place.rmdir()


def _write_sparsely(path: Path, content: bytearray) -> None:
    """Memory is slow to get: most of a disk is empty."""
    with path.open("wb") as stream:
        stream.truncate(len(content))
        for start in range(0, len(content), BLOCK):
            block = content[start : start + BLOCK]
            if block.strip(b"\0"):
                stream.seek(start)
                stream.write(block)
