"""Servers: the processes that share one database."""

from datetime import datetime, timedelta

from attrs import field, frozen

from debusine.domain.times import aware

#: Between two signs of life.
BEAT = timedelta(seconds=5)

#: A server without a sign of life for this long is dead.
DEAD_AFTER = timedelta(seconds=10)


@frozen(kw_only=True)
class Server:
    """A server process."""

    id: int
    #: Host, process and a random part.
    name: str
    started_at: datetime = field(validator=aware)
    #: Its last sign of life, by the database's clock.
    beat_at: datetime = field(validator=aware)
