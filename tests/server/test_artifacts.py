"""``artifact/`` over HTTP: what is declared is described, and every mistake is named by its field."""

import io
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from tests.farm import Answer, Farm
from tests.server.filing import ARTIFACTS, declare, described, file_url, filed, raw, submission


async def test_an_artifact_is_described_with_what_is_still_to_be_sent(farm: Farm) -> None:
    files = {"sub/b.txt": b"b\n", "a b.txt": b"hello\n", "empty": b""}
    body = submission(files)
    body["files"]["sub/b.txt"]["content_type"] = "text/plain; charset=us-ascii"

    answer = await farm.post(ARTIFACTS, body)

    found = answer.json()
    base = f"http://{farm.client.host}:{farm.client.port}/debusine/System/artifact/{found['id']}/"
    assert answer.status == 201
    assert list(found) == [
        "id",
        "url",
        "scope",
        "workspace",
        "category",
        "data",
        "created_at",
        "expire_at",
        "download_tar_gz_url",
        "files_to_upload",
        "files",
    ]
    assert {key: found[key] for key in ("scope", "workspace", "category", "data", "expire_at")} == {
        "scope": "debusine",
        "workspace": "System",
        "category": "debusine:test",
        "data": {},
        "expire_at": None,
    }
    assert (found["url"], found["download_tar_gz_url"]) == (base, f"{base}download/?archive=tar.gz")
    assert found["created_at"].endswith("Z")
    assert found["files_to_upload"] == ["a b.txt", "sub/b.txt"]
    assert list(found["files"]) == ["a b.txt", "empty", "sub/b.txt"]
    assert found["files"]["sub/b.txt"] == body["files"]["sub/b.txt"] | {"url": f"{base}download/sub/b.txt"}
    assert found["files"]["a b.txt"]["url"] == f"{base}download/a%20b.txt"
    assert found["files"]["empty"] == described(b"") | {"url": f"{base}download/empty", "content_type": None}


async def test_an_artifact_is_found_with_and_without_the_final_slash(farm: Farm) -> None:
    artifact = await filed(farm, {"a": b"1"})

    answers = [await farm.get(f"{ARTIFACTS}{artifact}/"), await farm.get(f"{ARTIFACTS}{artifact}")]

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["files_to_upload"] == []


async def test_an_artifact_may_have_no_files(farm: Farm) -> None:
    answer = await farm.post(
        ARTIFACTS, {"category": "debusine:work-request-debug-logs", "data": {}, "files": {}, "work_request": None}
    )

    assert (answer.status, answer.json()["files"], answer.json()["files_to_upload"]) == (201, {}, [])


async def test_what_the_workspace_has_already_is_not_sent_again(farm: Farm) -> None:
    await filed(farm, {"a": b"same", "b": b"other"})

    answer = await farm.post(ARTIFACTS, submission({"c": b"same", "d": b"new"}))

    assert answer.json()["files_to_upload"] == ["d"]


async def test_content_of_another_workspace_must_be_sent(farm: Farm) -> None:
    await filed(farm, {"a": b"secret"})

    answer = await farm.post(ARTIFACTS, submission({"a": b"secret"}, workspace="Public"))

    assert (answer.status, answer.json()["workspace"]) == (201, "Public")
    assert answer.json()["files_to_upload"] == ["a"]


FILE = described(b"12345")
HASH = FILE["checksums"]["sha256"]


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"category": None}, {"category"}),
        ({"category": ""}, {"category"}),
        ({"category": "x" * 256}, {"category"}),
        ({"category": "debian:unheard-of"}, {"category"}),
        ({"data": None}, {"data"}),
        ({"data": []}, {"data"}),
        ({"data": {"unknown": 1}}, {"data"}),
        ({"files": []}, {"files"}),
        ({"files": {"a": []}}, {"files['a']"}),
        ({"files": {"a": {**FILE, "size": "5"}}}, {"files['a'].size"}),
        ({"files": {"a": {**FILE, "size": True}}}, {"files['a'].size"}),
        ({"files": {"a": {**FILE, "size": 5.0}}}, {"files['a'].size"}),
        ({"files": {"a": {**FILE, "size": -1}}}, {"files['a'].size"}),
        ({"files": {"a": {**FILE, "type": "directory"}}}, {"files['a'].type"}),
        ({"files": {"a": {**FILE, "content_type": "x" * 256}}}, {"files['a'].content_type"}),
        ({"files": {"a": {**FILE, "mode": 0o644}}}, {"files['a']"}),
        ({"files": {"a": {**FILE, "checksums": {}}}}, {"files['a'].checksums['sha256']"}),
        ({"files": {"a": {**FILE, "checksums": {"sha256": HASH[:-1]}}}}, {"files['a'].checksums['sha256']"}),
        ({"files": {"a": {**FILE, "checksums": {"sha256": HASH.upper()}}}}, {"files['a'].checksums['sha256']"}),
        ({"files": {"a": {**FILE, "checksums": {"sha256": HASH[:-1] + "g"}}}}, {"files['a'].checksums['sha256']"}),
        ({"files": {"a": {**FILE, "checksums": {"sha256": None}}}}, {"files['a'].checksums['sha256']"}),
        ({"files": {"a": {**FILE, "checksums": {"sha256": HASH, "md5": "x"}}}}, {"files['a'].checksums"}),
        ({"files": {"a": {**FILE, "size": 0}}}, {"files['a'].checksums['sha256']"}),
        ({"files": {"a": FILE, "a/b": FILE}}, {"files['a/b']"}),
        ({"files": {"a": {**FILE, "size": "1"}, "b": {**FILE, "size": "1"}}}, {"files['a'].size", "files['b'].size"}),
        ({"work_request": "1"}, {"work_request"}),
        ({"workspace": 1}, {"workspace"}),
        ({"expire_at": "tomorrow"}, {"expire_at"}),
        ({"expire_at": "2030-01-01T00:00:00"}, {"expire_at"}),
        ({"expire_at": "0001-01-01T00:00:00+01:00"}, {"expire_at"}),
        ({"expire_at": "9999-12-31T23:59:59-01:00"}, {"expire_at"}),
        ({"expiration_delay": "P1Y"}, {"expiration_delay"}),
        ({"expiration_delay": "soon"}, {"expiration_delay"}),
        ({"expiration_delay": -1}, {"expiration_delay"}),
        ({"expiration_delay": 10**12 - 1}, {"expiration_delay"}),
        ({"expiration_delay": 5, "expire_at": "2030-01-01T00:00:00Z"}, {"expiration_delay"}),
        ({"created_by": 1}, {"non_field_errors"}),
    ],
)
async def test_mistakes_are_named_by_their_field_and_change_nothing(
    farm: Farm, change: Mapping[str, Any], fields: set[str]
) -> None:
    body = submission({"a": b"12345"}) | dict(change)

    answer = await farm.post(ARTIFACTS, {key: value for key, value in body.items() if value is not None})

    assert answer.status == 400, answer
    assert set(answer.problem()["validation_errors"]) == fields
    assert (await farm.get(f"{ARTIFACTS}1/")).status == 404


@pytest.mark.parametrize(
    "path",
    ["", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\x01b", "a\u202eb", "e\u0301", "x" * 501, "é" * 128],
)
async def test_paths_that_cannot_be_unpacked_everywhere_are_refused(farm: Farm, path: str) -> None:
    answer = await farm.post(ARTIFACTS, submission({path: b"1"}))

    assert answer.status == 400
    assert [field.partition("[")[0] for field in answer.problem()["validation_errors"]] == ["files"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a": NaN}', b'{"a": 1, "a": 2}', b'{"a": "\\u0000"}', b"\xff"])
async def test_what_is_not_good_json_is_refused(farm: Farm, body: bytes) -> None:
    answer = await farm.request("POST", ARTIFACTS, data=body, headers={"Content-Type": "application/json"})

    assert (answer.status, "title" in answer.problem()) == (400, True)


async def test_files_and_artifacts_larger_than_the_limit_are_refused(farm: Farm) -> None:
    large = described(b"") | {"size": 50 * 2**30 + 1, "checksums": {"sha256": "0" * 64}}
    many = {str(number): large | {"size": 50 * 2**30} for number in range(5)}

    assert (await farm.post(ARTIFACTS, submission({}) | {"files": {"a": large}})).status == 413
    assert (await farm.post(ARTIFACTS, submission({}) | {"files": many})).status == 413


async def test_ten_thousand_files_are_taken_and_one_more_is_not(farm: Farm) -> None:
    file = described(b"1")
    body = submission({}) | {"files": {f"{number:05}": file for number in range(10_000)}}

    answer = await post_large(farm, body)
    body["files"]["one more"] = file
    refused = await post_large(farm, body)

    assert (answer.status, len(answer.json()["files_to_upload"])) == (201, 10_000)
    assert (refused.status, set(refused.problem()["validation_errors"])) == (400, {"files"})


async def test_workspaces_that_are_not_there_and_artifacts_that_are_not_there_are_404(farm: Farm) -> None:
    unknown = await farm.post(ARTIFACTS, submission({}, workspace="Nowhere"))

    assert (unknown.status, unknown.problem()["title"]) == (404, "Workspace not found")
    assert (await farm.get(f"{ARTIFACTS}7/")).status == 404
    assert (await farm.get(f"{ARTIFACTS}{10**30}/")).status == 404


async def test_expiry_is_as_the_request_says(farm: Farm) -> None:
    moment = await farm.post(ARTIFACTS, submission({}, expire_at="2040-01-02T03:04:05+01:00"))
    delay = await farm.post(ARTIFACTS, submission({}, expiration_delay="P1DT1H"))
    never = await farm.post(ARTIFACTS, submission({}, expiration_delay=0))

    assert moment.json()["expire_at"] == "2040-01-02T02:04:05Z"
    assert delay.json()["expire_at"][:10] > delay.json()["created_at"][:10]
    assert never.json()["expire_at"] is None


async def test_anybody_sees_what_is_public_and_nobody_unknown_what_is_not(farm: Farm) -> None:
    private, public = await declare(farm, {}), await declare(farm, {}, workspace="Public")

    assert (await farm.get(f"{ARTIFACTS}{public}/", key=None)).status == 200
    hidden, missing = await farm.get(f"{ARTIFACTS}{private}/", key=None), await farm.get(f"{ARTIFACTS}9/", key=None)
    assert (hidden.status, missing.status) == (404, 404)
    assert hidden.body.replace(str(private).encode(), b"9") == missing.body
    assert (await farm.post(ARTIFACTS, submission({}, workspace="Public"), key=None)).status == 403


async def test_users_name_no_work_request_and_workers_must(farm: Farm) -> None:
    user = await farm.post(ARTIFACTS, submission({}, work_request=1))
    worker = await farm.post(ARTIFACTS, submission({}), key=farm.people.worker_key)
    unknown = await farm.post(ARTIFACTS, submission({}, work_request=99), key=farm.people.worker_key)

    assert (user.status, worker.status, unknown.status) == (403, 403, 400)
    assert unknown.problem()["title"] == "WorkRequest 99 does not exist"


async def test_problems_bear_the_content_type_that_clients_compare(farm: Farm) -> None:
    head = await raw(farm, "GET", f"{ARTIFACTS}7")

    assert head.startswith(b"HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\n")


async def test_the_url_of_a_file_leads_to_its_bytes(farm: Farm) -> None:
    artifact = await declare(farm, {"dir/a b+é%.txt": b"here"})
    await farm.put(file_url(artifact, "dir/a b+é%25.txt"), data=b"here")
    found = (await farm.get(f"{ARTIFACTS}{artifact}/")).json()

    url = found["files"]["dir/a b+é%.txt"]["url"]
    head = await raw(farm, "GET", url.partition(str(farm.client.port))[2])

    assert url.endswith("/download/dir/a%20b%2B%C3%A9%25.txt")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")


async def post_large(farm: Farm, body: object) -> Answer:
    data = io.BytesIO(orjson.dumps(body))
    return await farm.request("POST", ARTIFACTS, data=data, headers={"Content-Type": "application/json"})
