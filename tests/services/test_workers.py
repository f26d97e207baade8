"""Workers: they register, connect, and say what they can do."""

import asyncio
import threading
from contextlib import suppress

import pytest

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.events import Event, WorkerChanged, WorkerDisconnected
from debusine.domain.work_requests import Outcome, Status
from debusine.domain.workers import Worker
from debusine.protocol.resources import WorkerRegistration
from debusine.services import registrations, workers
from debusine.services.registrations import KeyInUse
from debusine.services.workers import NotFlat
from tests.farm import make_user
from tests.interleaving import keep_apart
from tests.work import Workshop


def registration(key: str, fqdn: str = "Builder.example.org", **values: str) -> WorkerRegistration:
    return WorkerRegistration(token=key * 64, fqdn=fqdn, **values)  # type: ignore[arg-type]


async def test_a_registered_worker_has_a_disabled_token_and_a_name_from_its_domain_name(workshop: Workshop) -> None:
    worker = await workshop.database.write(registrations.register, registration("a", worker_type="signing"))

    assert worker.name == "builder-example-org"
    assert worker.metadata() == {"system:worker_type": "signing"}
    token = await workshop.database.read(lambda uow: uow.tokens.get(worker.token or 0))
    assert not token.enabled


async def test_workers_of_one_name_are_numbered_also_when_they_register_at_once(workshop: Workshop) -> None:
    made = await asyncio.gather(
        *(workshop.database.write(registrations.register, registration(key)) for key in "abcd"),
    )

    assert sorted(worker.name for worker in made) == [
        "builder-example-org",
        "builder-example-org-2",
        "builder-example-org-3",
        "builder-example-org-4",
    ]


async def test_the_same_registration_again_is_answered_by_the_same_worker(workshop: Workshop) -> None:
    first = await workshop.database.write(registrations.register, registration("a"))

    assert await workshop.database.write(registrations.register, registration("a")) == first


async def test_a_worker_cannot_register_with_the_key_of_a_user(workshop: Workshop) -> None:
    _, key = await workshop.database.write(make_user, "bob")

    with pytest.raises(KeyInUse):
        await workshop.database.write(registrations.register, WorkerRegistration(token=key, fqdn="builder"))


@pytest.mark.parametrize("fqdn", ["...", "x" * 400, "xn--bro-hoa.example", "_"])
async def test_every_domain_name_makes_a_name(workshop: Workshop, fqdn: str) -> None:
    worker = await workshop.database.write(registrations.register, registration("a", fqdn))

    assert 1 <= len(worker.name) <= 255
    assert worker.name.replace("-", "").isalnum()


async def test_metadata_is_kept_and_what_the_operator_says_wins(workshop: Workshop) -> None:
    worker = await workshop.worker(system="old")
    told: list[Event] = []
    workshop.database.subscribe(told.extend)

    await workshop.database.write(workers.set_dynamic_metadata, worker, {"list": ["a", 1, None], "x": True})
    await asyncio.sleep(0)

    after = await workshop.get_worker(worker)
    assert after.dynamic_metadata == {"list": ["a", 1, None], "x": True}
    assert after.dynamic_metadata_updated_at is not None
    assert told == [WorkerChanged(after.id)]


@pytest.mark.parametrize("value", [{"a": 1}, [[1]], [{"a": 1}]])
async def test_nested_metadata_is_refused(workshop: Workshop, value: object) -> None:
    worker = await workshop.worker()

    with pytest.raises(NotFlat):
        await workshop.database.write(workers.set_dynamic_metadata, worker, {"ok": 1, "nested": value})


async def test_a_connected_worker_is_held_by_a_server_and_every_connection_has_a_number(workshop: Workshop) -> None:
    worker = await workshop.worker(connected=False)

    first = await workshop.connect(worker)
    second = await workshop.connect(worker)

    assert (first.worker.connection, second.worker.connection) == (1, 2)
    assert second.worker.server == workshop.server
    assert not second.work_available


async def test_the_end_of_an_older_socket_disconnects_nobody(workshop: Workshop) -> None:
    worker = await workshop.worker(connected=False)
    first = await workshop.connect(worker)
    await workshop.connect(worker)

    await workshop.database.write(workers.disconnect, first.worker.id, first.worker.connection)

    assert (await workshop.get_worker(worker)).connected()


async def test_the_end_of_the_newest_socket_is_told(workshop: Workshop) -> None:
    worker = await workshop.worker()
    told: list[Event] = []
    workshop.database.subscribe(told.extend)

    connection = await workshop.disconnect(worker)
    await workshop.disconnect(worker)
    await asyncio.sleep(0)

    after = await workshop.get_worker(worker)
    assert (after.connected_at, after.server) == (None, None)
    assert told == [WorkerDisconnected(after.id, connection)]


async def test_a_worker_of_ours_gives_back_at_once_what_it_does_not_name(workshop: Workshop) -> None:
    worker = await workshop.worker()
    created = await workshop.request()
    await workshop.start(worker)

    await workshop.connect(worker, running=[])

    assert (await workshop.get(created.id)).status is Status.PENDING
    assert [attempt.outcome for attempt in await workshop.attempts(created.id)] == [Outcome.GIVEN_BACK]


async def test_a_worker_of_ours_keeps_what_it_names(workshop: Workshop) -> None:
    worker = await workshop.worker()
    created = await workshop.request()
    await workshop.start(worker)

    connection = await workshop.connect(worker, running=[(created.id, 1)])

    assert connection.work_available
    assert (await workshop.get(created.id)).status is Status.RUNNING


async def test_a_foreign_worker_gives_nothing_back_by_connecting(workshop: Workshop) -> None:
    worker = await workshop.worker()
    created = await workshop.request()
    await workshop.start(worker)

    connection = await workshop.connect(worker)

    assert connection.work_available
    assert (await workshop.get(created.id)).status is Status.RUNNING


async def test_the_sockets_of_a_dead_server_are_forgotten_and_those_of_others_stay(workshop: Workshop) -> None:
    worker, other = await workshop.worker("one"), await workshop.worker("two", connected=False)

    await workshop.database.write(workers.forget_connections, [workshop.server + 1])
    assert (await workshop.get_worker(worker)).connected()
    await workshop.database.write(workers.forget_connections, [workshop.server])

    assert not (await workshop.get_worker(worker)).connected()
    assert not (await workshop.get_worker(other)).connected()


async def test_one_worker_that_registers_twice_at_once_is_one_worker(workshop: Workshop) -> None:
    keep_apart(workshop.database)
    both_have_looked = threading.Barrier(2, timeout=0.1)

    def register(uow: UnitOfWork) -> Worker:
        if uow.tokens.get_token_or_none("k" * 64) is None:
            with suppress(threading.BrokenBarrierError):  # SQLite has one writer: the other one comes after it
                both_have_looked.wait()
        return registrations.register(uow, registration("k"))

    one, other = await asyncio.gather(workshop.database.write(register), workshop.database.write(register))

    assert one.id == other.id
