"""A whole server in the test's own process: the real application, a database, a store, users and a worker."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from attrs import frozen
from debusine_filestore_local.backend import LocalFileStore

from debusine.config import Limits, Settings
from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Token, TokenKind, User
from debusine.domain.secrets import key_hash, new_key
from debusine.domain.workers import Worker
from debusine.domain.workspaces import Workspace
from debusine.plugin.manager import PluginManager
from debusine.scheduler.configured import build_policy
from debusine.scheduler.fifo import Fifo
from debusine.server.app import make_app
from debusine.server.background import running_background
from debusine.server.beat import announced
from debusine.server.connections import Runner
from debusine.services import notification_methods, workspaces
from debusine.services.configured_stores import close_all, configure, open_stores
from debusine.services.file_stores import FileStores
from debusine.tasks.noop import Noop
from debusine.testing import plugin_manager
from tests.contract import check_answer


@frozen(kw_only=True)
class Population:
    """Who lives on the farm."""

    user: User
    user_key: str
    worker: Worker
    worker_key: str
    #: Private.
    system: Workspace
    public: Workspace


@frozen
class Answer:
    """What a server said, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, which must be JSON by its content type."""
        assert self.headers["Content-Type"] in {"application/json", "application/problem+json"}, self
        return orjson.loads(self.body)

    def problem(self) -> dict[str, Any]:
        """The body, which must be a problem."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        problem: dict[str, Any] = orjson.loads(self.body)
        return problem


@frozen
class Farm:
    """A running server and who lives on it; requests bear the user's key unless they say otherwise.

    Every answer is compared with the API's description.
    """

    settings: Settings
    database: Database
    stores: FileStores
    people: Population
    client: TestClient[Any, Any]

    async def request(self, method: str, path: str, *, key: str | None = "", **options: Any) -> Answer:
        """Ask for a path (below the root); ``key=None``: anonymously."""
        headers = dict(options.pop("headers", {}))
        if key is not None:
            headers["Token"] = key or self.people.user_key
        async with self.client.request(method, path, headers=headers, allow_redirects=False, **options) as answer:
            body = await answer.read()
            check_answer(self.settings, method, path, answer.status, answer.headers, body)
            return Answer(answer.status, answer.headers, body)

    async def get(self, path: str, **options: Any) -> Answer:
        """GET a path."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, json: object, **options: Any) -> Answer:
        """POST JSON to a path."""
        return await self.request("POST", path, json=json, **options)

    async def put(self, path: str, **options: Any) -> Answer:
        """PUT to a path: ``data`` is bytes, ``json`` a value."""
        return await self.request("PUT", path, **options)


class RealServer(TestServer):
    """Connections as the program makes them."""

    __test__ = False

    def __init__(self, app: web.Application, limits: Limits) -> None:
        super().__init__(app)
        self._limits = limits

    async def _make_runner(self, **_options: Any) -> Runner:
        return Runner(self.app, self._limits)


@asynccontextmanager
async def open_farm(
    database: Database, directory: Path, *, plugins: PluginManager | None = None, limits: Limits | None = None
) -> AsyncIterator[Farm]:
    """Start a server on an open database with empty tables; it is gone when the block ends."""
    manager = plugins or plugin_manager(file_stores=[LocalFileStore], scheduler_policies=[Fifo], tasks=[Noop])
    settings = Settings(data_dir=directory / "data", limits=limits or Limits())
    settings.uploads.mkdir(parents=True)
    configured = configure(settings.all_stores, manager.file_stores())
    stores = await open_stores(configured, database)
    people = await database.write(populate)
    policy = build_policy(settings.scheduler, manager.scheduler_policies())
    methods = notification_methods.configure(settings.notifications, manager.notification_methods(), {})
    async with announced(database, alone=True) as server, running_background() as background:
        app = make_app(settings, database, stores, manager.tasks(), policy, server, background, methods)
        async with TestClient(RealServer(app, settings.limits)) as client:
            yield Farm(settings, database, stores, people, client)
    await close_all(configured)


def populate(uow: UnitOfWork) -> Population:
    """Make a user, a worker that is not connected, a private and a public workspace."""
    user, user_key = make_user(uow, "alice")
    worker, worker_key = make_worker(uow, "builder-example-org")
    return Population(
        user=user,
        user_key=user_key,
        worker=worker,
        worker_key=worker_key,
        system=workspaces.default_workspace(uow),
        public=workspaces.create_with_name(uow, "Public", public=True),
    )


def make_user(uow: UnitOfWork, username: str, /, **values: Any) -> tuple[User, str]:
    """A user with an enabled token, and its key."""
    defaults = {
        "email": "",
        "password": None,
        "is_superuser": False,
        "is_active": True,
        "date_joined": uow.now,
        "last_login": None,
    }
    user = uow.users.insert(username=username, **defaults | values)
    return user, make_token(uow, TokenKind.USER, user=user.id)[1]


def make_worker(uow: UnitOfWork, name: str, *, enabled: bool = True) -> tuple[Worker, str]:
    """A worker that is not connected, with its token, and the key."""
    token, key = make_token(uow, TokenKind.WORKER, enabled=enabled)
    worker = uow.workers.insert(
        name=name,
        registered_at=uow.now,
        connected_at=None,
        server=None,
        static_metadata={},
        dynamic_metadata={},
        dynamic_metadata_updated_at=None,
        token=token.id,
    )
    return worker, key


def make_token(
    uow: UnitOfWork, kind: TokenKind, *, user: int | None = None, enabled: bool = True, **values: Any
) -> tuple[Token, str]:
    """A token, and its key."""
    key = new_key()
    defaults = {"comment": "", "created_at": uow.now, "expire_at": None, "last_seen_at": None}
    token = uow.tokens.insert(kind=kind, hash=key_hash(key), enabled=enabled, user=user, **defaults | values)
    return token, key
