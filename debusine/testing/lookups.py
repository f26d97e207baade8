"""Lookups in memory: for tests of what a task resolves."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from debusine.plugin import ArtifactFacts, Lookups, MultipleLookup, RelationType, SingleLookup, UnresolvedLookup

#: Digits.
LONGEST_ID = 18


class MemoryLookups(Lookups):
    """Finds the artifacts that a test gives it, by id, ``"ID@artifacts"`` or a name."""

    def __init__(
        self,
        artifacts: Iterable[ArtifactFacts] = (),
        *,
        names: Mapping[str, int] | None = None,
        relations: Iterable[tuple[int, int, RelationType]] = (),
    ) -> None:
        """``relations``: ids of an artifact and of its target, and how they relate."""
        self.artifacts = {artifact.id: artifact for artifact in artifacts}
        self.names = dict(names or {})
        self.relations = list(relations)
        #: What was asked for, in order; a search counts as what it is.
        self.asked: list[SingleLookup | Mapping[str, Any]] = []

    def single(self, lookup: SingleLookup, *, categories: Collection[str] = (), field: str = "") -> ArtifactFacts:
        """The artifact with this id or name."""
        return self._find(lookup, categories, field)

    def multiple(
        self, lookup: MultipleLookup, *, categories: Collection[str] = (), field: str = ""
    ) -> Sequence[ArtifactFacts]:
        """The artifacts with these ids or names; searches find nothing here."""
        places = [(item, field and f"{field}[{index}]") for index, item in enumerate(lookup.items)]
        return [self._find(item, categories, place) for item, place in places]

    def related(
        self,
        artifacts: Collection[ArtifactFacts],
        type: RelationType | None = None,  # noqa: A002 - the protocol's word
        *,
        categories: Collection[str] = (),
    ) -> Mapping[int, Sequence[ArtifactFacts]]:
        """What the relations say."""
        return {facts.id: list(self._targets(facts.id, type, categories)) for facts in artifacts}

    def _targets(self, source: int, type_: RelationType | None, categories: Collection[str]) -> Iterator[ArtifactFacts]:
        said = [target for artifact, target, kind in self.relations if artifact == source and type_ in {None, kind}]
        for target in said:
            facts = self.artifacts.get(target)
            if facts is not None and (not categories or facts.category in categories):
                yield facts

    def _find(self, lookup: SingleLookup | Mapping[str, Any], categories: Collection[str], field: str) -> ArtifactFacts:
        self.asked.append(lookup)
        found = self.artifacts.get(self._id(lookup))
        if found is None:
            raise UnresolvedLookup(lookup, "there is no such artifact", field)
        if categories and found.category not in categories:
            wanted = ", ".join(sorted(categories))
            raise UnresolvedLookup(lookup, f"it is a {found.category}, not one of {wanted}", field)
        return found

    def _id(self, lookup: SingleLookup | Mapping[str, Any]) -> int:
        if isinstance(lookup, int) and not isinstance(lookup, bool):
            return lookup
        if not isinstance(lookup, str):
            return 0
        number = lookup.removesuffix("@artifacts")
        is_id = number != lookup and number.isdecimal() and len(number) <= LONGEST_ID
        return self.names.get(lookup, int(number) if is_id else 0)
