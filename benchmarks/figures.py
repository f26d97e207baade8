"""The figures: what each one is, how good it has to be at least, and what it is held against."""

from collections.abc import Mapping

from attrs import frozen


@frozen
class Bound:
    """A limit: a number, or so many times a baseline of the same run."""

    limit: float
    of: str | None = None


@frozen
class Figure:
    """One line of the table."""

    what: str
    unit: str
    #: At least, or with what shall be small: at most.
    floor: Bound | None = None
    goal: Bound | None = None
    #: The baselines that stand below it; the first one is what it is paired with in comparisons.
    beside: tuple[str, ...] = ()
    #: Whether it tells of the machine and not of the farm.
    of_machine: bool = False

    @property
    def more_is_better(self) -> bool:
        """Whether larger values are the better ones: those of rates are."""
        return self.unit.endswith("/s")


def at(limit: float) -> Bound:
    """A limit that is the same everywhere."""
    return Bound(limit)


def times(factor: float, baseline: str) -> Bound:
    """A limit that depends on what the machine can do."""
    return Bound(factor, baseline)


#: The backlogs before which a dispatch is measured.
BACKLOGS = (100, 1_000, 10_000, 100_000, 1_000_000)
#: What is measured on an empty farm and with very many rows behind it.
BESIDE_ROWS = {
    "list": "two million rows: a list's first page",
    "deep": "two million rows: a list's page in the middle",
    "get": "a million rows: the JSON of an artifact",
    "report": "two million rows: a worker's report of an end",
}


def _cost(of: str) -> Figure:
    return Figure(f"… processor time for {of}", "ms")


FIGURES: Mapping[str, Figure] = {
    "start": Figure("start to the first 200", "s", at(1.5), at(0.8)),
    "idle": Figure("resident when idle", "MB", at(120), at(90)),
    "processes": Figure("processes of the server", "", at(1), at(1)),
    "upload": Figure(
        "upload of 1 GiB in chunks, hashed and synced",
        "MiB/s",
        times(0.7, "bare-upload"),
        times(1, "bare-upload"),
        ("bare-upload", "nginx-upload", "sha256"),
    ),
    "upload-cost": _cost("a MiB of it"),
    "download": Figure(
        "download of 1 GiB",
        "MiB/s",
        times(1, "nginx-download"),
        times(2, "nginx-download"),
        ("nginx-download", "bare-download"),
    ),
    "download-cost": _cost("a MiB of it"),
    "first-byte": Figure("… its first byte", "ms", at(10)),
    "transfer-memory": Figure("resident at most during both", "MB", at(150), at(110)),
    "small": Figure("small files, 8 at a time", "files/s", at(600), at(1000), ("bare-small",)),
    "small-cost": _cost("each"),
    "artifact": Figure("artifact JSON with 100 files, 16 at a time", "/s", at(500), at(1500), ("bare-json",)),
    "artifact-cost": _cost("each"),
    "create": Figure("work requests created, 16 at a time", "/s", at(500), at(1000), ("bare-create", "inserts")),
    "create-cost": _cost("each"),
    "create-alone": Figure("… one at a time", "/s", beside=("inserts-alone",)),
    "done": Figure("created and done by 20 workers", "/s", at(250), at(400), ("inserts",)),
    "done-cost": _cost("each"),
    "told": Figure("created until a worker is told, idle, median", "ms", at(10), at(4)),
    "told-worst": Figure("… the slowest of 100", "ms"),
    "told-memory": Figure("resident after all this", "MB", at(150)),
    **{f"dispatch-{n}": Figure(f"one dispatch, {n:,} waiting", "ms") for n in BACKLOGS},
    "dispatch-flat": Figure("… the slowest against the fastest of these", "x", at(2), at(1.2)),
    **{f"{name}-empty": Figure("empty farm", "ms") for name in BESIDE_ROWS},
    **{
        f"{name}-full": Figure(what, "ms", times(1.5, f"{name}-empty"), beside=(f"{name}-empty",))
        for name, what in BESIDE_ROWS.items()
    },
    "start-full": Figure("start to the first 200, two million rows", "s", at(1.5)),
    "memory-up": Figure("resident at most, 16 uploads at once", "MB", at(150), at(110)),
    "memory-down": Figure("resident at most, 16 downloads at once", "MB", at(150), at(110)),
    "memory-archive": Figure("resident at most, a tar.gz of 10,000 files", "MB", at(150), at(110)),
    "archive": Figure("… its files", "files/s"),
    "memory-rounds": Figure("resident at most, 10 rounds of everything", "MB", at(150), at(110)),
    "memory-growth": Figure("… grown from rounds 3 to 5 until 8 to 10", "MB", at(5), at(1)),
    "memory-workers": Figure("resident at most, 500 idle workers", "MB", at(300), at(150)),
    "stall": Figure("longest stall of the loop during 16 uploads", "ms", at(50), at(20), ("idle-stall",)),
    "stalls": Figure("… looks at the clock that were late by more than 10 ms", "%"),
    "bytes-written": Figure("bytes written for each byte of a file that is kept on disk", "x", at(1.05)),
    "bytes-read": Figure("… bytes read, from socket and disk", "x", at(1.05)),
    "scrub": Figure("files on disk read again and hashed", "MiB/s", times(0.8, "hashlib"), beside=("hashlib",)),
    "scrub-cost": _cost("a MiB of it"),
    "s3-upload": Figure(
        "S3: upload of 1 GiB in chunks", "MiB/s", times(0.85, "bare-s3-upload"), beside=("bare-s3-upload",)
    ),
    "s3-upload-cost": _cost("a MiB of it"),
    "s3-download": Figure(
        "S3: download of 1 GiB", "MiB/s", times(0.85, "bare-s3-download"), beside=("bare-s3-download",)
    ),
    "s3-download-cost": _cost("a MiB of it"),
    "s3-memory": Figure("… resident at most during both, more than idle", "MB", at(120)),
    "s3-stall": Figure("S3: longest stall of the loop during 16 uploads", "ms", at(50), at(20), ("s3-idle-stall",)),
    "s3-stalls": Figure("… looks at the clock that were late by more than 10 ms", "%"),
    "s3-memory-up": Figure("… resident at most, more than idle", "MB", at(120)),
    "watcher": Figure("reported until a watcher is told, median", "ms"),
    "watchers": Figure("… until 1,000 watchers are told, median", "ms"),
    "watcher-memory": Figure("memory of one watcher at the server", "kB"),
    "missed": Figure("missed completions told", "/s"),
    "missed-memory": Figure("… resident at most meanwhile", "MB", at(150)),
    "bare-upload": Figure("bare aiohttp", "MiB/s", of_machine=True),
    "bare-download": Figure("bare aiohttp", "MiB/s", of_machine=True),
    "bare-small": Figure("bare aiohttp", "files/s", of_machine=True),
    "bare-json": Figure("bare aiohttp", "/s", of_machine=True),
    "bare-create": Figure("bare aiohttp, SQLite", "/s", of_machine=True),
    "inserts": Figure("database alone", "/s", of_machine=True),
    "inserts-alone": Figure("database alone", "/s", of_machine=True),
    "nginx-upload": Figure("nginx, unhashed", "MiB/s", of_machine=True),
    "nginx-download": Figure("nginx", "MiB/s", of_machine=True),
    "sha256": Figure("openssl sha256", "MiB/s", of_machine=True),
    "hashlib": Figure("hashlib's sha256", "MiB/s", of_machine=True),
    "idle-stall": Figure("idle loop", "ms", of_machine=True),
    "s3-idle-stall": Figure("idle loop", "ms", of_machine=True),
    "bare-s3-upload": Figure("bare boto3", "MiB/s", of_machine=True),
    "bare-s3-download": Figure("bare boto3", "MiB/s", of_machine=True),
}
