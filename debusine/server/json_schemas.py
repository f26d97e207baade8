"""JSON Schemas of the classes that requests and answers become."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs
from attrs import Attribute, field, frozen, validators

from debusine.config import Limits
from debusine.domain.files import BIDIRECTIONAL_CONTROLS, PATH_CHARACTERS, ArtifactPath
from debusine.server.json_limits import Bounds, bounds_of

Schema = dict[str, Any]

#: Under this key, the metadata of a field holds what neither its type nor its validators tell.
SCHEMA = "schema"


class NoSchema(TypeError):
    """A class of the API has a field of a type that cannot be described."""

    def __init__(self, type_: object) -> None:
        super().__init__(f"there is no JSON Schema for {type_!r}")


class SameName(TypeError):
    """Two classes of the API have one name, but not one schema."""

    def __init__(self, name: str) -> None:
        super().__init__(f"two schemas would be called {name}: rename one of the classes")


@frozen
class Schemas:
    """Makes schemas; those of attrs classes are kept under their names, and referred to."""

    #: None: for answers, of which every key is there, and a newer server may add some.
    limits: Limits | None = None
    #: By name, shared by the schemas of requests and of answers.
    components: dict[str, Schema] = field(factory=dict)

    def of(self, type_: Any, bounds: Bounds | None = None) -> Schema:
        """What values of a type look like in JSON, all of them within the bounds."""
        if bounds is None and self.limits is not None:
            bounds = bounds_of(self.limits)[0]
        origin = get_origin(type_)
        if type_ in _PLAIN:
            return _PLAIN[type_](bounds)
        if attrs.has(type_):
            return self._reference(type_)
        if origin in {Union, UnionType}:
            return _any_of([self.of(member, bounds) for member in get_args(type_)])
        if origin is Literal:
            return {"type": "string", "enum": list(get_args(type_))}
        if isinstance(type_, type) and issubclass(type_, StrEnum):
            return {"type": "string", "enum": [member.value for member in type_]}
        return self._container(type_, origin, bounds)

    def _container(self, type_: Any, origin: Any, bounds: Bounds | None) -> Schema:
        arguments = get_args(type_)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return self._mapping(arguments[0], arguments[1], bounds)
        if origin in {list, Sequence} or (origin is tuple and arguments[1:] == (...,)):
            most = {} if bounds is None else {"maxItems": bounds.items}
            return {"type": "array", "items": self.of(arguments[0], bounds)} | most
        raise NoSchema(type_)

    def _mapping(self, key: Any, value: Any, bounds: Bounds | None) -> Schema:
        schema: Schema = {"type": "object"}
        if value is not Any:
            schema["additionalProperties"] = self.of(value, bounds)
        if bounds is not None:
            schema["maxProperties"] = bounds.keys
            schema["propertyNames"] = self.of(key, bounds)
        return schema

    def _reference(self, class_: type[Any]) -> Schema:
        name = class_.__name__
        known = self.components.get(name)
        if known is None:
            self.components[name] = {}  # a class may refer to itself
            self.components[name] = self._class(class_)
        elif known and known != self._class(class_):
            raise SameName(name)
        return {"$ref": f"#/components/schemas/{name}"}

    def _class(self, class_: type[Any]) -> Schema:
        fields = attrs.fields(class_)
        types = get_type_hints(class_)
        strict = self.limits is not None
        schema: Schema = {
            "type": "object",
            "properties": {each.alias or each.name: self._field(each, types[each.name]) for each in fields},
        }
        required = [each.alias or each.name for each in fields if not strict or each.default is attrs.NOTHING]
        if required:
            schema["required"] = required
        if strict:
            schema["additionalProperties"] = False
        if class_.__doc__:
            schema["description"] = class_.__doc__.partition("\n")[0]
        return schema

    def _field(self, each: "Attribute[Any]", type_: Any) -> Schema:
        wider = bounds_of(self.limits)[1].get(each.name) if self.limits else None
        schema = self.of(type_, wider)
        rules = {**_rules(each.validator), **each.metadata.get(SCHEMA, {})}
        schema = _narrowed(schema, rules)
        if self.limits is not None and isinstance(each.default, str | int) and "$ref" not in schema:
            schema["default"] = each.default
        return schema


def _narrowed(schema: Schema, rules: Schema) -> Schema:
    """With what a validator says of every value but null."""
    if "anyOf" not in schema or not rules:
        return schema | rules
    return {"anyOf": [each if each == {"type": "null"} else each | rules for each in schema["anyOf"]]}


def _any_of(schemas: list[Schema]) -> Schema:
    return {"anyOf": schemas}


def _rules(validator: object) -> Schema:
    """What a validator of attrs demands, in the words of JSON Schema; what others demand is in the metadata."""
    if isinstance(validator, _ALL):
        return {key: value for each in validator._validators for key, value in _rules(each).items()}  # noqa: SLF001
    if isinstance(validator, _OPTIONAL):
        return _rules(validator.validator)
    if isinstance(validator, _NUMBER):
        return {_COMPARISONS[validator.compare_op]: validator.bound}
    if isinstance(validator, _MIN_LENGTH):
        return {"minLength": validator.min_length}
    if isinstance(validator, _MAX_LENGTH):
        return {"maxLength": validator.max_length}
    return {}


# The classes have no public names, their makers and attributes do.
_ALL: type[Any] = type(validators.and_())
_OPTIONAL: type[Any] = type(validators.optional(validators.ge(0)))
_NUMBER: type[Any] = type(validators.ge(0))
_MIN_LENGTH: type[Any] = type(validators.min_len(0))
_MAX_LENGTH: type[Any] = type(validators.max_len(0))
_COMPARISONS = {">=": "minimum", ">": "exclusiveMinimum", "<=": "maximum", "<": "exclusiveMaximum"}


def _string(bounds: Bounds | None) -> Schema:
    return {"type": "string"} if bounds is None else {"type": "string", "maxLength": bounds.characters}


def _integer(bounds: Bounds | None) -> Schema:
    return {"type": "integer"} if bounds is None else {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}


def _path(_: Bounds | None) -> Schema:
    # A further rule has no pattern: the text is in Unicode's normal form NFC.
    return {
        "type": "string",
        "format": "artifact-path",
        "minLength": 1,
        "maxLength": PATH_CHARACTERS,
        "pattern": PATH_PATTERN,
    }


def _path_pattern() -> str:
    """No component is empty, "." or ".."; no control characters."""
    excluded = "\\u0000-\\u001f\\u007f-\\u009f" + "".join(
        f"\\u{ord(each):04x}" for each in sorted(BIDIRECTIONAL_CONTROLS)
    )
    any_, no_dot = f"[^/{excluded}]", f"[^/.{excluded}]"
    component = f"({no_dot}{any_}*|\\.{no_dot}{any_}*|\\.\\.{any_}+)"
    return f"^{component}(/{component})*$"


PATH_PATTERN = _path_pattern()

_PLAIN: Mapping[Any, Callable[[Bounds | None], Schema]] = {
    Any: lambda _: {},
    str: _string,
    int: _integer,
    float: lambda _: {"type": "number"},
    bool: lambda _: {"type": "boolean"},
    NoneType: lambda _: {"type": "null"},
    datetime: lambda _: {"type": "string", "format": "date-time"},
    ArtifactPath: _path,
}
