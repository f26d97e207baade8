"""The page that says where each model lives tells the truth."""

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/reference/models.md"
LAYERS = "converter|db|domain|plugin|services"
NAMES = sorted(set(re.findall(rf"`((?:{LAYERS})\.[\w.]+)`", PAGE.read_text())))
MODELS = (
    "Artifact", "ArtifactRelation", "File", "FileInArtifact", "FileInStore", "FileStore", "FileUpload",
    "NotificationChannel", "Token", "User", "WorkRequest", "Worker", "Workspace",
)  # fmt: skip


def found(name: str) -> object:
    """What a dotted name below debusine means."""
    module = f"debusine.{name}"
    attributes: list[str] = []
    while True:
        try:
            thing: object = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, last = module.rpartition(".")
            attributes.insert(0, last)
    for attribute in attributes:
        thing = getattr(thing, attribute)
    return thing


@pytest.mark.parametrize("name", NAMES)
def test_a_name_on_the_page_is_in_the_code(name: str) -> None:
    assert found(name) is not None


def test_the_page_has_all_thirteen_models() -> None:
    assert re.findall(r"^## (\w+)$", PAGE.read_text(), re.MULTILINE) == [*MODELS, "Functions"]
