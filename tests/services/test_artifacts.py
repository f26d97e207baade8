"""Artifacts: who may make them, what they find already here, and how they expire."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from attrs import evolve

from debusine.domain.accounts import ANONYMOUS, Subject
from debusine.domain.errors import Conflict, NotAuthenticated, NotFound, PermissionDenied
from debusine.domain.files import FileState
from debusine.domain.rights import Action
from debusine.domain.work_requests import StaleAttempt
from debusine.domain.workspaces import Workspace, WorkspaceNotFound
from debusine.services import artifacts
from debusine.services.artifacts import OnlyForWorkers, UnknownWorkRequest, WorkRequestNeeded
from tests.depot import Depot, submission

BYTES = b"some bytes"


async def missing(depot: Depot, artifact: int) -> list[str]:
    return [place.path for place in await depot.places(artifact) if not place.complete]


async def test_content_that_is_whole_in_the_same_workspace_is_complete_at_once(depot: Depot) -> None:
    first = await depot.declare({"a": BYTES})
    await depot.put(first, "a", BYTES)

    second = await depot.declare({"b": BYTES, "c": b"new"})

    assert await missing(depot, second) == ["c"]
    assert await depot.fetch(second, "b") == BYTES


async def test_content_that_was_only_declared_is_not_complete(depot: Depot) -> None:
    await depot.declare({"a": BYTES})

    assert await missing(depot, await depot.declare({"b": BYTES})) == ["b"]


async def test_content_of_another_workspace_or_of_another_store_must_be_sent(depot: Depot) -> None:
    await depot.put(await depot.declare({"a": BYTES}), "a", BYTES)
    await depot.database.write(add_workspace, "Other", depot.workshop.workspace.default_file_store)
    cold = await depot.database.write(
        lambda uow: uow.file_stores.insert(name="Cold", backend="local", configuration={}).id
    )

    for _ in range(2):  # that it was declared there once does not make it known there
        assert await missing(depot, await depot.declare({"a": BYTES}, workspace="Other")) == ["a"]
    await depot.database.write(move_workspace, depot.workshop.workspace, cold)
    assert await missing(depot, await depot.declare({"a": BYTES})) == ["a"]


async def test_content_that_is_being_removed_gets_a_new_file(depot: Depot) -> None:
    first = await depot.declare({"a": BYTES})
    await depot.put(first, "a", BYTES)
    (place,) = await depot.places(first)
    deleting = evolve(place.file, state=FileState.DELETING)
    await depot.database.write(lambda uow: uow.files.save(deleting, expecting=place.file))

    second = await depot.declare({"a": BYTES})

    assert await missing(depot, second) == ["a"]
    assert (await depot.places(second))[0].file.id != place.file.id
    assert (await depot.put(second, "a", BYTES)).complete


async def test_many_who_declare_the_same_new_content_at_once_share_one_file(depot: Depot) -> None:
    contents = {f"{number:02}": f"content {number}".encode() for number in range(20)}

    made = await asyncio.gather(
        *(depot.declare(dict(reversed(contents.items())) if odd else contents) for odd in (False, True) * 8)
    )

    files = {tuple(place.file.id for place in await depot.places(artifact)) for artifact in made}
    assert len(files) == 1


async def test_empty_files_of_several_artifacts_at_once_leave_one_in_the_store(depot: Depot) -> None:
    everybody_stores = asyncio.Barrier(4)
    depot.backend.before = everybody_stores.wait

    made = await asyncio.gather(*(depot.declare({f"empty-{number}": b""}) for number in range(4)))

    assert [[place.complete for place in await depot.places(artifact)] for artifact in made] == [[True]] * 4
    assert await depot.objects() == [0]
    assert await depot.fetch(made[0], "empty-0") == b""


async def test_empty_files_are_complete_and_the_store_holds_one(depot: Depot) -> None:
    first, second = await depot.declare({"a": b"", "b": b""}), await depot.declare({"c": b""})

    assert (await missing(depot, first), await missing(depot, second)) == ([], [])
    assert (await depot.fetch(first, "b"), await depot.fetch(second, "c")) == (b"", b"")
    assert (await depot.objects(), depot.spooled()) == ([0], {})


async def test_the_same_hash_with_another_size_is_another_content(depot: Depot) -> None:
    await depot.put(await depot.declare({"a": BYTES}), "a", BYTES)
    wish = submission({"a": BYTES})
    path, file = next(iter(wish.files.items()))

    described = await depot.declared(evolve(wish, files={path: evolve(file, size=99)}))

    assert not described.files[0].complete


@pytest.mark.parametrize("count", [1, 100])
async def test_making_and_describing_take_as_many_statements_for_one_file_as_for_a_hundred(
    depot: Depot, count: int
) -> None:
    contents = {f"{number}": f"content {number}".encode() for number in range(count)}
    with counted_statements() as making:
        artifact = await depot.declare(contents)
    with counted_statements() as describing:
        await depot.database.read(artifacts.describe, depot.user, artifact)

    assert (making[0] <= 8, describing[0] <= 3) == (True, True), (making, describing)


async def test_an_artifact_lives_as_long_as_the_request_or_else_the_workspace_says(depot: Depot) -> None:
    month = timedelta(days=30)
    await depot.database.write(add_workspace, "Short", depot.workshop.workspace.default_file_store, delay=month)

    async def lives(**more: Any) -> timedelta | None:
        artifact = (await depot.declared(submission({}, workspace="Short", **more))).artifact
        return None if artifact.expire_at is None else artifact.expire_at - artifact.created_at

    assert await lives() == month
    assert await lives(expiration_delay=0) is None
    assert await lives(expiration_delay="P2DT3H4M5S") == timedelta(days=2, hours=3, minutes=4, seconds=5)
    assert await lives(expiration_delay="P1W") == timedelta(weeks=1)
    assert await lives(expiration_delay=60) == timedelta(minutes=1)
    assert await lives(expire_at=depot.database.clock() + timedelta(hours=1)) == timedelta(hours=1)


async def test_expired_artifacts_are_told_from_those_that_last(depot: Depot) -> None:
    brief, lasting = await depot.declare({}, expiration_delay=60), await depot.declare({})
    later = depot.database.clock() + timedelta(minutes=1)

    assert [a.id for a in await depot.database.read(lambda uow: uow.artifacts.expired(later))] == [brief]
    assert [a.id for a in await depot.database.read(lambda uow: uow.artifacts.not_expired(later))] == [lasting]


async def test_nobody_unknown_makes_an_artifact(depot: Depot) -> None:
    with pytest.raises(NotAuthenticated):
        await depot.declare({}, subject=ANONYMOUS)


async def test_a_user_claims_no_work_request(depot: Depot) -> None:
    with pytest.raises(OnlyForWorkers):
        await depot.declare({}, work_request=1)


async def working(depot: Depot, name: str = "builder") -> tuple[Subject, int]:
    """A worker, and the work request that it runs."""
    worker = await depot.workshop.worker(name)
    await depot.workshop.request()
    return worker, (await depot.workshop.start(worker)).id


async def test_a_worker_makes_artifacts_of_its_attempt(depot: Depot) -> None:
    worker, work_request = await working(depot)

    described = await depot.declared(submission({"a": BYTES}, work_request=work_request), subject=worker, attempt=1)

    made = described.artifact
    assert (made.created_by, made.created_by_work_request, made.created_by_attempt) == (None, work_request, 1)
    assert (made.attached, described.workspace.name) == (False, "System")
    assert (await depot.put(made.id, "a", BYTES, subject=worker, attempt=1)).complete


async def test_a_worker_makes_nothing_else(depot: Depot) -> None:
    worker, work_request = await working(depot)
    other, others = await working(depot, "other")

    for wish, error in (
        (submission({}), WorkRequestNeeded),
        (submission({}, work_request=others), UnknownWorkRequest),
        (submission({}, work_request=99), UnknownWorkRequest),
        (submission({}, work_request=work_request, workspace="Elsewhere"), WorkspaceNotFound),
    ):
        with pytest.raises(error):
            await depot.declared(wish, subject=worker)
    made = await depot.declared(submission({"a": BYTES}, work_request=others), subject=other)
    with pytest.raises((NotFound, PermissionDenied)):
        await depot.put(made.artifact.id, "a", BYTES, subject=worker)


async def test_who_speaks_of_an_attempt_that_is_over_is_told_so(depot: Depot) -> None:
    worker, work_request = await working(depot)
    made = await depot.declared(submission({"a": BYTES}, work_request=work_request), subject=worker, attempt=1)
    await depot.workshop.lose(worker)

    with pytest.raises(StaleAttempt):
        await depot.declared(submission({}, work_request=work_request), subject=worker, attempt=1)
    with pytest.raises(StaleAttempt):
        await depot.put(made.artifact.id, "a", BYTES, subject=worker, attempt=1)


async def test_a_foreign_worker_may_be_late_and_what_it_makes_then_is_not_attached(depot: Depot) -> None:
    worker, work_request = await working(depot)
    await depot.workshop.lose(worker)

    late = (await depot.declared(submission({"a": BYTES}, work_request=work_request), subject=worker)).artifact

    assert (late.created_by_attempt, late.attached) == (1, False)
    assert (await depot.put(late.id, "a", BYTES, subject=worker)).complete


async def test_an_attempt_that_asks_again_gets_the_artifact_that_it_made(depot: Depot) -> None:
    worker, work_request = await working(depot)
    wish = submission({"a": BYTES, "b": b""}, work_request=work_request)

    first = await depot.declared(wish, subject=worker, attempt=1)
    again = await depot.declared(wish, subject=worker, attempt=1)
    other = await depot.declared(evolve(wish, files={}), subject=worker, attempt=1)
    foreign = await depot.declared(wish, subject=worker)

    assert again.artifact.id == first.artifact.id
    assert len({first.artifact.id, other.artifact.id, foreign.artifact.id}) == 3


async def test_who_may_not_see_an_artifact_hears_what_he_would_hear_if_there_were_none(depot: Depot) -> None:
    artifact = await depot.declare({})

    async def heard(id_: int) -> str:
        with pytest.raises(NotFound) as refused:
            await depot.database.read(artifacts.find, ANONYMOUS, Action.READ_ARTIFACT, id_)
        return str(refused.value).replace(str(id_), "N")

    assert await heard(artifact) == await heard(artifact + 1)


async def test_an_offset_that_somebody_else_moved_is_not_overwritten(depot: Depot) -> None:
    artifact = await depot.declare({"a": BYTES})
    await depot.put_part(artifact, "a", BYTES, 0, 3)
    (place,) = await depot.places(artifact)
    _, target = await depot.database.read(lambda uow: uow.files_in_artifacts.upload_target(artifact, place.path))
    assert target is not None
    seen = target.upload
    assert seen is not None
    await depot.put_part(artifact, "a", BYTES, 3, 6)

    with pytest.raises(Conflict):
        await depot.database.write(lambda uow: uow.uploads.save(evolve(seen, received=4), expecting=seen))


@contextmanager
def counted_statements() -> Iterator[list[int]]:
    """Count the statements of all engines that touch the tables."""
    count = [0]

    def add(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        count[0] += statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))

    sa.event.listen(sa.Engine, "before_cursor_execute", add)
    try:
        yield count
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", add)


def add_workspace(uow: Any, name: str, store: int, delay: timedelta | None = None) -> None:
    uow.workspaces.insert(name=name, default_file_store=store, default_expiration_delay=delay)


def move_workspace(uow: Any, workspace: Workspace, store: int) -> None:
    uow.workspaces.save(evolve(workspace, default_file_store=store), expecting=workspace)
