"""Each request has an id and a line in the log."""

import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from attrs import evolve

from debusine import logs
from debusine.db.database import Database
from debusine.server.keys import SETTINGS
from debusine.server.route import TABLE
from tests.farm import Farm, open_farm
from tests.logs.test_logs import Written

# What stands before the services is the same on both databases.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LIST = "/api/1.0/work-request/"


def accesses(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if record.name == "debusine.access"]


async def test_every_answer_tells_its_id(farm: Farm) -> None:
    paths = ["/", "/health", "/nowhere", LIST, f"{LIST}99/", "/api/ws/1.0/worker/connect/"]
    ids = [(await farm.get(path)).headers["X-Request-ID"] for path in paths]

    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in ids)
    assert len(set(ids)) == len(paths)


@pytest.mark.parametrize("given", ["a-stranger's", "x" * 49, "", "a b", "ä", "a" * 64])
async def test_an_id_that_is_not_safe_is_not_taken(farm: Farm, given: str) -> None:
    trust(farm)
    assert (await farm.get("/health", headers={"X-Request-ID": given})).headers["X-Request-ID"] != given


async def test_a_trusted_proxy_chooses_the_id_and_nobody_else(farm: Farm) -> None:
    stranger = await farm.get("/health", headers={"X-Request-ID": "id-4711"})
    trust(farm)
    proxy = await farm.get("/health", headers={"X-Request-ID": "id-4711"})

    assert stranger.headers["X-Request-ID"] != "id-4711"
    assert proxy.headers["X-Request-ID"] == "id-4711"


def trust(farm: Farm) -> None:
    assert farm.client.app is not None
    farm.client.app._state[SETTINGS] = evolve(farm.settings, trusted_proxies=("127.0.0.1",))


async def test_a_request_leaves_one_line(farm: Farm, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await farm.post("/api/1.0/work-request/?secret=in-the-query", {"task_name": "noop"})

    (record,) = accesses(caplog)
    assert record.getMessage() == "POST /api/1.0/work-request/ 200"
    facts = record.facts
    assert facts["received"] == len('{"task_name": "noop"}')
    assert facts["sent"] > 100
    assert 0 < facts["duration"] < 60
    assert re.fullmatch(r"token \d+", facts["subject"])


@pytest.mark.parametrize(
    ("method", "path", "line"),
    [
        ("GET", "/api/1.0/artifact/99/?x=y", "GET /api/1.0/artifact/99/ 404"),
        (
            "GET",
            "/debusine/Secret/artifact/99/download/secret",
            "GET /{scope}/{workspace}/artifact/99/download/{path} 404",
        ),
        ("GET", "/secret", "GET unknown 404"),
        ("DELETE", "/health", "DELETE unknown 405"),
        ("PROPFIND", "/health", "unknown unknown 405"),
    ],
)
async def test_the_line_has_the_route_and_no_word_of_the_sender(
    farm: Farm, caplog: pytest.LogCaptureFixture, method: str, path: str, line: str
) -> None:
    caplog.set_level(logging.INFO)
    await farm.request(method, path)

    assert [record.getMessage() for record in accesses(caplog)] == [line]


async def test_who_is_unknown_is_anonymous(farm: Farm, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await farm.get("/health", key=None)

    assert accesses(caplog)[0].facts["subject"] == "anonymous"


@pytest.fixture
async def failing(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Farm]:
    """A farm whose front page fails, and says the caller's key as it does."""

    async def fail(request: web.Request) -> web.StreamResponse:
        raise KeyError(request.headers["Token"], dict(request.headers))

    async with open_farm(database, tmp_path) as farm:
        assert farm.client.app is not None
        for added, route in farm.client.app[TABLE].items():
            if route.path == "/":
                monkeypatch.setattr(added, "_handler", fail)
        yield farm


@pytest.mark.parametrize("form", [logs.TextLines, logs.JSONLines])
@pytest.mark.parametrize("key", ["", "a-short-key-1234"], ids=["known", "odd"])
async def test_an_error_is_found_by_the_id_of_its_answer_and_shows_no_key(
    failing: Farm, form: type[logging.Formatter], key: str
) -> None:
    written = Written(form())
    handler = written.logger.handlers[0]
    logging.getLogger().addHandler(handler)
    try:
        answer = await failing.get("/", key=key or failing.people.user_key)
    finally:
        logging.getLogger().removeHandler(handler)

    assert answer.status == 500
    id_ = answer.headers["X-Request-ID"]
    assert answer.problem()["detail"].endswith(id_)
    assert id_ in next(line for line in written.text.splitlines() if "Unexpected error" in line)
    assert "KeyError" in written.text
    assert (key or failing.people.user_key) not in written.text


@pytest.mark.parametrize("key", ["debusine.access", "duration", "disabled"])
async def test_a_word_sent_as_the_key_hides_none_of_ours(farm: Farm, key: str) -> None:
    written = Written(logs.JSONLines())
    handler, root = written.logger.handlers[0], logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        answer = await farm.get(LIST, key=key)
    finally:
        root.setLevel(level)
        root.removeHandler(handler)

    assert answer.problem()["title"] == "The token is invalid or disabled"
    assert "duration" in written.object()
    assert written.object()["logger"] == "debusine.access"
