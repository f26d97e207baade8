"""What the demo does beside starting programs."""

import shutil
import socket
from pathlib import Path

import pytest

from scripts.demo.journey import Step
from scripts.demo.machine import Mirror, free_port
from scripts.demo.report import artifacts_of, tags_of
from scripts.demo.source import fetch_source, pack_bundled, source_stanza

packing = pytest.mark.skipif(shutil.which("dpkg-source") is None, reason="dpkg-source is not installed")


def lintian_step(*tags: str) -> Step:
    artifacts = [{"id": 7, "category": "debian:lintian", "data": {"summary": {"tags_found": list(tags)}}}]
    return Step(name="lintian", result="success", seconds=1.0, url="/x/", artifacts=artifacts)


@packing
def test_the_package_of_the_checkout_is_packed(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    dsc = pack_bundled(tmp_path / "source")
    assert dsc.name == "farm-greeting_1.0.dsc"
    assert sorted(path.name for path in dsc.parent.iterdir()) == ["farm-greeting_1.0.dsc", "farm-greeting_1.0.tar.xz"]


def test_a_source_package_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "hello_2.10-3.dsc").touch()
    mirror = Mirror(url="http://mirror.invalid/debian", suite="bookworm")
    assert fetch_source(tmp_path, mirror, pytest.fail) == tmp_path / "hello_2.10-3.dsc"


def test_a_mirror_becomes_a_source_entry() -> None:
    stanza = source_stanza(Mirror(url="http://mirror.invalid/debian", suite="trixie"))
    assert stanza.startswith("Types: deb-src\nURIs: http://mirror.invalid/debian\nSuites: trixie\nComponents: main\n")


def test_another_port_is_taken_when_the_preferred_one_is_in_use() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = int(other.getsockname()[1])
        assert free_port(taken) not in (0, taken)


def test_the_report_names_every_tag_once() -> None:
    assert tags_of(lintian_step("b-tag", "a-tag", "b-tag")) == "a-tag\nb-tag"


def test_the_report_says_that_lintian_found_nothing() -> None:
    assert tags_of(lintian_step()) == "no tags"


def test_the_report_lists_what_a_step_made() -> None:
    assert artifacts_of(lintian_step()) == "7 lintian"
