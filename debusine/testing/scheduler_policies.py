"""The suite that says whether a scheduler policy conforms."""

import copy
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from attrs import frozen

from debusine.domain.workers import Worker
from debusine.plugin import Demand, QueueHead, SchedulerPolicy, Usage
from debusine.plugin.kinds import SCHEDULER_POLICY
from debusine.testing.requirements import require

Policy = SchedulerPolicy[Any]

AT = datetime(2025, 1, 1, 12, tzinfo=UTC)

#: How many situations each test tries; the same ones in every run.
SITUATIONS = 200


@frozen
class Situation:
    """What a policy is asked about."""

    worker: Worker
    heads: Sequence[QueueHead]
    usage: Usage
    at: datetime

    @classmethod
    def of_number(cls, number: int) -> "Situation":
        """One of many situations, the same one for the same number; some have no heads, some one."""
        dice = random.Random(number)  # noqa: S311 - the same situation in every run
        heads = [queue_head(id_, dice) for id_ in dice.sample(range(1, 1000), k=dice.randint(0, 8))]
        busy = dice.sample(range(1, 6), k=3)
        usage = Usage(
            running={workspace: dice.randint(0, 9) for workspace in busy},
            recent={workspace: dice.uniform(0, 1e5) for workspace in busy},
        )
        return cls(Worker(id=dice.randint(1, 9), name="worker", registered_at=AT), heads, usage, AT)

    def choice_of(self, policy: Policy) -> QueueHead | None:
        """What a policy chooses here."""
        return policy.choose(self.worker, list(self.heads), self.usage, self.at)


def queue_head(id_: int, dice: random.Random) -> QueueHead:
    """A waiting work request; priorities and times are often the same as another's."""
    demand = Demand(task_name=dice.choice(["sbuild", "lintian"]), version=1, architecture=dice.choice([None, "amd64"]))
    return QueueHead(
        id=id_,
        priority=dice.choice([-5, 0, 0, 0, 10]),
        created_at=AT - timedelta(seconds=dice.choice([0, 1, 60, 60, 86_400])),
        workspace=dice.randint(1, 5),
        demand=demand,
    )


def situations() -> list[Situation]:
    """All situations that the suite tries."""
    return [Situation.of_number(number) for number in range(SITUATIONS)]


class SchedulerPolicyConformance:
    """Says whether a policy conforms: inherit it and define the fixture ``policy``.

    .. code-block:: python

        class TestLottery(SchedulerPolicyConformance):
            @pytest.fixture
            def policy(self):
                return Lottery(LotteryOptions(seed=7))
    """

    @pytest.fixture
    def policy(self) -> Policy:
        """The policy to be tested; the class that inherits this suite overrides it."""
        message = "Define a fixture `policy` in your test class that returns your policy"
        raise NotImplementedError(message)

    def test_the_class_can_be_offered_by_a_hook(self, policy: Policy) -> None:
        """Its ``name`` and its ``Options`` are what the manager demands."""
        reason = SCHEDULER_POLICY.reason_against(type(policy))
        require(reason is None, f"{type(policy).__name__} cannot be offered by a hook: {reason}")

    def test_nothing_is_chosen_from_nothing(self, policy: Policy) -> None:
        """Without heads there is no choice."""
        chosen = attrs.evolve(Situation.of_number(0), heads=[]).choice_of(policy)
        require(chosen is None, f"choose() without heads must return None, not {chosen}")

    def test_the_choice_is_one_of_the_heads(self, policy: Policy) -> None:
        """Or none of them, to let the worker wait."""
        for situation in situations():
            chosen = situation.choice_of(policy)
            require(
                chosen is None or chosen in situation.heads, f"choose() must return one of the heads or None: {chosen}"
            )

    def test_the_same_question_has_the_same_answer(self, policy: Policy) -> None:
        """A recorded day can be replayed, also by another object with the same options."""
        other = type(policy)(policy.options)
        for situation in situations():
            first = situation.choice_of(policy)
            require(
                first == situation.choice_of(policy) == situation.choice_of(other),
                "choose() must answer the same question alike each time: no clock, no dice, no memory",
            )

    def test_the_order_of_the_heads_does_not_matter(self, policy: Policy) -> None:
        """They come from the database in the order of their queues, which says nothing."""
        for situation in situations():
            turned = attrs.evolve(situation, heads=list(reversed(situation.heads)))
            same = situation.choice_of(policy) == turned.choice_of(policy)
            require(same, "choose() must not depend on the order in which the heads come")

    def test_nothing_is_changed(self, policy: Policy) -> None:
        """The heads and the usage serve for the next worker, too."""
        for situation in situations():
            heads, usage = list(situation.heads), copy.deepcopy(situation.usage)
            policy.choose(situation.worker, heads, situation.usage, situation.at)
            require(heads == list(situation.heads), "choose() must not change the list of heads")
            require(usage == situation.usage, "choose() must not change the usage")
