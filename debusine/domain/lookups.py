"""Lookups: how task data names artifacts, by id or by a path through collections."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import frozen

from debusine.domain.errors import Invalid

#: An artifact's id, ``"ID@artifacts"``, or a name in a collection.
SingleLookup: TypeAlias = int | str


@frozen
class MultipleLookup:
    """Several artifacts: a list of single lookups and of searches (objects with a ``collection``)."""

    items: tuple[SingleLookup | Mapping[str, Any], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.items)


class UnresolvedLookup(Invalid):
    """A lookup names nothing that the task could use."""

    def __init__(self, lookup: object, reason: str) -> None:
        super().__init__(f"The lookup {lookup!r} cannot be resolved", detail=reason)
