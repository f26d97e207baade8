"""The built-in tasks conform as a stranger's must."""

from typing import Any

import pytest

from debusine.plugin import ArtifactFacts
from debusine.plugin.manager import PluginManager
from debusine.tasks.lintian import Lintian
from debusine.tasks.mmdebstrap import Mmdebstrap
from debusine.tasks.noop import Noop
from debusine.tasks.sbuild import Sbuild
from debusine.testing import MemoryLookups, TaskConformance

SOURCE = ArtifactFacts(
    id=1,
    category="debian:source-package",
    data={"name": "hello", "version": "2.10-3", "type": "dpkg"},
    files={"hello_2.10-3.dsc": 1000},
)
IMAGE = ArtifactFacts(
    id=2,
    category="debian:system-tarball",
    data={"filename": "system.tar.xz", "codename": "bookworm", "vendor": "debian", "architecture": "amd64"},
    files={"system.tar.xz": 1000},
)


class Conformance(TaskConformance):
    @pytest.fixture
    def lookups(self) -> MemoryLookups:
        return MemoryLookups([SOURCE, IMAGE])


class TestNoop(Conformance):
    @pytest.fixture
    def task(self) -> type[Noop]:
        return Noop


class TestSbuild(Conformance):
    @pytest.fixture
    def task(self) -> type[Sbuild]:
        return Sbuild

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"input": {"source_artifact": 1}, "environment": "2@artifacts", "host_architecture": "amd64"}

    @pytest.fixture
    def metadata(self) -> dict[str, Any]:
        return {
            "sbuild:version": Sbuild.version,
            "sbuild:available": True,
            "executor:unshare:available": True,
            "system:architectures": ["amd64"],
        }


class TestLintian(Conformance):
    @pytest.fixture
    def task(self) -> type[Lintian]:
        return Lintian

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"input": {"source_artifact": 1}}

    @pytest.fixture
    def metadata(self) -> dict[str, Any]:
        return {"lintian:version": Lintian.version, "lintian:available": True}


class TestLintianInAnEnvironment(TestLintian):
    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"input": {"source_artifact": 1}, "environment": 2, "host_architecture": "amd64"}

    @pytest.fixture
    def metadata(self) -> dict[str, Any]:
        return {
            "lintian:version": Lintian.version,
            "executor:unshare:available": True,
            "system:architectures": ["amd64"],
        }


class TestMmdebstrap(Conformance):
    @pytest.fixture
    def task(self) -> type[Mmdebstrap]:
        return Mmdebstrap

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {
            "bootstrap_options": {"architecture": "amd64"},
            "bootstrap_repositories": [{"mirror": "http://mirror.example/debian", "suite": "bookworm"}],
        }

    @pytest.fixture
    def metadata(self) -> dict[str, Any]:
        return {
            "mmdebstrap:version": Mmdebstrap.version,
            "mmdebstrap:available": True,
            "system:architectures": ["amd64"],
        }


def test_every_built_in_task_is_tested_here() -> None:
    tested = {Noop, Sbuild, Lintian, Mmdebstrap}

    assert {task for task in PluginManager.load().tasks().values() if task.__module__.startswith("debusine.")} == tested
