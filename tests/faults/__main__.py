"""``python -m tests.faults``: kills and power cuts; exits with 1 when something was lost, or a planted bug not seen."""

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from tests.faults.kills import kill_stores
from tests.faults.outcomes import Outcome
from tests.faults.power import cut_power
from tests.faults.subjects import SUBJECTS
from tests.mounts import CannotMount, Mounts, private_mounts
from tests.places import place

PARTS = ("kills", *SUBJECTS)
PROGRAMS = ("strace", "mkfs.ext4", "mount", "nsenter", "unshare")


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--number", default=60, help="Things that are written and acknowledged.")
@click.option("--cuts", default=240, help="Power cuts at any moments, beside one after each acknowledgement.")
@click.option("--seed", default=1, help="Of these moments, and of what a disk saves of what it was not told to keep.")
def main(parts: tuple[str, ...], number: int, cuts: int, seed: int) -> None:
    """Kill a file store before each of its system calls, and cut the power of disks that are written.

    PARTS: kills of the store; power cuts of the store, of the spool of uploads, of the database. Without: all.
    """
    if missing := what_is_missing():
        sys.exit(f"make faults {missing}")
    try:
        # Not in memory as the mounts are: what is copied comes from another file system.
        with place("faults", parent=Path("/var/tmp")) as directory, private_mounts(directory) as mounts:
            right = [_tell(part, mounts, number, cuts, seed) for part in parts or PARTS]
    except CannotMount as error:
        sys.exit(f"make faults cannot mount what it needs (loop devices, FUSE): {error}")
    sys.exit(0 if all(right) else 1)


def what_is_missing() -> str | None:
    """What this machine or this user lacks, in the words after the command's name."""
    if os.geteuid() != 0:
        return "mounts file systems and needs to be run by root"
    for program in PROGRAMS:
        if shutil.which(program) is None:
            return f"needs {program}; run: scripts/prepare faults"
    for device in ("/dev/loop-control", "/dev/fuse"):
        if not Path(device).exists():
            return f"needs {device}, which this machine does not have (a container without devices?)"
    return None


def _tell(part: str, mounts: Mounts, number: int, cuts: int, seed: int) -> bool:
    if part == "kills":
        click.echo("kill -9 before every system call of a store")
        outcomes: Iterable[Outcome] = kill_stores(_on_a_disk(mounts), mounts.directory())
    else:
        click.echo(f"power cuts: {part}")
        outcomes = cut_power(SUBJECTS[part], mounts, number, cuts, seed)
    told = [_told(outcome) for outcome in outcomes]
    return all(told)


def _told(outcome: Outcome) -> bool:
    click.echo(str(outcome))
    return outcome.as_it_should_be


def _on_a_disk(mounts: Mounts) -> Path:
    return mounts.ext4(256 << 20)


main()
