"""The permission matrix: every kind of subject, every action, every kind of object."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve, frozen

from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import ANONYMOUS, Subject
from debusine.domain.artifacts import Artifact
from debusine.domain.demands import Demand
from debusine.domain.errors import DebusineError, NotAuthenticated, NotFound, PermissionDenied
from debusine.domain.rights import Action
from debusine.domain.work_requests import Status, WorkRequest
from debusine.domain.workspaces import Workspace
from debusine.services import workspaces
from debusine.services.rights import READING, authorize, hidden, may, readable, watchable
from tests.farm import make_user, make_worker

OK, HIDDEN, DENIED, UNKNOWN = "ok", "404", "403", "403 without credentials"
KINDS: dict[type[DebusineError], str] = {NotFound: HIDDEN, PermissionDenied: DENIED, NotAuthenticated: UNKNOWN}


@frozen(kw_only=True)
class Objects:
    """Things to ask for, named as in the matrix."""

    subjects: dict[str, Subject]
    targets: dict[str, Any]


@pytest.fixture
async def objects(database: Database) -> Objects:
    return await database.write(make_objects)


def make_objects(uow: UnitOfWork) -> Objects:
    store = uow.file_stores.insert(name="Default", backend="local", configuration={})
    private = uow.workspaces.insert(name="System", default_file_store=store.id)
    public = uow.workspaces.insert(name="Public", default_file_store=store.id, public=True)
    alice, bob = make_user(uow, "alice")[0], make_user(uow, "bob")[0]
    worker, idle = make_worker(uow, "w1")[0], make_worker(uow, "w2")[0]
    demand = uow.queues.demand_id(Demand(task_name="noop", version=1))

    def work_request(workspace: Workspace, **values: Any) -> WorkRequest:
        return uow.work_requests.insert(
            workspace=workspace.id,
            created_by=alice.id,
            created_at=uow.now,
            task_name="noop",
            task_data={},
            demand=demand,
            **values,
        )

    def artifact(workspace: Workspace, **values: Any) -> Artifact:
        return uow.artifacts.insert(
            category="debusine:test", workspace=workspace.id, data={}, created_at=uow.now, **values
        )

    current = work_request(private, status=Status.RUNNING, attempt=2, worker=worker.id)
    read = artifact(private)
    for number in (1, 2):
        uow.attempts.insert(
            work_request=current.id, number=number, worker=worker.id, started_at=uow.now, inputs=(read.id,)
        )
    return Objects(
        subjects={
            "user": Subject(user=alice),
            "other user": Subject(user=bob),
            "superuser": Subject(user=evolve(bob, is_superuser=True)),
            "worker": Subject(worker=worker),
            "idle worker": Subject(worker=idle),
            "anonymous": ANONYMOUS,
        },
        targets={
            "nothing": None,
            "private workspace": private,
            "public workspace": public,
            "private artifact": artifact(private),
            "public artifact": artifact(public),
            "its input": read,
            "made in its attempt": artifact(private, created_by_work_request=current.id, created_by_attempt=2),
            "made in an earlier attempt": artifact(private, created_by_work_request=current.id, created_by_attempt=1),
            "its work request": current,
            "private work request": work_request(private),
            "public work request": work_request(public),
        },
    )


def decided(uow: UnitOfWork, subject: Subject, action: Action, target: Any) -> str:
    try:
        authorize(uow, subject, action, target)
    except DebusineError as error:
        return next(name for kind, name in KINDS.items() if isinstance(error, kind))
    return OK


WRITING = {
    "artifact": {Action.CREATE_ARTIFACT, Action.UPLOAD_FILE, Action.RELATE_ARTIFACTS},
    "work request": {Action.CREATE_ARTIFACT},
}
OWN = {Action.BE_A_WORKER, Action.COMPLETE_WORK_REQUEST}
SUPERUSERS = {Action.ADMINISTER, Action.RAISE_PRIORITY}
READ = {Action.READ_WORKSPACE, Action.READ_ARTIFACT, Action.READ_WORK_REQUEST}
MADE_IN_ITS_ATTEMPT = {Action.CREATE_ARTIFACT, Action.UPLOAD_FILE, Action.RELATE_ARTIFACTS}


def expected_of_user(action: Action, target: str) -> str:
    return DENIED if action in OWN | SUPERUSERS else OK


def expected_of_other_user(action: Action, target: str) -> str:
    if action is Action.LOWER_PRIORITY and target.endswith("work request"):
        return DENIED
    return expected_of_user(action, target)


def expected_of_superuser(action: Action, target: str) -> str:
    return DENIED if action in OWN else OK


def expected_of_anonymous(action: Action, target: str) -> str:
    if action is Action.ANYBODY:
        return OK
    if target == "nothing":
        return UNKNOWN
    if not target.startswith("public"):
        return HIDDEN
    return OK if action in READING | {Action.WATCH_WORK_REQUESTS} else UNKNOWN


def expected_of_idle_worker(action: Action, target: str) -> str:
    if action in OWN | {Action.ANYBODY}:
        return OK
    return DENIED if target == "nothing" else HIDDEN


def expected_of_worker(action: Action, target: str) -> str:
    if action in OWN | {Action.ANYBODY}:
        return OK
    if target == "nothing":
        return DENIED
    if target in {"its work request", "made in its attempt"}:
        return OK if action in READ | MADE_IN_ITS_ATTEMPT else DENIED
    if target in {"its input", "private workspace"}:
        return OK if action in READING else DENIED
    return HIDDEN


EXPECTED: dict[str, Callable[[Action, str], str]] = {
    "user": expected_of_user,
    "other user": expected_of_other_user,
    "superuser": expected_of_superuser,
    "anonymous": expected_of_anonymous,
    "idle worker": expected_of_idle_worker,
    "worker": expected_of_worker,
}


@pytest.mark.parametrize("who", list(EXPECTED))
async def test_the_matrix_holds(database: Database, objects: Objects, who: str) -> None:
    def matrix(uow: UnitOfWork) -> dict[tuple[str, str], str]:
        subject, targets = objects.subjects[who], objects.targets
        return {(a.value, name): decided(uow, subject, a, target) for a in Action for name, target in targets.items()}

    assert await database.read(matrix) == {
        (action.value, name): EXPECTED[who](action, name) for action in Action for name in objects.targets
    }


async def test_what_is_hidden_looks_like_what_is_not_there(database: Database, objects: Objects) -> None:
    def messages(uow: UnitOfWork) -> tuple[str, str]:
        said = []
        for name in ("System", "Nowhere"):
            with pytest.raises(NotFound) as caught:
                workspaces.named(uow, ANONYMOUS, name)
            said.append(str(caught.value).replace(name, "NAME"))
        return said[0], said[1]

    seen, unseen = await database.read(messages)
    assert seen == unseen
    assert str(hidden(objects.targets["private artifact"])).startswith("There is no artifact")


@pytest.mark.parametrize("who", list(EXPECTED))
async def test_lists_and_single_answers_never_differ(database: Database, objects: Objects, who: str) -> None:
    artifacts = {target.id: target for target in objects.targets.values() if isinstance(target, Artifact)}

    def both(uow: UnitOfWork) -> tuple[set[int], set[int]]:
        subject = objects.subjects[who]
        one_by_one = {id_ for id_, target in artifacts.items() if may(uow, subject, Action.READ_ARTIFACT, target)}
        return one_by_one, set(readable(uow, subject, artifacts.keys()))

    one_by_one, at_once = await database.read(both)
    assert at_once == one_by_one


@pytest.mark.parametrize("who", list(EXPECTED))
async def test_one_hears_of_a_workspace_among_all_if_one_may_watch_it_alone(
    database: Database, objects: Objects, who: str
) -> None:
    places = {target.id: target for target in objects.targets.values() if isinstance(target, Workspace)}

    def both(uow: UnitOfWork) -> tuple[set[int], set[int]]:
        subject = objects.subjects[who]
        alone = {id_ for id_, target in places.items() if may(uow, subject, Action.WATCH_WORK_REQUESTS, target)}
        among_all = watchable(uow, subject)
        return alone, set(places if among_all is None else among_all)

    alone, among_all = await database.read(both)
    assert among_all == alone
