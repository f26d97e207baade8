"""What the data of several tasks has in common, with the rules for each field."""

import re
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import Attribute, field, frozen, validators

from debusine.plugin import MultipleLookup, SingleLookup, UnresolvedLookup

DEFAULT_TASK_CONFIGURATION = "default@debusine:task-configuration"

#: Characters.
LONGEST_SHOWN = 200

Validator = Callable[[Any, "Attribute[Any]", Any], None]


def matches(pattern: str, expected: str) -> Validator:
    """A validator: the whole string has this form; None passes."""
    compiled = re.compile(pattern)

    def check(_instance: object, _attribute: object, value: Any) -> None:
        if value is not None and not compiled.fullmatch(value):
            message = f"{shown(value)} is not {expected}."
            raise ValueError(message)

    return check


def shown(value: str) -> str:
    """A value for a message, which need not be as long as the value."""
    return repr(value if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]}…")


def each(check: Validator) -> Validator:
    """A validator: every member passes the check; None passes."""
    return validators.optional(validators.deep_iterable(check))


def a_lookup(_instance: object, _attribute: object, value: Any) -> None:
    """A validator: an artifact's id or a string; True is no id, though Python counts it among the whole numbers."""
    if isinstance(value, bool) or (isinstance(value, int) and value < 1):
        message = "This must be an artifact's id or a string."
        raise ValueError(message)


def something(_instance: object, _attribute: object, value: MultipleLookup) -> None:
    """A validator: there is at least one lookup."""
    if not value:
        message = "At least one artifact is needed."
        raise ValueError(message)


def a_pair(_instance: object, _attribute: object, value: Any) -> None:
    """A validator: there are two of it; None passes."""
    if value is not None and len(value) != 2:
        message = f"Two are needed, the original and the new one, not {len(value)}."
        raise ValueError(message)


def between(least: int, most: int = 2**31 - 1) -> Validator:
    """A validator: a whole number that is neither less nor more; None passes."""

    def check(_instance: object, _attribute: object, value: Any) -> None:
        if value is not None and not least <= value <= most:
            message = f"This must be a number from {least} to {most}."
            raise ValueError(message)

    return check


def an_absolute_url(*schemes: str) -> Validator:
    """A validator: an absolute URL of one of these schemes, without anything that could end it early; None passes."""

    def check(_instance: object, _attribute: object, value: Any) -> None:
        if value is not None and not _is_absolute_url(value, schemes):
            message = f"{shown(value)} is not an absolute URL ({', '.join(schemes)})."
            raise ValueError(message)

    return check


an_architecture = matches(r"[a-z0-9][a-z0-9-]{0,62}", "an architecture such as amd64")
a_suite = matches(r"[\w./][\w./ -]*", "a suite such as bookworm")
a_component = matches(r"[A-Za-z0-9][\w./+-]*", "a component such as main")
a_package_name = matches(r"[a-z0-9][a-z0-9+.-]+", "the name of a package")
a_package = matches(
    r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?([/=][A-Za-z0-9][\w.:+~-]*)?",
    "a package such as hello, hello:i386, hello=2.10-3 or hello/bookworm-backports",
)


@frozen(kw_only=True)
class TaskData:
    """What every task's data may have."""

    task_configuration: SingleLookup | None = field(default=DEFAULT_TASK_CONFIGURATION, validator=a_lookup)

    def check_configuration(self) -> None:
        """Refuse a configuration that was asked for by name: there are none; the default is ignored as long."""
        if self.task_configuration not in {None, DEFAULT_TASK_CONFIGURATION}:
            reason = "there are no task configurations on this server yet"
            raise UnresolvedLookup(self.task_configuration, reason, "task_configuration")


@frozen(kw_only=True)
class DynamicData:
    """What every task's dynamic_task_data may have: labels for people and statistics, and the inputs' ids."""

    parameter_summary: str | None = None
    subject: str | None = None
    runtime_context: str | None = None
    configuration_context: str | None = None
    task_configuration_id: int | None = None


@frozen(kw_only=True)
class Repository:
    """A repository of packages beside those that the environment knows."""

    url: str = field(validator=an_absolute_url("http", "https", "file"))
    suite: str = field(validator=a_suite)
    components: tuple[str, ...] | None = field(default=None, validator=each(a_component))
    #: An armoured OpenPGP key; None: the environment knows the key already.
    signing_key: str | None = None

    def __attrs_post_init__(self) -> None:
        """Check that a flat repository has no components and every other one has some."""
        check_components(self.suite, self.components, required=True)

    @property
    def source_line(self) -> str:
        """The line for apt."""
        return " ".join(["deb", self.url, self.suite, *(self.components or ())])


def check_components(suite: str, components: tuple[str, ...] | None, *, required: bool) -> None:
    """A flat suite, which ends in a slash, has no components."""
    if suite.endswith("/"):
        if components:
            message = f"The suite {suite!r} is flat, so it has no components."
            raise ValueError(message)
    elif required and not components:
        message = f"The suite {suite!r} needs components."
        raise ValueError(message)


Backend = Literal["auto", "unshare", "incus-lxc", "incus-vm", "qemu"]


def _is_absolute_url(text: str, schemes: tuple[str, ...]) -> bool:
    if not text.isprintable() or any(character in text for character in " \"'<>[]\\"):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.path if parts.scheme == "file" else parts.hostname)
