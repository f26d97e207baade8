"""The interface of a scheduler policy: which waiting work a worker gets."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from attrs import Factory, field, frozen

from debusine.domain.demands import Demand
from debusine.domain.times import aware
from debusine.domain.workers import Worker

O = TypeVar("O")  # noqa: E741 - the Options class of a policy


@frozen(kw_only=True)
class QueueHead:
    """The first waiting work request of one queue; a queue is one demand in one workspace."""

    id: int
    #: Effective; higher goes first.
    priority: int
    created_at: datetime = field(validator=aware)
    workspace: int
    demand: Demand


@frozen(kw_only=True)
class Usage:
    """What the workspaces use: workspace id → work requests in workers' hands, and seconds of work used lately.

    The server does not count ``recent`` yet: it is empty until a policy that comes with debusine needs it.
    """

    running: Mapping[int, int] = Factory(dict)
    recent: Mapping[int, float] = Factory(dict)


class SchedulerPolicy(ABC, Generic[O]):
    """Orders waiting work. Pure: the same arguments give the same choice, so that a recorded day can be replayed."""

    #: What deployers write in ``[scheduler] policy`` to choose this policy.
    name: ClassVar[str]
    #: A keyword-only attrs class of the settings in ``[scheduler.options]``.
    Options: ClassVar[type[Any]]

    def __init__(self, options: O) -> None:
        self.options = options

    @abstractmethod
    def choose(self, worker: Worker, heads: Sequence[QueueHead], usage: Usage, at: datetime) -> QueueHead | None:
        """Pick one of the heads for a worker that can run them all; None: let it wait.

        The order in which the heads come says nothing. Nothing that is passed may be changed.
        """
