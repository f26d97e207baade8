"""Workspaces: found by name, made and changed by the operator."""

import pytest

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import ANONYMOUS, Subject
from debusine.domain.errors import Conflict, Invalid, NotFound
from debusine.domain.files import File
from debusine.domain.workspaces import Workspace
from debusine.services import workspaces
from tests.farm import make_user


@pytest.fixture(autouse=True)
async def _stores(database: Database) -> None:
    def add(uow: UnitOfWork) -> None:
        for name in ("Default", "Cold", "Tape"):
            uow.file_stores.insert(name=name, backend="local", configuration={})

    await database.write(add)


def store(uow: UnitOfWork, name: str) -> int:
    found = uow.file_stores.by_name(name)
    assert found is not None
    return found.id


async def test_the_default_workspace_is_made_once_with_the_default_store(database: Database) -> None:
    first = await database.write(workspaces.default_workspace)
    second = await database.write(workspaces.default_workspace)

    assert first == second
    assert first.name == "System"
    assert first.default_file_store == await database.read(store, "Default")


async def test_who_names_no_workspace_means_the_default_one(database: Database) -> None:
    system = await database.write(workspaces.default_workspace)
    user = Subject(user=(await database.write(make_user, "alice"))[0])

    assert await database.read(workspaces.named, user) == system
    with pytest.raises(NotFound):
        await database.read(workspaces.named, ANONYMOUS)


async def test_a_changed_store_leaves_the_old_one_in_reach(database: Database) -> None:
    await database.write(workspaces.create_with_name, "W", store="Cold")
    await database.write(workspaces.change, "W", store="Tape")
    await database.write(workspaces.change, "W", store="Default")
    changed = await database.write(workspaces.change, "W", store="Cold")

    names = {name: await database.read(store, name) for name in ("Default", "Cold", "Tape")}
    assert changed.default_file_store == names["Cold"]
    assert set(changed.other_file_stores) == {names["Tape"], names["Default"]}
    assert await database.read(lambda uow: uow.workspaces.get(changed.id)) == Workspace(
        id=changed.id,
        name="W",
        default_file_store=names["Cold"],
        other_file_stores=tuple(sorted((names["Default"], names["Tape"]))),
    )


async def test_a_file_is_in_a_workspace_when_one_of_its_stores_keeps_it(database: Database) -> None:
    def in_which(uow: UnitOfWork) -> list[str]:
        uow.file_stores.default()
        first = workspaces.create_with_name(uow, "First")
        second = workspaces.create_with_name(uow, "Second", store="Cold")
        third = workspaces.change(uow, workspaces.create_with_name(uow, "Third", store="Cold").name, store="Tape")
        file = uow.files.insert(sha256=b"x" * 32, size=1)
        uow.stored_files.add(store(uow, "Cold"), file.id, {}, at=uow.now)
        return [found.name for found in (first, second, third) if uow.workspaces.is_file_in_workspace(found, file)]

    assert await database.write(in_which) == ["Second", "Third"]
    assert File.current_hash_algorithm == "sha256"


async def test_access_is_changed_without_touching_the_stores(database: Database) -> None:
    made = await database.write(workspaces.create_with_name, "W", public=True)

    changed = await database.write(workspaces.change, "W", public=False)

    assert (made.public, changed.public) == (True, False)
    assert changed.file_stores == made.file_stores


async def test_a_name_is_taken_once(database: Database) -> None:
    await database.write(workspaces.create_with_name, "W")

    with pytest.raises(Conflict, match="workspace set W"):
        await database.write(workspaces.create_with_name, "W")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../x", "ä", "x" * 101, ".hidden"])
async def test_names_that_would_need_escaping_are_refused(database: Database, name: str) -> None:
    with pytest.raises(Invalid):
        await database.write(workspaces.create_with_name, name)


async def test_an_unknown_store_is_named_with_those_that_there_are(database: Database) -> None:
    with pytest.raises(NotFound, match="Cold, Default, Tape"):
        await database.write(workspaces.create_with_name, "W", store="Wrong")


async def test_an_unknown_workspace_cannot_be_changed(database: Database) -> None:
    with pytest.raises(NotFound):
        await database.write(workspaces.change, "Nowhere", public=True)
