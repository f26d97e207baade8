"""Explanations: why a work request waits, as servers tell and clients show it."""

from attrs import field, frozen


@frozen(kw_only=True)
class Obstacles:
    """What keeps one worker from a work request; nothing: it could have it now."""

    #: The worker's name.
    worker: str
    reasons: list[str] = field(factory=list)


@frozen(kw_only=True)
class Explanation:
    """Why a work request waits."""

    #: In a few words.
    summary: str
    #: By worker; none when no worker could change anything.
    workers: list[Obstacles] = field(factory=list)
