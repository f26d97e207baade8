"""An unpacked image of a system, and commands that run inside it with its own root user."""

from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from debusine.plugin import CommandResult, TaskContext, TaskFailure
from debusine.tasks.executors import AS_SUBORDINATE_ROOT

#: Device nodes cannot be made in a user namespace; bubblewrap brings its own.
LEAVE_OUT = "./dev/*"

NOBODY = "65534"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: Run by the worker's user as root, so that it may give a directory to its first subordinate id.
GIVE_AWAY = ("unshare", "--user", "--map-auto", "--map-root-user", "--", "chown", "1:1", "--")


class BrokenImage(TaskFailure):
    """An environment's image cannot be unpacked."""

    def __init__(self, image: Path) -> None:
        super().__init__(f"The image {image.name} cannot be unpacked", detail="see image.log")


@frozen(kw_only=True)
class UnshareRoot:
    """The root directory of a system; its users are subordinate ids of the worker's user."""

    context: TaskContext
    directory: Path

    @classmethod
    async def unpack(cls, context: TaskContext, image: Path) -> "UnshareRoot":
        """Unpack the tarball of a system below the run's directory."""
        root = cls(context=context, directory=context.directory / "root")
        root.directory.mkdir(mode=0o755)
        await context.run([*GIVE_AWAY, str(root.directory)], log="image.log")
        unpack = ["tar", "--extract", "--directory", str(root.directory), "--exclude", LEAVE_OUT]
        result = await context.run([*AS_SUBORDINATE_ROOT, *unpack], log="image.log", stdin=image)
        if result.returncode:
            raise BrokenImage(image)
        return root

    async def run_as_root(self, argv: Sequence[str], *, log: str) -> CommandResult:
        """Run a command as the system's root, with the network."""
        network = ["--ro-bind", "/etc/resolv.conf", "/etc/resolv.conf"]
        return await self.context.run([*self._enter(network), *argv], log=log)

    async def run_as_nobody(
        self, argv: Sequence[str], *, log: str, readable: Path, stdout: Path | None = None
    ) -> CommandResult:
        """Run a command in ``/`` without rights and without network; it sees a directory of the worker's there."""
        see = ["--unshare-net", "--ro-bind", str(readable), f"/{readable.name}", "--chdir", "/"]
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", "--"]
        return await self.context.run([*self._enter(see), *drop, *argv], log=log, stdout=stdout)

    def _enter(self, options: Sequence[str]) -> list[str]:
        mounts = ["--bind", str(self.directory), "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run"]
        temporary = ["--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108 - inside the sandbox
        apart = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--new-session"]
        environment = {"PATH": PATH, "HOME": "/tmp", "TMPDIR": "/tmp", "DEBIAN_FRONTEND": "noninteractive"}  # noqa: S108
        settings = [word for name, value in environment.items() for word in ("--setenv", name, value)]
        return [*AS_SUBORDINATE_ROOT, "bwrap", *mounts, *temporary, *apart, *settings, *options, "--"]
