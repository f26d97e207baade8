"""What the loaded plugins offer of one kind, by name."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from debusine.domain.errors import ConfigurationError

C = TypeVar("C", bound=type[Any])


class UnknownPlugin(ConfigurationError, KeyError):
    """Somebody chose a name that no usable plugin offers."""

    def __init__(
        self,
        kind: str,
        name: str,
        available: Collection[str],
        broken: Mapping[str, str],
        *,
        where: str | None = None,
    ) -> None:
        place = f"{where}: " if where else ""
        known = f"available: {', '.join(sorted(available))}" if available else "none is installed"
        failures = "".join(f"; {plugin} cannot be used: {reason}" for plugin, reason in sorted(broken.items()))
        super().__init__(f"{place}there is no {kind} named {name!r}; {known}{failures}")
        self.kind = kind
        self.name = name
        self.available = tuple(sorted(available))
        self.broken = dict(broken)

    # KeyError would print the message in quotes.
    __str__ = Exception.__str__


class DuplicateName(ConfigurationError):
    """Two plugins offer a class of one name, so that nobody knows which one is meant."""

    def __init__(self, kind: str, name: str, plugins: tuple[str, str]) -> None:
        super().__init__(
            f"Two plugins offer a {kind} named {name!r}: {plugins[0]} and {plugins[1]}; uninstall one of them"
        )
        self.name = name
        self.plugins = plugins


class Registry(Mapping[str, C]):
    """The classes of one kind by name; a name that is not there raises ``UnknownPlugin``, which is a ``KeyError``."""

    def __init__(self, kind: str, offers: Iterable[tuple[str, C]], broken: Mapping[str, str] | None = None) -> None:
        """``offers`` are pairs of a plugin's name and a class of it; ``broken``: plugin → why it cannot be used."""
        self.kind = kind
        self.broken = dict(broken or {})
        self._classes: dict[str, C] = {}
        self._origins: dict[str, str] = {}
        for origin, offered in offers:
            self._add(origin, offered)

    def choose(self, name: str, *, where: str) -> C:
        """The class that somebody named at a place of the configuration, which the error tells."""
        if name not in self._classes:
            raise UnknownPlugin(self.kind, name, self._classes, self.broken, where=where)
        return self._classes[name]

    def origin(self, name: str) -> str:
        """The plugin, as DISTRIBUTION:ENTRYPOINT, that offers a class."""
        if name not in self._origins:
            raise UnknownPlugin(self.kind, name, self._classes, self.broken)
        return self._origins[name]

    def __getitem__(self, name: str) -> C:
        if name not in self._classes:
            raise UnknownPlugin(self.kind, name, self._classes, self.broken)
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    def __repr__(self) -> str:
        return f"<Registry of {self.kind}: {', '.join(self._classes) or 'empty'}>"

    def _add(self, origin: str, offered: C) -> None:
        other = self._classes.get(offered.name)
        if other is offered:
            return
        if other is not None:
            raise DuplicateName(self.kind, offered.name, (self._origins[offered.name], origin))
        self._classes[offered.name] = offered
        self._origins[offered.name] = origin
