"""Which tests belong together, and which begin: a run is as long as what begins last, so that is short."""

import pytest

#: What starts programs takes long, in this order; of the others, the file with the most tests.
LONG = ("_builds.py", "/e2e/", "/cli/", "/worker/", "/fuzz/", "/wire/", "/foreign/")


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """What takes longest first; the order within a file stays."""
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(share(item.nodeid), []).append(item)
    longest_first = sorted(files.items(), key=lambda entry: (_rank(entry[1][0].nodeid), -len(entry[1]), entry[0]))
    return [item for _, found in longest_first for item in found]


def share(nodeid: str) -> str:
    """What runs in one process, one test after the other: a file, and all real builds together.

    The tests of a file share what is expensive to make: a server, a worker. Builds leave little of a machine.
    """
    path = nodeid.partition("::")[0]
    return "builds" if path.endswith("_builds.py") else path


def _rank(nodeid: str) -> int:
    path = nodeid.partition("::")[0]
    return next((rank for rank, part in enumerate(LONG) if part in path), len(LONG))
