"""Who tries keys that do not exist is slowed down; whoever has a good one is never refused."""

from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from debusine.config import Limits
from debusine.db.database import Database
from debusine.server.throttle import WINDOW, Throttle, TooManyUnknownKeys
from debusine.services import accounts
from tests.farm import Farm, open_farm

LIST = "/api/1.0/work-request/"
HOME, AWAY = ip_address("192.0.2.1"), ip_address("198.51.100.1")


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def attempts(throttle: Throttle, text: str = "192.0.2.1") -> int:
    """How many failures pass before one is refused."""
    for number in range(1000):
        try:
            throttle.fail(ip_address(text))
        except TooManyUnknownKeys:
            return number
    return 1000


def test_an_address_has_its_share_of_each_minute() -> None:
    clock = Clock()
    throttle = Throttle(20, clock)

    assert attempts(throttle) == 20
    clock.now += WINDOW - 1
    with pytest.raises(TooManyUnknownKeys) as refused:
        throttle.fail(HOME)
    assert refused.value.retry_after == 1
    clock.now += 1
    assert attempts(throttle) == 20


def test_one_address_costs_another_nothing() -> None:
    throttle = Throttle(3, Clock())
    attempts(throttle)

    assert attempts(throttle, str(AWAY)) == 3


def test_the_addresses_of_one_network_of_ipv6_are_one() -> None:
    throttle = Throttle(3, Clock())

    assert attempts(throttle, "2001:db8::1") == 3
    assert attempts(throttle, "2001:db8::2") == 0
    assert attempts(throttle, "2001:db8:0:1::1") == 3


def test_memory_is_bounded_however_many_addresses_come() -> None:
    throttle = Throttle(3, Clock(), addresses=10)
    for number in range(1000):
        throttle.fail(ip_address(number))

    assert len(throttle) == 10


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    async with open_farm(database, tmp_path, limits=Limits(bad_credentials=3)) as opened:
        yield opened


async def statuses(farm: Farm, key: str, times: int = 5, **options: object) -> list[int]:
    return [(await farm.get(LIST, key=key, **options)).status for _ in range(times)]


async def test_unknown_keys_are_refused_with_a_time_to_come_back(farm: Farm) -> None:
    assert await statuses(farm, "unknown-key") == [403, 403, 403, 429, 429]
    answer = await farm.get(LIST, key="another-one")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


async def test_a_good_key_is_served_from_the_same_address(farm: Farm) -> None:
    await statuses(farm, "unknown-key")

    assert await statuses(farm, farm.people.user_key) == [200] * 5


async def test_a_known_key_that_is_disabled_never_counts(farm: Farm) -> None:
    await farm.database.write(accounts.set_worker_enabled, farm.people.worker.name, enabled=False)

    assert await statuses(farm, farm.people.worker_key) == [403] * 5
    assert await statuses(farm, "unknown-key", 3) == [403] * 3


async def test_a_stranger_cannot_choose_the_address_that_counts(farm: Farm) -> None:
    for number in range(4):
        answer = await farm.get(LIST, key="unknown-key", headers={"X-Forwarded-For": f"192.0.2.{number}"})

    assert answer.status == 429


async def test_a_socket_counts_too(farm: Farm) -> None:
    for _ in range(3):
        await farm.get(LIST, key="unknown-key")

    assert (await farm.get("/api/ws/1.0/worker/connect/", key="unknown-key")).status == 429
