"""The program ``debusine-worker`` of this checkout, as the user that it is made for."""

import os
import pwd
import shutil
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PROGRAM = "import sys; from debusine.cli.worker import main; sys.argv[0] = 'debusine-worker'; main()"
USER = "debusine-worker"


class WorkerProgram:
    """How to start ``debusine-worker`` here: as ourselves, or, when we are root, as the user made for it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.prefix, self.python = _who_and_what()

    def write_configuration(self, api_url: str, token: str) -> None:
        directory = self.home / ".config/debusine/worker"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "config.ini").write_text(
            f"[General]\napi-url = {api_url}\nwork-directory = {self.home}/runs\nlog-file = {self.home}/worker.log\n"
        )
        (directory / "token").write_text(token)
        (directory / "token").chmod(0o600)
        self.give_away()

    def give_away(self) -> None:
        """Home and configuration belong to the worker's user."""
        if os.getuid() == 0:
            # Not what the worker makes itself: that comes and goes meanwhile.
            for path in [self.home, *self.home.glob(".config"), *(self.home / ".config").rglob("*")]:
                shutil.chown(path, USER, USER)

    def command(self, *arguments: str) -> list[str]:
        environment = [f"HOME={self.home}", f"PYTHONPATH={CHECKOUT}", "PYTHONDONTWRITEBYTECODE=1"]
        return [*self.prefix, "env", "--chdir=/", *environment, str(self.python), "-c", PROGRAM, *arguments]


def _who_and_what() -> tuple[list[str], Path]:
    if os.getuid() != 0:
        return ["setpriv", "--pdeathsig=TERM", "--"], Path(sys.executable)
    try:
        home = Path(pwd.getpwnam(USER).pw_dir)
    except KeyError:
        pytest.skip(f"there is no user {USER} to run Debian's tools; run: scripts/prepare worker")
    python = home / "venv/bin/python"
    if not python.exists():
        pytest.skip(f"{USER} has no Python environment; run: scripts/prepare worker")
    # Not runuser: it would stand between us and the worker's process.
    return ["setpriv", "--pdeathsig=TERM", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "--"], python
