"""``artifact-relation/`` over HTTP."""

from typing import Any

import pytest

from debusine.domain.accounts import ANONYMOUS
from debusine.domain.errors import NotAuthenticated
from debusine.services import relations
from tests.farm import Farm
from tests.server.filing import declare, filed

RELATIONS = "/api/1.0/artifact-relation/"


def relation(artifact: Any, target: Any, type_: Any = "extends") -> dict[str, Any]:
    return {"artifact": artifact, "target": target, "type": type_}


async def test_a_relation_is_made_once(farm: Farm) -> None:
    one, two = await filed(farm, {"a": b"1"}), await filed(farm, {})

    first = await farm.post(RELATIONS, relation(one, two))
    second = await farm.post(RELATIONS, relation(one, two))
    other = await farm.post(RELATIONS, relation(one, two, "relates-to"))

    assert [first.status, second.status, other.status] == [201, 200, 201]
    assert first.json() == second.json() == {"id": first.json()["id"], **relation(one, two)}
    assert other.json()["id"] != first.json()["id"]


async def test_relations_are_found_from_both_ends(farm: Farm) -> None:
    one, two, three = [await filed(farm, {}) for _ in range(3)]
    made = [(await farm.post(RELATIONS, relation(*ends))).json() for ends in ((one, two), (one, three), (three, two))]

    async def of(query: str) -> Any:
        answer = await farm.get(f"{RELATIONS}?{query}")
        assert answer.status == 200
        return answer.json()

    assert await of(f"artifact={one}") == [made[0], made[1]]
    assert await of(f"target_artifact={two}") == [made[0], made[2]]
    assert await of(f"artifact={three}&target_artifact={two}") == [made[2]]
    assert await of(f"artifact={two}") == []


@pytest.mark.parametrize("query", ["", "?artifact=", "?artifact=x", "?artifact=-1", "?other=1"])
async def test_a_list_needs_an_artifact(farm: Farm, query: str) -> None:
    assert (await farm.get(f"{RELATIONS}{query}")).status == 400


async def test_a_list_of_an_artifact_that_is_not_there_is_a_404(farm: Farm) -> None:
    answers = [await farm.get(f"{RELATIONS}?{name}=99") for name in ("artifact", "target_artifact")]

    assert [(answer.status, "title" in answer.problem()) for answer in answers] == [(404, True)] * 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (relation("1", 2), "artifact"),
        (relation(1, None), "target"),
        (relation(1, 2, "replaces"), "type"),
        ({"artifact": 1, "target": 2}, "type"),
        (relation(1, 2) | {"note": ""}, "non_field_errors"),
    ],
)
async def test_mistakes_are_named_by_their_field(farm: Farm, body: object, field: str) -> None:
    answer = await farm.post(RELATIONS, body)

    assert (answer.status, set(answer.problem()["validation_errors"])) == (400, {field})


async def test_artifacts_that_are_not_complete_are_not_related(farm: Farm) -> None:
    complete, incomplete = await filed(farm, {"a": b"1"}), await declare(farm, {"a": b"2"})

    source = await farm.post(RELATIONS, relation(incomplete, complete))
    target = await farm.post(RELATIONS, relation(complete, incomplete))

    assert (source.status, target.status) == (400, 400)
    assert source.problem()["title"] == f"Cannot create relation: source artifact {incomplete} is incomplete"
    assert target.problem()["title"] == f"Cannot create relation: target artifact {incomplete} is incomplete"


async def test_what_is_not_there_and_an_artifact_itself_are_refused(farm: Farm) -> None:
    one = await filed(farm, {})

    assert (await farm.post(RELATIONS, relation(one, 99))).status == 404
    assert (await farm.post(RELATIONS, relation(99, one))).status == 404
    assert (await farm.post(RELATIONS, relation(one, one))).status == 400


async def test_nobody_unknown_makes_relations_or_hears_of_private_ends(farm: Farm) -> None:
    private = await filed(farm, {})
    public, other = [await filed(farm, {}, workspace="Public") for _ in range(2)]
    await farm.post(RELATIONS, relation(public, private))
    seen = (await farm.post(RELATIONS, relation(public, other))).json()

    assert (await farm.get(f"{RELATIONS}?artifact={public}", key=None)).json() == [seen]
    assert (await farm.get(f"{RELATIONS}?target_artifact={private}", key=None)).status == 404
    assert (await farm.post(RELATIONS, relation(public, other), key=None)).status == 403


async def test_a_relation_is_undone_once(farm: Farm) -> None:
    one, two, three = [await filed(farm, {}) for _ in range(3)]
    made, other = [(await farm.post(RELATIONS, relation(one, target))).json() for target in (two, three)]
    first = await farm.request("DELETE", f"{RELATIONS}{made['id']}/")
    second = await farm.request("DELETE", f"{RELATIONS}{made['id']}/")

    assert (first.status, first.body) == (204, b"")
    assert (second.status, second.problem()["title"]) == (404, f"There is no relation {made['id']}")
    assert (await farm.get(f"{RELATIONS}?artifact={one}")).json() == [other]


async def test_nobody_undoes_what_they_may_not_relate(farm: Farm) -> None:
    private, public = await filed(farm, {}), await filed(farm, {}, workspace="Public")
    made = (await farm.post(RELATIONS, relation(private, public))).json()
    path = f"{RELATIONS}{made['id']}/"
    worker = farm.people.worker_key

    assert (await farm.request("DELETE", path, key=None)).status == 403
    assert (await farm.request("DELETE", path, key="unknown")).status == 403
    hidden = await farm.request("DELETE", path, key=worker)
    missing = await farm.request("DELETE", f"{RELATIONS}99/", key=worker)
    assert (hidden.status, missing.status) == (404, 404)
    assert hidden.problem()["title"].replace(str(made["id"]), "N") == missing.problem()["title"].replace("99", "N")
    assert (await farm.get(f"{RELATIONS}?artifact={private}")).json() == [made]


@pytest.mark.parametrize("id_", ["x", "-1", "1.5", "9" * 19, "9" * 30, "0"])
async def test_a_number_that_no_relation_has_is_a_404(farm: Farm, id_: str) -> None:
    assert (await farm.request("DELETE", f"{RELATIONS}{id_}/")).status == 404


async def test_whoever_may_only_read_both_ends_undoes_nothing(farm: Farm) -> None:
    """The URL table refuses them as well; this is the service behind it."""
    ends = [await filed(farm, {}, workspace="Public") for _ in range(2)]
    made = (await farm.post(RELATIONS, relation(*ends))).json()
    with pytest.raises(NotAuthenticated):
        await farm.database.write(relations.unrelate, ANONYMOUS, made["id"])
    assert (await farm.get(f"{RELATIONS}?artifact={ends[0]}")).json() == [made]
