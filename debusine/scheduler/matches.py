"""Which demands a worker can run, remembered for as long as neither changes."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping

import orjson

from debusine.domain.demands import Demand
from debusine.domain.workers import Worker
from debusine.services.matching import verdict
from debusine.services.submissions import Tasks

#: Verdicts remembered at most.
CAPACITY = 100_000


class Matches:
    """Remembers verdicts by the digests of the worker's metadata and of the demand."""

    def __init__(self, tasks: Tasks, capacity: int = CAPACITY) -> None:
        self.tasks = tasks
        self.capacity = capacity
        self._verdicts: OrderedDict[tuple[bytes, str], bool] = OrderedDict()

    def runnable(self, worker: Worker, demands: Mapping[int, str]) -> frozenset[int]:
        """Those of the demands (id → canonical text) that the worker can run."""
        metadata = worker.metadata()
        digest = hashlib.sha256(orjson.dumps(metadata, option=orjson.OPT_SORT_KEYS)).digest()
        return frozenset(id_ for id_, canonical in demands.items() if self._fits(metadata, digest, canonical))

    def _fits(self, metadata: Mapping[str, object], digest: bytes, canonical: str) -> bool:
        key = (digest, canonical)
        if key not in self._verdicts:
            self._verdicts[key] = verdict(self.tasks, metadata, Demand.from_canonical(canonical)).fits
            if len(self._verdicts) > self.capacity:
                self._verdicts.popitem(last=False)
        return self._verdicts[key]
