"""A Sphinx extension that writes the table of settings from the classes that hold them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import NOTHING, Attribute, Factory, fields
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

from debusine import config

HEAD = "| Key | Default | Twin | What it is |\n|---|---|---|---|\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the tables before Sphinx looks for pages."""
    app.connect("builder-inited", write_tables, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_tables(app: Sphinx) -> None:
    """Write a table for the top of the file and one for each section, to be included in the page about it."""
    places = Path(app.srcdir) / "reference/api"
    places.mkdir(parents=True, exist_ok=True)
    tables: dict[str, tuple[type[Any], str]] = {
        "settings": (config.Settings, ""),
        "limits": (config.Limits, "LIMITS__"),
        "stores": (config.StoreSettings, "STORES__NAME__"),
    }
    for name, (settings, prefix) in tables.items():
        (places / f"{name}.inc").write_text(HEAD + "".join(rows(settings, prefix)))


def rows(settings: type[Any], prefix: str) -> Iterator[str]:
    """One row for each scalar setting of a class."""
    words = {name: text for class_ in settings.__mro__[:-1] for name, text in comments(class_)}
    for attribute in fields(settings):
        if attribute.metadata.get("setting", True) and not isinstance(attribute.default, Factory):  # type: ignore[arg-type]
            said = words.get(attribute.name, "")
            twin = f"DEBUSINE_{prefix}{attribute.name.upper()}"
            yield f"| `{attribute.name}` | {shown(attribute)} | `{twin}` | {said} |\n"


def comments(class_: type[Any]) -> Iterator[tuple[str, str]]:
    """The fields that a class itself defines, each with what its comment says."""
    found = ModuleAnalyzer.for_module(class_.__module__)
    found.analyze()
    for (owner, name), lines in found.attr_docs.items():
        if owner == class_.__name__:
            yield name, " ".join(lines).strip()


def shown(attribute: "Attribute[Any]") -> str:
    """A default as TOML would have it."""
    if attribute.default in (NOTHING, None):
        return ""
    if isinstance(attribute.default, tuple):
        return f"`{list(attribute.default)}`"
    if isinstance(attribute.default, str):
        return f'`"{attribute.default}"`'
    return f"`{attribute.default:,}`".replace(",", "_")
