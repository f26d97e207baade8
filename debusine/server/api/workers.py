"""The API by which workers speak of themselves."""

from typing import Any

from aiohttp import web

from debusine.protocol.resources import WorkerRegistration
from debusine.server.answers import empty_answer
from debusine.server.json_limits import Bounds
from debusine.server.keys import DATABASE, SETTINGS
from debusine.server.requests import sent_key, structured, subject
from debusine.services import registrations, workers


async def register_worker(request: web.Request) -> web.Response:
    """Register a worker; the operator has to enable it, unless an activation token comes with it."""
    registration = await structured(request, WorkerRegistration)
    await request.app[DATABASE].write(registrations.register, registration, sent_key(request))
    return empty_answer(web.HTTPCreated.status_code)


async def set_dynamic_metadata(request: web.Request) -> web.Response:
    """Take down what a worker says of itself."""
    metadata: dict[str, Any] = await structured(request, dict[str, Any])
    limits = request.app[SETTINGS].limits
    Bounds(limits.json_keys, limits.metadata_array, limits.json_string).check(metadata)
    await request.app[DATABASE].write(workers.set_dynamic_metadata, subject(request), metadata)
    return empty_answer(web.HTTPNoContent.status_code)
