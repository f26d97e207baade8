"""The command line and the configuration of one sbuild run."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from debusine.tasks.sbuild_data import BinNMU, SbuildData, SbuildDynamicData

#: In the chroot.
DPKG_SETTINGS = "/etc/dpkg/dpkg.cfg.d/debusine-build"


@frozen(kw_only=True)
class SbuildCommand:
    """All that one run of sbuild depends on; paths are absolute unless told."""

    data: SbuildData
    dynamic: SbuildDynamicData
    #: The environment's tarball, not compressed.
    image: Path
    codename: str
    #: Of the environment.
    build_architecture: str
    #: Relative to the directory in which sbuild runs, so that no log tells of the worker's directories.
    dsc: str
    #: Files with the keys of the extra repositories.
    keys: Sequence[Path] = ()
    extra_packages: Sequence[str] = ()

    @property
    def argv(self) -> list[str]:
        """The command."""
        return ["sbuild", *self._where(), *self._what(), *self._with(), *self._binnmu(), self.dsc]

    def _where(self) -> Iterator[str]:
        yield "--chroot-mode=unshare"
        yield f"--chroot={self.image}"
        yield f"--dist={self.codename}"
        yield f"--build={self.build_architecture}"
        yield f"--host={self.data.host_architecture}"
        # Everything goes to standard output, which is a file of the worker's: one copy of the log is enough.
        yield "--nolog"
        # The worker wipes the whole run's directory, after it has told the result.
        yield "--purge-session=never"
        # A power cut ends a build anyway; without this, installing what it needs waits for the disk again and again.
        yield f"--chroot-setup-commands=echo force-unsafe-io > {DPKG_SETTINGS}"

    def _what(self) -> Iterator[str]:
        components = set(self.data.build_components)
        yield "--arch-any" if "any" in components else "--no-arch-any"
        yield "--arch-all" if "all" in components else "--no-arch-all"
        yield "--source" if "source" in components else "--no-source"
        if self.data.build_profiles:
            yield f"--profiles={','.join(self.data.build_profiles)}"
        # These are tasks of their own.
        yield from ("--no-run-lintian", "--no-run-piuparts", "--no-run-autopkgtest")
        yield f"--jobs={os.cpu_count() or 1}"

    def _with(self) -> Iterator[str]:
        if self.data.build_dep_resolver:
            yield f"--build-dep-resolver={self.data.build_dep_resolver}"
        if self.data.aspcud_criteria:
            yield f"--aspcud-criteria={self.data.aspcud_criteria}"
        yield from (f"--extra-repository={repository.source_line}" for repository in self.data.extra_repositories or ())
        yield from (f"--extra-repository-key={key}" for key in self.keys)
        yield from (f"--extra-package={package}" for package in self.extra_packages)

    def _binnmu(self) -> Iterator[str]:
        binnmu = self.data.binnmu
        if binnmu is None:
            return
        yield f"--make-binNMU={binnmu.changelog}"
        yield f"--append-to-version={binnmu.suffix}"
        yield "--binNMU=0"  # the suffix is whole: no +bN after it
        if binnmu.timestamp is not None:
            yield f"--binNMU-timestamp={int(binnmu.timestamp.timestamp())}"
        yield f"--maintainer={_maintainer(binnmu, self.dynamic)}"


def configuration(chroots: Path) -> str:
    """The text of a configuration that keeps unpacked chroots in the run's directory, where they are wiped with it."""
    template = str(chroots / "chroot.XXXXXXXXXX").replace("\\", "\\\\").replace("'", "\\'")
    return f"$unshare_tmpdir_template = '{template}';\n1;\n"


def _maintainer(binnmu: BinNMU, dynamic: SbuildDynamicData) -> str:
    return binnmu.maintainer or dynamic.binnmu_maintainer or f"Debusine <noreply@{os.uname().nodename}>"


def build_log_name(source: str, version: str, architecture: str) -> str:
    """The log's name as sbuild gives it; an epoch is no part of a file's name."""
    return f"{source}_{version.partition(':')[2] or version}_{architecture}.build"
