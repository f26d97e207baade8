"""Lookups: how task data names artifacts, by id or by a path through collections."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import frozen

from debusine.domain.errors import Invalid

#: Characters of a lookup that an error repeats.
LONGEST_SHOWN = 200

#: An artifact's id, ``"ID@artifacts"``, or a name in a collection.
SingleLookup: TypeAlias = int | str


@frozen
class MultipleLookup:
    """Several artifacts: a list of single lookups and of searches (objects with a ``collection``)."""

    items: tuple[SingleLookup | Mapping[str, Any], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.items)


class UnresolvedLookup(Invalid):
    """A lookup names nothing that the task could use; ``field`` is its place in the data, if that is known."""

    def __init__(self, lookup: object, reason: str, field: str = "") -> None:
        super().__init__(
            f"The lookup {_shortened(lookup)} cannot be resolved",
            detail=reason,
            validation_errors={field: [f"{_shortened(lookup)}: {reason}"]} if field else None,
        )


def _shortened(lookup: object) -> str:
    text = repr(lookup)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
