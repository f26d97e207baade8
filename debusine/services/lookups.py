"""Lookups: what the names in task data mean, at the submission and again at the assignment."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache

from debusine.db.batches import batches
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.artifacts import Artifact, RelationType
from debusine.domain.errors import Invalid
from debusine.domain.lookups import MultipleLookup, SingleLookup, UnresolvedLookup
from debusine.domain.rights import Action
from debusine.plugin import ArtifactFacts, Lookups
from debusine.services.rights import may

SUFFIX = "@artifacts"

#: No database counts further.
LAST_ID = 2**63 - 1


#: So many artifacts are looked at without asking first how much there is to read.
FEW = 4

#: What one search may read at most: characters of data, and files.
HEAVIEST = 64 << 20
MOST_FILES = 100_000


class TooMuch(Invalid):
    """Lookups name more than a server can look at in one go."""

    def __init__(self, artifacts: int) -> None:
        super().__init__(
            f"{artifacts} artifacts with so much data or so many files cannot be looked up together",
            detail="Name fewer of them, or smaller ones",
        )


class ArtifactLookups(Lookups):
    """Finds artifacts by their ids on behalf of a subject, and remembers which ones it gave out."""

    def __init__(self, uow: UnitOfWork, subject: Callable[[], Subject]) -> None:
        """``subject`` is asked only when something is looked up."""
        self.uow = uow
        self._subject = cache(subject)
        self._known: dict[int, ArtifactFacts] = {}
        self._incomplete: set[int] = set()
        self._given: set[int] = set()

    @property
    def inputs(self) -> tuple[int, ...]:
        """The artifacts that were given out so far: what the worker will have to read."""
        return tuple(sorted(self._given))

    def single(self, lookup: SingleLookup, *, categories: Collection[str] = (), field: str = "") -> ArtifactFacts:
        """The artifact with this id."""
        return self._resolve([(lookup, field)], categories)[0]

    def multiple(
        self, lookup: MultipleLookup, *, categories: Collection[str] = (), field: str = ""
    ) -> Sequence[ArtifactFacts]:
        """The artifacts with these ids, in their order."""
        places = [(item, field and f"{field}[{index}]") for index, item in enumerate(lookup.items)]
        return self._resolve(places, categories)

    def related(
        self,
        artifacts: Collection[ArtifactFacts],
        type: RelationType | None = None,  # noqa: A002 - the protocol's word
        *,
        categories: Collection[str] = (),
    ) -> Mapping[int, Sequence[ArtifactFacts]]:
        """What these artifacts say they relate to, as far as it can be used, in the order in which it was said."""
        pairs = self.uow.relations.targets({facts.id for facts in artifacts}, type)
        self._find({target for _, target in pairs} - self._known.keys())
        found: dict[int, dict[int, ArtifactFacts]] = {facts.id: {} for facts in artifacts}
        for source, target in pairs:
            if (facts := self._whole(target)) and (not categories or facts.category in categories):
                found[source][target] = facts
                self._given.add(target)
        return {source: list(targets.values()) for source, targets in found.items()}

    def _resolve(self, places: Sequence[tuple[object, str]], categories: Collection[str]) -> Sequence[ArtifactFacts]:
        wanted = [(item, artifact_id(item, field), field) for item, field in places]
        self._find({id_ for _, id_, _ in wanted if 0 < id_ <= LAST_ID} - self._known.keys())
        found = [self._fitting(item, id_, categories, field) for item, id_, field in wanted]
        self._given.update(facts.id for facts in found)
        return found

    def _find(self, ids: Collection[int]) -> None:
        if len(ids) > FEW and (
            self.uow.artifacts.weight(ids) > HEAVIEST or self.uow.files_in_artifacts.count(ids) > MOST_FILES
        ):
            raise TooMuch(len(ids))
        for batch in batches(ids):
            found = {artifact.id: artifact for artifact in self.uow.artifacts.with_ids(batch) if self._usable(artifact)}
            sizes = self.uow.files_in_artifacts.sizes(found)
            self._incomplete |= self.uow.files_in_artifacts.incomplete(found)
            for id_, artifact in found.items():
                self._known[id_] = ArtifactFacts(
                    id=id_, category=artifact.category, data=artifact.data, files=sizes[id_]
                )

    def _usable(self, artifact: Artifact) -> bool:
        return not artifact.expired(self.uow.now) and may(self.uow, self._subject(), Action.READ_ARTIFACT, artifact)

    def _whole(self, id_: int) -> ArtifactFacts | None:
        return None if id_ in self._incomplete else self._known.get(id_)

    def _fitting(self, lookup: object, id_: int, categories: Collection[str], field: str) -> ArtifactFacts:
        facts = self._known.get(id_)
        if facts is None:
            raise UnresolvedLookup(lookup, "there is no such artifact", field)
        if id_ in self._incomplete:
            raise UnresolvedLookup(lookup, "not all files of the artifact have been uploaded", field)
        if categories and facts.category not in categories:
            wanted = " or ".join(sorted(categories))
            raise UnresolvedLookup(lookup, f"the artifact is of category {facts.category}, not {wanted}", field)
        return facts


def artifact_id(lookup: object, field: str = "") -> int:
    """The artifact's id that a lookup names; ``UnresolvedLookup`` for what can only be looked up in a collection."""
    if isinstance(lookup, int) and not isinstance(lookup, bool):
        return lookup
    advice = f"name an artifact by its id, 17 or '17{SUFFIX}'"
    if isinstance(lookup, str):
        digits = lookup.removesuffix(SUFFIX)
        if digits != lookup and digits.isascii() and digits.isdigit() and len(digits) <= 18:
            return int(digits)
    if isinstance(lookup, Mapping) or (isinstance(lookup, str) and ("@" in lookup or "/" in lookup)):
        raise UnresolvedLookup(lookup, f"there are no collections on this server yet; {advice}", field)
    raise UnresolvedLookup(lookup, advice, field)
