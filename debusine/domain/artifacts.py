"""Artifacts: sets of files with typed data, and how they relate."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from debusine.domain.times import aware


class RelationType(StrEnum):
    """How one artifact relates to another."""

    EXTENDS = "extends"
    RELATES_TO = "relates-to"
    BUILT_USING = "built-using"


@frozen(kw_only=True)
class Artifact:
    """A set of files with data of its category."""

    id: int
    category: str
    #: The workspace's id.
    workspace: int
    data: Mapping[str, Any]
    created_at: datetime = field(validator=aware)
    #: None: never.
    expire_at: datetime | None = field(default=None, validator=aware)
    #: The user's id; None when a worker made it.
    created_by: int | None = None
    created_by_work_request: int | None = None
    #: The number of the attempt that made it.
    created_by_attempt: int | None = None
    #: Whether it counts among its work request's artifacts: only those of the attempt that ended it do.
    attached: bool = False

    def expired(self, at: datetime) -> bool:
        """Whether its time is over at a given moment."""
        return self.expire_at is not None and self.expire_at <= at


@frozen(kw_only=True)
class ArtifactRelation:
    """An artifact extends, relates to, or was built using another."""

    id: int
    artifact: int
    target: int
    type: RelationType
