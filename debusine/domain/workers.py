"""Workers: machines that take work, and what they can do."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import evolve, field, frozen

from debusine.domain.times import aware

#: Leaves room in the column for the number of a namesake.
NAME_LENGTH = 240


@frozen(kw_only=True)
class Worker:
    """A machine that takes work requests, one at a time."""

    id: int
    name: str
    registered_at: datetime = field(validator=aware)
    #: None: not connected.
    connected_at: datetime | None = field(default=None, validator=aware)
    #: The id of the server process that holds its socket.
    server: int | None = None
    #: How often it has connected; what concerns an older socket is told by an older number.
    connection: int = 0
    #: What the operator says of it.
    static_metadata: Mapping[str, Any] = field(factory=dict)
    #: What it says of itself.
    dynamic_metadata: Mapping[str, Any] = field(factory=dict)
    dynamic_metadata_updated_at: datetime | None = field(default=None, validator=aware)
    #: The token's id; None: it has lost its credentials.
    token: int | None = None

    def connected(self) -> bool:
        """Whether some server holds its socket."""
        return self.connected_at is not None

    def mark_connected(self, *, at: datetime, server: int) -> "Worker":
        """A server process holds its newest socket."""
        return evolve(self, connected_at=at, server=server, connection=self.connection + 1)

    def mark_disconnected(self) -> "Worker":
        """Nobody holds its socket."""
        return evolve(self, connected_at=None, server=None)

    def metadata(self) -> dict[str, Any]:
        """All that is known of it; what the operator says wins."""
        return {**self.dynamic_metadata, **self.static_metadata}

    def set_dynamic_metadata(self, metadata: Mapping[str, Any], *, at: datetime) -> "Worker":
        """The worker told what it can do."""
        return evolve(self, dynamic_metadata=metadata, dynamic_metadata_updated_at=at)


def name_from_fqdn(fqdn: str) -> str:
    """A worker's name: its domain name as a slug, dots as dashes."""
    return re.sub(r"[^a-z0-9]+", "-", fqdn.lower())[:NAME_LENGTH].strip("-") or "worker"
