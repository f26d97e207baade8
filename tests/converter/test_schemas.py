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
