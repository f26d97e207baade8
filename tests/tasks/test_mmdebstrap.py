"""New environments, with programs in the place of mmdebstrap and its companions."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from debusine.plugin import Result, TaskFailure, structure
from debusine.tasks.bootstrap_data import BootstrapData
from debusine.tasks.mmdebstrap import Mmdebstrap
from debusine.tasks.tarball_facts import codename_of, installed_packages
from debusine.testing import FakeTaskContext
from debusine.testing.task_context import Call

STATUS = """\
Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.21

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36

Package: doc
Status: install ok installed
Architecture: all
Version: 3
Description: x
 Version: not this
"""
OS_RELEASE = 'PRETTY_NAME="Debian"\nID=debian\nVERSION_CODENAME=bookworm\n'
MEMBERS = ["./", "./dev/null", "./var/lib/dpkg/status", "./usr/lib/os-release", "./sbin/init"]

REPOSITORY = {"mirror": "http://example.org/debian", "suite": "bookworm"}
KEY = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"


def tar(call: Call) -> int:
    contents = {"./var/lib/dpkg/status": STATUS, "./usr/lib/os-release": OS_RELEASE}
    call.stdout.write_text(contents.get(call.argv[-1], "\n".join(MEMBERS)))
    assert call.sandbox
    return 0


def mmdebstrap(call: Call) -> int:
    Path(call.argv[-2]).write_bytes(b"tarball")
    return 0


def xz(call: Call) -> int:
    shutil.copyfile(call.argv[-1], f"{call.argv[-1]}.xz")
    return 0


def download(call: Call) -> int:
    Path(call.argv[-1]).write_bytes(KEY)
    return 0


def prepare(tmp_path: Path, **data: Any) -> tuple[FakeTaskContext, Mmdebstrap]:
    (tmp_path / "work").mkdir()
    programs = {"mmdebstrap": mmdebstrap, "tar": tar, "xz": xz, "/usr/lib/apt/apt-helper": download}
    context = FakeTaskContext(directory=tmp_path / "work", programs=programs)
    given = {"bootstrap_options": {"architecture": "amd64"}, "bootstrap_repositories": [REPOSITORY], **data}
    return context, Mmdebstrap(structure(given, BootstrapData), {})


def argv_of(context: FakeTaskContext) -> list[str]:
    return next(list(call.argv) for call in context.calls if call.argv[0] == "mmdebstrap")


def stanza(path: Path) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in path.read_text().splitlines())


def final_sources(context: FakeTaskContext) -> dict[str, str]:
    return stanza(context.directory / "overlay/etc/apt/sources.list.d/0000debusine.sources")


async def test_an_environment_is_kept_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    context, task = prepare(tmp_path)
    assert await task.run(context) is Result.SUCCESS
    (made,) = context.uploads
    assert made.category == "debian:system-tarball"
    assert made.files == {"system.tar.xz": b"tarball"}
    assert made.data == {
        "filename": "system.tar.xz",
        "vendor": "debian",
        "codename": "bookworm",
        "mirror": "http://example.org/debian",
        "components": ["main"],
        "variant": None,
        "pkglist": {"doc": "3", "dpkg": "1.21", "libc6:i386": "2.36"},
        "architecture": "amd64",
        "with_dev": True,
        "with_init": True,
    }


async def test_mmdebstrap_is_told_what_to_make(tmp_path: Path) -> None:
    options = {"architecture": "arm64", "variant": "buildd", "extra_packages": ["hello", "sl"]}
    repository = {**REPOSITORY, "types": ["deb", "deb-src"], "components": ["main", "contrib"], "keyring_package": "kp"}
    context, task = prepare(tmp_path, bootstrap_options=options, bootstrap_repositories=[repository])
    await task.run(context)
    argv = argv_of(context)
    assert {"--mode=unshare", "--architectures=arm64", "--variant=buildd", "--include=hello,sl,kp"} < set(argv)
    assert argv[-3] == "bookworm"
    assert stanza(Path(argv[-1])) == {
        "Types": "deb deb-src",
        "URIs": "http://example.org/debian",
        "Suites": "bookworm",
        "Components": "main contrib",
    }


async def test_a_script_is_run_by_mmdebstrap_as_a_program_of_its_own(tmp_path: Path) -> None:
    context, task = prepare(tmp_path, customization_script='touch "$1/x"; rm -rf /\n')
    await task.run(context)
    hooks = [word.partition("=")[2] for word in argv_of(context) if word.startswith("--customize-hook=")]
    script = next(Path(hook) for hook in hooks if hook.endswith("/customize"))
    assert script.read_text() == '#!/bin/sh\ntouch "$1/x"; rm -rf /\n'
    assert script.stat().st_mode & 0o111 == 0o111


async def test_what_is_not_checked_is_trusted_also_later(tmp_path: Path) -> None:
    context, task = prepare(tmp_path, bootstrap_repositories=[{**REPOSITORY, "check_signature_with": "no-check"}])
    await task.run(context)
    assert stanza(Path(argv_of(context)[-1]))["Trusted"] == "yes"
    assert final_sources(context)["Trusted"] == "yes"


@pytest.mark.parametrize(
    ("install", "use_signed_by", "signed_by"),
    [
        (True, True, "/etc/apt/keyrings/debusine-0.asc"),
        (True, False, None),
        (False, True, None),
        (False, False, None),
    ],
)
async def test_an_external_keyring_signs_now_and_is_named_later_if_it_is_there(
    tmp_path: Path, install: bool, use_signed_by: bool, signed_by: str | None
) -> None:
    keyring = {"url": "https://example.org/key", "install": install, "sha256sum": hashlib.sha256(KEY).hexdigest()}
    context, task = prepare(
        tmp_path,
        bootstrap_options={"architecture": "amd64", "use_signed_by": use_signed_by},
        bootstrap_repositories=[{**REPOSITORY, "check_signature_with": "external", "keyring": keyring}],
    )
    await task.run(context)
    assert stanza(Path(argv_of(context)[-1]))["Signed-By"] == str(context.directory / "keyring-0.asc")
    assert final_sources(context).get("Signed-By") == signed_by
    kept = list((context.directory / "overlay").rglob("debusine-0.asc"))
    assert [path.parent.name for path in kept] == [["trusted.gpg.d", "keyrings"][use_signed_by]] * install


async def test_a_keyring_of_the_machine_is_named_where_its_package_will_put_it(tmp_path: Path) -> None:
    keyring = {"url": "file:///usr/share/keyrings/example-archive-keyring.gpg"}
    repository = {**REPOSITORY, "check_signature_with": "external", "keyring": keyring}
    context, task = prepare(tmp_path, bootstrap_repositories=[repository])
    await task.run(context)
    assert final_sources(context)["Signed-By"] == "/usr/share/keyrings/example-archive-keyring.gpg"


async def test_another_keyring_than_the_one_asked_for_is_refused(tmp_path: Path) -> None:
    keyring = {"url": "https://example.org/key", "sha256sum": "0" * 64}
    context, task = prepare(tmp_path, bootstrap_repositories=[{**REPOSITORY, "keyring": keyring}])
    with pytest.raises(TaskFailure, match="another SHA-256"):
        await task.run(context)
    assert not any(call.argv[0] == "mmdebstrap" for call in context.calls)


async def test_a_failed_mmdebstrap_is_an_error_that_keeps_nothing(tmp_path: Path) -> None:
    context, task = prepare(tmp_path)
    context.programs = {"mmdebstrap": lambda _call: 25}
    assert await task.run(context) is Result.ERROR
    assert context.uploads == []


@pytest.mark.parametrize(
    ("suite", "told", "expected"),
    [
        ("bookworm", "bookworm", "bookworm"),
        ("sid", "forky", "sid"),
        ("unstable", "forky", "sid"),
        ("stable", "trixie", "trixie"),
        ("./", "trixie", "trixie"),
        ("bookworm", None, "bookworm"),
    ],
)
def test_a_release_is_known_by_its_name(suite: str, told: str | None, expected: str) -> None:
    assert codename_of(suite, told) == expected


def test_a_system_without_dpkg_has_no_packages() -> None:
    assert list(installed_packages("")) == []
