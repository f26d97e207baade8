"""The scheduler and the timers of one server process."""

from collections.abc import AsyncIterator

from aiohttp import web

from debusine.scheduler.dispatch import Dispatcher
from debusine.scheduler.loop import Scheduler
from debusine.scheduler.matches import Matches
from debusine.scheduler.timers import Timers
from debusine.server.keys import BACKGROUND, DATABASE, POLICY, SETTINGS, TASKS, TRAFFIC


async def assigning_work(app: web.Application) -> AsyncIterator[None]:
    """Have an application assign work to workers, and take it from those that are lost (a ``cleanup_ctx``)."""
    database, limits, tasks = app[DATABASE], app[SETTINGS].limits, app[TASKS]
    dispatcher = Dispatcher(tasks, app[POLICY], Matches(tasks))
    scheduler = Scheduler(database, dispatcher, interval=limits.sweep, measured=app[TRAFFIC].passes.add)
    app[BACKGROUND].start("scheduler", scheduler.run())
    app[BACKGROUND].start("timers", Timers(database, limits).run())
    yield
