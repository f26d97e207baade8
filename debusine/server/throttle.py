"""The throttle: who tries keys that do not exist is slowed down; whoever has a good one is never refused."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network

from aiohttp import web
from attrs import define

from debusine.domain.errors import TooMany
from debusine.server.addresses import Address, Network

#: Seconds for which failures count.
WINDOW = 60.0
#: Addresses that are remembered; when there are more, those are forgotten that were quiet for longest.
ADDRESSES = 10_000
#: Who has an address of IPv6 has at least all of its network of this size.
PREFIX = 64


class TooManyUnknownKeys(TooMany):
    """Too many wrong credentials came from an address (429)."""

    def __init__(self, limit: int, retry_after: int) -> None:
        super().__init__(
            "Too many unknown tokens came from your address",
            detail=f"At most {limit} a minute are looked at; a token that is valid is never refused",
        )
        self.retry_after = retry_after


@define
class Failures:
    """What went wrong from one address since a moment."""

    since: float
    count: int = 0


class Throttle:
    """Counts wrong credentials for each address, in bounded memory."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic, addresses: int = ADDRESSES) -> None:
        self._limit = limit
        self._clock = clock
        self._addresses = addresses
        self._failures: OrderedDict[Address | Network | None, Failures] = OrderedDict()

    def fail(self, address: Address | None) -> None:
        """Count a failure; ``TooManyUnknownKeys`` when the address has had its share of this minute."""
        place, now = _place(address), self._clock()
        found = self._failures.pop(place, None)
        if found is None or now - found.since >= WINDOW:
            found = Failures(since=now)
        self._failures[place] = found
        if len(self._failures) > self._addresses:
            self._failures.popitem(last=False)
        found.count += 1
        if found.count > self._limit:
            raise TooManyUnknownKeys(self._limit, math.ceil(found.since + WINDOW - now))

    def __len__(self) -> int:
        return len(self._failures)


def _place(address: Address | None) -> Address | Network | None:
    return ip_network((address, PREFIX), strict=False) if isinstance(address, IPv6Address) else address


THROTTLE = web.AppKey("throttle", Throttle)
