"""The program ``debusine-worker``: what it is made of, and how it starts and ends."""

import asyncio
import contextlib
import logging
import os
import pwd
import signal
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from debusine.client import Access, Backoff, Client, Connection, WorkerClient
from debusine.domain.errors import ConfigurationError, DebusineError
from debusine.plugin.manager import PluginManager
from debusine.worker.attempts import Attempts
from debusine.worker.capabilities import Tasks, capabilities
from debusine.worker.configuration import Configuration, read_configuration
from debusine.worker.credentials import Credentials, InsecureCredentials
from debusine.worker.daemon import Daemon
from debusine.worker.images import ImageCache
from debusine.worker.lock import locked
from debusine.worker.log_setup import HideSecrets, set_up_logging
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


@click.command()
@click.option("--check", is_flag=True, help="Show what this machine can run, and why not the rest; then end.")
@click.option(
    "--config-directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where config.ini and token are; else ~/.config/debusine/worker, then /etc/debusine/worker.",
)
@click.version_option(package_name="debusine")
def main(check: bool, config_directory: Path | None) -> None:
    """Take work from a debusine server, run it on this machine, and report.

    config.ini holds: [General], api-url = http://SERVER:8000/api; optional are log-file, log-level, state-directory,
    cache-directory, cache-size and work-directory. The first start registers the worker and keeps its token.
    """
    try:
        if os.getuid() == 0:
            raise StartedAsRoot
        tasks = PluginManager.load().tasks()
        if check:
            sys.exit(show_capabilities(tasks))
        serve(read_configuration(config_directory), tasks)
    except (InsecureCredentials, RegistrationFailed) as error:
        _end(error, NOT_KNOWN)
    except ConfigurationError as error:
        _end(error, NOT_FIT)


def show_capabilities(tasks: Tasks) -> int:
    """Print a table of the tasks; the exit status: 0 all can run, 1 not all."""
    table = Table("Task", "Version", "Can run", "What is missing")
    found = capabilities(tasks)
    for capability in found:
        word = "no" if capability.problems else "yes"
        table.add_row(capability.task, str(capability.version), word, "\n".join(capability.problems))
    Console().print(table)
    return int(any(capability.problems for capability in found))


def serve(configuration: Configuration, tasks: Tasks) -> None:
    """Run until SIGTERM or SIGINT."""
    hide = set_up_logging(configuration.log_level, configuration.log_file)
    with locked(configuration.state_directory):
        workplace = Workplace(configuration.work_directory)
        workplace.prepare()
        for sentence in _warnings(tasks, workplace):
            logger.warning(sentence)
        asyncio.run(_until_stopped(configuration, tasks, workplace, hide))


async def _until_stopped(configuration: Configuration, tasks: Tasks, workplace: Workplace, hide: HideSecrets) -> None:
    running = asyncio.create_task(_run(configuration, tasks, workplace, hide), name="worker")
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running
    logger.info("Stopped")


async def _run(configuration: Configuration, tasks: Tasks, workplace: Workplace, hide: HideSecrets) -> None:
    credentials = Credentials(configuration.directory)
    token = await known_token(configuration.api_url, credentials)
    hide.add(token)
    images, reports = _storage(configuration)
    await workplace.clear()
    access = Access(api_url=configuration.api_url, token=token)
    async with Connection(access) as impatient, Connection(access, backoff=Backoff(patience=PATIENCE)) as patient:
        attempts = Attempts(
            tasks=tasks,
            client=Client(patient),
            workplace=workplace,
            images=images,
            hidden=(configuration.directory, configuration.state_directory),
        )
        try:
            await Daemon(server=WorkerClient(impatient), attempts=attempts, reports=reports).run()
        finally:
            await workplace.finish(REMOVAL_PATIENCE)


def _storage(configuration: Configuration) -> tuple[ImageCache, Reports]:
    images = ImageCache(configuration.cache_directory / "images", configuration.cache_size)
    images.prepare()
    reports = Reports(configuration.state_directory / "reports")
    reports.prepare()
    return images, reports


def _warnings(tasks: Tasks, workplace: Workplace) -> list[str]:
    """What the operator should know before work comes, each sentence once."""
    missing = {sentence: capability.task for capability in capabilities(tasks) for sentence in capability.problems}
    return [f"{sentence}  (needed for {task} and perhaps others)" for sentence, task in missing.items()] + (
        workplace.problems()
    )


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
