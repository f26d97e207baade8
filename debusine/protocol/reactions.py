"""What is to happen when a work request changes: the key ``event_reactions`` of a submission."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from attrs import field, frozen, validators

#: At most 20 characters.
CHANNEL_NAME = r"[A-Za-z][A-Za-z0-9+._-]{0,19}"


#: What a submitter may want otherwise than the channel says: who writes, to whom, and under which subject.
ADDRESSES = frozenset({"from", "to", "cc"})
LISTS = frozenset({"to", "cc"})


#: Addresses that one reaction may name, reactions to one event, and characters of a subject, at most.
MAX_ADDRESSES, MAX_REACTIONS, MAX_SUBJECT = 100, 20, 500


def _fits(_instance: object, _attribute: object, data: Mapping[str, Any] | None) -> None:
    for key, value in (data or {}).items():
        if key not in ADDRESSES | {"subject"}:
            message = f"Invalid fields: {key}"
            raise ValueError(message)
        if not (_texts(value) if key in LISTS else isinstance(value, str)):
            message = f"{key} must be {'an array of strings' if key in LISTS else 'a string'}."
            raise TypeError(message)
    _check_lengths(data or {})


def _check_lengths(data: Mapping[str, Any]) -> None:
    if sum(len(data.get(key, ())) for key in LISTS) > MAX_ADDRESSES:
        message = f"to and cc must not name more than {MAX_ADDRESSES} addresses together."
        raise ValueError(message)
    if len(data.get("subject", "")) > MAX_SUBJECT:
        message = f"subject must not have more than {MAX_SUBJECT} characters."
        raise ValueError(message)


def _few(_instance: object, _attribute: object, reactions: list[Any]) -> None:
    if len(reactions) > MAX_REACTIONS:
        message = f"This must not have more than {MAX_REACTIONS} items."
        raise ValueError(message)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


@frozen(kw_only=True)
class Reaction:
    """Somebody is told."""

    action: Literal["send-notification"]
    channel: str = field(validator=validators.matches_re(CHANNEL_NAME))
    data: dict[str, Any] | None = field(default=None, validator=_fits)

    @property
    def readdresses(self) -> bool:
        """Whether it changes who writes, or to whom."""
        return not ADDRESSES.isdisjoint(self.data or {})


@frozen(kw_only=True)
class EventReactions:
    """Event → what is to happen then."""

    on_creation: list[Reaction] = field(factory=list, validator=_few)
    on_unblock: list[Reaction] = field(factory=list, validator=_few)
    on_assignment: list[Reaction] = field(factory=list, validator=_few)
    on_success: list[Reaction] = field(factory=list, validator=_few)
    on_failure: list[Reaction] = field(factory=list, validator=_few)

    def __iter__(self) -> Iterator[Reaction]:
        for reactions in (self.on_creation, self.on_unblock, self.on_assignment, self.on_success, self.on_failure):
            yield from reactions
