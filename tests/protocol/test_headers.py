"""The protocol's own headers survive a round trip, and no text breaks their readers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debusine.protocol.headers import LAST_ATTEMPT, InvalidHeader, format_running, parse_attempt, parse_running

IDS = st.integers(min_value=0, max_value=10**17)


@given(attempts=st.sets(st.tuples(IDS, IDS)))
def test_running_attempts_are_read_as_they_were_written(attempts: set[tuple[int, int]]) -> None:
    assert parse_running(format_running(attempts)) == frozenset(attempts)


def test_an_absent_header_is_a_foreign_worker_and_an_empty_one_is_not() -> None:
    assert parse_running(None) is None
    assert parse_running("") == frozenset()
    assert parse_running(" 3/1 , 4/2 ") == frozenset({(3, 1), (4, 2)})


@given(text=st.text() | st.from_regex(r"[0-9/, -]{0,20}", fullmatch=True))
def test_no_text_breaks_the_reader_of_running_attempts(text: str) -> None:
    try:
        attempts = parse_running(text)
    except InvalidHeader:
        return
    assert attempts is not None
    assert all(id_ >= 0 and number >= 0 for id_, number in attempts)


@pytest.mark.parametrize(
    "text", ["3", "3/", "/1", "3/1/2", "-3/1", "3/x", "\N{ARABIC-INDIC DIGIT THREE}/1", "3/" + "9" * 30]
)
def test_a_malformed_running_header_is_refused(text: str) -> None:
    with pytest.raises(InvalidHeader):
        parse_running(text)


@given(number=st.integers(0, LAST_ATTEMPT))
def test_an_attempt_is_read_as_it_was_written(number: int) -> None:
    assert parse_attempt(str(number)) == number


@pytest.mark.parametrize("text", ["", "-1", "1.5", " 1", "x", "\N{ARABIC-INDIC DIGIT THREE}", "9" * 30, "2147483648"])
def test_a_malformed_attempt_is_refused(text: str) -> None:
    with pytest.raises(InvalidHeader):
        parse_attempt(text)


def test_no_attempt_is_none() -> None:
    assert parse_attempt(None) is None
