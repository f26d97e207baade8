"""What changed between two sets of runs beyond the noise."""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from attrs import frozen

from benchmarks.figures import FIGURES
from benchmarks.medians import median, paired, spread
from benchmarks.results import Key, Results

#: Who has one run knows nothing of the noise: on a machine that does nothing else two runs may differ by as much.
UNKNOWN_NOISE = 0.25
#: Less is never called a change, however well the runs agree.
LEAST = 0.05


class Verdict(StrEnum):
    """What became of a figure."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "within the noise"


@frozen(kw_only=True)
class Change:
    """How a figure was, how it is, and what of the difference is more than noise."""

    key: Key
    before: float
    now: float
    #: The part by which the value differs, for instance 0.1 for 10 % more; with a baseline of the same run, the part by
    #: which the figure's relation to it differs.
    difference: float
    #: As much may be noise.
    noise: float
    #: Whether relations to baselines were compared.
    paired: bool
    verdict: Verdict


def changes(before: Results, now: Results) -> Iterator[Change]:
    """Every figure of the farm that both have; those of the machine are none of ours."""
    for key, values in now.values.items():
        if key in before.values and not FIGURES[key.name].of_machine:
            yield _change(key, before, now, before.values[key], values)


def _change(key: Key, before: Results, now: Results, then: Sequence[float], values: Sequence[float]) -> Change:
    relations = _relations(key, before, then), _relations(key, now, values)
    with_baselines = all(relations)
    old, new = relations if with_baselines else (then, values)
    difference, noise = relative_difference(old, new), relative_noise(old, new)
    return Change(
        key=key,
        before=median(then),
        now=median(values),
        difference=difference,
        noise=noise,
        paired=with_baselines,
        verdict=verdict(difference, noise, more_is_better=FIGURES[key.name].more_is_better),
    )


def relative_difference(old: Sequence[float], new: Sequence[float]) -> float:
    """The part by which the medians differ."""
    middle = median(old)
    return (median(new) - middle) / middle if middle else 0.0


def relative_noise(old: Sequence[float], new: Sequence[float]) -> float:
    """The part that may be noise: what the runs of both sides differ among themselves."""
    if min(len(old), len(new)) == 1:
        return UNKNOWN_NOISE
    middle = median(old)
    return max(LEAST, (spread(old) + spread(new)) / middle) if middle else LEAST


def verdict(difference: float, noise: float, *, more_is_better: bool) -> Verdict:
    """What to call a difference."""
    if abs(difference) <= noise:
        return Verdict.SAME
    return Verdict.BETTER if (difference > 0) == more_is_better else Verdict.WORSE


def _relations(key: Key, results: Results, values: Sequence[float]) -> list[float]:
    for name in FIGURES[key.name].beside[:1]:
        if baselines := results.baseline(name, key.on):
            return paired(values, baselines)
    return []
