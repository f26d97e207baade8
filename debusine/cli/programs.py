"""What the programs have in common, and the first step of those with an extra of their own.

Where that is not installed, they say what to install.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

#: What all programs have in common: ``-h`` as well as ``--help``, and how they tell their version.
SETTINGS = {"help_option_names": ["-h", "--help"]}
VERSION = "%(prog)s %(version)s"

#: Extra → the packages that it brings.
EXTRAS = {"server": ("alembic", "jsonschema", "prometheus_client", "sqlalchemy"), "worker": ("psutil",)}


def admin() -> None:
    """``debusine-admin``."""
    _start("debusine-admin", "server", "debusine.cli.admin")


def server() -> None:
    """``debusine-server``."""
    _start("debusine-server", "server", "debusine.cli.server")


def worker() -> None:
    """``debusine-worker``."""
    _start("debusine-worker", "worker", "debusine.cli.worker")


def _start(program: str, extra: str, module: str) -> None:
    if missing := [package for package in EXTRAS[extra] if find_spec(package) is None]:
        sys.stderr.write(f"{program}: {_advice(extra, missing)}\n")
        sys.exit(2)
    import_module(module).main()


def _advice(extra: str, missing: Sequence[str]) -> str:
    command = f"{sys.executable} -m pip install 'debusine[{extra}]'"
    return f"it needs {', '.join(missing)}, not installed beside this Python; run: {command}"
