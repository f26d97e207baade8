"""Each file goes to the store that policies, room and health name, and is read from the best one that has it."""

from pathlib import Path

import pytest
from attrs import evolve

from debusine.domain.errors import StorageFull, Unavailable
from debusine.domain.stores import StorePolicies
from debusine.services.copying import give
from debusine.services.downloads import Unreadable
from debusine.services.file_stores import NoStoreTakes, StoresFull
from debusine.services.store_administration import CannotMigrate
from debusine.services.store_health import LONGEST_PAUSE, PATIENCE, TOGETHER, StorePaused
from debusine.services.store_keeping import count, revive
from debusine.testing import MemoryFileStore
from tests.stores import Warehouse, open_warehouse
from tests.work import Workshop

USUAL = StorePolicies()


async def two(workshop: Workshop, root: Path, first: StorePolicies, second: StorePolicies) -> Warehouse:
    return await open_warehouse(workshop, root, {"Default": first, "Second": second}, reach=["Second"])


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        (USUAL, USUAL, "Default"),
        (USUAL, StorePolicies(upload_priority=1), "Second"),
        (StorePolicies(upload_priority=2), StorePolicies(upload_priority=1), "Default"),
        (StorePolicies(read_only=True), USUAL, "Second"),
        (StorePolicies(drain=True), USUAL, "Second"),
        (USUAL, StorePolicies(write_only=True, upload_priority=9), "Default"),
        (StorePolicies(max_size=5), USUAL, "Second"),
        (StorePolicies(max_size=10), USUAL, "Default"),
    ],
)
async def test_a_new_file_goes_to_the_best_store_of_its_workspace(
    workshop: Workshop, tmp_path: Path, first: StorePolicies, second: StorePolicies, chosen: str
) -> None:
    warehouse = await two(workshop, tmp_path, first, second)

    await warehouse.add(b"0123456789")

    assert await warehouse.copies(b"0123456789") == [chosen]
    assert warehouse.contents(chosen) == [b"0123456789"]


async def test_a_store_out_of_the_workspaces_reach_gets_nothing(workshop: Workshop, tmp_path: Path) -> None:
    policies = {"Default": USUAL, "Second": StorePolicies(upload_priority=9)}
    warehouse = await open_warehouse(workshop, tmp_path, policies)

    await warehouse.add(b"content")

    assert await warehouse.copies(b"content") == ["Default"]


async def test_an_empty_file_goes_where_others_go(workshop: Workshop, tmp_path: Path) -> None:
    warehouse = await two(workshop, tmp_path, StorePolicies(read_only=True), USUAL)

    await warehouse.add(b"")

    assert await warehouse.copies(b"") == ["Second"]


@pytest.mark.parametrize(
    ("policies", "error"),
    [
        (StorePolicies(read_only=True), NoStoreTakes),
        (StorePolicies(write_only=True), NoStoreTakes),
        (StorePolicies(max_size=5), StoresFull),
    ],
)
async def test_a_file_that_no_store_takes_is_refused_before_it_is_sent(
    workshop: Workshop, tmp_path: Path, policies: StorePolicies, error: type[Exception]
) -> None:
    warehouse = await open_warehouse(workshop, tmp_path, {"Default": policies})
    artifact = await warehouse.depot.declare({"a": b"0123456789"})

    with pytest.raises(error):
        await warehouse.depot.put(artifact, "a", b"0123456789")

    assert warehouse.contents("Default") == []
    assert (await warehouse.depot.probe(artifact, "a")).received == 0


@pytest.mark.parametrize("error", [Unavailable("away"), StorageFull("full")])
async def test_when_a_store_fails_the_next_one_gets_the_file(
    workshop: Workshop, tmp_path: Path, error: Exception
) -> None:
    warehouse = await two(workshop, tmp_path, USUAL, USUAL)
    warehouse.backend("Default").failures["store"] = error

    artifact = await warehouse.add(b"content")

    assert await warehouse.copies(b"content") == ["Second"]
    assert await warehouse.depot.fetch(artifact, "a") == b"content"
    assert warehouse.stores.health == {"Default": str(error), "Second": "ok"}


async def test_above_its_soft_limit_a_store_is_the_last_choice(workshop: Workshop, tmp_path: Path) -> None:
    warehouse = await two(workshop, tmp_path, StorePolicies(soft_max_size=5), USUAL)
    await count(warehouse.uploads)
    await warehouse.add(b"0123456789")

    await warehouse.add(b"next")

    assert await warehouse.copies(b"0123456789") == ["Default"]
    assert await warehouse.copies(b"next") == ["Second"]


async def test_what_is_there_already_counts_for_the_limits(workshop: Workshop, tmp_path: Path) -> None:
    warehouse = await two(workshop, tmp_path, StorePolicies(max_size=15), USUAL)
    await warehouse.add(b"0123456789")
    warehouse.stores.sizes.clear()
    await count(warehouse.uploads)

    await warehouse.add(b"9876543210")
    await warehouse.add(b"small")

    assert await warehouse.copies(b"9876543210") == ["Second"]
    assert await warehouse.copies(b"small") == ["Default"]


async def test_a_file_is_read_from_the_store_with_the_highest_download_priority(
    workshop: Workshop, tmp_path: Path
) -> None:
    warehouse = await two(workshop, tmp_path, USUAL, StorePolicies(download_priority=1, populate=True))
    artifact = await warehouse.add(b"content")
    assert await give(warehouse.uploads, await warehouse.file(b"content"), warehouse.id("Second"))
    warehouse.backend("Default").failures["open"] = AssertionError("read from the wrong store")

    assert await warehouse.depot.fetch(artifact, "a") == b"content"


async def test_nothing_is_downloaded_from_a_store_for_bad_days(workshop: Workshop, tmp_path: Path) -> None:
    warehouse = await two(workshop, tmp_path, USUAL, StorePolicies(write_only=True))
    artifact = await warehouse.add(b"content")
    assert await give(warehouse.uploads, await warehouse.file(b"content"), warehouse.id("Second"))
    warehouse.lose("Default", b"content")

    with pytest.raises(Unreadable):
        await warehouse.depot.fetch(artifact, "a")


async def fail(warehouse: Warehouse, times: int) -> None:
    warehouse.backend("Default").failures["store"] = Unavailable("away")
    for _ in range(times):
        artifact = await warehouse.depot.declare({"a": b"never kept"})
        with pytest.raises(Unavailable):
            await warehouse.depot.put(artifact, "a", b"never kept")
        warehouse.clock.seconds += TOGETHER


async def test_a_store_that_fails_again_and_again_is_left_alone_for_a_while(workshop: Workshop, tmp_path: Path) -> None:
    warehouse = await open_warehouse(workshop, tmp_path, {"Default": USUAL})
    await fail(warehouse, PATIENCE)
    warehouse.clock.seconds -= TOGETHER
    del warehouse.backend("Default").failures["store"]
    artifact = await warehouse.depot.declare({"a": b"content"})

    with pytest.raises(StorePaused) as caught:
        await warehouse.depot.put(artifact, "a", b"content")
    assert caught.value.retry_after == 1
    assert warehouse.stores.health == {"Default": "away"}

    warehouse.clock.seconds += LONGEST_PAUSE
    await warehouse.depot.put(artifact, "a", b"content")
    assert warehouse.stores.health == {"Default": "ok"}


async def test_pauses_grow_up_to_the_longest(workshop: Workshop, tmp_path: Path) -> None:
    warehouse = await open_warehouse(workshop, tmp_path, {"Default": USUAL})
    health = warehouse.stores.health_of(warehouse.id("Default"))
    pauses = []
    for _ in range(PATIENCE + 7):
        warehouse.clock.seconds += LONGEST_PAUSE
        with pytest.raises(Unavailable), health.watching():
            raise Unavailable("away")
        pauses.append(max(0.0, health.giving.until - warehouse.clock.seconds))

    assert pauses == [0, 0, 1, 2, 4, 8, 16, 30, 30, 30]


async def test_a_paused_store_is_used_again_as_soon_as_it_answers_a_probe(workshop: Workshop, tmp_path: Path) -> None:
    warehouse = await open_warehouse(workshop, tmp_path, {"Default": USUAL})
    await fail(warehouse, PATIENCE)
    warehouse.backend("Default").failures["probe"] = Unavailable("still away")
    await revive(warehouse.uploads)
    assert warehouse.stores.health == {"Default": "away"}

    warehouse.backend("Default").failures.clear()
    await revive(warehouse.uploads)

    assert warehouse.stores.health == {"Default": "ok"}
    await warehouse.add(b"content")


async def test_failures_of_one_moment_count_once(workshop: Workshop, tmp_path: Path) -> None:
    warehouse = await open_warehouse(workshop, tmp_path, {"Default": USUAL})
    health = warehouse.stores.health_of(warehouse.id("Default"))
    for _ in range(20):
        with pytest.raises(Unavailable), health.watching():
            raise Unavailable("away")

    assert health.gives


async def test_only_one_is_let_through_to_try_a_paused_store(workshop: Workshop, tmp_path: Path) -> None:
    warehouse = await open_warehouse(workshop, tmp_path, {"Default": USUAL})
    await fail(warehouse, PATIENCE)
    health = warehouse.stores.health_of(warehouse.id("Default"))
    warehouse.clock.seconds += LONGEST_PAUSE

    with health.watching(writing=True), pytest.raises(StorePaused), health.watching(writing=True):
        pass
    with health.watching(writing=True):
        pass


async def test_a_store_that_takes_nothing_still_gives_what_it_has(workshop: Workshop, tmp_path: Path) -> None:
    warehouse = await open_warehouse(workshop, tmp_path, {"Default": USUAL})
    artifact = await warehouse.add(b"kept before")
    await fail(warehouse, PATIENCE + 1)

    assert await warehouse.depot.fetch(artifact, "a") == b"kept before"
    assert warehouse.stores.health == {"Default": "away"}


async def test_two_stores_with_one_place_do_not_get_each_others_files(workshop: Workshop, tmp_path: Path) -> None:
    class Front(MemoryFileStore):
        fronts = ("Behind",)

    warehouse = await open_warehouse(workshop, tmp_path, {"Default": USUAL, "Behind": USUAL, "Third": USUAL})
    warehouse.stores._opened[warehouse.id("Default")] = evolve(
        warehouse.stores._opened[warehouse.id("Default")], backend=Front()
    )
    default, behind, third = (warehouse.id(name) for name in ("Default", "Behind", "Third"))

    assert warehouse.stores.in_one_place_with(default) == {default, behind}
    assert warehouse.stores.in_one_place_with(behind) == {default, behind}
    assert warehouse.stores.receivers(1, of=default) == (third,)
    assert warehouse.stores.receivers(1, of=behind) == (third,)
    with pytest.raises(CannotMigrate, match="in front of the other"):
        await warehouse.operate("stores migrate", source="Behind", target="Default")


async def test_a_copy_in_front_that_has_just_gone_is_read_from_behind(workshop: Workshop, tmp_path: Path) -> None:
    warehouse = await open_warehouse(workshop, tmp_path, {"Default": USUAL})
    artifact = await warehouse.add(b"content")
    paths = [tmp_path / "evicted", tmp_path / "cut"]
    paths[1].write_bytes(b"c")
    for path in paths:
        warehouse.backend("Default").local_path = lambda file, data, path=path: path  # type: ignore[method-assign, misc]

        assert await warehouse.depot.fetch(artifact, "a") == b"content"


def test_policies_that_contradict_each_other_are_told() -> None:
    assert USUAL.contradiction() is None
    assert "read_only and write_only" in str(StorePolicies(read_only=True, write_only=True).contradiction())
    assert "populate" in str(StorePolicies(populate=True, read_only=True).contradiction())
    assert "drain_to" in str(StorePolicies(drain_to="X").contradiction())
    assert "soft_max_size" in str(StorePolicies(soft_max_size=2, max_size=1).contradiction())
