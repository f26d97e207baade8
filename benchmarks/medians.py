"""Several runs of one figure: what is in the middle, and how far they lie apart."""

import statistics
from collections.abc import Sequence

#: From so many runs on, the lowest and the highest one count as accidents.
MANY = 5


def median(values: Sequence[float]) -> float:
    """The one in the middle."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> float:
    """Half of the distance between the lowest and the highest; of many runs without these two. 0 for one run."""
    kept = sorted(values)[1:-1] if len(values) >= MANY else sorted(values)
    return (kept[-1] - kept[0]) / 2


def paired(values: Sequence[float], baselines: Sequence[float]) -> list[float]:
    """How many times its baseline each run's figure is; what the machine did to both of a run falls out."""
    return [value / baseline for value, baseline in zip(values, baselines, strict=False) if baseline]
