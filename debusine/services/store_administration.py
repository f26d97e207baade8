"""Store administration: what the operator can do with stores; it takes its time, and tells how far it is."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from attrs import frozen

from debusine.converter.structure import structure, unstructure
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.errors import Conflict, DebusineError, NotFound
from debusine.domain.files import SetAsideCopy
from debusine.domain.rights import Action
from debusine.domain.stores import StoreContents, StorePolicies
from debusine.plugin import FileMissing, Grade, StoreData
from debusine.services import moving, scrubbing, store_checks, workspaces
from debusine.services.file_stores import FileStores, Opened
from debusine.services.receptions import Depot
from debusine.services.rights import authorize


class UnknownStore(NotFound):
    """The configuration names no store of this name."""

    def __init__(self, name: str, stores: FileStores) -> None:
        super().__init__(f"There is no file store {name!r}; there are: {', '.join(sorted(stores))}")


class CannotMigrate(Conflict):
    """A store cannot be emptied into another one."""

    def __init__(self, reason: str) -> None:
        super().__init__("The files cannot be moved", detail=reason)


@frozen(kw_only=True)
class Progress:
    """How far something is."""

    #: What is being done, for people.
    what: str
    #: Bytes.
    done: int
    total: int


Report: TypeAlias = Callable[[Progress], Awaitable[None]]


@frozen(kw_only=True)
class AllStores:
    """No arguments."""


@frozen(kw_only=True)
class SomeStores:
    """``stores verify``; none: all of them."""

    store: str | None = None


@frozen(kw_only=True)
class Migrate:
    """``stores migrate``."""

    source: str
    target: str


@frozen(kw_only=True)
class Scrub:
    """``stores scrub``; ``size``: bytes to read at most."""

    store: str | None = None
    size: int | None = None


@frozen(kw_only=True)
class Drop:
    """``stores drop-quarantined``; none: all of them."""

    number: int | None = None


@frozen(kw_only=True)
class StoreRow:
    """A store, for the operator."""

    name: str
    backend: str
    #: "ok", or what is wrong.
    health: str
    files: int
    #: Bytes.
    size: int
    max_size: int | None
    #: What it is used for, as far as that is not usual.
    policies: list[str]
    workspaces: list[str]
    #: Objects that wait to be removed, and damaged ones that wait for the operator.
    removing: int
    quarantined: int


@frozen(kw_only=True)
class FindingRow:
    """An answer to one question about one store."""

    store: str
    what: str
    grade: Grade
    detail: str


@frozen(kw_only=True)
class MigrateResult:
    """What became of a migration."""

    moved: int
    #: Bytes.
    size: int
    failed: int
    #: Why the first ones failed.
    failures: list[str]
    #: Whether the store is empty now, but for objects that are about to be removed.
    empty: bool
    #: Objects that the server removes in a while.
    removing: int


@frozen(kw_only=True)
class ScrubResult:
    """What was found."""

    store: str
    read: int
    #: Bytes.
    size: int
    damaged: int
    replaced: int
    #: Files of which no good copy is left.
    lost: int
    #: Why it ended before its time.
    failure: str | None = None


@frozen(kw_only=True)
class QuarantinedRow:
    """An object that does not count as a copy any more."""

    number: int
    store: str
    file: str
    reason: str
    detail: str
    since: str
    #: Whether other stores have the file.
    copies: int


#: Failures that are told in full.
TOLD = 10


async def list_stores(depot: Depot, _: AllStores, report: Report) -> list[StoreRow]:
    """Show every store, with what is in it."""
    contents = await depot.database.count(lambda uow: uow.stored_files.contents())
    users, aside = await depot.database.read(_surroundings)
    rows = []
    for each in sorted(depot.stores.opened(), key=lambda each: each.row.name):
        found = contents.get(each.row.id, StoreContents())
        removing, quarantined = aside.get(each.row.id, (0, 0))
        rows.append(
            StoreRow(
                name=each.row.name,
                backend=each.row.backend,
                health=each.health.state,
                files=found.files,
                size=found.size,
                max_size=each.policies.max_size,
                policies=unusual(each.policies),
                workspaces=users.get(each.row.id, []),
                removing=removing,
                quarantined=quarantined,
            )
        )
    return rows


async def verify_stores(depot: Depot, arguments: SomeStores, report: Report) -> list[FindingRow]:
    """See whether stores are what the farm relies on."""
    rows: list[FindingRow] = []
    for each in _chosen(depot.stores, arguments.store):
        name = each.row.name
        async for found in store_checks.findings(depot, each):
            rows.append(FindingRow(store=name, what=found.what, grade=found.grade, detail=found.detail))
            await report(Progress(what=f"{name}: {found.what}", done=len(rows), total=0))
    return rows


async def migrate(depot: Depot, arguments: Migrate, report: Report) -> MigrateResult:
    """Move everything from one store to another; interrupted, it goes on where it was."""
    source, target = _named(depot.stores, arguments.source), _named(depot.stores, arguments.target)
    _check_migration(depot.stores, source, target)
    await depot.database.write(lambda uow: workspaces.leave(uow, store=source.row.id, for_=target.row.id))
    contents = await depot.database.count(lambda uow: uow.stored_files.contents())
    total = contents.get(source.row.id, StoreContents()).size
    moved, size, failures = 0, 0, list[str]()
    async for each in moving.move_all(depot, source.row.id, target.row.id, verify=True):
        if each.failure is None:
            moved, size = moved + 1, size + each.file.size
        else:
            failures.append(f"{each.file.hash_digest.hex()}: {each.failure}")
        await report(Progress(what=f"{source.row.name} → {target.row.name}", done=size, total=max(total, size)))
    if depot.limits.copy_removal == 0:
        await moving.remove_due(depot, source.row.id)
    empty, removing = await depot.database.write(_after_migration, source.row.id)
    return MigrateResult(
        moved=moved, size=size, failed=len(failures), failures=failures[:TOLD], empty=empty, removing=removing
    )


async def scrub(depot: Depot, arguments: Scrub, report: Report) -> list[ScrubResult]:
    """Read again what stores keep, the longest unread first."""
    contents = await depot.database.count(lambda uow: uow.stored_files.contents())
    results = []
    for each in _chosen(depot.stores, arguments.store):
        total = contents.get(each.row.id, StoreContents()).size
        most = total if arguments.size is None else min(total, arguments.size)
        results.append(await _scrub_one(depot, each, arguments.size, most, report))
    return results


async def list_quarantined(depot: Depot, _: AllStores, report: Report) -> list[QuarantinedRow]:
    """Show the objects that do not count as copies any more and wait for the operator."""
    names = {each.row.id: each.row.name for each in depot.stores.opened()}
    return await depot.database.read(
        lambda uow: [_quarantined(uow, copy, names) for copy in uow.set_aside.quarantined()]
    )


async def drop_quarantined(depot: Depot, arguments: Drop, report: Report) -> list[QuarantinedRow]:
    """Remove such objects, or one of them, for good."""
    names = {each.row.id: each.row.name for each in depot.stores.opened()}
    found = await depot.database.read(lambda uow: uow.set_aside.quarantined())
    wanted = [copy for copy in found if arguments.number in {None, copy.id}]
    if arguments.number is not None and not wanted:
        raise NotFound(f"There is no quarantined object {arguments.number}")
    dropped = []
    for copy in wanted:
        row = await depot.database.read(lambda uow, copy: _quarantined(uow, copy, names), copy)
        await _drop(depot, copy)
        dropped.append(row)
    return dropped


@frozen
class Operation:
    """One line of the table."""

    arguments: type[Any]
    action: Action
    service: Callable[[Depot, Any, Report], Awaitable[Any]]


OPERATIONS: Mapping[str, Operation] = {
    "stores list": Operation(AllStores, Action.ADMINISTER, list_stores),
    "stores verify": Operation(SomeStores, Action.ADMINISTER, verify_stores),
    "stores migrate": Operation(Migrate, Action.ADMINISTER, migrate),
    "stores scrub": Operation(Scrub, Action.ADMINISTER, scrub),
    "stores quarantined": Operation(AllStores, Action.ADMINISTER, list_quarantined),
    "stores drop-quarantined": Operation(Drop, Action.ADMINISTER, drop_quarantined),
}


async def operate(depot: Depot, subject: Subject, name: str, arguments: Mapping[str, Any], report: Report) -> Any:
    """Carry out an operation of the table with plain values, and return plain values."""
    operation = OPERATIONS[name]
    await depot.database.read(lambda uow: authorize(uow, subject, operation.action))
    structured = structure(dict(arguments), operation.arguments, title=f"Cannot {name}")
    return unstructure(await operation.service(depot, structured, report))


def unusual(policies: StorePolicies) -> list[str]:
    """What a store is used for, as far as that is not usual."""
    usual = StorePolicies()
    names = ("read_only", "write_only", "populate", "drain", "drain_to", "upload_priority", "download_priority")
    differing = [name for name in names if getattr(policies, name) != getattr(usual, name)]
    return [name if getattr(policies, name) is True else f"{name} = {getattr(policies, name)}" for name in differing]


def _chosen(stores: FileStores, name: str | None) -> list[Opened]:
    if name is not None:
        return [_named(stores, name)]
    return sorted(stores.opened(), key=lambda each: each.row.name)


def _named(stores: FileStores, name: str) -> Opened:
    for each in stores.opened():
        if each.row.name == name:
            return each
    raise UnknownStore(name, stores)


def _check_migration(stores: FileStores, source: Opened, target: Opened) -> None:
    if source.row.id == target.row.id:
        raise CannotMigrate("both stores are the same")
    if not target.policies.takes_files:
        raise CannotMigrate(f"the store {target.row.name} is {', '.join(unusual(target.policies))}")
    if target.row.id in stores.in_one_place_with(source.row.id):
        raise CannotMigrate("one of the stores stands in front of the other, so both have the same objects")


def _after_migration(uow: UnitOfWork, store: int) -> tuple[bool, int]:
    empty = not uow.stored_files.in_store(store, after=0, limit=1)
    if empty:
        workspaces.forget_store(uow, store)
    return empty, uow.set_aside.count(store)[0]


def _surroundings(uow: UnitOfWork) -> tuple[dict[int, list[str]], dict[int, tuple[int, int]]]:
    users: dict[int, list[str]] = {}
    for workspace in uow.workspaces.all():
        for store in workspace.file_stores:
            users.setdefault(store, []).append(workspace.name)
    return users, {store.id: uow.set_aside.count(store.id) for store in uow.file_stores.all()}


async def _scrub_one(depot: Depot, each: Opened, budget: int | None, most: int, report: Report) -> ScrubResult:
    read, size, damaged, replaced, lost = 0, 0, 0, 0, 0
    failure = None
    try:
        before = await depot.database.read(lambda uow: uow.now)
        async for found in scrubbing.scrub(depot, each.row.id, before=before, budget=budget):
            read, size = read + 1, size + found.file.size
            damaged += found.reason is not None
            replaced += found.replaced
            lost += found.lost
            await report(Progress(what=each.row.name, done=size, total=max(most, size)))
    except (DebusineError, OSError) as error:
        failure = str(error)
    return ScrubResult(
        store=each.row.name, read=read, size=size, damaged=damaged, replaced=replaced, lost=lost, failure=failure
    )


def _quarantined(uow: UnitOfWork, copy: SetAsideCopy, names: Mapping[int, str]) -> QuarantinedRow:
    file = uow.files.get(copy.file)
    return QuarantinedRow(
        number=copy.id,
        store=names.get(copy.store, str(copy.store)),
        file=file.hash_digest.hex(),
        reason=str(copy.reason),
        detail=copy.detail,
        since=copy.since.isoformat(),
        copies=len(uow.stored_files.of_file(copy.file)),
    )


async def _drop(depot: Depot, copy: SetAsideCopy) -> None:
    file = await depot.database.read(lambda uow: uow.files.get(copy.file))
    with suppress(FileMissing):  # that may be what was wrong with it
        await depot.stores.by_id(copy.store).remove(file, StoreData(copy.data))
    await depot.database.write(lambda uow: uow.set_aside.delete(copy.id))
