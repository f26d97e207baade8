"""Hints: what a user can do about an error that came from the server."""

from debusine.cli.client.options import Options
from debusine.client import Forbidden, InvalidAnswer, Missing, Unreachable
from debusine.client.configuration import load_configuration
from debusine.domain.errors import ConfigurationError, DebusineError


def hint(error: DebusineError, options: Options) -> str:
    """A sentence on what to do; empty when the error says it all."""
    place = _place(options)
    if isinstance(error, Unreachable) and place:
        return f"Is it running, and is api-url right in {place}?"
    if isinstance(error, Forbidden) and place:
        return f"Check the token in {place}; its owner may have to be allowed to do this."
    if isinstance(error, InvalidAnswer) and place:
        return f"Check api-url in {place}."
    return _advice_on_missing(error, place) if isinstance(error, Missing) else ""


def _advice_on_missing(error: Missing, place: str) -> str:
    if "orkspace" in error.title:
        return "Choose another one with --workspace."
    if error.title in {"Not Found", "The server answered 404 Not Found"}:  # HTTP's words, not those of the API
        return f"The server knows no {error.request}; check api-url in {place}."
    return ""


def _place(options: Options) -> str:
    """Where the configuration tells of the chosen server."""
    try:
        configuration = load_configuration(options.config_file)
        return f"[server:{configuration.server(options.server).name}] of {configuration.path}"
    except ConfigurationError:
        return ""
