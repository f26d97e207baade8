"""Debian packages made on the spot."""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

CONTROL = """\
Source: hello-play
Section: misc
Priority: optional
Maintainer: Ann Example <ann@example.org>
Standards-Version: 4.6.2

Package: hello-play
Architecture: all
Description: says hello
"""
CHANGELOG = """\
hello-play (1.0) unstable; urgency=medium

  * First.

 -- Ann Example <ann@example.org>  Thu, 01 Jan 2026 00:00:00 +0000
"""


def need(program: str) -> None:
    """Skip the test where Debian's tools are missing."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def make_deb(directory: Path, package: str = "hello-play", architecture: str = "all", **fields: str) -> Path:
    """A binary package with two control files."""
    need("dpkg-deb")
    tree = directory / f"{package}.tree" / "DEBIAN"
    tree.mkdir(parents=True)
    told = {"Package": package, "Version": "1.0", "Architecture": architecture, "Maintainer": "A <a@example.org>"}
    lines = [f"{key}: {value}\n" for key, value in {**told, **fields, "Description": "play\n more"}.items()]
    (tree / "control").write_text("".join(lines))
    (tree / "conffiles").write_text("")
    deb = directory / f"{package}_1.0_{architecture}.deb"
    _run("dpkg-deb", "--root-owner-group", "-b", str(tree.parent), str(deb), cwd=directory)
    shutil.rmtree(tree.parent)
    return deb


def make_dsc(directory: Path) -> Path:
    """A native source package."""
    need("dpkg-source")
    tree = directory / "hello-play-1.0"
    (tree / "debian" / "source").mkdir(parents=True)
    (tree / "debian" / "control").write_text(CONTROL)
    (tree / "debian" / "changelog").write_text(CHANGELOG)
    (tree / "debian" / "source" / "format").write_text("3.0 (native)\n")
    _run("dpkg-source", "-b", tree.name, cwd=directory)
    shutil.rmtree(tree)
    return directory / "hello-play_1.0.dsc"


def make_changes(
    directory: Path, files: Sequence[Path], architecture: str, name: str = "hello-play_1.0.changes"
) -> Path:
    """A .changes that lists files."""
    digests = [(path, path.read_bytes()) for path in files]
    md5 = [f" {hashlib.md5(content).hexdigest()} {len(content)} misc optional {path.name}" for path, content in digests]
    sha = [f" {hashlib.sha256(content).hexdigest()} {len(content)} {path.name}" for path, content in digests]
    fields = ["Format: 1.8", "Source: hello-play", f"Architecture: {architecture}", "Version: 1.0"]
    changes = directory / name
    changes.write_text("\n".join([*fields, "Checksums-Sha256:", *sha, "Files:", *md5, ""]))
    return changes


def _run(*argv: str, cwd: Path) -> None:
    subprocess.run(argv, cwd=cwd, check=True, capture_output=True)
