"""Workers get names of their own."""

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import TokenKind
from debusine.domain.secrets import key_hash, new_key


def register(uow: UnitOfWork, fqdn: str) -> str:
    token = uow.tokens.insert(kind=TokenKind.WORKER, hash=key_hash(new_key()), enabled=True, created_at=uow.now)
    return uow.workers.create_with_fqdn(fqdn, token.id, at=uow.now).name


async def test_workers_of_one_name_are_numbered(database: Database) -> None:
    names = [await database.write(register, fqdn) for fqdn in ("a.example", "A.example", "b.example", "a-example")]

    assert names == ["a-example", "a-example-2", "b-example", "a-example-3"]
