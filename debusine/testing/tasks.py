"""The suite that says whether what the server asks of a task conforms."""

import json
import re
from typing import Any

import attrs
import pytest

from debusine.converter.structure import unstructure
from debusine.plugin import Demand, Invalid, InvalidFields, Lookups, RunElsewhere, Task, structure
from debusine.plugin.kinds import TASK
from debusine.testing.lookups import MemoryLookups
from debusine.testing.requirements import require

TaskClass = type[Task[Any]]
Raw = dict[str, Any]

NAME = re.compile(r"[a-z][a-z0-9_-]*")

#: What a worker might report under any key.
JUNK: tuple[Any, ...] = (None, True, False, 0, -1, "", "junk", [], [None], {}, {"a": 1})


class TaskConformance:
    """Says whether a task conforms: inherit it and define the fixtures ``task``, ``data``, ``metadata``, ``lookups``.

    .. code-block:: python

        class TestCppcheck(TaskConformance):
            @pytest.fixture
            def task(self):
                return Cppcheck

            @pytest.fixture
            def data(self):
                return {"source_artifact": 1}

            @pytest.fixture
            def metadata(self):
                return {"cppcheck:version": 1}

            @pytest.fixture
            def lookups(self):
                return MemoryLookups([ArtifactFacts(id=1, category="debian:source-package", data={})])

    It asks what the server asks: data, demand, matching, lookups. What ``run`` does is tested on real input.
    """

    @pytest.fixture
    def task(self) -> TaskClass:
        """The class to be tested; the class that inherits this suite overrides it."""
        message = "Define a fixture `task` in your test class that returns your task's class"
        raise NotImplementedError(message)

    @pytest.fixture
    def data(self) -> Raw:
        """Valid task_data, as a user would send it."""
        return {}

    @pytest.fixture
    def metadata(self, task: TaskClass) -> Raw:
        """What a worker reports that can run ``data``."""
        return {f"{task.name}:version": task.version}

    @pytest.fixture
    def lookups(self) -> Lookups:
        """The artifacts that ``data`` names."""
        return MemoryLookups()

    def test_the_class_can_be_offered_by_a_hook(self, task: TaskClass) -> None:
        """Its ``name`` and its ``Data`` are what the manager demands."""
        reason = TASK.reason_against(task)
        require(reason is None, f"{task.__name__} cannot be offered by a hook: {reason}")
        require(NAME.fullmatch(task.name) is not None, f"the name {task.name!r} must be lower case letters and digits")

    def test_valid_data_is_accepted_and_means_the_same_each_time(self, task: TaskClass, data: Raw) -> None:
        """It is kept as JSON and structured again by the worker."""
        structured = structure(data, task.Data)
        again = structure(through_json(unstructure(structured)), task.Data)
        require(structured == again, "Data must be the same after it has been through JSON")

    def test_an_unknown_key_is_refused(self, task: TaskClass, data: Raw) -> None:
        """A typo is told to the submitter."""
        try:
            structure({**data, "surely-no-such-key": 1}, task.Data)
        except InvalidFields:
            return
        pytest.fail("Data must refuse a key that it does not know")

    def test_the_demand_depends_on_the_data_alone(self, task: TaskClass, data: Raw) -> None:
        """A million requests with the same data share one queue."""
        first, second = (task.demand(structure(data, task.Data)) for _ in range(2))
        require(first.digest == second.digest, f"demand() must be the same each time: {first} and {second}")
        expected = (task.name, task.version, task.task_type)
        got = (first.task_name, first.version, first.task_type)
        require(got == expected, f"demand() must name the task, its version and its type: {expected}, not {got}")

    def test_the_demand_survives_its_canonical_form(self, task: TaskClass, data: Raw) -> None:
        """The database keeps it so."""
        demand = task.demand(structure(data, task.Data))
        kept = Demand.from_canonical(demand.canonical)
        require(kept == demand, f"a demand must be the same after it was kept: {demand}, {kept}")

    def test_a_fitting_worker_can_run_it(self, task: TaskClass, data: Raw, metadata: Raw) -> None:
        """The one that ``metadata`` describes."""
        verdict = task.can_run_on(metadata, task.demand(structure(data, task.Data)))
        require(verdict.fits, f"a worker that reports {metadata} must be able to run it: {', '.join(verdict.reasons)}")

    def test_a_worker_that_reports_nothing_is_refused_with_reasons(self, task: TaskClass, data: Raw) -> None:
        """Users read them when they ask why a request waits."""
        reasons = task.can_run_on({}, task.demand(structure(data, task.Data))).reasons
        require(len(reasons) > 0, "can_run_on() must refuse a worker that reports nothing")
        plain = all(str(reason).strip() for reason in reasons)
        require(plain, f"reasons must be sentences, not {reasons}")

    def test_whatever_a_worker_reports_is_judged(self, task: TaskClass, data: Raw, metadata: Raw) -> None:
        """A worker tells what it likes; the scheduler must not stumble."""
        demand = task.demand(structure(data, task.Data))
        for key in metadata:
            for junk in JUNK:
                try:
                    task.can_run_on({**metadata, key: junk}, demand)
                except Exception as error:  # noqa: BLE001 - whatever the author's code raises is told to the author
                    pytest.fail(f"can_run_on() must judge a worker that reports {key}={junk!r}, not raise {error!r}")

    def test_lookups_become_json(self, task: TaskClass, data: Raw, lookups: Lookups) -> None:
        """It is kept with the work request and sent to the worker, and is the same each time."""
        structured = structure(data, task.Data)
        dynamic = task.resolve(structured, lookups)
        require(isinstance(dynamic, dict), f"resolve() must return a dict, not {dynamic!r}")
        require(through_json(dynamic) == dynamic, f"resolve() must return what JSON gives back unchanged: {dynamic}")
        require(task.resolve(structured, lookups) == dynamic, "resolve() must return the same each time")

    def test_an_object_for_an_attempt_is_made_from_what_was_resolved(
        self, task: TaskClass, data: Raw, lookups: Lookups
    ) -> None:
        """As the worker does it, after both went over the wire."""
        structured = structure(data, task.Data)
        made = task(structured, through_json(task.resolve(structured, lookups)))
        require(attrs.has(type(made.data)), "the object must keep its data; call super().__init__(data, dynamic)")

    def test_lookups_that_name_nothing_are_the_submitters_mistake(self, task: TaskClass, data: Raw) -> None:
        """They are told to the submitter, and are no error of the server."""
        try:
            task.resolve(structure(data, task.Data), MemoryLookups())
        except Invalid:
            return
        except Exception as error:  # noqa: BLE001 - whatever the author's code raises is told to the author
            pytest.fail(f"resolve() must let UnresolvedLookup pass when an artifact is not there, not raise {error!r}")

    def test_this_machine_can_tell_about_itself(self, task: TaskClass) -> None:
        """Whether it could run the task or not; a task that runs elsewhere tells nothing."""
        told = task.metadata()
        if issubclass(task, RunElsewhere):
            require(told == {}, f"metadata() of a task that runs elsewhere must be empty, not {told}")
            require(len(task.problems()) > 0, "problems() of a task that runs elsewhere must say where")
            return
        require(through_json(told) == told, f"metadata() must return what JSON gives back unchanged: {told}")
        key = f"{task.name}:version"
        require(told.get(key) == task.version, f"metadata() must tell {key}={task.version}; extend super().metadata()")


def through_json(value: Any) -> Any:
    """What becomes of a value on the wire."""
    return json.loads(json.dumps(value, allow_nan=False))
