"""What the demo has to know of the machine that it runs on."""

import hashlib
import os
import platform
import socket
import subprocess
from pathlib import Path

from attrs import frozen

CHECKOUT = Path(__file__).parents[2]
WORKER_USER = "debusine-worker"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@frozen(kw_only=True)
class Mirror:
    """Where this machine gets its own packages from."""

    url: str
    suite: str


@frozen(kw_only=True)
class WorkerAccount:
    """Who runs the worker, with which program, and where it finds its configuration."""

    #: None is whoever runs the demo.
    user: str | None
    home: Path
    program: Path


def mirror() -> Mirror | None:
    """The mirror that apt uses for the release of this machine, whatever the form of its sources."""
    suite = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    wanted = ("apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages")
    for line in output(*wanted).splitlines():
        release, component, url = line.split(maxsplit=2)
        if (release, component) == (suite, "main"):
            return Mirror(url=url.rstrip("/"), suite=suite)
    return None


def architecture() -> str:
    """Debian's name for the architecture of this machine."""
    return output("dpkg", "--print-architecture").strip()


def worker_account(data: Path) -> WorkerAccount:
    """The account that `scripts/prepare worker` made; its home for the demo is one of this checkout's own."""
    if os.geteuid() != 0:
        program = CHECKOUT / ".venv-worker/bin/debusine-worker"
        return WorkerAccount(user=None, home=data / "worker", program=program)
    base = Path("/var/lib") / WORKER_USER
    own = hashlib.sha256(str(data).encode()).hexdigest()[:8]
    return WorkerAccount(user=WORKER_USER, home=base / f"demo-{own}", program=base / "venv/bin/debusine-worker")


def free_port(preferred: int) -> int:
    """The preferred port of the loopback address, or another one when that is taken."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("the loopback address has no free port")


def output(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
