"""The protocol's own HTTP headers."""

from collections.abc import Iterable

from debusine.domain.errors import Invalid

TOKEN = "Token"  # noqa: S105 - a header's name
SCOPE = "X-Debusine-Scope"
#: The number of the attempt about which a worker speaks; only workers of this project send it.
ATTEMPT = "X-Debusine-Attempt"
#: The attempts that a worker still runs, ``id/attempt,…``; may be empty; only workers of this project send it.
RUNNING = "X-Debusine-Running"

#: The largest number that the databases take for an attempt.
LAST_ATTEMPT = 2**31 - 1


class InvalidHeader(Invalid):
    """A header does not have the form that the protocol gives it."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(f"The header {name} is malformed", detail=f"got {value[:200]!r}")


def format_running(attempts: Iterable[tuple[int, int]]) -> str:
    """Write (work request, attempt) pairs into ``X-Debusine-Running``."""
    return ",".join(f"{work_request}/{attempt}" for work_request, attempt in attempts)


def parse_running(value: str | None) -> frozenset[tuple[int, int]] | None:
    """Read ``X-Debusine-Running``; None: the header is absent, so the worker is a foreign one."""
    if value is None:
        return None
    return frozenset(_pair(item, value) for item in value.split(",") if item.strip())


def parse_attempt(value: str | None) -> int | None:
    """Read ``X-Debusine-Attempt``; None: the header is absent."""
    if value is None:
        return None
    number = _number(value, ATTEMPT, value)
    if number > LAST_ATTEMPT:
        raise InvalidHeader(ATTEMPT, value)
    return number


def _pair(item: str, value: str) -> tuple[int, int]:
    work_request, slash, attempt = item.strip().partition("/")
    if not slash:
        raise InvalidHeader(RUNNING, value)
    return _number(work_request, RUNNING, value), _number(attempt, RUNNING, value)


def _number(text: str, name: str, value: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise InvalidHeader(name, value)
    return int(text)
