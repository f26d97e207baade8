import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debusine.converter.json import MAX_DEPTH, InvalidJSON, dumps, loads

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(plain)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert loads(dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b'{"a":1,}', ""),
        (b"{} {}", "Extra data"),
        (b'{"a":1,"a":1}', "same key twice"),
        (b'[{"b":{"a":1,"a":2}}]', "same key twice"),
        (b"NaN", "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b'{"a":-Infinity}', "-Infinity is not JSON"),
        (b"1e999", "too large"),
        (b"-1e999", "too large"),
        (b"9223372036854775808", "64 bits"),
        (b"-9223372036854775809", "64 bits"),
        (b"9" * 5000, ""),
        (rb'"\ud800"', "surrogate"),
        (rb'{"\udc00":1}', "surrogate"),
        (rb'"\ud83d x"', "surrogate"),
        (rb'"a\u0000b"', "NUL"),
        (rb'{"\u0000":1}', "NUL"),
        (b'"\xff"', "utf-8"),
        (b'"\xed\xa0\x80"', "utf-8"),
        ("{}".encode("utf-16"), "utf-8"),
        ("{}".encode("utf-32-le"), ""),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b'"\x01"', "Invalid control character"),
        (b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2), "nested deeper"),
        (b"[" * 200_000, "nested deeper"),
        (b'{"a":' * 200_000, "nested deeper"),
    ],
)
def test_what_two_programs_could_read_differently_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidJSON) as caught:
        loads(text)

    assert reason in str(caught.value.detail)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b" {}\n", {}),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (b"9223372036854775807", 2**63 - 1),
        (b"true", True),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)),
        (b'{"a":{"b":1},"c":{"b":1}}', {"a": {"b": 1}, "c": {"b": 1}}),
    ],
)
def test_sound_json_is_read(text: bytes, value: Any) -> None:
    assert loads(text) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_refused(text: bytes) -> None:
    try:
        value = loads(text)
    except InvalidJSON:
        return
    assert loads(dumps(value)) == value


def test_moments_in_utc_end_with_z() -> None:
    assert dumps(datetime(2025, 1, 1, tzinfo=UTC)) == b'"2025-01-01T00:00:00Z"'
