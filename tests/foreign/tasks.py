"""What the foreign worker can do: two tasks in earnest, the others in pretence."""

import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import Factory, define

from tests.foreign.packages import BINARIES, binary_package, binary_packages, fields, output, upload
from tests.foreign.reading import Json
from tests.foreign.transport import Transport, describe

#: Files and artifacts that a task fetches are named like this in its dynamic data.
IDS = ("_id", "_ids")


class Failed(Exception):
    """A stage of a task did not do what it should; its message goes to a log."""


@define
class Run:
    """One run of a task: where it is, what it was told, what it fetched and made."""

    transport: Transport
    work: Json
    directory: Path
    home: Path
    fetched: list[int] = Factory(list)
    logs: dict[str, str] = Factory(dict)

    @property
    def data(self) -> Json:
        return dict(self.work["task_data"])

    @property
    def dynamic(self) -> Json:
        return dict(self.work["dynamic_task_data"])

    def fetch(self, artifact: int, directory: Path) -> Json:
        """Download an input, and remember it for the debug logs' relations."""
        description = self.transport.artifact(artifact)
        directory.mkdir(parents=True, exist_ok=True)
        self.transport.download(artifact, directory)
        self.fetched.append(artifact)
        return description

    def image(self, artifact: int) -> tuple[Path, Json]:
        """An environment, kept below the home by its id alone."""
        description = self.transport.artifact(artifact)
        kept = self.home / "system-images" / str(artifact)
        if not kept.exists():
            kept.mkdir(parents=True)
            self.transport.fetch(artifact, description["data"]["filename"], kept / "image.tar.xz")
            self.run(["xz", "-dk", "image.tar.xz"], "unpack.log", cwd=kept)
        self.fetched.append(artifact)
        return kept / "image.tar", description

    def run(self, command: list[str], log: str, cwd: Path | None = None, **environment: str) -> int:
        """Run a program, and keep its words."""
        usual = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.home), "LC_ALL": "C.UTF-8"}
        with (self.directory / log).open("w") as written:
            status = subprocess.run(
                command, cwd=cwd or self.directory, stdin=subprocess.DEVNULL, stdout=written, stderr=written,
                env=usual | environment,
            ).returncode  # fmt: skip
        self.logs[log] = (self.directory / log).read_text(errors="replace")
        return status

    def make(self, category: str, content: tuple[Json, Mapping[str, Path]]) -> int:
        """Upload an artifact of this work request."""
        data, files = content
        value = {
            "category": category,
            "workspace": self.work["workspace"],
            "files": {name: describe(path) for name, path in files.items()},
            "data": data,
            "work_request": self.work["id"],
            "expire_at": None,
        }
        return int(self.transport.create_artifact(value, files)["id"])


def noop(run: Run) -> bool:
    """Do nothing, well or badly."""
    return bool(run.data.get("result", True))


def wait(run: Run) -> bool:
    """A no-op that goes on until somebody says that it may end; the file is in the home."""
    (run.home / f"waiting-{run.work['id']}").touch()
    while not (run.home / "go-on").exists():
        time.sleep(0.02)
    return noop(run)


def pretend(run: Run) -> bool:
    """Fetch every input, look at none, and keep an invented log."""
    for key, value in run.dynamic.items():
        if key.endswith(IDS) and value is not None:
            for number in _numbers(value):
                run.fetch(number, run.directory / "inputs" / key / str(number))
    run.logs["cmd-output.log"] = f"{run.work['task_name']}: PASS: All tests.\n"
    return True


def mmdebstrap(run: Run) -> bool:
    """Make an environment with the machine's mmdebstrap."""
    options, (first, *_) = run.data["bootstrap_options"], run.data["bootstrap_repositories"]
    sources = run.directory / "host.sources"
    components = " ".join(first.get("components") or ["main"])
    sources.write_text(f"Types: deb\nURIs: {first['mirror']}\nSuites: {first['suite']}\nComponents: {components}\n")
    command = [
        "mmdebstrap", "--mode=unshare", "--format=tar", f"--variant={options.get('variant') or 'debootstrap'}",
        f"--architectures={options['architecture']}", "--dpkgopt=force-unsafe-io", "--skip=cleanup/tmp",
        *(f"--include={package}" for package in options.get("extra_packages", [])),
        first["suite"], "system.tar", str(sources),
    ]  # fmt: skip
    if run.run(command, "mmdebstrap.log", TMPDIR=str(run.directory)):
        raise Failed(run.logs["mmdebstrap.log"][-2000:])
    if run.run(["xz", "-1", "-T0", "--keep", "system.tar"], "xz.log"):
        raise Failed(run.logs["xz.log"])
    data = {
        "filename": "system.tar.xz", "vendor": "debian", "codename": first["suite"], "mirror": first["mirror"],
        "components": first.get("components") or ["main"], "variant": options.get("variant"), "pkglist": {"dpkg": "?"},
        "architecture": options["architecture"], "with_dev": True, "with_init": False,
    }  # fmt: skip
    run.make("debian:system-tarball", (data, {"system.tar.xz": run.directory / "system.tar.xz"}))
    return True


def sbuild(run: Run) -> bool:
    """Build a source package with the machine's sbuild, and keep what was built with all its relations."""
    source_id = run.dynamic["input_source_artifact_id"]
    source = run.fetch(source_id, run.directory / "source")
    image, environment = run.image(run.dynamic["environment_id"])
    build = run.directory / "build"
    build.mkdir()
    configuration = run.directory / "sbuild.conf"
    configuration.write_text(
        f"$unshare_tmpdir_template = '{run.directory}/chroot.XXXXXXXXXX';\n$run_lintian = 0;\n1;\n"
    )
    (dsc,) = (run.directory / "source").glob("*.dsc")
    architecture = run.data["host_architecture"]
    command = [
        "sbuild", "--chroot-mode=unshare", f"--chroot={image}", f"--dist={environment['data']['codename']}",
        f"--host={architecture}", "--arch-any", "--arch-all", "--no-source", "--no-run-lintian", "--verbose", str(dsc),
    ]  # fmt: skip
    run.run(command, "sbuild.log", cwd=build, SBUILD_CONFIG=str(configuration))
    name = f"{source['data']['name']}_{source['data']['version']}_{architecture}.build"
    log = run.make("debian:package-build-log", _log(run, source, name, architecture))
    inputs = [source_id, run.dynamic["environment_id"]]
    run.transport.relate(log, source_id, "relates-to")
    if "Status: successful" not in run.logs["sbuild.log"]:
        return False
    _keep_packages(run, build, log, inputs[:1])
    return True


def _log(run: Run, source: Json, name: str, architecture: str) -> tuple[Json, dict[str, Path]]:
    data = {
        "source": source["data"]["name"],
        "version": source["data"]["version"],
        "filename": name,
        "architecture": architecture,
        "bd_uninstallable": None,
    }
    return data, {name: run.directory / "sbuild.log"}


def _keep_packages(run: Run, build: Path, log: int, inputs: list[int]) -> None:
    relate = run.transport.relate
    debs = sorted(path for path in build.iterdir() if path.name.endswith(BINARIES) and not path.is_symlink())
    kept = [run.make("debian:binary-package", binary_package(deb)) for deb in debs]
    for architecture in sorted({deb.stem.rpartition("_")[2] for deb in debs}):
        group = [deb for deb in debs if deb.stem.endswith(f"_{architecture}")]
        kept.append(run.make("debian:binary-packages", binary_packages(group, architecture)))
    for artifact in kept:
        for number in inputs:
            relate(artifact, number, "built-using")
        relate(log, artifact, "relates-to")
    (changes,) = build.glob("*.changes")
    assert fields(changes.read_text())["Architecture"]
    made = run.make("debian:upload", upload(changes))
    for artifact in kept:
        relate(made, artifact, "extends")
        relate(made, artifact, "relates-to")
    to_sign = run.make("debusine:signing-input", ({"trusted_certs": None, "binary_package_name": None},
                                                  {changes.name: changes}))  # fmt: skip
    relate(to_sign, made, "relates-to")


def _numbers(value: Any) -> list[int]:
    if isinstance(value, list):
        return [number for item in value for number in _numbers(item)]
    return [value]


#: Task → what is done.
EARNEST: Mapping[str, Callable[[Run], bool]] = {"noop": noop, "mmdebstrap": mmdebstrap, "sbuild": sbuild}


def architecture() -> str:
    """Debian's name for the architecture of this machine."""
    return output("dpkg", "--print-architecture").strip()
