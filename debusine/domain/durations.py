"""Spans of time as people and programs write them."""

import re
from datetime import timedelta

from debusine.domain.errors import Invalid

# Years and months are no fixed spans.
_ISO_8601 = re.compile(
    r"P(?:(?P<weeks>\d{1,6})W|(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,6})?)S)?)?)",
    re.ASCII,
)
_SECONDS = re.compile(r"\d{1,12}", re.ASCII)


class InvalidDuration(Invalid):
    """A text is not a span of time."""

    def __init__(self, text: str) -> None:
        super().__init__("This must be a duration in ISO 8601 such as P30D or PT12H, or a number of seconds.")
        self.text = text


def parse_duration(value: str | int) -> timedelta:
    """Read an ISO 8601 duration (weeks, days, hours, minutes, seconds) or a number of seconds; never negative."""
    text = str(value)
    if _SECONDS.fullmatch(text):
        return _span(text, seconds=float(text))
    match = _ISO_8601.fullmatch(text)
    if match is None or not any(match.groupdict().values()):
        raise InvalidDuration(text)
    return _span(text, **{unit: float(number) for unit, number in match.groupdict().items() if number})


def _span(text: str, **units: float) -> timedelta:
    try:
        return timedelta(**units)
    except OverflowError as error:
        raise InvalidDuration(text) from error
