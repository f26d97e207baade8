"""``debusine-server``: the farm's server. All of it is wired here."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import click

from debusine import logs
from debusine.cli.data_directory import locked_in_time, make_uploads
from debusine.cli.memory import give_back_early, keep_trimming
from debusine.cli.programs import SETTINGS, VERSION
from debusine.config import Settings, read_settings
from debusine.db.database import Database
from debusine.db.engine import sqlite_url
from debusine.db.open import open_database
from debusine.db.schema import check_version, migrate
from debusine.domain.errors import ConfigurationError
from debusine.logs import LogFormat
from debusine.plugin.manager import PluginManager
from debusine.scheduler.configured import build_policy
from debusine.server.administration import administered
from debusine.server.app import make_app
from debusine.server.background import Background, running_background
from debusine.server.beat import announced, keep_beating
from debusine.server.keys import UPLOADS
from debusine.server.listening import bind, serving, url_of
from debusine.services import notification_methods, workspaces
from debusine.services.configured_stores import close_all, configure, open_stores

PROGRAM = "debusine-server"

#: Uploads write and sync, stores read: they wait for the disk more than they use a processor.
THREADS = 32


#: Seconds after which a thread that computes lets others have the interpreter, above all the event loop.
SWITCH = 0.001

#: Seconds that the process may take to end once its work has.
LEAVING = 1.0


@click.command(context_settings=SETTINGS)
@click.option("--config", type=click.Path(path_type=Path), help="The TOML file; else DATA_DIR/debusine.toml, if any.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="What is its own; else /var/lib/debusine (root) or ~/.local/share/debusine.",
)
@click.option("--listen", metavar="HOST:PORT", help="Where it is found; 127.0.0.1:8000 unless configured.")
@click.option(
    "--log-format",
    type=click.Choice([*map(str, LogFormat)]),
    help="How the log is written; else as log_format of the TOML file says, else text.",
)
@click.version_option(package_name="debusine", prog_name=PROGRAM, message=VERSION)
def main(config: Path | None, data_dir: Path | None, listen: str | None, log_format: str | None) -> None:
    """Serve a farm: its API, its scheduler and its pages."""
    give_back_early()
    logs.set_up(LogFormat(log_format or LogFormat.TEXT))
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        settings = read_settings(config=config, data_dir=data_dir, listen=listen)
        logs.set_up(LogFormat(log_format or settings.log_format))
        with closing(bind(settings.listen)) as bound:
            run(serve(settings, bound))
    except ConfigurationError as error:
        sys.exit(refuse(error))


def refuse(error: ConfigurationError) -> int:
    """Say why there is no server; returns the exit status."""
    click.echo(f"{PROGRAM}: {error}", err=True)
    return 2


async def serve(settings: Settings, bound: socket.socket) -> None:
    """Wire the parts, then serve until a signal comes or a part fails."""
    stop = stop_signals()
    sys.setswitchinterval(SWITCH)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="blocking"))
    plugins = PluginManager.load()
    async with AsyncExitStack() as stack:
        with blaming(settings.source):
            policy = build_policy(settings.scheduler, plugins.scheduler_policies())
            tasks = plugins.tasks()
            configured = configure(settings.all_stores, plugins.file_stores())
            methods = notification_methods.configure(settings.notifications, plugins.notification_methods())
        plugins.warn_of_broken()
        stack.push_async_callback(close_all, configured)
        database = await stack.enter_async_context(opened_database(settings, stop))
        with blaming(settings.source):
            stores = await open_stores(configured, database)
        await database.write(workspaces.default_workspace)
        server = await stack.enter_async_context(announced(database, alone=settings.database is None))
        background = await stack.enter_async_context(running_background())
        app = make_app(settings, database, stores, tasks, policy, server, background, methods)
        await stack.enter_async_context(administered(settings, app[UPLOADS], methods))
        await stack.enter_async_context(serving(app, bound, settings.limits))
        background.start("beat", keep_beating(database, server))
        background.start("memory", keep_trimming())
        spare_what_stays()
        greet(settings, url_of(bound))
        await until_stopped(stop, background)


@asynccontextmanager
async def opened_database(settings: Settings, stop: asyncio.Event) -> AsyncIterator[Database]:
    """The database, fit for this code, with the data directory locked beside it."""
    if settings.database is not None:
        check_version(settings.database)
    async with locked_in_time(settings.data_dir, PROGRAM, stop):
        make_uploads(settings)
        url = settings.database or sqlite_url(settings.sqlite)
        if settings.database is None:
            migrate(url)
        database = open_database(url)
        try:
            yield database
        finally:
            await database.aclose()


def spare_what_stays() -> None:
    """Keep what was loaded until now out of every later search for garbage: each would stall the event loop."""
    gc.collect()
    gc.freeze()


def greet(settings: Settings, url: str) -> None:
    """Say where the server is found, and how somebody gets in."""
    admin = f"debusine-admin --data-dir {settings.data_dir}"
    click.echo(f"{PROGRAM} is ready on {url}")
    click.echo(f"To get a token:  {admin} user create NAME  and  {admin} token create NAME")
    sys.stdout.flush()


def stop_signals() -> asyncio.Event:
    """Set by SIGTERM and by Ctrl-C, from now on."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def until_stopped(stop: asyncio.Event, background: Background) -> None:
    """Wait until somebody asks to stop; end the process with status 1 when a background task fails first."""
    waiting = [asyncio.create_task(event.wait()) for event in (stop, background.failed)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if background.failed.is_set():
        raise SystemExit(1)


@contextmanager
def blaming(source: Path | None) -> Iterator[None]:
    """Name the configuration file in errors about what it says."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{source}: {error}" if source else str(error)) from error


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, on uvloop where it is installed; what plugins left in threads is not waited for then.

    Raises ``SystemExit`` when the start was refused.
    """
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    status = 1
    # All that must be kept is on disk when the work ends; only a thread that blocks for ever is still there after this.
    leaving = threading.Timer(LEAVING, lambda: os._exit(status))
    leaving.daemon = True
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            try:
                runner.run(work)
                status = 0
            except ConfigurationError as error:
                status = refuse(error)  # now: nothing is said any more when a thread blocks
            finally:
                leaving.start()
    finally:
        leaving.cancel()
    if status:
        sys.exit(status)
