"""A group in one transaction of PostgreSQL: one commit for all, and each is told the truth about its own part.

A group runs in good faith first: nobody is guarded against the failure of another, because a savepoint costs a round
trip. When somebody fails, nothing of this is kept, and the group runs again with each member but the first to be kept
in a savepoint. Nothing is hidden from the others by it: a member sees what those before it have done.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import sqlalchemy as sa

from debusine.db.engine import DatabaseUnreachable, DatabaseUnwilling, aborted, worth_retrying
from debusine.db.groups import Member

#: Members that are to run again, together.
Parts = Sequence[Sequence[Member]]


def commit_group(
    engine: sa.Engine,
    group: Sequence[Member],
    clock: Callable[[], datetime],
    before_commit: Callable[[], None] = lambda: None,
) -> Parts:
    """Run the members one after the other and commit them together; returns what is worth running again.

    A member that raises is rolled back alone. One that fell victim to a conflict runs again alone, so that it waits
    for nobody with the locks of others. When the connection is lost before the COMMIT nothing is on disk: whoever ran
    then, and may have caused it, runs again alone, the others together. When the COMMIT fails nobody knows, and
    everybody is told so. All have their error, in case they do not run again.
    """
    try:
        with engine.connect() as connection:
            in_good_faith = len(group) > 1 and _run_in_good_faith(connection, group, clock)
            settled, again = (group, ()) if in_good_faith else _run_guarded(connection, group, clock)
            before_commit()
            if settled:
                _commit(connection, settled)
            return again
    except Exception as error:  # noqa: BLE001 - the writer lives on, and nobody waits for ever
        _fail(group, error)
        return [group] if worth_retrying(error) else []


def _run_in_good_faith(connection: sa.Connection, group: Sequence[Member], clock: Callable[[], datetime]) -> bool:
    """Run the members as if nobody could fail; False: somebody has, and nothing has happened."""
    for member in group:
        _run_member(connection, member, clock())
        if member.error is not None or connection.invalidated:
            connection.rollback()
            return False
    return True


def _run_guarded(
    connection: sa.Connection, group: Sequence[Member], clock: Callable[[], datetime]
) -> tuple[Sequence[Member], Parts]:
    """Run the members; returns those whose fate is that of the commit (nobody: there is nothing to commit)."""
    kept, victims = 0, list[Member]()
    guarded = False
    for member in group:
        if kept and not guarded:
            connection.exec_driver_sql("SAVEPOINT member" if kept == 1 else "RELEASE member; SAVEPOINT member")
            guarded = True
        _run_member(connection, member, clock())
        if connection.invalidated:
            return (), _without(member, group)
        if member.error is None:
            kept, guarded = kept + 1, False
            continue
        if worth_retrying(member.error):
            victims.append(member)
        _undo(connection, guarded=guarded)
    settled = [member for member in group if kept and member not in victims]
    return settled, [[member] for member in victims]


def _run_member(connection: sa.Connection, member: Member, moment: datetime) -> None:
    member.run(connection, moment)
    if member.error is None and not connection.invalidated and aborted(connection):
        # Also when the function took no notice: PostgreSQL would make a ROLLBACK of the COMMIT, without a word.
        member.error = DatabaseUnwilling("PostgreSQL has aborted the transaction")


def _undo(connection: sa.Connection, *, guarded: bool) -> None:
    if guarded:
        connection.exec_driver_sql("ROLLBACK TO member")
    else:
        connection.rollback()


def _without(suspect: Member, group: Sequence[Member]) -> Parts:
    _fail([member for member in group if member.error is None], DatabaseUnreachable("The connection was lost"))
    others = [member for member in group if member is not suspect]
    return [[suspect], others] if others else [[suspect]]


def _commit(connection: sa.Connection, group: Sequence[Member]) -> None:
    try:
        connection.commit()
    except sa.exc.DBAPIError as error:
        _fail(group, error)  # also those with an error of their own: what they saw may not be there


def _fail(group: Sequence[Member], error: Exception) -> None:
    for member in group:
        member.error = error
