"""The API's description as a contract: every answer that tests receive is compared with what it says."""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import orjson
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from debusine.config import Limits, Settings
from debusine.server.openapi import describe
from debusine.server.route import Route, path_of
from debusine.server.routes import ROUTES

DESCRIPTION = "urn:description"


class BrokenContract(AssertionError):
    """The server answered in a way that its description does not tell of."""

    def __init__(self, method: str, path: str, status: int, why: str) -> None:
        super().__init__(f"{method} {path} was answered by {status}, and the API's description differs: {why}")


def check_answer(
    settings: Settings, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    """Raise ``BrokenContract`` unless a described route may answer like this."""
    found = _route(path.partition("?")[0], method)
    if found is None or status == 405 or not headers.get("Server", "").startswith("debusine"):
        return  # a page, no route at all, or refused by the HTTP parser itself
    why = _difference(contract(settings), found, status, headers, b"" if method == "HEAD" else body)
    if why is not None:
        raise BrokenContract(method, path, status, why)


def contract(settings: Settings) -> "Contract":
    """What a server with these settings promises."""
    return _contract(settings.limits, settings.scope)


class Contract:
    """A description, ready to compare with."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self.description = description
        resource = DRAFT202012.create_resource(dict(description))
        self._registry: Registry[Any] = Registry().with_resource(DESCRIPTION, resource)

    def operation(self, route: Route) -> Mapping[str, Any]:
        """What is said of a route."""
        operation: Mapping[str, Any] = self.description["paths"][path_of(route)][route.method.lower()]
        return operation

    def errors(self, schema: Mapping[str, Any], value: object) -> list[str]:
        """How a value differs from a schema of the description."""
        absolute = orjson.loads(orjson.dumps(schema).replace(b'"#/', f'"{DESCRIPTION}#/'.encode()))
        validator = Draft202012Validator(absolute, registry=self._registry, format_checker=FormatChecker())
        return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]


@lru_cache(maxsize=8)
def _contract(limits: Limits, scope: str) -> Contract:
    # Made of nothing else, so that two servers with the same of these make the same promises.
    settings = Settings(data_dir=Path(), limits=limits, scope=scope)
    return Contract(orjson.loads(orjson.dumps(describe(ROUTES, settings))))


def _difference(contract: Contract, route: Route, status: int, headers: Mapping[str, str], body: bytes) -> str | None:
    responses = contract.operation(route)["responses"]
    if str(status) not in responses:
        return f"it lists {', '.join(responses)}"
    response = responses[str(status)]
    if "$ref" in response:
        response = contract.description["components"]["responses"][response["$ref"].rpartition("/")[2]]
    missing = [name for name, each in response["headers"].items() if each["required"] and name not in headers]
    if missing:
        return f"the answer has no {', '.join(missing)}"
    return _difference_of_body(contract, response.get("content", {}), headers, body)


def _difference_of_body(
    contract: Contract, content: Mapping[str, Any], headers: Mapping[str, str], body: bytes
) -> str | None:
    if not body or "*/*" in content:
        return None
    kind = headers.get("Content-Type", "").partition(";")[0]
    if kind not in content:
        return f"it lists {', '.join(content) or 'no body'}, the answer is {kind}"
    errors = contract.errors(content[kind]["schema"], orjson.loads(body)) if kind.endswith("json") else []
    return "; ".join(errors) or None


def _route(path: str, method: str) -> Route | None:
    method = "GET" if method == "HEAD" else method
    matching = (route for route, pattern in _patterns() if route.method == method and pattern.fullmatch(path))
    return next(matching, None)


@cache
def _patterns() -> list[tuple[Route, re.Pattern[str]]]:
    # A plain path comes first, as in aiohttp: get-next-for-worker is no id.
    described = sorted((route for route in ROUTES if route.described), key=lambda route: route.path.count("{"))
    return [(route, re.compile(_pattern(path_of(route)))) for route in described]


def _pattern(path: str) -> str:
    return re.sub(r"\\\{(\w+)\\\}", lambda part: ".+?" if part[1] == "path" else "[^/]+", re.escape(path))
