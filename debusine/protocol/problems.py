"""Problems: the one form of every error's answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import asdict, frozen

#: Clients compare the header for equality with this: no charset may follow.
CONTENT_TYPE = "application/problem+json"


@frozen
class Problem:
    """What went wrong, for people; no program compares the texts."""

    title: str
    detail: str | None = None
    validation_errors: Mapping[str, Sequence[str]] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The keys that are there, in the protocol's order."""
        return {key: value for key, value in asdict(self, recurse=False).items() if value is not None}
