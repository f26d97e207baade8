"""What can go wrong: one class for each kind of answer, small ones below it for each situation.

The nouns' own errors stand beside their nouns; each derives from one of the kinds here, and the kind decides the
answer's status (see ``debusine.server.middlewares``).
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

#: Field (or path to it) → what is wrong with it.
FieldErrors: TypeAlias = Mapping[str, Sequence[str]]


class DebusineError(Exception):
    """Something went wrong that the farm can explain: a title, and often more."""

    def __init__(self, title: str, *, detail: str | None = None, validation_errors: FieldErrors | None = None) -> None:
        super().__init__(title if detail is None else f"{title}: {detail}")
        self.title = title
        self.detail = detail
        self.validation_errors = validation_errors


class Invalid(DebusineError):
    """What was asked cannot be understood or breaks a rule (400)."""


class NotAuthenticated(DebusineError):
    """No valid credentials came with the request (403 on this wire)."""


class PermissionDenied(DebusineError):
    """The subject is known and may not do this (403)."""


class NotAssigned(DebusineError):
    """A worker speaks of work that was never handed to it (401)."""


class NotFound(DebusineError):
    """There is no such thing, or not for this subject (404)."""


class Conflict(DebusineError):
    """Somebody else changed the thing first, or it is in a state that forbids the change (409)."""


class IllegalTransition(Conflict):
    """A noun was asked for a change that its present state does not allow."""

    def __init__(self, noun: str, id_: int, state: str, wanted: str) -> None:
        super().__init__(f"{noun} {id_} is {state} and cannot become {wanted}")
        self.state = state
        self.wanted = wanted


class TooLarge(DebusineError):
    """More was sent than the limits allow (413)."""


class TooMany(DebusineError):
    """More was asked for than the limits allow just now (429)."""


class Unavailable(DebusineError):
    """A part of the farm does not answer just now; trying again later helps (503)."""

    #: Seconds after which trying again may help; None: nobody knows.
    retry_after: int | None = None


class StorageFull(DebusineError):
    """There is no space left to keep what was sent (507)."""


class ConfigurationError(DebusineError):
    """The configuration or the machine is not fit to start; says in one line what to do (exit status 2)."""
