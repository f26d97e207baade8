"""What the database knows of copies, and how it changes when they come, move and get lost: transactions only.

Every change that takes a copy away first locks the row of its file, so that two that happen at once never take the
last two copies of one file.
"""

from datetime import timedelta

from attrs import frozen

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.files import File, FileInStore, FileState, SetAside
from debusine.services.file_stores import Kept


@frozen
class Loss:
    """What it means that a copy does not count any more."""

    #: Where the file still is.
    others: tuple[FileInStore, ...]
    #: In how many artifacts the file is incomplete now, because it is nowhere.
    incomplete: int = 0


def copies_of(uow: UnitOfWork, file: int) -> list[FileInStore]:
    """Where a file is kept."""
    return uow.stored_files.of_file(file)


def add_copy(uow: UnitOfWork, file: File, kept: Kept) -> bool:
    """Record that another store keeps a file, too; False: it is not wanted (any more)."""
    known = uow.files.get_or_none(file.id, lock=True)
    if known is None or known.state is not FileState.LIVE or not uow.stored_files.of_file(file.id):
        return False
    return uow.stored_files.add(kept.store, file.id, kept.data, at=uow.now)


def let_go(uow: UnitOfWork, copy: FileInStore, *, held_by: int, grace: timedelta) -> bool:
    """Let a store's copy go because another store has the file, and its object after a while.

    The object stays for those who have begun to read it, or were told its address. False: the copy must stay.
    """
    uow.files.get(copy.file, lock=True)
    if not uow.stored_files.exists(held_by, copy.file) or not uow.stored_files.remove(copy):
        return False
    uow.set_aside.insert(
        store=copy.store,
        file=copy.file,
        data=copy.data,
        reason=SetAside.MOVED,
        detail="",
        since=uow.now,
        remove_at=uow.now + grace,
    )
    return True


def set_aside(uow: UnitOfWork, copy: FileInStore, reason: SetAside, detail: str) -> Loss | None:
    """Count a copy no more that is not what it should be; None: somebody else was faster.

    A file that is nowhere any more is incomplete in its artifacts, so that it can be sent again.
    """
    uow.files.get(copy.file, lock=True)
    if not uow.stored_files.remove(copy):
        return None
    uow.set_aside.insert(
        store=copy.store, file=copy.file, data=copy.data, reason=reason, detail=detail, since=uow.now, remove_at=None
    )
    others = tuple(uow.stored_files.of_file(copy.file))
    return Loss(others, 0 if others else uow.files_in_artifacts.mark_incomplete(copy.file))
