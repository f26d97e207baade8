"""What is said on the websockets; servers speak, clients and workers listen."""

from enum import StrEnum
from typing import Any


class Text(StrEnum):
    """The key ``text`` of a message, by which listeners act."""

    CONNECTED = "connected"
    REQUEST_DYNAMIC_METADATA = "request_dynamic_metadata"
    WORK_REQUEST_AVAILABLE = "work_request_available"
    WORK_REQUEST_COMPLETED = "work_request_completed"
    #: For workers that count attempts: one that they run, ``work_request_id`` and ``attempt``, is wanted no more.
    WORK_REQUEST_ABORTED = "work_request_aborted"


#: The only reason code that listeners know.
TOKEN_DISABLED = "TOKEN_DISABLED"  # noqa: S105 - a code, not a token


#: The type of the message by which a server says that it will not serve somebody.
REJECTED = "connection_rejected"


def say(text: Text, **facts: Any) -> dict[str, Any]:
    """A message to act on."""
    return {"type": "websocket.send", "text": text.value, **facts}


def rejection(reason: str, reason_code: str | None = None) -> dict[str, Any]:
    """Why a connection was accepted only to be closed."""
    return {"type": REJECTED, "reason": reason} | ({"reason_code": reason_code} if reason_code else {})


def closing(reason: str, reason_code: str | None = None) -> dict[str, Any]:
    """Why an open connection ends now."""
    return {"type": "connection_closed", "reason": reason} | ({"reason_code": reason_code} if reason_code else {})
