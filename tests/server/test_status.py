"""``whoami/`` and ``service-status/``."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import TokenKind
from tests.farm import Farm, make_token
from tests.server.work_farm import API, hand_worker, open_work_farm, ready_worker, submit


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    """A farm with the task ``echo``."""
    async with open_work_farm(database, tmp_path) as opened:
        yield opened


async def test_everybody_hears_who_they_are(farm: Farm) -> None:
    asked = {"user": farm.people.user_key, "worker": farm.people.worker_key, "nobody": None}
    told = {who: (await farm.get(f"{API}/whoami/", key=key)).json() for who, key in asked.items()}

    assert told == {
        "user": {"user": "alice", "auth": True, "worker_token": False},
        "worker": {"user": None, "auth": True, "worker_token": True},
        "nobody": {"user": None, "auth": False, "worker_token": False},
    }


async def test_who_sends_a_key_that_opens_nothing_hears_that(farm: Farm) -> None:
    def disabled(uow: UnitOfWork) -> str:
        return make_token(uow, TokenKind.USER, user=farm.people.user.id, enabled=False)[1]

    for key in ("unknown", await farm.database.write(disabled)):
        answer = await farm.get(f"{API}/whoami/", key=key)
        assert (answer.status, answer.problem()["title"]) == (403, "The token is invalid or disabled")


async def test_an_idle_farm_has_zeros(farm: Farm) -> None:
    status = (await farm.get(f"{API}/service-status/", key=None)).json()

    assert status["tasks"]["Worker"] == {"pending": 0, "running": 0}
    assert set(status["tasks"]) == {"Worker", "Server", "Internal", "Workflow", "Signing", "Wait"}
    assert status["workers"]["external"] == {"registered": 1, "connected": 0, "idle": 0, "busy": 0}
    assert set(status["workers"]) == {"external", "signing", "celery"}
    empty = ("worker_tasks", "worker_tasks_arch", "external_workers_arch", "external_workers_host_arch")
    assert [status[key] for key in empty] == [{}] * 4


async def test_a_busy_farm_is_counted(farm: Farm) -> None:
    async with ready_worker(farm) as worker:
        await worker.tell_metadata(
            {"system:architectures": ["amd64", "i386", 5], "system:host_architecture": "amd64", "echo:version": 1}
        )
        await submit(farm)
        await worker.until("work_request_available")
        assert await worker.get_next() is not None
        for _ in range(2):
            await submit(farm)
        await submit(farm, architecture="riscv64")
        status = (await farm.get(f"{API}/service-status/")).json()

    assert status["tasks"]["Worker"] == {"pending": 3, "running": 1}
    assert status["worker_tasks"] == {"echo": {"pending": 3, "running": 1}}
    assert status["worker_tasks_arch"] == {"any": {"pending": 2, "running": 1}, "riscv64": {"pending": 1, "running": 0}}
    assert status["workers"]["external"] == {"registered": 1, "connected": 1, "idle": 0, "busy": 1}
    assert status["external_workers_arch"] == {name: {"connected": 1, "busy": 1} for name in ("amd64", "i386")}
    assert status["external_workers_host_arch"] == {"amd64": {"connected": 1, "busy": 1}}


async def test_an_idle_worker_is_idle(farm: Farm) -> None:
    async with hand_worker(farm) as worker:
        await worker.until("request_dynamic_metadata")
        status = (await farm.get(f"{API}/service-status/")).json()

    assert status["workers"]["external"] == {"registered": 1, "connected": 1, "idle": 1, "busy": 0}
