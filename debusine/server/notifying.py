"""The notifications of one server process."""

from collections.abc import AsyncIterator

from aiohttp import web

from debusine.server.keys import BACKGROUND, DATABASE, METHODS, SENDER, SERVER, SETTINGS
from debusine.server.sender import Sender, close_all
from debusine.server.urls import Urls
from debusine.services.outbox import Claimed


async def sending_notifications(app: web.Application) -> AsyncIterator[None]:
    """Have an application send what waits in the outbox (a ``cleanup_ctx``)."""
    methods, settings = app[METHODS], app[SETTINGS]
    opened = methods.open()

    def url(claimed: Claimed) -> str | None:
        if settings.public_url is None:
            return None
        known = Urls(settings.public_url.rstrip("/"), settings.scope)
        return known.work_request(claimed.workspace, claimed.work_request.id)

    app[SENDER] = sender = Sender(
        app[DATABASE], methods, opened, app[BACKGROUND], server=app[SERVER], limits=settings.limits, url=url
    )
    app[BACKGROUND].start("sender", sender.run())
    yield
    await close_all(opened)


async def stop_sending(app: web.Application) -> None:
    """Begin nothing more (``on_shutdown``)."""
    app[SENDER].stop()
