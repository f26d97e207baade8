"""The page of the tasks tells the truth."""

import json
import re
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from debusine.converter.structure import unstructure
from debusine.domain.categories import ArtifactCategory
from debusine.domain.lookups import MultipleLookup
from debusine.plugin import RunElsewhere
from debusine.tasks import debusine_tasks
from tests.task_examples import EXAMPLES

TEXT = (Path(__file__).parents[2] / "docs/reference/tasks.md").read_text()
TASKS = {task.name: task for task in debusine_tasks()}
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
SHARED = SECTIONS["What several tasks share"]
REPOSITORY = "extra_repositories[]."
LABELS = {"subject", "runtime_context", "configuration_context"}


def rows(section: str) -> dict[str, str]:
    """Key → default, as a section's table says."""
    return dict(re.findall(r"^\| `([^`]+)` \| .* \| (.+?) \|$", section, re.MULTILINE))


def keys(kind: type[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each key that a class takes, and those of the classes in it, with its default."""
    hints = typing.get_type_hints(kind)
    for field in attrs.fields(kind):
        name = prefix + field.name.removesuffix("_")
        yield name, field.default
        for inner, listed in below(hints[field.name]):
            yield from keys(inner, f"{name}{'[]' * listed}.")


def below(hint: Any) -> Iterator[tuple[type[Any], bool]]:
    """The classes that a type speaks of, and whether as members of a list."""
    for part in typing.get_args(hint) or [hint]:
        if attrs.has(part) and part is not MultipleLookup:
            yield part, typing.get_origin(hint) is tuple
        elif typing.get_origin(part) is tuple:
            yield from (
                (inner, True) for inner in typing.get_args(part) if attrs.has(inner) and inner is not MultipleLookup
            )


def shown(default: Any) -> str:
    """A default as the page has it."""
    if default is attrs.NOTHING:
        return "required"
    value = default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]
    text = json.dumps(unstructure(value))
    return f"`{text}`" if text[0] in '"[{' else text


def shared_keys(section: str) -> set[str]:
    """The shared keys that a section names, and those below them."""
    (sentence,) = re.findall(r"Shared keys:(.*?)(?:\n\n|\Z)", section, re.DOTALL) or [""]
    named = {"task_configuration", *re.findall(r"`(\w+)`", sentence)} - {"auto"}
    return named | {key for key in rows(SHARED) if key.startswith(REPOSITORY) and "extra_repositories" in named}


def own_rows(name: str) -> Mapping[str, str]:
    if name == "simplesystemimagebuild":
        return {**rows(SECTIONS["mmdebstrap"]), **rows(SECTIONS[name])}
    return rows(SECTIONS[name])


def test_every_task_has_its_section() -> None:
    assert SECTIONS.keys() - {"What several tasks share"} == TASKS.keys()


@pytest.mark.parametrize("name", TASKS)
def test_the_page_has_exactly_the_keys_that_a_task_takes(name: str) -> None:
    taken = [key for key, _ in keys(TASKS[name].Data)]

    assert sorted(taken) == sorted({*own_rows(name), *shared_keys(SECTIONS[name])})


@pytest.mark.parametrize("name", TASKS)
def test_the_page_has_the_defaults(name: str) -> None:
    defaults = {key: shown(default) for key, default in keys(TASKS[name].Data)}

    for key, said in own_rows(name).items():
        assert said == defaults[key] or defaults[key].startswith("`{"), key
    for key in shared_keys(SECTIONS[name]) - {"environment", "host_architecture"}:
        assert rows(SHARED)[key] == defaults[key] or name == "mergeuploads", key
    for key in {"environment", "host_architecture"} & defaults.keys():
        required = f"`{key}` (required)" in SECTIONS[name]
        assert (defaults[key] == "required") is required, key


@pytest.mark.parametrize("name", TASKS)
def test_the_page_has_what_the_worker_is_told_and_must_report(name: str) -> None:
    section = SECTIONS[name]

    for key in EXAMPLES[name].dynamic.keys() - LABELS:
        assert f"`{key}`" in section
    for key in EXAMPLES[name].requires:
        assert f"`{key}`" in section or f"`{re.sub('executor:.*:', 'executor:BACKEND:', key)}`" in section
    assert ("elsewhere" in section) is issubclass(TASKS[name], RunElsewhere)


def test_the_page_names_no_category_that_there_is_not() -> None:
    assert set(re.findall(r"`(deb(?:ian|usine):[a-z-]+)`", TEXT)) <= set(ArtifactCategory)
