"""JSON Schemas of plugins: what they refuse is told in sentences."""

import pytest

from debusine.converter.schemas import Schema
from debusine.domain.errors import Invalid


def test_several_faults_of_one_place_are_several_sentences() -> None:
    schema = Schema({"type": "object", "required": ["from", "to"]})

    with pytest.raises(Invalid) as refused:
        schema.check({}, title="Wrong", path="data")

    assert refused.value.validation_errors == {
        "data": ["'from' is a required property.", "'to' is a required property."]
    }


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("color", "blau"),
        ("date-time", "2025-02-30T00:00:00Z"),
        ("duration", "a day"),
        ("email", "nobody@"),
        ("hostname", "-a.example"),
        ("idn-hostname", "\u302e.example"),
        ("iri", "http://a b/"),
        ("iri", "\u00e9://example.org/"),
        ("iri", "http://example.org/\ue000"),
        ("iri-reference", "\\a"),
        ("json-pointer", "a"),
        ("uri", "http://\u00e9xample.org/"),
        ("uri-reference", "a b"),
        ("uri-template", "/{a"),
        ("uuid", "7"),
    ],
)
def test_formats_are_checked(kind: str, value: str) -> None:
    with pytest.raises(Invalid):
        Schema({"properties": {"a": {"format": kind}}}).check({"a": value}, title="Wrong")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("iri", "http://\u00e9xample.org/\u4e2d?\u00fc=\u00df#\U0001f600"),
        ("iri", "mailto:a@example.org"),
        ("iri", 7),
        ("iri-reference", "../\u00e9"),
    ],
)
def test_addresses_of_all_languages_are_taken(kind: str, value: object) -> None:
    data = {"a": value}
    Schema({"properties": {"a": {"format": kind}}}).check(data, title="Wrong")
    assert data == {"a": value}
