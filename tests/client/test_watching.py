"""Hearing of completions: once, in order, and on across the deaths of the server."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import Factory, define

from debusine.client import Access, Completion, Connection, Forbidden, Heard, Unreachable, Watch, WatchRefused
from debusine.domain.secrets import Secret
from debusine.protocol.messages import Text, closing, rejection, say

FIRST = datetime(2026, 11, 24, 1, 2, 3, 456789, UTC)
ON_COMPLETED = "/api/ws/1.0/work-request/on-completed/"
Line = list[Any]


def moment(number: int) -> datetime:
    return FIRST + timedelta(seconds=number)


def ended(number: int, at: datetime | None = None, result: str = "success") -> dict[str, Any]:
    """A completion as a server tells of it."""
    at = at or moment(number)
    return say(Text.WORK_REQUEST_COMPLETED, work_request_id=number, completed_at=at.isoformat(), result=result)


def heard(number: int, at: datetime | None = None, result: str = "success") -> Completion:
    return Completion(work_request=number, completed_at=at or moment(number), result=result)


CONNECTED = say(Text.CONNECTED)


@define
class Script:
    """What a server says on each connection in turn; then it hangs up, in order unless the last word is None."""

    lines: list[Line] = Factory(list)
    #: The queries and keys of the connections so far.
    queries: list[dict[str, str]] = Factory(list)
    keys: list[str | None] = Factory(list)
    statuses: list[int] = Factory(list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        self.keys.append(request.headers.get("Token"))
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for word in self.lines.pop(0):
            if word is None:
                assert request.transport is not None
                request.transport.abort()
            else:
                await socket.send_str(word if isinstance(word, str) else json.dumps(word))
        await socket.close()
        return socket


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def connection(script: Script) -> AsyncIterator[Connection]:
    app = web.Application()
    app.router.add_get(ON_COMPLETED, script.answer)
    async with TestServer(app, host="127.0.0.1") as server:
        access = Access(api_url=str(server.make_url("/api")), token=Secret("k" * 64))
        async with Connection(access) as opened:
            yield opened


@pytest.fixture
def watch(connection: Connection) -> Callable[..., Watch]:
    return lambda **options: Watch(connection, delay=lambda: 0.0, **options)


async def first(count: int, watched: Watch) -> list[Completion]:
    """What is heard of first."""
    found: list[Completion] = []
    async with aclosing(watched.completions()) as completions:
        while len(found) < count:
            found.append(await anext(completions))
    return found


async def test_each_completion_is_heard(script: Script, watch: Callable[..., Watch]) -> None:
    script.lines = [[CONNECTED, ended(1), ended(2, result="failure")]]
    assert await first(2, watch(workspaces=["A", "B"], heard=Heard(last_completed_at=FIRST))) == [
        heard(1),
        heard(2, result="failure"),
    ]
    assert script.queries == [{"workspaces": "A,B", "completed_at_since": FIRST.isoformat()}]
    assert script.keys == ["k" * 64]


@pytest.mark.parametrize("end", [[None], [], [closing("The server is stopping")]], ids=["broken", "closed", "stopping"])
async def test_whatever_ends_the_line_the_server_is_asked_where_it_was(
    script: Script, watch: Callable[..., Watch], end: Line
) -> None:
    script.lines = [[CONNECTED, ended(1), *end], [CONNECTED, *end], [CONNECTED, ended(2)]]
    assert await first(2, watch()) == [heard(1), heard(2)]
    assert [query.get("completed_at_since") for query in script.queries[1:]] == [moment(1).isoformat()] * 2


async def test_before_the_first_news_it_goes_on_at_the_moment_of_the_first_connection(
    script: Script, watch: Callable[..., Watch]
) -> None:
    script.lines = [[CONNECTED, None], [CONNECTED, ended(1)]]
    watched = watch()
    await first(1, watched)
    since = datetime.fromisoformat(script.queries[1]["completed_at_since"])
    assert script.queries[0] == {}
    assert timedelta() <= datetime.now(UTC) - since < timedelta(minutes=5)


async def test_what_is_told_again_because_of_twins_is_heard_once(script: Script, watch: Callable[..., Watch]) -> None:
    script.lines = [
        [CONNECTED, ended(1, FIRST), ended(2, FIRST), None],
        [CONNECTED, *(ended(n, FIRST) for n in (1, 2, 3))],
    ]
    watched = watch()
    assert [one.work_request for one in await first(3, watched)] == [1, 2, 3]
    assert watched.heard == Heard(last_completed_at=FIRST, work_requests=frozenset({1, 2, 3}))


async def test_what_was_kept_from_an_earlier_run_is_not_heard_again(
    script: Script, watch: Callable[..., Watch]
) -> None:
    script.lines = [[CONNECTED, ended(1, FIRST), ended(2, FIRST)]]
    kept = Heard(last_completed_at=FIRST, work_requests=frozenset({1}))
    assert [one.work_request for one in await first(1, watch(heard=kept))] == [2]


async def test_a_server_that_tells_out_of_order_is_not_asked_for_more_than_once(
    script: Script, watch: Callable[..., Watch]
) -> None:
    script.lines = [[CONNECTED, ended(5), ended(3), None], [CONNECTED, ended(6)]]
    assert [one.work_request for one in await first(3, watch())] == [5, 3, 6]
    assert script.queries[1]["completed_at_since"] == moment(5).isoformat()


async def test_a_refusal_ends_it_with_the_reason(script: Script, watch: Callable[..., Watch]) -> None:
    script.lines = [[rejection("There is no workspace X")]]
    with pytest.raises(WatchRefused, match="There is no workspace X"):
        await first(1, watch())


async def test_a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not(
    script: Script, watch: Callable[..., Watch]
) -> None:
    script.statuses, script.lines = [503, 500, 502, 429], [[CONNECTED, ended(1)]]
    assert await first(1, watch()) == [heard(1)]
    script.statuses = [403]
    with pytest.raises(Forbidden):
        await first(1, watch())


async def test_a_server_that_is_not_there_is_waited_for() -> None:
    tries = 0

    class Enough(Exception):
        pass

    def delay() -> float:
        nonlocal tries
        tries += 1
        if tries == 3:
            raise Enough
        return 0.0

    async with Connection(Access(api_url="http://127.0.0.1:1/api")) as connection:
        with pytest.raises(Enough):
            await first(1, Watch(connection, delay=delay))


async def test_what_cannot_be_understood_is_passed_over(script: Script, watch: Callable[..., Watch]) -> None:
    strange = ["{", "[]", '"connected"', {"text": "news_of_tomorrow"}, ended(1) | {"completed_at": "yesterday"}]
    strange += [ended(1) | {"completed_at": "2026-11-24T01:02:03"}, ended(1) | {"completed_at": 5}]
    strange += [{key: value for key, value in ended(1).items() if key != "completed_at"}]
    script.lines = [[CONNECTED, *strange, ended(2)]]
    assert await first(1, watch()) == [heard(2)]


def test_a_certificate_that_nobody_trusts_is_no_reason_to_try_again() -> None:
    assert Unreachable("https://x", "no", lasting=True).lasting
