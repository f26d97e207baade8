"""Lookups in memory: for tests of what a task resolves."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from debusine.plugin import ArtifactFacts, Lookups, MultipleLookup, SingleLookup, UnresolvedLookup


class MemoryLookups(Lookups):
    """Finds the artifacts that a test gives it, by id, ``"ID@artifacts"`` or a name."""

    def __init__(self, artifacts: Iterable[ArtifactFacts] = (), *, names: Mapping[str, int] | None = None) -> None:
        self.artifacts = {artifact.id: artifact for artifact in artifacts}
        self.names = dict(names or {})
        #: What was asked for, in order; a search counts as what it is.
        self.asked: list[SingleLookup | Mapping[str, Any]] = []

    def single(self, lookup: SingleLookup, *, categories: Collection[str] = ()) -> ArtifactFacts:
        """The artifact with this id or name."""
        return self._find(lookup, categories)

    def multiple(self, lookup: MultipleLookup, *, categories: Collection[str] = ()) -> Sequence[ArtifactFacts]:
        """The artifacts with these ids or names; searches find nothing here."""
        return [self._find(item, categories) for item in lookup.items]

    def _find(self, lookup: SingleLookup | Mapping[str, Any], categories: Collection[str]) -> ArtifactFacts:
        self.asked.append(lookup)
        found = self.artifacts.get(self._id(lookup))
        if found is None:
            raise UnresolvedLookup(lookup, "there is no such artifact")
        if categories and found.category not in categories:
            raise UnresolvedLookup(lookup, f"it is a {found.category}, not one of {', '.join(sorted(categories))}")
        return found

    def _id(self, lookup: SingleLookup | Mapping[str, Any]) -> int:
        if isinstance(lookup, int):
            return lookup
        if not isinstance(lookup, str):
            return 0
        number = lookup.removesuffix("@artifacts")
        return self.names.get(lookup, int(number) if number != lookup and number.isdigit() else 0)
