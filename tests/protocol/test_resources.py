"""Submissions are read strictly, resources leniently; problems and messages have the protocol's form."""

from typing import Any

import pytest

from debusine.converter.json import dumps
from debusine.converter.structure import InvalidFields, structure, unstructure
from debusine.protocol.messages import Text, closing, rejection, say
from debusine.protocol.problems import CONTENT_TYPE, Problem
from debusine.protocol.resources import (
    ArtifactResource,
    ArtifactSubmission,
    CompletionReport,
    RelationSubmission,
    WorkerRegistration,
    WorkRequestResource,
    WorkRequestSubmission,
)

FILE = {"size": 2, "checksums": {"sha256": "ab"}, "type": "file", "content_type": None}
ARTIFACT = {
    "id": 1,
    "url": "/debusine/System/artifact/1/",
    "workspace": "System",
    "category": "debusine:test",
    "data": {},
    "created_at": "2026-11-23T09:34:23.051809Z",
    "download_tar_gz_url": "http://farm.example/x",
    "files_to_upload": [],
}
WORK_REQUEST = {
    "id": 3,
    "url": "/debusine/System/work-request/3/",
    "created_at": "2026-11-23T09:34:23.051809Z",
    "status": "pending",
    "result": "",
    "task_type": "Worker",
    "task_name": "noop",
    "task_data": {},
    "priority_base": 0,
    "priority_adjustment": 0,
    "artifacts": [],
    "workspace": "System",
}


def test_what_the_real_client_submits_is_read() -> None:
    submitted = {
        "category": "debusine:test",
        "files": {"sub/b.txt": FILE},
        "data": {},
        "work_request": None,
        "expire_at": None,
    }
    submission = structure(submitted, ArtifactSubmission)
    assert submission.workspace is None
    assert submission.files == {"sub/b.txt": submission.files["sub/b.txt"]}  # type: ignore[index]


@pytest.mark.parametrize(
    ("into", "value", "path"),
    [
        (ArtifactSubmission, {"category": "", "data": {}}, "category"),
        (ArtifactSubmission, {"category": "c"}, "data"),
        (ArtifactSubmission, {"category": "c", "data": {}, "files": {"../a": FILE}}, "files"),
        (ArtifactSubmission, {"category": "c", "data": {}, "files": {"a": {**FILE, "size": -1}}}, "files"),
        (ArtifactSubmission, {"category": "c", "data": {}, "files": {"a": {**FILE, "size": "1"}}}, "files"),
        (ArtifactSubmission, {"category": "c", "data": {}, "files": {"a": {**FILE, "type": "link"}}}, "files"),
        (ArtifactSubmission, {"category": "c", "data": {}, "expire_at": "2026-01-01"}, "expire_at"),
        (ArtifactSubmission, {"category": "c", "data": {}, "more": 1}, "non_field_errors"),
        (WorkRequestSubmission, {"task_name": "noop", "timeout": 0}, "timeout"),
        (WorkRequestSubmission, {"task_name": "noop", "timeout": True}, "timeout"),
        (WorkRequestSubmission, {"task_name": "noop", "task_data": []}, "task_data"),
        (RelationSubmission, {"artifact": 1, "target": 2, "type": "likes"}, "type"),
        (WorkerRegistration, {"token": "a" * 65, "fqdn": "h"}, "token"),
        (WorkerRegistration, {"token": "a" * 64, "fqdn": "h" * 401}, "fqdn"),
        (CompletionReport, {"result": ""}, "result"),
        (CompletionReport, {"result": "splendid"}, "result"),
    ],
)
def test_a_submission_that_does_not_fit_is_refused_by_its_path(
    into: type[Any], value: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidFields) as caught:
        structure(value, into)
    (named,) = caught.value.validation_errors or {}
    assert named.startswith(path)


def test_a_resource_needs_only_what_the_protocol_requires() -> None:
    assert structure(ARTIFACT, ArtifactResource, lenient=True).files == {}
    assert structure(WORK_REQUEST, WorkRequestResource, lenient=True).attempt is None


def test_a_newer_server_may_say_more() -> None:
    for known, kind in ((ARTIFACT, ArtifactResource), (WORK_REQUEST, WorkRequestResource)):
        assert structure({**known, "colour": "red"}, kind, lenient=True) == structure(known, kind, lenient=True)


def test_a_resource_is_written_as_it_is_read() -> None:
    artifact = structure(ARTIFACT, ArtifactResource, lenient=True)
    assert structure(unstructure(artifact), ArtifactResource) == artifact
    assert b'"created_at":"2026-11-23T09:34:23.051809Z"' in dumps(unstructure(artifact))


def test_a_problem_has_only_the_keys_that_are_there() -> None:
    assert Problem("No").as_dict() == {"title": "No"}
    errors = {"field": ["wrong"]}
    assert list(Problem("No", "Because", errors).as_dict()) == ["title", "detail", "validation_errors"]
    assert CONTENT_TYPE == "application/problem+json"


def test_messages_have_the_form_that_listeners_expect() -> None:
    assert say(Text.CONNECTED) == {"type": "websocket.send", "text": "connected"}
    assert say(Text.WORK_REQUEST_COMPLETED, work_request_id=3)["work_request_id"] == 3
    assert rejection("No") == {"type": "connection_rejected", "reason": "No"}
    assert rejection("No", "TOKEN_DISABLED")["reason_code"] == "TOKEN_DISABLED"
    assert closing("No", "TOKEN_DISABLED")["type"] == "connection_closed"
