"""The suite for tasks finds each way to mislead the server."""

import itertools
from typing import Any

import pytest
from attrs import evolve, frozen

from debusine.plugin import ArtifactFacts, Demand, Lookups, Metadata, Result, SingleLookup, Task, TaskContext, Verdict
from debusine.testing import MemoryLookups, TaskConformance

numbers = itertools.count()


@frozen(kw_only=True)
class CheckData:
    artifact: SingleLookup


class Check(Task[CheckData]):
    name = "check"
    Data = CheckData

    @classmethod
    def resolve(cls, data: CheckData, lookups: Lookups) -> dict[str, Any]:
        return {"id": lookups.single(data.artifact).id}

    async def run(self, context: TaskContext) -> Result:
        return Result.SUCCESS


class TestCheck(TaskConformance):
    """A right task passes."""

    @pytest.fixture
    def task(self) -> type[Check]:
        return Check

    @pytest.fixture
    def data(self) -> dict[str, Any]:
        return {"artifact": "sources"}

    @pytest.fixture
    def lookups(self) -> MemoryLookups:
        return MemoryLookups([ArtifactFacts(id=1, category="debian:source-package", data={})], names={"sources": 1})


class Shouting(Check):
    name = "CHECK"


class Fickle(Check):
    @classmethod
    def demand(cls, data: CheckData) -> Demand:
        return evolve(super().demand(data), architecture=f"arch{next(numbers)}")


class Impersonating(Check):
    @classmethod
    def demand(cls, data: CheckData) -> Demand:
        return evolve(super().demand(data), task_name="sbuild")


class Undemanding(Check):
    @classmethod
    def can_run_on(cls, metadata: Metadata, demand: Demand) -> Verdict:
        return Verdict()


class Picky(Check):
    @classmethod
    def can_run_on(cls, metadata: Metadata, demand: Demand) -> Verdict:
        return Verdict(("not today",))


class Wordless(Check):
    @classmethod
    def can_run_on(cls, metadata: Metadata, demand: Demand) -> Verdict:
        return Verdict(("",))


class Stumbling(Check):
    @classmethod
    def can_run_on(cls, metadata: Metadata, demand: Demand) -> Verdict:
        return Verdict(() if metadata["check:version"] + 0 == 1 else ("another version",))


class Pythonic(Check):
    @classmethod
    def resolve(cls, data: CheckData, lookups: Lookups) -> dict[str, Any]:
        return {"ids": (lookups.single(data.artifact).id,)}


class Swallowing(Check):
    @classmethod
    def resolve(cls, data: CheckData, lookups: Lookups) -> dict[str, Any]:
        try:
            return super().resolve(data, lookups)
        except Exception as error:
            raise RuntimeError from error


class Silent(Check):
    @classmethod
    def metadata(cls) -> dict[str, Any]:
        return {}


FAULTS = [
    (Shouting, "the_class_can_be_offered_by_a_hook", "must be lower case"),
    (Fickle, "the_demand_depends_on_the_data_alone", "must be the same each time"),
    (Impersonating, "the_demand_depends_on_the_data_alone", "must name the task"),
    (Picky, "a_fitting_worker_can_run_it", "must be able to run it: not today"),
    (Undemanding, "a_worker_that_reports_nothing_is_refused_with_reasons", "must refuse"),
    (Wordless, "a_worker_that_reports_nothing_is_refused_with_reasons", "must be sentences"),
    (Stumbling, "whatever_a_worker_reports_is_judged", "must judge a worker"),
    (Pythonic, "lookups_become_json", "what JSON gives back unchanged"),
    (Swallowing, "lookups_that_name_nothing_are_the_submitters_mistake", "not raise RuntimeError"),
    (Silent, "this_machine_can_tell_about_itself", "extend super"),
]


@pytest.mark.parametrize(("broken", "test", "sentence"), FAULTS)
def test_a_broken_task_fails_with_a_sentence(broken: type[Check], test: str, sentence: str) -> None:
    artifact = ArtifactFacts(id=1, category="debian:source-package", data={})
    fixtures: dict[str, Any] = {
        "task": broken,
        "data": {"artifact": 1},
        "metadata": {"check:version": 1},
        "lookups": MemoryLookups([artifact]),
    }
    method = getattr(TaskConformance(), f"test_{test}")
    wanted = method.__code__.co_varnames[1 : method.__code__.co_argcount]

    with pytest.raises(pytest.fail.Exception, match=sentence):
        method(**{name: fixtures[name] for name in wanted})
