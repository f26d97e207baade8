"""Lists end a page early when its items are large, and go on where it ended."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from debusine.config import Limits
from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from tests.farm import Farm, open_farm

LIST = "/api/1.0/work-request/"
NUMBER = 80


@pytest.fixture
async def farm(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    """A farm whose pages have ten thousand bytes."""
    async with open_farm(database, tmp_path, limits=Limits(page_bytes=10_000)) as opened:
        yield opened


async def submitted(farm: Farm, *sizes: int) -> list[int]:
    """Work requests with data of these sizes, newest first."""
    made = [(await farm.post(LIST, {"task_name": "noop"})).json()["id"] for _ in sizes]

    def enlarge(uow: UnitOfWork) -> None:
        for number, size in zip(made, sizes, strict=True):
            uow.connection.execute(
                uow.work_requests.table.update()
                .where(uow.work_requests.table.c.id == number)
                .values(output_data={"x": "y" * size})
            )

    await farm.database.write(enlarge)
    return made[::-1]


async def walked(farm: Farm, url: str | None, link: str) -> list[list[int]]:
    """The ids on every page from one on."""
    pages = []
    while url is not None:
        page: dict[str, Any] = (await farm.get(url[url.index("/api/") :])).json()
        pages.append([item["id"] for item in page["results"]])
        url = page[link]
    return pages


async def test_a_page_ends_before_its_items_have_too_many_bytes(farm: Farm) -> None:
    made = await submitted(farm, 4000, 4000, 4000, 4000, 4000)

    pages = await walked(farm, f"{LIST}?page_size=500", "next")

    assert pages == [made[:2], made[2:4], made[4:]]


async def test_an_item_that_is_larger_than_a_page_has_one_of_its_own(farm: Farm) -> None:
    made = await submitted(farm, 10, 20_000, 10)

    assert await walked(farm, f"{LIST}?page_size=500", "next") == [made[:1], made[1:2], made[2:]]


async def test_pages_of_bytes_can_be_walked_back(farm: Farm) -> None:
    made = await submitted(farm, 4000, 4000, 4000, 4000, 4000)
    first = (await farm.get(f"{LIST}?page_size=500")).json()
    second = (await farm.get(first["next"][first["next"].index("/api/") :])).json()
    third = (await farm.get(second["next"][second["next"].index("/api/") :])).json()

    back = await walked(farm, third["previous"], "previous")

    assert back == [made[2:4], made[:2]]


async def test_small_items_fill_the_page_that_was_asked_for(farm: Farm) -> None:
    made = await submitted(farm, *[1] * NUMBER)

    assert await walked(farm, f"{LIST}?page_size=50", "next") == [made[:50], made[50:]]
    assert await walked(farm, f"{LIST}?page_size={NUMBER}", "next") == [made]
    assert await walked(farm, f"{LIST}?page_size={NUMBER - 1}", "next") == [made[:-1], made[-1:]]


@pytest.mark.parametrize(("size", "status"), [("1", 200), ("500", 200), ("501", 400), ("0", 400), ("-1", 400)])
async def test_a_page_may_have_so_many_items(farm: Farm, size: str, status: int) -> None:
    assert (await farm.get(f"{LIST}?page_size={size}")).status == status
