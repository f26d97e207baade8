"""The operator's commands about tokens."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from debusine.db.database import Database
from debusine.domain.accounts import TokenKind
from debusine.domain.errors import Conflict, Invalid, NotFound
from debusine.domain.events import ChangedElsewhere, Event, TokenDisabled, WorkerChanged
from debusine.domain.secrets import key_hash
from debusine.services import accounts
from debusine.services.administration import OPERATOR, perform
from tests.farm import make_token, make_user, make_worker


async def ask(database: Database, command: str, **arguments: Any) -> Any:
    return await database.write(perform, OPERATOR, command, arguments)


async def test_the_list_tells_everything_but_the_key(database: Database) -> None:
    key = (await database.write(make_user, "alice"))[1]
    worker_key = (await database.write(make_worker, "w1", enabled=False))[1]
    made = await ask(database, "token create", user="alice", comment="laptop", expires_in="P1D")

    rows = await ask(database, "token list")

    assert [(row["kind"], row["owner"], row["enabled"], row["comment"]) for row in rows] == [
        ("user", "alice", True, ""),
        ("worker", "w1", False, ""),
        ("user", "alice", True, "laptop"),
    ]
    assert rows[2]["expire_at"] - rows[2]["created_at"] == timedelta(days=1)
    assert rows[0]["hash"] == key_hash(key)[:8]
    for secret in (key, worker_key, made["key"], key_hash(key)):
        assert secret not in str(rows)


@pytest.mark.parametrize("by", ["id", "hash", "whole hash"])
async def test_a_token_is_disabled_and_enabled_by_number_or_hash(database: Database, by: str) -> None:
    key = (await database.write(make_user, "alice"))[1]
    row = (await ask(database, "token list"))[0]
    named = {"id": str(row["id"]), "hash": row["hash"], "whole hash": key_hash(key)}[by]

    assert (await ask(database, "token disable", token=named))["enabled"] is False
    assert (await database.read(accounts.authenticate, key)).anonymous
    assert (await ask(database, "token enable", token=named))["enabled"] is True
    assert not (await database.read(accounts.authenticate, key)).anonymous


async def test_what_is_open_hears_of_it(database: Database) -> None:
    worker = (await database.write(make_worker, "w1"))[0]
    events: list[Event] = []
    database.subscribe(events.extend)

    await ask(database, "token disable", token=str(worker.token))
    await ask(database, "token enable", token=str(worker.token))

    told = [type(event) for event in events if not isinstance(event, ChangedElsewhere)]
    assert told == [TokenDisabled, WorkerChanged]


async def test_a_token_whose_time_is_over_is_shown_so(database: Database) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    await database.write(lambda uow: make_token(uow, TokenKind.ACTIVATION, expire_at=past, comment="for w9"))

    row = (await ask(database, "token list"))[0]
    assert (row["kind"], row["owner"], row["enabled"], row["expired"]) == ("activation", None, True, True)


async def test_hashes_that_begin_alike_are_not_guessed_at(database: Database) -> None:
    def twins(uow: Any) -> None:
        for end in "01":
            values = {"comment": "", "enabled": True, "created_at": uow.now, "expire_at": None, "last_seen_at": None}
            uow.tokens.insert(kind=TokenKind.USER, hash="abcdef01" + end * 56, user=None, **values)

    await database.write(twins)
    with pytest.raises(Conflict, match="several"):
        await ask(database, "token disable", token="abcdef01")
    assert (await ask(database, "token disable", token="abcdef01" + "1" * 56))["enabled"] is False


@pytest.mark.parametrize("named", ["99", "abcdef01", "", "%", "________", "a" * 64, "9" * 30, "-1", "1\n", "é"])
async def test_a_token_that_is_not_there_is_named_in_the_refusal(database: Database, named: str) -> None:
    await database.write(make_user, "alice")
    with pytest.raises(NotFound, match="token list"):
        await ask(database, "token enable", token=named)


async def test_a_key_that_is_given_by_mistake_is_not_repeated(database: Database) -> None:
    key = (await database.write(make_user, "alice"))[1]
    with pytest.raises(NotFound) as refused:
        await ask(database, "token disable", token=key)
    assert key[:8] not in str(refused.value)


@pytest.mark.parametrize("life", ["0", "soon", "-1", "P", "PT0S", "P999999W"])
async def test_a_life_that_is_none_is_refused(database: Database, life: str) -> None:
    await database.write(make_user, "alice")
    with pytest.raises(Invalid, match="P30D"):
        await ask(database, "token create", user="alice", expires_in=life)
