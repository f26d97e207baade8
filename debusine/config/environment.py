"""The ``DEBUSINE_…`` variables: each stands for a setting, and goes before what the file says."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

from debusine.config.limits import Limits
from debusine.config.settings import GIVEN, SchedulerSettings, Settings, StoreSettings
from debusine.domain.workspaces import DEFAULT_STORE
from debusine.logs import LogFormat

#: What a variable is called that means a setting, and what stands between the parts of its path.
PREFIX, SEPARATOR = "DEBUSINE_", "__"
#: How the variables begin that are for notification methods, in capital letters.
METHOD_VARIABLES = f"{PREFIX}NOTIFICATIONS{SEPARATOR}"


class Environment:
    """The variables that stand for settings, laid over what the file says."""

    def __init__(self, environ: Mapping[str, str], values: Mapping[str, Any]) -> None:
        self.values = values
        self.variables = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value}
        self.twins = {_variable(path): (path, type_) for path, type_ in self._settings()}

    def merged(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The values with those of the environment, and by path the variable that each of these came from."""
        merged: dict[str, Any] = {**self.values}
        origins = {}
        for variable, text in self.variables.items():
            if variable.upper() in self.twins:
                path, type_ = self.twins[variable.upper()]
                _put(merged, path, _parsed(text, type_))
                origins[".".join(path)] = variable
        return merged, origins

    def strays(self) -> list[tuple[str, str]]:
        """The variables that set nothing."""
        known = {*self.twins, PREFIX + "CONFIG", PREFIX + "DATA_DIR"}
        options = tuple(_variable((*place, "options", "")) for place in (("scheduler",), *self._stores()))
        # Which methods there are is known only to the plugins: services.notification_methods looks for strays there.
        options += (METHOD_VARIABLES,)
        strays = [name for name in self.variables if name.upper() not in known and not name.upper().startswith(options)]
        return [(name, "this variable of the environment sets nothing") for name in sorted(strays)]

    def _settings(self) -> Iterator[tuple[tuple[str, ...], Any]]:
        sections = [((), Settings), (("scheduler",), SchedulerSettings), (("limits",), Limits)]
        for place, class_ in (*sections, *((place, StoreSettings) for place in self._stores())):
            for name, type_ in get_type_hints(class_).items():
                if name not in GIVEN and type_ in _SCALARS:
                    yield (*place, name), type_

    def _stores(self) -> list[tuple[str, ...]]:
        stores = self.values.get("stores")
        return [("stores", name) for name in (stores if isinstance(stores, dict) else {}) or (DEFAULT_STORE,)]


_SCALARS = (str, str | None, int, int | None, bool, float, tuple[str, ...], LogFormat)


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + SEPARATOR.join(re.sub(r"\W", "_", part, flags=re.ASCII) for part in path).upper()


def _put(values: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    *sections, name = path
    for section in sections:
        inner = values.get(section, {})
        values[section] = values = {**inner} if isinstance(inner, dict) else {}
    values[name] = value


def _parsed(text: str, type_: Any) -> object:
    """A variable's text as the type wants it; what does not fit stays text, and the converter says what is wrong."""
    if type_ is tuple[str, ...] or type_ == tuple[str, ...]:
        return [part.strip() for part in text.split(",")]
    if type_ is bool:
        return {"true": True, "false": False}.get(text, text)
    try:
        return int(text) if type_ == int | None else type_(text) if type_ in {int, float} else text
    except ValueError:
        return text
