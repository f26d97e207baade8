"""The suite for policies finds each way not to be pure."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve

from debusine.plugin import QueueHead
from debusine.scheduler.fifo import Fifo, FifoOptions
from debusine.testing import SchedulerPolicyConformance


class Dice(Fifo):
    def choose(self, worker: Any, heads: Sequence[QueueHead], usage: Any, at: Any) -> QueueHead | None:
        return random.choice(heads) if heads else None


class InOrder(Fifo):
    def choose(self, worker: Any, heads: Sequence[QueueHead], usage: Any, at: Any) -> QueueHead | None:
        return heads[0] if heads else None


class Inventive(Fifo):
    def choose(self, worker: Any, heads: Sequence[QueueHead], usage: Any, at: Any) -> QueueHead | None:
        chosen = super().choose(worker, heads, usage, at)
        return None if chosen is None else evolve(chosen, id=0)


class Sorting(Fifo):
    def choose(self, worker: Any, heads: Any, usage: Any, at: Any) -> QueueHead | None:
        heads.sort(key=lambda head: head.id)
        return super().choose(worker, heads, usage, at)


class Counting(Fifo):
    def choose(self, worker: Any, heads: Any, usage: Any, at: Any) -> QueueHead | None:
        usage.running[1] = usage.running.get(1, 0) + 1
        return super().choose(worker, heads, usage, at)


class NeverIdle(Fifo):
    def choose(self, worker: Any, heads: Any, usage: Any, at: Any) -> Any:
        return super().choose(worker, heads, usage, at) or "something"


@pytest.mark.parametrize(
    ("broken", "test", "sentence"),
    [
        (Dice, "the_same_question_has_the_same_answer", "no clock, no dice, no memory"),
        (InOrder, "the_order_of_the_heads_does_not_matter", "must not depend on the order"),
        (Inventive, "the_choice_is_one_of_the_heads", "must return one of the heads or None"),
        (Sorting, "nothing_is_changed", "must not change the list of heads"),
        (Counting, "nothing_is_changed", "must not change the usage"),
        (NeverIdle, "nothing_is_chosen_from_nothing", "must return None"),
    ],
)
def test_a_broken_policy_fails_with_a_sentence(broken: type[Fifo], test: str, sentence: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=sentence):
        getattr(SchedulerPolicyConformance(), f"test_{test}")(broken(FifoOptions()))
