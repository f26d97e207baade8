"""The file of ``--last-completed-at``: how far a watcher has heard, all of it or nothing."""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from debusine.client import Heard
from debusine.converter.json import InvalidJSON, dumps, loads
from debusine.domain.errors import Invalid


class BrokenFile(Invalid):
    """What stands in the file is not what a watcher writes into it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} does not tell since when to go on",
            detail=f'{reason}; it should be {{"last_completed_at": "2027-01-31T12:00:00Z"}}, or not be there at all',
        )


class UnusableFile(Invalid):
    """The file cannot be read or written."""

    def __init__(self, path: Path, reason: str | None) -> None:
        super().__init__(f"{path} cannot be used", detail=reason)


@frozen
class HeardFile:
    """A file that holds a ``Heard``; other programs know the key ``last_completed_at``."""

    path: Path

    def read(self) -> Heard | None:
        """How far it was; None: the file is not there."""
        try:
            value = loads(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnusableFile(self.path, error.strerror) from error
        except InvalidJSON as error:
            raise BrokenFile(self.path, str(error)) from error
        if not isinstance(value, dict):
            raise BrokenFile(self.path, "it holds no JSON object")
        return Heard(last_completed_at=self._moment(value), work_requests=_numbers(value))

    def write(self, heard: Heard) -> None:
        """Have the file say this; whoever reads it, also after a crash, finds the old or the new, whole."""
        value = {"last_completed_at": heard.last_completed_at, "work_requests": sorted(heard.work_requests)}
        partial = self.path.with_name(f".{self.path.name}.new")
        try:
            with partial.open("wb") as file:
                file.write(dumps(value) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
        except OSError as error:
            raise UnusableFile(self.path, error.strerror) from error

    def _moment(self, value: Mapping[str, Any]) -> datetime | None:
        told = value.get("last_completed_at")
        if told is None:
            return None
        try:
            moment = datetime.fromisoformat(told)
        except (TypeError, ValueError):
            raise BrokenFile(self.path, f"{told!r} is not a moment") from None
        if moment.utcoffset() is None:
            raise BrokenFile(self.path, f"{told!r} has no time zone")
        return moment


def _numbers(value: Mapping[str, Any]) -> frozenset[int]:
    told = value.get("work_requests")
    return frozenset(number for number in told if type(number) is int) if isinstance(told, list) else frozenset()
