"""File stores in the database; the configuration file is the truth for them."""

from debusine.db import tables
from debusine.db.repository import Repository
from debusine.domain.files import FileStore


class FileStoreRepository(Repository[FileStore]):
    """Finds and keeps file stores."""

    table = tables.file_stores
    noun = FileStore
    title = "file store"
