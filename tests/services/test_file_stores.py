"""File stores: the configuration is the truth, and files that are there must stay in reach."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import field, frozen
from debusine_filestore_local.backend import LocalFileStore

from debusine.config import StoreSettings
from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import ConfigurationError, StorageFull, Unavailable
from debusine.domain.files import File
from debusine.plugin import FileStoreBackend, Secret, WriteFailed
from debusine.services import workspaces
from debusine.services.configured_stores import close_all, configure, open_stores
from debusine.services.file_stores import FileStores, StoreNotConfigured
from debusine.testing import plugin_manager


@frozen(kw_only=True)
class VaultOptions:
    base_directory: Path
    password: Secret | None = None
    speed: int = 1


class Vault(LocalFileStore):
    """A store with a secret, and with an option that does not say where the bytes are."""

    name = "vault"
    Options = VaultOptions  # type: ignore[assignment]
    place = frozenset({"base_directory"})


class Shouted(Vault):
    """A store whose place has more names than one."""

    name = "shouted"

    @classmethod
    def place_of_options(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"base_directory": str(options["base_directory"]).upper()}


@frozen
class Fleet:
    """Opens stores as a server's start does."""

    database: Database
    directory: Path
    closed: list[str] = field(factory=list)

    @asynccontextmanager
    async def open(self, **stores: Mapping[str, Any]) -> AsyncIterator[FileStores]:
        settings = {
            name: StoreSettings(
                backend=str(store.get("backend", "local")),
                options={"base_directory": str(self.directory / name)} | store.get("options", {}),
            )
            for name, store in stores.items()
        }
        backends = plugin_manager(file_stores=[LocalFileStore, Vault, Shouted]).file_stores()
        configured = configure(settings, backends)
        try:
            yield await open_stores(configured, self.database)
        finally:
            await close_all(configured)

    async def fill(self, name: str) -> None:
        def add(uow: UnitOfWork) -> None:
            store = uow.file_stores.by_name(name)
            assert store is not None
            file = uow.files.insert(sha256=name.encode().ljust(32), size=1)
            uow.stored_files.add(store.id, file.id, {}, at=uow.now)

        await self.database.write(add)


@pytest.fixture
def fleet(database: Database, tmp_path: Path) -> Fleet:
    return Fleet(database, tmp_path)


async def rows(database: Database) -> dict[str, tuple[str, Mapping[str, Any]]]:
    found = await database.read(lambda uow: uow.file_stores.all())
    return {row.name: (row.backend, row.configuration) for row in found}


async def test_the_rows_say_what_the_configuration_says(fleet: Fleet) -> None:
    async with fleet.open(Default={}, Cold={}) as stores:
        assert list(stores) == ["Default", "Cold"]
        assert stores.by_id(stores.rows["Cold"].id) is stores["Cold"]
        with pytest.raises(StoreNotConfigured):
            stores.by_id(99)

    assert await rows(fleet.database) == {
        "Default": ("local", {"base_directory": str(fleet.directory / "Default")}),
        "Cold": ("local", {"base_directory": str(fleet.directory / "Cold")}),
    }


async def test_the_same_configuration_again_changes_nothing(fleet: Fleet) -> None:
    async with fleet.open(Default={}) as stores:
        first = stores.rows
    async with fleet.open(Default={}) as stores:
        assert stores.rows == first


async def test_a_secret_is_used_and_never_stored(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    options = {"password_file": str(tmp_path / "password")}

    async with fleet.open(Default={"backend": "vault", "options": options}) as stores:
        assert stores["Default"].options.password.reveal() == "hunter2"

    assert "hunter2" not in str(await rows(fleet.database))


async def test_an_empty_store_may_vanish_and_move(fleet: Fleet) -> None:
    async with fleet.open(Default={}, Cold={}):
        pass
    elsewhere = str(fleet.directory / "elsewhere")
    async with fleet.open(Default={"backend": "vault", "options": {"base_directory": elsewhere}}):
        pass

    assert {name: row[0] for name, row in (await rows(fleet.database)).items()} == {"Default": "vault"}


async def test_a_store_that_holds_files_may_name_the_same_place_in_another_way(fleet: Fleet, tmp_path: Path) -> None:
    def named(name: str) -> dict[str, Any]:
        return {"backend": "shouted", "options": {"base_directory": str(tmp_path / name)}}

    async with fleet.open(Default={}, Cold=named("cold")):
        await fleet.fill("Cold")
    for name in ("cold", "COLD"):
        async with fleet.open(Default={}, Cold=named(name)):
            pass
    with pytest.raises(ConfigurationError, match=r"from '.*/COLD' to '.*/warm'"):
        async with fleet.open(Default={}, Cold=named("warm")):
            pass


@pytest.mark.parametrize(
    ("stores", "told"),
    [
        ({"Default": {}}, "stores.Cold: .* still holds files; put it back"),
        ({"Default": {}, "Cold": {"backend": "vault"}}, "stores.Cold.backend: .* 'local' to 'vault'"),
        (
            {"Default": {}, "Cold": {"options": {"base_directory": "/nonexistent"}}},
            "stores.Cold.options.base_directory: .* cannot change",
        ),
    ],
)
async def test_a_store_that_holds_files_stays_where_it_is(fleet: Fleet, stores: dict[str, Any], told: str) -> None:
    async with fleet.open(Default={}, Cold={}):
        await fleet.fill("Cold")
    before = await rows(fleet.database)

    with pytest.raises(ConfigurationError, match=told):
        async with fleet.open(**stores):
            pass

    assert await rows(fleet.database) == before


async def test_options_that_do_not_say_where_the_bytes_are_may_change(fleet: Fleet) -> None:
    async with fleet.open(Default={"backend": "vault"}):
        await fleet.fill("Default")

    async with fleet.open(Default={"backend": "vault", "options": {"speed": 2}}) as stores:
        assert stores.rows["Default"].configuration["speed"] == 2


async def test_a_store_that_a_workspace_names_may_not_vanish(fleet: Fleet) -> None:
    async with fleet.open(Default={}, Cold={}):
        await fleet.database.write(workspaces.create_with_name, "W", store="Cold")

    with pytest.raises(ConfigurationError, match="the workspace W keeps its files there"):
        async with fleet.open(Default={}):
            pass


async def test_a_store_whose_place_cannot_be_used_leaves_no_row(fleet: Fleet) -> None:
    (fleet.directory / "file").write_text("")

    with pytest.raises(ConfigurationError):
        async with fleet.open(Default={"options": {"base_directory": str(fleet.directory / "file" / "x")}}):
            pass

    assert await rows(fleet.database) == {}


async def test_all_stores_are_closed_though_one_fails_to(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[FileStoreBackend[Any]] = []

    async def aclose(backend: FileStoreBackend[Any]) -> None:
        closed.append(backend)
        if len(closed) == 1:
            raise ConnectionError

    monkeypatch.setattr(LocalFileStore, "aclose", aclose)
    with pytest.raises(ConnectionError):
        async with fleet.open(Default={}, Cold={}):
            pass

    assert len(closed) == 2


class Failing(LocalFileStore):
    """A store whose device does what the test says."""

    name = "failing"
    errors: ClassVar[list[Exception]] = []

    async def store(self, file: File, source: Path) -> dict[str, Any]:
        if self.errors:
            raise self.errors.pop(0)
        return {}


@pytest.mark.parametrize(
    ("error", "afterwards"),
    [
        (StorageFull("no room"), "ok"),
        (Unavailable("away"), "ok"),
        (WriteFailed("it", "I/O error"), "it could not be written to the disk for sure; send it again: I/O error"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_the_health_of_a_store_is_known_by_what_it_did(
    database: Database, tmp_path: Path, error: Exception, afterwards: str
) -> None:
    settings = {"Default": StoreSettings(backend="failing", options={"base_directory": str(tmp_path / "store")})}
    stores = await open_stores(configure(settings, plugin_manager(file_stores=[Failing]).file_stores()), database)
    store, file = stores.rows["Default"].id, File(sha256=b"x" * 32, size=1)
    Failing.errors.append(error)

    with pytest.raises(type(error)):
        await stores.keep([store], file, tmp_path)
    assert stores.health == {"Default": str(error)}

    await stores.keep([store], file, tmp_path)
    assert stores.health == {"Default": afterwards}


def test_an_unknown_backend_is_named_by_its_place() -> None:
    backends = plugin_manager(file_stores=[LocalFileStore]).file_stores()

    with pytest.raises(ConfigurationError, match=r"stores\.Default\.backend: .*'tape'.* local"):
        configure({"Default": StoreSettings(backend="tape")}, backends)
