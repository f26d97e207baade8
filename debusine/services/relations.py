"""Relations between artifacts: how they are made, and which a subject may see."""

from collections.abc import Sequence

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.artifacts import ArtifactRelation
from debusine.domain.errors import Invalid
from debusine.domain.rights import Action
from debusine.protocol.resources import RelationSubmission
from debusine.services.artifacts import find
from debusine.services.fencing import fence
from debusine.services.rights import Hidden, readable


class IncompleteArtifact(Invalid):
    """An artifact of which bytes are missing cannot be related."""

    def __init__(self, role: str, artifact: int) -> None:
        super().__init__(
            f"Cannot create relation: {role} artifact {artifact} is incomplete", detail="Send all of its files first"
        )


class RelatedToItself(Invalid):
    """An artifact cannot extend, relate to, or be built using itself."""

    def __init__(self, artifact: int) -> None:
        message = "This is the artifact itself."
        super().__init__(f"Cannot relate the artifact {artifact} to itself", validation_errors={"target": [message]})


class NoArtifactGiven(Invalid):
    """A list of relations was asked for without saying of which artifact."""

    def __init__(self) -> None:
        super().__init__("Whose relations?", detail="Give ?artifact=ID or ?target_artifact=ID")


def relate(
    uow: UnitOfWork, subject: Subject, submission: RelationSubmission, attempt: int | None = None
) -> tuple[ArtifactRelation, bool]:
    """Relate two complete artifacts; the relation, and whether it is new."""
    source = find(uow, subject, Action.RELATE_ARTIFACTS, submission.artifact)
    fence(uow, subject, source.created_by_work_request, attempt)
    target = find(uow, subject, Action.READ_ARTIFACT, submission.target)
    if source.id == target.id:
        raise RelatedToItself(source.id)
    incomplete = uow.files_in_artifacts.incomplete([source.id, target.id])
    for role, artifact in (("source", source.id), ("target", target.id)):
        if artifact in incomplete:
            raise IncompleteArtifact(role, artifact)
    return uow.relations.get_or_create(source.id, target.id, submission.type)


def unrelate(uow: UnitOfWork, subject: Subject, relation: int, attempt: int | None = None) -> None:
    """Undo a relation; not found also when one of its ends is hidden."""
    found = uow.relations.get_or_none(relation, lock=True)
    if found is None or not {found.artifact, found.target} <= readable(uow, subject, {found.artifact, found.target}):
        raise Hidden("relation", relation)
    source = find(uow, subject, Action.RELATE_ARTIFACTS, found.artifact)
    fence(uow, subject, source.created_by_work_request, attempt)
    uow.relations.delete(relation)


def of(
    uow: UnitOfWork, subject: Subject, artifact: int | None = None, target: int | None = None
) -> Sequence[ArtifactRelation]:
    """The relations that go out from an artifact, or lead to one; none of which the other end is hidden."""
    if artifact is None and target is None:
        raise NoArtifactGiven
    for given in (artifact, target):
        if given is not None:
            find(uow, subject, Action.READ_ARTIFACT, given)
    relations = uow.relations.between(artifact, target)
    visible = readable(uow, subject, {end for relation in relations for end in (relation.artifact, relation.target)})
    return [relation for relation in relations if {relation.artifact, relation.target} <= visible]
