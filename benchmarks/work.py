"""Work requests."""

from benchmarks.measured import Measured, each, timed
from benchmarks.server import Server


async def create_work_requests(server: Server) -> list[Measured]:
    """Requests created, 16 at a time and alone; each is on the disk when it is answered."""
    return [
        Measured("work requests created, 16 at a time", await rate(server, count=2000, concurrency=16), "/s"),
        Measured("work requests created, one at a time", await rate(server, count=500, concurrency=1), "/s"),
    ]


async def rate(server: Server, *, count: int, concurrency: int) -> float:
    """Requests created in a second."""
    async with server.session() as session:

        async def create(_: int) -> None:
            body = {"task_name": "noop", "task_data": {"result": True}, "event_reactions": {}}
            async with session.post("/api/1.0/work-request/", json=body) as answer:
                assert answer.status == 200, await answer.text()

        with timed() as created:
            await each(create, count=count, concurrency=concurrency)
    return count / created.seconds
