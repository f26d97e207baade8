"""The operator's commands: one table, one way to carry them out."""

from typing import Any

import pytest
from attrs import evolve

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import ANONYMOUS, Subject
from debusine.domain.errors import Invalid, NotAuthenticated, NotFound, PermissionDenied
from debusine.services import accounts, workspaces
from debusine.services.administration import COMMANDS, OPERATOR, perform
from tests.farm import make_user, make_worker


@pytest.fixture(autouse=True)
async def _furnished(database: Database) -> None:
    def furnish(uow: UnitOfWork) -> None:
        uow.file_stores.insert(name="Default", backend="local", configuration={})
        workspaces.default_workspace(uow)

    await database.write(furnish)


async def ask(database: Database, command: str, **arguments: Any) -> Any:
    return await database.write(perform, OPERATOR, command, arguments)


async def test_a_made_key_opens_its_account(database: Database) -> None:
    before = database.clock()
    made = await ask(database, "user create", name="alice", superuser=True)
    assert (made["name"], made["superuser"], made["active"]) == ("alice", True, True)
    assert before <= made["joined_at"] <= database.clock()
    user_key = (await ask(database, "token create", user="alice"))["key"]
    worker_key = (await ask(database, "worker create", fqdn="Builder.Example.org"))["key"]

    user = (await database.read(accounts.authenticate, user_key)).user
    worker = (await database.read(accounts.authenticate, worker_key)).worker
    assert user is not None
    assert user.is_superuser
    assert worker is not None
    assert worker.name == "builder-example-org"


async def test_a_user_becomes_a_superuser_and_is_none_any_more(database: Database) -> None:
    await ask(database, "user create", name="alice")
    key = (await ask(database, "token create", user="alice"))["key"]
    for superuser in (True, False, False):
        changed = await ask(database, "user set", name="alice", superuser=superuser)
        user = (await database.read(accounts.authenticate, key)).user
        assert (changed["name"], changed["superuser"]) == ("alice", superuser)
        assert user is not None
        assert user.is_superuser is superuser
    with pytest.raises(NotFound, match="user create bob"):
        await ask(database, "user set", name="bob", superuser=True)


async def test_users_are_listed_by_name(database: Database) -> None:
    assert await ask(database, "user list") == []
    made = [await ask(database, "user create", name=name, superuser=name == "zoe") for name in ("zoe", "alice")]
    assert await ask(database, "user list") == made[::-1]


async def test_who_has_yet_to_register_is_listed_with_what_becomes_of_it(database: Database) -> None:
    for fqdn in ("late.example.org", "out.example.org"):
        await ask(database, "worker create", fqdn=fqdn, activation=True)
    await ask(database, "worker disable", name="out-example-org")
    moment = database.clock()
    database.clock = lambda: moment + accounts.ACTIVATION_LIFE
    await ask(database, "worker create", fqdn="good.example.org", activation=True)
    await database.write(make_worker, "here")

    listed = await ask(database, "worker list")
    found = {row["name"]: (row["activation"], row["registered_at"] is None, row["enabled"]) for row in listed}
    assert found == {
        "good-example-org": ("good", True, False),
        "here": (None, False, True),
        "late-example-org": ("expired", True, False),
        "out-example-org": ("disabled", True, False),
    }


async def test_workers_are_listed_enabled_and_disabled(database: Database) -> None:
    await database.write(make_worker, "w2", enabled=False)
    await database.write(make_worker, "w1")

    assert (await ask(database, "worker enable", name="w2"))["enabled"] is True
    assert (await ask(database, "worker disable", name="w1"))["enabled"] is False
    listed = await ask(database, "worker list")
    assert [(row["name"], row["enabled"]) for row in listed] == [("w1", False), ("w2", True)]


async def test_workspaces_are_made_changed_and_listed(database: Database) -> None:
    await ask(database, "workspace create", name="W")
    await ask(database, "workspace set", name="W", public=True)

    assert await ask(database, "workspace list") == [
        {"name": "System", "public": False, "store": "Default", "other_stores": []},
        {"name": "W", "public": True, "store": "Default", "other_stores": []},
    ]


@pytest.mark.parametrize("command", COMMANDS)
async def test_only_the_operator_may(database: Database, command: str) -> None:
    user = (await database.write(make_user, "alice"))[0]
    worker = (await database.write(make_worker, "w1"))[0]

    for subject, error in (
        (ANONYMOUS, NotAuthenticated),
        (Subject(user=user), PermissionDenied),
        (Subject(worker=worker), PermissionDenied),
    ):
        with pytest.raises(error):
            await database.write(perform, subject, command, {})
    with pytest.raises((Invalid, NotFound, AssertionError)):
        await database.write(lambda uow: _refuse(uow, command, evolve(user, is_superuser=True)))


def _refuse(uow: UnitOfWork, command: str, user: Any) -> None:
    """A superuser gets as far as the arguments, which are wrong."""
    perform(uow, Subject(user=user), command, {"bogus": 1})


async def test_an_unknown_command_is_refused(database: Database) -> None:
    with pytest.raises(NotFound, match="its version"):
        await ask(database, "farm burn")


async def test_wrong_arguments_are_named(database: Database) -> None:
    with pytest.raises(Invalid) as caught:
        await ask(database, "user create", name=1, superuser="no")

    assert set(caught.value.validation_errors or {}) == {"name", "superuser"}
