"""How much is in a JSON text, told before it is parsed: values cost far more memory and time than their bytes."""

from collections.abc import Iterator

#: Each of these begins a value, or stands between two.
MARKS = (b",", b"[", b"{")

#: Bytes of JSON, about, that are written while others wait; each value counts as so many more.
LARGE, VALUE = 256 << 10, 64

#: Bytes that are looked at in one go: between two looks other threads may run.
PIECE = 1 << 20


def holds_more_values(text: bytes, limit: int) -> bool:
    """Whether a text, if it is JSON, has more values than the limit; exact to the few that are empty."""
    whole = len(text)
    if not _more((piece for piece in _pieces(0, whole)), text, limit):
        return False  # even with those marks that stand in strings
    if text.count(b'"') > 8 * limit:
        return True
    return _more((piece for part in _outside_strings(text) for piece in _pieces(*part)), text, limit)


def is_large(value: object) -> bool:
    """Whether writing a JSON value would take so long that others should not wait for it."""
    left, waiting = LARGE, [value]
    while waiting:
        found = waiting.pop()
        left -= VALUE
        if isinstance(found, str):
            left -= len(found)
        elif isinstance(found, dict):
            left -= VALUE * len(found)
            waiting.extend(found.values() if left > 0 else ())
        elif isinstance(found, list):
            left -= VALUE * len(found)
            waiting.extend(found if left > 0 else ())
        if left < 0:
            return True
    return False


def _more(parts: Iterator[tuple[int, int]], text: bytes, limit: int) -> bool:
    values = 1
    for start, stop in parts:
        values += sum(text.count(mark, start, stop) for mark in MARKS)
        if values > limit:
            return True
    return False


def _pieces(start: int, stop: int) -> Iterator[tuple[int, int]]:
    for begin in range(start, stop, PIECE):
        yield begin, min(begin + PIECE, stop)


def _outside_strings(text: bytes) -> Iterator[tuple[int, int]]:
    position = 0
    while (opening := text.find(b'"', position)) >= 0:
        yield position, opening
        position = _end_of_string(text, opening + 1)
    yield position, len(text)


def _end_of_string(text: bytes, start: int) -> int:
    position = start
    while (quote := text.find(b'"', position)) >= 0:
        before = text[position:quote]
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            return quote + 1
        position = quote + 1
    return len(text)
