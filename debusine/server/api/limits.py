"""The limits, for clients that want to know before they ask."""

from aiohttp import web
from attrs import asdict, frozen

from debusine.config import Limits
from debusine.domain.files import COMPONENT_BYTES, PATH_CHARACTERS
from debusine.domain.work_requests import DEFAULT_TIMEOUT, LOG_LIMIT, MAX_ATTEMPTS, MAX_TIMEOUT
from debusine.server.answers import json_answer
from debusine.server.json_bodies import INLINE
from debusine.server.keys import SETTINGS


@frozen(kw_only=True)
class AnnouncedLimits(Limits):
    """Every limit by its name in the configuration, and those that no configuration changes."""

    #: Characters of a file's path in an artifact, and bytes of one of its components.
    path: int = PATH_CHARACTERS
    path_component: int = COMPONENT_BYTES
    #: Bytes of a worker's registration, which anybody may send; less where ``json_body`` is less.
    registration: int = INLINE
    #: Seconds that an attempt may run when the submitter does not say, and the most that one may say.
    run_time: int = DEFAULT_TIMEOUT
    max_run_time: int = MAX_TIMEOUT
    #: Times that a work request is given to a worker which is then lost.
    attempts: int = MAX_ATTEMPTS
    #: Bytes of each of an attempt's logs that our worker keeps: the beginning and the end.
    log: int = LOG_LIMIT
    #: Seconds of silence after which a websocket is closed.
    silence: float


async def get_limits(request: web.Request) -> web.Response:
    """List every limit: bytes and seconds, and numbers of things."""
    limits = request.app[SETTINGS].limits
    return json_answer(AnnouncedLimits(**asdict(limits), silence=limits.heartbeat * 1.5))
