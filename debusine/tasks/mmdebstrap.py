"""The task that makes an environment: a Debian system in a tarball."""

import hashlib
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from debusine.plugin import DebusineError, Demand, Lookups, Result, Task, TaskContext, TaskFailure, in_thread
from debusine.tasks import executors
from debusine.tasks.bootstrap_data import BootstrapData, Keyring
from debusine.tasks.bootstrap_sources import Sources, collect_trusted_keys, with_fitting_name
from debusine.tasks.tarball_facts import TarballFacts

#: It fetches as apt does: with the machine's proxies and certificates.
DOWNLOAD = ("/usr/lib/apt/apt-helper", "download-file")

#: Measured on 445 MB: 20 s for 127 MB; better compression takes many times as long and saves little.
COMPRESS = ("xz", "-1", "-T0", "--keep", "--")

FILENAME = "system.tar.xz"

#: A line of shell to mmdebstrap, which gives it the new system's directory: its users shall have safe disks again.
FORGET_DPKG_OPTIONS = 'rm "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap"'


class KeyringMissing(DebusineError):
    """A keyring cannot be fetched."""

    def __init__(self, url: str) -> None:
        super().__init__(f"The keyring {url} cannot be fetched", detail="see keyring.log")


class WrongKeyring(TaskFailure):
    """A keyring is not the one that was asked for."""

    def __init__(self, url: str, found: str) -> None:
        super().__init__(f"The keyring {url} has another SHA-256", detail=found)


class CannotCompress(DebusineError):
    """The tarball cannot be compressed."""

    def __init__(self, status: int) -> None:
        super().__init__(f"xz ended with {status}", detail="see compress.log; is the disk full?")


class Mmdebstrap(Task[BootstrapData]):
    """Makes a tarball of a Debian system with mmdebstrap, in a user namespace."""

    name = "mmdebstrap"
    Data = BootstrapData

    @classmethod
    def demand(cls, data: BootstrapData) -> Demand:
        """mmdebstrap, and the architecture of the new system."""
        return Demand(
            task_name=cls.name,
            version=cls.version,
            architecture=data.bootstrap_options.architecture,
            requires=("mmdebstrap:available",),
        )

    @classmethod
    def resolve(cls, data: BootstrapData, lookups: Lookups) -> dict[str, Any]:
        """Nothing to look up."""
        data.check_configuration()
        return data.labels

    @classmethod
    def metadata(cls) -> dict[str, Any]:
        """Whether mmdebstrap is here."""
        return {**super().metadata(), "mmdebstrap:available": not cls.problems(), **executors.metadata()}

    @classmethod
    def problems(cls) -> Sequence[str]:
        """What is missing for making environments in a user namespace."""
        missing = executors.missing_programs({"mmdebstrap": "mmdebstrap", "xz": "xz-utils"})
        return [*missing, *executors.unshare_problems(), *executors.sandbox_problems()]

    async def run(self, context: TaskContext) -> Result:
        """Make the system, look into it, compress it, keep it."""
        tarball = context.directory / "system.tar"
        sources = Sources(data=self.data, keyrings=await self._fetch_keyrings(context))
        argv = await in_thread(self._argv, context.directory, sources, tarball)
        done = await context.run(argv, log="mmdebstrap.log", env={"TMPDIR": str(context.directory)})
        if done.returncode:
            context.tell(f"mmdebstrap ended with {done.returncode}")
            return Result.ERROR
        suite = self.data.bootstrap_repositories[0].suite
        facts = await TarballFacts.read(context, tarball, suite=suite)
        compressed = await context.run([*COMPRESS, str(tarball)], log="compress.log")
        if compressed.returncode:
            raise CannotCompress(compressed.returncode)
        files = {FILENAME: context.directory / FILENAME}
        await context.upload("debian:system-tarball", data=self._artifact_data(facts), files=files)
        await context.keep_cached(files[FILENAME], tarball)
        return Result.SUCCESS

    def _artifact_data(self, facts: TarballFacts) -> dict[str, Any]:
        first = self.data.bootstrap_repositories[0]
        return {
            "filename": FILENAME,
            "vendor": facts.vendor,
            "codename": facts.codename,
            "mirror": first.mirror,
            "components": list(first.effective_components),
            "variant": self.data.bootstrap_options.variant,
            "pkglist": facts.pkglist,
            "architecture": self.data.bootstrap_options.architecture,
            "with_dev": facts.with_dev,
            "with_init": facts.with_init,
        }

    def _argv(self, directory: Path, sources: Sources, tarball: Path) -> list[str]:
        options = self.data.bootstrap_options
        argv = ["mmdebstrap", "--mode=unshare", "--format=tar", f"--architectures={options.architecture}"]
        if options.variant is not None:
            argv.append(f"--variant={options.variant}")
        argv += [f"--include={','.join(packages)}" for packages in [self._packages()] if packages]
        argv.append("--dpkgopt=force-unsafe-io")  # a power cut ends the run anyway, and syncing takes long
        argv.append(f"--keyring={collect_trusted_keys(directory / 'trusted')}")
        argv += self._hooks(directory, sources)
        return [*argv, self.data.bootstrap_repositories[0].suite, str(tarball), str(sources.write(directory))]

    def _packages(self) -> list[str]:
        keyrings = [repository.keyring_package for repository in self.data.bootstrap_repositories]
        return [*self.data.bootstrap_options.extra_packages, *(name for name in keyrings if name is not None)]

    def _hooks(self, directory: Path, sources: Sources) -> list[str]:
        hooks = [FORGET_DPKG_OPTIONS]
        if self.data.customization_script is not None:
            hooks.append(str(_write_script(directory / "customize", self.data.customization_script)))
        overlay = sources.write_overlay(directory / "overlay")
        # One of mmdebstrap's own commands; it takes the line apart as a shell would.
        hooks.append(f"sync-in {shlex.quote(str(overlay))} /")
        return [f"--customize-hook={hook}" for hook in hooks]

    async def _fetch_keyrings(self, context: TaskContext) -> dict[int, Path]:
        repositories = enumerate(self.data.bootstrap_repositories)
        return {
            number: await self._fetch_keyring(context, repository.keyring, context.directory / f"keyring-{number}")
            for number, repository in repositories
            if repository.keyring is not None
        }

    async def _fetch_keyring(self, context: TaskContext, keyring: Keyring, path: Path) -> Path:
        if (await context.run([*DOWNLOAD, keyring.url, str(path)], log="keyring.log")).returncode:
            raise KeyringMissing(keyring.url)
        return await in_thread(_checked, keyring, path)


def _checked(keyring: Keyring, path: Path) -> Path:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if keyring.sha256sum and found != keyring.sha256sum.lower():
        raise WrongKeyring(keyring.url, found)
    return with_fitting_name(path)


def _write_script(path: Path, text: str) -> Path:
    path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}")
    os.chmod(path, 0o755)  # noqa: PTH101, S103 - run by the new system's root, who is another user outside
    return path
