"""The program ``debusine-worker``: what it is made of, and how it starts and ends."""

import asyncio
import contextlib
import logging
import os
import pwd
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from attrs import evolve, frozen
from rich.console import Console
from rich.table import Table

from debusine import logs
from debusine.cli.programs import SETTINGS, VERSION
from debusine.client import Access, Backoff, Client, Connection, WorkerClient
from debusine.domain.errors import ConfigurationError, DebusineError
from debusine.logs import LogFormat
from debusine.plugin.manager import PluginManager
from debusine.worker.attempts import Attempts
from debusine.worker.capabilities import Capability, Tasks, capabilities
from debusine.worker.configuration import Configuration, read_configuration
from debusine.worker.credentials import Credentials, InsecureCredentials
from debusine.worker.daemon import Daemon
from debusine.worker.images import ImageCache
from debusine.worker.lock import UnusablePlace, locked
from debusine.worker.registration import RegistrationFailed, known_token
from debusine.worker.reports import Reports
from debusine.worker.workplace import Workplace

logger = logging.getLogger(__name__)

#: Its usual name.
USER = "debusine-worker"

#: Of the protocol: a token that others can read, and a registration that failed.
NOT_KNOWN = 3
NOT_FIT = 2

#: Seconds for which a running attempt waits for a server that is away; its own time limit ends it earlier.
PATIENCE = 72 * 3600.0
#: Seconds of the five that a stop may take.
REMOVAL_PATIENCE = 1.0


class StartedAsRoot(ConfigurationError):
    """The worker builds what strangers send, so it must not be root."""

    def __init__(self) -> None:
        super().__init__(
            "debusine-worker does not run as root, because it builds what strangers send; "
            f"run: {_as_other_user(Path(sys.argv[0]).absolute())}"
        )


@click.command(context_settings=SETTINGS)
@click.option("--check", is_flag=True, help="Show what this machine can run, and why not the rest; then end.")
@click.option(
    "--config-directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where config.ini and token are; else ~/.config/debusine/worker, then /etc/debusine/worker.",
)
@click.option(
    "--log-format",
    type=click.Choice([*map(str, LogFormat)]),
    help="How the log is written; else as log-format of config.ini says, else text.",
)
@click.version_option(package_name="debusine", prog_name="debusine-worker", message=VERSION)
def main(check: bool, config_directory: Path | None, log_format: str | None) -> None:
    """Take work from a debusine server, run it on this machine, and report.

    config.ini holds: [General], api-url = http://SERVER:8000/api; optional are log-file, log-format, log-level,
    state-directory, cache-directory, cache-size and work-directory. The first start registers the worker and keeps its
    token.
    """
    logs.set_up()
    try:
        if os.getuid() == 0:
            raise StartedAsRoot
        plugins = PluginManager.load()
        tasks = plugins.tasks()
        plugins.warn_of_broken()
        if check:
            sys.exit(show_capabilities(tasks))
        configuration = read_configuration(config_directory)
        serve(evolve(configuration, log_format=LogFormat(log_format or configuration.log_format)), tasks)
    except (InsecureCredentials, RegistrationFailed) as error:
        _end(error, NOT_KNOWN)
    except ConfigurationError as error:
        _end(error, NOT_FIT)


def show_capabilities(tasks: Tasks) -> int:
    """Print a table of this worker's tasks, and name the others; the exit status: 0 all can run, 1 not all."""
    table = Table("Task", "Version", "Can run", "What is missing")
    found = capabilities(tasks)
    for capability in found:
        if not capability.elsewhere:
            word = "no" if capability.problems else "yes"
            table.add_row(capability.task, str(capability.version), word, "\n".join(capability.problems))
    Console().print(table)
    if elsewhere := [capability.task for capability in found if capability.elsewhere]:
        Console().print(f"Only workers of another make run these tasks: {', '.join(elsewhere)}.")
    return int(any(_missing(found)))


def serve(configuration: Configuration, tasks: Tasks) -> None:
    """Run until SIGTERM or SIGINT."""
    _log(configuration)
    with locked(configuration.state_directory):
        parts = Parts(
            configuration=configuration,
            tasks=tasks,
            workplace=Workplace(configuration.work_directory),
            images=ImageCache(configuration.cache_directory / "images", configuration.cache_size),
            reports=Reports(configuration.state_directory / "reports"),
        )
        parts.prepare()
        asyncio.run(_until_stopped(parts))


@frozen(kw_only=True)
class Parts:
    """What a worker is made of, before it reaches for its server."""

    configuration: Configuration
    tasks: Tasks
    workplace: Workplace
    images: ImageCache
    reports: Reports

    def prepare(self) -> None:
        """Make the directories, and warn of what is missing on this machine."""
        self.workplace.prepare()
        try:
            self.images.prepare()
            self.reports.prepare()
        except OSError as error:
            raise UnusablePlace(error.filename, error.strerror) from error
        for sentence in _warnings(self.tasks, self.workplace):
            logger.warning(sentence)

    async def run(self) -> None:
        """Become known to the server, then do its work until cancelled."""
        access = await self._known_access()
        await self.workplace.clear()
        async with Connection(access) as quick, Connection(access, backoff=Backoff(patience=PATIENCE)) as patient:
            attempts = self._attempts(Client(patient))
            try:
                await Daemon(server=WorkerClient(quick), attempts=attempts, reports=self.reports).run()
            finally:
                await self.workplace.finish(REMOVAL_PATIENCE)

    async def _known_access(self) -> Access:
        credentials = Credentials(self.configuration.directory)
        if credentials.activation_token is not None:
            logs.hide(credentials.activation_token)
        token = await known_token(self.configuration.api_url, credentials)
        logs.hide(token)
        return Access(api_url=self.configuration.api_url, token=token)

    def _attempts(self, client: Client) -> Attempts:
        hidden = (self.configuration.directory, self.configuration.state_directory)
        return Attempts(tasks=self.tasks, client=client, workplace=self.workplace, images=self.images, hidden=hidden)


async def _until_stopped(parts: Parts) -> None:
    running = asyncio.create_task(parts.run(), name="worker")
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running
    logger.info("Stopped")


def _log(configuration: Configuration) -> None:
    try:
        logs.set_up(configuration.log_format, configuration.log_level, configuration.log_file)
    except OSError as error:
        raise UnusablePlace(configuration.log_file, error.strerror) from error


def _warnings(tasks: Tasks, workplace: Workplace) -> list[str]:
    """What the operator should know before work comes, each sentence once."""
    missing = _missing(capabilities(tasks))
    return [f"{sentence}  (needed for {task} and perhaps others)" for sentence, task in missing.items()] + (
        workplace.problems()
    )


def _missing(found: Sequence[Capability]) -> dict[str, str]:
    """What this machine lacks → a task that needs it."""
    here = (capability for capability in found if not capability.elsewhere)
    return {sentence: capability.task for capability in here for sentence in capability.problems}


def _as_other_user(program: Path) -> str:
    try:
        home = pwd.getpwnam(USER).pw_dir
    except KeyError:
        return f"useradd --create-home {USER} && runuser -l {USER} -c {program}"
    # runuser keeps the home of the one who calls it.
    return f"runuser -u {USER} -- env HOME={home} {program}"


def _end(error: DebusineError, status: int) -> None:
    click.echo(f"debusine-worker: {error}", err=True)
    sys.exit(status)
