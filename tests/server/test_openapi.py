"""The API's description: whole, valid, and what the server does."""

import re
from typing import Any

import orjson
import pytest
from attrs import field, frozen, validators
from openapi_spec_validator import validate

from debusine.config import Limits, Settings
from debusine.domain.files import ArtifactPath, InvalidPath
from debusine.domain.rights import Action
from debusine.server.health import health
from debusine.server.json_schemas import PATH_PATTERN, NoSchema, SameName, Schemas
from debusine.server.openapi import describe
from debusine.server.route import Route, path_of
from debusine.server.routes import ROUTES
from tests.contract import contract
from tests.farm import Farm

OF_THE_API = [route for route in ROUTES if route.path.startswith("/api/")]


@pytest.fixture(scope="module")
def description(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return describe(ROUTES, Settings(data_dir=tmp_path_factory.mktemp("data")))


async def test_the_server_gives_its_description_as_json(farm: Farm) -> None:
    answer = await farm.get("/api/openapi.json", key=None)
    assert answer.status == 200
    assert answer.json() == orjson.loads(orjson.dumps(describe(ROUTES, farm.settings)))


def test_it_is_valid_openapi(description: Any) -> None:
    assert description["openapi"].startswith("3.1.")
    validate(description)


@pytest.mark.parametrize("route", OF_THE_API, ids=lambda route: f"{route.method} {route.path}")
def test_no_route_of_the_api_is_missing_or_empty(description: Any, route: Route) -> None:
    operation = description["paths"][path_of(route)][route.method.lower()]
    assert re.fullmatch(r"[A-Z].*\.", operation["summary"]), "the handler's docstring is its summary"
    assert "``" not in operation["summary"], "the summary is for strangers: no markup, no address"
    assert any(status < "400" for status in operation["responses"])
    assert ("requestBody" in operation) == (route.method in {"POST", "PUT", "PATCH"})


def test_every_placeholder_of_a_path_is_a_parameter(description: Any) -> None:
    for path, operations in description["paths"].items():
        for operation in operations.values():
            named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))


def test_names_of_operations_are_unique(description: Any) -> None:
    names = [each["operationId"] for operations in description["paths"].values() for each in operations.values()]
    assert len(names) == len(set(names))


def test_what_needs_a_token_says_so(description: Any) -> None:
    assert {"token": []} in description["paths"]["/api/1.0/artifact/"]["post"]["security"]
    assert {} not in description["paths"]["/api/1.0/artifact/"]["post"]["security"]
    assert {} in description["paths"]["/api/1.0/limits/"]["get"]["security"]


def test_limits_are_in_the_schemas(description: Any) -> None:
    submission = description["components"]["schemas"]["ArtifactSubmission"]
    assert submission["additionalProperties"] is False
    assert submission["required"] == ["category", "data"]
    assert submission["properties"]["files"]["maxProperties"] == Limits().artifact_files
    assert submission["properties"]["category"] == {"type": "string", "minLength": 1, "maxLength": 255}
    size = description["components"]["schemas"]["FileSubmission"]["properties"]["size"]
    assert (size["minimum"], size["exclusiveMaximum"]) == (0, 2**63)


def test_answers_have_all_their_keys_and_may_get_more(description: Any) -> None:
    resource = description["components"]["schemas"]["WorkRequestResource"]
    assert set(resource["required"]) == set(resource["properties"])
    assert "additionalProperties" not in resource


@pytest.mark.parametrize("body", [{"result": ""}, {"result": "success", "more": 1}, {}, [], {"result": None}])
def test_a_schema_refuses_what_the_server_refuses(body: Any, description: Any, tmp_path: Any) -> None:
    schema = {"$ref": "#/components/schemas/CompletionReport"}
    assert contract(Settings(data_dir=tmp_path)).errors(schema, body)


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a/b",
        ".a",
        "..a",
        "a.",
        "...",
        "a/..b/.c",
        "",
        ".",
        "..",
        "a/..",
        "/a",
        "a//b",
        "a/",
        "a\x7f",
        "\u202ea",
        "ä",
    ],
)
def test_the_pattern_of_paths_agrees_with_the_rule(path: str) -> None:
    try:
        ArtifactPath(path)
    except InvalidPath:
        assert not re.search(PATH_PATTERN, path)
    else:
        assert re.search(PATH_PATTERN, path)


def test_a_type_without_a_schema_is_an_error_at_once() -> None:
    with pytest.raises(NoSchema, match="bytes"):
        Schemas().of(bytes)


def test_two_classes_of_one_name_are_an_error_at_once() -> None:
    @frozen
    class Thing:
        """One."""

        size: int

    first, schemas = Thing, Schemas()

    @frozen
    class Thing:  # type: ignore[no-redef]
        """Another."""

        name: str

    schemas.of(first)
    with pytest.raises(SameName, match="Thing"):
        schemas.of(Thing)


def test_rules_hold_for_a_value_that_may_be_null_too() -> None:
    @frozen
    class Named:
        """Something with a name."""

        name: str | None = field(default=None, validator=validators.optional(validators.max_len(3)))

    schemas = Schemas(Limits())
    schemas.of(Named)
    name = schemas.components["Named"]["properties"]["name"]
    assert {"type": "null"} in name["anyOf"]
    assert any(each.get("maxLength") == 3 for each in name["anyOf"])


def test_a_page_for_people_is_not_described(tmp_path: Any) -> None:
    described = describe([Route("GET", "/page", health, Action.ANYBODY)], Settings(data_dir=tmp_path))
    assert described["paths"] == {}
