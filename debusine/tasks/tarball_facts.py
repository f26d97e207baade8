"""What an image's tarball holds, read by tar in the sandbox: this process sees nothing but text."""

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from debusine.plugin import DebusineError, TaskContext

STATUS = "./var/lib/dpkg/status"
OS_RELEASE = ("./usr/lib/os-release", "./etc/os-release")
INIT = {"./sbin/init", "./usr/sbin/init", "./lib/systemd/systemd", "./usr/lib/systemd/systemd"}

#: Suites that are names of a place, not of a release.
MOVING_SUITES = frozenset({"stable", "oldstable", "oldoldstable", "testing"})

FIELD = re.compile(r"^(Package|Status|Version|Architecture): (.*)$", re.MULTILINE)
SETTING = re.compile(r"^(\w+)=[\"']?(.*?)[\"']?$", re.MULTILINE)


class UnreadableTarball(DebusineError):
    """A tarball that was just made cannot be read."""

    def __init__(self, tarball: Path) -> None:
        super().__init__(f"{tarball.name} cannot be read", detail="see tarball.log")


@frozen(kw_only=True)
class TarballFacts:
    """What is in an image."""

    #: Package → version, of those that are installed.
    pkglist: dict[str, str]
    vendor: str
    codename: str
    with_dev: bool
    with_init: bool

    @classmethod
    async def read(cls, context: TaskContext, tarball: Path, *, suite: str) -> "TarballFacts":
        """Look into a tarball, which is not compressed, and was made from a suite."""
        names = set((await _tar(context, tarball, "--list")).read_text(errors="replace").splitlines())
        status = await _content(context, tarball, STATUS) if STATUS in names else ""
        release = next((name for name in OS_RELEASE if name in names), None)
        settings = dict(SETTING.findall(await _content(context, tarball, release) if release else ""))
        return cls(
            pkglist=dict(sorted(installed_packages(status))),
            vendor=settings.get("ID", "debian"),
            codename=codename_of(suite, settings.get("VERSION_CODENAME")),
            with_dev="./dev/null" in names,
            with_init=bool(INIT & names),
        )


def installed_packages(status: str) -> Iterator[tuple[str, str]]:
    """Names and versions of the installed packages by dpkg's own list; those of a foreign architecture say so."""
    native: str | None = None
    for paragraph in status.split("\n\n"):
        fields = dict(FIELD.findall(paragraph))
        if not fields.get("Status", "").endswith(" installed"):
            continue
        name, architecture = fields["Package"], fields.get("Architecture", "all")
        native = architecture if name == "dpkg" else native
        yield (name if architecture in {native or architecture, "all"} else f"{name}:{architecture}"), fields["Version"]


def codename_of(suite: str, version_codename: str | None) -> str:
    """The release's name; unstable and testing name the same one in their own os-release, so the suite goes first."""
    if suite == "unstable":
        return "sid"
    if suite.endswith("/") or suite in MOVING_SUITES:
        return version_codename or suite.strip("./") or "unknown"
    return suite


async def _content(context: TaskContext, tarball: Path, member: str) -> str:
    return (await _tar(context, tarball, "--extract", "--to-stdout", "--", member)).read_text(errors="replace")


async def _tar(context: TaskContext, tarball: Path, *options: str) -> Path:
    output = context.directory / "tar.out"
    argv = ["tar", "--file", str(tarball), *options]
    if (await context.run(argv, log="tarball.log", stdout=output, sandbox=True)).returncode:
        raise UnreadableTarball(tarball)
    return output
