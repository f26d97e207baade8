"""Lookups: task data names artifacts by their ids, and gets those that its submitter may use."""

from datetime import timedelta
from typing import Any

import pytest

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import ANONYMOUS, Subject
from debusine.domain.artifacts import RelationType
from debusine.domain.files import ArtifactPath, File
from debusine.domain.lookups import MultipleLookup, UnresolvedLookup
from debusine.plugin import ArtifactFacts
from debusine.services import lookups as lookups_module
from debusine.services.lookups import ArtifactLookups, TooMuch
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
    "lookup", [True, "", "x", "1", "-1@artifacts", "٣@artifacts", "1@collections", "9" * 30 + "@artifacts"]
)
async def test_what_names_no_artifact_by_its_id_is_refused(workshop: Workshop, lookup: Any) -> None:
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


async def test_what_artifacts_relate_to_is_found_by_the_kind_of_the_relation(workshop: Workshop) -> None:
    upload, one, two = [await workshop.artifact() for _ in range(3)]
    other = await workshop.artifact(category="debusine:signing-input")
    for target, kind in ((two, "extends"), (one, "extends"), (other, "extends"), (other, "relates-to")):
        await workshop.database.write(relate, upload.id, target.id, kind)

    assert await related(workshop, [upload.id, one.id], RelationType.EXTENDS) == {
        upload.id: [two.id, one.id, other.id],
        one.id: [],
    }
    assert await related(workshop, [upload.id], RelationType.EXTENDS, "debusine:signing-input") == {
        upload.id: [other.id]
    }
    assert await related(workshop, [upload.id], None) == {upload.id: [two.id, one.id, other.id]}
    assert await related(workshop, [upload.id], RelationType.BUILT_USING) == {upload.id: []}


async def test_what_cannot_be_used_is_related_to_nothing(workshop: Workshop) -> None:
    upload, incomplete = await workshop.artifact(), await workshop.artifact()
    expired = await workshop.artifact(expire_at=workshop.database.clock())
    await workshop.database.write(add_file, incomplete.id, complete=False)
    for target in (incomplete, expired):
        await workshop.database.write(relate, upload.id, target.id, "extends")

    assert await related(workshop, [upload.id], None) == {upload.id: []}


async def test_what_others_relate_to_counts_as_given_out(workshop: Workshop) -> None:
    upload, package = await workshop.artifact(), await workshop.artifact()
    await workshop.database.write(relate, upload.id, package.id, "extends")

    def ask(uow: UnitOfWork) -> tuple[int, ...]:
        lookups = ArtifactLookups(uow, lambda: workshop.user)
        lookups.related([lookups.single(upload.id)])
        return lookups.inputs

    assert await workshop.database.read(ask) == (upload.id, package.id)


async def test_an_error_names_the_place_of_the_lookup(workshop: Workshop) -> None:
    artifact = await workshop.artifact()

    def ask(uow: UnitOfWork) -> None:
        ArtifactLookups(uow, lambda: workshop.user).multiple(MultipleLookup((artifact.id, 77)), field="input.others")

    with pytest.raises(UnresolvedLookup) as caught:
        await workshop.database.read(ask)
    assert caught.value.validation_errors == {"input.others[1]": ["77: there is no such artifact"]}


@pytest.mark.parametrize("lookup", [2**63, -(2**63) - 1, 10**40, 0, "1234567890123456789@artifacts"])
async def test_numbers_that_no_database_counts_to_name_nothing(workshop: Workshop, lookup: Any) -> None:
    with pytest.raises(UnresolvedLookup):
        await look_up(workshop, lookup)


async def related(
    workshop: Workshop, ids: list[int], kind: RelationType | None, *categories: str
) -> dict[int, list[int]]:
    def ask(uow: UnitOfWork) -> dict[int, list[int]]:
        lookups = ArtifactLookups(uow, lambda: workshop.user)
        artifacts = lookups.multiple(MultipleLookup(tuple(ids)))
        found = lookups.related(artifacts, kind, categories=categories)
        return {source: [facts.id for facts in targets] for source, targets in found.items()}

    return await workshop.database.read(ask)


def relate(uow: UnitOfWork, source: int, target: int, kind: str) -> None:
    uow.relations.get_or_create(source, target, RelationType(kind))


async def test_no_more_is_read_than_there_is_room_for(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = [(await workshop.artifact(data={"text": "x" * 1000})).id for _ in range(6)]
    await workshop.database.write(add_file, artifacts[0], complete=True)
    await look_up(workshop, *artifacts)

    monkeypatch.setattr(lookups_module, "HEAVIEST", 5999)
    with pytest.raises(TooMuch, match="6 artifacts"):
        await look_up(workshop, *artifacts)
    monkeypatch.setattr(lookups_module, "HEAVIEST", 7000)
    await look_up(workshop, *artifacts)
    monkeypatch.setattr(lookups_module, "MOST_FILES", 0)
    with pytest.raises(TooMuch):
        await look_up(workshop, *artifacts)
    await look_up(workshop, *artifacts[:4])
