"""Traffic: what was asked of this process, counted as it goes."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from attrs import Factory, define, field

#: Seconds; the goals of the design lie between 4 ms and a second, uploads take longer.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@define
class Durations:
    """A histogram of seconds."""

    bounds: Sequence[float] = BOUNDS
    total: float = 0.0
    #: How many were at most as long as each bound and longer than the one before; the last ones were longer than all.
    counts: list[int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def copy(self) -> "Durations":
        """As it is now."""
        copied = Durations(self.bounds, self.total)
        copied.counts[:] = self.counts
        return copied

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus wants them: up to each bound, all that were shorter."""
        cumulated, result = 0, []
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            cumulated += count
            result.append((bound, float(cumulated)))
        return result


@define
class Traffic:
    """What was asked; all names are those of routes and methods that the server has, never what somebody sent."""

    #: (route, method, status) → how many were answered.
    answered: Counter[tuple[str, str, int]] = Factory(Counter)
    #: (route, method) → how long they took.
    durations: dict[tuple[str, str], Durations] = Factory(dict)
    #: Requests that are being served.
    in_flight: int = 0
    #: Route → websockets that are open.
    sockets: Counter[str] = Factory(Counter)
    #: Bytes of bodies that came in.
    received: int = 0
    #: Bytes of answers that went out.
    sent: int = 0
    #: How long the scheduler's passes took.
    passes: Durations = Factory(Durations)

    def answer(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self.answered[route, method, status] += 1
        if (found := self.durations.get((route, method))) is None:
            found = self.durations[route, method] = Durations()
        found.add(seconds)

    def copy(self) -> "Traffic":
        """As it is now, for a thread to look at."""
        return Traffic(
            answered=Counter(self.answered),
            durations={key: each.copy() for key, each in self.durations.items()},
            in_flight=self.in_flight,
            sockets=Counter(self.sockets),
            received=self.received,
            sent=self.sent,
            passes=self.passes.copy(),
        )
