"""Whatever stands in an artifact's data, and whatever its files are called, is taken or refused, and breaks nothing."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debusine.converter.categories import check_artifact
from debusine.domain.errors import Invalid
from tests.domain.test_categories import GOOD
from tests.tasks.test_hostile_task_data import anything, bent

NAMES = (
    "a.dsc",
    "a.changes",
    "a.deb",
    "a.tar.xz",
    "analysis.json",
    "lintian.txt",
    "binaries/x",
    "a",
    ".build",
    "blhc.txt",
)


@pytest.mark.parametrize("category", GOOD)
@settings(max_examples=60)
@given(draw=st.data())
def test_bent_artifacts_are_taken_or_refused(category: str, draw: st.DataObject) -> None:
    good, paths = GOOD[category]
    data: dict[str, Any] = draw.draw(bent(good))
    names = draw.draw(st.just(paths) | st.lists(st.sampled_from(NAMES), unique=True, max_size=4))

    assert_told(refusal(category, data, names))


@given(data=st.dictionaries(st.sampled_from(["name", "version", "type", "dsc_fields", "x"]), anything))
def test_arbitrary_data_is_taken_or_refused(data: dict[str, Any]) -> None:
    for category in GOOD:
        assert_told(refusal(category, data, []))


def refusal(category: str, data: dict[str, Any], names: list[str]) -> Invalid | None:
    """Why an artifact is refused, if it is."""
    try:
        check_artifact(category, data, names)
    except Invalid as error:
        return error
    return None


def assert_told(error: Invalid | None) -> None:
    """Whether it says what is wrong with which field."""
    if error is not None:
        assert error.validation_errors
        assert all(told and all(told) for told in error.validation_errors.values())
