"""Waiting: a work request is followed to its end, politely."""

import asyncio
import time
from collections.abc import AsyncIterator

from rich.text import Text

from debusine.cli.client.progress import shown_status
from debusine.cli.client.session import Session
from debusine.client import Busy, Unreachable
from debusine.domain.times import now
from debusine.domain.work_requests import Status
from debusine.protocol.resources import WorkRequestResource

FINISHED = {Status.COMPLETED, Status.ABORTED}

#: Seconds between two questions: short for a short wait, longer when it lasts.
SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
#: The pause is this part of the time waited so far.
SHARE = 0.05
#: Seconds that the server may be away while somebody waits.
PATIENCE = 300.0


async def wait_for(session: Session, work_request: WorkRequestResource) -> WorkRequestResource:
    """Ask until a work request has ended, with a live line of its state; the work goes on when this is interrupted."""
    with shown_status(session, state(work_request)) as status:
        try:
            async for latest in _looks_at(session, work_request):
                work_request = latest
                if status is not None:
                    status.update(Text(state(latest)))
        except asyncio.CancelledError:
            session.tell(f"The work goes on; see 'debusine show-work-request {work_request.id}'.")
            raise
    session.tell(state(work_request))
    return work_request


async def _looks_at(session: Session, work_request: WorkRequestResource) -> AsyncIterator[WorkRequestResource]:
    started = heard = time.monotonic()
    while work_request.status not in FINISHED:
        await asyncio.sleep(pause_after(time.monotonic() - started))
        try:
            work_request, heard = await session.client.get_work_request(work_request.id), time.monotonic()
        except (Unreachable, Busy):
            if time.monotonic() - heard > PATIENCE:
                raise
        yield work_request


def pause_after(waited: float) -> float:
    """Seconds to let pass before the next question."""
    return min(max(SHORTEST_PAUSE, SHARE * waited), LONGEST_PAUSE)


def state(work_request: WorkRequestResource) -> str:
    """One line on how a work request is."""
    return f"Work request {work_request.id} ({work_request.task_name}): {_state(work_request)}"


def _state(work_request: WorkRequestResource) -> str:
    if work_request.status == Status.COMPLETED:
        return f"{work_request.result}{_lasted(work_request)}"
    if work_request.status == Status.RUNNING and work_request.started_at is not None:
        seconds = max(0.0, (now() - work_request.started_at).total_seconds())
        return f"running on worker {work_request.worker} for {seconds:.0f} s"
    if work_request.status == Status.PENDING and work_request.worker is None:
        return "pending: it waits for a worker that can run it"
    return work_request.status


def _lasted(work_request: WorkRequestResource) -> str:
    return "" if work_request.duration is None else f" after {work_request.duration:.0f} s"
