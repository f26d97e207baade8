"""Output: results on standard output for programs and people, messages on standard error."""

import json
from datetime import datetime
from enum import Enum
from typing import Any

import click
import yaml

from debusine.domain.errors import DebusineError


def print_result(value: Any, *, as_json: bool, begin: bool = False) -> None:
    """Write a result as YAML, or as JSON; ``begin`` starts the YAML with ``---``."""
    click.echo(as_json_text(value) if as_json else ("---\n" if begin else "") + as_yaml_text(value), nl=False)


def as_yaml_text(value: Any) -> str:
    """The value as YAML in the order of its keys, texts of several lines as blocks."""
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=1 << 20
    )


def as_json_text(value: Any) -> str:
    """The value as JSON that people can read, too."""
    return json.dumps(value, default=_plain, indent=2, ensure_ascii=False) + "\n"


def tell(message: str) -> None:
    """Write a message for people."""
    click.echo(message, err=True)


def sentence(error: DebusineError) -> str:
    """All that an error says: title, detail, and what is wrong with each field, but nothing twice."""
    told, fields = str(error), (error.validation_errors or {}).items()
    more = [f"{path}: {' '.join(texts)}" for path, texts in fields if not all(text in told for text in texts)]
    return told + (f" ({'; '.join(more)})" if more else "")


def moment_text(moment: datetime) -> str:
    """A moment as the protocol writes it."""
    return moment.isoformat().replace("+00:00", "Z")


class _Dumper(yaml.SafeDumper):
    """Writes what the standard one cannot, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists below their key."""
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


def _moment(dumper: yaml.SafeDumper, value: datetime) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:timestamp", moment_text(value))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(datetime, _moment)
_Dumper.add_multi_representer(str, lambda dumper, value: _text(dumper, str(value)))
_Dumper.add_multi_representer(Enum, lambda dumper, value: dumper.represent_data(value.value))


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return moment_text(value)
    message = f"{type(value).__name__} cannot be written as JSON"
    raise TypeError(message)
