"""The worker's credentials: files that only its user can read."""

import contextlib
import os
import stat
from pathlib import Path

from debusine.domain.errors import ConfigurationError
from debusine.domain.secrets import Secret


class InsecureCredentials(ConfigurationError):
    """Others could read a token."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is open to other users; run: chmod 600 {path}")


class UnreadableCredentials(ConfigurationError):
    """A token cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be read: {reason}")


class CannotKeepToken(ConfigurationError):
    """There is no place for the new token."""

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(f"No token can be written into {directory} ({reason}); make it writable for the worker's user")


class Credentials:
    """The tokens beside ``config.ini``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def token(self) -> Secret | None:
        """What the worker is known by; None: it has yet to register."""
        return _read(self._directory / "token")

    @property
    def activation_token(self) -> Secret | None:
        """What makes a registration count at once; None: the operator enables the worker afterwards."""
        return _read(self._directory / "activation-token")

    def check_writable(self) -> None:
        """Make sure that a token could be kept, before the server is asked to know it."""
        if not os.access(self._directory, os.W_OK):
            raise CannotKeepToken(self._directory, "it is not writable")

    def save_token(self, token: Secret) -> None:
        """Keep a token: all of it or nothing, readable by nobody else."""
        path = self._directory / ".token.new"
        try:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(f"{token.reveal()}\n")
                stream.flush()
                os.fsync(stream.fileno())
            path.rename(self._directory / "token")
        except OSError as error:
            raise CannotKeepToken(self._directory, error.strerror or str(error)) from error


def _read(path: Path) -> Secret | None:
    try:
        with path.open(encoding="utf-8") as stream:
            if stat.S_IMODE(os.fstat(stream.fileno()).st_mode) & 0o077:
                raise InsecureCredentials(path)
            text = stream.read().strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UnreadableCredentials(path, str(error)) from error
    if not text or not (text.isascii() and text.isprintable()):
        raise UnreadableCredentials(path, "there is no token in it")
    return Secret(text)
