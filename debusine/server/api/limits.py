"""The limits, for clients that want to know before they ask."""

from aiohttp import web
from attrs import asdict

from debusine.server.answers import json_answer
from debusine.server.keys import SETTINGS


async def get_limits(request: web.Request) -> web.Response:
    """Answer with every limit, by its name in the configuration."""
    return json_answer(asdict(request.app[SETTINGS].limits))
