"""Whatever text comes in, the parsers read it or refuse it, and what they let pass is what it should be."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.multipart import content_disposition_filename, parse_content_disposition
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from debusine.converter.json import InvalidJSON, loads
from debusine.converter.json_sizes import holds_more_values, is_large
from debusine.converter.structure import InvalidFields, structure
from debusine.domain.durations import InvalidDuration, parse_duration
from debusine.domain.workers import name_from_fqdn
from debusine.protocol.cursors import Cursor, InvalidCursor
from debusine.protocol.resources import WorkerRegistration
from debusine.server.content_headers import SAFE_TYPES, attachment, safe_content_type

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner)
    | st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0")), inner),
    max_leaves=50,
)  # fmt: skip
#: What names of files and headers may be made of at their worst.
NASTY = st.text(st.sampled_from("a\"\\;,%='()<>@\r\n\0\t é\u202e\U0001f4a9\x7f/.*")) | st.text()


@given(st.integers(0, 10**18 - 1), st.booleans())
def test_a_cursor_is_read_as_it_was_written(last: int, back: bool) -> None:
    assert Cursor.parse(str(Cursor(last, back))) == Cursor(last, back)


@given(st.text() | st.from_regex(r"[A-Za-z0-9_=-]{0,40}", fullmatch=True))
@example("djE6MTpuZXh0")
@example("djE6MTpuZXh0\n")
@example("\ud800")
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except InvalidCursor:
        return
    assert 0 <= cursor.last < 10**18


@given(NASTY)
@example('a"; filename="evil.html')
@example("a\r\nSet-Cookie: x=y")
def test_a_name_stays_one_parameter_of_one_header(name: str) -> None:
    name = name.encode("utf-8", "replace").decode()  # paths are valid text already

    header = attachment(name)

    assert header.isascii()
    assert header.isprintable()
    disposition, told = parse_content_disposition(header)
    assert disposition == "attachment"
    assert told.keys() <= {"filename", "filename*"}
    assert content_disposition_filename(told) == name


@given(NASTY | st.sampled_from(["text/html", "image/svg+xml", "text/html; charset=utf-7", "application/xhtml+xml"]))
def test_no_declared_type_becomes_one_that_a_browser_runs(declared: str) -> None:
    served = safe_content_type(declared)

    assert served.partition(";")[0] in SAFE_TYPES
    assert served.isascii()
    assert served.isprintable()


@given(st.text() | st.from_regex(r"P[0-9WDTHMS.]{0,12}", fullmatch=True) | st.integers())
@example("P999999W")
@example("PT999999999H999999999M")
def test_any_text_is_a_span_of_time_or_refused(text: str | int) -> None:
    try:
        span = parse_duration(text)
    except InvalidDuration:
        return
    assert timedelta(0) <= span


@given(st.text() | st.from_regex(r"[0-9]{1,6}-[0-9]{2}-[0-9]{2}T[0-9:.+Z-]{0,20}", fullmatch=True))
@example("0001-01-01T00:00:00+14:00")
@example("9999-12-31T23:59:60Z")
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    try:
        moment = structure(text, datetime)
    except InvalidFields:
        return
    assert moment.astimezone(UTC).utcoffset() == timedelta(0)


@given(JSON_VALUES, st.booleans())
def test_json_is_read_as_the_standard_library_reads_it(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode()

    assert loads(text, depth=100) == json.loads(text)


@given(st.text(st.sampled_from('[]{}",:\\u0d8ab1-+.eENa \n\x00\xe9')), st.binary(max_size=20))
def test_what_the_standard_library_refuses_is_refused(text: str, tail: bytes) -> None:
    raw = text.encode() + tail
    try:
        value = loads(raw)
    except InvalidJSON:
        return
    assert json.loads(raw) == value


def counted(value: Any) -> tuple[int, int]:
    """How many values there are, and how many empty ones among them."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    parts = [counted(each) for each in inner or ()]
    empty = int(inner is not None and not inner)
    return 1 + sum(part[0] for part in parts), empty + sum(part[1] for part in parts)


@given(JSON_VALUES, st.booleans())
@example({"a,[{": ["\\", '"', '\\"', ",,,,"]}, True)
def test_values_are_counted_before_they_are_parsed(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    number, empty = counted(value)

    assert not holds_more_values(text, number + empty)
    assert holds_more_values(text, number - 1)


@given(st.binary(max_size=200), st.integers(0, 50))
@example(b'"' + b'\\"' * 90, 1)
@example(b'"\\', 0)
def test_bytes_that_are_no_json_can_be_counted_too(text: bytes, limit: int) -> None:
    assert holds_more_values(text, limit) or not holds_more_values(text, limit + 1)


@pytest.mark.parametrize(
    ("value", "large"),
    [
        ("x" * 1000, False),
        ("x" * 300_000, True),
        ([0] * 100, False),
        ([0] * 10_000, True),
        ({"a": {"b": ["x"]}}, False),
    ],
)
def test_large_values_are_told_from_small_ones(value: Any, large: bool) -> None:
    assert is_large({"data": value}) is large


@given(st.text())
def test_every_name_of_a_worker_can_stand_in_a_url(fqdn: str) -> None:
    assert URL.build(path=f"/{name_from_fqdn(fqdn)}/").raw_path == f"/{name_from_fqdn(fqdn)}/"


@pytest.mark.parametrize("fqdn", ["host.example.org", "builder_1", "::1", "x" * 400])
def test_a_domain_name_names_a_worker(fqdn: str) -> None:
    assert structure({"token": "a" * 64, "fqdn": fqdn}, WorkerRegistration).fqdn == fqdn


@pytest.mark.parametrize("fqdn", ["", "x" * 401, "a b", "a\x1b[31m", "a\nb", "é.example", "a/b", "\u202eabc"])
def test_what_could_not_be_shown_names_no_worker(fqdn: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        structure({"token": "a" * 64, "fqdn": fqdn}, WorkerRegistration)
    assert list(caught.value.validation_errors or ()) == ["fqdn"]
