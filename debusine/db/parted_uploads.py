"""Uploads whose bytes are in a store already, in the database."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from debusine.db import tables
from debusine.db.batches import batches
from debusine.domain.uploads import PartedUpload, Tail, UploadPart

_parted, _parts = tables.parted_uploads, tables.upload_parts


class PartedUploadRepository:
    """Finds and keeps what stores have of files that are not whole yet."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def of(self, upload: int) -> PartedUpload | None:
        """What a store has of an upload; None: no store has any of it."""
        row = self.connection.execute(_OF_UPLOAD, {"upload": upload}).one_or_none()
        return None if row is None else _noun(row)

    def of_uploads(self, uploads: Collection[int]) -> dict[int, PartedUpload]:
        """Upload → what a store has of it, as far as one has any."""
        found: dict[int, PartedUpload] = {}
        for batch in batches(uploads):
            rows = self.connection.execute(_SELECT.where(_parted.c.upload.in_(batch)))
            found.update({row.upload: _noun(row) for row in rows})
        return found

    def begin(self, upload: int, store: int, data: Mapping[str, Any]) -> None:
        """Keep where the bytes of an upload are."""
        self.connection.execute(sa.insert(_parted), {"upload": upload, "store": store, "data": dict(data)})

    def add(self, upload: int, parts: Sequence[UploadPart], tail: Tail | None) -> None:
        """Keep the parts that have come, and what is left behind the last of them."""
        if parts:
            rows = [{"upload": upload, "number": each.number, "size": each.size, "data": each.data} for each in parts]
            self.connection.execute(sa.insert(_parts), rows)
        self.connection.execute(_SET_TAIL, {"wanted": upload, "new_tail": _tail_values(tail)})

    def parts(self, upload: int) -> Sequence[UploadPart]:
        """All parts of an upload, in their order."""
        rows = self.connection.execute(_PARTS, {"upload": upload})
        return [UploadPart(number=number, size=size, data=data) for number, size, data in rows]

    def unfinished(self, stores: Collection[int]) -> Sequence[Mapping[str, Any]]:
        """By which data stores find each object that is not finished yet."""
        return self.connection.scalars(sa.select(_parted.c.data).where(_parted.c.store.in_(stores))).all()


def _noun(row: Any) -> PartedUpload:
    return PartedUpload(store=row.store, data=row.data, tail=_tail(row.tail), parts=row.parts)


def _tail(values: Mapping[str, Any] | None) -> Tail | None:
    if values is None:
        return None
    return Tail(sha256=bytes.fromhex(values["sha256"]), size=values["size"], data=values["data"])


def _tail_values(tail: Tail | None) -> dict[str, Any] | None:
    return None if tail is None else {"sha256": tail.sha256.hex(), "size": tail.size, "data": dict(tail.data)}


_SELECT = sa.select(
    *_parted.c,
    sa.select(sa.func.count())
    .select_from(_parts)
    .where(_parts.c.upload == _parted.c.upload)
    .scalar_subquery()
    .label("parts"),
)
_OF_UPLOAD = _SELECT.where(_parted.c.upload == sa.bindparam("upload"))
_PARTS = (
    sa.select(_parts.c.number, _parts.c.size, _parts.c.data)
    .where(_parts.c.upload == sa.bindparam("upload"))
    .order_by(_parts.c.number)
)
_SET_TAIL = sa.update(_parted).where(_parted.c.upload == sa.bindparam("wanted")).values(tail=sa.bindparam("new_tail"))
