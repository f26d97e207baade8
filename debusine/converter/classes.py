"""Classes: made from objects with exactly their keys, each field checked where its error has a path."""

import keyword
import re
from collections.abc import Callable
from typing import Any

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from debusine.converter.scalars import Hook, guarded

#: A part of a path that is a field's name.
_UNDERSCORED = re.compile(r"(?<=\.)(\w+)_\b")


def structuring(type_: Any, converter: cattrs.Converter) -> Hook:
    """A hook that makes objects of an attrs class."""
    overrides: dict[str, Any] = {
        field.name: _validated(field, converter) if field.validator else _renamed(field)
        for field in attrs.fields(type_)
        if field.validator or _plain_name(field)
    }
    return guarded(make_dict_structure_fn(type_, converter, **overrides), dict, "an object")


def unstructuring(type_: Any, converter: cattrs.Converter) -> Callable[[Any], Any]:
    """A hook that makes plain values of objects of an attrs class."""
    renamed: dict[str, Any] = {field.name: _renamed(field) for field in attrs.fields(type_) if _plain_name(field)}
    return make_dict_unstructure_fn(type_, converter, **renamed)


def plain_path(path: str) -> str:
    """The path of a field in plain values, by its path in classes."""
    return _UNDERSCORED.sub(lambda part: part[1] if keyword.iskeyword(part[1]) else part[0], path)


def _validated(field: "attrs.Attribute[Any]", converter: cattrs.Converter) -> Any:
    """Run a field's validator while the field is structured: in ``__init__`` its error would not have the path."""

    def structure_and_validate(value: object, type_: Any) -> object:
        result = converter.structure(value, type_)
        assert field.validator is not None
        field.validator(None, field, result)
        return result

    return override(struct_hook=structure_and_validate, rename=_plain_name(field))


def _renamed(field: "attrs.Attribute[Any]") -> Any:
    return override(rename=_plain_name(field))


def _plain_name(field: "attrs.Attribute[Any]") -> str | None:
    """The name in plain values of a field such as ``global_``, which Python could not take without the underscore."""
    name = field.name.removesuffix("_")
    return name if keyword.iskeyword(name) else None
