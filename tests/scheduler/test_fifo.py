import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from debusine.domain.workers import Worker
from debusine.plugin import QueueHead, Usage
from debusine.plugin.manager import PluginManager
from debusine.scheduler.fifo import Fifo, FifoOptions
from debusine.testing import SchedulerPolicyConformance
from debusine.testing.scheduler_policies import queue_head

AT = datetime(2025, 1, 1, tzinfo=UTC)
WORKER = Worker(id=1, name="worker", registered_at=AT)


class TestConformance(SchedulerPolicyConformance):
    @pytest.fixture
    def policy(self) -> Fifo:
        return Fifo(FifoOptions())


def head(id_: int, **changes: Any) -> QueueHead:
    return evolve(queue_head(id_, random.Random(0)), **{"priority": 0, "created_at": AT, "workspace": 1, **changes})


def chosen(*heads: QueueHead, usage: Usage | None = None) -> int:
    found = Fifo(FifoOptions()).choose(WORKER, heads, usage or Usage(), AT)
    assert found is not None
    return found.id


def test_the_highest_priority_goes_first() -> None:
    assert chosen(head(1, priority=0), head(2, priority=10), head(3, priority=-10)) == 2


def test_of_one_priority_the_oldest_goes_first() -> None:
    assert chosen(head(1), head(2, created_at=AT - timedelta(seconds=1)), head(3)) == 2


def test_a_young_request_of_high_priority_goes_before_an_old_one() -> None:
    assert chosen(head(1, created_at=AT - timedelta(days=9)), head(2, priority=1)) == 2


def test_of_one_moment_the_first_that_was_recorded_goes_first() -> None:
    assert chosen(head(3), head(1), head(2)) == 1


def test_what_a_workspace_uses_does_not_matter() -> None:
    assert chosen(head(1, workspace=1), head(2, workspace=2), usage=Usage(running={1: 1000}, recent={1: 1e9})) == 1


def test_it_is_installed_as_a_plugin() -> None:
    policies = PluginManager.load().scheduler_policies()

    assert (policies["fifo"], policies.origin("fifo")) == (Fifo, "debusine:policies")
