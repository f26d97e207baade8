"""What a disk holds after a power cut: all that was flushed, and of the rest whatever chance has saved."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from random import Random

from attrs import field, frozen

from tests.disk import Disk, Flush, Mark, Write

#: Bytes of which a disk writes all or none.
SECTOR = 4096


@frozen
class Cut:
    """A disk after a power cut."""

    content: bytearray = field(repr=False)
    #: What was marked before.
    marks: tuple[str, ...]


def cuts_at_marks(disk: Disk) -> Iterator[Cut]:
    """The power fails right after each mark, and nothing is saved of what was not flushed."""
    moments = [count for count, event in enumerate(disk.events, 1) if isinstance(event, Mark)]
    return _cuts(disk, moments, lambda _: [])


def cuts_by_chance(disk: Disk, number: int, chance: Random) -> Iterator[Cut]:
    """The power fails at any moments from the first mark to the last, and any part is saved of what was not flushed."""
    marks = [count for count, event in enumerate(disk.events, 1) if isinstance(event, Mark)]
    moments = sorted(chance.randint(marks[0], marks[-1]) for _ in range(number))
    return _cuts(disk, moments, lambda pending: [_part(write, chance) for write in pending])


def _cuts(disk: Disk, moments: list[int], saved: Callable[[Sequence[Write]], list[Write]]) -> Iterator[Cut]:
    """The disk as it is after so many events each; ``saved`` chooses from what was written and not flushed."""
    flushed, pending, marks = bytearray(disk.before), list[Write](), list[str]()
    events, seen = iter(disk.events), 0
    for moment in moments:
        for event in islice(events, moment - seen):
            if isinstance(event, Write):
                pending.append(event)
            elif isinstance(event, Flush):
                _apply(pending, flushed)
                pending.clear()
            else:
                marks.append(event.what)
        seen = moment
        content = bytearray(flushed)
        _apply(saved(pending), content)
        yield Cut(content, tuple(marks))


def _apply(writes: Sequence[Write], content: bytearray) -> None:
    for write in writes:
        content[write.offset : write.offset + len(write.data)] = write.data


def _part(write: Write, chance: Random) -> Write:
    """All of it, or nothing, or a beginning."""
    size = chance.choice([0, len(write.data), chance.randrange(len(write.data)) // SECTOR * SECTOR])
    return Write(write.offset, write.data[:size])
