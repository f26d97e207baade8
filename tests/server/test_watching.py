"""Watching completions on the wire: what was missed, what happens, and who may hear of it."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import sqlalchemy as sa
from attrs import evolve

from debusine.config import Limits
from debusine.db import tables
from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Token, TokenKind
from debusine.domain.completions import TICK, Completion
from debusine.domain.demands import Demand, TaskType
from debusine.domain.events import ChangedElsewhere, TokenDisabled, WorkRequestCompleted
from debusine.domain.work_requests import Result, Status
from debusine.server.sockets import completions
from debusine.server.sockets.watcher import Watcher
from debusine.services import completions as services
from debusine.services import workspaces
from tests.cli.processes import SOON
from tests.farm import Farm, make_token, open_farm
from tests.server.watching import ON_COMPLETED, HandWatcher, complete, connected, watching

#: Nothing is found by looking around: only events count.
NO_SWEEP = evolve(Limits(), sweep=3600.0)


def since(moment: datetime, more: str = "") -> str:
    return f"?completed_at_since={quote(moment.isoformat())}{more}"


@asynccontextmanager
async def deaf(database: Database) -> AsyncIterator[None]:
    """As if what happens meanwhile happened at another server."""
    listeners, database._listeners = database._listeners, []
    yield
    await asyncio.sleep(0)  # events are told on the loop
    database._listeners = listeners


class TestWhatIsTold:
    async def test_what_happens_is_told_once_and_in_order(self, farm: Farm) -> None:
        async with connected(farm) as watcher:
            first, moment = await complete(farm)
            second, _ = await complete(farm, result=Result.FAILURE)
            third, _ = await complete(farm, result=Result.ERROR)
            assert await watcher.hear() == {
                "type": "websocket.send",
                "text": "work_request_completed",
                "work_request_id": first,
                "completed_at": moment.isoformat().replace("+00:00", "Z"),
                "result": "success",
            }
            heard = [await watcher.hear() for _ in range(2)]
        assert [(told["work_request_id"], told["result"]) for told in heard] == [(second, "failure"), (third, "error")]

    async def test_what_was_missed_comes_first_and_begins_behind_the_last_one_heard(self, farm: Farm) -> None:
        done = [await complete(farm) for _ in range(5)]
        async with connected(farm, query=since(done[1][1])) as watcher:
            assert await watcher.hear_ids(3) == [id_ for id_, _ in done[2:]]
            new, _ = await complete(farm)
            assert await watcher.hear_ids(1) == [new]

    async def test_without_a_moment_only_what_is_new_is_told(self, farm: Farm) -> None:
        await complete(farm)
        async with connected(farm) as watcher:
            await watcher.assert_hears((await complete(farm))[0])

    async def test_when_several_were_completed_at_that_moment_all_of_them_are_told_again(self, farm: Farm) -> None:
        _, moment = await complete(farm)
        twins = [(await complete(farm, at=moment))[0] for _ in range(2)]
        later, _ = await complete(farm)
        async with connected(farm, query=since(moment)) as watcher:
            heard = await watcher.hear_ids(4)
        assert heard[1:] == [*twins, later]

    async def test_twins_that_are_not_for_the_watcher_do_not_count(self, farm: Farm) -> None:
        _, moment = await complete(farm)
        await complete(farm, farm.people.public.id, at=moment)
        await complete(farm, at=moment, result=Result.SKIPPED)
        later, _ = await complete(farm)
        async with connected(farm, query=since(moment, "&workspaces=System")) as watcher:
            assert await watcher.hear_ids(1) == [later]

    async def test_a_moment_in_the_future_misses_nothing_that_happens(self, farm: Farm) -> None:
        _, moment = await complete(farm)
        async with connected(farm, query=since(moment + timedelta(days=9))) as watcher:
            await watcher.assert_hears((await complete(farm))[0])

    async def test_a_moment_before_everything_tells_everything(self, farm: Farm) -> None:
        done = [(await complete(farm))[0] for _ in range(3)]
        async with connected(farm, query="?completed_at_since=0001-01-01T00:00:00Z") as watcher:
            assert await watcher.hear_ids(3) == done

    async def test_what_was_skipped_is_not_told(self, farm: Farm) -> None:
        _, moment = await complete(farm)
        await complete(farm, result=Result.SKIPPED)
        last, _ = await complete(farm)
        async with connected(farm, query=since(moment)) as watcher:
            assert await watcher.hear_ids(1) == [last]
            await complete(farm, result=Result.SKIPPED)
            await watcher.assert_hears((await complete(farm))[0])

    async def test_a_watcher_of_workspaces_hears_of_these_alone(self, farm: Farm) -> None:
        other = await farm.database.write(workspaces.create_with_name, "Other")
        _, moment = await complete(farm)
        done = {id_: (await complete(farm, id_))[0] for id_ in (farm.people.public.id, other.id, farm.people.system.id)}
        async with connected(farm, query=since(moment, "&workspaces=Public,Other")) as watcher:
            assert await watcher.hear_ids(2) == [done[farm.people.public.id], done[other.id]]
            await complete(farm)
            await watcher.assert_hears((await complete(farm, other.id))[0])

    async def test_many_pages_are_caught_up_with(self, farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(completions, "PAGE", 3)
        _, moment = await complete(farm)
        done = [(await complete(farm, result=list(Result)[1 + n % 4]))[0] for n in range(20)]
        async with connected(farm, query=since(moment)) as watcher:
            expected = [id_ for n, id_ in enumerate(done) if n % 4 != 3]
            assert await watcher.hear_ids(len(expected)) == expected


class TestWhatIsMissed:
    async def test_what_another_server_was_told_is_told_when_it_rings(self, database: Database, tmp_path: Path) -> None:
        async with open_farm(database, tmp_path, limits=NO_SWEEP) as farm, connected(farm) as watcher:
            async with deaf(database):
                done, _ = await complete(farm)
            database.tell([ChangedElsewhere()])
            assert await watcher.hear_ids(1) == [done]

    async def test_a_ring_that_is_lost_is_made_good_by_the_next_look(self, database: Database, tmp_path: Path) -> None:
        limits = evolve(Limits(), sweep=0.05)
        async with open_farm(database, tmp_path, limits=limits) as farm, connected(farm) as watcher:
            async with deaf(database):
                done, _ = await complete(farm)
            await watcher.assert_hears(done)

    async def test_nothing_is_lost_or_told_twice_between_what_was_missed_and_what_happens(self, farm: Farm) -> None:
        _, moment = await complete(farm)
        done: list[int] = []

        async def go_on() -> None:
            for _ in range(30):
                done.append((await complete(farm))[0])

        async with asyncio.timeout(60):
            writing = asyncio.gather(*(go_on() for _ in range(3)))
            listening = []
            for _ in range(6):
                listening.append(asyncio.create_task(_hear(farm, since(moment), 91)))
                await asyncio.sleep(0.03)
            await writing
            done.append((await complete(farm))[0])
            heard = await asyncio.gather(*listening)
        assert [set(one) for one in heard] == [set(done)] * 6
        assert len({tuple(one) for one in heard}) == 1

    async def test_a_watcher_that_comes_during_a_look_hears_what_the_look_finds(
        self, farm: Farm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        announcer = farm.client.app[completions.ANNOUNCER]
        news, say_connected = services.news, Watcher.say_connected
        found, joined, allowed = threading.Event(), threading.Event(), asyncio.Event()

        def slow_look(*arguments: Any) -> Any:
            told = news(*arguments)
            if told[0].completions:
                found.set()
                joined.wait(10)
            return told

        async def slow_beginning(watcher: Watcher) -> None:
            await allowed.wait()
            await say_connected(watcher)

        async with connected(farm) as first:
            monkeypatch.setattr(services, "news", slow_look)
            monkeypatch.setattr(Watcher, "say_connected", slow_beginning)
            async with watching(farm) as second:
                await until(lambda: len(announcer._watchers) == 2)
                done, _ = await complete(farm)
                assert await asyncio.to_thread(found.wait, 10)
                allowed.set()
                assert (await second.hear())["text"] == "connected"
                await until(lambda: len(announcer._listening) == 2)
                joined.set()
                await second.assert_hears(done)
            await first.assert_hears(done)

    async def test_what_the_others_hear_while_one_catches_up_is_not_missed(
        self, farm: Farm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tell, telling, allowed = Watcher.tell, asyncio.Event(), asyncio.Event()

        async def slowly(watcher: Watcher, completion: Completion) -> None:
            telling.set()
            await allowed.wait()
            await tell(watcher, completion)

        _, moment = await complete(farm)
        old, _ = await complete(farm)
        monkeypatch.setattr(Watcher, "tell", slowly)
        async with connected(farm) as first, connected(farm, query=since(moment)) as second:
            await telling.wait()
            new, _ = await complete(farm)
            await first.assert_hears(new)
            allowed.set()
            await second.assert_hears(old, new)


async def until(so: Callable[[], bool]) -> None:
    """Wait for something to become so."""
    async with asyncio.timeout(30):
        while not so():
            await asyncio.sleep(0.01)


async def _hear(farm: Farm, query: str, count: int) -> list[int]:
    async with connected(farm, query=query) as watcher:
        return await watcher.hear_ids(count)


IMPOSSIBLE = (
    "workspaces=Nowhere",
    "workspaces=Public,Nowhere",
    "completed_at_since=yesterday",
    "completed_at_since=2026-11-24",
    "completed_at_since=2026-11-24T10:00:00",
    "completed_at_since=2026-11-24T10:00:00+01:00",  # what is not escaped arrives as a space
    "completed_at_since=0001-01-01T00:00:00%2B14:00",
    "completed_at_since=9999-12-31T23:59:59-14:00",
    "completed_at_since=%00",
    "completed_at_since=%F0%9F%90%8D",
    "workspaces=%00",
    "workspaces=%FF",
    "workspaces=" + "a," * 2000,
)


class TestWhoMayHear:
    async def test_who_may_not_watch_is_accepted_and_told_so(self, farm: Farm) -> None:
        for who in ("unknown", "disabled", "expired", "worker", "activation", "nobody"):
            async with watching(farm, await keys(farm, who)) as watcher:
                await assert_refused(watcher)

    async def test_what_cannot_be_watched_is_refused_by_a_message(self, farm: Farm) -> None:
        for query in IMPOSSIBLE:
            async with watching(farm, query=f"?{query}") as watcher:
                await assert_refused(watcher)

    async def test_who_is_unknown_may_watch_public_workspaces_only(self, farm: Farm) -> None:
        for query in ("?workspaces=System", "?workspaces=Public,System", ""):
            async with watching(farm, key=None, query=query) as watcher:
                await assert_refused(watcher)
        async with connected(farm, key=None, query="?workspaces=Public") as watcher:
            await complete(farm)
            await watcher.assert_hears((await complete(farm, farm.people.public.id))[0])

    async def test_a_hidden_workspace_is_refused_like_one_that_is_not_there(self, farm: Farm) -> None:
        reasons = []
        for name in ("System", "Nowhere"):
            async with watching(farm, key=None, query=f"?workspaces={name}") as watcher:
                reasons.append((await watcher.hear())["reason"].replace(name, "NAME"))
        assert reasons[0] == reasons[1]

    async def test_a_workspace_that_is_closed_meanwhile_is_not_heard_of_any_more(self, farm: Farm) -> None:
        other = await farm.database.write(workspaces.create_with_name, "Other", public=True)
        async with connected(farm, key=None, query="?workspaces=Public,Other") as watcher:
            await watcher.assert_hears((await complete(farm, other.id))[0])
            await farm.database.write(workspaces.change, "Other", public=False)
            await complete(farm, other.id)
            await watcher.assert_hears((await complete(farm, farm.people.public.id))[0])

    async def test_a_page_of_another_origin_and_a_plain_request_get_no_socket(self, farm: Farm) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            async with watching(farm, Origin="https://evil.example"):
                pass
        assert (await farm.get(ON_COMPLETED)).status == 400
        assert (await farm.request("HEAD", ON_COMPLETED)).status == 405


class TestTheEnd:
    async def test_a_token_that_is_closed_here_or_elsewhere_ends_its_sockets(self, farm: Farm) -> None:
        for here in (True, False):
            token, key = await farm.database.write(other_token, farm.people.user.id)
            async with connected(farm, key) as watcher, connected(farm) as bystander:
                await farm.database.write(disable, token.id, tell=here)
                if not here:
                    farm.database.tell([ChangedElsewhere()])
                assert await watcher.hear() == {"type": "connection_closed", "reason": "The token has been disabled"}
                await watcher.hear_end()
                await bystander.assert_hears((await complete(farm))[0])

    async def test_a_stopping_server_says_good_bye_to_everybody(self, farm: Farm) -> None:
        async with connected(farm) as one, connected(farm, query="?completed_at_since=2026-01-01T00:00:00Z") as two:
            await farm.client.server.close()
            for watcher in (one, two):
                assert await watcher.hear() == {"type": "connection_closed", "reason": "The server is stopping"}
                await watcher.hear_end()

    async def test_who_leaves_leaves_nothing_behind(self, farm: Farm) -> None:
        announcer = farm.client.app[completions.ANNOUNCER]
        async with connected(farm), connected(farm):
            await until(lambda: len(announcer._listening) == 2)
        await until(lambda: not announcer._watchers and not announcer._listening)
        assert (announcer._watchers, announcer._listening) == (set(), set())

    async def test_what_a_watcher_says_is_ignored_and_too_much_of_it_ends_the_socket(self, farm: Farm) -> None:
        async with connected(farm) as watcher:
            await watcher.socket.send_str("hello")
            await watcher.socket.send_bytes(b"\x00")
            await watcher.assert_hears((await complete(farm))[0])
            await watcher.socket.send_bytes(bytes((1 << 20) + 1))
            assert await watcher.hear_end() == aiohttp.WSCloseCode.MESSAGE_TOO_BIG

    async def test_pings_are_answered_and_not_demanded(self, database: Database, tmp_path: Path) -> None:
        """Whoever waits for a command answers no pings meanwhile."""
        async with open_farm(database, tmp_path, limits=evolve(Limits(), heartbeat=0.01)) as farm:
            options: dict[str, Any] = {"headers": {"Token": farm.people.user_key}, "autoping": False}
            async with farm.client.ws_connect(ON_COMPLETED, **options) as opened:
                assert (await opened.receive()).type is aiohttp.WSMsgType.TEXT
                for _ in range(10):
                    assert (await opened.receive()).type is aiohttp.WSMsgType.PING
                await opened.ping(b"there?")
                async with asyncio.timeout(30):
                    while (message := await opened.receive()).type is not aiohttp.WSMsgType.PONG:
                        pass
                assert message.data == b"there?"


class TestSlowReaders:
    async def test_who_does_not_read_is_cut_off_once_the_queue_is_full(
        self, database: Database, tmp_path: Path
    ) -> None:
        async with open_farm(database, tmp_path, limits=evolve(Limits(), websocket_queue=20)) as farm:
            announcer = farm.client.app[completions.ANNOUNCER]
            async with frozen_reader(farm), connected(farm) as quick:
                await until(lambda: len(announcer._listening) == 2)
                waiting = []
                for _ in range(400):
                    await farm.database.write(complete_many, farm, 10)
                    waiting += [len(watcher._waiting) for watcher in announcer._watchers]
                    await quick.hear_ids(10)
                    if len(announcer._watchers) == 1:
                        break
                assert len(announcer._watchers) == 1
                assert max(waiting) <= 20

    async def test_who_does_not_read_is_cut_off_when_the_token_is_closed(self, farm: Farm) -> None:
        announcer = farm.client.app[completions.ANNOUNCER]
        await farm.database.write(complete_many, farm, 3000)
        async with frozen_reader(farm, "?completed_at_since=2000-01-01T00:00:00Z"):
            token = await farm.database.read(lambda uow: uow.tokens.get_tokens("alice")[0])
            await farm.database.write(disable, token.id, tell=True)
            await until(lambda: not announcer._watchers)
            assert not announcer._watchers

    async def test_who_does_not_read_does_not_keep_the_server_from_stopping(self, farm: Farm) -> None:
        async with frozen_reader(farm, "?completed_at_since=2000-01-01T00:00:00Z") as reader:
            await farm.database.write(complete_many, farm, 3000)
            began = asyncio.get_running_loop().time()
            await farm.client.server.close()
            assert asyncio.get_running_loop().time() - began < SOON
            assert reader.fileno() >= 0

    async def test_what_was_missed_is_read_in_pages_as_fast_as_the_reader_reads(
        self, farm: Farm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pages = 0

        def counted(*arguments: Any) -> Any:
            nonlocal pages
            pages += 1
            return page(*arguments)

        page = services.page
        monkeypatch.setattr(services, "page", counted)
        await farm.database.write(complete_many, farm, 5000)
        async with frozen_reader(farm, "?completed_at_since=2000-01-01T00:00:00Z"):
            await until(lambda: pages > 1)
            async with connected(farm, query="?completed_at_since=2000-01-01T00:00:00Z") as quick:
                assert len(await quick.hear_ids(5000)) == 5000
            assert pages < 2 * 5000 / completions.PAGE


@asynccontextmanager
async def frozen_reader(farm: Farm, query: str = "") -> AsyncIterator[socket.socket]:
    """Somebody who opens a socket and then reads nothing, with little room on the line."""
    url = farm.client.make_url("/")
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.to_thread(opened.connect, (url.host, url.port))
        lines = [
            f"GET {ON_COMPLETED}{query} HTTP/1.1", f"Host: {url.host}:{url.port}", f"Token: {farm.people.user_key}",
            "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {'A' * 22}==", "", "",
        ]  # fmt: skip
        opened.sendall("\r\n".join(lines).encode())
        announcer = farm.client.app[completions.ANNOUNCER]
        await until(lambda: bool(announcer._watchers))
        for watcher in announcer._watchers:
            held = watcher.socket.get_extra_info("socket")
            held.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        yield opened


def complete_many(uow: UnitOfWork, farm: Farm, count: int) -> None:
    """Rows of completed work requests, without all that belongs to a completion."""
    latest = uow.completions.frontier().latest or uow.now
    row = {
        "workspace": farm.people.system.id, "created_by": farm.people.user.id, "created_at": uow.now,
        "task_type": TaskType.WORKER, "task_name": "noop", "task_data": {}, "inputs": (),
        "demand": uow.queues.demand_id(Demand(task_name="noop", version=1)), "status": Status.COMPLETED,
        "result": Result.SUCCESS, "attempt": 1, "priority_base": 0, "priority_adjustment": 0, "priority": 0,
        "event_reactions": {}, "workflow_data": {}, "timeout": 60,
    }  # fmt: skip
    rows = [row | {"completed_at": latest + number * TICK} for number in range(1, count + 1)]
    uow.connection.execute(sa.insert(tables.work_requests), rows)
    uow.publish(WorkRequestCompleted(0, farm.people.system.id, None, 1, Result.SUCCESS, uow.now))


async def keys(farm: Farm, who: str) -> str | None:
    known = {"unknown": "0" * 64, "worker": farm.people.worker_key, "nobody": None}
    if who in known:
        return known[who]
    kind = TokenKind.ACTIVATION if who == "activation" else TokenKind.USER
    expired = {"expire_at": farm.database.clock() - TICK} if who == "expired" else {}

    def make(uow: UnitOfWork) -> str:
        return make_token(uow, kind, user=farm.people.user.id, enabled=who != "disabled", **expired)[1]

    return await farm.database.write(make)


async def assert_refused(watcher: HandWatcher) -> None:
    told = await watcher.hear()
    assert isinstance(told.pop("reason"), str)
    assert told == {"type": "connection_rejected"}
    assert await watcher.hear_end() == aiohttp.WSCloseCode.OK


def other_token(uow: UnitOfWork, user: int) -> tuple[Token, str]:
    return make_token(uow, TokenKind.USER, user=user)


def disable(uow: UnitOfWork, id_: int, *, tell: bool) -> None:
    token = uow.tokens.get(id_)
    uow.tokens.save(token.disable(), expecting=token)
    if tell:
        uow.publish(TokenDisabled(token.id, token.hash))
