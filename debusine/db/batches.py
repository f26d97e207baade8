"""Long lists in pieces: databases bound the number of parameters of a statement."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

BATCH = 500


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """The values in lists of at most ``BATCH``."""
    remaining = iter(values)
    while batch := list(islice(remaining, BATCH)):
        yield batch
