"""Whatever stands in task_data is taken or refused, and breaks nothing."""

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from debusine.plugin import Invalid, structure
from debusine.services.matching import verdict
from debusine.tasks import debusine_tasks
from tests.task_examples import EXAMPLES, lookups

TASKS = {task.name: task for task in debusine_tasks()}

#: What often breaks something.
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63 - 1, -(2**63), 1e308, "", "\x7f", "\u0661", "a\n", "--help", "../..",
    "%s", "1@artifacts", "1@collections", "debian/match:codename=bookworm", "auto", [], {}, [[]], [{}], {"": None},
    "\U0001f41c" * 40,
)  # fmt: skip

plain = st.sampled_from(ODD) | st.text(max_size=20) | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
anything = st.recursive(
    plain,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=9), below, max_size=3),
    max_leaves=6,
)


@st.composite
def bent(draw: st.DrawFn, whole: Any) -> Any:
    """A value of which a part has become something else, is gone, or is there twice."""
    value = copy.deepcopy(whole)
    inside = value
    while isinstance(inside, dict | list) and inside:
        key = draw(st.sampled_from(list(inside) if isinstance(inside, dict) else range(len(inside))))
        if not isinstance(inside[key], dict | list) or not inside[key] or draw(st.booleans()):
            _bend(draw, inside, key)
            break
        inside = inside[key]
    return value


def _bend(draw: st.DrawFn, inside: Any, key: Any) -> None:
    match draw(st.integers(0, 3)):
        case 0:
            del inside[key]
        case 1 if isinstance(inside, dict):
            inside[draw(st.text(max_size=9))] = inside[key]
        case 1:
            inside.append(inside[key])
        case _:
            inside[key] = draw(anything)


@pytest.mark.parametrize("name", EXAMPLES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(draw=st.data())
def test_bent_task_data_is_taken_or_refused(name: str, draw: st.DataObject) -> None:
    task = TASKS[name]
    raw = draw.draw(bent(dict(EXAMPLES[name].data)))

    with suppress(Invalid):
        data = structure(raw, task.Data)
        dynamic = task.resolve(data, lookups())
        demand = task.demand(data)
        assert demand.from_canonical(demand.canonical) == demand
        assert isinstance(verdict(TASKS, {}, demand).reasons, tuple)
        assert set(dynamic) <= {*EXAMPLES[name].dynamic, "binnmu_maintainer", "input_binary_artifacts_ids"}
