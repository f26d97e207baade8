"""What can be measured: the scenarios by name, each on a farm of its own."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from attrs import frozen

from benchmarks.alone import bare_inserts, hashing
from benchmarks.bare import bare_json, bare_small_files, bare_transfers
from benchmarks.bare_s3 import bare_s3_transfers
from benchmarks.bare_work import bare_creation
from benchmarks.databases import Databases
from benchmarks.files import describe_artifacts, send_small_files, transfer_large_file
from benchmarks.flat import flat
from benchmarks.measured import Measured
from benchmarks.memory import crowds
from benchmarks.nginx import nginx_transfers
from benchmarks.s3_server import in_swift
from benchmarks.server import Server, start_and_rest
from benchmarks.stores import keep_on_disk, transfer_through_s3
from benchmarks.watching import watch_completions
from benchmarks.work import create_work_requests, do_work_requests

Measure = Callable[[Server], Awaitable[list[Measured]]]
MeasureFarms = Callable[[Path, Databases], Awaitable[list[Measured]]]
#: Has a directory, starts what a server needs besides, yields what the server is configured with, and stops it again.
Surroundings = Callable[[Path], AbstractContextManager[str]]


@contextmanager
def alone(_: Path) -> Iterator[str]:
    """Nothing, as a server is without configuration."""
    yield ""


@frozen(kw_only=True)
class Scenario:
    """Something that is measured against a fresh server."""

    measure: Measure
    #: What it is held against; measured before it unless this run has it already.
    baselines: tuple[Measure, ...] = ()
    #: Baselines that depend on the database.
    of_database: tuple[Measure, ...] = ()
    #: Whether its figures depend on the database, so that they are taken on PostgreSQL as well.
    on_both: bool = True
    #: What is started before its server.
    surroundings: Surroundings = alone


SCENARIOS: Mapping[str, Scenario] = {
    "start": Scenario(measure=start_and_rest),
    "large": Scenario(measure=transfer_large_file, baselines=(bare_transfers, nginx_transfers, hashing)),
    "small": Scenario(measure=send_small_files, baselines=(bare_small_files,)),
    "artifacts": Scenario(measure=describe_artifacts, baselines=(bare_json,)),
    "create": Scenario(measure=create_work_requests, baselines=(bare_creation,), of_database=(bare_inserts,)),
    "done": Scenario(measure=do_work_requests, of_database=(bare_inserts,)),
    "watching": Scenario(measure=watch_completions),
    "memory": Scenario(measure=crowds, on_both=False),
    "disk": Scenario(measure=keep_on_disk, on_both=False),
    "s3": Scenario(measure=transfer_through_s3, baselines=(bare_s3_transfers,), on_both=False, surroundings=in_swift),
}

#: What makes its farms itself.
FARMS: Mapping[str, MeasureFarms] = {"flat": flat}

POSTGRESQL_SUFFIX = "-postgresql"


def names() -> list[str]:
    """All names: plain for SQLite, with the suffix for PostgreSQL; in the order of the runs."""
    embedded = [*SCENARIOS, *FARMS]
    both = [name for name in embedded if name in FARMS or SCENARIOS[name].on_both]
    return [*embedded, *(name + POSTGRESQL_SUFFIX for name in both)]
