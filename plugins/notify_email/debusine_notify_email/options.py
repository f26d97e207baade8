"""The settings of the method ``email``."""

from pathlib import Path
from typing import Any, Literal

import attrs
from attrs import field, frozen

from debusine.plugin import Secret, check_address

#: The port of each way to protect the connection.
PORTS = {"starttls": 587, "tls": 465, "none": 25}


def _port(_instance: object, _attribute: object, value: int | None) -> None:
    if value is not None and not 0 < value < 65536:
        message = f"{value} is not a port; ports are from 1 to 65535."
        raise ValueError(message)


def _server(_instance: object, _attribute: object, value: str) -> None:
    if not value or not value.isascii() or not value.isprintable() or " " in value or "/" in value:
        message = f"{value!r} is not the name or the address of a server."
        raise ValueError(message)


def _positive(_instance: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
    if value <= 0:
        message = f"{attribute.name} must be more than 0."
        raise ValueError(message)


def _address(_instance: object, _attribute: object, value: str | None) -> None:
    if value is not None:
        check_address(value)


@frozen(kw_only=True)
class EmailOptions:
    """How mail leaves this machine."""

    #: The name or address of the SMTP server that takes the farm's mail.
    server: str = field(validator=_server)
    #: By default 587 with starttls, 465 with tls, 25 with none.
    port: int | None = field(default=None, validator=_port)
    #: ``starttls``: refuse to go on without; ``tls``: from the first byte; ``none``: in clear text.
    tls: Literal["starttls", "tls", "none"] = "starttls"
    #: A file with the certificates of those who may vouch for the server; none: the system's.
    ca_file: Path | None = None
    #: Log in with this name; none: without.
    username: str | None = None
    password: Secret | None = None
    #: Where bounces go (the envelope's sender); none: to the channel's ``from``.
    bounces: str | None = field(default=None, validator=_address)
    #: What this machine calls itself; none: its own name, or its address.
    hostname: str | None = None
    #: Seconds that the server may take for each of its answers.
    timeout: float = field(default=30.0, validator=_positive)

    def __attrs_post_init__(self) -> None:
        """See that what belongs together is there."""
        if (self.username is None) is not (self.password is None):
            message = "username and password must be set both or not at all."
            raise ValueError(message)
        if self.username is not None and self.tls == "none":
            message = 'a password is not sent in clear text: with username, set tls to "starttls" or "tls".'
            raise ValueError(message)

    @property
    def address(self) -> tuple[str, int]:
        """Where the server is."""
        return self.server, self.port or PORTS[self.tls]
