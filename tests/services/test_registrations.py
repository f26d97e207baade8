"""Activation tokens: the operator's word before a worker has ever come."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject, TokenKind
from debusine.domain.errors import DebusineError
from debusine.domain.events import Event, WorkerChanged
from debusine.domain.secrets import new_key
from debusine.protocol.resources import WorkerRegistration
from debusine.services import accounts, registrations
from debusine.services.registrations import ActivationRefused, InvalidDomainName
from tests.interleaving import keep_apart
from tests.work import Workshop

FQDN = "builder.example.org"


def registration(key: str | None = None) -> WorkerRegistration:
    return WorkerRegistration(token=key or new_key(), fqdn="whatever.it.says", worker_type="signing")


async def activation(workshop: Workshop) -> str:
    return await workshop.database.write(registrations.create_activated, FQDN)


async def enabled_workers(workshop: Workshop) -> list[str]:
    """The names of the workers that may take work."""

    def names(uow: UnitOfWork) -> list[str]:
        good = {token.id for token in uow.tokens.of_workers() if token.enabled and token.kind is TokenKind.WORKER}
        return [worker.name for worker in uow.workers.all() if worker.token in good]

    return await workshop.database.read(names)


async def who_is(workshop: Workshop, key: str) -> Subject:
    return await workshop.database.read(accounts.authenticate, key)


async def test_whoever_registers_with_it_is_the_worker_and_enabled(workshop: Workshop) -> None:
    key, own = await activation(workshop), new_key()
    told: list[Event] = []
    workshop.database.subscribe(told.extend)
    worker = await workshop.database.write(registrations.register, registration(own), key)

    assert (worker.name, worker.metadata()) == ("builder-example-org", {"system:worker_type": "signing"})
    assert (await who_is(workshop, own)).worker == worker
    assert told == [WorkerChanged(worker.id)]
    assert await workshop.database.read(lambda uow: uow.tokens.get_token_or_none(key)) is None


async def test_it_opens_nothing_but_a_registration(workshop: Workshop) -> None:
    subject = await who_is(workshop, await activation(workshop))
    assert subject.anonymous
    assert subject.token is not None


async def test_it_is_good_for_one_use(workshop: Workshop) -> None:
    key = await activation(workshop)
    await workshop.database.write(registrations.register, registration(), key)
    with pytest.raises(ActivationRefused):
        await workshop.database.write(registrations.register, registration(), key)
    assert await enabled_workers(workshop) == ["builder-example-org"]


async def test_of_two_at_once_exactly_one_wins_and_the_other_changes_nothing(workshop: Workshop) -> None:
    keep_apart(workshop.database)
    for _ in range(10):
        before = await count_tokens(workshop)
        key = await activation(workshop)
        tries = [workshop.database.write(registrations.register, registration(), key) for _ in range(4)]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ActivationRefused"] * 3 + ["Worker"]
        assert await count_tokens(workshop) == before + 1


async def test_the_same_registration_twice_at_once_is_answered_by_the_same_worker(workshop: Workshop) -> None:
    keep_apart(workshop.database)
    key, own = await activation(workshop), registration()
    tries = [workshop.database.write(registrations.register, own, key) for _ in range(4)]
    assert len({worker.id for worker in await asyncio.gather(*tries)}) == 1
    assert (await workshop.database.write(registrations.register, own, key)).name == "builder-example-org"


async def test_after_a_quarter_of_an_hour_it_is_worth_nothing(workshop: Workshop) -> None:
    key = await activation(workshop)
    await workshop.advance(15 * 60)
    with pytest.raises(ActivationRefused):
        await workshop.database.write(registrations.register, registration(), key)
    assert await enabled_workers(workshop) == []


async def test_the_operator_can_take_it_back(workshop: Workshop) -> None:
    key = await activation(workshop)
    await workshop.database.write(accounts.set_worker_enabled, "builder-example-org", enabled=False)
    with pytest.raises(ActivationRefused):
        await workshop.database.write(registrations.register, registration(), key)


async def test_a_second_one_for_a_worker_that_never_came_takes_the_place_of_the_first(workshop: Workshop) -> None:
    first, second = await activation(workshop), await activation(workshop)
    with pytest.raises(ActivationRefused):
        await workshop.database.write(registrations.register, registration(), first)
    worker = await workshop.database.write(registrations.register, registration(), second)
    assert worker.name == "builder-example-org"
    third = await activation(workshop)
    assert (await workshop.database.write(registrations.register, registration(), third)).name.endswith("-2")


async def test_the_key_of_another_token_makes_no_second_worker_of_it(workshop: Workshop) -> None:
    key, other = await activation(workshop), await activation(workshop)
    with pytest.raises(DebusineError, match="Cannot deserialize worker"):
        await workshop.database.write(registrations.register, registration(other), key)
    assert await enabled_workers(workshop) == []


async def test_an_unknown_key_is_refused_and_nothing_changes(workshop: Workshop) -> None:
    before = await count_tokens(workshop)
    with pytest.raises(ActivationRefused):
        await workshop.database.write(registrations.register, registration(), "unknown")
    assert await count_tokens(workshop) == before


@pytest.mark.parametrize("create", [registrations.create_enabled, registrations.create_activated])
@pytest.mark.parametrize("fqdn", ["", "a b", "\x1b[31mred", "host!", "é.example", "a\n", "x" * 401])
async def test_the_operator_names_no_worker_that_could_not_register(
    workshop: Workshop, create: Callable[[UnitOfWork, str], str], fqdn: str
) -> None:
    before = await count_tokens(workshop)
    with pytest.raises(InvalidDomainName, match="cannot be the domain name of a worker"):
        await workshop.database.write(create, fqdn)
    assert await count_tokens(workshop) == before


async def count_tokens(workshop: Workshop) -> int:
    return len(await workshop.database.read(lambda uow: uow.tokens.get_tokens()))


def test_it_lives_for_a_quarter_of_an_hour() -> None:
    assert timedelta(minutes=15) == accounts.ACTIVATION_LIFE
