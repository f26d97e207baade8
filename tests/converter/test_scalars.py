"""Single values: what each kind of field takes, and what it says to the rest."""

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from debusine.converter.structure import InvalidFields, structure, unstructure
from debusine.domain.files import ArtifactPath
from debusine.domain.lookups import MultipleLookup, SingleLookup
from debusine.domain.secrets import Secret


@frozen(kw_only=True)
class Values:
    text: str = ""
    count: int = 0
    share: float = 0.0
    flag: bool = False
    at: datetime | None = None
    path: ArtifactPath | None = None
    secret: Secret | None = None
    place: Path | None = None
    one: SingleLookup | None = None
    several: MultipleLookup = field(factory=MultipleLookup)
    pair: tuple[int, ...] = ()
    kind: str = field(default="", alias="type")


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def message(value: object, into: type[Any] = Values) -> str:
    with pytest.raises(InvalidFields) as caught:
        structure(value, into)
    return str(caught.value)


@pytest.mark.parametrize(
    ("raw", "name", "expected"),
    [
        ({"text": "a"}, "text", "a"),
        ({"count": -1}, "count", -1),
        ({"share": 1}, "share", 1.0),
        ({"flag": True}, "flag", True),
        ({"at": "2025-01-01T12:00:00Z"}, "at", datetime(2025, 1, 1, 12, tzinfo=UTC)),
        ({"at": datetime(2025, 1, 1, tzinfo=UTC)}, "at", datetime(2025, 1, 1, tzinfo=UTC)),
        ({"path": "a/b"}, "path", ArtifactPath("a/b")),
        ({"secret": "s"}, "secret", Secret("s")),
        ({"place": "/srv"}, "place", Path("/srv")),
        ({"one": 7}, "one", 7),
        ({"one": "7@artifacts"}, "one", "7@artifacts"),
        ({"several": [1, "a", {"collection": "c"}]}, "several", MultipleLookup((1, "a", {"collection": "c"}))),
        ({"several": {"collection": "c"}}, "several", MultipleLookup(({"collection": "c"},))),
        ({"pair": [1, 2]}, "pair", (1, 2)),
        ({"type": "extends"}, "kind", "extends"),
    ],
)
def test_a_fitting_value_is_taken(raw: dict[str, Any], name: str, expected: object) -> None:
    assert getattr(structure(raw, Values), name) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"text": 1}, "text: This must be a string, not a number."),
        ({"text": None}, "text: This must be a string, not null."),
        ({"count": "1"}, "count: This must be a whole number, not a string."),
        ({"count": 1.0}, "count: This must be a whole number, not a number."),
        ({"count": True}, "count: This must be a whole number, not a boolean."),
        ({"share": True}, "share: This must be a number, not a boolean."),
        ({"share": float("nan")}, "share: This must be a finite number."),
        ({"flag": "false"}, "flag: This must be true or false, not a string."),
        ({"flag": 0}, "flag: This must be true or false, not a number."),
        ({"at": "yesterday"}, "at: This must be a date and time in ISO 8601."),
        ({"at": "2025-01-01T12:00:00"}, "at: This date and time has no time zone."),
        ({"at": 5}, "at: This must be a string, not a number."),
        ({"path": "../a"}, "path: '../a' cannot be a path in an artifact"),
        ({"several": "abc"}, "several: This must be an array of lookups or one object, not a string."),
        ({"several": [True]}, "several: This must be an artifact's id, a string or an object, not a boolean."),
        ({"pair": "12"}, "pair: This must be an array, not a string."),
        ({"pair": [1, "2"]}, "pair[1]: This must be a whole number, not a string."),
        ({"more": 1}, "non_field_errors: Invalid fields: more"),
        ({"kind": "extends"}, "non_field_errors: Invalid fields: kind"),
        ([], "non_field_errors: This must be an object, not an array."),
        (None, "non_field_errors: This must be an object, not null."),
    ],
)
def test_another_value_is_refused_with_its_path(raw: object, expected: str) -> None:
    assert expected in message(raw)


def test_all_errors_stand_in_one_line() -> None:
    told = message({"count": "1", "flag": "x", "more": 2})

    assert "\n" not in told
    assert all(name in told for name in ("count: ", "flag: ", "more"))


def test_a_secret_does_not_show_itself_in_an_error() -> None:
    assert "hunter2" not in message({"secret": ["hunter2"]})


def test_a_newer_servers_answer_may_have_more_keys() -> None:
    assert structure({"count": 3, "more": {}}, Values, lenient=True).count == 3


@given(junk)
def test_any_value_becomes_the_class_or_is_refused(value: object) -> None:
    with contextlib.suppress(InvalidFields):
        assert isinstance(structure(value, Values), Values)


@given(st.dictionaries(st.sampled_from(["text", "count", "share", "flag", "at", "path", "several"]), junk))
def test_junk_in_a_field_is_named_by_that_field(raw: dict[str, Any]) -> None:
    named: set[str] = set()
    try:
        structure(raw, Values)
    except InvalidFields as error:
        named = {path.partition("[")[0].partition(".")[0] for path in error.validation_errors or ()}
    assert named <= set(raw)


@given(
    st.builds(
        Values,
        text=st.text(),
        count=st.integers(),
        share=st.floats(allow_nan=False, allow_infinity=False),
        flag=st.booleans(),
        at=st.none() | st.datetimes(timezones=st.just(UTC)),
        several=st.lists(st.integers() | st.text()).map(lambda items: MultipleLookup(tuple(items))),
        pair=st.lists(st.integers()).map(tuple),
        type=st.text(),
    )
)
def test_what_became_plain_values_becomes_the_same_class_again(values: Values) -> None:
    assert structure(plain(unstructure(values)), Values) == values


def plain(raw: Any) -> Any:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in raw.items()}


def test_a_moment_keeps_its_offset() -> None:
    at = structure({"at": "2025-01-01T12:00:00+02:00"}, Values).at

    assert at is not None
    assert at.utcoffset() == timedelta(hours=2)
