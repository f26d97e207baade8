"""What the how-to pages say, taken out of them and done."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

PAGES = Path(__file__).parent.parent / "docs/how-to"
PAGE = PAGES / "write-a-file-store.md"
NOTIFICATION_PAGE = PAGES / "write-a-notification-method.md"

#: A code block whose first line names the file that it is.
BLOCK = re.compile(r"^```\w+\n# (?P<name>[\w.]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def files_of(page: Path) -> dict[str, str]:
    """The files that a page shows, by name."""
    return {found["name"]: found["text"] for found in BLOCK.finditer(page.read_text())}


def write_package(page: Path, directory: Path) -> Path:
    """Do what a page says first: write its files into an empty directory."""
    for name, text in files_of(page).items():
        (directory / name).write_text(text)
    return directory


@frozen
class Environment:
    """A Python environment that has what this one has, and a package more."""

    directory: Path

    @classmethod
    def make(cls, directory: Path) -> "Environment":
        """Made without a network and without copying anything."""
        venv.create(directory, symlinks=True, with_pip=False)
        environment = cls(directory)
        # Unlike PYTHONPATH, this also reads the .pth files by which debusine itself is installed from its checkout.
        ours = sysconfig.get_path("purelib")
        (environment.site_packages / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
        return environment

    @property
    def python(self) -> Path:
        return self.directory / "bin/python"

    @property
    def site_packages(self) -> Path:
        (found,) = self.directory.glob("lib/python*/site-packages")
        return found

    def install(self, package: Path) -> None:
        """Build a package and install it, from what is on this machine alone."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
        done = subprocess.run([*pip, *offline, str(package)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def plant(self, distribution: str, module: str, text: str) -> None:
        """Have a plugin that nobody built: a module, and the metadata with its entry point."""
        (self.site_packages / f"{module}.py").write_text(text)
        metadata = self.site_packages / f"{distribution.replace('-', '_')}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[debusine]\nplugin = {module}\n")

    def program(self, name: str, *arguments: str) -> list[str]:
        """The command line of one of debusine's programs in this environment."""
        module = {"debusine": "main"}.get(name, name.removeprefix("debusine-"))
        return [str(self.python), "-c", f"from debusine.cli.{module} import main; main()", *arguments]

    def run(self, command: Sequence[str], *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(list(command), cwd=cwd, env=self.variables, capture_output=True, text=True)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of programs in here: ours, without what is for this test run alone."""
        ours = os.environ.items()
        return {name: value for name, value in ours if not name.startswith(("DEBUSINE_", "PYTEST_", "PYTHONPATH"))}
