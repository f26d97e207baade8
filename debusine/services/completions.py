"""Completions: who may hear of which, from where on, and in what order."""

from collections.abc import Collection, Mapping, Sequence, Set
from datetime import datetime

from attrs import frozen

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.completions import Completion, Place, after_all_at, before_all_at
from debusine.domain.rights import Action
from debusine.domain.times import EPOCH
from debusine.services import rights, workspaces


@frozen(kw_only=True)
class Watch:
    """What somebody who watches is to hear of."""

    subject: Subject
    #: What was asked for; None: all.
    chosen: Set[int] | None
    #: What of it the subject may see just now; None: all.
    audible: Set[int] | None
    #: Everything behind this place, and nothing else.
    start: Place


@frozen(kw_only=True)
class Page:
    """Some completions, oldest first."""

    completions: Sequence[Completion]
    #: How far this page goes, whether there was something to hear of or not.
    end: Place
    #: Whether there is more behind it already.
    more: bool
    #: Whether more is on disk that has to wait for a transaction under way.
    held_back: bool


def begin(uow: UnitOfWork, subject: Subject, names: Collection[str], since: datetime | None) -> Watch:
    """Let somebody watch some workspaces (none named: all); ``since``: the last completion heard of, None: from now on.

    If several were completed at that very moment, nobody can say which of them were heard of: all are told again.
    """
    names = frozenset(names)  # one may come a thousand times
    for name in names:
        workspaces.check_name("workspace", name)
    named = [workspaces.named(uow, subject, name) for name in names]
    for workspace in named:
        rights.authorize(uow, subject, Action.WATCH_WORK_REQUESTS, workspace)
    if not named:
        rights.authorize(uow, subject, Action.WATCH_WORK_REQUESTS)
    chosen = frozenset(workspace.id for workspace in named) if named else None
    audible = both(rights.watchable(uow, subject), chosen)
    return Watch(subject=subject, chosen=chosen, audible=audible, start=_start(uow, audible, since))


def page(uow: UnitOfWork, watch: Watch, after: Place, limit: int) -> Page:
    """What one watcher is to hear of behind a place."""
    return _page(uow, after, both(rights.watchable(uow, watch.subject), watch.chosen), limit)


def news(
    uow: UnitOfWork, after: Place, limit: int, subjects: Mapping[int | None, Subject]
) -> tuple[Page, Mapping[int | None, Set[int] | None]]:
    """What anybody could hear of behind a place, and of which workspaces each of some subjects may (None: all)."""
    return _page(uow, after, None, limit), {name: rights.watchable(uow, who) for name, who in subjects.items()}


def both(one: Set[int] | None, other: Set[int] | None) -> Set[int] | None:
    """The workspaces that are in both; None: all there are."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _start(uow: UnitOfWork, audible: Set[int] | None, since: datetime | None) -> Place:
    frontier = uow.completions.frontier()
    if since is None or frontier.latest is None or since > frontier.latest:  # nobody can have heard of the future
        return after_all_at(frontier.settled or EPOCH)
    several = uow.completions.several_at(since, workspaces=audible)
    return before_all_at(since) if several else after_all_at(since)


def _page(uow: UnitOfWork, after: Place, audible: Set[int] | None, limit: int) -> Page:
    frontier = uow.completions.frontier()  # first: what is read afterwards is then complete up to it
    until = frontier.settled or EPOCH
    found, stopped = uow.completions.page(after, until, workspaces=audible, limit=limit)
    end = stopped or max(after, after_all_at(until))
    return Page(completions=found, end=end, more=stopped is not None, held_back=frontier.held_back)
