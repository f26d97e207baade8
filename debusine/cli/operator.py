"""How the operator's commands reach the farm: by the running server, or by its database when none runs."""

import asyncio
import http.client
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from debusine.cli.data_directory import InUse, locked
from debusine.cli.operation_progress import Report, nothing
from debusine.config import Settings
from debusine.converter.json import dumps, loads
from debusine.domain.errors import ConfigurationError, DebusineError, Unavailable
from debusine.services.operator_socket import LINES, connected

if TYPE_CHECKING:
    from debusine.db.database import Database
    from debusine.services.file_stores import FileStores
    from debusine.services.notification_methods import Methods

PROGRAM = "debusine-admin"

#: Seconds that a server may take to answer, and to begin to.
ANSWER, BEGIN = 60.0, 10.0


class CommandRefused(DebusineError):
    """The server would not do what the operator asked."""


class NoAnswer(ConfigurationError):
    """A server works in the data directory and does not answer."""

    def __init__(self, in_use: InUse) -> None:
        super().__init__(f"{in_use}; it does not answer just now, so try again")


def perform(settings: Settings, command: str, arguments: Mapping[str, Any], report: Report = nothing) -> Any:
    """Carry out a command, the same whether the server runs or not; raises a ``DebusineError`` when it is refused.

    ``report`` hears now and then how far something is that takes its time.
    """
    order = Order(command, arguments, report)
    if settings.database is not None:
        return _on_postgresql(settings, settings.database, order)
    deadline = time.monotonic() + BEGIN
    while True:
        try:
            with locked(settings.data_dir, PROGRAM, patience=0):
                return _on_sqlite(settings, order)
        except InUse as in_use:
            try:
                return _by_server(settings, order)
            except (ConnectionError, FileNotFoundError) as error:
                if time.monotonic() > deadline:
                    raise NoAnswer(in_use) from error
        time.sleep(0.05)  # it has just begun, or has just ended


@frozen
class Order:
    """What the operator wants."""

    command: str
    arguments: Mapping[str, Any]
    report: Report


def _on_postgresql(settings: Settings, url: str, order: Order) -> Any:
    from debusine.db.schema import check_version

    check_version(url)
    return asyncio.run(_on_database(settings, url, order))


def _on_sqlite(settings: Settings, order: Order) -> Any:
    from debusine.db.engine import sqlite_url
    from debusine.db.schema import migrate

    url = sqlite_url(settings.sqlite)
    migrate(url)
    # Nobody else is here who might still read an object that is not needed any more.
    alone = evolve(settings, limits=evolve(settings.limits, copy_removal=0.0))
    return asyncio.run(_on_database(alone, url, order))


async def _on_database(settings: Settings, url: str, order: Order) -> Any:
    from debusine.db.open import open_database
    from debusine.services import workspaces
    from debusine.services.store_administration import OPERATIONS

    database = open_database(url)
    try:
        if order.command in OPERATIONS:
            return await _operate(settings, database, order)
        if not await database.read(workspaces.furnished):
            async with _stores(settings, database):
                pass
        return await _carry_out(settings, database, order)
    finally:
        await database.aclose()


async def _carry_out(settings: Settings, database: "Database", order: Order) -> Any:
    from debusine.services import administration
    from debusine.services.notification_methods import NO_METHODS

    methods = _methods(settings) if administration.wants_methods(order.command) else NO_METHODS
    who = administration.OPERATOR
    result = await database.write(administration.perform, who, order.command, order.arguments, methods)
    return loads(dumps(result))  # as a server would have sent it


async def _operate(settings: Settings, database: "Database", order: Order) -> Any:
    from debusine.services.administration import OPERATOR
    from debusine.services.receptions import Depot
    from debusine.services.spool import Spool
    from debusine.services.store_administration import Progress, operate

    async def report(progress: Progress) -> None:
        order.report({"what": progress.what, "done": progress.done, "total": progress.total})

    # Not where uploads are: a server that starts removes there what it does not know.
    with TemporaryDirectory(prefix="debusine-admin-", dir=settings.data_dir) as directory:
        async with _stores(settings, database) as stores:
            depot = Depot(database, stores, Spool.at(Path(directory), settings.limits), settings.limits)
            return loads(dumps(await operate(depot, OPERATOR, order.command, order.arguments, report)))


def _methods(settings: Settings) -> "Methods":
    from debusine.plugin.manager import PluginManager
    from debusine.services.notification_methods import configure

    return configure(settings.notifications, PluginManager.load().notification_methods())


@asynccontextmanager
async def _stores(settings: Settings, database: "Database") -> "AsyncIterator[FileStores]":
    """Do what a server's start does, so that the command finds what it would find then."""
    from debusine.plugin.manager import PluginManager
    from debusine.services.configured_stores import close_all, configure, open_stores
    from debusine.services.workspaces import default_workspace

    configured = configure(settings.all_stores, PluginManager.load().file_stores())
    try:
        stores = await open_stores(configured, database)
        await database.write(default_workspace)
        yield stores
    finally:
        await close_all(configured)


def _by_server(settings: Settings, order: Order) -> Any:
    connection = _Connection(connected(settings.admin_socket, timeout=ANSWER))
    try:
        body = dumps({"command": order.command, "arguments": order.arguments})
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.headers.get_content_type() == LINES:
            return _last_line(answer, order)
        return _result(answer.status, loads(answer.read()))
    finally:
        connection.close()


def _last_line(answer: http.client.HTTPResponse, order: Order) -> Any:
    """What comes of something that takes its time: lines that say how far it is, and one with the end."""
    for text in answer:
        line = loads(text)
        if "progress" in line:
            order.report(line["progress"])
        elif "status" in line:
            return _result(line["status"], line["result"])
    raise Unavailable("The server ended before it was done", detail="Run the command again: it goes on where it was")


def _result(status: int, result: Any) -> Any:
    if status != http.client.OK:
        raise CommandRefused(
            result["title"], detail=result.get("detail"), validation_errors=result.get("validation_errors")
        )
    return result


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket that is connected already."""

    def __init__(self, opened: socket.socket) -> None:
        super().__init__("operator")
        self.sock = opened
