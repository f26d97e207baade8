"""Artifacts and their relations in the database."""

from debusine.db import tables
from debusine.db.repository import Repository
from debusine.domain.artifacts import Artifact, ArtifactRelation


class ArtifactRepository(Repository[Artifact]):
    """Finds and keeps artifacts."""

    table = tables.artifacts
    noun = Artifact
    title = "artifact"


class RelationRepository(Repository[ArtifactRelation]):
    """Finds and keeps relations between artifacts."""

    table = tables.artifact_relations
    noun = ArtifactRelation
    title = "relation"
