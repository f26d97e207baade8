"""The built-in tasks conform as a stranger's must."""

from typing import Any, ClassVar

import pytest

from debusine.plugin import Task
from debusine.plugin.manager import PluginManager
from debusine.tasks import debusine_tasks
from debusine.testing import MemoryLookups, TaskConformance
from tests.task_examples import EXAMPLES, SOURCE, fitting_metadata, lookups

TASKS = {task.name: task for task in debusine_tasks()}


class Conformance(TaskConformance):
    tested: ClassVar[str]

    @pytest.fixture
    def task(self) -> type[Task[Any]]:
        return TASKS[self.tested]

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return dict(EXAMPLES[self.tested].data)

    @pytest.fixture
    def metadata(self) -> dict[str, Any]:
        return fitting_metadata(self.tested)

    @pytest.fixture
    def lookups(self) -> MemoryLookups:
        return lookups()


class TestNoop(Conformance):
    tested = "noop"


class TestMmdebstrap(Conformance):
    tested = "mmdebstrap"


class TestSimpleSystemImageBuild(Conformance):
    tested = "simplesystemimagebuild"


class TestSbuild(Conformance):
    tested = "sbuild"


class TestLintianInAnEnvironment(Conformance):
    tested = "lintian"


class TestLintian(Conformance):
    tested = "lintian"

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"input": {"source_artifact": SOURCE}}

    @pytest.fixture
    def metadata(self) -> dict[str, Any]:
        return {"lintian:version": 1, "lintian:available": True}


class TestAutopkgtest(Conformance):
    tested = "autopkgtest"


class TestPiuparts(Conformance):
    tested = "piuparts"


class TestBlhc(Conformance):
    tested = "blhc"


class TestDebdiff(Conformance):
    tested = "debdiff"


class TestMergeUploads(Conformance):
    tested = "mergeuploads"


class TestMakeSourcePackageUpload(Conformance):
    tested = "makesourcepackageupload"


class TestExtractForSigning(Conformance):
    tested = "extractforsigning"


class TestAssembleSignedSource(Conformance):
    tested = "assemblesignedsource"


def test_every_built_in_task_is_tested_here() -> None:
    built_in = {name for name, task in PluginManager.load().tasks().items() if task.__module__.startswith("debusine.")}

    assert built_in == set(TASKS) == set(EXAMPLES) == {suite.tested for suite in Conformance.__subclasses__()}
