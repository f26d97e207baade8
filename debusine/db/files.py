"""Files in the database: contents by their hash and size."""

from collections.abc import Collection, Iterable

import sqlalchemy as sa

from debusine.db import tables
from debusine.db.batches import batches
from debusine.db.engine import insert_or_ignore
from debusine.db.repository import Repository
from debusine.domain.errors import Conflict
from debusine.domain.files import Digest, File, FileState
from debusine.domain.workspaces import Workspace

#: How often contents are looked for while a collector removes them under our eyes.
TRIES = 5


class FilesVanish(Conflict):
    """Files that were asked for are removed again and again at the same moment."""

    def __init__(self) -> None:
        super().__init__("Some of these files are being removed just now", detail="Try again in a moment")


class FileRepository(Repository[File]):
    """Finds and keeps contents by their hash and size."""

    table = tables.files
    noun = File
    title = "file"
    guards = ("state",)

    def get_or_create(self, digest: Digest) -> File:
        """The live file with this content; it stays live until the commit."""
        return self.get_or_create_all([digest])[digest]

    def get_or_create_all(self, digests: Iterable[Digest]) -> dict[Digest, File]:
        """The live files with these contents, made where there are none; they stay live until the commit.

        Whoever references a file must do so in the same transaction: then no collector marks it meanwhile.
        """
        # Always in one order, so that two who want the same files never wait for each other in a circle.
        wanted = sorted(set(digests), key=lambda digest: (digest.hash_digest, digest.size))
        found: dict[Digest, File] = {}
        for batch in batches(wanted):
            found |= self._get_or_create(batch)
        return found

    def held(self, files: Collection[int], workspace: Workspace) -> set[int]:
        """Those of these files that a workspace has whole: in an artifact of its own and in one of its stores."""
        found: set[int] = set()
        for batch in batches(files):
            stores = workspace.file_stores
            rows = self.connection.execute(_HELD, {"wanted": batch, "workspace": workspace.id, "stores": stores})
            found.update(rows.scalars())
        return found

    def _get_or_create(self, digests: list[Digest]) -> dict[Digest, File]:
        found = self._live(digests)
        for _ in range(TRIES):
            missing = [digest for digest in digests if digest not in found]
            if not missing:
                return found
            found |= self._create(missing) or self._live(missing)
        raise FilesVanish

    def _live(self, digests: Collection[Digest]) -> dict[Digest, File]:
        wanted = {(digest.hash_digest, digest.size): digest for digest in digests}
        rows = self.connection.execute(_LIVE, {"wanted": [hash_digest for hash_digest, _ in wanted]})
        # A hash might have been declared with another size, too.
        return {
            wanted[sha256, size]: File(id=id_, sha256=sha256, size=size, state=state)
            for id_, sha256, size, state in rows
            if (sha256, size) in wanted
        }

    def _create(self, digests: Iterable[Digest]) -> dict[Digest, File]:
        """Those of the contents that nobody else has made at the same time."""
        rows = [{"sha256": new.hash_digest, "size": new.size, "state": FileState.LIVE} for new in digests]
        statement = insert_or_ignore(self.connection, self.table).returning(*self.table.c)
        made = map(self._noun, self.connection.execute(statement, rows))
        return {file.digest: file for file in made}


_files, _places, _copies = tables.files, tables.files_in_artifacts, tables.files_in_stores

# The text is that of the partial index, which the databases use for no other wording.
_LIVE_ONLY = sa.text("files.state = 'live'")

# FOR SHARE: a collector that wants to mark one of these waits, and then sees the reference to it.
_LIVE = (
    sa.select(_files.c.id, _files.c.sha256, _files.c.size, _files.c.state)
    .where(_files.c.sha256.in_(sa.bindparam("wanted", expanding=True)), _LIVE_ONLY)
    .order_by(_files.c.sha256, _files.c.size)
    .with_for_update(read=True)
)

_HELD = sa.select(_files.c.id).where(
    _files.c.id.in_(sa.bindparam("wanted", expanding=True)),
    sa.exists().where(_copies.c.file == _files.c.id, _copies.c.store.in_(sa.bindparam("stores", expanding=True))),
    sa.exists(
        sa.select(_places.c.id)
        .join(tables.artifacts, tables.artifacts.c.id == _places.c.artifact)
        .where(
            _places.c.file == _files.c.id, _places.c.complete, tables.artifacts.c.workspace == sa.bindparam("workspace")
        )
    ),
)
