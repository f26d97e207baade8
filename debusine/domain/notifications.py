"""Notifications: the channels by which people hear of work."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen


@frozen(kw_only=True)
class NotificationChannel:
    """A named way to tell people something."""

    id: int
    name: str
    #: The notification method's name.
    method: str
    #: In the form that the method's schema demands.
    data: Mapping[str, Any] = field(factory=dict)
    #: Whether a submitter may choose sender and recipients.
    allow_overrides: bool = False
