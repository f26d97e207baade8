"""What is asked of a server, and how its answers are understood."""

import hashlib
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from debusine.client import (
    Access,
    Busy,
    Client,
    Conflicting,
    Connection,
    Forbidden,
    InvalidAnswer,
    InvalidApiUrl,
    Missing,
    Refused,
    Unreachable,
)
from debusine.client.declaring import NotAFile
from debusine.domain.artifacts import RelationType
from debusine.domain.files import InvalidPath
from debusine.domain.secrets import Secret
from tests.client.conftest import IMPATIENT
from tests.client.fake_server import FakeServer, answering, hang_up, problem


async def test_an_artifact_is_declared_with_sizes_hashes_and_types(
    client: Client, server: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "b.txt").write_text("é\n")
    moment = datetime(2027, 1, 2, tzinfo=UTC)
    artifact = await client.create_artifact(
        "debusine:test", data={"a": 1}, files={"sub/b.txt": tmp_path / "b.txt"}, workspace="W", expire_at=moment
    )
    assert server.artifacts[1] == {
        "category": "debusine:test",
        "workspace": "W",
        "files": {
            "sub/b.txt": {
                "size": 3,
                "checksums": {"sha256": hashlib.sha256("é\n".encode()).hexdigest()},
                "type": "file",
                "content_type": "text/plain; charset=utf-8",
            }
        },
        "data": {"a": 1},
        "work_request": None,
        "expire_at": "2027-01-02T00:00:00Z",
    }
    assert artifact.files_to_upload == ["sub/b.txt"]
    assert artifact.expire_at == moment


async def test_what_was_not_chosen_is_not_sent(client: Client, server: FakeServer) -> None:
    await client.create_artifact("debusine:test", data={})
    assert server.artifacts[1].keys() == {"category", "files", "data", "work_request", "expire_at"}
    await client.create_work_request("noop", task_data={})
    assert (
        server.requests("POST", "work-request")[0].body == b'{"task_name":"noop","task_data":{},"event_reactions":{}}'
    )


async def test_files_that_are_none_and_paths_that_leave_are_refused(
    client: Client, server: FakeServer, tmp_path: Path
) -> None:
    with pytest.raises(NotAFile, match="There is no file"):
        await client.create_artifact("debusine:test", data={}, files={"a": tmp_path / "nowhere"})
    with pytest.raises(NotAFile, match="is not a file"):
        await client.create_artifact("debusine:test", data={}, files={"a": tmp_path})
    with pytest.raises(InvalidPath):
        await client.create_artifact("debusine:test", data={}, files={"../a": tmp_path / "nowhere"})
    assert server.seen == []


async def test_calls_carry_token_and_scope(client: Client, server: FakeServer) -> None:
    server.add_work_request()
    await client.get_work_request(1)
    assert server.seen[0].headers["Token"] == "k" * 64
    assert server.seen[0].headers["X-Debusine-Scope"] == "debusine"


async def test_a_worker_sends_its_attempt_and_no_scope(server: FakeServer, access: Access, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    own = Access(api_url=access.api_url, token=access.token)
    async with Connection(own) as connection:
        client = Client(connection).of_attempt(3)
        artifact = await client.upload_artifact("debusine:test", data={}, files={"a": tmp_path / "a"}, work_request=7)
        await client.create_relation(artifact.id, artifact.id, RelationType.EXTENDS)
        await client.download_artifact(artifact, tmp_path / "down", [])
        await client.get_artifact(artifact.id)
    assert len(server.seen) == 4
    assert {seen.headers.get("X-Debusine-Attempt") for seen in server.seen} == {"3"}
    assert not any("X-Debusine-Scope" in seen.headers for seen in server.seen)


async def test_a_trailing_slash_of_the_api_url_does_no_harm(server: FakeServer, access: Access) -> None:
    server.add_work_request()
    async with Connection(Access(api_url=access.api_url + "/")) as connection:
        await Client(connection).get_work_request(1)
    assert server.seen[0].path == "/api/1.0/work-request/1/"
    assert "Token" not in server.seen[0].headers


@pytest.mark.parametrize("url", ["debusine.example/api", "ftp://host/api", "http://", "", "http://[/api"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidApiUrl, match="is not the URL of an API"):
        Access(api_url=url)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/problem+json",
        "application/problem+json; charset=utf-8",
        "Application/Problem+JSON",
        "application/json",
    ],
)
async def test_a_problem_is_understood_however_it_is_labelled(
    client: Client, server: FakeServer, content_type: str
) -> None:
    facts = {"detail": "Because", "validation_errors": {"field": ["wrong"], "other": "also"}}
    server.misbehave("GET", "", answering(lambda: problem(400, "No", content_type, **facts)))
    with pytest.raises(Refused, match="No: Because") as caught:
        await client.get_work_request(1)
    assert (caught.value.status, caught.value.title, caught.value.detail) == (400, "No", "Because")
    assert caught.value.validation_errors == {"field": ["wrong"], "other": ["also"]}


async def test_a_problem_is_an_error_whatever_its_status(client: Client, server: FakeServer) -> None:
    server.misbehave("GET", "", answering(lambda: problem(200, "Not so good")))
    with pytest.raises(Refused, match="Not so good"):
        await client.get_work_request(1)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Forbidden), (403, Forbidden), (404, Missing), (409, Conflicting), (400, Refused), (500, Refused)],
)
async def test_each_status_has_its_error(client: Client, server: FakeServer, status: int, kind: type[Refused]) -> None:
    server.misbehave("GET", "", answering(lambda: problem(status, "No")))
    with pytest.raises(kind) as caught:
        await client.get_work_request(1)
    assert type(caught.value) is kind


async def test_an_error_without_a_problem_still_says_something(client: Client, server: FakeServer) -> None:
    server.misbehave("GET", "", answering(lambda: web.Response(status=418, text="<html>")))
    with pytest.raises(Refused, match=r"The server answered 418 I'm a Teapot: GET http://.*/work-request/1/"):
        await client.get_work_request(1)


async def test_a_server_that_moved_is_told_with_its_new_place(client: Client, server: FakeServer) -> None:
    headers = {"Location": "https://farm.example/api/1.0/work-request/1/"}
    server.misbehave("GET", "", answering(lambda: web.Response(status=301, headers=headers)))
    with pytest.raises(Refused, match=r"301 Moved Permanently: .*, which moved to https://farm.example/api/"):
        await client.get_work_request(1)


@pytest.mark.parametrize("body", ["<html>", '{"id": 1}', "[]", '{"id": NaN}', ""])
async def test_an_answer_that_is_not_the_protocols_is_told(client: Client, server: FakeServer, body: str) -> None:
    server.misbehave("GET", "", answering(lambda: web.Response(text=body)))
    with pytest.raises(InvalidAnswer, match="cannot be understood"):
        await client.get_work_request(1)


async def test_reading_is_repeated_when_the_line_breaks(client: Client, server: FakeServer) -> None:
    server.add_work_request()
    server.misbehave("GET", "", hang_up, times=3)
    assert (await client.get_work_request(1)).id == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_reading_is_repeated_when_the_server_is_busy(client: Client, server: FakeServer, status: int) -> None:
    server.add_work_request()
    server.misbehave("GET", "", answering(lambda: problem(status, "Later")))
    assert (await client.get_work_request(1)).id == 1


@pytest.mark.parametrize("backoff", [IMPATIENT])
async def test_patience_with_a_busy_server_ends(client: Client, server: FakeServer) -> None:
    server.misbehave("GET", "", answering(lambda: problem(503, "Later")), times=1000)
    with pytest.raises(Busy, match="Later"):
        await client.get_work_request(1)


@pytest.mark.parametrize("backoff", [IMPATIENT])
async def test_a_server_that_asks_for_more_patience_than_there_is_gets_none(client: Client, server: FakeServer) -> None:
    later = answering(lambda: web.Response(status=503, headers={"Retry-After": "120"}))
    server.misbehave("GET", "", later, times=1000)
    with pytest.raises(Busy):
        await client.get_work_request(1)
    assert len(server.seen) == 1


async def test_work_is_never_requested_twice_when_the_answer_is_lost(client: Client, server: FakeServer) -> None:
    server.misbehave("POST", "", hang_up)
    with pytest.raises(Unreachable):
        await client.create_work_request("noop", task_data={})
    assert len(server.seen) == 1


async def test_work_is_requested_again_when_it_surely_did_not_arrive(client: Client, server: FakeServer) -> None:
    server.misbehave("POST", "", answering(lambda: problem(503, "Later")))
    assert (await client.create_work_request("noop", task_data={})).id == 1


async def test_a_worker_declares_again_when_the_answer_is_lost(client: Client, server: FakeServer) -> None:
    server.misbehave("POST", "", hang_up)
    assert (await client.create_artifact("debusine:test", data={}, work_request=1)).id == 1


async def test_a_server_that_is_not_there_is_named(closed_port: int) -> None:
    async with Connection(Access(api_url=f"http://127.0.0.1:{closed_port}/api"), backoff=IMPATIENT) as connection:
        with pytest.raises(Unreachable, match=f"Cannot reach the server at http://127.0.0.1:{closed_port}: ") as caught:
            await Client(connection).get_work_request(1)
    assert not caught.value.sent


async def test_a_relation_is_said_twice_without_harm(client: Client) -> None:
    first = await client.create_relation(1, 2, RelationType.BUILT_USING)
    assert await client.create_relation(1, 2, RelationType.BUILT_USING) == first
    assert await client.list_relations(artifact=1) == [first]
    assert await client.list_relations(target_artifact=2) == [first]
    assert await client.list_relations(artifact=2) == []


async def test_a_list_follows_its_pages_up_to_the_limit(client: Client, server: FakeServer) -> None:
    for _ in range(7):
        server.add_work_request()
    assert [found.id for found in await client.list_work_requests(5)] == [7, 6, 5, 4, 3]
    assert len(server.seen) == 3
    assert len(await client.list_work_requests(100)) == 7


async def test_submissions_say_what_was_chosen(client: Client, server: FakeServer) -> None:
    await client.create_work_request("noop", task_data={"result": False}, workspace="W", timeout=60)
    assert server.work_requests[1]["workspace"] == "W"
    assert server.work_requests[1]["timeout"] == 60


async def test_the_token_is_in_no_log_and_no_repr(
    client: Client, server: FakeServer, access: Access, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.add_work_request()
    server.misbehave("GET", "", hang_up)
    await client.get_work_request(1)
    assert "GET http" in caplog.text
    assert "kkkk" not in caplog.text + repr(access) + repr(client.connection.__dict__)


@pytest.mark.parametrize(
    ("api_url", "target", "given"),
    [
        ("https://farm.example/api", "https://files.example/x", True),
        ("https://farm.example/api", "http://farm.example/x", False),
        ("http://farm.example/api", "http://farm.example/x", True),
    ],
)
def test_the_token_never_goes_in_the_clear_when_the_api_is_encrypted(api_url: str, target: str, given: bool) -> None:
    assert Access(api_url=api_url, token=Secret("k")).may_send_credentials(URL(target)) is given
