"""Plain values into attrs classes and back: strict about types, exact about where an error is."""

import keyword
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin

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
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.strategies import configure_union_passthrough
from cattrs.v import format_exception

from debusine.domain.errors import DebusineError, Invalid
from debusine.domain.files import ArtifactPath
from debusine.domain.lookups import MultipleLookup
from debusine.domain.secrets import Secret

T = TypeVar("T")

#: A part of a path that is a field's name.
_UNDERSCORED = re.compile(r"(?<=\.)(\w+)_\b")


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
        path = _UNDERSCORED.sub(_without_underscore, path)
        result.setdefault(path.removeprefix(".") or "non_field_errors", []).append(message)
    return result


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


def _wrong(value: object, expected: str) -> NoReturn:
    kind = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    message = f"This must be {expected}, not {kind.get(type(value), 'a number')}."
    raise TypeError(message)


def _string(value: object, _: object) -> str:
    return value if type(value) is str else _wrong(value, "a string")


def _integer(value: object, _: object) -> int:
    return value if type(value) is int else _wrong(value, "a whole number")


def _boolean(value: object, _: object) -> bool:
    return value if type(value) is bool else _wrong(value, "true or false")


def _number(value: object, _: object) -> float:
    if type(value) not in {int, float}:
        _wrong(value, "a number")
    if not isfinite(value):  # type: ignore[arg-type]
        message = "This must be a finite number."
        raise ValueError(message)
    return float(value)  # type: ignore[arg-type]


def _moment(value: object, _: object) -> datetime:
    if isinstance(value, datetime):  # TOML has datetimes of its own
        moment = value
    else:
        try:
            moment = datetime.fromisoformat(_string(value, str))
        except ValueError:
            message = "This must be a date and time in ISO 8601."
            raise ValueError(message) from None
    if moment.utcoffset() is None:
        message = "This date and time has no time zone."
        raise ValueError(message)
    try:
        moment.astimezone(UTC)
    except OverflowError:
        message = "This date and time is not between the years 1 and 9999 in UTC."
        raise ValueError(message) from None
    return moment


def _member(value: object, type_: type[StrEnum]) -> StrEnum:
    try:
        return type_(_string(value, str))
    except ValueError:
        message = f"This must be one of: {', '.join(member.value for member in type_ if member.value)}."
        raise ValueError(message) from None


def _path(value: object, _: object) -> ArtifactPath:
    return ArtifactPath(_string(value, str))


def _secret(value: object, _: object) -> Secret:
    return Secret(_string(value, str))


def _several(value: object, _: object) -> MultipleLookup:
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list):
        _wrong(value, "an array of lookups or one object")
    for item in items:
        if type(item) not in {int, str, dict}:
            _wrong(item, "an artifact's id, a string or an object")
    return MultipleLookup(tuple(items))


def _guarded(
    inner: Callable[[Any, Any], Any], fitting: type | tuple[type, ...], expected: str
) -> Callable[[Any, Any], Any]:
    def check_first(value: object, type_: object) -> object:
        return inner(value, type_) if isinstance(value, fitting) else _wrong(value, expected)

    return check_first


def _validated(field: "attrs.Attribute[Any]", converter: cattrs.Converter) -> Any:
    """Run a field's validator while the field is structured: in ``__init__`` its error would not have the path."""

    def structure_and_validate(value: object, type_: Any) -> object:
        result = converter.structure(value, type_)
        assert field.validator is not None
        field.validator(None, field, result)
        return result

    return override(struct_hook=structure_and_validate, rename=_plain_name(field))


def _without_underscore(part: re.Match[str]) -> str:
    return part[1] if keyword.iskeyword(part[1]) else part[0]


def _plain_name(field: "attrs.Attribute[Any]") -> str | None:
    """The name in plain values of a field such as ``global_``, which Python could not take without the underscore."""
    name = field.name.removesuffix("_")
    return name if keyword.iskeyword(name) else None


def _is_tuple(type_: object) -> bool:
    return getattr(type_, "__origin__", None) is tuple and getattr(type_, "__args__", ())[-1:] == (Ellipsis,)


def new_converter(*, forbid_extra_keys: bool = True) -> cattrs.Converter:
    """The one way in which values become classes: nothing is coerced, nothing unknown passes unless it may."""
    made = cattrs.Converter(forbid_extra_keys=forbid_extra_keys, detailed_validation=True, use_alias=True)
    for type_, hook in _SCALARS.items():
        made.register_structure_hook(type_, hook)
    made.register_structure_hook(StrEnum, _member)  # otherwise the one of str would serve enumerations, too
    configure_union_passthrough(str | bool | int | float | None, made)

    made.register_unstructure_hook(MultipleLookup, lambda lookup: list(lookup.items))

    @made.register_structure_hook_factory(is_sequence)
    def _lists(type_: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
        return _guarded(list_structure_factory(type_, converter), list, "an array")

    @made.register_structure_hook_factory(_is_tuple)
    def _tuples(type_: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
        return _guarded(homogenous_tuple_structure_factory(type_, converter), (list, tuple), "an array")

    @made.register_structure_hook_factory(is_mapping)
    def _mappings(type_: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
        return _guarded(mapping_structure_factory(type_, converter), dict, "an object")

    @made.register_structure_hook_factory(attrs.has)
    def _classes(type_: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
        overrides: dict[str, Any] = {
            field.name: _validated(field, converter) if field.validator else override(rename=_plain_name(field))
            for field in attrs.fields(type_)
            if field.validator or _plain_name(field)
        }
        inner = make_dict_structure_fn(
            type_,
            converter,
            _cattrs_forbid_extra_keys=forbid_extra_keys,
            _cattrs_use_alias=True,
            _cattrs_detailed_validation=True,
            **overrides,
        )
        return _guarded(inner, dict, "an object")

    @made.register_unstructure_hook_factory(attrs.has)
    def _plain(type_: Any, converter: cattrs.Converter) -> Callable[[Any], Any]:
        renamed: dict[str, Any] = {
            field.name: override(rename=_plain_name(field)) for field in attrs.fields(type_) if _plain_name(field)
        }
        return make_dict_unstructure_fn(type_, converter, _cattrs_use_alias=True, **renamed)

    return made


_SCALARS: dict[Any, Callable[[Any, Any], Any]] = {
    str: _string,
    int: _integer,
    bool: _boolean,
    float: _number,
    datetime: _moment,
    ArtifactPath: _path,
    Secret: _secret,
    MultipleLookup: _several,
}

converter = new_converter()
lenient_converter = new_converter(forbid_extra_keys=False)
