"""§7: artifacts relate to each other."""

import os

import pytest

from tests.wire.api import Api
from tests.wire.workers import HandWorker


@pytest.mark.parametrize("kind", ["extends", "relates-to", "built-using"])
def test_a_relation_is_made_once(user: Api, kind: str) -> None:
    """§7 POST artifact-relation/: 201 for a new one, 200 with the same for one that is there."""
    value = {"artifact": user.artifact()["id"], "target": user.artifact()["id"], "type": kind}
    made = user.post("artifact-relation/", value).json(201)
    assert made == {"id": made["id"], **value}
    assert user.post("artifact-relation/", value).json(200) == made


def test_an_unknown_type(user: Api) -> None:
    """§7 type: one of three, else 400."""
    value = {"artifact": user.artifact()["id"], "target": user.artifact()["id"], "type": "likes"}
    problem = user.post("artifact-relation/", value).problem(400)
    assert problem["title"] == "Cannot deserialize artifact relation"


@pytest.mark.parametrize("end", ["artifact", "target"])
def test_an_artifact_of_which_bytes_are_missing(user: Api, end: str) -> None:
    """§7 incomplete source or target: 400."""
    value = {"artifact": user.artifact()["id"], "target": user.artifact()["id"], "type": "extends"}
    value[end] = user.declare({"a": os.urandom(4)})["id"]
    assert "incomplete" in user.post("artifact-relation/", value).problem(400)["title"]


@pytest.mark.parametrize("end", ["artifact", "target"])
def test_an_artifact_that_is_not_there(user: Api, end: str) -> None:
    """§7 unknown artifact in a relation: 404."""
    value = {"artifact": user.artifact()["id"], "target": user.artifact()["id"], "type": "extends", end: 999_999_999}
    assert user.post("artifact-relation/", value).problem(404)


def test_relations_are_listed_as_a_bare_array(user: Api) -> None:
    """§7 GET ?artifact= and ?target_artifact=: 200, an array, not a page."""
    one, two, three = (user.artifact()["id"] for _ in range(3))
    made = [
        user.post("artifact-relation/", {"artifact": one, "target": target, "type": kind}).json(201)
        for target, kind in ((two, "extends"), (two, "relates-to"), (three, "relates-to"))
    ]
    assert user.get(f"artifact-relation/?artifact={one}").json() == made
    assert user.get(f"artifact-relation/?target_artifact={two}").json() == made[:2]
    assert user.get(f"artifact-relation/?artifact={two}").json() == []


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("?artifact=x", 400), ("?artifact=999999999", 404), ("?target_artifact=999999999", 404)],
)
def test_whose_relations_must_be_said(user: Api, query: str, status: int) -> None:
    """§7 GET: neither given 400, unknown 404."""
    assert user.get(f"artifact-relation/{query}").problem(status)


def test_a_relation_goes_away(user: Api) -> None:
    """§7 DELETE artifact-relation/N/: 204; gone it is 404."""
    value = {"artifact": user.artifact()["id"], "target": user.artifact()["id"], "type": "extends"}
    made = user.post("artifact-relation/", value).json(201)
    assert user.delete(f"artifact-relation/{made['id']}/").empty(204)
    assert user.get(f"artifact-relation/?artifact={value['artifact']}").json() == []
    assert user.delete(f"artifact-relation/{made['id']}/").problem(404)


def test_a_worker_relates_what_it_made_to_itself_and_to_its_inputs(user: Api, worker: HandWorker) -> None:
    """§7 workers relate without a scope; the target twice is 200."""
    work_request = user.submit()["id"]
    worker.get(work_request)
    one, two = (worker.api.declare({}, work_request=work_request)["id"] for _ in range(2))
    value = {"artifact": one, "target": two, "type": "relates-to"}
    assert [worker.api.post("artifact-relation/", value).status for _ in range(2)] == [201, 200]
    assert len(worker.api.get(f"artifact-relation/?artifact={one}").json()) == 1
