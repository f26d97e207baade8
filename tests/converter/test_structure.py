"""Values become classes strictly, and every error says where it is."""

from typing import Any

import pytest
from attrs import field, frozen, validators

from debusine.converter.structure import InvalidFields, structure, unstructure
from debusine.domain.artifacts import RelationType
from debusine.domain.work_requests import Result
from debusine.protocol.resources import CompletionReport, RelationSubmission, WorkerRegistration


@frozen(kw_only=True)
class Part:
    size: int = field(validator=validators.ge(0))
    ratio: float = 1.0
    good: bool = True


@frozen(kw_only=True)
class Whole:
    parts: dict[str, Part]
    names: list[str] = field(factory=list)


def errors(value: object, into: type[Any]) -> dict[str, Any]:
    with pytest.raises(InvalidFields) as caught:
        structure(value, into)
    return dict(caught.value.validation_errors or {})


def test_an_enumeration_takes_its_values_and_nothing_else() -> None:
    assert structure({"result": "success"}, CompletionReport).result is Result.SUCCESS
    assert structure({"artifact": 1, "target": 2, "type": "extends"}, RelationSubmission).type is RelationType.EXTENDS
    assert errors({"result": "splendid"}, CompletionReport) == {
        "result": ["This must be one of: success, failure, error, skipped."]
    }
    worker = {"token": "a" * 64, "fqdn": "host.example", "worker_type": "good"}
    assert errors(worker, WorkerRegistration) == {"worker_type": ["This must be one of: external, signing, celery."]}
    assert errors({"result": ""}, CompletionReport) == {"result": ["This must be success, failure, error or skipped."]}


def test_what_a_validator_refuses_is_named_by_its_path() -> None:
    assert list(errors({"parts": {"a": {"size": 1}, "b": {"size": -1}}}, Whole)) == ["parts['b'].size"]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"size": "1"}, "size"),
        ({"size": True}, "size"),
        ({"size": 1.0}, "size"),
        ({"size": 1, "good": "false"}, "good"),
        ({"size": 1, "good": 1}, "good"),
        ({"size": 1, "ratio": float("inf")}, "ratio"),
        ({"size": 1, "ratio": "1"}, "ratio"),
    ],
)
def test_nothing_is_coerced(value: dict[str, Any], path: str) -> None:
    assert list(errors({"parts": {"a": value}}, Whole)) == [f"parts['a'].{path}"]


def test_a_string_is_no_list() -> None:
    assert list(errors({"parts": {}, "names": "abc"}, Whole)) == ["names"]


def test_all_errors_are_told_at_once() -> None:
    assert set(errors({"parts": {"a": {}}, "names": [1], "more": 2}, Whole)) == {
        "parts['a'].size",
        "names[0]",
        "non_field_errors",
    }


def test_an_error_at_a_key_that_looks_like_a_place_keeps_its_path() -> None:
    with pytest.raises(InvalidFields) as caught:
        structure({"a @ $.b": "no number"}, dict[str, int])

    assert caught.value.validation_errors == {"['a @ $.b']": ["This must be a whole number, not a string."]}


@frozen(kw_only=True)
class Reserved:
    global_: int = field(default=1, validator=validators.ge(0))
    in_: int | None = None
    more_: int = 0


def test_a_field_whose_name_python_keeps_for_itself_has_it_in_plain_values() -> None:
    made = structure({"global": 2, "in": 3, "more_": 4}, Reserved)

    assert made == Reserved(global_=2, in_=3, more_=4)
    assert unstructure(made) == {"global": 2, "in": 3, "more_": 4}


@pytest.mark.parametrize(
    ("value", "path"),
    [({"global": -1}, "global"), ({"in": "x"}, "in"), ({"more_": "x"}, "more_"), ({"in_": 1}, "non_field_errors")],
)
def test_an_error_of_such_a_field_has_the_plain_name(value: object, path: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        structure(value, Reserved)

    assert list(caught.value.validation_errors or {}) == [path]
