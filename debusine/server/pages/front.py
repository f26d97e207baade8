"""The front page: what answers here, and how one gets in."""

from aiohttp import web

from debusine.server.health import VERSION
from debusine.server.pages.layout import page
from debusine.server.pages.markup import element, facts
from debusine.server.urls import urls


async def front_page(request: web.Request) -> web.Response:
    """Say what this is."""
    known = urls(request)
    words = "A build and QA farm for Debian packages. It is used by the command debusine and by its API."
    told = (
        ("API", element("code", f"{known.base}/api")),
        ("Scope", element("code", known.scope)),
        ("Version", VERSION),
        ("A token", "from whoever runs this server"),
    )
    return page("debusine", element("p", words), facts(told))
