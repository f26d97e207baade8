"""What can go wrong between a client and a server."""

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from debusine.domain.errors import DebusineError
from debusine.protocol.problems import Problem


class Unreachable(DebusineError):
    """No answer came: the server is down, elsewhere, or the line broke; the same call may work later."""

    def __init__(self, url: str, reason: str, *, sent: bool = True, lasting: bool = False) -> None:
        super().__init__(f"Cannot reach the server at {url}", detail=reason)
        #: Whether the request may have arrived all the same.
        self.sent = sent
        #: Whether trying again cannot help, as with a certificate that nobody trusts.
        self.lasting = lasting


class InvalidAnswer(DebusineError):
    """The server's answer is not what the protocol says: perhaps it is no debusine server."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"The answer of {url} cannot be understood", detail=reason)


class Refused(DebusineError):
    """The server answered with an error."""

    def __init__(self, status: int, problem: Problem, request: str = "") -> None:
        super().__init__(problem.title, detail=problem.detail, validation_errors=problem.validation_errors)
        #: HTTP's.
        self.status = status
        #: What was asked: method and URL.
        self.request = request


class Forbidden(Refused):
    """The token is unknown or disabled, or opens something else (401, 403)."""


class Missing(Refused):
    """There is no such thing, or not for this token (404)."""


class Conflicting(Refused):
    """Somebody was first: a stale attempt, or bytes that do not make the declared hash (409)."""


class StaleAttempt(Conflicting):
    """The work request goes on without this attempt, or not at all: what it made counts no more (409)."""

    #: By which our servers name this among the conflicts.
    TITLE = "stale attempt"


class Busy(Refused):
    """The server, or a balancer before it, cannot answer just now but may later (429, 502, 503, 504)."""

    #: Seconds that the server asks to wait.
    retry_after: float | None = None


_KINDS: dict[int, type[Refused]] = {
    HTTPStatus.UNAUTHORIZED: Forbidden,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: Missing,
    HTTPStatus.CONFLICT: Conflicting,
    HTTPStatus.TOO_MANY_REQUESTS: Busy,
    HTTPStatus.BAD_GATEWAY: Busy,
    HTTPStatus.SERVICE_UNAVAILABLE: Busy,
    HTTPStatus.GATEWAY_TIMEOUT: Busy,
}


def refusal(status: int, problem: Problem, request: str = "", retry_after: float | None = None) -> Refused:
    """The error for an answer's status."""
    if status == HTTPStatus.CONFLICT and problem.title == StaleAttempt.TITLE:
        return StaleAttempt(status, problem, request)
    error = _KINDS.get(status, Refused)(status, problem, request)
    if isinstance(error, Busy):
        error.retry_after = retry_after
    return error


class ContentRefused(DebusineError):
    """The server received other bytes than were declared, again and again."""

    def __init__(self, path: str, tries: int) -> None:
        super().__init__(
            f"{path} was sent {tries} times and never arrived as it was declared",
            detail="if a program still writes to the file, wait for its end and begin again",
        )


class SourceChanged(DebusineError):
    """A local file is not what it was when it was declared."""

    def __init__(self, source: Path) -> None:
        super().__init__(f"{source} changed while it was sent", detail="wait until it stays as it is and begin again")


class NotAmongFiles(DebusineError):
    """The server wants files that are not at hand."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__("The server asks for files that are not here", detail=", ".join(paths))


class NotInArtifact(DebusineError):
    """An artifact has no file of that name."""

    def __init__(self, artifact: int, path: str) -> None:
        super().__init__(f"Artifact {artifact} has no file {path}")


class AlreadyThere(DebusineError):
    """A download never overwrites."""

    def __init__(self, destination: Path) -> None:
        super().__init__(f"{destination} exists already", detail="move it away or choose another directory")


class Incomplete(DebusineError):
    """An artifact's files were not all uploaded, so they cannot be downloaded."""

    def __init__(self, artifact: int, paths: Sequence[str]) -> None:
        super().__init__(f"Artifact {artifact} is incomplete", detail=f"still to be uploaded: {', '.join(paths)}")


class WrongContent(DebusineError):
    """What was downloaded is not what the server described; nothing of it is kept."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} arrived damaged", detail="its size or SHA-256 is not what the server said; try again")
