"""Plain values into attrs classes and back: strict about types, exact about where an error is."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, TypeVar, get_args, get_origin

import attrs
import cattrs
from cattrs.cols import (
    homogenous_tuple_structure_factory,
    is_mapping,
    is_sequence,
    list_structure_factory,
    mapping_structure_factory,
)
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError
from cattrs.strategies import configure_union_passthrough
from cattrs.v import format_exception

from debusine.converter import classes
from debusine.converter.scalars import SCALARS, Hook, guarded, member
from debusine.domain.errors import DebusineError, Invalid
from debusine.domain.lookups import MultipleLookup

T = TypeVar("T")


class InvalidFields(Invalid):
    """Values do not fit the class that they should become; ``validation_errors`` names each field by its path."""

    def __init__(self, title: str, errors: Mapping[str, list[str]]) -> None:
        super().__init__(title, validation_errors=errors)

    def __str__(self) -> str:
        """All of it in one line, for a terminal."""
        facts = (f"{path}: {' '.join(messages)}" for path, messages in (self.validation_errors or {}).items())
        return f"{self.title}: " + "; ".join(facts)


def structure(value: object, into: type[T], *, title: str = "Invalid values", lenient: bool = False) -> T:
    """Turn plain values into a class, or raise ``InvalidFields`` with every error and its path.

    ``lenient`` lets unknown keys pass: for answers of a server that may be newer.
    """
    try:
        return (lenient_converter if lenient else converter).structure(value, into)
    except (BaseValidationError, TypeError, ValueError, DebusineError) as error:
        raise InvalidFields(title, errors_by_path(error)) from error


def unstructure(value: object) -> Any:
    """Turn a class into plain values."""
    return converter.unstructure(value)


def errors_by_path(error: Exception) -> dict[str, list[str]]:
    """Sort the errors of one structuring by the path of the field that each is about."""
    result: dict[str, list[str]] = {}
    # A root that no text has: messages and paths may hold any other mark.
    for line in cattrs.transform_error(error, path="\0", format_exception=_sentence):
        message, _, path = line.partition(" @ \0")
        result.setdefault(classes.plain_path(path).removeprefix(".") or "non_field_errors", []).append(message)
    return result


def new_converter(*, forbid_extra_keys: bool = True) -> cattrs.Converter:
    """The one way in which values become classes: nothing is coerced, nothing unknown passes unless it may."""
    made = cattrs.Converter(forbid_extra_keys=forbid_extra_keys, detailed_validation=True, use_alias=True)
    for type_, hook in SCALARS.items():
        made.register_structure_hook(type_, hook)
    made.register_structure_hook(StrEnum, member)  # otherwise the one of str would serve enumerations, too
    configure_union_passthrough(str | bool | int | float | None, made)
    made.register_unstructure_hook(MultipleLookup, lambda lookup: list(lookup.items))
    for fitting, factory in ((is_sequence, _lists), (_is_tuple, _tuples), (is_mapping, _mappings)):
        made.register_structure_hook_factory(fitting, factory)
    made.register_structure_hook_factory(attrs.has, classes.structuring)
    made.register_unstructure_hook_factory(attrs.has, classes.unstructuring)
    # It is plain already, and may have hundreds of thousands of values: none of them is looked at.
    made.register_unstructure_hook_func(_is_json, lambda value: value if type(value) is dict else dict(value))
    return made


def _lists(type_: Any, converter: cattrs.Converter) -> Hook:
    return guarded(list_structure_factory(type_, converter), list, "an array")


def _tuples(type_: Any, converter: cattrs.Converter) -> Hook:
    return guarded(homogenous_tuple_structure_factory(type_, converter), (list, tuple), "an array")


def _mappings(type_: Any, converter: cattrs.Converter) -> Hook:
    return guarded(mapping_structure_factory(type_, converter), dict, "an object")


def _is_tuple(type_: object) -> bool:
    return getattr(type_, "__origin__", None) is tuple and getattr(type_, "__args__", ())[-1:] == (Ellipsis,)


def _is_json(type_: object) -> bool:
    return get_origin(type_) in {dict, Mapping} and get_args(type_) == (str, Any)


def _sentence(error: BaseException, type_: type[Any] | None) -> str:
    if isinstance(error, KeyError):
        return "This field is required."
    if isinstance(error, ForbiddenExtraKeysError):
        return "Invalid fields: " + ", ".join(sorted(error.extra_fields))
    if isinstance(error, DebusineError):
        return str(error)
    if isinstance(error, (TypeError, ValueError)) and error.args and isinstance(error.args[0], str):
        return error.args[0]
    if get_origin(type_) is Literal:
        return f"This must be one of: {', '.join(map(str, get_args(type_)))}."
    text = format_exception(error, type_)
    return f"This is not one of the values allowed here ({text})." if text.startswith("unknown error") else text


converter = new_converter()
lenient_converter = new_converter(forbid_extra_keys=False)
