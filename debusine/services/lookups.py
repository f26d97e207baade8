"""Lookups: what the names in task data mean, at the submission and again at the assignment."""

from collections.abc import Callable, Collection, Sequence
from functools import cache

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.artifacts import Artifact
from debusine.domain.lookups import MultipleLookup, SingleLookup, UnresolvedLookup
from debusine.domain.rights import Action
from debusine.plugin import ArtifactFacts, Lookups
from debusine.services.rights import may

SUFFIX = "@artifacts"


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

    def single(self, lookup: SingleLookup, *, categories: Collection[str] = ()) -> ArtifactFacts:
        """The artifact with this id."""
        return self.multiple(MultipleLookup((lookup,)), categories=categories)[0]

    def multiple(self, lookup: MultipleLookup, *, categories: Collection[str] = ()) -> Sequence[ArtifactFacts]:
        """The artifacts with these ids, in their order."""
        wanted = [(item, artifact_id(item)) for item in lookup.items]
        self._find({id_ for _, id_ in wanted} - self._known.keys())
        found = [self._fitting(item, id_, categories) for item, id_ in wanted]
        self._given.update(facts.id for facts in found)
        return found

    def _find(self, ids: Collection[int]) -> None:
        if not ids:
            return
        found = {artifact.id: artifact for artifact in self.uow.artifacts.with_ids(ids) if self._usable(artifact)}
        sizes = self.uow.files_in_artifacts.sizes(found)
        self._incomplete |= self.uow.files_in_artifacts.incomplete(found)
        for id_, artifact in found.items():
            self._known[id_] = ArtifactFacts(id=id_, category=artifact.category, data=artifact.data, files=sizes[id_])

    def _usable(self, artifact: Artifact) -> bool:
        return not artifact.expired(self.uow.now) and may(self.uow, self._subject(), Action.READ_ARTIFACT, artifact)

    def _fitting(self, lookup: object, id_: int, categories: Collection[str]) -> ArtifactFacts:
        facts = self._known.get(id_)
        if facts is None:
            raise UnresolvedLookup(lookup, "there is no such artifact")
        if id_ in self._incomplete:
            raise UnresolvedLookup(lookup, "not all files of the artifact have been uploaded")
        if categories and facts.category not in categories:
            wanted = " or ".join(sorted(categories))
            raise UnresolvedLookup(lookup, f"the artifact is of category {facts.category}, not {wanted}")
        return facts


def artifact_id(lookup: object) -> int:
    """The artifact's id that a lookup names; ``UnresolvedLookup`` for what can only be looked up in a collection."""
    if isinstance(lookup, int):
        return lookup
    if isinstance(lookup, str):
        digits = lookup.removesuffix(SUFFIX)
        if digits != lookup and digits.isascii() and digits.isdigit() and len(digits) <= 18:
            return int(digits)
    raise UnresolvedLookup(lookup, f"name an artifact by its id, 17 or '17{SUFFIX}'")
