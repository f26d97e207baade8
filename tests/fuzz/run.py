"""Runs: many cases against one server, and what was found."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from attrs import Factory, define

from tests.fuzz.frames import frames, opening
from tests.fuzz.mutations import mangled, mutated, written
from tests.fuzz.requests import Request, corpus, socket_paths
from tests.fuzz.talk import say
from tests.fuzz.target import Target

#: Cases under way at the same time.
TOGETHER = 4


@define
class Findings:
    """What a run found."""

    seed: int
    cases: int = 0
    statuses: Counter[int] = Factory(Counter)
    #: (number of the case, what was wrong, what was sent)
    complaints: list[tuple[int, str, bytes]] = Factory(list)


class Fuzzer:
    """Makes cases, each from the seed and its number alone, so that one can be repeated by itself."""

    def __init__(self, target: Target, seed: int) -> None:
        self.target = target
        self.findings = Findings(seed)
        self._requests: Sequence[Request] = corpus(target)
        self._sockets = socket_paths(target)

    def case(self, number: int) -> tuple[bytes, Random]:
        """The bytes of a case, and the random source for the manner in which they are said."""
        random = Random(f"{self.findings.seed}/{number}")
        if random.random() < 0.15:
            path = random.choice(self._sockets)
            return mangled(opening(path, self.target, random), random) + frames(random), random
        request = mutated(random.choice(self._requests), random, self.target.keys)
        return mangled(written(request, random), random), random

    async def run(self, *, seconds: float, cases: int | None = None) -> Findings:
        """Say cases until the time is over, or so many were said."""
        end = time.monotonic() + seconds

        def more() -> bool:
            return time.monotonic() < end and (cases is None or self.findings.cases < cases)

        await asyncio.gather(*(self._work(more) for _ in range(TOGETHER)))
        return self.findings

    async def _work(self, more: Callable[[], bool]) -> None:
        while more():
            self.findings.cases += 1
            await self.say(self.findings.cases)

    async def say(self, number: int) -> None:
        """Say one case, and note what came of it."""
        raw, random = self.case(number)
        said = await say(self.target, raw, random)
        self.findings.statuses.update(said.statuses or (0,))
        if said.complaint:
            self.findings.complaints.append((number, said.complaint, raw[:600]))


def problems_of(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What the watch inside the server has to say against a run."""
    found = [f"logged: {text}" for text in after["errors"]]
    for what in ("longest_own", "longest_others"):
        if after[what] > 0.1:
            found.append(f"the loop stalled for {after[what]} s ({what}):\n{after['stacks']}")
    for what, more in (("descriptors", 5), ("tasks", 3)):
        if after[what] > before[what] + more:
            found.append(f"{what}: {before[what]} before, {after[what]} after: {after['names']}")
    if after["used"] > before["used"] + 40:
        found.append(f"resident: {before['used']} MiB before, {after['used']} MiB after")
    return found
