"""Copies move, are made, read again and replaced, and no file is unreadable or lost at any moment."""

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import StorageFull, Unavailable
from debusine.domain.files import FileInStore, SetAside
from debusine.domain.stores import StorePolicies
from debusine.domain.times import now
from debusine.plugin import Damaged, FileMissing
from debusine.services import copy_records, moving, scrubbing
from debusine.services.configured_stores import let_workspaces_follow
from debusine.services.copying import NoGoodCopy, give
from debusine.services.store_administration import CannotMigrate, UnknownStore
from debusine.services.store_checks import PlaceLost, check_holdings
from debusine.services.store_keeping import READ_AGAIN, Keeper, revive
from tests.interleaving import keep_apart
from tests.stores import Warehouse, open_warehouse
from tests.work import Workshop

USUAL = StorePolicies()
CONTENTS = [bytes([number]) * (100 + number) for number in range(5)]


@pytest.fixture
async def pair(workshop: Workshop, tmp_path: Path) -> Warehouse:
    """Two stores, the first one with five files."""
    warehouse = await open_warehouse(workshop, tmp_path, {"Default": USUAL, "Second": USUAL})
    for content in CONTENTS:
        await warehouse.add(content)
    return warehouse


async def all_readable(warehouse: Warehouse, artifacts: list[int]) -> bool:
    return [await warehouse.depot.fetch(artifact, "a") for artifact in artifacts] == CONTENTS


async def test_a_migration_moves_everything_and_new_files_go_to_the_new_store(pair: Warehouse) -> None:
    result = await pair.operate("stores migrate", source="Default", target="Second")
    await pair.add(b"new")

    assert result == {
        "moved": 5,
        "size": sum(map(len, CONTENTS)),
        "failed": 0,
        "failures": [],
        "empty": True,
        "removing": 0,
    }
    assert pair.contents("Default") == []
    assert pair.contents("Second") == sorted([*CONTENTS, b"new"])
    assert (await pair.workspace()).file_stores == (pair.id("Second"),)
    assert [progress.done for progress in pair.told] == sorted(progress.done for progress in pair.told)


async def test_every_file_is_readable_at_every_step_of_a_migration(pair: Warehouse) -> None:
    artifacts = list(range(1, len(CONTENTS) + 1))
    seen = 0

    async def look() -> None:
        nonlocal seen
        assert await all_readable(pair, artifacts)
        seen += 1

    for step in ("add_copy", "<lambda>", "let_go"):
        pair.depot.database.before[step] = look
        pair.depot.database.after[step] = look
    await pair.operate("stores migrate", source="Default", target="Second")

    assert seen > 3 * len(CONTENTS)
    assert await all_readable(pair, artifacts)


async def test_who_has_begun_to_read_an_object_may_go_on_after_it_has_moved(workshop: Workshop, tmp_path: Path) -> None:
    warehouse = await open_warehouse(workshop, tmp_path, {"Default": USUAL, "Second": USUAL}, copy_removal=60.0)
    await warehouse.add(b"content")
    result = await warehouse.operate("stores migrate", source="Default", target="Second")

    assert result["removing"] == 1
    assert result["empty"]
    assert warehouse.contents("Default") == [b"content"]
    assert await warehouse.copies(b"content") == ["Second"]
    assert await moving.remove_due(warehouse.uploads, warehouse.id("Default")) == 0


@pytest.mark.parametrize("step", ["store", "verify", "add_copy", "let_go", "remove"])
async def test_an_interrupted_migration_goes_on_where_it_was(pair: Warehouse, step: str) -> None:
    artifacts = list(range(1, len(CONTENTS) + 1))
    third = 0

    def interrupt() -> None:
        nonlocal third
        third += 1
        if third == 3:
            raise asyncio.CancelledError

    if step in {"add_copy", "let_go"}:
        pair.depot.database.before[step] = interrupt
    else:
        interrupting(pair, "Default" if step == "remove" else "Second", step, interrupt)
    with contextlib.suppress(asyncio.CancelledError):
        await pair.operate("stores migrate", source="Default", target="Second")
    assert await all_readable(pair, artifacts)

    result = await pair.operate("stores migrate", source="Default", target="Second")

    assert result["empty"]
    assert await all_readable(pair, artifacts)
    assert set(pair.contents("Second")) == set(CONTENTS)
    assert pair.contents("Default") == []


def interrupting(warehouse: Warehouse, name: str, method: str, interrupt: Any) -> None:
    backend = warehouse.backend(name)
    real = getattr(backend, method)

    async def call(*arguments: Any) -> Any:
        interrupt()
        return await real(*arguments)

    setattr(backend, method, call)


async def test_what_cannot_be_moved_stays_readable_and_is_told(pair: Warehouse) -> None:
    pair.backend("Second").failures["store"] = StorageFull("no room")

    result = await pair.operate("stores migrate", source="Default", target="Second")

    assert result["failed"] == 5
    assert not result["empty"]
    assert "no room" in result["failures"][0]
    assert await all_readable(pair, list(range(1, 6)))


async def test_a_new_copy_that_reads_back_wrong_is_not_relied_on(pair: Warehouse) -> None:
    backend = pair.backend("Second")
    real = backend.verify

    async def verify(file: Any, data: Any) -> Any:
        pair.damage("Second", CONTENTS[0]) if file.size == len(CONTENTS[0]) else None
        return await real(file, data)

    backend.verify = verify  # type: ignore[method-assign]
    result = await pair.operate("stores migrate", source="Default", target="Second")

    assert result["failed"] == 1
    assert await pair.copies(CONTENTS[0]) == ["Default"]
    assert await pair.copies(CONTENTS[1]) == ["Second"]
    assert sorted(map(len, pair.contents("Second"))) == sorted(map(len, CONTENTS[1:]))


async def test_stores_that_cannot_be_moved_between_are_told(
    pair: Warehouse, workshop: Workshop, tmp_path: Path
) -> None:
    with pytest.raises(CannotMigrate, match="the same"):
        await pair.operate("stores migrate", source="Default", target="Default")
    with pytest.raises(UnknownStore, match="Default, Second"):
        await pair.operate("stores migrate", source="Default", target="Third")
    policies = {"Default": USUAL, "Second": StorePolicies(read_only=True)}
    closed = await open_warehouse(workshop, tmp_path / "closed", policies)
    with pytest.raises(CannotMigrate, match="read_only"):
        await closed.operate("stores migrate", source="Default", target="Second")


async def test_two_who_drain_in_opposite_directions_never_take_the_last_two_copies(pair: Warehouse) -> None:
    keep_apart(pair.depot.workshop.database)
    file = await pair.file(CONTENTS[0])
    assert await give(pair.uploads, file, pair.id("Second"))
    copies = {copy.store: copy for copy in await pair.rows(CONTENTS[0])}
    first, second = copies[pair.id("Default")], copies[pair.id("Second")]

    def go(uow: UnitOfWork, copy: FileInStore, other: int) -> bool:
        return copy_records.let_go(uow, copy, held_by=other, grace=timedelta())

    for _ in range(20):
        await asyncio.gather(
            pair.depot.database.write(go, first, second.store), pair.depot.database.write(go, second, first.store)
        )
        left = await pair.rows(CONTENTS[0])
        assert len(left) == 1
        kept = left[0]
        missing = second if kept.store == first.store else first
        await pair.depot.database.write(
            lambda uow, gone: uow.stored_files.add(gone.store, gone.file, gone.data, at=uow.now), missing
        )
        copies = {copy.store: copy for copy in await pair.rows(CONTENTS[0])}
        first, second = copies[pair.id("Default")], copies[pair.id("Second")]


async def test_a_drained_store_is_emptied_and_its_workspaces_follow(workshop: Workshop, tmp_path: Path) -> None:
    policies = {"Default": StorePolicies(drain=True, drain_to="Third"), "Second": USUAL, "Third": USUAL}
    filled = await open_warehouse(workshop, tmp_path / "before", dict.fromkeys(policies, USUAL))
    artifacts = [await filled.add(content) for content in CONTENTS]
    warehouse = await open_warehouse(workshop, tmp_path, policies)
    for name in policies:
        warehouse.backend(name).memory = filled.backend(name).memory
    await warehouse.depot.database.write(let_workspaces_follow, warehouse.stores)

    await warehouse.add(b"new")
    await Keeper(warehouse.uploads, warehouse.clock).make_round()
    await Keeper(warehouse.uploads, warehouse.clock).make_round()

    assert warehouse.contents("Default") == []
    assert warehouse.contents("Third") == sorted([*CONTENTS, b"new"])
    assert await all_readable(warehouse, artifacts)
    assert warehouse.id("Third") in (await warehouse.workspace()).file_stores
    assert warehouse.id("Second") not in (await warehouse.workspace()).file_stores


async def test_what_is_too_much_moves_until_the_soft_limit_holds(workshop: Workshop, tmp_path: Path) -> None:
    policies = {"Default": StorePolicies(soft_max_size=250), "Second": USUAL}
    warehouse = await open_warehouse(workshop, tmp_path, policies)
    for content in CONTENTS:
        await warehouse.add(content)
    warehouse.stores.sizes[warehouse.id("Default")] = sum(map(len, CONTENTS))

    await Keeper(warehouse.uploads, warehouse.clock).make_round()

    assert await warehouse.copies(CONTENTS[0]) == ["Second"]
    assert await warehouse.copies(CONTENTS[4]) == ["Default"]
    left = [content for content in CONTENTS if await warehouse.copies(content) == ["Default"]]
    assert sum(map(len, left)) == warehouse.stores.sizes[warehouse.id("Default")] <= 250


async def test_a_store_that_shall_have_everything_gets_it(workshop: Workshop, tmp_path: Path) -> None:
    policies = {"Default": USUAL, "Backup": StorePolicies(populate=True, write_only=True)}
    warehouse = await open_warehouse(workshop, tmp_path, policies)
    for content in [*CONTENTS, b""]:
        await warehouse.add(content)
    keeper = Keeper(warehouse.uploads, warehouse.clock)

    await keeper.make_round()
    await warehouse.add(b"later")
    await keeper.make_round()

    assert warehouse.contents("Backup") == sorted([*CONTENTS, b"", b"later"])
    assert await warehouse.copies(b"later") == ["Backup", "Default"]


@pytest.mark.parametrize("how", ["damage", "lose"])
async def test_a_bad_copy_is_found_set_aside_and_replaced_by_a_good_one(pair: Warehouse, how: str) -> None:
    for content in CONTENTS:
        assert await give(pair.uploads, await pair.file(content), pair.id("Second"))
    getattr(pair, how)("Default", CONTENTS[2])

    results = await pair.operate("stores scrub")

    assert [(row["store"], row["read"], row["damaged"], row["replaced"], row["lost"]) for row in results] == [
        ("Default", 5, 1, 1, 0),
        ("Second", 5, 0, 0, 0),
    ]
    (aside,) = await pair.aside()
    assert aside.reason is (SetAside.DAMAGED if how == "damage" else SetAside.LOST)
    assert await pair.copies(CONTENTS[2]) == ["Default", "Second"]
    assert CONTENTS[2] in pair.contents("Default")
    assert [row["damaged"] for row in await pair.operate("stores scrub")] == [0, 0]
    dropped = await pair.operate("stores drop-quarantined", number=None)
    assert [row["copies"] for row in dropped] == [2]
    assert pair.contents("Default") == sorted(CONTENTS)
    assert await pair.operate("stores quarantined") == []


async def test_a_file_that_is_nowhere_any_more_can_be_sent_again(pair: Warehouse) -> None:
    pair.damage("Default", CONTENTS[1])

    (default, _) = await pair.operate("stores scrub")

    assert (default["damaged"], default["replaced"], default["lost"]) == (1, 0, 1)
    assert not (await pair.depot.probe(2, "a")).complete
    await pair.depot.put(2, "a", CONTENTS[1])
    assert await pair.depot.fetch(2, "a") == CONTENTS[1]


async def test_a_copy_is_never_made_of_bad_bytes(pair: Warehouse) -> None:
    pair.damage("Default", CONTENTS[0])

    with pytest.raises(NoGoodCopy):
        await give(pair.uploads, await pair.file(CONTENTS[0]), pair.id("Second"))

    assert pair.contents("Second") == []
    assert [copy.reason for copy in await pair.aside()] == [SetAside.DAMAGED]
    assert pair.depot.spooled() == {}


async def test_the_longest_unread_copies_are_read_first_and_only_as_many_as_wanted(pair: Warehouse) -> None:
    await pair.operate("stores scrub", store="Default", size=1)
    before = {copy.file: copy.verified_at for content in CONTENTS for copy in await pair.rows(content)}

    (row,) = await pair.operate("stores scrub", store="Default", size=len(CONTENTS[1]) + 1)

    assert row["read"] == 2
    after = {copy.file: copy.verified_at for content in CONTENTS for copy in await pair.rows(content)}
    moved = [(await pair.file(content)).id for content in CONTENTS[1:3]]
    assert sorted(file for file in after if after[file] != before[file]) == sorted(moved)


async def test_a_store_that_is_away_is_not_taken_for_one_that_has_lost_everything(pair: Warehouse) -> None:
    pair.backend("Default").failures["probe"] = Unavailable("not mounted")
    pair.lose("Default", CONTENTS[0])

    (row,) = await pair.operate("stores scrub", store="Default")

    assert row["damaged"] == 0
    assert row["failure"] == "not mounted"
    assert await pair.aside() == []


async def test_a_day_is_read_at_the_pace_that_the_policy_names(workshop: Workshop, tmp_path: Path) -> None:
    policies = {"Default": StorePolicies(scrub_per_day=86_400)}  # a byte a second
    warehouse = await open_warehouse(workshop, tmp_path, policies)
    for content in CONTENTS:
        await warehouse.add(content)
    await age(warehouse)
    keeper = Keeper(warehouse.uploads, warehouse.clock)
    await keeper.make_round()
    assert await young(warehouse) == 0

    warehouse.clock.seconds += 150
    await keeper.make_round()
    assert await young(warehouse) == 2  # the second one is begun because there was something left
    warehouse.clock.seconds += 30
    await keeper.make_round()
    assert await young(warehouse) == 2
    warehouse.clock.seconds += 86_400
    await keeper.make_round()
    assert await young(warehouse) == 5


async def age(warehouse: Warehouse) -> None:
    old = now() - READ_AGAIN - timedelta(hours=1)
    for content in CONTENTS:
        for copy in await warehouse.rows(content):
            await warehouse.depot.database.write(lambda uow, id_: uow.stored_files.mark_verified(id_, old), copy.id)


async def young(warehouse: Warehouse) -> int:
    rows = [copy for content in CONTENTS for copy in await warehouse.rows(content)]
    return sum(copy.verified_at > now() - READ_AGAIN for copy in rows)


async def test_a_round_goes_on_with_the_other_stores_when_one_fails(workshop: Workshop, tmp_path: Path) -> None:
    policies = {"Default": USUAL, "Broken": StorePolicies(populate=True), "Good": StorePolicies(populate=True)}
    warehouse = await open_warehouse(workshop, tmp_path, policies)
    await warehouse.add(b"content")
    warehouse.backend("Broken").failures |= {"store": Unavailable("away"), "tidy": Unavailable("away")}

    await Keeper(warehouse.uploads, warehouse.clock).make_round()

    assert await warehouse.copies(b"content") == ["Default", "Good"]


@pytest.mark.parametrize("error", [KeyError("a mistake"), StorageFull("no room"), Damaged("it", "odd")])
async def test_a_backend_that_breaks_its_promise_costs_its_own_job_only(
    workshop: Workshop, tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    policies = {"Default": USUAL, "Odd": StorePolicies(populate=True), "Good": StorePolicies(populate=True)}
    warehouse = await open_warehouse(workshop, tmp_path, policies)
    await warehouse.add(b"content")
    warehouse.backend("Odd").failures |= {"store": error, "tidy": error, "probe": error}
    warehouse.stores.health_of(warehouse.id("Odd")).giving.fail()

    await revive(warehouse.uploads)
    await Keeper(warehouse.uploads, warehouse.clock).make_round()

    assert await warehouse.copies(b"content") == ["Default", "Good"]
    assert "Odd" in caplog.text


async def test_a_store_that_is_away_is_not_robbed_of_its_copies_when_one_is_made(pair: Warehouse) -> None:
    pair.lose("Default", CONTENTS[0])
    pair.backend("Default").failures["probe"] = Unavailable("not mounted")

    with pytest.raises(NoGoodCopy):
        await give(pair.uploads, await pair.file(CONTENTS[0]), pair.id("Second"))

    assert await pair.aside() == []
    assert await pair.copies(CONTENTS[0]) == ["Default"]


async def test_a_store_without_any_of_its_latest_files_is_another_place(pair: Warehouse) -> None:
    (opened,) = [each for each in pair.stores.opened() if each.row.name == "Default"]
    await check_holdings(pair.depot.database, opened)
    kept = dict(pair.backend("Default").objects)
    pair.backend("Default").objects.clear()

    with pytest.raises(PlaceLost, match="mount the right disk") as caught:
        await check_holdings(pair.depot.database, opened)
    opened.health.start_broken(caught.value)
    await revive(pair.uploads)
    assert "none is there" in opened.health.state

    pair.backend("Default").objects.update(kept)
    await revive(pair.uploads)
    assert opened.health.state == "ok"


async def test_a_store_that_failed_once_is_well_again_also_when_nobody_uses_it(pair: Warehouse) -> None:
    store = pair.id("Default")
    health = pair.stores.health_of(store)
    with pytest.raises(Unavailable), health.watching():
        raise Unavailable("away")
    pair.backend("Default").failures["probe"] = Unavailable("still away")

    await revive(pair.uploads)
    assert health.state == "away"
    pair.backend("Default").failures.clear()
    await revive(pair.uploads)

    assert health.state == "ok"


async def test_verifying_a_good_store_finds_nothing_wrong_and_leaves_nothing(pair: Warehouse) -> None:
    for name in ("Default", "Second"):
        pair.backend(name).takes_parts = True

    rows = await pair.operate("stores verify")

    assert [row for row in rows if row["grade"] != "good"] == []
    assert {"it can come in parts, which nobody sees before the end"} <= {row["what"] for row in rows}
    assert pair.contents("Default") == sorted(CONTENTS)
    assert pair.contents("Second") == []
    assert not pair.backend("Second").memory.begun
    assert pair.depot.spooled() == {}


@pytest.mark.parametrize(
    ("method", "error", "what"),
    [
        ("probe", Unavailable("away"), "the place can be used"),
        ("store", StorageFull("full"), "a file is taken"),
        ("open", Damaged("it", "flipped"), "it comes back as it was"),
        ("stat", FileMissing("it"), "its size and age are told"),
        ("entries", Unavailable("away"), "it is listed"),
        ("remove", Unavailable("away"), "what is removed is gone"),
        ("store_part", Unavailable("away"), "it can come in parts, which nobody sees before the end"),
        ("stat", KeyError("a mistake"), "its size and age are told"),
    ],
)
async def test_verifying_a_bad_store_names_what_is_wrong(
    pair: Warehouse, method: str, error: Exception, what: str
) -> None:
    pair.backend("Second").takes_parts = True
    pair.backend("Second").failures[method] = error

    rows = await pair.operate("stores verify", store="Second")

    wrong = {row["what"]: row["detail"] for row in rows if row["grade"] == "wrong"}
    assert what in wrong
    assert str(error) in wrong[what]


async def test_verifying_names_files_that_should_be_there(pair: Warehouse) -> None:
    pair.lose("Default", CONTENTS[0])

    rows = await pair.operate("stores verify", store="Default")

    (wrong,) = [row for row in rows if row["grade"] == "wrong"]
    assert wrong["detail"].startswith("of the last 5, 1 are missing")


async def test_stores_are_listed_with_what_is_in_them(workshop: Workshop, tmp_path: Path) -> None:
    policies = {"Default": USUAL, "Second": StorePolicies(drain=True, upload_priority=3)}
    warehouse = await open_warehouse(workshop, tmp_path, policies)
    await warehouse.add(b"content")

    rows = await warehouse.operate("stores list")

    assert [(row["name"], row["files"], row["size"], row["policies"]) for row in rows] == [
        ("Default", 1, 7, []),
        ("Second", 0, 0, ["drain", "upload_priority = 3"]),
    ]
    assert rows[0]["workspaces"] == [workshop.workspace.name]


async def test_a_file_that_is_being_deleted_gets_no_new_copy(pair: Warehouse) -> None:
    from debusine.domain.files import FileState

    file = await pair.file(CONTENTS[0])
    await pair.depot.database.write(lambda uow: uow.files.save(evolve(file, state=FileState.DELETING), expecting=file))

    assert not await give(pair.uploads, file, pair.id("Second"))
    assert pair.contents("Second") == []


async def test_a_lost_race_for_a_copy_leaves_one(pair: Warehouse) -> None:
    file = await pair.file(CONTENTS[0])

    results = await asyncio.gather(*(give(pair.uploads, file, pair.id("Second")) for _ in range(4)))

    assert results == [True] * 4
    assert pair.contents("Second") == [CONTENTS[0]]


async def test_scrubbing_meets_a_copy_that_has_just_moved(pair: Warehouse) -> None:
    (copy,) = await pair.rows(CONTENTS[0])
    file = await pair.file(CONTENTS[0])
    await pair.operate("stores migrate", source="Default", target="Second")

    found = await scrubbing.check_copy(pair.uploads, copy, file)

    assert not found.lost
    assert await pair.copies(CONTENTS[0]) == ["Second"]
    assert await pair.aside() == []


async def test_the_right_of_the_operator_is_asked_for(pair: Warehouse) -> None:
    from debusine.domain.errors import PermissionDenied
    from debusine.services.store_administration import operate

    async def report(_: Any) -> None:
        pass

    with pytest.raises(PermissionDenied):
        await operate(pair.uploads, pair.depot.user, "stores list", {}, report)
