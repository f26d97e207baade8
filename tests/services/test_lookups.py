"""Lookups: task data names artifacts by their ids, and gets those that its submitter may use."""

from datetime import timedelta
from typing import Any

import pytest

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import ANONYMOUS, Subject
from debusine.domain.files import ArtifactPath, File
from debusine.domain.lookups import MultipleLookup, UnresolvedLookup
from debusine.plugin import ArtifactFacts
from debusine.services.lookups import ArtifactLookups
from tests.work import Workshop


async def look_up(workshop: Workshop, *items: Any, categories: tuple[str, ...] = ()) -> list[ArtifactFacts]:
    def ask(uow: UnitOfWork) -> list[ArtifactFacts]:
        lookups = ArtifactLookups(uow, lambda: workshop.user)
        found = list(lookups.multiple(MultipleLookup(items), categories=categories))
        assert lookups.inputs == tuple(sorted({facts.id for facts in found}))
        return found

    return await workshop.database.read(ask)


async def test_artifacts_are_found_by_id_in_the_order_in_which_they_are_named(workshop: Workshop) -> None:
    one, two = await workshop.artifact(data={"a": 1}), await workshop.artifact()

    found = await look_up(workshop, f"{two.id}@artifacts", one.id, two.id)

    assert [facts.id for facts in found] == [two.id, one.id, two.id]
    assert found[1].data == {"a": 1}


async def test_the_sizes_of_the_files_are_told(workshop: Workshop) -> None:
    artifact = await workshop.artifact()
    await workshop.database.write(add_file, artifact.id, complete=True)

    (facts,) = await look_up(workshop, artifact.id)

    assert facts.files == {"dir/a.txt": 5}


async def test_an_artifact_with_missing_files_is_no_input(workshop: Workshop) -> None:
    artifact = await workshop.artifact()
    await workshop.database.write(add_file, artifact.id, complete=False)

    with pytest.raises(UnresolvedLookup, match="not all files"):
        await look_up(workshop, artifact.id)


async def test_an_expired_artifact_is_no_input(workshop: Workshop) -> None:
    artifact = await workshop.artifact(expire_at=workshop.database.clock() + timedelta(seconds=1))
    await look_up(workshop, artifact.id)
    await workshop.advance(1)

    with pytest.raises(UnresolvedLookup, match="no such artifact"):
        await look_up(workshop, artifact.id)


async def test_an_artifact_of_another_category_is_refused(workshop: Workshop) -> None:
    artifact = await workshop.artifact()

    with pytest.raises(UnresolvedLookup, match="debusine:test, not debian:upload"):
        await look_up(workshop, artifact.id, categories=("debian:upload",))


@pytest.mark.parametrize(
    "lookup", ["", "x", "1", "-1@artifacts", "٣@artifacts", "1@collections", "9" * 30 + "@artifacts"]
)
async def test_what_names_no_artifact_by_its_id_is_refused(workshop: Workshop, lookup: str) -> None:
    await workshop.artifact()

    with pytest.raises(UnresolvedLookup, match="by its id"):
        await look_up(workshop, lookup)


async def test_what_the_submitter_may_not_see_is_not_there(workshop: Workshop) -> None:
    artifact = await workshop.artifact()

    def ask(uow: UnitOfWork, subject: Subject) -> ArtifactFacts:
        return ArtifactLookups(uow, lambda: subject).single(artifact.id)

    with pytest.raises(UnresolvedLookup, match="no such artifact"):
        await workshop.database.read(ask, ANONYMOUS)


def add_file(uow: UnitOfWork, artifact: int, *, complete: bool) -> None:
    file = File(id=uow.files.insert(sha256=b"x" * 32, size=5).id, sha256=b"x" * 32, size=5)
    uow.files_in_artifacts.add_all(artifact, [(ArtifactPath("dir/a.txt"), file, complete, None)])
