"""Spans of time are read as ISO 8601 or as seconds, and nothing is guessed."""

from datetime import timedelta

import pytest

from debusine.domain.durations import InvalidDuration, parse_duration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        (0, timedelta()),
        (90, timedelta(seconds=90)),
        ("90", timedelta(seconds=90)),
        ("P30D", timedelta(days=30)),
        ("P2W", timedelta(weeks=2)),
        ("PT12H", timedelta(hours=12)),
        ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("PT0S", timedelta()),
    ],
)
def test_durations_are_read(text: str | int, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1Y", "P1M", "1D", "P1H", "P-1D", "-5", -5, "P1D ", "P1W2D", "P1DT", "٣", "9" * 13]
)
def test_what_is_no_fixed_span_is_refused(text: str | int) -> None:
    with pytest.raises(InvalidDuration):
        parse_duration(text)
