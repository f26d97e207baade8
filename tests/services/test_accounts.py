"""Who somebody is by a key, and how accounts are made and closed."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import ANONYMOUS, TokenKind
from debusine.domain.errors import Conflict, Invalid, NotFound
from debusine.domain.events import Event, TokenDisabled, WorkerChanged
from debusine.domain.secrets import key_hash, new_key
from debusine.services import accounts
from tests.farm import make_token, make_user, make_worker


async def test_a_key_opens_the_account_of_its_owner(database: Database) -> None:
    user, user_key = await database.write(make_user, "alice")
    worker, worker_key = await database.write(make_worker, "w1")

    assert (await database.read(accounts.authenticate, user_key)).user == user
    assert (await database.read(accounts.authenticate, worker_key)).worker == worker


async def test_an_unknown_key_is_nobodys(database: Database) -> None:
    assert await database.read(accounts.authenticate, new_key()) == ANONYMOUS


async def test_a_key_that_no_database_could_hold_is_nobodys(database: Database) -> None:
    assert await database.read(accounts.authenticate, "nul\0 \ud800") == ANONYMOUS


@pytest.mark.parametrize("how", ["disabled", "expired", "inactive"])
async def test_a_token_that_is_no_good_makes_an_anonymous_subject_with_the_token(database: Database, how: str) -> None:
    def make(uow: UnitOfWork) -> str:
        values: dict[str, Any] = {"expire_at": uow.now} if how == "expired" else {}
        user = make_user(uow, "alice", is_active=how != "inactive")[0]
        return make_token(uow, TokenKind.USER, user=user.id, enabled=how != "disabled", **values)[1]

    subject = await database.read(accounts.authenticate, await database.write(make))

    assert subject.anonymous
    assert subject.token is not None


async def test_a_token_is_good_until_it_expires(database: Database) -> None:
    def make(uow: UnitOfWork) -> str:
        user = make_user(uow, "alice")[0]
        return make_token(uow, TokenKind.USER, user=user.id, expire_at=uow.now + timedelta(hours=1))[1]

    assert not (await database.read(accounts.authenticate, await database.write(make))).anonymous


async def test_a_token_that_was_just_used_is_not_written_again(database: Database) -> None:
    def two_uses(uow: UnitOfWork) -> list[tuple[bool, Any]]:
        key = make_user(uow, "alice")[1]
        seen = []
        for seconds in (0, 59, 61):
            uow.now += timedelta(seconds=seconds)
            subject, known = accounts.recognise(uow, [key])[key]
            assert subject.token is not None
            accounts.note_seen(uow, [subject.token.id])
            after = uow.tokens.get(subject.token.id).last_seen_at
            seen.append((known, after == uow.now))
        return seen

    assert await database.write(two_uses) == [(False, True), (True, False), (False, True)]


async def test_only_the_hash_of_a_key_is_kept(database: Database) -> None:
    await database.write(accounts.create_user, "alice")
    key = await database.write(accounts.create_user_token, "alice")

    tokens = await database.read(lambda uow: uow.tokens.get_tokens(username="alice"))

    assert [token.hash for token in tokens] == [key_hash(key)]
    assert key not in repr(tokens)
    assert await database.read(lambda uow: uow.tokens.get_tokens(key=key)) == tokens
    assert await database.read(lambda uow: uow.tokens.get_tokens(username="bob")) == []


async def test_a_user_exists_once(database: Database) -> None:
    await database.write(accounts.create_user, "alice")

    with pytest.raises(Conflict, match="token create alice"):
        await database.write(accounts.create_user, "alice")


@pytest.mark.parametrize("name", ["", "a b", "-x", "ü", "a" * 151, "a\n", "a/b"])
async def test_names_that_would_need_escaping_are_refused(database: Database, name: str) -> None:
    with pytest.raises(Invalid):
        await database.write(accounts.create_user, name)


async def test_a_token_for_nobody_says_what_to_do(database: Database) -> None:
    with pytest.raises(NotFound, match="user create alice"):
        await database.write(accounts.create_user_token, "alice")


async def test_disabling_a_worker_tells_whoever_holds_its_socket(database: Database) -> None:
    worker, key = await database.write(make_worker, "w1")
    told: list[Event] = []

    def listen(events: Sequence[Event]) -> None:
        told.extend(events)

    database.subscribe(listen)
    assert worker.token is not None
    _, token = await database.write(accounts.set_worker_enabled, "w1", enabled=False)
    assert (await database.read(accounts.authenticate, key)).anonymous
    await database.write(accounts.set_worker_enabled, "w1", enabled=True)
    assert (await database.read(accounts.authenticate, key)).worker == evolve(worker)

    assert [event for event in told if isinstance(event, TokenDisabled | WorkerChanged)] == [
        TokenDisabled(worker.token, token.hash),
        WorkerChanged(worker.id),
    ]


async def test_an_unknown_worker_cannot_be_enabled(database: Database) -> None:
    with pytest.raises(NotFound, match="worker list"):
        await database.write(accounts.set_worker_enabled, "nobody", enabled=True)
