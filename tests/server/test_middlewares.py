"""What every request passes: who asks, the scope, and errors as problems."""

import asyncio
import logging
import re

import pytest
from aiohttp import web

from debusine.db.engine import DatabaseUnreachable
from debusine.domain.accounts import TokenKind
from debusine.domain.errors import (
    Conflict,
    DebusineError,
    Invalid,
    NotAssigned,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    StorageFull,
    TooLarge,
    TooMany,
    Unavailable,
)
from debusine.protocol.ranges import RangeNotSatisfiable
from debusine.server.keys import DATABASE
from debusine.server.route import TABLE
from debusine.server.routes import ROUTES
from debusine.server.sightings import SIGHTINGS
from debusine.services import accounts
from debusine.services.rights import OPEN
from tests.farm import Farm, make_token

# What stands before the services is the same on both databases.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PARTS = {"scope": "debusine", "workspace": "System", "id": "1", "path": "x"}
LIST = "/api/1.0/work-request/"


async def test_an_unknown_path_is_a_problem_without_a_charset(farm: Farm) -> None:
    answer = await farm.get("/nowhere/")

    assert (answer.status, answer.problem()["title"]) == (404, "Not Found")


async def test_a_wrong_method_is_a_problem_that_says_which_are_right(farm: Farm) -> None:
    answer = await farm.post("/health", {})

    assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")
    assert answer.problem()


async def test_either_header_brings_the_key(farm: Farm) -> None:
    by_token = await farm.get(LIST)
    by_bearer = await farm.get(LIST, key=None, headers={"Authorization": f"bearer {farm.people.user_key}"})

    assert (by_token.status, by_bearer.status) == (200, 200)


@pytest.mark.parametrize("headers", [{}, {"Token": ""}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer "}])
async def test_who_brings_no_key_is_told_to(farm: Farm, headers: dict[str, str]) -> None:
    answer = await farm.get(LIST, key=None, headers=headers)

    assert (answer.status, answer.problem()["title"]) == (403, "Authentication is needed")


@pytest.mark.parametrize("key", ["unknown", "é" * 40, "x" * 5000])
async def test_a_key_that_opens_nothing_is_told_so(farm: Farm, key: str) -> None:
    answer = await farm.get(LIST, key=key)

    assert (answer.status, answer.problem()["title"]) == (403, "The token is invalid or disabled")


async def test_a_disabled_token_is_refused_on_the_next_request(farm: Farm) -> None:
    key = farm.people.worker_key
    before = await farm.get("/api/1.0/work-request/get-next-for-worker/", key=key)
    await farm.database.write(accounts.set_worker_enabled, farm.people.worker.name, enabled=False)
    after = await farm.get("/api/1.0/work-request/get-next-for-worker/", key=key)

    assert (before.status, after.status) == (204, 403)


async def test_a_bad_key_looks_alike_for_what_is_hidden_and_what_is_not_there(farm: Farm) -> None:
    body = {"category": "debusine:test", "data": {}}
    made = (await farm.post("/api/1.0/artifact/", body)).json()["id"]
    missing = made + 100

    for key in ("unknown", None, farm.people.worker_key):
        hidden, absent = [await farm.get(f"/api/1.0/artifact/{number}/", key=key) for number in (made, missing)]
        assert hidden.status == absent.status
        assert hidden.body.replace(str(made).encode(), b"N") == absent.body.replace(str(missing).encode(), b"N")


async def test_the_use_of_a_token_is_noted(farm: Farm) -> None:
    assert farm.client.app is not None
    await farm.get(LIST)
    await farm.client.app[SIGHTINGS].write()

    tokens = await farm.database.read(lambda uow: uow.tokens.get_tokens(key=farm.people.user_key))
    assert tokens[0].last_seen_at is not None


async def test_an_activation_token_opens_no_reading(farm: Farm) -> None:
    _, key = await farm.database.write(lambda uow: make_token(uow, TokenKind.ACTIVATION))

    assert (await farm.get(LIST, key=key)).status == 403


@pytest.mark.parametrize(("scope", "status"), [(None, 200), ("debusine", 200), ("other", 404), ("", 404)])
async def test_only_the_servers_own_scope_is_served(farm: Farm, scope: str | None, status: int) -> None:
    headers = {} if scope is None else {"X-Debusine-Scope": scope}

    assert (await farm.get(LIST, headers=headers)).status == status


ERRORS: list[tuple[Exception, int]] = [
    (Invalid("x", detail="y", validation_errors={"a": ["b"]}), 400),
    (NotAssigned("x"), 401),
    (NotAuthenticated("x"), 403),
    (PermissionDenied("x"), 403),
    (NotFound("x"), 404),
    (Conflict("x"), 409),
    (TooLarge("x"), 413),
    (RangeNotSatisfiable(5), 416),
    (TooMany("x"), 429),
    (DebusineError("x"), 500),
    (Unavailable("x"), 503),
    (StorageFull("x"), 507),
    (web.HTTPBadRequest(), 400),
]


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=lambda value: type(value).__name__)
async def test_each_kind_of_error_has_its_status(
    farm: Farm, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    raising(farm, monkeypatch, error)

    answer = await farm.get("/")

    assert answer.status == status
    assert answer.problem()["title"]
    assert ("Retry-After" in answer.headers) == (status in {429, 503})


async def test_what_nobody_foresaw_is_logged_and_not_shown(
    farm: Farm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    raising(farm, monkeypatch, KeyError("the inner life"))

    answer = await farm.get("/?secret=in-the-query")

    assert answer.status == 500
    assert b"inner life" not in answer.body
    assert "Unexpected error in /" in caplog.text
    assert "inner life" in caplog.text
    assert "in-the-query" not in caplog.text


async def test_a_client_that_went_away_is_no_error(
    farm: Farm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def abort(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        await asyncio.sleep(0)
        raise ConnectionResetError

    serve(farm, monkeypatch, abort)
    with pytest.raises(Exception, match=r"disconnected|reset"):
        await farm.get("/")

    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_every_answer_bears_the_security_headers(farm: Farm) -> None:
    for path in ("/health", "/nowhere", "/", LIST):
        answer = await farm.get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Server"] == "debusine"


async def test_every_route_of_the_application_is_a_line_of_the_table(farm: Farm) -> None:
    app = farm.client.app
    assert app is not None
    known = app[TABLE]

    assert {route for route in app.router.routes() if route not in known} == set()
    assert set(known.values()) == set(ROUTES)


async def test_nobody_unknown_gets_past_a_route_that_is_not_open(farm: Farm) -> None:
    closed = [route for route in ROUTES if not route.socket and route.action not in OPEN]
    assert closed

    for route in closed:
        path = re.sub(r"\{(\w+)(:[^{}]*)?\}", lambda part: PARTS[part[1]], route.path)
        answer = await farm.request(route.method, path, key=None)
        assert (answer.status, answer.problem()["title"]) == (403, "Authentication is needed"), route


async def test_a_database_that_is_away_is_told_with_a_time_to_come_back(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("The database cannot be reached")

    assert farm.client.app is not None
    monkeypatch.setattr(farm.client.app[DATABASE], "run_reading", away)

    listed, health = await farm.get(LIST), await farm.get("/health", key=None)

    assert (listed.status, listed.headers["Retry-After"]) == (503, "5")
    assert (health.status, health.json()["database"]) == (503, "The database cannot be reached")


def raising(farm: Farm, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def fail(_: web.Request) -> web.StreamResponse:
        raise error

    serve(farm, monkeypatch, fail)


def serve(farm: Farm, monkeypatch: pytest.MonkeyPatch, handler: object) -> None:
    """Have ``/`` answered by another handler."""
    assert farm.client.app is not None
    for added, route in farm.client.app[TABLE].items():
        if route.path == "/":
            monkeypatch.setattr(added, "_handler", handler)


async def test_nobody_is_told_where_the_database_is(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise DatabaseUnreachable("connection to db.internal:5432 failed")

    monkeypatch.setattr(farm.database, "read", refuse)

    answer = await farm.get(LIST)

    assert (answer.status, answer.problem()["title"]) == (503, "The database cannot be reached")
    assert b"db.internal" not in answer.body


async def test_a_line_break_in_a_path_breaks_no_line_of_the_log(
    farm: Farm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(farm.database, "read", fail)

    answer = await farm.get("/debusine/System%0aforged/artifact/1/")

    assert answer.status == 500
    assert "\nforged" not in caplog.text
