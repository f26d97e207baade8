"""§4: artifacts are declared and described."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.wire.api import Api, described, path_of
from tests.wire.server import Server, new_name
from tests.wire.workers import HandWorker

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_declaration_as_clients_write_it_is_answered_by_201_and_the_whole_representation(user: Api) -> None:
    """§4 POST artifact/ 201: every key of the request, every key of the answer."""
    files = {"a.txt": os.urandom(6), "sub/b.txt": os.urandom(2)}
    value = {
        "category": "debusine:test",
        "workspace": "System",
        "files": described(files),
        "data": {},
        "work_request": None,
        "expire_at": None,
    }
    made = user.post("artifact/", value).json(201)
    number, base = made["id"], f"http://127.0.0.1:{user.address[1]}/debusine/System/artifact/{made['id']}/"
    created_at = made.pop("created_at")
    assert path_of(made.pop("url")) == path_of(base)
    assert made == {
        "id": number,
        "scope": "debusine",
        "workspace": "System",
        "category": "debusine:test",
        "data": {},
        "expire_at": None,
        "download_tar_gz_url": f"{base}download/?archive=tar.gz",
        "files_to_upload": ["a.txt", "sub/b.txt"],
        "files": {path: {**file, "url": f"{base}download/{path}"} for path, file in described(files).items()},
    }
    assert abs(datetime.fromisoformat(created_at) - datetime.now(UTC)) < timedelta(minutes=5)


def test_the_least_declaration(user: Api) -> None:
    """§4 POST artifact/: workspace, files, work_request, expire_at and content_type may be absent."""
    assert user.post("artifact/", {"category": "debusine:test", "data": {}}).json(201)["files"] == {}
    file = {"size": 3, "checksums": {"sha256": "0" * 64}, "type": "file"}
    made = user.post("artifact/", {"category": "debusine:test", "data": {}, "files": {"a": file}}).json(201)
    assert made["files"]["a"].get("content_type") is None


def test_the_representation_is_the_same_afterwards(user: Api) -> None:
    """§4 GET artifact/N/ 200: as the answer to POST."""
    made = user.declare({"a": os.urandom(3)})
    assert user.get(f"artifact/{made['id']}/").json() == made


def test_files_are_listed_by_their_paths(user: Api) -> None:
    """§4 files: all of them, sorted; files_to_upload: the incomplete ones, sorted."""
    names = ["z", "b/c", "a", "b/a", "B"]
    made = user.declare({name: os.urandom(4) for name in names})
    assert list(made["files"]) == made["files_to_upload"] == sorted(names)
    user.upload(made["id"], "b/c", os.urandom(4))  # wrong bytes: nothing changes
    assert user.get(f"artifact/{made['id']}/").json()["files_to_upload"] == sorted(names)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"category": None}, "category"),
        ({"category": "x" * 256}, "category"),
        ({"data": None}, "data"),
        ({"files": {"a": {"size": -1, "checksums": {"sha256": "0" * 64}, "type": "file"}}}, "files"),
        ({"files": {"a": {"size": 1, "checksums": {"sha256": "0" * 64}, "type": "directory"}}}, "files"),
        ({"files": {"a": {"size": 1, "checksums": {}, "type": "file"}}}, "files"),
        ({"files": {"../a": {"size": 1, "checksums": {"sha256": "0" * 64}, "type": "file"}}}, "files"),
        ({"expire_at": "tomorrow"}, "expire_at"),
    ],
)
def test_what_is_wrong_is_named(user: Api, changes: dict[str, Any], named: str) -> None:
    """§4 POST artifact/ 400: types and bounds."""
    value = {"category": "debusine:test", "data": {}, **changes}
    problem = user.post("artifact/", {key: item for key, item in value.items() if item is not None}).problem(400)
    assert any(key.startswith(named) for key in problem["validation_errors"]), problem


def test_a_time_of_expiry_is_kept(user: Api) -> None:
    """§4 expire_at is honoured."""
    moment = datetime.now(UTC) + timedelta(days=3)
    made = user.declare({}, expire_at=moment.isoformat())
    assert datetime.fromisoformat(made["expire_at"]) == moment


def test_a_work_request_is_named_by_workers_only(user: Api) -> None:
    """§4 work_request with a user's token: 403."""
    value = {"category": "debusine:test", "data": {}, "work_request": user.submit()["id"]}
    assert user.post("artifact/", value).problem(403)


def test_a_worker_names_its_work_request(user: Api, worker: HandWorker) -> None:
    """§4 without work_request and without a user: 403; an unknown one: 400."""
    assert worker.api.post("artifact/", {"category": "debusine:test", "data": {}}).problem(403)
    value = {"category": "debusine:test", "data": {}, "work_request": 999_999_999}
    assert "does not exist" in worker.api.post("artifact/", value).problem(400)["title"]
    work_request = user.submit()["id"]
    worker.get(work_request)
    made = worker.api.post("artifact/", {**value, "work_request": work_request}).json(201)
    assert made["workspace"] == "System"


def test_nobody_makes_artifacts_without_a_token(nobody: Api, public: str) -> None:
    """§4 no right to create in a workspace: 403."""
    assert nobody.post("artifact/", {"category": "debusine:test", "data": {}, "workspace": public}).problem(403)


def test_content_of_the_same_workspace_is_not_sent_again(user: Api) -> None:
    """§4 a file is complete at once when the workspace holds it whole."""
    content = os.urandom(20)
    half = user.declare({"a": content})
    assert user.declare({"b": content})["files_to_upload"] == ["b"]  # nobody has sent it yet
    assert user.upload(half["id"], "a", content).empty(201)
    assert user.declare({"c": content, "d": content})["files_to_upload"] == []


def test_content_of_another_workspace_is_not_betrayed(server: Server, user: Api) -> None:
    """§4 content of another workspace must be sent."""
    name, content = new_name(), os.urandom(20)
    server.operate("workspace create", name=name)
    user.artifact({"a": content})
    assert user.declare({"a": content}, workspace=name)["files_to_upload"] == ["a"]


def test_empty_files_are_complete_from_the_start(user: Api) -> None:
    """§4 empty files are never to be sent."""
    made = user.declare({"empty": b"", "full": os.urandom(3)})
    assert made["files_to_upload"] == ["full"]
    assert made["files"]["empty"]["checksums"] == {"sha256": EMPTY}
    empty = user.get(path_of(made["files"]["empty"]["url"]))
    assert empty.empty(200)


def test_an_empty_file_has_the_hash_of_nothing(user: Api) -> None:
    """§4 an empty file with another hash is refused."""
    file = {"size": 0, "checksums": {"sha256": "0" * 64}, "type": "file"}
    assert user.post("artifact/", {"category": "debusine:test", "data": {}, "files": {"a": file}}).problem(400)


@pytest.mark.parametrize(
    ("sent", "served"),
    [
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("text/markdown; charset=utf-8", "text/markdown; charset=utf-8"),
        ("text/html; charset=us-ascii", "text/plain; charset=us-ascii"),
        ("application/json; charset=us-ascii", "application/json"),
        ("application/gzip; charset=binary", "application/gzip"),
        ("application/x-xz; charset=binary", "application/x-xz"),
        ("application/x-tar; charset=binary", "application/x-tar"),
        ("application/x-bzip2", "application/x-bzip2"),
        ("application/zstd", "application/zstd"),
        ("application/vnd.debian.binary-package; charset=binary", "application/vnd.debian.binary-package"),
        ("application/octet-stream", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("application/xhtml+xml", "application/octet-stream"),
        (None, "application/octet-stream"),
    ],
)
def test_content_types_are_kept_and_only_safe_ones_served(user: Api, sent: str | None, served: str) -> None:
    """§4 content_type: kept as it was declared, served from a safe list."""
    content = os.urandom(8)
    file = {**described({"a": content})["a"], "content_type": sent}
    made = user.post("artifact/", {"category": "debusine:test", "data": {}, "files": {"a": file}}).json(201)
    assert user.upload(made["id"], "a", content).empty(201)
    assert made["files"]["a"].get("content_type") == sent
    assert user.get(path_of(made["files"]["a"]["url"])).header("Content-Type") == served


@pytest.mark.parametrize("slash", ["/", ""])
def test_an_unknown_artifact_is_a_problem(user: Api, slash: str) -> None:
    """§4 GET artifact/N 404."""
    assert user.get(f"artifact/999999999{slash}").problem(404)


def test_the_worker_is_recorded_by_its_work_request(user: Api, worker: HandWorker) -> None:
    """§4 created by: the work request, for workers."""
    work_request = user.submit()["id"]
    worker.get(work_request)
    made = worker.api.declare({}, work_request=work_request)
    assert worker.complete(work_request).empty(200)
    assert user.work_request(work_request)["artifacts"] == [made["id"]]
