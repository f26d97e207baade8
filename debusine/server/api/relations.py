"""``artifact-relation/``: how artifacts relate."""

from http import HTTPStatus

from aiohttp import web

from debusine.domain.artifacts import ArtifactRelation
from debusine.protocol.resources import RelationResource, RelationSubmission
from debusine.server.answers import empty_answer, json_answer
from debusine.server.keys import DATABASE
from debusine.server.requests import attempt_header, path_id, query_id, structured, subject
from debusine.services import relations


async def create_relation(request: web.Request) -> web.Response:
    """Relate two artifacts; 201 when the relation is new, 200 when it was there."""
    submission = await structured(request, RelationSubmission)
    relation, new = await request.app[DATABASE].write(
        relations.relate, subject(request), submission, attempt_header(request)
    )
    return json_answer(relation_resource(relation), status=HTTPStatus.CREATED if new else HTTPStatus.OK)


async def list_relations(request: web.Request) -> web.Response:
    """List the relations of an artifact, or of those that lead to it."""
    artifact, target = query_id(request, "artifact"), query_id(request, "target_artifact")
    found = await request.app[DATABASE].read(relations.of, subject(request), artifact, target)
    return json_answer([relation_resource(relation) for relation in found])


async def delete_relation(request: web.Request) -> web.Response:
    """Undo a relation between two artifacts."""
    database, attempt = request.app[DATABASE], attempt_header(request)
    await database.write(relations.unrelate, subject(request), path_id(request), attempt)
    return empty_answer(HTTPStatus.NO_CONTENT)


def relation_resource(relation: ArtifactRelation) -> RelationResource:
    """A relation as it appears on the wire."""
    return RelationResource(id=relation.id, artifact=relation.artifact, target=relation.target, type=relation.type)
