"""Artifacts checked against their category: plain data, and the paths of the files."""

from collections.abc import Collection, Mapping
from typing import Any

from debusine.converter.structure import InvalidFields, structure
from debusine.domain.categories import DATA, ArtifactCategory
from debusine.domain.category_files import check_files
from debusine.domain.errors import Invalid


class UnknownCategory(Invalid):
    """There is no such category."""

    def __init__(self, category: str) -> None:
        reason = f"{category[:255]!r} is none of {', '.join(ArtifactCategory)}"
        super().__init__("There is no such category", detail=reason, validation_errors={"category": [reason]})


def check_artifact(category: str, data: Mapping[str, Any], paths: Collection[str]) -> None:
    """Compare an artifact's data and paths with its category.

    Raises ``UnknownCategory``, ``InvalidFields`` with paths below ``data``, or ``InvalidFiles``.
    """
    check_files(category_named(category), structured_data(category, data), paths)


def category_named(category: str) -> ArtifactCategory:
    """The category of that name, or ``UnknownCategory``."""
    try:
        return ArtifactCategory(category)
    except ValueError:
        raise UnknownCategory(category) from None


def structured_data(category: str, data: Mapping[str, Any]) -> Any:
    """An artifact's data as the class of its category."""
    title = f"The data does not fit {category}"
    try:
        return structure(data, DATA[category_named(category)], title=title)
    except InvalidFields as error:
        raise InvalidFields(title, {_below(path): told for path, told in _errors(error)}) from error


def _errors(error: InvalidFields) -> Collection[tuple[str, list[str]]]:
    return [(path, list(told)) for path, told in (error.validation_errors or {}).items()]


def _below(path: str) -> str:
    return "data" if path == "non_field_errors" else f"data.{path}"
