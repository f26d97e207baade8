"""Answers: JSON, problems, and whatever a balancer may say instead."""

import asyncio
import json
from http.client import responses
from typing import Any, NoReturn, TypeVar

import aiohttp
from attrs import frozen

from debusine.client.errors import InvalidAnswer, refusal
from debusine.converter.json import InvalidJSON, loads
from debusine.converter.structure import InvalidFields, structure
from debusine.protocol.problems import CONTENT_TYPE, Problem

T = TypeVar("T")

#: Bodies of more bytes are parsed in a thread.
LARGE = 1 << 16
#: Bytes of an error's body that are looked at.
MOST_OF_AN_ERROR = 1 << 20


@frozen
class Answer:
    """A good answer: its status, and its JSON (None: it has no body)."""

    url: str
    status: int
    value: Any

    def into(self, type_: type[T]) -> T:
        """The value as a class; keys of a newer server are ignored."""
        try:
            return structure(self.value, type_, lenient=True)
        except InvalidFields as error:
            raise InvalidAnswer(self.url, str(error)) from error


async def read_answer(response: aiohttp.ClientResponse) -> Answer:
    """Read an answer to its end."""
    if _media_type(response) == CONTENT_TYPE:
        await refuse(response)
    body = await response.read()
    if not body:
        return Answer(str(response.url), response.status, None)
    try:
        value = await asyncio.to_thread(loads, body) if len(body) > LARGE else loads(body)
    except InvalidJSON as error:
        raise InvalidAnswer(str(response.url), error.detail or error.title) from error
    return Answer(str(response.url), response.status, value)


async def refuse(response: aiohttp.ClientResponse) -> NoReturn:
    """Raise what an answer that is not a good one means."""
    problem = _problem(await response.content.read(MOST_OF_AN_ERROR)) if _speaks_json(response) else None
    asked = f"{response.method} {response.url}"
    raise refusal(response.status, problem or _bare(response, asked), asked, _retry_after(response))


def _media_type(response: aiohttp.ClientResponse) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _speaks_json(response: aiohttp.ClientResponse) -> bool:
    return _media_type(response) in {CONTENT_TYPE, "application/json"}


def _problem(body: bytes) -> Problem | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("title"), str):
        return None
    detail, errors = value.get("detail"), value.get("validation_errors")
    return Problem(value["title"], None if detail is None else str(detail), _by_field(errors))


def _by_field(errors: object) -> dict[str, list[str]] | None:
    if not isinstance(errors, dict):
        return None
    return {field: [str(item) for item in _list(told)] for field, told in errors.items()}


def _list(told: Any) -> list[Any]:
    return told if isinstance(told, list) else [told]


def _bare(response: aiohttp.ClientResponse, asked: str) -> Problem:
    phrase = responses.get(response.status, response.reason or "")
    moved = f", which moved to {place}" if (place := response.headers.get("Location")) else ""
    return Problem(f"The server answered {response.status} {phrase}".rstrip(), asked + moved)


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else None
