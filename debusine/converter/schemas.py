"""JSON Schemas: values checked against one, formats included, every error with its path."""

import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError

from debusine.converter.structure import InvalidFields
from debusine.domain.addresses import InvalidAddress, check_address
from debusine.domain.errors import Invalid

#: Characters of a value that an error repeats, at most.
SHOWN = 200


class InvalidSchema(Invalid):
    """What should be a JSON Schema is none."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what} is not a JSON Schema (draft 2020-12): {reason}")


class Schema:
    """A schema, made ready once and used often."""

    def __init__(self, schema: Mapping[str, Any], *, what: str = "This") -> None:
        """``what`` names it in ``InvalidSchema``."""
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise InvalidSchema(what, error.message) from error
        self._validator = Draft202012Validator(schema, format_checker=_FORMATS)

    def check(self, value: Mapping[str, Any], *, title: str, path: str = "") -> None:
        """Raise ``InvalidFields`` with every error; ``path``: where the value itself stands."""
        errors: dict[str, list[str]] = {}
        for error in self._validator.iter_errors(value):
            errors.setdefault(_place(error, path), []).append(_sentence(error))
        if errors:
            raise InvalidFields(title, errors)


#: The library's own check of ``email`` lets everything pass that has an @.
_FORMATS = FormatChecker()
_FORMATS.checks("email", raises=InvalidAddress)(
    lambda value: check_address(value) == value if isinstance(value, str) else True
)
#: What RFC 3987 allows beyond RFC 3986.
_BEYOND = re.compile("[\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef\U00010000-\U000efffd]")


def _as_uri(value: object) -> object:
    """A URI where there is an IRI: what a URI may not have is encoded."""
    return _BEYOND.sub("%20", value) if isinstance(value, str) else value


_FORMATS.checks("iri")(lambda value: _FORMATS.conforms(_as_uri(value), "uri"))
_FORMATS.checks("iri-reference")(lambda value: _FORMATS.conforms(_as_uri(value), "uri-reference"))


def _place(error: ValidationError, path: str) -> str:
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    return (path + parts).removeprefix(".") or "non_field_errors"


def _sentence(error: ValidationError) -> str:
    cause = str(error.cause) if error.cause is not None else ""
    text = (cause or error.message).removesuffix(".")
    return f"{text}." if len(text) <= SHOWN else text[:SHOWN] + "…"
