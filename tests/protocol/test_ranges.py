"""Headers about parts of files survive a round trip, and no text breaks their readers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debusine.protocol.ranges import (
    ContentRange,
    InvalidContentRange,
    RangeNotSatisfiable,
    format_received,
    parse_range,
    parse_received,
)

SIZES = st.integers(min_value=0, max_value=10**15)


@given(start=SIZES, length=st.integers(min_value=1, max_value=10**9), after=SIZES, told=st.booleans())
def test_a_chunk_is_read_as_it_was_written(start: int, length: int, after: int, told: bool) -> None:
    chunk = ContentRange(start, start + length, start + length + after if told else None)
    assert ContentRange.parse(str(chunk)) == chunk
    assert not chunk.probe


@given(size=st.none() | SIZES)
def test_a_probe_is_read_as_it_was_written(size: int | None) -> None:
    probe = ContentRange(None, None, size)
    assert ContentRange.parse(str(probe)) == probe
    assert probe.probe


@given(text=st.text() | st.from_regex(r"bytes [0-9*/ -]{0,20}", fullmatch=True))
def test_no_text_breaks_the_reader_of_content_range(text: str) -> None:
    try:
        parsed = ContentRange.parse(text)
    except InvalidContentRange:
        return
    if parsed.start is not None and parsed.stop is not None:
        assert 0 <= parsed.start < parsed.stop
        assert parsed.size is None or parsed.stop <= parsed.size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bytes",
        "bytes 0-4",
        "bytes 4-3/10",
        "bytes 0-10/10",
        "bytes -1-4/10",
        "bytes 0-4/10, 5-9/10",
        "bytes=0-4/10",
        "items 0-4/10",
        "bytes 0-\N{ARABIC-INDIC DIGIT FOUR}/10",
        "bytes 0-99999999999999999999/999999999999999999999",
    ],
)
def test_a_content_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidContentRange):
        ContentRange.parse(text)


def test_the_end_of_a_content_range_is_inclusive() -> None:
    assert ContentRange.parse("bytes 0-52428799/125829120") == ContentRange(0, 52428800, 125829120)
    assert ContentRange.parse("bytes */120") == ContentRange(None, None, 120)
    assert ContentRange.parse("bytes */*") == ContentRange(None, None, None)


@given(received=SIZES)
def test_what_was_received_is_read_as_it_was_written(received: int) -> None:
    assert parse_received(format_received(received)) == received


@given(text=st.none() | st.text())
def test_no_text_breaks_the_reader_of_what_was_received(text: str | None) -> None:
    received = parse_received(text)
    assert received is None or received >= 0


@pytest.mark.parametrize("text", [None, "", "bytes 0-5", "bytes=5", "0-5", "bytes=0-5/10"])
def test_what_does_not_say_how_much_was_received_is_none(text: str | None) -> None:
    assert parse_received(text) is None


@given(
    size=st.integers(min_value=0, max_value=50),
    first=st.integers(min_value=0, max_value=60),
    last=st.integers(min_value=0, max_value=60),
    form=st.sampled_from(["{first}-{last}", "{first}-", "-{last}"]),
)
def test_a_download_range_means_what_http_says(size: int, first: int, last: int, form: str) -> None:
    content = bytes(range(size))
    expected = {
        "{first}-{last}": content[first : last + 1],
        "{first}-": content[first:],
        "-{last}": content[size - last if last < size else 0 :] if last else b"",
    }[form]
    text = "bytes=" + form.format(first=first, last=last)
    if form == "{first}-{last}" and last < first:
        assert parse_range(text, size) is None
    elif not expected:
        with pytest.raises(RangeNotSatisfiable, match=f"The file has {size} bytes"):
            parse_range(text, size)
    else:
        start, stop = parse_range(text, size) or (0, 0)
        assert content[start:stop] == expected


@given(text=st.none() | st.text() | st.from_regex(r"bytes=[0-9 ,-]{0,20}", fullmatch=True), size=SIZES)
def test_no_text_breaks_the_reader_of_a_download_range(text: str | None, size: int) -> None:
    try:
        wanted = parse_range(text, size)
    except RangeNotSatisfiable:
        return
    assert wanted is None or 0 <= wanted[0] < wanted[1] <= size


@pytest.mark.parametrize(
    "text", [None, "", "bytes=-", "bytes=0-4,6-8", "items=0-4", "bytes=4-2", "bytes=a-b", "bytes 0-4"]
)
def test_a_malformed_download_range_means_all(text: str | None) -> None:
    assert parse_range(text, 10) is None
