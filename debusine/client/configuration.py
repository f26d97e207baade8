"""The client's configuration file: servers, their scopes and tokens."""

import configparser
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen
from yarl import URL

from debusine.client.access import Access, InvalidApiUrl
from debusine.domain.errors import ConfigurationError
from debusine.domain.secrets import Secret

DEFAULT_PATH = Path("~/.config/debusine/client/config.ini")
_PREFIX = "server:"
_KEYS = ("api-url", "scope", "token")

EXAMPLE = """\
[General]
default-server = local

[server:local]
api-url = http://127.0.0.1:8000/api
scope = debusine
token = YOUR-TOKEN
"""


class NoConfiguration(ConfigurationError):
    """There is no configuration file yet."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no configuration file {path}: write one like this, "
            f"with a token from 'debusine-admin token create USER':\n\n{EXAMPLE}"
        )


class InvalidConfiguration(ConfigurationError):
    """The configuration file cannot be used as it is."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"The configuration file {path} cannot be used: {reason}")


@frozen(kw_only=True)
class Server:
    """A server that the configuration names."""

    name: str
    access: Access


@frozen(kw_only=True)
class Configuration:
    """What the file says; sections are checked when they are used."""

    path: Path
    sections: Mapping[str, Mapping[str, str]]

    def server(self, wanted: str | None = None) -> Server:
        """The server of that name or ``FQDN/SCOPE``; None: the default one. Raises ``InvalidConfiguration``."""
        name = self._found(wanted or self._default())
        values = self.sections[_PREFIX + name]
        self._check_keys(name, values)
        return Server(name=name, access=self._access(name, values))

    def _access(self, name: str, values: Mapping[str, str]) -> Access:
        try:
            return Access(api_url=values["api-url"], scope=values["scope"], token=Secret(values["token"]))
        except InvalidApiUrl as error:
            raise InvalidConfiguration(self.path, f"in [{_PREFIX}{name}] api-url {error}") from error

    def _default(self) -> str:
        name = self.sections.get("General", {}).get("default-server")
        if not name:
            raise InvalidConfiguration(self.path, "[General] has no default-server; name one there or with --server")
        return name

    def _found(self, wanted: str) -> str:
        names = [section.removeprefix(_PREFIX) for section in self.sections if section.startswith(_PREFIX)]
        if wanted in names:
            return wanted
        host, slash, scope = wanted.partition("/")
        fitting = [name for name in names if slash and self._is_at(name, host, scope)]
        if not fitting:
            there = f"it has {', '.join(names)}" if names else "it names no server at all"
            raise InvalidConfiguration(self.path, f"it has no [{_PREFIX}{wanted}]; {there}")
        return fitting[0]

    def _is_at(self, name: str, host: str, scope: str) -> bool:
        values = self.sections[_PREFIX + name]
        try:
            return URL(values.get("api-url", "")).host == host and values.get("scope") == scope
        except ValueError:
            return False

    def _check_keys(self, name: str, values: Mapping[str, str]) -> None:
        section = f"[{_PREFIX}{name}]"
        if missing := [key for key in _KEYS if not values.get(key)]:
            raise InvalidConfiguration(self.path, f"{section} has no {' and no '.join(missing)}")
        if unknown := sorted(values.keys() - set(_KEYS)):
            known = ", ".join(_KEYS)
            raise InvalidConfiguration(self.path, f"{section} has {', '.join(unknown)}, but only {known} may be there")


def load_configuration(path: Path | None = None) -> Configuration:
    """Read the file (None: the default one); ``NoConfiguration`` or ``InvalidConfiguration``."""
    place = (path or DEFAULT_PATH).expanduser()
    parser = configparser.ConfigParser()
    try:
        with place.open(encoding="utf-8") as stream:
            parser.read_file(stream)
        # Values are interpolated here: a lone % is an error that must be told.
        sections = {name: dict(parser.items(name)) for name in parser.sections()}
    except FileNotFoundError:
        raise NoConfiguration(place) from None
    except OSError as error:
        raise InvalidConfiguration(place, error.strerror or str(error)) from error
    except configparser.InterpolationError as error:
        reason = f"{error.option} in [{error.section}] has a single %; write %% instead"
        raise InvalidConfiguration(place, reason) from error
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InvalidConfiguration(place, " ".join(str(error).split())) from error
    return Configuration(path=place, sections=sections)
