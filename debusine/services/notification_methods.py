"""Notification methods: which ones this server can use, and why not the others."""

import logging
import os
from collections.abc import Mapping
from typing import Any

from attrs import Factory, frozen

from debusine.config import METHOD_VARIABLES, MethodSettings
from debusine.converter.schemas import InvalidSchema, Schema
from debusine.domain.errors import ConfigurationError, Invalid
from debusine.domain.notifications import NotificationChannel
from debusine.plugin import NotificationMethod
from debusine.plugin.options import InvalidOptions, environment_name, structure_options
from debusine.plugin.registry import Registry

logger = logging.getLogger(__name__)

Classes = Registry[type[NotificationMethod[Any]]]


class UnknownMethod(Invalid):
    """No installed plugin offers a method of this name."""

    def __init__(self, name: str, known: str) -> None:
        super().__init__(f"There is no notification method {name!r}; {known}")


class MethodNotUsable(Invalid):
    """A method is installed, and this server cannot use it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The notification method {name} cannot be used on this server", detail=reason)


@frozen
class UsableMethod:
    """A method with its settings."""

    implementation: type[NotificationMethod[Any]]
    options: Any
    schema: Schema


@frozen
class Methods:
    """What this server knows of notification methods."""

    usable: Mapping[str, UsableMethod] = Factory(dict)
    #: Method → why it cannot be used.
    unusable: Mapping[str, str] = Factory(dict)

    def named(self, name: str) -> UsableMethod:
        """The method that somebody chose; ``UnknownMethod`` or ``MethodNotUsable`` say what to do."""
        if name in self.unusable:
            raise MethodNotUsable(name, self.unusable[name])
        if name not in self.usable:
            known = sorted({*self.usable, *self.unusable})
            raise UnknownMethod(name, f"there are: {', '.join(known)}" if known else "no plugin for any is installed")
        return self.usable[name]

    def open(self) -> dict[str, NotificationMethod[Any]]:
        """Build every usable method, inside the running event loop; one that cannot be built is left out."""
        built = ((name, _built(method)) for name, method in self.usable.items())
        return {name: method for name, method in built if method is not None}

    def check(self, channel: NotificationChannel, *, title: str, path: str = "data") -> None:
        """Refuse a channel whose data its method does not take; of a method that is not here nothing is known."""
        if channel.method in self.usable:
            self.usable[channel.method].schema.check(channel.data, title=title, path=path)


#: Of a server without plugins.
NO_METHODS = Methods()


def configure(
    settings: Mapping[str, MethodSettings], classes: Classes, environ: Mapping[str, str] = os.environ
) -> Methods:
    """Give every installed method its settings.

    ``ConfigurationError`` for one that is configured wrongly, or not installed. One that nobody configured is usable
    when it needs no settings.
    """
    for name in settings:
        classes.choose(name, where=f"notifications.{name}")
    _refuse_strays(classes, environ)
    usable: dict[str, UsableMethod] = {}
    unusable: dict[str, str] = {}
    for name, class_ in classes.items():
        try:
            usable[name] = _configured(class_, settings.get(name, MethodSettings()), environ)
        except (InvalidOptions, InvalidSchema) as error:
            if name in settings or _variables(name, environ):
                raise ConfigurationError(str(error)) from error
            unusable[name] = f"it is not configured: {error}"
    return Methods(usable, unusable)


def _built(method: UsableMethod) -> NotificationMethod[Any] | None:
    try:
        return method.implementation(method.options)
    except ConfigurationError:
        raise
    except Exception:
        logger.exception("The notification method %s cannot be used", method.implementation.name)
        return None


def _configured(
    class_: type[NotificationMethod[Any]], settings: MethodSettings, environ: Mapping[str, str]
) -> UsableMethod:
    schema = Schema(class_.data_schema, what=f"The data_schema of the notification method {class_.name}")
    options = structure_options(class_, settings.options, where=_place(class_.name), environ=environ)
    return UsableMethod(class_, options, schema)


def _refuse_strays(classes: Classes, environ: Mapping[str, str]) -> None:
    known = {variable for name in classes for variable in _variables(name, environ)}
    for variable in environ:
        if variable.upper().startswith(METHOD_VARIABLES) and variable not in known and environ[variable]:
            raise ConfigurationError(
                f"{variable}: this variable of the environment sets nothing; no plugin offers that notification method"
            )


def _variables(name: str, environ: Mapping[str, str]) -> list[str]:
    prefix = environment_name(_place(name), "").upper()
    return [variable for variable in environ if variable.upper().startswith(prefix) and environ[variable]]


def _place(name: str) -> str:
    return f"notifications.{name}.options"
