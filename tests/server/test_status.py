"""``whoami/`` and ``service-status/``."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import TokenKind
from debusine.protocol.resources import ServiceStatus
from debusine.server.api.status import BOARD
from debusine.services import status
from tests.farm import Farm, make_token, make_worker
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
    told = (await farm.get(f"{API}/service-status/", key=None)).json()

    assert told["tasks"]["Worker"] == {"pending": 0, "running": 0}
    assert set(told["tasks"]) == {"Worker", "Server", "Internal", "Workflow", "Signing", "Wait"}
    assert told["workers"]["external"] == {"registered": 1, "connected": 0, "idle": 0, "busy": 0}
    assert set(told["workers"]) == {"external", "signing", "celery"}
    empty = ("worker_tasks", "worker_tasks_arch", "external_workers_arch", "external_workers_host_arch")
    assert [told[key] for key in empty] == [{}] * 4


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
        told = (await farm.get(f"{API}/service-status/")).json()

    assert told["tasks"]["Worker"] == {"pending": 3, "running": 1}
    assert told["worker_tasks"] == {"echo": {"pending": 3, "running": 1}}
    assert told["worker_tasks_arch"] == {"any": {"pending": 2, "running": 1}, "riscv64": {"pending": 1, "running": 0}}
    assert told["workers"]["external"] == {"registered": 1, "connected": 1, "idle": 0, "busy": 1}
    assert told["external_workers_arch"] == {name: {"connected": 1, "busy": 1} for name in ("amd64", "i386")}
    assert told["external_workers_host_arch"] == {"amd64": {"connected": 1, "busy": 1}}


async def test_an_idle_worker_is_idle(farm: Farm) -> None:
    async with hand_worker(farm) as worker:
        await worker.until("request_dynamic_metadata")
        told = (await farm.get(f"{API}/service-status/")).json()

    assert told["workers"]["external"] == {"registered": 1, "connected": 1, "idle": 1, "busy": 0}


async def test_many_who_ask_at_once_are_told_what_was_counted_once(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = 0

    def count(uow: UnitOfWork) -> ServiceStatus:
        nonlocal counted
        counted += 1
        return service_status(uow)

    service_status = status.service_status
    monkeypatch.setattr(status, "service_status", count)
    assert farm.client.app is not None
    farm.client.app[BOARD].fresh = 3600.0
    answers = await asyncio.gather(*(farm.get(f"{API}/service-status/") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert counted == 1


async def test_numbers_take_three_statements_however_much_there_is(farm: Farm) -> None:
    for architecture in ("amd64", "i386", None):
        await submit(farm, architecture=architecture)
    for number in range(5):
        await farm.database.write(make_worker, f"worker{number}")

    def statements(uow: UnitOfWork) -> list[str]:
        seen: list[str] = []
        sa.event.listen(uow.connection, "before_cursor_execute", lambda *told: seen.append(told[2]))
        status.service_status(uow)
        return [*seen]  # those who read after it share the connection

    assert len(await farm.database.read(statements)) == 3
