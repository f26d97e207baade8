"""Demands: what a task asks of a worker, in a form that many work requests share."""

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any, Self, TypeAlias

import attrs
from attrs import frozen


class TaskType(StrEnum):
    """Who can run a task."""

    WORKER = "Worker"
    SERVER = "Server"
    INTERNAL = "Internal"
    WORKFLOW = "Workflow"
    SIGNING = "Signing"
    WAIT = "Wait"


@frozen(kw_only=True, slots=False)
class Demand:
    """What a worker must offer to run a task; equal demands share one queue for each workspace."""

    task_type: TaskType = TaskType.WORKER
    task_name: str
    #: What ``<task>:version`` must be in a worker's metadata.
    version: int
    #: None: any worker's own architecture does.
    architecture: str | None = None
    #: Keys of a worker's metadata that must be true, for instance ``sbuild:available``.
    requires: tuple[str, ...] = ()

    @cached_property
    def canonical(self) -> str:
        """The one JSON text of this demand."""
        return json.dumps(attrs.asdict(self), sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """The SHA-256 of the canonical text, in hexadecimal."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @classmethod
    def from_canonical(cls, text: str) -> Self:
        """Read a demand back from its canonical text."""
        values: dict[str, Any] = json.loads(text)
        values["task_type"] = TaskType(values["task_type"])
        values["requires"] = tuple(values["requires"])
        return cls(**values)


@frozen
class Verdict:
    """Whether a worker can run something, and every reason against it."""

    reasons: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons

    def __bool__(self) -> bool:
        return self.fits


#: A worker's facts: protocol keys such as ``system:cpu_count`` → JSON values.
Metadata: TypeAlias = Mapping[str, Any]
