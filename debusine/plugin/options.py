"""A plugin's settings: from the configuration's raw mapping, secrets' files and the environment to its ``Options``."""

import os
import re
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs

from debusine.converter.structure import InvalidFields, structure, unstructure
from debusine.domain.errors import ConfigurationError
from debusine.domain.secrets import Secret

#: What a scalar setting may be, and may thus come from the environment as.
SCALARS = (bool, int, float, str, Path, Secret)


class InvalidOptions(ConfigurationError):
    """Settings do not fit the plugin that they are for; names each by its full path in the configuration."""

    def __init__(self, where: str, problems: Iterable[tuple[str, str]]) -> None:
        places = ((f"{where}.{name}" if name else where, message) for name, message in problems)
        super().__init__("; ".join(f"{place}: {message}" for place, message in places))


def structure_options(
    plugin: type[Any], raw: Mapping[str, Any], *, where: str, environ: Mapping[str, str] | None = None
) -> Any:
    """Turn the settings of a plugin into an object of its ``Options``, or raise ``InvalidOptions`` in one line.

    ``where`` is their place in the configuration, for instance ``stores.Default.options``. The environment wins over
    the file. A ``Secret`` named ``password`` comes from the file that ``password_file`` names or from its variable
    in the environment, never from the configuration itself.
    """
    settings = _Settings(plugin.Options, where, os.environ if environ is None else environ)
    values = settings.values(raw)
    try:
        return structure(values, plugin.Options)
    except InvalidFields as error:
        found = (error.validation_errors or {}).items()
        names = [("" if path == "non_field_errors" else path, " ".join(messages)) for path, messages in found]
        raise InvalidOptions(where, names) from error


def without_secrets(options: Any) -> dict[str, Any]:
    """The settings as plain values, without those that are secret; fit to be stored and shown."""
    hidden = {name for name, type_ in _fields(type(options)).items() if type_ is Secret}
    plain: dict[str, Any] = unstructure(options)
    return {name: value for name, value in plain.items() if name not in hidden}


def environment_name(where: str, name: str) -> str:
    """The variable that sets one setting, for instance ``DEBUSINE_STORES__Default__OPTIONS__PASSWORD``."""
    first, *middle, last = where.split(".")
    parts = [first.upper(), *middle, last.upper(), name.upper()]
    return "DEBUSINE_" + "__".join(re.sub(r"\W", "_", part, flags=re.ASCII) for part in parts)


class _Settings:
    """The fields of one Options class, at one place of the configuration."""

    def __init__(self, options: type[Any], where: str, environ: Mapping[str, str]) -> None:
        self.fields = _fields(options)
        self.where = where
        self.environ = environ

    def values(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """What the Options class is made from."""
        self._refuse_unknown(raw)
        values = {name: value for name, value in raw.items() if name in self.fields}
        values |= {name: self._read_secret(name, value) for name, value in self._secret_files(raw)}
        values |= self._from_environment()
        return values

    def _refuse_unknown(self, raw: Mapping[str, Any]) -> None:
        problems = []
        for name in raw:
            if self.fields.get(name) is Secret:
                variable = environment_name(self.where, name)
                problems.append((name, f"a secret does not stand here; name its file in {name}_file or set {variable}"))
            elif name not in self.fields and name not in self._secret_keys():
                problems.append((name, f"there is no such setting; {self._known()}"))
        problems += [("", f"{name} in the environment sets nothing; {self._known()}") for name in self._strays()]
        if problems:
            raise InvalidOptions(self.where, problems)

    def _known(self) -> str:
        known = sorted({name for name, type_ in self.fields.items() if type_ is not Secret} | self._secret_keys())
        return f"known: {', '.join(known)}" if known else "it has no settings"

    def _secret_keys(self) -> set[str]:
        return {f"{name}_file" for name, type_ in self.fields.items() if type_ is Secret}

    def _secret_files(self, raw: Mapping[str, Any]) -> list[tuple[str, Any]]:
        named = [(name, f"{name}_file") for name, type_ in self.fields.items() if type_ is Secret]
        variables = {key: self._variable(key) for _, key in named}
        chosen = [(name, variables[key] or raw.get(key)) for name, key in named]
        return [(name, value) for name, value in chosen if value is not None]

    def _read_secret(self, name: str, path: Any) -> str:
        if not isinstance(path, str):
            raise InvalidOptions(self.where, [(f"{name}_file", "This must be a string.")])
        try:
            secret = Path(path).read_text().removesuffix("\n")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            raise InvalidOptions(self.where, [(f"{name}_file", f"{path} cannot be read: {reason}")]) from error
        if not secret:
            raise InvalidOptions(self.where, [(f"{name}_file", f"{path} is empty")])
        return secret

    def _from_environment(self) -> dict[str, Any]:
        found = ((name, type_, self._variable(name)) for name, type_ in self.fields.items() if type_ in SCALARS)
        return {name: self._parse(name, type_, text) for name, type_, text in found if text is not None}

    def _parse(self, name: str, type_: Any, text: str) -> Any:
        if type_ is bool:
            if text in {"true", "false"}:
                return text == "true"
            raise InvalidOptions(self.where, [(name, f"{environment_name(self.where, name)} must be true or false")])
        if type_ not in {int, float}:
            return text
        try:
            return type_(text)
        except ValueError as error:
            message = f"{environment_name(self.where, name)} must be a number"
            raise InvalidOptions(self.where, [(name, message)]) from error

    def _variable(self, name: str) -> str | None:
        exact = environment_name(self.where, name)
        return self.environ.get(exact, self.environ.get(exact.upper()))

    def _strays(self) -> list[str]:
        prefix = environment_name(self.where, "").upper()
        keys = self._secret_keys() | {name for name, type_ in self.fields.items() if type_ in SCALARS}
        known = {environment_name(self.where, key).upper() for key in keys}
        return sorted(name for name in self.environ if name.upper().startswith(prefix) and name.upper() not in known)


def _fields(options: type[Any]) -> dict[str, Any]:
    """Setting → its type, None left out of unions."""
    hints = get_type_hints(options)
    return {field.alias or field.name: _without_none(hints[field.name]) for field in attrs.fields(options)}


def _without_none(type_: Any) -> Any:
    if get_origin(type_) not in {Union, types.UnionType}:
        return type_
    rest = [inner for inner in get_args(type_) if inner is not type(None)]
    return rest[0] if len(rest) == 1 else type_
