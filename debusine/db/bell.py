"""The bell between servers on one PostgreSQL: after a commit the others hear that there is something to see."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

import sqlalchemy as sa

log = logging.getLogger(__name__)

CHANNEL = "debusine"
_NOTIFY = sa.text(f"NOTIFY {CHANNEL}")
#: Seconds that a ring waits for others, to be one with them: a NOTIFY for each of a thousand commits a second would
#: slow them all, and one at once takes the processor from what follows a commit here, as an assignment a creation.
PAUSE = 0.01
#: Seconds before a lost connection is tried again.
RETRY = 1.0
#: Seconds after which the listener looks whether it is to end, should the closing ring be lost.
LISTEN_TIMEOUT = 5.0


class Bell:
    """Rings for the other servers, and calls ``heard`` (in a thread of its own) when one of them rings.

    A ring carries nothing and may be lost: it only saves waiting for the next sweep. It never stands in the
    transaction that it tells of, which would halve the rate of commits.
    """

    def __init__(self, engine: sa.Engine, heard: Callable[[], None]) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._heard = heard
        self._rung = threading.Event()
        self._closed = threading.Event()
        #: The ringing connection's process on the server, by which its own rings are known.
        self._own = 0
        self._threads = [
            threading.Thread(target=self._until_closed, args=(part,), name=name, daemon=True)
            for part, name in ((self._listen, "bell-listener"), (self._ring_when_asked, "bell-ringer"))
        ]
        for thread in self._threads:
            thread.start()

    def ring(self) -> None:
        """Have the others told soon; returns at once."""
        self._rung.set()

    def close(self) -> None:
        """End both threads."""
        self._closed.set()
        self._rung.set()
        for thread in reversed(self._threads):  # the ringer's last ring wakes our listener
            thread.join()

    def _until_closed(self, part: Callable[[sa.Connection], None]) -> None:
        while not self._closed.is_set():
            try:
                with self._engine.connect() as connection:
                    part(connection)
            except sa.exc.DBAPIError as error:
                log.warning("The bell between servers is out of order, the sweep goes on: %s", error.orig)
                self._closed.wait(RETRY)

    def _ring_when_asked(self, connection: sa.Connection) -> None:
        self._own = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        while not self._closed.is_set():
            self._rung.wait()
            self._closed.wait(PAUSE)
            self._rung.clear()
            connection.execute(_NOTIFY)
        connection.execute(_NOTIFY)

    def _listen(self, connection: sa.Connection) -> None:
        raw = connection.connection.driver_connection
        assert raw is not None
        connection.execute(sa.text(f"LISTEN {CHANNEL}"))
        self._heard()  # something may have happened while nobody listened
        while not self._closed.is_set():
            with suppress(TimeoutError):
                for notice in raw.notifies(timeout=LISTEN_TIMEOUT, stop_after=1):
                    if notice.pid != self._own:
                        self._heard()
