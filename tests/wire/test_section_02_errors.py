"""§2: every error is a problem, by exactly the header that clients compare."""

from collections.abc import Callable

import pytest

from tests.wire.api import Api
from tests.wire.raw import Raw
from tests.wire.server import Server
from tests.wire.websocket import opened

#: What is tested here does not reach the database in its own way.
DATABASES = ("sqlite",)

ERRORS: dict[str, Callable[[Api], tuple[Raw, int]]] = {
    "404 no such path": lambda user: (user.get("nowhere/"), 404),
    "404 unknown artifact": lambda user: (user.get("artifact/999999999/"), 404),
    "404 unknown artifact, no slash": lambda user: (user.get("artifact/999999999"), 404),
    "404 unknown work request": lambda user: (user.get("work-request/999999999/"), 404),
    "404 number out of range": lambda user: (user.get("artifact/99999999999999999999999/"), 404),
    "404 unknown page": lambda user: (user.get("/debusine/System/artifact/999999999/"), 404),
    "404 unknown download": lambda user: (user.get("/debusine/System/artifact/999999999/download/a"), 404),
    "405 method": lambda user: (user.delete("work-request/"), 405),
    "403 no token": lambda user: (user.by(None).get("work-request/"), 403),
    "400 no JSON": lambda user: (user.ask("POST", "artifact/", b"{", {"Content-Type": "application/json"}), 400),
    "400 no object": lambda user: (user.post("artifact/", []), 400),
    "400 cursor": lambda user: (user.get("work-request/?cursor=nonsense"), 400),
    "415 no JSON": lambda user: (user.ask("POST", "artifact/", b"{}", {"Content-Type": "text/html"}), 415),
    "413 large": lambda user: (user.post("work-request/", {"task_name": "n" * (2 << 20), "task_data": {}}), 413),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_a_problem_whatever_its_kind(user: Api, name: str) -> None:
    """§2 Content-Type: application/problem+json, without a charset; title, detail, validation_errors alone."""
    answer, status = ERRORS[name](user)
    assert answer.problem(status)


def test_a_wrong_field_is_named_with_a_list_of_sentences(user: Api) -> None:
    """§2 validation_errors: field → list of strings."""
    problem = user.post("artifact/", {"data": {}}).problem(400)
    assert problem["title"] == "Cannot deserialize artifact"
    assert problem["validation_errors"] == {"category": ["This field is required."]}


@pytest.mark.parametrize(
    ("method", "path", "title"),
    [
        ("POST", "work-request/", "Cannot deserialize work request"),
        ("POST", "artifact/", "Cannot deserialize artifact"),
        ("POST", "artifact-relation/", "Cannot deserialize artifact relation"),
        ("POST", "worker/register/", "Cannot deserialize worker"),
    ],
)
def test_each_kind_of_body_has_its_title(user: Api, method: str, path: str, title: str) -> None:
    """§2 titles."""
    problem = user.send(method, path, {"unknown": 1}).problem(400)
    assert problem["title"] == title
    assert all(isinstance(text, str) for texts in problem["validation_errors"].values() for text in texts)


def test_absent_parts_of_a_problem_have_no_key(user: Api) -> None:
    """§2 detail and validation_errors only when there are any."""
    assert None not in user.get("nowhere/").problem(404).values()


@pytest.mark.parametrize("what", ["artifact/", "work-request/"])
def test_an_unknown_workspace_is_404(user: Api, what: str) -> None:
    """§2 unknown workspace: 404, title Workspace not found."""
    value = {"task_name": "noop", "task_data": {}, "workspace": "nowhere"}
    if what == "artifact/":
        value = {"category": "debusine:test", "data": {}, "workspace": "nowhere"}
    assert user.post(what, value).problem(404)["title"] == "Workspace not found"


def test_a_missing_token_is_403_and_not_401(user: Api) -> None:
    """§2 missing, invalid and disabled tokens: 403."""
    answers: list[Raw] = [user.by(None).get("work-request/"), user.by("nonsense").get("work-request/")]
    assert [answer.status for answer in answers] == [403, 403]
    assert all(answer.all("WWW-Authenticate") == [] for answer in answers)


def test_what_is_hidden_and_what_is_not_there_are_answered_alike(server: Server, user: Api, nobody: Api) -> None:
    """§2 who may not see a thing gets the 404 of what is not there."""
    hidden, beyond = user.artifact()["id"], 999_999_999
    seen = [nobody.get(f"artifact/{number}/").problem(404) for number in (hidden, beyond)]
    assert seen[0]["title"].replace(str(hidden), "") == seen[1]["title"].replace(str(beyond), "")
    assert seen[0].keys() == seen[1].keys()


def test_a_websocket_is_no_exception_for_a_foreign_page(user: Api) -> None:
    """§2 a refusal before the handshake is a problem, too."""
    with (
        pytest.raises(AssertionError, match="403"),
        opened(user.address, "/api/ws/1.0/worker/connect/", {"Origin": "http://elsewhere.example"}),
    ):
        pass
