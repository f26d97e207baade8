"""Creating: what the commands that make something say of success and of refusal."""

from collections.abc import Mapping
from typing import Any

from debusine.cli.client.hints import hint
from debusine.cli.client.program import REFUSED
from debusine.cli.client.session import Session
from debusine.client import Refused


def print_success(session: Session, message: str, facts: Mapping[str, Any], *, begin: bool = False) -> int:
    """Tell what was made; the exit status is 0."""
    session.print({"result": "success", "message": message, **facts}, begin=begin)
    return 0


def print_refusal(session: Session, error: Refused, *, begin: bool = False, always_fail: bool = False) -> int:
    """Tell what the server has against it; returns the exit status, 0 unless ``--strict`` or ``always_fail``."""
    told = {"title": error.title, "detail": error.detail, "validation_errors": error.validation_errors}
    known = {key: value for key, value in told.items() if value is not None}
    session.print({"result": "failure", "error": known}, begin=begin)
    if advice := hint(error, session.options):
        session.tell(advice)
    return REFUSED if session.options.strict or always_fail else 0
