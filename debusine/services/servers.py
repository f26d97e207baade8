"""Servers: each process announces itself, gives signs of life, and clears up after those that died."""

import os
import secrets
import socket
from collections.abc import Collection

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.errors import Unavailable
from debusine.domain.servers import DEAD_AFTER, Server
from debusine.services import workers


class TakenForDead(Unavailable):
    """The other servers did not hear of this one for too long, and have taken its workers over."""

    def __init__(self) -> None:
        super().__init__("This server was taken for dead by others; start it again")


def own_name() -> str:
    """A name for this process that no other has."""
    return f"{socket.gethostname()[:200]}:{os.getpid()}:{secrets.token_hex(4)}"


def announce(uow: UnitOfWork, name: str, *, alone: bool) -> Server:
    """Add this process; ``alone``: the database is embedded, so every other one has ended."""
    forget(uow, uow.servers.ids() if alone else uow.servers.silent(DEAD_AFTER))
    at = uow.servers.now()
    return uow.servers.insert(name=name, started_at=at, beat_at=at)


def beat(uow: UnitOfWork, server: int) -> None:
    """Give a sign of life, and look for servers that give none any more."""
    silent = uow.servers.silent(DEAD_AFTER)
    if not uow.servers.beat(server):
        raise TakenForDead
    if server not in silent:  # else nobody reached the database for a while, and the others may be as alive as this one
        forget(uow, silent)


def leave(uow: UnitOfWork, server: int) -> None:
    """Take this process off the list: it stops."""
    forget(uow, [server])


def forget(uow: UnitOfWork, servers: Collection[int]) -> None:
    """Free the workers of servers that have ended."""
    if servers:
        workers.forget_connections(uow, servers)
        uow.servers.forget(servers)
