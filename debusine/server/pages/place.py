"""The place of a page: its path names scope and workspace, and both must be right."""

from aiohttp import web

from debusine.domain.errors import NotFound
from debusine.server.keys import SETTINGS


class NoSuchPage(NotFound):
    """Nothing is at this path, or not for this subject."""

    def __init__(self) -> None:
        super().__init__("There is no such page")


def in_its_place(request: web.Request, workspace: str) -> None:
    """Refuse a path that names another scope or workspace than the thing is in."""
    if (request.match_info["scope"], request.match_info["workspace"]) != (request.app[SETTINGS].scope, workspace):
        raise NoSuchPage
