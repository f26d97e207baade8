"""Turns: of several requests that write one thing, the newest wins and the others are told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from attrs import define, field

from debusine.domain.errors import Conflict

T = TypeVar("T")


class Overtaken(Conflict):
    """A newer request writes the same file."""

    def __init__(self) -> None:
        super().__init__("A newer request sends the same file", detail="Only the newest one goes on")


@define(eq=False)
class Turn:
    """The right of one request to write, until a newer one asks for it."""

    #: Whether somebody else wrote since this one began to look.
    late: bool = False
    _overtaken: bool = False
    _reading: asyncio.Timeout | None = None

    async def unless_overtaken(self, wait: Callable[[], Awaitable[T]]) -> T:
        """Wait for what may be given up at any time; ``Overtaken`` as soon as a newer request comes."""
        self.check()
        try:
            async with asyncio.timeout(None) as self._reading:
                return await wait()
        except TimeoutError:
            self.check()
            raise
        finally:
            self._reading = None

    def check(self) -> None:
        """Raise ``Overtaken`` when a newer request has come."""
        if self._overtaken:
            raise Overtaken

    def give_way(self) -> None:
        """A newer request has come."""
        told, self._overtaken = self._overtaken, True
        if self._reading is not None and not told:
            self._reading.reschedule(asyncio.get_running_loop().time())


@define(eq=False)
class Place:
    """One thing that requests look at and write, while there are any."""

    lock: asyncio.Lock = field(factory=asyncio.Lock)
    requests: list[Turn] = field(factory=list)
    watchers: int = 0
    #: How many turns have ended.
    ended: int = 0


@define(eq=False)
class Watch:
    """One request that looks at a thing and may write it afterwards."""

    _place: Place
    #: How many turns had ended when it began to look.
    _ended: int

    @asynccontextmanager
    async def take_turn(self) -> AsyncIterator[Turn]:
        """Ask all others to give way, wait until none of them writes any more, then write."""
        place, turn = self._place, Turn()
        for other in place.requests:
            other.give_way()
        place.requests.append(turn)
        try:
            async with place.lock:
                turn.check()
                turn.late = place.ended != self._ended
                try:
                    yield turn
                finally:
                    place.ended += 1
        finally:
            place.requests.remove(turn)


@define(eq=False)
class Turns:
    """Who writes what in this process, by the thing's name."""

    _places: dict[Hashable, Place] = field(factory=dict)

    def busy(self, thing: Hashable) -> bool:
        """Whether any request looks at a thing or writes it."""
        return thing in self._places

    @contextmanager
    def watch(self, thing: Hashable) -> Iterator[Watch]:
        """Begin to look at a thing: whoever writes it from now on is noticed by the turn."""
        place = self._places.setdefault(thing, Place())
        place.watchers += 1
        try:
            yield Watch(place, place.ended)
        finally:
            place.watchers -= 1
            if not place.watchers:
                del self._places[thing]
