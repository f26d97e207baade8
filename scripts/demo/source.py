"""A source package to build: the real `hello` of this machine's release, or a small one from the checkout."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from scripts.demo.machine import CHECKOUT, KEYRING, Mirror

PACKAGE = "hello"
BUNDLED = CHECKOUT / "scripts/demo_package"
#: A machine without a network shall not wait for minutes to learn it.
IMPATIENT = ("-o", "Acquire::http::Timeout=15", "-o", "Acquire::Retries=1", "-o", "APT::Update::Error-Mode=any")


class SourceUnreachable(Exception):
    """apt could not bring the source package."""


def fetch_source(directory: Path, mirror: Mirror, say: Callable[[str], None]) -> Path:
    """The .dsc of a source package in a directory, which keeps it for the next run."""
    if found := find_dsc(directory):
        return found
    directory.mkdir(parents=True, exist_ok=True)
    try:
        return download(directory, mirror)
    except SourceUnreachable as error:
        say(f"The source of {PACKAGE} is not to be had here, so a package of the checkout is built instead: {error}")
        return pack_bundled(directory)


def find_dsc(directory: Path) -> Path | None:
    """The only .dsc of a directory."""
    return next(directory.glob("*.dsc"), None)


def download(directory: Path, mirror: Mirror) -> Path:
    """Get the package with apt, whose own configuration and lists stay as they are; `SourceUnreachable`."""
    apt = directory / "apt"
    shutil.rmtree(apt, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial", "sources.d", "got"):
        (apt / name).mkdir(parents=True)
    (apt / "sources.d/source.sources").write_text(source_stanza(mirror))
    (apt / "apt.conf").write_text(
        'Dir::Etc::sourcelist "/dev/null";\n'
        f'Dir::Etc::sourceparts "{apt}/sources.d";\n'
        f'Dir::State::lists "{apt}/lists";\n'
        f'Dir::Cache "{apt}/cache";\n'
        'APT::Sandbox::User "";\n'  # the directory is nobody's business but ours
    )
    environment = os.environ | {"APT_CONFIG": str(apt / "apt.conf")}
    for command in (("update",), ("source", "--download-only", PACKAGE)):
        done = subprocess.run(
            ["apt-get", "-qq", *IMPATIENT, *command], cwd=apt / "got", env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SourceUnreachable(done.stderr.strip())
    # The .dsc last: where it is, the rest is there too.
    for path in sorted((apt / "got").iterdir(), key=lambda path: path.suffix == ".dsc"):
        path.rename(directory / path.name)
    shutil.rmtree(apt)
    return next(directory.glob("*.dsc"))


def source_stanza(mirror: Mirror) -> str:
    """The deb-src entry of a mirror."""
    signed = f"Signed-By: {KEYRING}\n" if KEYRING.exists() else ""
    return f"Types: deb-src\nURIs: {mirror.url}\nSuites: {mirror.suite}\nComponents: main\n{signed}"


def pack_bundled(directory: Path) -> Path:
    """Pack the source package that comes with the checkout."""
    tree = directory / "tree"
    shutil.copytree(BUNDLED, tree, dirs_exist_ok=True)
    subprocess.run(["dpkg-source", "-b", tree.name], cwd=directory, check=True, capture_output=True)
    shutil.rmtree(tree)
    return next(directory.glob("*.dsc"))
